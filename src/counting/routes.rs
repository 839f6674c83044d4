//! `/samples` and what they let one say.

use std::collections::BTreeMap;

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
    estimate::{self, Estimate, Obstacle, Stratum},
    store::{self, Sample, Sheet, StratumRow},
};
use crate::{
    accounts::Caller,
    db::{DbResult, Pool},
    http::{self, Answer, Kind, Problem, query::Query},
    i18n::Language,
    places::{self, Directory, ElectionId, directory::Places},
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

/// Whether anything may be inferred of the stations that have no sheet.
#[derive(Serialize, ToSchema)]
pub struct Inference {
    allowed: bool,
    obstacles: Vec<ObstacleView>,
}

#[derive(Serialize, ToSchema)]
pub struct ObstacleView {
    code: Obstacle,
    /// In the language of `Accept-Language`.
    text: String,
}

/// Shares and turnout estimated from sheets.
#[derive(Serialize, ToSchema)]
pub struct EstimateView {
    sample: Option<Uuid>,
    confidence: Option<f64>,
    /// Stations in the sample; without a sample, those with a sheet.
    stations: u64,
    sheets: u64,
    inference: Inference,
    /// Of valid votes, by candidate.
    shares: BTreeMap<String, Estimate>,
    /// Ballots issued over voters on the list.
    turnout: Option<Estimate>,
    /// What the figures stand on.
    method: &'static str,
}

const METHOD: &str = "combined ratio estimate over strata of a random sample of stations, Student's t at the design's degrees of \
     freedom (Cochran, Sampling Techniques, 1977, 6.11); sheets that are missing are taken as missing at random \
     within their stratum";
const DESCRIPTION: &str = "shares of the sheets at hand; they describe these stations and no others";

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
pub async fn samples(pool: Data<Pool>, places: Data<Places>, mut query: Query) -> Answer {
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
pub async fn stations(caller: Caller, id: Path<Uuid>, pool: Data<Pool>, places: Data<Places>) -> Answer {
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
    params(("election" = String, Query), ("sample" = Option<Uuid>, Query)),
    responses((status = 200, body = EstimateView), (status = 404, description = "No such sample")))]
#[get("/estimate")]
pub async fn estimates(
    request: HttpRequest,
    caller: Caller,
    pool: Data<Pool>,
    places: Data<Places>,
    mut query: Query,
) -> Answer {
    caller.require_coordinator()?;
    let directory = places.get().await;
    let election = places::query::required_election(&mut query, &directory);
    let id: Option<Uuid> = query.parsed("sample", "unknown_record");
    query.finish()?;
    let election = election.unwrap_or_default();
    let language = http::language(request.headers());
    let sample = match id {
        None => None,
        Some(id) => {
            let found = store::get(&mut *pool.get().await?, id).await?;
            Some(found.filter(|it| it.election_id == election).ok_or_else(|| Problem::new(Kind::NotFound))?)
        }
    };
    let view = estimate_of(&pool, election, sample, language).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "private, no-cache")).json(view))
}

/// What the sheets at hand let one say.
pub async fn estimate_of(
    pool: &Pool,
    election: ElectionId,
    sample: Option<Sample>,
    language: Language,
) -> DbResult<EstimateView> {
    let mut conn = pool.get().await?;
    let sheets = store::sheets(&mut conn, election, sample.as_ref().map(|it| it.id)).await?;
    let rows = match &sample {
        Some(sample) => store::strata(&mut conn, sample.id).await?,
        None => vec![StratumRow {
            sample_id: Uuid::nil(),
            region_id: 0,
            population: sheets.len() as i32,
            size: sheets.len() as i32,
        }],
    };
    let strata_of = |pair: &dyn Fn(&Sheet) -> Option<(f64, f64)>| -> Vec<Stratum> {
        let stratum = |row: &StratumRow| Stratum {
            population: row.population as u64,
            size: row.size as u64,
            pairs: sheets.iter().filter(|sheet| sheet.stratum == row.region_id).filter_map(pair).collect(),
        };
        rows.iter().map(stratum).collect()
    };
    let valid = |sheet: &Sheet| {
        f64::from(sheet.against_all) + sheet.votes.iter().map(|row| f64::from(row.votes)).sum::<f64>()
    };
    let mut obstacles = match sample {
        Some(_) => estimate::obstacles(&strata_of(&|_| Some((0.0, 1.0)))),
        None => vec![Obstacle::NotRandom],
    };
    obstacles.dedup();
    let infer = obstacles.is_empty();
    let confidence = sample.as_ref().map(|it| it.confidence);
    let ratio = |strata: &[Stratum]| estimate::ratio(strata, confidence.unwrap_or(0.95), infer);
    let names: std::collections::BTreeSet<&String> =
        sheets.iter().flat_map(|sheet| &sheet.votes).map(|row| &row.candidate).collect();
    let mut shares = BTreeMap::new();
    for name in names {
        let pair = |sheet: &Sheet| {
            let its: f64 =
                sheet.votes.iter().filter(|row| row.candidate == *name).map(|row| f64::from(row.votes)).sum();
            Some((its, valid(sheet)))
        };
        shares.extend(ratio(&strata_of(&pair)).map(|estimate| (name.clone(), estimate)));
    }
    let turnout = strata_of(&|sheet| Some((f64::from(sheet.issued?), f64::from(sheet.voters_on_list?))));
    let turnout_infer = infer && estimate::obstacles(&turnout).is_empty();
    Ok(EstimateView {
        confidence,
        stations: rows.iter().map(|row| row.size as u64).sum(),
        sheets: sheets.len() as u64,
        inference: Inference {
            allowed: infer,
            obstacles: obstacles
                .into_iter()
                .map(|code| {
                    let word: &'static str = code.into();
                    ObstacleView { code, text: language.text(&format!("obstacle-{word}"), &[]) }
                })
                .collect(),
        },
        shares,
        turnout: estimate::ratio(&turnout, confidence.unwrap_or(0.95), turnout_infer),
        method: if sample.is_some() { METHOD } else { DESCRIPTION },
        sample: sample.map(|it| it.id),
    })
}
