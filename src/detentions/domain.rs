//! A detention: how many people, or one; by whom; what became of them. Names are sealed before anything is
//! stored.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    faults::Faults,
    records::{
        self, Details, Facets, RecordKind,
        request::{CLOCK_SKEW, Reading, Submittable, read_time},
        vocabulary,
    },
    sealing::{FreshSeal, Person},
};

vocabulary! {
    /// In which circumstances people were taken.
    Circumstance { PeacefulAssembly, SinglePicket, ObserverAtWork, JournalistAtWork, AtHome, Preventive, Bystander, Other }
}

vocabulary! {
    /// Who took them.
    Agency { Police, NationalGuard, NationalSecurity, PlainClothes, Other, Unknown }
}

vocabulary! {
    /// What became of them, as far as is known.
    Custody { Held, PlaceUnknown, Released, Fined, AdministrativeArrest, CriminalCase }
}

/// What a detention adds to the envelope.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Detention {
    pub category: Circumstance,
    /// How many people; absent where the number is not known.
    pub people: Option<i32>,
    pub detained_by: Agency,
    pub custody: Custody,
    /// Days of administrative arrest.
    pub arrest_days: Option<i32>,
    /// When the present custody began; absent: when they were taken.
    pub custody_since: Option<DateTime<Utc>>,
    /// Slug of the document that tells of the present custody.
    pub custody_source: Option<String>,
    /// Where they are held.
    pub held_at: Option<String>,
    pub stated_ground: Option<String>,
    pub relatives_told: Option<bool>,
    pub lawyer_admitted: Option<bool>,
    /// Commits to the name and contacts that are sealed with this detention; reveals nothing of them.
    pub person_commitment: Option<String>,
    /// Sealed by this very submission.
    #[serde(skip)]
    #[schema(ignore)]
    pub seal: Option<FreshSeal>,
}

/// The fields of a detention beyond those of the envelope.
#[derive(Debug, Deserialize, Validate, ToSchema)]
pub struct DetentionRequest {
    pub category: Option<String>,
    #[validate(range(min = 1, max = 1000000))]
    pub people: Option<i32>,
    pub detained_by: Option<String>,
    pub custody: Option<String>,
    #[validate(range(min = 1, max = 90))]
    pub arrest_days: Option<i32>,
    /// When the present custody began, where that is not when they were taken: RFC 3339 time, or a date.
    #[validate(length(min = 1, max = 40))]
    pub custody_since: Option<String>,
    /// Slug of the source that tells of the present custody.
    #[validate(length(min = 1, max = 100))]
    pub custody_source: Option<String>,
    #[validate(length(min = 1, max = 300))]
    pub held_at: Option<String>,
    #[validate(length(min = 1, max = 500))]
    pub stated_ground: Option<String>,
    pub relatives_told: Option<bool>,
    pub lawyer_admitted: Option<bool>,
    /// The person, when it is one; sealed to the coalition's keys before anything is stored.
    #[validate(nested)]
    pub person: Option<Person>,
    /// The person as age armour, sealed on the device to the keys of `/recipients`.
    #[validate(length(min = 1, max = 20000))]
    pub sealed_person: Option<String>,
    /// In an edit: that of the record, to keep its person.
    #[validate(length(min = 1, max = 100))]
    pub person_commitment: Option<String>,
}

impl Details for Detention {
    const KIND: RecordKind = RecordKind::Detention;

    fn facets(&self) -> Facets {
        Facets { category: self.category.word(), severity: None, people: self.people.unwrap_or(0) }
    }
}

/// The commitment to the person, and the seal where it is a new one.
fn check_person(
    request: &DetentionRequest,
    reading: &Reading<'_, Detention>,
    faults: &mut Faults,
) -> Option<(String, Option<FreshSeal>)> {
    let new = match (&request.person, &request.sealed_person) {
        (Some(_), Some(_)) => {
            faults.add("/sealed_person", "not_allowed_here");
            return None;
        }
        (Some(person), None) => reading.keys.seal(person, "/person", faults),
        (None, Some(armour)) => reading.keys.take(armour, "/sealed_person", faults),
        (None, None) => {
            let kept = request.person_commitment.clone()?;
            if reading.before.and_then(|before| before.person_commitment.as_ref()) != Some(&kept) {
                faults.add("/person_commitment", "not_allowed_here");
            }
            return Some((kept, None));
        }
    };
    if request.person.is_some() && request.people.is_some_and(|people| people != 1) {
        faults.add("/people", "one_named_person");
    }
    new.map(|(commitment, seal)| (commitment, Some(seal)))
}

impl Submittable for Detention {
    type Request = DetentionRequest;
    type View = Self;
    const DESCRIBED: bool = false;
    const PATH: &'static str = "detentions";
    const EXAMPLE: &'static str = r#"{
        "election": "kz-2019-president", "city": "Алматы", "occurred_at": "2019-06-10", "people": 3,
        "category": "peaceful_assembly", "detained_by": "police", "custody": "place_unknown"
    }"#;

    fn check(request: DetentionRequest, reading: &Reading<'_, Self>, faults: &mut Faults) -> Option<Self> {
        if request.category.is_none() {
            faults.add("/category", "required");
        }
        let category = faults.word("/category", request.category.as_deref());
        let detained_by = match request.detained_by.as_deref() {
            None => Some(Agency::Unknown),
            given => faults.word("/detained_by", given),
        };
        let custody = match request.custody.as_deref() {
            None => Some(Custody::PlaceUnknown),
            given => faults.word("/custody", given),
        };
        if request.arrest_days.is_some() && custody.is_some_and(|it| it != Custody::AdministrativeArrest) {
            faults.add("/arrest_days", "days_without_arrest");
        }
        let custody_since = request.custody_since.as_deref().and_then(|text| {
            let read = read_time(text, chrono_tz::Asia::Almaty);
            match read {
                None => faults.add("/custody_since", "not_a_date"),
                Some((at, _)) if at > records::now() + CLOCK_SKEW => {
                    faults.add("/custody_since", "in_future")
                }
                Some(_) => {}
            }
            read.map(|(at, _)| records::to_micros(at))
        });
        if request.custody_source.as_ref().is_some_and(|slug| !reading.directory.sources.contains_key(slug)) {
            faults.add("/custody_source", "unknown_source");
        }
        let (person_commitment, seal) = check_person(&request, reading, faults).unzip();
        Some(Self {
            category: category?,
            // A named person is one.
            people: request.people.or(person_commitment.is_some().then_some(1)),
            detained_by: detained_by?,
            custody: custody?,
            arrest_days: request.arrest_days,
            custody_since,
            custody_source: request.custody_source,
            held_at: request.held_at,
            stated_ground: request.stated_ground,
            relatives_told: request.relatives_told,
            lawyer_admitted: request.lawyer_admitted,
            person_commitment,
            seal: seal.flatten(),
        })
    }

    fn view(&self) -> Self {
        self.clone()
    }
}
