//! An analysis as it is told: with the paper, the assumptions and the limits of each method.

use serde::Serialize;
use strum::VariantArray;
use utoipa::ToSchema;

use super::{
    analysis::{Analysis, LEVEL, Test},
    domain::{Figures, Method, Options},
    fingerprint::Fingerprint,
};
use crate::{i18n::Language, places::Directory, places::RegionId};

/// What the figures of a table alone can say.
#[derive(Serialize, ToSchema)]
pub struct AnalysisView {
    /// Label of the published table; null for sheets of observers.
    pub table: Option<String>,
    pub leader: String,
    pub runner_up: Option<String>,
    /// Stations that the methods used.
    pub stations: u64,
    /// Stations left out: a number is missing, or larger than what it is a part of.
    pub unusable: u64,
    pub caution: String,
    pub correction: Correction,
    pub methods: Vec<MethodView>,
    /// The country, then its regions.
    pub areas: Vec<AreaView>,
}

/// How many tests there are, and what is made of it.
#[derive(Serialize, ToSchema)]
pub struct Correction {
    /// Tests that are corrected together, of all areas, whichever of them are shown.
    pub tests: u64,
    pub level: f64,
    /// Made elections behind each p-value of whole per cents.
    pub simulations: u32,
    /// The same seed gives the same p-values.
    pub seed: u64,
    pub papers: [&'static str; 2],
}

#[derive(Serialize, ToSchema)]
pub struct MethodView {
    pub method: Method,
    pub name: String,
    pub paper: &'static str,
    pub assumptions: String,
    pub limits: String,
}

#[derive(Serialize, ToSchema)]
pub struct AreaView {
    /// Null for the country.
    pub region: Option<String>,
    pub name: String,
    pub stations: u64,
    pub fingerprint: Fingerprint,
    pub tests: Vec<Test>,
}

/// The name of an area in a language.
pub fn place(directory: &Directory, region: Option<RegionId>, language: Language) -> String {
    match region.and_then(|id| directory.region_by_id(id)) {
        Some(region) => region.names.in_language(language).to_owned(),
        None => language.text("country", &[]),
    }
}

/// A method with its texts.
pub fn method(method: Method, language: Language) -> MethodView {
    let text = |suffix: &str| language.text(&format!("method-{}{suffix}", method.word()), &[]);
    MethodView {
        method,
        name: text(""),
        paper: method.paper(),
        assumptions: text("-assumes"),
        limits: text("-limits"),
    }
}

/// Tells an analysis; of one region alone where it is asked for.
pub fn told(
    (figures, analysis): (&Figures, &Analysis),
    options: Options,
    table: Option<String>,
    region: Option<RegionId>,
    directory: &Directory,
    language: Language,
) -> AnalysisView {
    let areas = analysis.shown(region).map(|area| AreaView {
        region: area.region.and_then(|id| directory.region_by_id(id)).map(|region| region.code.clone()),
        name: place(directory, area.region, language),
        stations: area.stations,
        fingerprint: area.fingerprint.clone(),
        tests: area.tests.clone(),
    });
    AnalysisView {
        table,
        leader: figures.candidates[figures.leader].clone(),
        runner_up: figures.runner_up.map(|i| figures.candidates[i].clone()),
        stations: figures.stations.len() as u64,
        unusable: figures.unusable,
        caution: language.text("forensics-caution", &[]),
        correction: Correction {
            tests: analysis.family,
            level: LEVEL,
            simulations: options.simulations,
            seed: options.seed,
            papers: [
                "S. Holm: A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6 (1979) 65–70",
                "Y. Benjamini, Y. Hochberg: Controlling the False Discovery Rate, Journal of the Royal Statistical Society B 57 (1995) 289–300",
            ],
        },
        methods: Method::VARIANTS.iter().map(|it| method(*it, language)).collect(),
        areas: areas.collect(),
    }
}
