//! A violation: what was broken, at which stage, how gravely.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    faults::Faults,
    records::{
        Details, Facets, RecordKind, Severity,
        request::{Reading, Submittable},
        vocabulary,
    },
};

vocabulary! {
    /// Categories after the observation forms of ODIHR and NDI.
    Category {
        BallotStuffing, MultipleVoting, GroupVoting, ProxyVoting, FamilyVoting, CarouselVoting,
        ObserverObstructed, ObserverExpelled, ProtocolCopyRefused, ProtocolTampered, CountingViolation,
        CampaigningAtStation, PressureOnVoters, VoteBuying, VoterListError, VoterDenied, BallotSecrecyBreached,
        MobileVotingViolation, StationNotAccessible, UnauthorisedPersons, UnsealedBox, MediaObstructed,
        CommunicationsShutdown, AssemblyObstructed, Other,
    }
}

vocabulary! {
    /// The stage of the election.
    Stage { PreElection, Opening, Voting, Counting, Tabulation, PostElection }
}

/// What a violation adds to the envelope.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Violation {
    pub category: Category,
    pub stage: Stage,
    pub severity: Severity,
    /// In general terms (“a member of the commission”), never by name.
    pub people_involved: Option<String>,
}

/// The fields of a violation beyond those of the envelope.
#[derive(Debug, Deserialize, Validate, ToSchema)]
pub struct ViolationRequest {
    pub category: Option<String>,
    pub stage: Option<String>,
    /// `minor`, `serious` (the default) or `critical`.
    pub severity: Option<String>,
    #[validate(length(min = 1, max = 500))]
    pub people_involved: Option<String>,
}

impl Details for Violation {
    const KIND: RecordKind = RecordKind::Violation;

    fn facets(&self) -> Facets {
        Facets { category: self.category.word(), severity: Some(self.severity), people: 0 }
    }
}

impl Submittable for Violation {
    type Request = ViolationRequest;
    type View = Self;
    const DESCRIBED: bool = true;
    const PATH: &'static str = "violations";
    const EXAMPLE: &'static str = r#"{
        "election": "kz-2019-president", "city": "Қарағанды", "polling_station": "123",
        "occurred_at": "2019-06-09T14:30:00+06:00", "category": "observer_obstructed", "stage": "voting",
        "severity": "serious", "description": "Бақылаушыны учаскеден шығарды"
    }"#;

    fn check(request: ViolationRequest, _: &Reading<'_, Self>, faults: &mut Faults) -> Option<Self> {
        for (pointer, field) in [("/category", &request.category), ("/stage", &request.stage)] {
            if field.is_none() {
                faults.add(pointer, "required");
            }
        }
        let category = faults.word("/category", request.category.as_deref());
        let stage = faults.word("/stage", request.stage.as_deref());
        let severity = match request.severity.as_deref() {
            None => Some(Severity::Serious),
            given => faults.word("/severity", given),
        };
        let people_involved = request.people_involved;
        Some(Self { category: category?, stage: stage?, severity: severity?, people_involved })
    }

    fn view(&self) -> Self {
        self.clone()
    }
}
