//! Short texts that stand for something: times, positions, languages, tokens, names of places.
#![no_main]

use baqylau::{
    accounts::tokens::TokenKey, db::replicas::Position, i18n::Language, places::fold,
    records::request::read_time,
};
use baqylau_fuzz::{PLACES, text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some(text) = text(input) else { return };
    if let Some((at, _)) = read_time(text, chrono_tz::Asia::Almaty) {
        assert!(read_time(&at.to_rfc3339(), chrono_tz::UTC).is_some_and(|(again, _)| again == at));
    }
    if let Ok(position) = text.parse::<Position>() {
        assert_eq!(position.to_string().parse::<Position>(), Ok(position));
    }
    let _ = text.parse::<Language>();
    assert_eq!(fold(&fold(text)), fold(text), "folding twice changes nothing");
    PLACES.city(text, None, chrono::NaiveDate::MIN);
    PLACES.region(text);
    let tokens = TokenKey::new(&[1; 32]).expect("a key");
    assert!(tokens.verify(text).is_none(), "nobody else can sign");
});
