//! The routes of one kind of record; every kind has the same.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{self, Data, Path, ServiceConfig},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::{
    Decision, Record, RecordKind, Review, change,
    change::{Change, Refusal},
    filter::Filter,
    id_of_key,
    intake::Intake,
    lookup::{self, Mark, Sort},
    request,
    request::{Reading, Submittable},
    similar,
    store::{DetailsTable, Outcome},
    versions::{self, Version},
    view::{self, Page, RecordView},
};
use crate::{
    accounts::Caller,
    db::Pool,
    faults::Faults,
    http::{
        Answer, Kind, Problem,
        body::{self, Json, OptionalJson, RawJson},
        preconditions,
        query::{self, Query},
        reads::Reads,
    },
    ledger::{self, Ledger, Receipt},
    places::{Directory, directory::Places},
    sealing::Sealer,
};

/// A review as it is sent.
#[derive(Deserialize, Validate, ToSchema)]
pub struct ReviewRequest {
    /// `in_review`, `verified`, `rejected` or `duplicate`.
    #[validate(required)]
    pub decision: Option<String>,
    #[validate(length(min = 1, max = 2000))]
    pub note: Option<String>,
    /// The record that this one duplicates.
    pub duplicate_of: Option<String>,
}

/// Why a record is withdrawn.
#[derive(Deserialize, Validate, ToSchema)]
pub struct WithdrawRequest {
    #[validate(length(min = 1, max = 2000))]
    pub note: Option<String>,
}

/// An entry of the history.
#[derive(Serialize, ToSchema)]
pub struct HistoryEntry {
    version: i32,
    /// `submitted`, `edited`, `reviewed` or `withdrawn`.
    action: String,
    status: String,
    by: Uuid,
    at: DateTime<Utc>,
    note: Option<String>,
    /// The whole content where the action changed it.
    content: Option<Value>,
    /// SHA-256 of the content in canonical form (RFC 8785), in hexadecimal.
    content_sha256: Option<String>,
}

/// A possible duplicate.
#[derive(Serialize, ToSchema)]
pub struct SimilarView<'a, V> {
    /// 0 to 1.
    likeness: f32,
    record: RecordView<'a, V>,
}

/// Registers the routes of the kind `D`.
pub fn configure<D: Submittable + DetailsTable>(config: &mut ServiceConfig) {
    let path = |rest: &str| format!("/{}{rest}", D::PATH);
    config
        .service(web::resource(path("")).route(web::get().to(list::<D>)).route(web::post().to(create::<D>)))
        .service(
            web::resource(path("/{id}")).route(web::get().to(get::<D>)).route(web::patch().to(edit::<D>)),
        )
        .route(&path("/{id}/history"), web::get().to(history::<D>))
        .route(&path("/{id}/receipt"), web::get().to(receipt::<D>))
        .route(&path("/{id}/similar"), web::get().to(similar_records::<D>))
        .route(&path("/{id}/review"), web::post().to(review::<D>))
        .route(&path("/{id}/withdraw"), web::post().to(withdraw::<D>));
}

fn answer<D: Submittable>(
    mut response: actix_web::HttpResponseBuilder,
    record: &Record<D>,
    receipt: Option<Receipt>,
    directory: &Directory,
) -> HttpResponse {
    response
        .insert_header((header::ETAG, preconditions::etag(record.version)))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .json(RecordView { receipt, ..view::view(record, directory) })
}

/// The receipt of a version; none where it is from before the ledger and not committed to yet.
pub fn promise(version: &Version, kind: RecordKind, ledger: &Ledger) -> Option<Receipt> {
    Some(Receipt::promise(version.entry(kind), version.salt.as_ref()?, &ledger.signer))
}

async fn create<D: Submittable + DetailsTable>(
    request: HttpRequest,
    caller: Caller,
    body: RawJson,
    pool: Data<Pool>,
    places: Data<Places>,
    intake: Data<Intake<D>>,
    ledger: Data<Ledger>,
    sealer: Data<Sealer>,
) -> Answer {
    let directory = places.get().await;
    let (value, faults) = body::parse(&body.0)?;
    let keys = sealer.keys().await?;
    let reading = Reading { directory: &directory, keys: &keys, before: None };
    let (mut new, has_id) = request::read::<D>(&value, faults, caller.id(), &reading)?;
    if let Some(key) = request.headers().get("idempotency-key").filter(|_| !has_id) {
        new.id = id_of_key(caller.id(), key.to_str().map_err(|_| Problem::new(Kind::Malformed))?);
    }
    let id = new.id;
    let (record, receipt, mut response) = match intake.submit(new.clone()).await? {
        Outcome::Created => {
            let receipt = versions::first_receipt(&new, &ledger);
            (new.into(), Some(receipt), HttpResponse::Created())
        }
        Outcome::Conflict => return Err(Problem::new(Kind::Conflict)),
        Outcome::Replayed => {
            let mut conn = pool.get().await?;
            let record = lookup::get::<D>(&conn, &caller.scope(&directory), id).await?;
            let record = record.ok_or_else(|| Problem::new(Kind::NotFound))?;
            let first = versions::one(&mut conn, record.envelope.place.election, id, 1).await?;
            let receipt = first.and_then(|first| promise(&first, D::KIND, &ledger));
            (record, receipt, HttpResponse::Ok())
        }
    };
    response.insert_header((header::LOCATION, format!("/api/v1/{}/{id}", D::PATH)));
    Ok(answer(response, &record, receipt, &directory))
}

/// The record of that id within the caller's reach, or 404.
pub async fn find<D: DetailsTable>(
    caller: &Caller,
    conn: &mut diesel_async::AsyncPgConnection,
    directory: &Directory,
    id: &str,
) -> Result<Record<D>, Problem> {
    let missing = || Problem::new(Kind::NotFound);
    let id = Uuid::parse_str(id).map_err(|_| missing())?;
    lookup::get(conn, &caller.scope(directory), id).await?.ok_or_else(missing)
}

async fn get<D: Submittable + DetailsTable>(
    request: HttpRequest,
    caller: Caller,
    id: Path<String>,
    pool: Reads,
    places: Data<Places>,
) -> Answer {
    let directory = places.get().await;
    let record = find::<D>(&caller, &mut *pool.get().await?, &directory, &id).await?;
    if preconditions::has_fresh(&request, &preconditions::etag(record.version)) {
        return Ok(HttpResponse::NotModified()
            .insert_header((header::ETAG, preconditions::etag(record.version)))
            .finish());
    }
    Ok(answer(HttpResponse::Ok(), &record, None, &directory))
}

async fn list<D: Submittable + DetailsTable>(
    caller: Caller,
    reads: Reads,
    places: Data<Places>,
    mut query: Query,
) -> Answer {
    let directory = places.get().await;
    let filter = Filter::read(&mut query, &directory);
    let limit = query.limit();
    let sort = match query.text("sort").as_deref() {
        None | Some("-occurred_at") => Sort { by_arrival: false, ascending: false },
        Some("occurred_at") => Sort { by_arrival: false, ascending: true },
        Some("-received_at") => Sort { by_arrival: true, ascending: false },
        Some("received_at") => Sort { by_arrival: true, ascending: true },
        Some(_) => {
            let words = "occurred_at, -occurred_at, received_at, -received_at".to_owned();
            query.faults.add_with("?sort", "not_one_of", vec![("words", words)]);
            Sort { by_arrival: false, ascending: false }
        }
    };
    let after: Option<(Sort, Mark)> = query.cursor();
    if after.is_some_and(|(of, _)| of != sort) {
        query.faults.add("?cursor", "not_a_cursor");
    }
    query.finish()?;
    let scope = caller.scope(&directory);
    let after = after.map(|(_, mark)| mark);
    let mut records = lookup::list::<D>(reads.all(), &filter, &scope, sort, after, limit + 1).await?;
    let more = records.len() as i64 > limit;
    records.truncate(limit as usize);
    let next = records.last().filter(|_| more).map(|last| {
        let at = if sort.by_arrival { last.received_at } else { last.envelope.occurred_at };
        query::cursor(&(sort, (at, last.id)))
    });
    let items: Vec<_> = records.iter().map(|record| view::view(record, &directory)).collect();
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .content_type(header::ContentType::json())
        .body(Page { items, next }.to_json()))
}

async fn edit<D: Submittable + DetailsTable>(
    request: HttpRequest,
    caller: Caller,
    id: Path<String>,
    body: RawJson,
    pool: Data<Pool>,
    places: Data<Places>,
    ledger: Data<Ledger>,
    sealer: Data<Sealer>,
) -> Answer {
    let directory = places.get().await;
    let (patch, faults) = body::parse(&body.0)?;
    let mut conn = pool.get().await?;
    let record = find::<D>(&caller, &mut conn, &directory, &id).await?;
    require_reporter(&caller, &record)?;
    preconditions::require_match(&request, record.version)?;
    let mut content = request::content(&record.envelope, &record.details, &directory);
    // A new city brings its own region, unless the patch names one.
    if patch.get("city").is_some() && patch.get("region").is_none() {
        content.as_object_mut().map(|content| content.remove("region"));
    }
    // The precision said before was that of the old time.
    if patch.get("occurred_at").is_some() && patch.get("precision").is_none() {
        content.as_object_mut().map(|content| content.remove("precision"));
    }
    request::merge(&mut content, &patch);
    // Another person in the place of the one before.
    if patch.get("person").is_some() || patch.get("sealed_person").is_some() {
        content.as_object_mut().map(|content| content.remove("person_commitment"));
    }
    let keys = sealer.keys().await?;
    let reading = Reading { directory: &directory, keys: &keys, before: Some(&record.details) };
    let (new, _) = request::read::<D>(&content, faults, caller.id(), &reading)?;
    let mut faults = Faults::default();
    if new.envelope.place.election != record.envelope.place.election {
        faults.add("/election", "not_allowed_here");
    }
    if patch.get("id").is_some() {
        faults.add("/id", "not_allowed_here");
    }
    faults.check(Some(()))?;
    apply(&caller, &mut conn, &directory, &ledger, &record, Change::Edit(Box::new(new))).await
}

fn require_reporter<D>(caller: &Caller, record: &Record<D>) -> Result<(), Problem> {
    if record.reporter == caller.id() { Ok(()) } else { Err(Problem::new(Kind::Forbidden)) }
}

/// Makes a change and answers the record with the receipt of its new version.
pub async fn apply<D: Submittable + DetailsTable>(
    caller: &Caller,
    conn: &mut diesel_async::AsyncPgConnection,
    directory: &Directory,
    ledger: &Ledger,
    record: &Record<D>,
    change: Change<D>,
) -> Answer {
    let scope = caller.scope(directory);
    match change::change(conn, caller.id(), &scope, record, change).await? {
        Ok((record, version)) => {
            let receipt = promise(&version, D::KIND, ledger);
            Ok(answer(HttpResponse::Ok(), &record, receipt, directory))
        }
        Err(Refusal::Stale) => Err(Problem::new(Kind::Stale)),
        Err(Refusal::State) => Err(Problem::new(Kind::State)),
        Err(Refusal::UnknownOriginal) => Err(Problem::fault("/duplicate_of", "unknown_record")),
    }
}

async fn withdraw<D: Submittable + DetailsTable>(
    request: HttpRequest,
    caller: Caller,
    id: Path<String>,
    body: OptionalJson<WithdrawRequest>,
    pool: Data<Pool>,
    places: Data<Places>,
    ledger: Data<Ledger>,
) -> Answer {
    let directory = places.get().await;
    let mut conn = pool.get().await?;
    let record = find::<D>(&caller, &mut conn, &directory, &id).await?;
    require_reporter(&caller, &record)?;
    preconditions::allow_match(&request, record.version)?;
    let note = body.0.and_then(|body| body.note);
    apply(&caller, &mut conn, &directory, &ledger, &record, Change::Withdraw(note)).await
}

async fn review<D: Submittable + DetailsTable>(
    request: HttpRequest,
    caller: Caller,
    id: Path<String>,
    body: Json<ReviewRequest>,
    pool: Data<Pool>,
    places: Data<Places>,
    ledger: Data<Ledger>,
) -> Answer {
    caller.require_coordinator()?;
    let directory = places.get().await;
    let mut conn = pool.get().await?;
    let record = find::<D>(&caller, &mut conn, &directory, &id).await?;
    let mut faults = Faults::default();
    let decision = faults.word::<Decision>("/decision", body.0.decision.as_deref());
    let duplicate_of = body.0.duplicate_of.as_deref().and_then(|text| {
        let id = Uuid::parse_str(text).ok();
        if id.is_none() {
            faults.add("/duplicate_of", "unknown_record");
        }
        id
    });
    match (decision, &body.0.duplicate_of) {
        (Some(Decision::Duplicate), None) => faults.add("/duplicate_of", "needs_duplicate_of"),
        (Some(Decision::Duplicate), Some(_)) | (_, None) => {}
        (_, Some(_)) => faults.add("/duplicate_of", "not_allowed_here"),
    }
    let decision = faults.check(decision)?;
    preconditions::allow_match(&request, record.version)?;
    let review = Review { decision, note: body.0.note, duplicate_of };
    apply(&caller, &mut conn, &directory, &ledger, &record, Change::Review(review)).await
}

async fn history<D: Submittable + DetailsTable>(
    caller: Caller,
    id: Path<String>,
    pool: Reads,
    places: Data<Places>,
) -> Answer {
    let directory = places.get().await;
    let mut conn = pool.get().await?;
    let record = find::<D>(&caller, &mut conn, &directory, &id).await?;
    let entries = versions::history(&mut conn, record.envelope.place.election, record.id).await?;
    let entry = |version: Version| HistoryEntry {
        version: version.version,
        action: version.action,
        status: version.status,
        by: version.actor_id,
        at: version.at,
        note: version.note,
        content: version.content,
        content_sha256: version.content_hash.map(hex::encode),
    };
    Ok(HttpResponse::Ok().json(entries.into_iter().map(entry).collect::<Vec<_>>()))
}

async fn receipt<D: Submittable + DetailsTable>(
    caller: Caller,
    id: Path<String>,
    pool: Reads,
    places: Data<Places>,
    ledger: Data<Ledger>,
    mut query: Query,
) -> Answer {
    let directory = places.get().await;
    let mut conn = pool.get().await?;
    let record = find::<D>(&caller, &mut conn, &directory, &id).await?;
    let number = query.parsed("version", "not_a_number").unwrap_or(record.version);
    query.finish()?;
    let missing = || Problem::new(Kind::NotFound);
    let version = versions::one(&mut conn, record.envelope.place.election, record.id, number).await?;
    let mut version = version.ok_or_else(missing)?;
    let salt = version.salt.take().ok_or_else(missing)?;
    let content = version.content.take();
    let receipt = ledger::routes::receipt(&mut conn, &ledger, version.entry(D::KIND), &salt, content).await?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "private, no-cache")).json(receipt))
}

async fn similar_records<D: Submittable + DetailsTable>(
    caller: Caller,
    id: Path<String>,
    pool: Reads,
    places: Data<Places>,
) -> Answer {
    let directory = places.get().await;
    let mut conn = pool.get().await?;
    let record = find::<D>(&caller, &mut conn, &directory, &id).await?;
    let found = similar::find(&mut conn, &caller.scope(&directory), &record).await?;
    let views: Vec<_> = (found.iter())
        .map(|(record, likeness)| SimilarView { likeness: *likeness, record: view::view(record, &directory) })
        .collect();
    Ok(HttpResponse::Ok().json(views))
}
