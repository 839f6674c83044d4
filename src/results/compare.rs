//! Copies of one station's sheet side by side, and sums checked upward.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::domain::Level;
use crate::protocols::figures::{Figures, NUMBERS};

/// One copy of a station's sheet.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SheetCopy {
    /// `observer`, `posted` or `official` (a record), `reading` (keyed twice from a photo), or `published` (the
    /// official table).
    pub held_by: String,
    /// The record, or the evidence that was read.
    pub id: Option<Uuid>,
    pub status: Option<String>,
    /// The label of the official table.
    pub table: Option<String>,
    pub figures: Figures,
    /// Identities that its figures break.
    pub failed_checks: Vec<&'static str>,
}

/// One figure of all copies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Line {
    /// `voters_on_list`, …, or `votes:<candidate>`.
    pub figure: String,
    /// In the order of the copies; null where a copy does not state it.
    pub values: Vec<Option<i32>>,
    /// Whether all that state it state the same.
    pub agree: bool,
}

/// Sets copies side by side, figure by figure; figures that no copy states are left out.
pub fn side_by_side(copies: &[SheetCopy]) -> Vec<Line> {
    let mut order: Vec<String> = NUMBERS.iter().map(|name| (*name).to_owned()).collect();
    let mut values: BTreeMap<String, Vec<Option<i32>>> = BTreeMap::new();
    for (i, copy) in copies.iter().enumerate() {
        for (name, value) in copy.figures.named() {
            if !order.contains(&name) {
                order.push(name.clone());
            }
            values.entry(name).or_insert_with(|| vec![None; copies.len()])[i] = value;
        }
    }
    let line = |figure: String| {
        let values = values.remove(&figure).filter(|values| values.iter().any(Option::is_some))?;
        let mut stated = values.iter().flatten();
        let first = stated.next();
        let agree = stated.all(|value| Some(value) == first);
        Some(Line { figure, values, agree })
    };
    order.into_iter().filter_map(line).collect()
}

/// A sum that a published table states, beside the sum of what it states one level below.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SumCheck {
    pub level: Level,
    /// ISO 3166-2:KZ code; absent for the country.
    pub region: Option<String>,
    pub district: Option<String>,
    /// What the sum is made of: `station`, `district` or `region`.
    pub from: Level,
    pub holds: bool,
    /// Figures that do not add up: stated less summed.
    pub differences: BTreeMap<String, i64>,
}

/// Compares a stated sum with the sum of its parts; figures that either does not state are passed over.
pub fn check_sum(
    candidates: &[String],
    stated: (&[Option<i64>; 9], &[i64]),
    summed: (&[Option<i64>; 9], &[i64]),
) -> BTreeMap<String, i64> {
    let numbers = NUMBERS.iter().zip(stated.0.iter().zip(summed.0));
    let numbers = numbers.filter_map(|(name, (a, b))| Some(((*name).to_owned(), (*a)? - (*b)?)));
    let votes = candidates.iter().zip(stated.1.iter().zip(summed.1));
    let votes = votes.map(|(name, (a, b))| (format!("votes:{name}"), a - b));
    numbers.chain(votes).filter(|(_, difference)| *difference != 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::figures::Votes;

    fn copy(held_by: &str, invalid: Option<i32>, votes: &[(&str, i32)]) -> SheetCopy {
        let votes = votes.iter().map(|(name, n)| Votes { candidate: (*name).into(), votes: *n }).collect();
        SheetCopy {
            held_by: held_by.into(),
            id: None,
            status: None,
            table: None,
            figures: Figures { invalid, votes, ..Figures::default() },
            failed_checks: Vec::new(),
        }
    }

    #[test]
    fn copies_are_compared_figure_by_figure() {
        let lines = side_by_side(&[
            copy("observer", Some(3), &[("A", 100), ("B", 90)]),
            copy("posted", None, &[("B", 90), ("A", 100)]),
            copy("published", Some(3), &[("A", 190), ("B", 0), ("C", 0)]),
        ]);
        let told: Vec<_> = lines.iter().map(|line| (line.figure.as_str(), line.agree)).collect();
        assert_eq!(told, [("invalid", true), ("votes:A", false), ("votes:B", false), ("votes:C", true)]);
        assert_eq!(lines[1].values, [Some(100), Some(100), Some(190)]);
        assert_eq!(lines[3].values, [None, None, Some(0)]);
    }

    #[test]
    fn a_sum_that_does_not_add_up_says_by_how_much() {
        let names = ["A".to_owned(), "B".to_owned()];
        let mut stated = [None; 9];
        stated[0] = Some(1000);
        stated[7] = Some(5);
        let mut summed = stated;
        summed[7] = None;
        assert_eq!(check_sum(&names, (&stated, &[10, 20]), (&summed, &[10, 20])), BTreeMap::new());
        summed[0] = Some(990);
        let found = check_sum(&names, (&stated, &[10, 25]), (&summed, &[10, 20]));
        let expected = [("voters_on_list".to_owned(), 10), ("votes:B".to_owned(), 5)];
        assert_eq!(found, expected.into_iter().collect());
    }
}
