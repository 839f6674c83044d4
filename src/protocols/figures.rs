//! The figures of a tally sheet, whoever states them, and the arithmetic that they must obey.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The votes for one candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Votes {
    pub candidate: String,
    pub votes: i32,
}

/// What a sheet states. A figure that is not stated or not legible is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Figures {
    pub voters_on_list: Option<i32>,
    pub ballots_received: Option<i32>,
    pub issued_in_station: Option<i32>,
    pub issued_mobile: Option<i32>,
    pub spoiled: Option<i32>,
    pub unused: Option<i32>,
    pub found_in_boxes: Option<i32>,
    pub invalid: Option<i32>,
    pub against_all: Option<i32>,
    pub votes: Vec<Votes>,
}

/// One identity that a right sheet fulfils.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Check {
    /// Stable name, as `received_equals_issued_unused_spoiled`.
    pub name: &'static str,
    /// What must hold, in the words of the sheet.
    pub rule: &'static str,
    /// Whether it holds; absent where a figure is missing.
    pub holds: Option<bool>,
    /// Ballots by which the left side exceeds the right (negative: falls short).
    pub difference: Option<i64>,
}

/// The figures that are one number each, by name.
pub const NUMBERS: [&str; 9] = [
    "voters_on_list",
    "ballots_received",
    "issued_in_station",
    "issued_mobile",
    "spoiled",
    "unused",
    "found_in_boxes",
    "invalid",
    "against_all",
];

impl Figures {
    /// Figures from numbers in the order of [`NUMBERS`].
    pub fn of(numbers: [Option<i32>; 9], votes: Vec<Votes>) -> Self {
        let [
            voters_on_list,
            ballots_received,
            issued_in_station,
            issued_mobile,
            spoiled,
            unused,
            found_in_boxes,
            invalid,
            against_all,
        ] = numbers;
        Self {
            voters_on_list,
            ballots_received,
            issued_in_station,
            issued_mobile,
            spoiled,
            unused,
            found_in_boxes,
            invalid,
            against_all,
            votes,
        }
    }

    /// The figures in the order of [`NUMBERS`].
    pub fn numbers(&self) -> [Option<i32>; 9] {
        [
            self.voters_on_list,
            self.ballots_received,
            self.issued_in_station,
            self.issued_mobile,
            self.spoiled,
            self.unused,
            self.found_in_boxes,
            self.invalid,
            self.against_all,
        ]
    }

    /// Every figure with its name; votes as `votes:<candidate>`.
    pub fn named(&self) -> Vec<(String, Option<i32>)> {
        let numbers = NUMBERS.iter().map(|name| (*name).to_owned()).zip(self.numbers());
        let votes = self.votes.iter().map(|row| (format!("votes:{}", row.candidate), Some(row.votes)));
        numbers.chain(votes).collect()
    }

    /// Ballots issued in all.
    pub fn issued(&self) -> Option<i64> {
        Some(i64::from(self.issued_in_station?) + i64::from(self.issued_mobile.unwrap_or(0)))
    }

    /// Votes for candidates and, where the law has it, against all.
    pub fn valid(&self) -> Option<i64> {
        let votes: i64 = self.votes.iter().map(|row| i64::from(row.votes)).sum();
        (!self.votes.is_empty()).then(|| votes + i64::from(self.against_all.unwrap_or(0)))
    }

    /// Ballots issued over voters on the list, in per cent.
    pub fn turnout(&self) -> Option<f64> {
        let list = self.voters_on_list.filter(|list| *list > 0)?;
        Some((self.issued()? as f64 * 10_000.0 / f64::from(list)).round() / 100.0)
    }

    /// The identities of the precinct protocol (Constitutional Law on Elections of Kazakhstan, article 43).
    pub fn checks(&self) -> Vec<Check> {
        let wide = |figure: Option<i32>| figure.map(i64::from);
        let sum = |figures: &[Option<i64>]| figures.iter().copied().sum::<Option<i64>>();
        let compare = |name, rule, left: Option<i64>, right: Option<i64>, within: bool| {
            let difference = left.zip(right).map(|(left, right)| left - right);
            let holds = difference.map(|d| if within { d <= 0 } else { d == 0 });
            Check { name, rule, holds, difference }
        };
        let used = sum(&[self.issued(), wide(self.unused), wide(self.spoiled)]);
        let highest = self.votes.iter().map(|row| i64::from(row.votes)).max();
        vec![
            compare(
                "received_equals_issued_unused_spoiled",
                "ballots received = issued in the station + issued with the mobile box + unused + spoiled",
                wide(self.ballots_received),
                used,
                false,
            ),
            compare(
                "issued_within_list",
                "ballots issued <= voters on the list",
                self.issued(),
                wide(self.voters_on_list),
                true,
            ),
            compare(
                "mobile_within_issued",
                "ballots issued with the mobile box <= ballots received",
                wide(self.issued_mobile),
                wide(self.ballots_received),
                true,
            ),
            compare(
                "found_within_issued",
                "ballots found in the boxes <= ballots issued",
                wide(self.found_in_boxes),
                self.issued(),
                true,
            ),
            compare(
                "found_equals_votes_and_invalid",
                "ballots found in the boxes = votes for candidates + against all + invalid",
                wide(self.found_in_boxes),
                sum(&[self.valid(), wide(self.invalid)]),
                false,
            ),
            compare(
                "each_within_found",
                "votes for each candidate <= ballots found in the boxes",
                highest,
                wide(self.found_in_boxes),
                true,
            ),
        ]
    }

    /// The names of the identities that are broken.
    pub fn failed(&self) -> Vec<&'static str> {
        self.checks().into_iter().filter(|check| check.holds == Some(false)).map(|check| check.name).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sheet(issued: i32, mobile: i32, unused: i32, spoiled: i32, invalid: i32, votes: &[i32]) -> Figures {
        let found = invalid + votes.iter().sum::<i32>();
        Figures {
            voters_on_list: Some(issued + mobile + 10),
            ballots_received: Some(issued + mobile + unused + spoiled),
            issued_in_station: Some(issued),
            issued_mobile: Some(mobile),
            spoiled: Some(spoiled),
            unused: Some(unused),
            found_in_boxes: Some(found),
            invalid: Some(invalid),
            against_all: None,
            votes: (votes.iter().enumerate())
                .map(|(i, votes)| Votes { candidate: i.to_string(), votes: *votes })
                .collect(),
        }
    }

    fn check(sheet: &Figures, name: &str) -> Check {
        sheet.checks().into_iter().find(|check| check.name == name).unwrap()
    }

    proptest! {
        #[test]
        fn a_changed_figure_shows_with_its_size(
            votes in prop::collection::vec(0..100_000, 1..12), invalid in 0..500, unused in 0..500,
            spoiled in 0..50, mobile in 0..300, added in 1..1000,
        ) {
            let cast = invalid + votes.iter().sum::<i32>();
            let mut sheet = sheet(cast, mobile, unused, spoiled, invalid, &votes);
            prop_assert_eq!(sheet.failed(), Vec::<&str>::new());
            sheet.votes[0].votes += added;
            let broken = check(&sheet, "found_equals_votes_and_invalid");
            prop_assert_eq!(broken.difference, Some(-i64::from(added)));
            prop_assert_eq!(broken.holds, Some(false));
        }
    }

    #[test]
    fn votes_against_all_count_where_the_law_has_them() {
        let mut sheet = sheet(100, 5, 10, 0, 3, &[50, 40]);
        sheet.against_all = Some(7);
        assert_eq!(check(&sheet, "found_equals_votes_and_invalid").difference, Some(-7));
        sheet.found_in_boxes = Some(100);
        assert_eq!(sheet.failed(), Vec::<&str>::new());
    }

    #[test]
    fn a_missing_figure_leaves_its_checks_open() {
        let mut sheet = sheet(100, 5, 10, 0, 3, &[50, 40]);
        sheet.unused = None;
        assert_eq!(check(&sheet, "received_equals_issued_unused_spoiled").holds, None);
        assert_eq!(check(&sheet, "issued_within_list").holds, Some(true));
        sheet.votes.clear();
        assert_eq!(check(&sheet, "found_equals_votes_and_invalid").holds, None);
        sheet.issued_in_station = Some(1000);
        assert_eq!(sheet.failed(), ["issued_within_list"]);
    }
}
