//! `/evidence/{id}/reading`: double entry of a photographed sheet.

use actix_web::{
    HttpResponse, get, post,
    web::{Data, Path},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::{
    domain::{VotesRequest, read_votes},
    figures::{Check, Figures},
    reading::{self, Difference, ReadingState},
    reading_store::{self, Refused},
};
use crate::{
    accounts::Caller,
    db::Pool,
    evidence,
    faults::Faults,
    http::{Answer, Kind, Problem, body::Json, reads::Reads},
    places::directory::Places,
};

/// The figures as one person reads them. What is not legible is left out.
#[derive(Deserialize, Validate, ToSchema)]
pub struct ReadingRequest {
    #[validate(range(min = 0, max = 10000000))]
    voters_on_list: Option<i32>,
    #[validate(range(min = 0, max = 10000000))]
    ballots_received: Option<i32>,
    #[validate(range(min = 0, max = 10000000))]
    issued_in_station: Option<i32>,
    #[validate(range(min = 0, max = 10000000))]
    issued_mobile: Option<i32>,
    #[validate(range(min = 0, max = 10000000))]
    spoiled: Option<i32>,
    #[validate(range(min = 0, max = 10000000))]
    unused: Option<i32>,
    #[validate(range(min = 0, max = 10000000))]
    found_in_boxes: Option<i32>,
    #[validate(range(min = 0, max = 10000000))]
    invalid: Option<i32>,
    #[validate(range(min = 0, max = 10000000))]
    against_all: Option<i32>,
    #[validate(required, nested, length(min = 1, max = 100))]
    votes: Option<Vec<VotesRequest>>,
}

/// Where the reading of a photo stands.
#[derive(Serialize, ToSchema)]
pub struct ReadingView {
    state: ReadingState,
    /// Readings so far.
    readings: usize,
    /// Whether the caller may key it: nobody keys a photo twice.
    wanted: bool,
    /// What was agreed on.
    figures: Option<Figures>,
    /// The arithmetic of what was agreed on.
    checks: Vec<Check>,
    /// Shown once it is read, or cannot be: who keys it must not know what others keyed.
    differences: Vec<Difference>,
}

fn wanted(readings: &[Figures]) -> bool {
    readings.len() < reading_store::MOST && reading::compare(readings).state != ReadingState::Read
}

fn shown(readings: &[Figures], has_read: bool) -> ReadingView {
    let outcome = reading::compare(readings);
    let over = matches!(outcome.state, ReadingState::Read | ReadingState::Unresolved);
    ReadingView {
        state: outcome.state,
        readings: readings.len(),
        wanted: !has_read && wanted(readings),
        checks: outcome.figures.as_ref().map(Figures::checks).unwrap_or_default(),
        figures: outcome.figures,
        differences: if over { outcome.differences } else { Vec::new() },
    }
}

/// The photo, where the caller reaches its record.
async fn photo(caller: &Caller, pool: &Pool, places: &Places, id: Uuid) -> Result<Uuid, Problem> {
    let missing = || Problem::new(Kind::NotFound);
    let scope = caller.scope(&*places.get().await);
    let mut conn = pool.get().await?;
    let (row, _) = evidence::store::one(&mut conn, id).await?.ok_or_else(missing)?;
    evidence::store::election_of(&mut conn, &scope, row.record_id).await?.ok_or_else(missing)?;
    Ok(row.id)
}

/// Keys the figures of a photographed sheet. Two who agree have read it; a difference goes to a third.
#[utoipa::path(tag = "protocols", path = "/api/v1/evidence/{id}/reading", security(("token" = [])), params(("id" = Uuid, Path)),
    request_body = ReadingRequest,
    responses((status = 201, body = ReadingView), (status = 409, description = "Keyed by this person already, or read"), (status = 404, description = "Not there, or out of reach")))]
#[post("/evidence/{id}/reading")]
pub async fn read(
    caller: Caller,
    id: Path<Uuid>,
    body: Json<ReadingRequest>,
    pool: Data<Pool>,
    places: Data<Places>,
) -> Answer {
    let photo = photo(&caller, &pool, &places, *id).await?;
    let mut faults = Faults::default();
    let votes = read_votes(body.0.votes.unwrap_or_default(), &*places.get().await, &mut faults);
    let votes = faults.check(Some(votes))?;
    let figures = Figures {
        voters_on_list: body.0.voters_on_list,
        ballots_received: body.0.ballots_received,
        issued_in_station: body.0.issued_in_station,
        issued_mobile: body.0.issued_mobile,
        spoiled: body.0.spoiled,
        unused: body.0.unused,
        found_in_boxes: body.0.found_in_boxes,
        invalid: body.0.invalid,
        against_all: body.0.against_all,
        votes,
    };
    match reading_store::add(&mut *pool.get().await?, photo, caller.id(), &figures, wanted).await? {
        Ok(readings) => Ok(HttpResponse::Created().json(shown(&readings, true))),
        Err(Refused::Twice) => Err(Problem::new(Kind::Conflict)),
        Err(Refused::Done) => Err(Problem::new(Kind::State)),
    }
}

/// Where the reading of a photo stands.
#[utoipa::path(tag = "protocols", path = "/api/v1/evidence/{id}/reading", security(("token" = [])), params(("id" = Uuid, Path)),
    responses((status = 200, body = ReadingView), (status = 404, description = "Not there, or out of reach")))]
#[get("/evidence/{id}/reading")]
pub async fn state(caller: Caller, id: Path<Uuid>, pool: Reads, places: Data<Places>) -> Answer {
    let photo = photo(&caller, &pool, &places, *id).await?;
    let readings = reading_store::of_photo(&mut *pool.get().await?, photo).await?;
    let has_read = readings.iter().any(|(reader, _)| *reader == caller.id());
    let figures: Vec<Figures> = readings.into_iter().map(|(_, figures)| figures).collect();
    Ok(HttpResponse::Ok().json(shown(&figures, has_read)))
}
