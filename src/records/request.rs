//! From JSON to a checked record.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::{Details, Envelope, NewRecord, Precision};
use crate::{
    accounts::UserId,
    faults::Faults,
    http::body,
    ledger,
    places::{Directory, start_of_day},
    records,
    sealing::Keys,
};

/// How far a phone's clock may run ahead.
pub const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(10);

/// The fields that all submissions share.
#[derive(Debug, Default, Serialize, Deserialize, Validate, ToSchema)]
#[serde(default)]
pub struct EnvelopeRequest {
    /// UUID of version 7 (or 4) made by the client, so that sending again stores nothing twice.
    pub id: Option<String>,
    /// Slug of the election.
    pub election: Option<String>,
    /// ISO 3166-2:KZ code, in force or former; may be left out where a city is named.
    pub region: Option<String>,
    /// Id of a city or any of its names in Kazakh, Russian or English.
    pub city: Option<String>,
    /// Number of the polling station, unique within its region.
    #[validate(length(min = 1, max = 20))]
    pub polling_station: Option<String>,
    /// RFC 3339 time, or a date where the hour is not known.
    pub occurred_at: Option<String>,
    /// `exact`, `hour` or `day`.
    pub precision: Option<String>,
    #[validate(length(min = 1, max = 10000))]
    pub description: Option<String>,
    /// Slug of the source document, where the record was taken from one.
    pub source: Option<String>,
    /// Number of the passage in the source.
    #[validate(range(min = 1, max = 100000))]
    pub passage: Option<i32>,
}

/// A kind of record that can be submitted as JSON.
pub trait Submittable: Details {
    type Request: DeserializeOwned + Validate + ToSchema + PartialSchema + Send + 'static;
    /// What a reader is shown beyond the envelope.
    type View: Serialize + ToSchema;

    /// Whether a description must be there.
    const DESCRIBED: bool;
    /// The last part of the path and the name of the list.
    const PATH: &'static str;
    /// A submission as the OpenAPI document shows it, in JSON.
    const EXAMPLE: &'static str;

    /// The details, or the faults that their own rules find.
    fn check(request: Self::Request, reading: &Reading<'_, Self>, faults: &mut Faults) -> Option<Self>;

    fn view(&self) -> Self::View;
}

/// What a submission is read against.
pub struct Reading<'a, D> {
    pub directory: &'a Directory,
    /// The keys to which names are sealed.
    pub keys: &'a Keys,
    /// The details before, where a record is edited.
    pub before: Option<&'a D>,
}

/// Reads a whole submission, of which `faults` are known already; answers the record and the id that the client gave, if it gave one.
pub fn read<D: Submittable>(
    value: &Value,
    mut faults: Faults,
    reporter: UserId,
    reading: &Reading<'_, D>,
) -> Result<(NewRecord<D>, bool), Faults> {
    let directory = reading.directory;
    let now = records::now();
    let own_fields = body::fields::<D::Request>();
    let request = body::read::<EnvelopeRequest>(value, &own_fields, &mut faults);
    let details = body::read::<D::Request>(value, &body::fields::<EnvelopeRequest>(), &mut faults)
        .and_then(|details| D::check(details, reading, &mut faults));
    let request = request.unwrap_or_default();
    let id = request.id.as_deref().and_then(|id| check_id(id, &mut faults));
    let envelope = check_envelope::<D>(request, directory, now, &mut faults);
    let (envelope, details) = faults.check(envelope.zip(details))?;
    let content = content(&envelope, &details, directory);
    let record = NewRecord {
        id: id.unwrap_or_else(Uuid::now_v7),
        reporter,
        envelope,
        details,
        hash: ledger::canonical_hash(&content),
        salt: ledger::new_salt(),
        content,
        received_at: now,
    };
    Ok((record, id.is_some()))
}

fn check_id(text: &str, faults: &mut Faults) -> Option<Uuid> {
    let id = Uuid::parse_str(text).ok().filter(|id| matches!(id.get_version_num(), 4 | 7));
    if id.is_none() {
        faults.add("/id", "not_an_id");
    }
    id
}

fn check_envelope<D: Submittable>(
    request: EnvelopeRequest,
    directory: &Directory,
    now: DateTime<Utc>,
    faults: &mut Faults,
) -> Option<Envelope> {
    let place = directory.place(
        request.election.as_deref(),
        request.region.as_deref(),
        request.city.as_deref(),
        request.polling_station.as_deref(),
        faults,
    );
    let precision = faults.word::<Precision>("/precision", request.precision.as_deref());
    let zone = place.as_ref().map_or(chrono_tz::Asia::Almaty, |place| place.time_zone);
    let occurred = request.occurred_at.as_deref().map(|text| read_time(text, zone));
    let (occurred_at, precision) = match occurred {
        None => {
            faults.add("/occurred_at", "required");
            return None;
        }
        Some(None) => {
            faults.add("/occurred_at", "not_a_date");
            return None;
        }
        // A date alone says no more than the day, whatever else is said.
        Some(Some((at, Precision::Day))) => (at, Precision::Day),
        Some(Some((at, _))) => (at, precision.unwrap_or(Precision::Exact)),
    };
    let local_date = occurred_at.with_timezone(&zone).date_naive();
    let occurred_at = match precision {
        Precision::Day => start_of_day(local_date, zone),
        _ => records::to_micros(occurred_at),
    };
    if occurred_at > now + CLOCK_SKEW {
        faults.add("/occurred_at", "in_future");
    }
    let election = place.as_ref().and_then(|place| directory.election_by_id(place.election));
    if election.is_some_and(|election| local_date < election.held_on - TimeDelta::days(366)) {
        faults.add("/occurred_at", "too_early");
    }
    let description = request.description.unwrap_or_default().trim().to_owned();
    if D::DESCRIBED && description.is_empty() {
        faults.add("/description", "required");
    }
    let source = request.source.as_deref().and_then(|slug| {
        let id = directory.sources.get(slug).copied();
        if id.is_none() {
            faults.add("/source", "unknown_source");
        }
        id
    });
    if request.passage.is_some() && request.source.is_none() {
        faults.add("/passage", "not_allowed_here");
    }
    let place = place?;
    Some(Envelope {
        place,
        occurred_at,
        precision,
        local_date,
        description,
        source,
        passage: request.passage,
    })
}

/// Reads an RFC 3339 time, or a date as the start of its day in `zone`.
pub fn read_time(text: &str, zone: chrono_tz::Tz) -> Option<(DateTime<Utc>, Precision)> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some((at.to_utc(), Precision::Exact));
    }
    // Chrono reads `-019-06-09` too, as a year before Christ.
    let plain =
        |(i, byte): (usize, u8)| if matches!(i, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    let day: NaiveDate =
        text.parse().ok().filter(|_| text.len() == 10 && text.bytes().enumerate().all(plain))?;
    Some((start_of_day(day, zone), Precision::Day))
}

/// The content as a submission would state it: what is hashed, kept in the history and merged with a
/// patch.
pub fn content<D: Submittable>(envelope: &Envelope, details: &D, directory: &Directory) -> Value {
    let place = &envelope.place;
    let slug_of =
        |id: &i32| directory.sources.iter().find(|(_, source)| *source == id).map(|(s, _)| s.clone());
    let city = place.city.and_then(|id| directory.city_by_id(id));
    let request = EnvelopeRequest {
        id: None,
        election: directory.election_by_id(place.election).map(|election| election.slug.clone()),
        region: place.region.and_then(|id| directory.region_by_id(id)).map(|region| region.code.clone()),
        city: city.map(|city| city.slug.clone()),
        polling_station: place.polling_station.clone(),
        occurred_at: Some(match envelope.precision {
            Precision::Day => envelope.local_date.to_string(),
            _ => envelope.occurred_at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
        }),
        precision: Some(envelope.precision.to_string()),
        description: Some(envelope.description.clone()).filter(|text| !text.is_empty()),
        source: envelope.source.as_ref().and_then(slug_of),
        passage: envelope.passage,
    };
    let mut content = serde_json::to_value(request).expect("a request is JSON");
    let details = serde_json::to_value(details).expect("details are JSON");
    if let (Value::Object(content), Value::Object(details)) = (&mut content, details) {
        content.extend(details);
        content.retain(|_, value| !value.is_null());
    }
    content
}

/// JSON merge patch (RFC 7396) of a record's content.
pub fn merge(content: &mut Value, patch: &Value) {
    let (Value::Object(target), Value::Object(patch)) = (&mut *content, patch) else {
        *content = patch.clone();
        return;
    };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_whole_or_a_plain_date() {
        let read = |text| read_time(text, chrono_tz::Asia::Almaty).map(|(at, _)| at.to_rfc3339());
        assert_eq!(read("2019-06-09").as_deref(), Some("2019-06-08T18:00:00+00:00"));
        assert_eq!(read("2019-06-09T10:00:00+05:00").as_deref(), Some("2019-06-09T05:00:00+00:00"));
        for wrong in
            ["-019-06-09", "+019-06-09", "2019-6-009", "2019-06-31", "2019-06-09T10:00:00", "09.06.2019"]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
