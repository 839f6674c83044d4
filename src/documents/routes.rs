//! `/sources`, `/claims`, `/events`: read by all, added to by coordinators.

use actix_web::{HttpResponse, get, middleware::Compress, post, web::Data};
use uuid::Uuid;

use super::{
    domain::{Claim, Event, Source},
    store,
};
use crate::{
    accounts::Caller,
    db::{DbResult, Pool},
    faults::Faults,
    http::{Answer, Kind, Problem, body::Json, query::Query, reads::Reads},
    places::{self, Directory, ElectionId, directory::Places},
};

fn check_links(
    election: &str,
    source: &str,
    directory: &Directory,
    faults: &mut Faults,
) -> Option<(ElectionId, i32)> {
    let election = directory.election(election).map(|election| election.id);
    if election.is_none() {
        faults.add("/election", "unknown_election");
    }
    let source = directory.sources.get(source).copied();
    if source.is_none() {
        faults.add("/source", "unknown_source");
    }
    election.zip(source)
}

fn check_word(pointer: &str, word: &str, words: &[&str], faults: &mut Faults) {
    if !words.contains(&word) {
        faults.add_with(pointer, "not_one_of", vec![("words", words.join(", "))]);
    }
}

/// Stores a claim; `false` when its id is taken.
pub async fn store_claim(pool: &Pool, claim: &Claim, directory: &Directory) -> Result<(Uuid, bool), Problem> {
    let mut faults = Faults::default();
    let links = check_links(&claim.election, &claim.source, directory, &mut faults);
    let words = ["exact", "approximate", "at_least", "disputed", "none"];
    check_word("/value_is", &claim.value_is, &words, &mut faults);
    if claim.value.is_some_and(|value| !value.is_finite()) {
        faults.add("/value", "not_allowed_here");
    }
    let mut conn = pool.get().await?;
    if let Some(disputed) = claim.disputes
        && !store::has_claim(&mut conn, disputed).await?
    {
        faults.add("/disputes", "unknown_record");
    }
    let (election, source) = faults.check(links)?;
    let id = claim.id.unwrap_or_else(Uuid::now_v7);
    Ok((id, store::add_claim(&mut conn, id, claim, election, source).await?))
}

/// Stores an event; `false` when its id is taken.
pub async fn store_event(pool: &Pool, event: &Event, directory: &Directory) -> Result<(Uuid, bool), Problem> {
    let mut faults = Faults::default();
    let links = check_links(&event.election, &event.source, directory, &mut faults);
    check_word("/precision", &event.precision, &["day", "period"], &mut faults);
    if event.ends_on.is_some_and(|end| end < event.starts_on) {
        faults.add("/ends_on", "from_after_to");
    }
    let mut cities = Vec::new();
    for (i, name) in event.cities.iter().enumerate() {
        match directory.city(name, None, event.starts_on) {
            Some(city) => cities.push(city.id),
            None => faults.add(format!("/cities/{i}"), "unknown_city"),
        }
    }
    let (election, source) = faults.check(links)?;
    let id = event.id.unwrap_or_else(Uuid::now_v7);
    let mut conn = pool.get().await?;
    Ok((id, store::add_event(&mut conn, id, event, election, source, &cities).await?))
}

/// Stores a source; `false` when its slug is taken.
pub async fn store_source(pool: &Pool, source: &Source) -> Result<bool, Problem> {
    let slug = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if source.id.is_empty() || !source.id.chars().all(slug) {
        return Err(Problem::fault("/id", "not_allowed_here"));
    }
    let added: DbResult<bool> = async { store::add_source(&mut *pool.get().await?, source).await }.await;
    Ok(added?)
}

fn created<T: serde::Serialize>(added: bool, body: T) -> Answer {
    if added { Ok(HttpResponse::Created().json(body)) } else { Err(Problem::new(Kind::Taken)) }
}

/// The source documents.
#[utoipa::path(tag = "documents", path = "/api/v1/sources", responses((status = 200, body = Vec<Source>)))]
#[get("/sources", wrap = "Compress::default()")]
pub async fn sources(pool: Reads) -> Answer {
    Ok(HttpResponse::Ok().json(store::list_sources(&mut *pool.get().await?).await?))
}

/// Adds a source.
#[utoipa::path(tag = "documents", path = "/api/v1/sources", security(("token" = [])), request_body = Source,
    responses((status = 201, body = Source), (status = 409, description = "The id is taken")))]
#[post("/sources")]
pub async fn add_source(
    caller: Caller,
    body: Json<Source>,
    pool: Data<Pool>,
    places: Data<Places>,
) -> Answer {
    caller.require_coordinator()?;
    let added = store_source(&pool, &body.0).await?;
    places.refresh().await?;
    created(added, body.0)
}

/// What sources state, beside which the tracker's own counts are set.
#[utoipa::path(tag = "documents", path = "/api/v1/claims", params(("election" = Option<String>, Query)), responses((status = 200, body = Vec<Claim>)))]
#[get("/claims", wrap = "Compress::default()")]
pub async fn claims(pool: Reads, places: Data<Places>, mut query: Query) -> Answer {
    let directory = places.get().await;
    let election = places::query::election(&mut query, &directory);
    query.finish()?;
    Ok(HttpResponse::Ok().json(store::list_claims(&mut *pool.get().await?, election, &directory).await?))
}

/// Adds a claim.
#[utoipa::path(tag = "documents", path = "/api/v1/claims", security(("token" = [])), request_body = Claim,
    responses((status = 201, body = Claim), (status = 409, description = "The id is taken")))]
#[post("/claims")]
pub async fn add_claim(caller: Caller, body: Json<Claim>, pool: Data<Pool>, places: Data<Places>) -> Answer {
    caller.require_coordinator()?;
    let mut claim = body.0;
    let (id, added) = store_claim(&pool, &claim, &*places.get().await).await?;
    claim.id = Some(id);
    created(added, claim)
}

/// The timeline around an election.
#[utoipa::path(tag = "documents", path = "/api/v1/events", params(("election" = Option<String>, Query)), responses((status = 200, body = Vec<Event>)))]
#[get("/events", wrap = "Compress::default()")]
pub async fn events(pool: Reads, places: Data<Places>, mut query: Query) -> Answer {
    let directory = places.get().await;
    let election = places::query::election(&mut query, &directory);
    query.finish()?;
    Ok(HttpResponse::Ok().json(store::list_events(&mut *pool.get().await?, election, &directory).await?))
}

/// Adds an event.
#[utoipa::path(tag = "documents", path = "/api/v1/events", security(("token" = [])), request_body = Event,
    responses((status = 201, body = Event), (status = 409, description = "The id is taken")))]
#[post("/events")]
pub async fn add_event(caller: Caller, body: Json<Event>, pool: Data<Pool>, places: Data<Places>) -> Answer {
    caller.require_coordinator()?;
    let mut event = body.0;
    let (id, added) = store_event(&pool, &event, &*places.get().await).await?;
    event.id = Some(id);
    created(added, event)
}
