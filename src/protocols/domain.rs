//! A protocol: the tally sheet of one polling station, as one copy of it states.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    faults::Faults,
    records::{
        Details, Facets, RecordKind,
        request::{Reading, Submittable},
        vocabulary,
    },
};

vocabulary! {
    /// Whose copy of the sheet it is.
    CopyHolder { Observer, Posted, Official }
}

/// The votes for one candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Votes {
    pub candidate: String,
    pub votes: i32,
}

/// What a protocol adds to the envelope. A figure that is not stated or not legible is absent.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Protocol {
    pub copy_held_by: CopyHolder,
    pub voters_on_list: Option<i32>,
    pub ballots_received: Option<i32>,
    pub issued_in_station: Option<i32>,
    pub issued_mobile: Option<i32>,
    pub spoiled: Option<i32>,
    pub unused: Option<i32>,
    pub found_in_boxes: Option<i32>,
    pub invalid: Option<i32>,
    pub signed: Option<bool>,
    pub stamped: Option<bool>,
    pub votes: Vec<Votes>,
}

/// The fields of a protocol beyond those of the envelope.
#[derive(Debug, Serialize, Deserialize, Validate, ToSchema)]
pub struct ProtocolRequest {
    /// `observer`, `posted` (at the station) or `official` (the commission's web site).
    pub copy_held_by: Option<String>,
    #[validate(range(min = 0, max = 10000000))]
    pub voters_on_list: Option<i32>,
    #[validate(range(min = 0, max = 10000000))]
    pub ballots_received: Option<i32>,
    /// Ballots issued in the station.
    #[validate(range(min = 0, max = 10000000))]
    pub issued_in_station: Option<i32>,
    /// Ballots issued outside, with the mobile box.
    #[validate(range(min = 0, max = 10000000))]
    pub issued_mobile: Option<i32>,
    #[validate(range(min = 0, max = 10000000))]
    pub spoiled: Option<i32>,
    #[validate(range(min = 0, max = 10000000))]
    pub unused: Option<i32>,
    #[validate(range(min = 0, max = 10000000))]
    pub found_in_boxes: Option<i32>,
    #[validate(range(min = 0, max = 10000000))]
    pub invalid: Option<i32>,
    pub signed: Option<bool>,
    pub stamped: Option<bool>,
    /// Votes for each candidate, in the order of the sheet.
    #[validate(nested, length(max = 100))]
    pub votes: Option<Vec<VotesRequest>>,
}

/// The votes for one candidate as stated.
#[derive(Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VotesRequest {
    #[validate(required, length(min = 1, max = 200))]
    pub candidate: Option<String>,
    #[validate(required, range(min = 0, max = 10000000))]
    pub votes: Option<i32>,
}

/// One identity that a right sheet fulfils.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Check {
    /// `received_equals_issued_unused_spoiled`, `issued_within_list`, `found_within_issued`,
    /// `found_equals_votes_and_invalid`.
    pub name: &'static str,
    /// Whether it holds; absent where a figure is missing.
    pub holds: Option<bool>,
    /// Ballots by which the left side exceeds the right (negative: falls short).
    pub difference: Option<i64>,
}

/// A protocol as readers see it.
#[derive(Serialize, ToSchema)]
pub struct ProtocolView {
    #[serde(flatten)]
    pub sheet: Protocol,
    /// Turnout in per cent: ballots issued over voters on the list.
    pub turnout: Option<f64>,
    /// The arithmetic of the sheet. A sheet that fails is kept: a broken protocol is evidence.
    pub checks: Vec<Check>,
}

impl Protocol {
    /// Ballots issued in all.
    fn issued(&self) -> Option<i64> {
        Some(i64::from(self.issued_in_station?) + i64::from(self.issued_mobile.unwrap_or(0)))
    }

    /// The identities of the precinct protocol (Constitutional Law on Elections of Kazakhstan, article 43).
    pub fn checks(&self) -> Vec<Check> {
        let wide = |figure: Option<i32>| figure.map(i64::from);
        let sum = |figures: &[Option<i64>]| figures.iter().copied().sum::<Option<i64>>();
        let votes = (!self.votes.is_empty()).then(|| self.votes.iter().map(|v| i64::from(v.votes)).sum());
        let equal = |name, left: Option<i64>, right: Option<i64>| {
            let difference = left.zip(right).map(|(left, right)| left - right);
            Check { name, holds: difference.map(|d| d == 0), difference }
        };
        let within = |name, left: Option<i64>, right: Option<i64>| {
            let difference = left.zip(right).map(|(left, right)| left - right);
            Check { name, holds: difference.map(|d| d <= 0), difference }
        };
        let used = sum(&[self.issued(), wide(self.unused), wide(self.spoiled)]);
        vec![
            equal("received_equals_issued_unused_spoiled", wide(self.ballots_received), used),
            within("issued_within_list", self.issued(), wide(self.voters_on_list)),
            within("found_within_issued", wide(self.found_in_boxes), self.issued()),
            equal(
                "found_equals_votes_and_invalid",
                wide(self.found_in_boxes),
                sum(&[votes, wide(self.invalid)]),
            ),
        ]
    }
}

impl Details for Protocol {
    const KIND: RecordKind = RecordKind::Protocol;

    fn facets(&self) -> Facets {
        Facets { category: self.copy_held_by.word(), severity: None, people: 0 }
    }
}

impl Submittable for Protocol {
    type Request = ProtocolRequest;
    type View = ProtocolView;
    const DESCRIBED: bool = false;
    const PATH: &'static str = "protocols";

    fn check(request: ProtocolRequest, _: &Reading<'_, Self>, faults: &mut Faults) -> Option<Self> {
        if request.copy_held_by.is_none() {
            faults.add("/copy_held_by", "required");
        }
        let copy_held_by = faults.word("/copy_held_by", request.copy_held_by.as_deref());
        let mut votes: Vec<Votes> = Vec::new();
        for (i, row) in request.votes.unwrap_or_default().into_iter().enumerate() {
            let (Some(candidate), Some(count)) = (row.candidate, row.votes) else { continue };
            let candidate = candidate.trim().to_owned();
            if votes.iter().any(|known| known.candidate == candidate) {
                faults.add(format!("/votes/{i}/candidate"), "repeated");
            }
            votes.push(Votes { candidate, votes: count });
        }
        Some(Self {
            copy_held_by: copy_held_by?,
            voters_on_list: request.voters_on_list,
            ballots_received: request.ballots_received,
            issued_in_station: request.issued_in_station,
            issued_mobile: request.issued_mobile,
            spoiled: request.spoiled,
            unused: request.unused,
            found_in_boxes: request.found_in_boxes,
            invalid: request.invalid,
            signed: request.signed,
            stamped: request.stamped,
            votes,
        })
    }

    fn view(&self) -> ProtocolView {
        let issued = self.issued().zip(self.voters_on_list).filter(|(_, list)| *list > 0);
        let turnout =
            issued.map(|(issued, list)| (issued as f64 * 10_000.0 / f64::from(list)).round() / 100.0);
        ProtocolView { sheet: self.clone(), turnout, checks: self.checks() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sheet(
        in_station: i32,
        mobile: i32,
        unused: i32,
        spoiled: i32,
        invalid: i32,
        votes: &[i32],
    ) -> Protocol {
        let found = invalid + votes.iter().sum::<i32>();
        Protocol {
            copy_held_by: CopyHolder::Observer,
            voters_on_list: Some(in_station + mobile + 10),
            ballots_received: Some(in_station + mobile + unused + spoiled),
            issued_in_station: Some(in_station),
            issued_mobile: Some(mobile),
            spoiled: Some(spoiled),
            unused: Some(unused),
            found_in_boxes: Some(found),
            invalid: Some(invalid),
            signed: Some(true),
            stamped: None,
            votes: (votes.iter().enumerate())
                .map(|(i, votes)| Votes { candidate: i.to_string(), votes: *votes })
                .collect(),
        }
    }

    fn check(sheet: &Protocol, name: &str) -> Check {
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
            prop_assert!(sheet.checks().iter().all(|check| check.holds == Some(true)));
            sheet.votes[0].votes += added;
            let broken = check(&sheet, "found_equals_votes_and_invalid");
            prop_assert_eq!(broken.difference, Some(-i64::from(added)));
            prop_assert_eq!(broken.holds, Some(false));
        }
    }

    #[test]
    fn a_missing_figure_leaves_its_checks_open() {
        let mut sheet = sheet(100, 5, 10, 0, 3, &[50, 40]);
        sheet.unused = None;
        assert_eq!(check(&sheet, "received_equals_issued_unused_spoiled").holds, None);
        assert_eq!(check(&sheet, "issued_within_list").holds, Some(true));
    }
}
