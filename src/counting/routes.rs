//! `/samples` and what they let one say.

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header::CACHE_CONTROL,
    web::{Data, Path},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    answer::{self, EstimateView},
    store::{self, Sample},
};
use crate::{
    accounts::Caller,
    http::{self, Answer, Kind, Problem, query::Query, reads::Reads},
    places::{self, Directory, directory::Places},
    protocols::sheets::SheetFilter,
};

/// A random sample of polling stations.
#[derive(Serialize, ToSchema)]
pub struct SampleView {
    id: Uuid,
    election: String,
    label: String,
    /// With it, and the registry, anybody can draw the sample again.
    seed: String,
    margin: f64,
    confidence: f64,
    /// `region`, or `none`.
    strata: &'static str,
    drawn_at: DateTime<Utc>,
}

/// A station of a sample.
#[derive(Serialize, ToSchema)]
pub struct SampleStation {
    region: Option<String>,
    station: String,
}

fn shown(sample: Sample, directory: &Directory) -> SampleView {
    let election = directory.election_by_id(sample.election_id);
    SampleView {
        id: sample.id,
        election: election.map(|election| election.slug.clone()).unwrap_or_default(),
        label: sample.label,
        seed: sample.seed,
        margin: sample.margin,
        confidence: sample.confidence,
        strata: if sample.by_region { "region" } else { "none" },
        drawn_at: sample.drawn_at,
    }
}

/// The samples of an election, the latest first.
#[utoipa::path(tag = "counting", path = "/api/v1/samples", params(("election" = String, Query)), responses((status = 200, body = Vec<SampleView>)))]
#[get("/samples")]
pub async fn samples(pool: Reads, places: Data<Places>, mut query: Query) -> Answer {
    let directory = places.get().await;
    let election = places::query::required_election(&mut query, &directory);
    query.finish()?;
    let found = store::list(&mut *pool.get().await?, election.unwrap_or_default()).await?;
    Ok(HttpResponse::Ok().json(found.into_iter().map(|it| shown(it, &directory)).collect::<Vec<_>>()))
}

/// The stations of a sample. For coordinators: whoever knows where observers will be can behave there.
#[utoipa::path(tag = "counting", path = "/api/v1/samples/{id}/stations", security(("token" = [])), params(("id" = Uuid, Path)),
    responses((status = 200, body = Vec<SampleStation>), (status = 404, description = "No such sample")))]
#[get("/samples/{id}/stations")]
pub async fn stations(caller: Caller, id: Path<Uuid>, pool: Reads, places: Data<Places>) -> Answer {
    caller.require_coordinator()?;
    let directory = places.get().await;
    let mut conn = pool.get().await?;
    store::get(&mut conn, *id).await?.ok_or_else(|| Problem::new(Kind::NotFound))?;
    let rows = store::stations(&mut conn, *id).await?;
    let view = |row: store::StationRow| SampleStation {
        region: directory.region_by_id(row.region_id).map(|region| region.code.clone()),
        station: row.station,
    };
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "private, no-cache"))
        .json(rows.into_iter().map(view).collect::<Vec<_>>()))
}

/// Shares and turnout: estimated with intervals from a random sample (`sample`), or, without one, merely
/// described, since stations that were not drawn at random say nothing of others.
#[utoipa::path(tag = "counting", path = "/api/v1/estimate", security(("token" = [])),
    params(("election" = String, Query), ("sample" = Option<Uuid>, Query), ("region" = Option<String>, Query),
        ("from" = Option<chrono::NaiveDate>, Query, description = "first local date of the sheets"),
        ("to" = Option<chrono::NaiveDate>, Query)),
    responses((status = 200, body = EstimateView), (status = 404, description = "No such sample")))]
#[get("/estimate")]
pub async fn estimates(
    request: HttpRequest,
    caller: Caller,
    pool: Reads,
    places: Data<Places>,
    mut query: Query,
) -> Answer {
    caller.require_coordinator()?;
    let directory = places.get().await;
    let filter = SheetFilter::read(&mut query, &directory);
    let id: Option<Uuid> = query.parsed("sample", "unknown_record");
    query.finish()?;
    let language = http::language(request.headers());
    let sample = match id {
        None => None,
        Some(id) => {
            let found = store::get(&mut *pool.get().await?, id).await?;
            Some(
                found
                    .filter(|it| it.election_id == filter.election)
                    .ok_or_else(|| Problem::new(Kind::NotFound))?,
            )
        }
    };
    let view = answer::estimate(&pool, &filter, sample, language).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "private, no-cache")).json(view))
}
