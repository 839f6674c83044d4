//! All methods over a table, for the country and each region, with one correction for all of their tests.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    correction,
    digits::{self, Fit},
    domain::{Figures, Method, Options, Station},
    fingerprint::{Fingerprint, fingerprint},
    integers::{self, At, Excess, LEAST_STATIONS},
};
use crate::places::RegionId;

/// Whether a whole family of clean elections gives an alarm no more often than this.
pub const LEVEL: f64 = 0.05;

/// What a test found.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Outcome {
    Fit(Fit),
    Excess(Excess),
}

/// One test of one figure in one area.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Test {
    pub method: Method,
    /// `turned_out`, `votes:<candidate>`; `turnout`, `leader_share` or `either`.
    pub figure: String,
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Among the tests that are corrected together. Second digits are not: clean elections break Benford's law too.
    pub counted: bool,
    /// Holm: below 0.05, all that follow hold with a chance of one false alarm in twenty.
    pub p_holm: Option<f64>,
    /// Benjamini and Hochberg.
    pub q: Option<f64>,
    /// `p_holm` is below 0.05.
    pub alarm: bool,
}

impl Test {
    fn new(method: Method, figure: impl Into<String>, outcome: Outcome) -> Self {
        let counted = method != Method::SecondDigit;
        Self { method, figure: figure.into(), outcome, counted, p_holm: None, q: None, alarm: false }
    }

    /// The p-value before correction.
    pub fn p(&self) -> f64 {
        match &self.outcome {
            Outcome::Fit(fit) => fit.p,
            Outcome::Excess(excess) => excess.p,
        }
    }
}

/// What was found in the country (`None`) or a region.
#[derive(Clone, Debug)]
pub struct Area {
    pub region: Option<RegionId>,
    pub stations: u64,
    pub fingerprint: Fingerprint,
    /// A figure that too few stations state has no test.
    pub tests: Vec<Test>,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Analysis {
    pub areas: Vec<Area>,
    /// Tests that were corrected together.
    pub family: u64,
}

impl Analysis {
    /// The areas that are shown: all, or the one asked for.
    pub fn shown(&self, region: Option<RegionId>) -> impl Iterator<Item = &Area> {
        self.areas.iter().filter(move |area| region.is_none() || area.region == region)
    }
}

fn digit_tests(stations: &[&Station], figures: &Figures) -> Vec<Test> {
    type Count<'a> = Box<dyn Fn(&Station) -> u32 + 'a>;
    let mut counts: Vec<(String, Count)> = vec![("turned_out".to_owned(), Box::new(|it| it.turned_out))];
    for candidate in std::iter::once(figures.leader).chain(figures.runner_up) {
        let name = format!("votes:{}", figures.candidates[candidate]);
        counts.push((name, Box::new(move |it| it.votes[candidate])));
    }
    let mut tests = Vec::new();
    for (name, count) in &counts {
        let all = || stations.iter().map(|station| count(station));
        for (method, fit) in [
            (Method::LastDigit, digits::last(all())),
            (Method::DigitPairs, digits::pairs(all())),
            (Method::SecondDigit, digits::second(all())),
        ] {
            tests.extend(fit.map(|fit| Test::new(method, name.clone(), Outcome::Fit(fit))));
        }
    }
    tests
}

/// Runs all methods, on all processors.
pub fn analyse(figures: &Figures, options: Options) -> Analysis {
    let mut by_area: BTreeMap<Option<RegionId>, Vec<&Station>> = BTreeMap::new();
    for station in &figures.stations {
        by_area.entry(None).or_default().push(station);
        by_area.entry(Some(station.region)).or_default().push(station);
    }
    // One region is the same as all.
    if by_area.len() == 2 {
        by_area.retain(|region, _| region.is_some());
    }
    let mut excesses = integers::excesses(&figures.stations, figures.leader, options);
    let mut areas: Vec<Area> = Vec::new();
    for (region, stations) in by_area {
        let mut tests = digit_tests(&stations, figures);
        if let Some(found) = excesses.remove(&region).filter(|_| stations.len() >= LEAST_STATIONS) {
            for (at, excess) in At::ALL.into_iter().zip(found) {
                let name: &'static str = at.into();
                tests.push(Test::new(Method::IntegerPercentages, name, Outcome::Excess(excess)));
            }
        }
        areas.push(Area {
            region,
            stations: stations.len() as u64,
            fingerprint: fingerprint(stations.iter().copied(), figures.leader),
            tests,
        });
    }
    let family = correct(&mut areas);
    Analysis { areas, family }
}

/// Corrects all counted tests together; answers how many there are.
fn correct(areas: &mut [Area]) -> u64 {
    let mut tests: Vec<&mut Test> =
        areas.iter_mut().flat_map(|area| &mut area.tests).filter(|test| test.counted).collect();
    let p: Vec<f64> = tests.iter().map(|test| test.p()).collect();
    let (holm, q) = (correction::holm(&p), correction::benjamini_hochberg(&p));
    for (test, (holm, q)) in tests.iter_mut().zip(holm.into_iter().zip(q)) {
        (test.p_holm, test.q, test.alarm) = (Some(holm), Some(q), holm < LEVEL);
    }
    p.len() as u64
}
