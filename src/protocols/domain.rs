//! A protocol: the tally sheet of one polling station, as one copy of it states.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::figures::{Check, Figures, Votes};
use crate::{
    faults::Faults,
    places::Directory,
    records::{
        self, Details, Facets, RecordKind,
        request::{CLOCK_SKEW, Reading, Submittable},
        vocabulary,
    },
};

vocabulary! {
    /// Whose copy of the sheet it is.
    CopyHolder { Observer, Posted, Official }
}

/// What a protocol adds to the envelope. A figure that is not stated or not legible is absent.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Protocol {
    pub copy_held_by: CopyHolder,
    /// Number of the copy, where copies are numbered.
    pub copy_number: Option<i32>,
    #[serde(flatten)]
    pub figures: Figures,
    pub signed: Option<bool>,
    /// Members of the commission who signed.
    pub signatures: Option<i32>,
    /// Members of the commission in all.
    pub commission_size: Option<i32>,
    pub stamped: Option<bool>,
    /// When the copy was handed out; the law has a copy given to each observer who asks.
    pub handed_out_at: Option<DateTime<Utc>>,
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
    /// Votes against all, where the law has them.
    #[validate(range(min = 0, max = 10000000))]
    pub against_all: Option<i32>,
    #[validate(range(min = 1, max = 1000))]
    pub copy_number: Option<i32>,
    pub signed: Option<bool>,
    /// Members of the commission who signed.
    #[validate(range(min = 0, max = 100))]
    pub signatures: Option<i32>,
    /// Members of the commission in all.
    #[validate(range(min = 1, max = 100))]
    pub commission_size: Option<i32>,
    pub stamped: Option<bool>,
    /// When the copy was handed out: RFC 3339 time.
    #[validate(length(min = 1, max = 40))]
    pub handed_out_at: Option<String>,
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
    const EXAMPLE: &'static str = r#"{
        "election": "kz-2019-president", "city": "Қарағанды", "polling_station": "123", "occurred_at": "2019-06-09",
        "copy_held_by": "observer", "voters_on_list": 1000, "ballots_received": 1000, "issued_in_station": 600,
        "issued_mobile": 20, "unused": 375, "spoiled": 5, "found_in_boxes": 620, "invalid": 15
    }"#;

    fn check(request: ProtocolRequest, reading: &Reading<'_, Self>, faults: &mut Faults) -> Option<Self> {
        if request.copy_held_by.is_none() {
            faults.add("/copy_held_by", "required");
        }
        let copy_held_by = faults.word("/copy_held_by", request.copy_held_by.as_deref());
        let handed_out_at = request.handed_out_at.as_deref().and_then(|text| {
            let read = DateTime::parse_from_rfc3339(text).ok().map(|at| records::to_micros(at.to_utc()));
            match read {
                None => faults.add("/handed_out_at", "not_a_date"),
                Some(at) if at > records::now() + CLOCK_SKEW => faults.add("/handed_out_at", "in_future"),
                Some(_) => {}
            }
            read
        });
        if let (Some(signatures), Some(size)) = (request.signatures, request.commission_size)
            && signatures > size
        {
            faults.add("/signatures", "more_than_members");
        }
        let votes = read_votes(request.votes.unwrap_or_default(), reading.directory, faults);
        Some(Self {
            copy_held_by: copy_held_by?,
            copy_number: request.copy_number,
            figures: Figures {
                voters_on_list: request.voters_on_list,
                ballots_received: request.ballots_received,
                issued_in_station: request.issued_in_station,
                issued_mobile: request.issued_mobile,
                spoiled: request.spoiled,
                unused: request.unused,
                found_in_boxes: request.found_in_boxes,
                invalid: request.invalid,
                against_all: request.against_all,
                votes,
            },
            signed: request.signed,
            signatures: request.signatures,
            commission_size: request.commission_size,
            stamped: request.stamped,
            handed_out_at,
        })
    }

    fn view(&self) -> ProtocolView {
        ProtocolView { sheet: self.clone(), turnout: self.figures.turnout(), checks: self.figures.checks() }
    }
}

/// Reads votes; a candidate who stands in an election is known by any of their names, under one.
pub fn read_votes(rows: Vec<VotesRequest>, directory: &Directory, faults: &mut Faults) -> Vec<Votes> {
    let mut votes: Vec<Votes> = Vec::new();
    for (i, row) in rows.into_iter().enumerate() {
        let (Some(candidate), Some(count)) = (row.candidate, row.votes) else { continue };
        let candidate = directory.candidate_name(&candidate).unwrap_or_else(|| candidate.trim().to_owned());
        if votes.iter().any(|known| known.candidate == candidate) {
            faults.add(format!("/votes/{i}/candidate"), "repeated");
        }
        votes.push(Votes { candidate, votes: count });
    }
    votes
}
