//! What the targets share: a country of one election, two regions and a city, and a store in memory.

use std::{collections::HashMap, sync::LazyLock};

use baqylau::{
    evidence::{
        kinds::FileKind,
        objects::Objects,
        scrub::{Scrub, Source, plan},
    },
    places::{Candidate, City, Directory, Election, Names, Region},
};
use bytes::Bytes;
use chrono::NaiveDate;
use chrono_tz::Asia::Almaty;

fn names(name: &str) -> Names {
    Names { kk: name.to_owned(), ru: name.to_owned(), en: name.to_owned() }
}

fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).expect("a day")
}

/// Places that inputs can name.
pub static PLACES: LazyLock<Directory> = LazyLock::new(|| {
    let election = Election {
        id: 1,
        slug: "kz".into(),
        kind: "presidential".into(),
        held_on: day(2019, 6, 9),
        names: names("2019"),
        candidates: vec![
            Candidate { number: 1, names: names("A") },
            Candidate { number: 2, names: names("Б") },
        ],
    };
    let region = |id, code: &str| Region {
        id,
        code: code.into(),
        kind: "region".into(),
        names: names(code),
        time_zone: Almaty,
        valid_from: (id == 2).then(|| day(2022, 6, 8)),
        valid_to: None,
        aliases: vec![format!("{code}-OLD")],
    };
    let city = City {
        id: 1,
        slug: "aqtau".into(),
        names: names("Ақтау"),
        time_zone: Almaty,
        latitude: 43.6,
        longitude: 51.2,
        aliases: vec!["Aktau".into()],
        regions: vec![(1, NaiveDate::MIN, day(2022, 6, 8)), (2, day(2022, 6, 8), NaiveDate::MAX)],
    };
    Directory::new(vec![election], vec![region(1, "KZ-1"), region(2, "KZ-2")], vec![city], HashMap::new())
});

/// Text, where the input is text.
pub fn text(input: &[u8]) -> Option<&str> {
    std::str::from_utf8(input).ok()
}

/// How the copy without metadata of a file in a store would be made.
pub fn planned(file: &[u8], kind: FileKind) -> Scrub {
    let objects = Objects::in_memory();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        objects.put("it", Bytes::copy_from_slice(file)).await.expect("memory takes it");
        let source = Source { objects: &objects, key: "it", size: file.len() as u64 };
        plan(&source, kind, "copy").await.expect("memory gives it")
    })
}
