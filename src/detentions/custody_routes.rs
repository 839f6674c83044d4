//! `/detentions/{id}/custody`: the course of a detention.

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header::CACHE_CONTROL,
    post,
    web::{Data, Path},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use validator::Validate;

use super::{
    custody::{self, Course, Step},
    domain::{Custody, Detention},
    routes::DetentionView,
};
use crate::{
    accounts::{Caller, Role},
    db::Pool,
    faults::Faults,
    http::{Answer, Kind, Problem, body::Json, preconditions, reads::Reads},
    ledger::Ledger,
    places::directory::Places,
    records::{
        Record,
        change::Change,
        request::{self, Reading},
        routes::{apply, find},
        versions::{self, Version},
    },
    sealing::Sealer,
};

/// What became of the person or people now.
#[derive(Serialize, Deserialize, Validate, ToSchema)]
pub struct CustodyRequest {
    /// `held`, `place_unknown`, `released`, `fined`, `administrative_arrest` or `criminal_case`.
    #[validate(required)]
    custody: Option<String>,
    /// Since when: RFC 3339 time, or a date.
    #[validate(required, length(max = 40))]
    custody_since: Option<String>,
    /// Slug of the source that says so.
    #[validate(length(min = 1, max = 100))]
    custody_source: Option<String>,
    #[validate(length(min = 1, max = 300))]
    held_at: Option<String>,
    #[validate(range(min = 1, max = 90))]
    arrest_days: Option<i32>,
    #[validate(length(min = 1, max = 500))]
    stated_ground: Option<String>,
    relatives_told: Option<bool>,
    lawyer_admitted: Option<bool>,
    #[validate(length(min = 1, max = 2000))]
    note: Option<String>,
}

/// The steps that the versions of a record tell, in the order in which they were recorded.
fn steps(record: &Record<Detention>, history: Vec<Version>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for version in history {
        let Some(content) = &version.content else { continue };
        let text = |name: &str| content[name].as_str().map(str::to_owned);
        let Some(Ok(custody)) = text("custody").map(|word| word.parse::<Custody>()) else { continue };
        let since = text("custody_since").and_then(|text| DateTime::parse_from_rfc3339(&text).ok());
        let step = Step {
            version: version.version,
            custody,
            since: since.map_or(record.envelope.occurred_at, |since| since.to_utc()),
            held_at: text("held_at"),
            arrest_days: content["arrest_days"].as_i64().and_then(|days| days.try_into().ok()),
            source: text("custody_source"),
            note: version.note,
            recorded_by: version.actor_id,
            recorded_at: version.at,
        };
        // An edit of something else, or a correction of the same step.
        match steps.last_mut() {
            Some(last) if (last.custody, last.since) == (step.custody, step.since) => *last = step,
            _ => steps.push(step),
        }
    }
    steps
}

/// The course of a detention: each change of custody with its source, hours held so far, and the legal
/// limit. The hours are as exact as the time of the detention is.
#[utoipa::path(tag = "detentions", path = "/api/v1/detentions/{id}/custody", security(("token" = [])), params(("id" = Uuid, Path)),
    responses((status = 200, body = Course), (status = 404, description = "Not there, or out of reach")))]
#[get("/detentions/{id}/custody")]
pub async fn course(caller: Caller, id: Path<String>, pool: Reads, places: Data<Places>) -> Answer {
    let mut conn = pool.get().await?;
    let record = find::<Detention>(&caller, &mut conn, &*places.get().await, &id).await?;
    let history = versions::history(&mut conn, record.envelope.place.election, record.id).await?;
    let course = custody::course(steps(&record, history), Utc::now());
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "private, no-cache")).json(course))
}

/// Records what became of them, after a review too: by who reported it, or a coordinator of the region. It is
/// a version of the record like any other.
#[utoipa::path(tag = "detentions", path = "/api/v1/detentions/{id}/custody", security(("token" = [])), params(("id" = Uuid, Path)),
    request_body = CustodyRequest,
    responses((status = 200, body = DetentionView), (status = 409, description = "The record is withdrawn"), (status = 412, description = "Changed in between")))]
#[post("/detentions/{id}/custody")]
pub async fn record_step(
    request: HttpRequest,
    caller: Caller,
    id: Path<String>,
    body: Json<CustodyRequest>,
    pool: Data<Pool>,
    places: Data<Places>,
    ledger: Data<Ledger>,
    sealer: Data<Sealer>,
) -> Answer {
    let directory = places.get().await;
    let mut conn = pool.get().await?;
    let record = find::<Detention>(&caller, &mut conn, &directory, &id).await?;
    if caller.account.role == Role::Observer && record.reporter != caller.id() {
        return Err(Problem::new(Kind::Forbidden));
    }
    preconditions::allow_match(&request, record.version)?;
    let note = body.0.note.clone();
    let mut content = request::content(&record.envelope, &record.details, &directory);
    // What is not said of the new step is not known of it.
    if let Value::Object(content) = &mut content {
        for name in ["custody", "custody_since", "custody_source", "held_at", "arrest_days"] {
            content.remove(name);
        }
    }
    let mut patch = serde_json::to_value(CustodyRequest { note: None, ..body.0 }).expect("a request is JSON");
    if let Value::Object(patch) = &mut patch {
        patch.retain(|_, value| !value.is_null());
    }
    request::merge(&mut content, &patch);
    let keys = sealer.keys().await?;
    let reading = Reading { directory: &directory, keys: &keys, before: Some(&record.details) };
    let (new, _) = request::read::<Detention>(&content, Faults::default(), record.reporter, &reading)?;
    if new.details.custody_since.is_some_and(|since| since < record.envelope.occurred_at) {
        return Err(Problem::fault("/custody_since", "before_the_detention"));
    }
    let change = Change::Update(Box::new(new), note);
    apply(&caller, &mut conn, &directory, &ledger, &record, change).await
}
