//! `/enquiries`.
//!
//! Who asks gets a code, which is the secret half of an age key; the server keeps the public half. Answers
//! are sealed to it, so that nobody but the holder of the code (and the coalition) can read them later.

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header::CACHE_CONTROL,
    post,
    web::{Data, Path},
};
use age::{secrecy::ExposeSecret, x25519};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::{EnquiryStatus, NewEnquiry, store};
use crate::{
    accounts::Caller,
    db::Pool,
    detentions::{domain::Detention, routes::DetentionView},
    faults::Faults,
    http::{
        self, Answer, Kind, Problem,
        body::Json,
        limits::Limits,
        query::{self, Query},
    },
    places::{Directory, directory::Places},
    records::{
        self,
        lookup::{get, some},
        view,
        view::Page,
    },
    sealing::{self, Person, Sealer, domain},
};

/// Who is sought.
#[derive(Deserialize, Validate, ToSchema)]
pub struct EnquiryRequest {
    /// Slug of the election around which they were taken.
    #[validate(required)]
    election: Option<String>,
    /// City where they were last seen; coordinators of its region answer.
    city: Option<String>,
    region: Option<String>,
    /// Who is sought, and in `contacts` how to reach who asks. Sealed before anything is stored.
    #[validate(required, nested)]
    person: Option<Person>,
}

#[derive(Serialize, ToSchema)]
pub struct EnquiryReceipt {
    id: Uuid,
    /// Shows the answer, at `/enquiries/lookup`. Told this once and stored nowhere.
    code: String,
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct LookupRequest {
    #[validate(required, length(max = 200))]
    code: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct LookupView {
    id: Uuid,
    /// `open`, `answered` or `closed`.
    status: String,
    asked_at: DateTime<Utc>,
    answered_at: Option<DateTime<Utc>>,
    answer: Option<String>,
}

/// An enquiry as coordinators see it.
#[derive(Serialize, ToSchema)]
pub struct EnquiryView {
    id: Uuid,
    election: String,
    region: Option<String>,
    city: Option<String>,
    /// In which language to answer.
    language: String,
    status: String,
    asked_at: DateTime<Utc>,
    answered_at: Option<DateTime<Utc>>,
    answered_by: Option<Uuid>,
    detention: Option<Uuid>,
}

/// An enquiry and the detentions that may be of the person sought.
#[derive(Serialize, ToSchema)]
pub struct EnquiryMatches<'a> {
    #[serde(flatten)]
    enquiry: EnquiryView,
    /// Found by the blind index, the likest first; nothing was opened.
    matches: Vec<DetentionView<'a>>,
}

#[derive(Serialize, ToSchema)]
pub struct SealedEnquiry {
    id: Uuid,
    /// age armour: who is sought and how to reach who asks.
    armour: String,
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct AnswerRequest {
    /// Sealed to who asks before it is stored.
    #[validate(required, length(min = 1, max = 5000))]
    answer: Option<String>,
    /// The detention that is meant.
    detention: Option<String>,
    /// Nothing more will be said.
    #[serde(default)]
    close: bool,
}

fn shown(enquiry: &store::Enquiry, directory: &Directory) -> EnquiryView {
    let region = enquiry.region_id.and_then(|id| directory.region_by_id(id));
    let city = enquiry.city_id.and_then(|id| directory.city_by_id(id));
    let election = directory.election_by_id(enquiry.election_id);
    EnquiryView {
        id: enquiry.id,
        election: election.map(|election| election.slug.clone()).unwrap_or_default(),
        region: region.map(|region| region.code.clone()),
        city: city.map(|city| city.slug.clone()),
        language: enquiry.language.clone(),
        status: enquiry.status.clone(),
        asked_at: enquiry.asked_at,
        answered_at: enquiry.answered_at,
        answered_by: enquiry.answered_by,
        detention: enquiry.detention_id,
    }
}

/// Asks for a person; no account is needed.
#[utoipa::path(tag = "enquiries", path = "/api/v1/enquiries", request_body = EnquiryRequest,
    responses((status = 201, body = EnquiryReceipt), (status = 422, description = "Every fault of the body"), (status = 429, description = "Too many questions from one address")))]
#[post("/enquiries")]
pub async fn ask(
    request: HttpRequest,
    body: Json<EnquiryRequest>,
    pool: Data<Pool>,
    places: Data<Places>,
    sealer: Data<Sealer>,
    limits: Data<Limits>,
) -> Answer {
    limits.check_enquiry(&request)?;
    let directory = places.get().await;
    let mut faults = Faults::default();
    let (election, region, city) =
        (body.0.election.as_deref(), body.0.region.as_deref(), body.0.city.as_deref());
    let place = directory.place(election, region, city, None, &mut faults);
    let person = body.0.person.unwrap_or_default();
    let sealed = sealer.keys().await?.seal(&person, "/person", &mut faults);
    let (place, (_, seal)) = faults.check(place.zip(sealed))?;
    let identity = x25519::Identity::generate();
    let new = NewEnquiry {
        id: Uuid::now_v7(),
        election: place.election,
        region: place.region,
        city: place.city,
        language: http::language(request.headers()).code(),
        seal,
        recipient: identity.to_public().to_string(),
        asked_at: records::now(),
    };
    store::add(&mut *pool.get().await?, &new).await?;
    let code = identity.to_string().expose_secret().to_owned();
    Ok(HttpResponse::Created()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(EnquiryReceipt { id: new.id, code }))
}

/// What became of an enquiry, for who holds its code.
#[utoipa::path(tag = "enquiries", path = "/api/v1/enquiries/lookup", request_body = LookupRequest,
    responses((status = 200, body = LookupView), (status = 404, description = "No enquiry has this code")))]
#[post("/enquiries/lookup")]
pub async fn lookup(
    request: HttpRequest,
    body: Json<LookupRequest>,
    pool: Data<Pool>,
    limits: Data<Limits>,
) -> Answer {
    limits.check_enquiry(&request)?;
    let missing = || Problem::new(Kind::NotFound);
    let code = body.0.code.unwrap_or_default();
    let identity: x25519::Identity = code.trim().parse().map_err(|_| missing())?;
    let key = identity.to_public().to_string();
    let enquiry = store::by_recipient(&mut *pool.get().await?, &key).await?.ok_or_else(missing)?;
    let open = |armour: &String| {
        let text = domain::open(armour, std::slice::from_ref(&identity)).ok()?;
        String::from_utf8(text).ok()
    };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(LookupView {
        id: enquiry.id,
        status: enquiry.status,
        asked_at: enquiry.asked_at,
        answered_at: enquiry.answered_at,
        answer: enquiry.answer.as_ref().and_then(open),
    }))
}

/// Enquiries of the caller's regions and of no region, the oldest first.
#[utoipa::path(tag = "enquiries", path = "/api/v1/enquiries", security(("token" = [])),
    params(("status" = Option<String>, Query, description = "open, answered or closed"), ("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<EnquiryView>)))]
#[get("/enquiries")]
pub async fn list(caller: Caller, pool: Data<Pool>, places: Data<Places>, mut query: Query) -> Answer {
    caller.require_coordinator()?;
    let directory = places.get().await;
    let status = query.text("status");
    let status = query.faults.word("?status", status.as_deref());
    let limit = query.limit();
    let after = query.cursor();
    query.finish()?;
    let scope = caller.scope(&directory);
    let found = store::list(&mut *pool.get().await?, &scope, status, after, limit + 1).await?;
    let more = found.len() as i64 > limit;
    let items: Vec<_> = found.iter().take(limit as usize).map(|it| shown(it, &directory)).collect();
    let next = items.last().filter(|_| more).map(|last| query::cursor(&(last.asked_at, last.id)));
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "private, no-cache")).json(Page { items, next }))
}

async fn find(
    caller: &Caller,
    pool: &Pool,
    directory: &Directory,
    id: Uuid,
) -> Result<store::Enquiry, Problem> {
    caller.require_coordinator()?;
    let found = store::get(&mut *pool.get().await?, &caller.scope(directory), id).await?;
    found.ok_or_else(|| Problem::new(Kind::NotFound))
}

/// One enquiry, with the detentions within reach that may be of the person sought.
#[utoipa::path(tag = "enquiries", path = "/api/v1/enquiries/{id}", security(("token" = [])), params(("id" = Uuid, Path)),
    responses((status = 200, body = EnquiryMatches), (status = 404, description = "Not there, or out of reach")))]
#[get("/enquiries/{id}")]
pub async fn one(caller: Caller, id: Path<Uuid>, pool: Data<Pool>, places: Data<Places>) -> Answer {
    let directory = places.get().await;
    let enquiry = find(&caller, &pool, &directory, *id).await?;
    let scope = caller.scope(&directory);
    let mut conn = pool.get().await?;
    store::note_search(&mut conn, caller.id(), enquiry.id).await?;
    let ids = sealing::store::search(&mut conn, &scope, &enquiry.tokens).await?;
    let found = some::<Detention>(&conn, &scope, &ids).await?;
    let matches = found.iter().map(|record| view::view(record, &directory)).collect();
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "private, no-cache"))
        .json(EnquiryMatches { enquiry: shown(&enquiry, &directory), matches }))
}

/// The sealed part of an enquiry, for `baqylau open`; that it was read is noted.
#[utoipa::path(tag = "enquiries", path = "/api/v1/enquiries/{id}/sealed-person", security(("token" = [])),
    params(("id" = Uuid, Path), ("reason" = Option<String>, Query)),
    responses((status = 200, body = SealedEnquiry), (status = 404, description = "Not there, or out of reach")))]
#[get("/enquiries/{id}/sealed-person")]
pub async fn sealed_person(
    caller: Caller,
    id: Path<Uuid>,
    pool: Data<Pool>,
    places: Data<Places>,
    mut query: Query,
) -> Answer {
    let reason = query.short_text("reason");
    query.finish()?;
    let enquiry = find(&caller, &pool, &*places.get().await, *id).await?;
    store::note_read(&mut *pool.get().await?, caller.id(), enquiry.id, reason.as_deref()).await?;
    let body = SealedEnquiry { id: enquiry.id, armour: enquiry.armour };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(body))
}

/// Answers an enquiry.
#[utoipa::path(tag = "enquiries", path = "/api/v1/enquiries/{id}/answer", security(("token" = [])), params(("id" = Uuid, Path)),
    request_body = AnswerRequest,
    responses((status = 200, body = EnquiryView), (status = 409, description = "It is closed"), (status = 404, description = "Not there, or out of reach")))]
#[post("/enquiries/{id}/answer")]
pub async fn give_answer(
    caller: Caller,
    id: Path<Uuid>,
    body: Json<AnswerRequest>,
    pool: Data<Pool>,
    places: Data<Places>,
    sealer: Data<Sealer>,
) -> Answer {
    let directory = places.get().await;
    let enquiry = find(&caller, &pool, &directory, *id).await?;
    let mut detention = None;
    if let Some(text) = &body.0.detention {
        let unknown = || Problem::fault("/detention", "unknown_record");
        let id = Uuid::parse_str(text).map_err(|_| unknown())?;
        let scope = caller.scope(&directory);
        let found = get::<Detention>(&*pool.get().await?, &scope, id).await?;
        detention = Some(found.ok_or_else(unknown)?.id);
    }
    let mut to = sealer.keys().await?.recipients().to_vec();
    to.extend(domain::recipient(&enquiry.recipient).ok());
    let armour = domain::seal(body.0.answer.unwrap_or_default().as_bytes(), &to)
        .map_err(|_| Problem::fault("/answer", "cannot_seal"))?;
    let status = if body.0.close { EnquiryStatus::Closed } else { EnquiryStatus::Answered };
    let mut conn = pool.get().await?;
    if !store::answer(&mut conn, caller.id(), *id, &armour, detention, status).await? {
        return Err(Problem::new(Kind::State));
    }
    let answered = store::get(&mut conn, &caller.scope(&directory), *id).await?;
    let answered = answered.ok_or_else(|| Problem::new(Kind::NotFound))?;
    Ok(HttpResponse::Ok().json(shown(&answered, &directory)))
}
