//! Records as readers see them.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Precision, Record, RecordKind, Status, request::Submittable};
use crate::{
    http::times,
    ledger::Receipt,
    places::{Directory, Names},
};

/// A record.
#[derive(Serialize, ToSchema)]
pub struct RecordView<'a, V> {
    pub id: Uuid,
    pub record: RecordKind,
    pub election: &'a str,
    /// ISO 3166-2:KZ code of the region as it stood at the election.
    pub region: Option<&'a str>,
    pub city: Option<&'a str>,
    /// The most exact place that is known, by name.
    pub place: Option<&'a Names>,
    pub polling_station: Option<&'a str>,
    #[serde(serialize_with = "times::moment")]
    pub occurred_at: DateTime<Utc>,
    pub precision: Precision,
    /// The date on the calendar of the place.
    #[serde(serialize_with = "times::date")]
    pub local_date: NaiveDate,
    pub description: &'a str,
    pub source: Option<&'a str>,
    pub passage: Option<i32>,
    pub status: Status,
    pub duplicate_of: Option<Uuid>,
    pub version: i32,
    pub reporter: Uuid,
    #[serde(serialize_with = "times::moment")]
    pub received_at: DateTime<Utc>,
    #[serde(serialize_with = "times::moment")]
    pub updated_at: DateTime<Utc>,
    #[serde(flatten)]
    pub details: V,
    /// Proof for who sent it, in the answer to what they sent; to be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Cursor of the next page; absent on the last.
    pub next: Option<String>,
}

/// Shows a record with the names of its place.
pub fn view<'a, D: Submittable>(record: &'a Record<D>, directory: &'a Directory) -> RecordView<'a, D::View> {
    let envelope = &record.envelope;
    let region = envelope.place.region.and_then(|id| directory.region_by_id(id));
    let city = envelope.place.city.and_then(|id| directory.city_by_id(id));
    RecordView {
        id: record.id,
        record: D::KIND,
        election: directory
            .election_by_id(envelope.place.election)
            .map(|election| election.slug.as_str())
            .unwrap_or_default(),
        region: region.map(|region| region.code.as_str()),
        city: city.map(|city| city.slug.as_str()),
        place: city.map(|city| &city.names).or(region.map(|region| &region.names)),
        polling_station: envelope.place.polling_station.as_deref(),
        occurred_at: envelope.occurred_at,
        precision: envelope.precision,
        local_date: envelope.local_date,
        description: &envelope.description,
        source: envelope
            .source
            .and_then(|id| directory.sources.iter().find(|(_, source)| **source == id))
            .map(|(slug, _)| slug.as_str()),
        passage: envelope.passage,
        status: record.status,
        duplicate_of: record.duplicate_of,
        version: record.version,
        reporter: record.reporter,
        received_at: record.received_at,
        updated_at: record.updated_at,
        details: record.details.view(),
        receipt: None,
    }
}
