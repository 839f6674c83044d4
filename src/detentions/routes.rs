//! What detentions have beyond the routes of all records: the sealed person, and the search for one.

use actix_web::{
    HttpResponse, get,
    http::header::CACHE_CONTROL,
    post, put,
    web::{Data, Path},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::domain::Detention;
use crate::{
    accounts::Caller,
    db::Pool,
    faults::Faults,
    http::{
        Answer, Kind, Problem,
        body::Json,
        query::{self, Query},
    },
    places::directory::Places,
    records::{
        lookup,
        view::{self, Page, RecordView},
    },
    sealing::{
        self, FreshSeal, Sealer,
        store::{SealedAction, SealedSubject},
    },
};

/// A sealed person: to be opened on the coordinator's own machine (`baqylau open`).
#[derive(Serialize, ToSchema)]
pub struct SealedPersonView {
    detention: Uuid,
    /// age armour.
    armour: String,
    /// The keys it was sealed to, where the server did it.
    sealed_to: Vec<String>,
    sealed_at: DateTime<Utc>,
}

impl From<sealing::store::Sealed> for SealedPersonView {
    fn from(it: sealing::store::Sealed) -> Self {
        Self { detention: it.record_id, armour: it.armour, sealed_to: it.sealed_to, sealed_at: it.sealed_at }
    }
}

/// A person sealed anew.
#[derive(Deserialize, Validate, ToSchema)]
pub struct ResealRequest {
    /// age armour.
    #[validate(required, length(max = 20000))]
    armour: Option<String>,
    /// The name's tokens in the blind index, in hexadecimal; those there are stay when left out.
    #[validate(length(max = 50))]
    tokens: Option<Vec<String>>,
    /// The keys it is sealed to.
    #[validate(required, length(min = 1, max = 50))]
    sealed_to: Option<Vec<String>>,
}

/// A detention as readers see it.
pub type DetentionView<'a> = RecordView<'a, Detention>;

/// Whom a relative asks for.
#[derive(Deserialize, Validate, ToSchema)]
pub struct PersonSearch {
    #[validate(required, length(min = 2, max = 300))]
    name: Option<String>,
}

/// The sealed person of a detention; that it was read is noted.
#[utoipa::path(tag = "sealed data", path = "/api/v1/detentions/{id}/sealed-person", security(("token" = [])),
    params(("id" = Uuid, Path), ("reason" = Option<String>, Query, description = "why it is opened; kept in the log")),
    responses((status = 200, body = SealedPersonView), (status = 404, description = "Nobody is sealed there, or it is out of reach")))]
#[get("/detentions/{id}/sealed-person")]
pub async fn sealed_person(
    caller: Caller,
    id: Path<Uuid>,
    pool: Data<Pool>,
    places: Data<Places>,
    mut query: Query,
) -> Answer {
    let reason = query.short_text("reason");
    query.finish()?;
    caller.require_coordinator()?;
    let scope = caller.scope(&*places.get().await);
    let mut conn = pool.get().await?;
    let found =
        sealing::store::read(&mut conn, caller.id(), &scope, Some(*id), Uuid::nil(), 1, reason.as_deref());
    let found = found.await?.pop().ok_or_else(|| Problem::new(Kind::NotFound))?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(SealedPersonView::from(found)))
}

/// All sealed persons within reach, to be sealed anew; that they were read is noted.
#[utoipa::path(tag = "sealed data", path = "/api/v1/sealed-persons", security(("token" = [])),
    params(("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query), ("reason" = Option<String>, Query)),
    responses((status = 200, body = Page<SealedPersonView>)))]
#[get("/sealed-persons")]
pub async fn sealed_persons(
    caller: Caller,
    pool: Data<Pool>,
    places: Data<Places>,
    mut query: Query,
) -> Answer {
    let limit = query.limit();
    let after: Option<Uuid> = query.cursor();
    let reason = query.short_text("reason");
    query.finish()?;
    caller.require_coordinator()?;
    let scope = caller.scope(&*places.get().await);
    let mut conn = pool.get().await?;
    let after = after.unwrap_or_default();
    let found =
        sealing::store::read(&mut conn, caller.id(), &scope, None, after, limit, reason.as_deref()).await?;
    let next =
        found.last().filter(|_| found.len() as i64 == limit).map(|last| query::cursor(&last.record_id));
    let items: Vec<_> = found.into_iter().map(SealedPersonView::from).collect();
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(Page { items, next }))
}

/// Puts the person, sealed anew to the keys now in use, in the place of the old seal.
#[utoipa::path(tag = "sealed data", path = "/api/v1/detentions/{id}/sealed-person", security(("token" = [])),
    params(("id" = Uuid, Path)), request_body = ResealRequest,
    responses((status = 204), (status = 404, description = "Nobody is sealed there, or it is out of reach")))]
#[put("/detentions/{id}/sealed-person")]
pub async fn reseal(
    caller: Caller,
    id: Path<Uuid>,
    body: Json<ResealRequest>,
    pool: Data<Pool>,
    places: Data<Places>,
    sealer: Data<Sealer>,
) -> Answer {
    caller.require_coordinator()?;
    let directory = places.get().await;
    let scope = caller.scope(&directory);
    let mut conn = pool.get().await?;
    let record = lookup::get::<Detention>(&conn, &scope, *id).await?;
    let record = record.filter(|record| record.details.person_commitment.is_some());
    let record = record.ok_or_else(|| Problem::new(Kind::NotFound))?;
    let mut faults = Faults::default();
    let keys = sealer.keys().await?;
    let armour = body.0.armour.as_deref().unwrap_or_default();
    let taken = keys.take(armour, "/armour", &mut faults);
    let active: Vec<String> = keys.recipients().iter().map(ToString::to_string).collect();
    let sealed_to = body.0.sealed_to.unwrap_or_default();
    for (i, _) in sealed_to.iter().enumerate().filter(|(_, key)| !active.contains(key)) {
        faults.add(format!("/sealed_to/{i}"), "not_a_key");
    }
    let mut tokens = Vec::new();
    for (i, token) in body.0.tokens.iter().flatten().enumerate() {
        match hex::decode(token) {
            Ok(bytes) if bytes.len() <= 32 => tokens.push(bytes),
            _ => faults.add(format!("/tokens/{i}"), "not_hexadecimal"),
        }
    }
    let (_, seal) = faults.check(taken)?;
    let tokens = body.0.tokens.is_some().then_some(tokens);
    let seal = FreshSeal { sealed_to, ..seal };
    sealing::store::replace(&mut conn, caller.id(), record.envelope.place.election, *id, seal, tokens)
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Detentions within reach whose sealed person may be the one asked for, by the blind index: nothing is
/// opened, and the name is kept nowhere. That a search was made is noted.
#[utoipa::path(tag = "sealed data", path = "/api/v1/detentions/search-person", security(("token" = [])), request_body = PersonSearch,
    responses((status = 200, body = Vec<DetentionView>), (status = 422, description = "The server has no index key, or the name is too short")))]
#[post("/detentions/search-person")]
pub async fn search_person(
    caller: Caller,
    body: Json<PersonSearch>,
    pool: Data<Pool>,
    places: Data<Places>,
    sealer: Data<Sealer>,
) -> Answer {
    caller.require_coordinator()?;
    let directory = places.get().await;
    let scope = caller.scope(&directory);
    let keys = sealer.keys().await?;
    let index = keys.index().ok_or_else(|| Problem::fault("/name", "cannot_seal"))?;
    let tokens = index.tokens(body.0.name.as_deref().unwrap_or_default());
    if tokens.is_empty() {
        return Err(Problem::fault("/name", "not_a_name"));
    }
    let mut conn = pool.get().await?;
    let (searched, subject) = (SealedAction::Searched, SealedSubject::Detention);
    sealing::store::note(&mut conn, caller.id(), searched, subject, &[None], None)
        .await
        .map_err(crate::db::DbError::from)?;
    let ids = sealing::store::search(&mut conn, &scope, &tokens).await?;
    let found = lookup::some::<Detention>(&conn, &scope, &ids).await?;
    let views: Vec<_> = found.iter().map(|record| view::view(record, &directory)).collect();
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(views))
}
