//! Questions of relatives: is this person on any list? Asked without an account, answered by coordinators.

pub mod routes;
pub mod store;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    places::{CityId, ElectionId, RegionId},
    records::vocabulary,
    sealing::FreshSeal,
};

vocabulary! {
    /// Where an enquiry stands.
    EnquiryStatus { Open, Answered, Closed }
}

/// An enquiry on its way in.
pub struct NewEnquiry {
    pub id: Uuid,
    pub election: ElectionId,
    pub region: Option<RegionId>,
    pub city: Option<CityId>,
    pub language: &'static str,
    pub seal: FreshSeal,
    /// age key of who asks.
    pub recipient: String,
    pub asked_at: DateTime<Utc>,
}
