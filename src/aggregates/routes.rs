//! `/aggregates` and `/public/aggregates`.

use actix_web::{HttpRequest, HttpResponse, get, http::header, middleware::Compress, web::Data};
use sha2::{Digest, Sha256};

use super::{
    domain::{Counts, Dimension, Question},
    store,
};
use crate::{
    accounts::{Caller, Scope},
    http::{Answer, preconditions, query::Query, reads::Reads},
    places::{Directory, directory::Places},
    records::{RecordKind, Status, filter::Filter},
};

/// Reads `record`, `group_by` and the filters.
pub fn read(query: &mut Query, directory: &Directory, public: bool) -> Question {
    let kind = match query.text("record") {
        None => RecordKind::Violation,
        Some(word) => query.faults.word("?record", Some(&word)).unwrap_or(RecordKind::Violation),
    };
    let mut group_by: Vec<Dimension> = Vec::new();
    for dimension in query.words("group_by") {
        if !group_by.contains(&dimension) {
            group_by.push(dimension);
        }
    }
    let mut filter =
        if public { Filter::read_countable(query, directory) } else { Filter::read(query, directory) };
    if public {
        if !filter.statuses.is_empty() {
            query.faults.add("?status", "not_allowed_here");
        }
        filter.statuses = vec![Status::Verified];
    }
    Question { kind, group_by, filter }
}

/// Counts of records in groups: any subset of region, city, day, category, status, severity.
#[utoipa::path(tag = "counts", path = "/api/v1/aggregates", security(("token" = [])),
    params(
        ("record" = Option<RecordKind>, Query, description = "violation (the default), protocol or detention"),
        ("group_by" = Option<String>, Query, description = "comma-separated dimensions"),
        ("election" = Option<String>, Query), ("region" = Option<String>, Query), ("city" = Option<String>, Query),
        ("polling_station" = Option<String>, Query), ("from" = Option<chrono::NaiveDate>, Query),
        ("to" = Option<chrono::NaiveDate>, Query), ("status" = Option<String>, Query),
        ("category" = Option<String>, Query), ("severity" = Option<String>, Query),
        ("reporter" = Option<uuid::Uuid>, Query), ("q" = Option<String>, Query)),
    responses((status = 200, body = Counts)))]
#[get("/aggregates")]
pub async fn aggregates(caller: Caller, pool: Reads, places: Data<Places>, mut query: Query) -> Answer {
    let directory = places.get().await;
    let question = read(&mut query, &directory, false);
    query.finish()?;
    let scope = caller.scope(&directory);
    let counts = pool.read(async |conn| store::count(conn, &question, &scope, &directory).await).await?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "private, no-cache")).json(counts))
}

/// Verified counts for everybody; small cells of detentions are withheld.
#[utoipa::path(tag = "counts", path = "/api/v1/public/aggregates",
    params(
        ("record" = Option<RecordKind>, Query), ("group_by" = Option<String>, Query),
        ("election" = Option<String>, Query), ("region" = Option<String>, Query), ("city" = Option<String>, Query),
        ("from" = Option<chrono::NaiveDate>, Query), ("to" = Option<chrono::NaiveDate>, Query),
        ("category" = Option<String>, Query), ("severity" = Option<String>, Query)),
    responses((status = 200, body = Counts), (status = 304, description = "As the client has it")))]
#[get("/public/aggregates", wrap = "Compress::default()")]
pub async fn public_aggregates(
    request: HttpRequest,
    pool: Reads,
    places: Data<Places>,
    mut query: Query,
) -> Answer {
    let directory = places.get().await;
    let question = read(&mut query, &directory, true);
    query.finish()?;
    let mut counts =
        pool.read(async |conn| store::count(conn, &question, &Scope::All, &directory).await).await?;
    if question.kind == RecordKind::Detention {
        counts = counts.suppress_small();
    }
    let body = serde_json::to_vec(&counts).expect("counts are JSON");
    let digest = Sha256::digest(&body);
    let tag: String = digest[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let mut response = if preconditions::has_fresh(&request, &tag) {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response
        .insert_header((header::ETAG, tag.clone()))
        .insert_header((header::CACHE_CONTROL, "public, max-age=30"));
    if preconditions::has_fresh(&request, &tag) {
        return Ok(response.finish());
    }
    Ok(response.content_type("application/json").body(body))
}
