//! Moments and dates in JSON, written in one piece: chrono writes them character by character, and JSON looks at each for
//! what must be escaped, which was a tenth of the time of a page.

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, Timelike, Utc};
use serde::Serializer;

/// RFC 3339 in UTC, with as many digits of the second as there are: none, three or six.
pub fn moment<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    with_moment(at, |text| serializer.serialize_str(ascii(text)))
}

/// Appends a moment to JSON, as [`moment`] writes it.
pub fn write_moment(json: &mut Vec<u8>, at: &DateTime<Utc>) {
    with_moment(at, |text| quote(json, text));
}

/// ISO 8601: `2019-06-09`.
pub fn date<S: Serializer>(date: &NaiveDate, serializer: S) -> Result<S::Ok, S::Error> {
    with_date(*date, |text| serializer.serialize_str(ascii(text)))
}

/// Appends a date to JSON, as [`date`] writes it.
pub fn write_date(json: &mut Vec<u8>, date: &NaiveDate) {
    with_date(*date, |text| quote(json, text));
}

fn with_moment<T>(at: &DateTime<Utc>, then: impl FnOnce(&[u8]) -> T) -> T {
    match moment_digits(at) {
        Some((text, length)) => then(&text[..length]),
        None => then(at.to_rfc3339_opts(SecondsFormat::AutoSi, true).as_bytes()),
    }
}

fn with_date<T>(date: NaiveDate, then: impl FnOnce(&[u8]) -> T) -> T {
    match date_digits(date) {
        Some(text) => then(&text),
        None => then(date.to_string().as_bytes()),
    }
}

/// The text of a moment and its length; none for one that is not of four digits of years and of whole microseconds.
fn moment_digits(at: &DateTime<Utc>) -> Option<([u8; 27], usize)> {
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    // Without the offset, which is nought and would be added for each part anew.
    let (date, time) = (at.naive_utc().date(), at.naive_utc().time());
    let (seconds, micros) = (time.num_seconds_from_midnight(), time.nanosecond() / 1000);
    let plain = time.nanosecond().is_multiple_of(1000) && time.nanosecond() < 1_000_000_000;
    text[..10].copy_from_slice(&date_digits(date).filter(|_| plain)?);
    put(&mut text[11..13], seconds / 3600);
    put(&mut text[14..16], seconds / 60 % 60);
    put(&mut text[17..19], seconds % 60);
    put(&mut text[20..26], micros);
    let digits = match micros {
        0 => 19,
        _ if micros.is_multiple_of(1000) => 23,
        _ => 26,
    };
    text[digits] = b'Z';
    Some((text, digits + 1))
}

/// The text of a date; none for a year that is not of four digits.
fn date_digits(date: NaiveDate) -> Option<[u8; 10]> {
    let mut text = *b"0000-00-00";
    put(&mut text[..4], u32::try_from(date.year()).ok().filter(|year| *year < 10_000)?);
    put(&mut text[5..7], date.month());
    put(&mut text[8..], date.day());
    Some(text)
}

/// Appends digits and signs, none of which must be escaped.
fn quote(json: &mut Vec<u8>, text: &[u8]) {
    json.push(b'"');
    json.extend_from_slice(text);
    json.push(b'"');
}

/// Writes a number over the whole of `place`, with zeros before it.
fn put(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn ascii(text: &[u8]) -> &str {
    std::str::from_utf8(text).expect("digits and signs")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(serde::Serialize)]
    struct Both {
        #[serde(serialize_with = "moment")]
        moment: DateTime<Utc>,
        #[serde(serialize_with = "date")]
        date: NaiveDate,
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_chrono_would_write(
            seconds in -100_000_000_000_i64..300_000_000_000,
            nanos in prop_oneof![
                Just(0), (0..1000_u32).prop_map(|n| n * 1_000_000), (0..1_000_000_u32).prop_map(|n| n * 1000), 0..2_000_000_000_u32,
            ],
        ) {
            // A leap second is told by more than a thousand million nanoseconds, in the last second of a minute.
            let seconds = if nanos >= 1_000_000_000 { seconds / 60 * 60 + 59 } else { seconds };
            let Some(moment) = DateTime::from_timestamp(seconds, nanos) else { return Ok(()) };
            let date = moment.date_naive();
            let ours = serde_json::to_value(Both { moment, date }).unwrap();
            prop_assert_eq!(ours, serde_json::json!({ "moment": moment, "date": date }));
            for (write, plain) in [
                (&(|json: &mut Vec<u8>| write_moment(json, &moment)) as &dyn Fn(&mut Vec<u8>), serde_json::to_string(&moment)),
                (&|json| write_date(json, &date), serde_json::to_string(&date)),
            ] {
                let mut json = Vec::new();
                write(&mut json);
                prop_assert_eq!(String::from_utf8(json).unwrap(), plain.unwrap());
            }
        }
    }
}
