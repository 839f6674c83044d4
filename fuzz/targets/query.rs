//! Query strings of lists, counts and comparisons, and cursors.
#![no_main]

use baqylau::{aggregates, http::query::Query, protocols::sheets::SheetFilter, records::filter::Filter};
use baqylau_fuzz::{PLACES, text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some(text) = text(input) else { return };
    let mut list = Query::parse(text);
    Filter::read(&mut list, &PLACES);
    assert!((1..=200).contains(&list.limit()));
    list.cursor::<(chrono::DateTime<chrono::Utc>, uuid::Uuid)>();
    let _ = list.finish();
    for public in [true, false] {
        let mut counts = Query::parse(text);
        aggregates::routes::read(&mut counts, &PLACES, public);
        let _ = counts.finish();
    }
    let mut sheets = Query::parse(text);
    SheetFilter::read(&mut sheets, &PLACES);
    let _ = sheets.finish();
});
