//! A page of records in JSON. Half of a page is names of fields, our own words, moments and places that are the same in
//! most of its records: a serializer looks through each of them for what must be escaped, and spends a tenth of all the
//! time of a page on that. Here they are written as they are; texts that people wrote go through `sonic-rs`.

use std::ops::Range;

use serde::Serialize;

use super::view::{Page, RecordView};
use crate::{http::times, places::Names};

/// Room for most records.
const ROOM: usize = 1024;

impl<V: Serialize> Page<RecordView<'_, V>> {
    /// The page as `serde_json` would write it.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity((self.items.len() + 1) * ROOM);
        let mut places = Vec::new();
        put(&mut json, "{\"items\":[");
        for (n, item) in self.items.iter().enumerate() {
            if n > 0 {
                put(&mut json, ",");
            }
            item.write(&mut json, &mut places);
        }
        put(&mut json, "],\"next\":");
        value(&mut json, &self.next);
        put(&mut json, "}");
        json
    }
}

/// Where something happened, and where on the page that has been written already.
type Place<'a> = ((&'a str, Option<&'a str>, Option<&'a str>, Option<*const Names>), Range<usize>);

impl<'a, V: Serialize> RecordView<'a, V> {
    fn write(&self, out: &mut Vec<u8>, places: &mut Vec<Place<'a>>) {
        // A field that is added must be written, too.
        let Self {
            id,
            record,
            election,
            region,
            city,
            place,
            polling_station,
            occurred_at,
            precision,
            local_date,
            description,
            source,
            passage,
            status,
            duplicate_of,
            version,
            reporter,
            received_at,
            updated_at,
            details,
            receipt,
        } = self;
        put(out, "{\"id\":");
        uuid(out, *id);
        put(out, ",\"record\":\"");
        put(out, record.word());
        let at = (*election, *region, *city, place.map(std::ptr::from_ref));
        match places.iter().find(|(place, _)| *place == at) {
            Some((_, written)) => out.extend_from_within(written.clone()),
            None => {
                let begin = out.len();
                put(out, "\",\"election\":");
                value(out, election);
                put(out, ",\"region\":");
                value(out, region);
                put(out, ",\"city\":");
                value(out, city);
                put(out, ",\"place\":");
                value(out, place);
                put(out, ",\"polling_station\":");
                places.push((at, begin..out.len()));
            }
        }
        value(out, polling_station);
        put(out, ",\"occurred_at\":");
        times::write_moment(out, occurred_at);
        put(out, ",\"precision\":\"");
        put(out, precision.word());
        put(out, "\",\"local_date\":");
        times::write_date(out, local_date);
        put(out, ",\"description\":");
        value(out, description);
        put(out, ",\"source\":");
        value(out, source);
        put(out, ",\"passage\":");
        value(out, passage);
        put(out, ",\"status\":\"");
        put(out, status.word());
        put(out, "\",\"duplicate_of\":");
        match duplicate_of {
            Some(id) => uuid(out, *id),
            None => put(out, "null"),
        }
        put(out, ",\"version\":");
        value(out, version);
        put(out, ",\"reporter\":");
        uuid(out, *reporter);
        put(out, ",\"received_at\":");
        times::write_moment(out, received_at);
        put(out, ",\"updated_at\":");
        times::write_moment(out, updated_at);
        // What the kind adds is an object of its own, here opened by a comma and closed at the end.
        let begin = out.len();
        value(out, details);
        out.pop();
        if out.len() == begin + 1 {
            out.pop();
        } else {
            out[begin] = b',';
        }
        if let Some(receipt) = receipt {
            put(out, ",\"receipt\":");
            value(out, receipt);
        }
        put(out, "}");
    }
}

fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn value(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    sonic_rs::to_writer(out, value).expect("a record is JSON");
}

fn uuid(out: &mut Vec<u8>, id: uuid::Uuid) {
    put(out, "\"");
    put(out, id.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()));
    put(out, "\"");
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, NaiveDate};
    use proptest::{collection::vec, option, prelude::*};
    use uuid::Uuid;

    use super::*;
    use crate::records::{Precision, RecordKind, Status};

    /// As many details as the kinds have, or none.
    #[derive(Clone, Debug, Serialize)]
    struct Details {
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        numbers: Vec<i32>,
    }

    #[derive(Clone, Debug)]
    struct Texts {
        id: u128,
        seconds: i64,
        description: String,
        station: Option<String>,
        region: Option<String>,
        city: Option<usize>,
        number: Option<i32>,
        details: Details,
    }

    prop_compose! {
        fn texts()(
            id in any::<u128>(),
            seconds in 0..4_000_000_000_i64,
            description in ".*",
            station in option::of("[0-9/\"\\\\а-яәіңғүұқөһ\u{0}-\u{1f}]{0,8}"),
            region in option::of("KZ-[0-9]\"?"),
            city in option::of(0..3_usize),
            number in option::of(any::<i32>()),
            text in option::of(".*"),
            numbers in vec(any::<i32>(), 0..3),
        ) -> Texts {
            Texts { id, seconds, description, station, region, city, number, details: Details { text, numbers } }
        }
    }

    fn page<'a>(
        texts: &'a [Texts],
        names: &'a [Names],
        next: &Option<String>,
    ) -> Page<RecordView<'a, Details>> {
        let items = texts.iter().map(|it| {
            let at = DateTime::from_timestamp(it.seconds, 0).unwrap();
            let id = Uuid::from_u128(it.id);
            RecordView {
                id,
                record: [RecordKind::Violation, RecordKind::Detention][it.details.numbers.len() % 2],
                election: "kz-2019-\"president\"",
                region: it.region.as_deref(),
                city: it.city.map(|n| ["aqtau", "a\\b", "oral"][n]),
                place: it.city.map(|n| &names[n]),
                polling_station: it.station.as_deref(),
                occurred_at: at,
                precision: Precision::Hour,
                local_date: NaiveDate::from_ymd_opt(2019, 6, 9).unwrap(),
                description: &it.description,
                source: it.details.text.as_deref(),
                passage: it.number,
                status: Status::InReview,
                duplicate_of: it.number.map(|_| id),
                version: it.number.unwrap_or(1),
                reporter: id,
                received_at: at,
                updated_at: at,
                details: it.details.clone(),
                receipt: None,
            }
        });
        Page { items: items.collect(), next: next.clone() }
    }

    #[test]
    fn what_must_be_escaped_is() {
        let all: String = (0..=0x30_u8).map(char::from).chain("\\\"\u{7f}\u{2028}ұ".chars()).collect();
        let details = Details { text: Some(all.clone()), numbers: vec![] };
        let (station, region) = (Some(all.clone()), Some(all.clone()));
        let texts = [Texts {
            id: 1,
            seconds: 0,
            description: all,
            station,
            region,
            city: None,
            number: None,
            details,
        }];
        let page = page(&texts, &[], &None);
        assert_eq!(page.to_json(), serde_json::to_vec(&page).unwrap());
    }

    proptest! {
        #[test]
        fn a_page_is_written_as_serde_json_writes_it(texts in vec(texts(), 0..8), next in option::of("\\PC*")) {
            let names = ["Ақтау", "\"\u{1}", "Орал"].map(|name| {
                Names { kk: name.to_owned(), ru: name.to_owned(), en: "\\".to_owned() }
            });
            let page = page(&texts, &names, &next);
            let plain = String::from_utf8(serde_json::to_vec(&page).unwrap()).unwrap();
            prop_assert_eq!(String::from_utf8(page.to_json()).unwrap(), plain);
        }
    }
}
