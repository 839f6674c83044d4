//! What the sheets at hand let one say, as it is told.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    estimate::{self, Estimate, Obstacle, Stratum},
    store::{self, Sample, Sheet, StratumRow},
};
use crate::{
    db::{DbResult, Pool},
    i18n::Language,
    protocols::sheets::SheetFilter,
};

/// Whether anything may be inferred of the stations that have no sheet.
#[derive(Serialize, ToSchema)]
pub struct Inference {
    pub allowed: bool,
    pub obstacles: Vec<ObstacleView>,
}

#[derive(Serialize, ToSchema)]
pub struct ObstacleView {
    pub code: Obstacle,
    /// In the language of `Accept-Language`.
    pub text: String,
}

/// Shares and turnout estimated from sheets.
#[derive(Serialize, ToSchema)]
pub struct EstimateView {
    pub sample: Option<Uuid>,
    pub confidence: Option<f64>,
    /// Stations in the sample; without a sample, those with a sheet.
    pub stations: u64,
    pub sheets: u64,
    pub inference: Inference,
    /// Of valid votes, by candidate.
    pub shares: BTreeMap<String, Estimate>,
    /// Ballots issued over voters on the list.
    pub turnout: Option<Estimate>,
    /// What the figures stand on.
    pub method: &'static str,
}

const METHOD: &str = "combined ratio estimate over strata of a random sample of stations, Student's t at the design's degrees of \
     freedom (Cochran, Sampling Techniques, 1977, 6.11); sheets that are missing are taken as missing at random \
     within their stratum";
const DESCRIPTION: &str = "shares of the sheets at hand; they describe these stations and no others";

/// What the sheets at hand let one say.
pub async fn estimate(
    pool: &Pool,
    filter: &SheetFilter,
    sample: Option<Sample>,
    language: Language,
) -> DbResult<EstimateView> {
    let mut conn = pool.get().await?;
    let sheets = store::sheets(&mut conn, filter, sample.as_ref().map(|it| it.id)).await?;
    let rows = match &sample {
        Some(sample) => store::strata(&mut conn, sample, filter.region).await?,
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
    let obstacles = match sample {
        Some(_) => estimate::obstacles(&strata_of(&|_| Some((0.0, 1.0)))),
        None => vec![Obstacle::NotRandom],
    };
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
