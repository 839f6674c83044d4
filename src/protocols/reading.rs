//! Double entry: a sheet keyed from a photo counts as read when two people agree.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::figures::{Figures, NUMBERS, Votes};
use crate::records::vocabulary;

vocabulary! {
    /// Where the reading of a photo stands.
    ReadingState {
        /// Nobody has keyed it.
        Unread,
        /// One person has; another must.
        OneReading,
        /// Two disagree; a third must.
        Differs,
        /// Two agree, on the whole or, after a third, on each figure.
        Read,
        /// Three disagree on a figure.
        Unresolved,
    }
}

/// A figure on which readers disagree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Difference {
    /// `voters_on_list`, …, or `votes:<candidate>`.
    pub figure: String,
    /// What each reader keyed, first to last.
    pub readings: Vec<Option<i32>>,
}

/// What readings come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub state: ReadingState,
    /// What is agreed on, once it is read.
    pub figures: Option<Figures>,
    pub differences: Vec<Difference>,
}

/// Compares the readings of one photo, in the order in which they were made.
pub fn compare(readings: &[Figures]) -> Outcome {
    let mut named: BTreeMap<String, Vec<Option<i32>>> = BTreeMap::new();
    for (i, reading) in readings.iter().enumerate() {
        for (name, figure) in reading.named() {
            named.entry(name).or_insert_with(|| vec![None; readings.len()])[i] = figure;
        }
    }
    // The value that two readers keyed: with three readers no two values can both have that many.
    let agreed = |keyed: &[Option<i32>]| {
        keyed.iter().copied().find(|value| keyed.iter().filter(|other| *other == value).count() >= 2)
    };
    let differences: Vec<Difference> = named
        .iter()
        .filter(|(_, keyed)| keyed.windows(2).any(|pair| pair[0] != pair[1]))
        .map(|(figure, keyed)| Difference { figure: figure.clone(), readings: keyed.clone() })
        .collect();
    let state = match readings.len() {
        0 => ReadingState::Unread,
        1 => ReadingState::OneReading,
        2 if differences.is_empty() => ReadingState::Read,
        2 => ReadingState::Differs,
        _ if named.values().all(|keyed| agreed(keyed).is_some()) => ReadingState::Read,
        _ => ReadingState::Unresolved,
    };
    let figures = (state == ReadingState::Read).then(|| {
        let value = |name: &str| named.get(name).and_then(|keyed| agreed(keyed)).flatten();
        let mut votes: Vec<Votes> = Vec::new();
        // In the order of the sheet.
        for row in readings.iter().flat_map(|reading| &reading.votes) {
            if let Some(count) = value(&format!("votes:{}", row.candidate))
                && !votes.iter().any(|known| known.candidate == row.candidate)
            {
                votes.push(Votes { candidate: row.candidate.clone(), votes: count });
            }
        }
        Figures::of(NUMBERS.map(value), votes)
    });
    Outcome { state, figures, differences }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(invalid: i32, votes: &[(&str, i32)]) -> Figures {
        let votes = votes.iter().map(|(name, n)| Votes { candidate: (*name).into(), votes: *n }).collect();
        Figures { invalid: Some(invalid), votes, ..Figures::default() }
    }

    #[test]
    fn two_who_agree_have_read_it() {
        let a = sheet(3, &[("B", 10), ("A", 20)]);
        assert_eq!(compare(&[]).state, ReadingState::Unread);
        assert_eq!(compare(std::slice::from_ref(&a)).state, ReadingState::OneReading);
        let read = compare(&[a.clone(), a.clone()]);
        assert_eq!((read.state, read.figures), (ReadingState::Read, Some(a)));
    }

    #[test]
    fn a_difference_goes_to_a_third_who_decides_figure_by_figure() {
        let (a, b) = (sheet(3, &[("A", 20), ("B", 10)]), sheet(8, &[("A", 20), ("B", 70)]));
        let two = compare(&[a.clone(), b.clone()]);
        assert_eq!((two.state, two.figures), (ReadingState::Differs, None));
        let names: Vec<_> = two.differences.iter().map(|it| it.figure.as_str()).collect();
        assert_eq!(names, ["invalid", "votes:B"]);
        let third = sheet(3, &[("A", 20), ("B", 70)]);
        let three = compare(&[a.clone(), b.clone(), third.clone()]);
        assert_eq!((three.state, three.figures), (ReadingState::Read, Some(third)));
        let other = compare(&[a, b, sheet(5, &[("A", 20), ("B", 10)])]);
        assert_eq!((other.state, other.figures), (ReadingState::Unresolved, None));
    }

    #[test]
    fn a_candidate_whom_one_reader_left_out_is_a_difference() {
        let two = compare(&[sheet(3, &[("A", 1), ("B", 2)]), sheet(3, &[("A", 1)])]);
        assert_eq!(two.state, ReadingState::Differs);
        assert_eq!(two.differences[0].readings, [Some(2), None]);
    }
}
