//! What a record is, and which changes its status allows.

use chrono::{DateTime, NaiveDate, Timelike, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::{accounts::UserId, places::Place};

/// Makes an enum whose words are the same in JSON, in the database and in queries.
macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, strum::Display,
            strum::EnumString, strum::IntoStaticStr, strum::VariantNames, utoipa::ToSchema,
        )]
        #[serde(rename_all = "snake_case")]
        #[strum(serialize_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// The word that is stored and sent.
            pub fn word(self) -> &'static str {
                self.into()
            }
        }
    };
}
pub(crate) use vocabulary;

vocabulary! {
    /// The three kinds of record.
    RecordKind { Violation, Protocol, Detention }
}

vocabulary! {
    /// Where a record stands.
    Status { Submitted, InReview, Verified, Rejected, Duplicate, Withdrawn }
}

vocabulary! {
    /// What a reviewer decides.
    Decision { InReview, Verified, Rejected, Duplicate }
}

vocabulary! {
    /// How exactly the time is known.
    Precision { Exact, Hour, Day }
}

vocabulary! {
    /// How grave a violation is.
    Severity { Minor, Serious, Critical }
}

vocabulary! {
    /// What an entry of the history did.
    Action {
        Submitted,
        Edited,
        Withdrawn,
        Reviewed,
        /// What came after, told by whoever may; the status stays.
        Updated,
    }
}

impl Status {
    /// Whether the reporter may still edit or withdraw the record.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Submitted | Self::InReview)
    }

    /// The status after a decision; a withdrawn record is not reviewed any more.
    pub fn after(self, decision: Decision) -> Option<Self> {
        if self == Self::Withdrawn {
            return None;
        }
        Some(match decision {
            Decision::InReview => Self::InReview,
            Decision::Verified => Self::Verified,
            Decision::Rejected => Self::Rejected,
            Decision::Duplicate => Self::Duplicate,
        })
    }
}

/// What the three kinds share, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    pub place: Place,
    pub occurred_at: DateTime<Utc>,
    pub precision: Precision,
    /// The date on the calendar of the place.
    pub local_date: NaiveDate,
    pub description: String,
    pub source: Option<i32>,
    pub passage: Option<i32>,
}

/// What a kind adds to the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facets {
    pub category: &'static str,
    pub severity: Option<Severity>,
    /// People detained; 0 where unknown.
    pub people: i32,
}

/// What one kind of record adds to the envelope.
pub trait Details: Clone + Send + Sync + Serialize + 'static {
    const KIND: RecordKind;

    fn facets(&self) -> Facets;
}

/// A record on its way in.
#[derive(Clone, Debug)]
pub struct NewRecord<D> {
    pub id: Uuid,
    pub reporter: UserId,
    pub envelope: Envelope,
    pub details: D,
    /// The content as a submission would state it, normalised: kept in the history.
    pub content: serde_json::Value,
    /// SHA-256 of the content in its canonical form (RFC 8785).
    pub hash: [u8; 32],
    /// Salt of the ledger's commitment to the first version.
    pub salt: [u8; 32],
    pub received_at: DateTime<Utc>,
}

/// A record as it stands.
#[derive(Clone, Debug)]
pub struct Record<D> {
    pub id: Uuid,
    pub reporter: UserId,
    pub envelope: Envelope,
    pub details: D,
    pub status: Status,
    pub duplicate_of: Option<Uuid>,
    pub version: i32,
    pub received_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl<D> From<NewRecord<D>> for Record<D> {
    fn from(new: NewRecord<D>) -> Self {
        Self {
            id: new.id,
            reporter: new.reporter,
            envelope: new.envelope,
            details: new.details,
            status: Status::Submitted,
            duplicate_of: None,
            version: 1,
            received_at: new.received_at,
            updated_at: new.received_at,
        }
    }
}

/// A review: the decision, and of which record a duplicate is one.
#[derive(Clone, Debug)]
pub struct Review {
    pub decision: Decision,
    pub note: Option<String>,
    pub duplicate_of: Option<Uuid>,
}

/// The id of a submission that names none but an idempotency key: the same for the same person and key.
pub fn id_of_key(reporter: UserId, key: &str) -> Uuid {
    Uuid::new_v5(&reporter, key.as_bytes())
}

/// A moment to the microsecond, as PostgreSQL keeps it: what is answered is what will be read.
pub fn to_micros(at: DateTime<Utc>) -> DateTime<Utc> {
    at.with_nanosecond(at.nanosecond() / 1000 * 1000).unwrap_or(at)
}

/// The present moment, to the microsecond.
pub fn now() -> DateTime<Utc> {
    to_micros(Utc::now())
}
