//! Tables of official results with their mapping: JSON, a line of dashes, the table.
#![no_main]

use baqylau::results::domain::{Mapping, Reader};
use baqylau_fuzz::{PLACES, text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((mapping, table)) = text(input).and_then(|text| text.split_once("\n---\n")) else { return };
    let Ok(mapping) = serde_json::from_str::<Mapping>(mapping) else { return };
    let delimiter = u8::try_from(mapping.delimiter).unwrap_or(b',');
    let mut csv = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(table.as_bytes());
    let Ok(header) = csv.headers().cloned() else { return };
    let Ok(mut reader) = Reader::new(&mapping, header.iter(), &PLACES) else { return };
    for row in csv.records().map_while(Result::ok) {
        if let Err(faults) = reader.read(&row) {
            assert!(!faults.is_empty());
        }
    }
});
