//! Holds what clients were told against what is there: everything acknowledged, nothing twice, nothing invented.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use crate::history::{Ground, History, Moment, Told, Wish};

/// Everything that is wrong; empty when nothing is.
pub fn check(history: &History, ground: &Ground) -> Vec<String> {
    let mut wrong = Vec::new();
    acts(history, ground, &mut wrong);
    stored(history, ground, &mut wrong);
    looks(history, &mut wrong);
    for receipt in history.receipts.difference(&ground.leaves) {
        wrong.push(format!("a receipt was handed out for {}, which the ledger lacks", hex::encode(receipt)));
    }
    if ground.leaves_twice > 0 {
        wrong.push(format!("{} commitments stand in the ledger twice", ground.leaves_twice));
    }
    if ground.counted != ground.recounted {
        wrong.push(format!("{} are counted, {} are there", ground.counted, ground.recounted));
    }
    wrong
}

/// Where a text is stored: record and version.
fn places(ground: &Ground) -> HashMap<&str, Vec<(Uuid, i32)>> {
    let mut places: HashMap<&str, Vec<(Uuid, i32)>> = HashMap::new();
    for (record, versions) in &ground.versions {
        for stored in versions {
            if let Some(text) = &stored.text {
                places.entry(text).or_default().push((*record, stored.version));
            }
        }
    }
    places
}

/// Every act has left what its client was told.
fn acts(history: &History, ground: &Ground, wrong: &mut Vec<String>) {
    let places = places(ground);
    let mut acknowledged: BTreeMap<(Uuid, i32), &str> = BTreeMap::new();
    for act in &history.acts {
        let word = match &act.wish {
            Wish::Upload { record, sha256 } => {
                let there = ground.files.contains(&(*record, sha256.clone()));
                if matches!(act.told, Told::Done { .. }) && !there {
                    wrong.push(format!("the acknowledged file {sha256} of {record} is lost"));
                }
                continue;
            }
            Wish::Review { record, .. } => {
                let has = |version| {
                    ground.versions.get(record).is_some_and(|all| all.iter().any(|it| it.version == version))
                };
                if let Told::Done { version, .. } = act.told
                    && !has(version)
                {
                    wrong.push(format!("the acknowledged review {version} of {record} is lost"));
                }
                continue;
            }
            Wish::Submit { word } | Wish::Edit { word, .. } => word,
        };
        let found = places.get(word.as_str()).map_or(&[][..], Vec::as_slice);
        if found.len() > 1 {
            wrong.push(format!("{word} is stored {} times", found.len()));
        }
        match act.told {
            Told::Done { record, version } => {
                if !found.contains(&(record, version)) {
                    wrong.push(format!(
                        "{word} was acknowledged as {record} version {version} and is at {found:?}"
                    ));
                }
                if let Some(other) = acknowledged.insert((record, version), word) {
                    wrong.push(format!(
                        "{word} and {other} were both acknowledged as {record} version {version}"
                    ));
                }
            }
            Told::Refused if !found.is_empty() => wrong.push(format!("{word} was refused and is stored")),
            Told::Refused | Told::Unknown => {}
        }
    }
}

/// What is stored was wished for, and histories have no gaps.
fn stored(history: &History, ground: &Ground, wrong: &mut Vec<String>) {
    let wished: std::collections::HashSet<&str> = (history.acts.iter())
        .filter_map(|act| match &act.wish {
            Wish::Submit { word } | Wish::Edit { word, .. } => Some(word.as_str()),
            Wish::Review { .. } | Wish::Upload { .. } => None,
        })
        .collect();
    for (record, versions) in &ground.versions {
        for (expected, stored) in (1..).zip(versions) {
            if stored.version != expected {
                wrong.push(format!("{record} has version {} where {expected} is due", stored.version));
            }
            if let Some(text) = stored.text.as_deref().filter(|text| !wished.contains(text)) {
                wrong.push(format!("{text} is stored and nobody sent it"));
            }
        }
    }
    // An edit was made of the version that its client saw.
    for act in &history.acts {
        if let (Wish::Edit { record, of, word }, Told::Done { version, .. }) = (&act.wish, &act.told)
            && *version != of + 1
        {
            wrong.push(format!("{word} changed version {of} of {record} and became version {version}"));
        }
    }
}

/// Nobody sees less than they were told before; nor, on one machine, than they saw.
fn looks(history: &History, wrong: &mut Vec<String>) {
    let seen = history.looks.iter().filter(|_| !history.standbys);
    let mut known: Vec<(usize, Uuid, i32, Moment)> =
        seen.map(|look| (look.client, look.record, look.version, look.ended)).collect();
    known.extend(history.acts.iter().filter_map(|act| match (&act.wish, &act.told) {
        (Wish::Upload { .. }, _) => None,
        (_, Told::Done { record, version }) => Some((act.client, *record, *version, act.ended)),
        _ => None,
    }));
    let mut by_record: HashMap<(usize, Uuid), Vec<(Moment, i32)>> = HashMap::new();
    for (client, record, version, ended) in known {
        by_record.entry((client, record)).or_default().push((ended, version));
    }
    for look in &history.looks {
        let Some(known) = by_record.get(&(look.client, look.record)) else { continue };
        let before = known.iter().filter(|(ended, _)| *ended < look.began);
        if let Some(seen) = before.map(|(_, version)| *version).max().filter(|seen| *seen > look.version) {
            wrong.push(format!(
                "client {} knew version {seen} of {} and was shown version {}",
                look.client, look.record, look.version
            ));
        }
    }
}

/// The acts that a restore to a moment must have kept and must not have, held against what it has.
pub fn check_moment(history: &History, ground: &Ground, moment: Moment) -> Vec<String> {
    let places = places(ground);
    let mut wrong = Vec::new();
    for act in &history.acts {
        let (Wish::Submit { word } | Wish::Edit { word, .. }) = &act.wish else { continue };
        let there = places.contains_key(word.as_str());
        if act.ended < moment && matches!(act.told, Told::Done { .. }) && !there {
            wrong.push(format!("{word} was acknowledged before the moment and was not restored"));
        }
        if act.began > moment && there {
            wrong.push(format!("{word} was sent after the moment and was restored"));
        }
    }
    wrong
}
