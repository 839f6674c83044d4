//! A detention: how many people, or one; by whom; what became of them. Names come sealed or not at all.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    faults::Faults,
    records::{Details, Facets, RecordKind, request::Submittable, vocabulary},
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

/// The first line of ASCII armour of an age file (age-encryption.org/v1).
const ARMOUR: (&str, &str) = ("-----BEGIN AGE ENCRYPTED FILE-----", "-----END AGE ENCRYPTED FILE-----");

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
    /// Where they are held.
    pub held_at: Option<String>,
    pub stated_ground: Option<String>,
    pub relatives_told: Option<bool>,
    pub lawyer_admitted: Option<bool>,
    /// Name and contacts, encrypted with age to the coalition's key; the server cannot open it.
    pub sealed_person: Option<String>,
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
    #[validate(length(min = 1, max = 300))]
    pub held_at: Option<String>,
    #[validate(length(min = 1, max = 500))]
    pub stated_ground: Option<String>,
    pub relatives_told: Option<bool>,
    pub lawyer_admitted: Option<bool>,
    /// age armour only; a plain name is refused.
    #[validate(length(min = 1, max = 20000))]
    pub sealed_person: Option<String>,
}

impl Details for Detention {
    const KIND: RecordKind = RecordKind::Detention;

    fn facets(&self) -> Facets {
        Facets { category: self.category.word(), severity: None, people: self.people.unwrap_or(0) }
    }
}

impl Submittable for Detention {
    type Request = DetentionRequest;
    type View = Self;
    const DESCRIBED: bool = false;
    const PATH: &'static str = "detentions";

    fn check(request: DetentionRequest, faults: &mut Faults) -> Option<Self> {
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
        let sealed_person = request.sealed_person.map(|text| text.trim().to_owned());
        let sealed = |text: &String| text.starts_with(ARMOUR.0) && text.ends_with(ARMOUR.1);
        if sealed_person.as_ref().is_some_and(|text| !sealed(text)) {
            faults.add("/sealed_person", "not_sealed");
        }
        Some(Self {
            category: category?,
            people: request.people,
            detained_by: detained_by?,
            custody: custody?,
            arrest_days: request.arrest_days,
            held_at: request.held_at,
            stated_ground: request.stated_ground,
            relatives_told: request.relatives_told,
            lawyer_admitted: request.lawyer_admitted,
            sealed_person,
        })
    }

    fn view(&self) -> Self {
        self.clone()
    }
}
