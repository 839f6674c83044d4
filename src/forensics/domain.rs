//! The figures that the tests are about.

use serde::Serialize;
use utoipa::ToSchema;

use crate::places::RegionId;

/// What a table states of one station, as far as a test can use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Station {
    pub region: RegionId,
    /// On the list.
    pub voters: u32,
    /// Voters who were given a ballot.
    pub turned_out: u32,
    /// Ballots counted, invalid ones too: of what a result is a share.
    pub ballots: u32,
    /// In the order of the table's candidates.
    pub votes: Vec<u32>,
}

/// Stations and who came first and second of all of them.
#[derive(Clone, Debug)]
pub struct Figures {
    pub candidates: Vec<String>,
    pub stations: Vec<Station>,
    /// Stations that no test can use: a number is missing, or larger than what it is a part of.
    pub unusable: u64,
    pub leader: usize,
    pub runner_up: Option<usize>,
}

impl Figures {
    /// Sorts out what can be used; `None` where nothing can.
    pub fn new(candidates: Vec<String>, stations: Vec<Station>) -> Option<Self> {
        let all = stations.len();
        let usable = |it: &Station| {
            let most = it.votes.iter().copied().max().unwrap_or(0);
            it.votes.len() == candidates.len()
                && it.turned_out > 0
                && it.turned_out <= it.voters
                && it.ballots > 0
                && most <= it.ballots
        };
        let stations: Vec<Station> = stations.into_iter().filter(usable).collect();
        let total = |i: usize| stations.iter().map(|station| u64::from(station.votes[i])).sum::<u64>();
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        order.sort_by_key(|i| std::cmp::Reverse(total(*i)));
        let (leader, runner_up) = (*order.first()?, order.get(1).copied());
        let unusable = (all - stations.len()) as u64;
        (!stations.is_empty()).then_some(Self { candidates, stations, unusable, leader, runner_up })
    }
}

/// How the tests are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Options {
    /// Made elections that the table is compared with.
    pub simulations: u32,
    /// The same seed gives the same p-values.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { simulations: 10_000, seed: 1 }
    }
}

/// A method, by the word that its texts in `i18n/` and its answer go by.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, strum::IntoStaticStr, strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Method {
    Fingerprint,
    LastDigit,
    DigitPairs,
    SecondDigit,
    IntegerPercentages,
}

impl Method {
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// Where it was published.
    pub fn paper(self) -> &'static str {
        match self {
            Self::Fingerprint => {
                "P. Klimek, Y. Yegorov, R. Hanel, S. Thurner: Statistical detection of systematic election \
                 irregularities, PNAS 109 (2012) 16469–16473; moments tested as in R. B. D'Agostino, Biometrika 57 \
                 (1970) 679–681, and F. J. Anscombe, W. J. Glynn, Biometrika 70 (1983) 227–234"
            }
            Self::LastDigit | Self::DigitPairs => {
                "B. Beber, A. Scacco: What the Numbers Say: A Digit-Based Test for Election Fraud, Political \
                 Analysis 20 (2012) 211–234"
            }
            Self::SecondDigit => {
                "W. R. Mebane: Election Forensics: Vote Counts and Benford's Law (2006); against it J. Deckert, M. \
                 Myagkov, P. C. Ordeshook: Benford's Law and the Detection of Election Fraud, Political Analysis 19 \
                 (2011) 245–268"
            }
            Self::IntegerPercentages => {
                "D. Kobak, S. Shpilkin, M. S. Pshenichnikov: Integer percentages as electoral falsification \
                 fingerprints, Annals of Applied Statistics 10 (2016) 54–73"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_station_that_cannot_be_is_left_out_and_counted() {
        let station = |voters, turned_out, ballots, a, b| Station {
            region: 1,
            voters,
            turned_out,
            ballots,
            votes: vec![a, b],
        };
        let figures = Figures::new(
            vec!["A".into(), "B".into()],
            vec![
                station(100, 60, 60, 10, 50),
                station(100, 101, 60, 10, 50),
                station(100, 60, 40, 10, 50),
                station(100, 0, 0, 0, 0),
            ],
        )
        .unwrap();
        assert_eq!((figures.stations.len(), figures.unusable), (1, 3));
        assert_eq!((figures.leader, figures.runner_up), (1, Some(0)));
        assert!(Figures::new(vec!["A".into()], vec![]).is_none());
    }
}
