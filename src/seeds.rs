//! Reads `seeds/*.toml`. What is there already stays as it is, so seeding twice changes nothing.

use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use chrono::NaiveDate;
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    accounts::{DOCUMENTS, store::ensure_documents},
    db::{
        Pool,
        schema::{cities, city_regions, elections, place_aliases, regions},
    },
    detentions::domain::Detention,
    documents::{
        self,
        domain::{Claim, Event, Source},
    },
    faults::Faults,
    http::Problem,
    places::{self, Directory, Names},
    protocols::domain::Protocol,
    records::{
        request,
        request::Reading,
        request::Submittable,
        store::{self, DetailsTable, Outcome},
    },
    sealing::Keys,
    violations::domain::Violation,
};

/// The seeds that the program carries, in the order in which they build on one another.
const CARRIED: &[(&str, &str)] = &[
    ("places.toml", include_str!("../seeds/places.toml")),
    ("2019.toml", include_str!("../seeds/2019.toml")),
];

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Seed {
    region: Vec<RegionSeed>,
    city: Vec<CitySeed>,
    election: Vec<ElectionSeed>,
    source: Vec<Source>,
    event: Vec<Event>,
    claim: Vec<Claim>,
    /// As in a submission, with `record` for the kind.
    record: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegionSeed {
    id: String,
    code: String,
    kind: String,
    names: Names,
    time_zone: chrono_tz::Tz,
    valid_from: Option<NaiveDate>,
    valid_to: Option<NaiveDate>,
    #[serde(default)]
    aliases: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CitySeed {
    id: String,
    names: Names,
    time_zone: chrono_tz::Tz,
    latitude: f64,
    longitude: f64,
    #[serde(default)]
    aliases: Vec<String>,
    regions: Vec<HomeSeed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HomeSeed {
    id: String,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ElectionSeed {
    id: String,
    kind: String,
    date: NaiveDate,
    names: Names,
    /// In the order in which they are listed.
    #[serde(default)]
    candidates: Vec<Names>,
}

/// How many of each were new.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub places: usize,
    pub documents: usize,
    pub records: usize,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "new: {} places and elections, {} sources, events and claims, {} records",
            self.places, self.documents, self.records
        )
    }
}

/// Loads what the program carries.
///
/// # Errors
/// When a seed is wrong or the database is away; what was loaded before stays.
pub async fn carried(pool: &Pool) -> anyhow::Result<Report> {
    let mut report = Report::default();
    for (name, text) in CARRIED {
        load(pool, text, &mut report).await.with_context(|| format!("seeds/{name}"))?;
    }
    Ok(report)
}

/// Loads files of the same form.
///
/// # Errors
/// As [`carried`].
pub async fn files(pool: &Pool, paths: &[PathBuf]) -> anyhow::Result<Report> {
    let mut report = Report::default();
    for path in paths {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        load(pool, &text, &mut report).await.with_context(|| path.display().to_string())?;
    }
    Ok(report)
}

async fn load(pool: &Pool, text: &str, report: &mut Report) -> anyhow::Result<()> {
    let seed: Seed = toml::from_str(text)?;
    let mut conn = pool.get().await?;
    ensure_documents(&mut conn).await?;
    report.places += load_places(&mut conn, &seed).await?;
    for source in &seed.source {
        report.documents += usize::from(documents::routes::store_source(pool, source).await.map_err(told)?);
    }
    let directory = places::store::load(&mut conn).await?;
    for event in &seed.event {
        let (_, added) = documents::routes::store_event(pool, event, &directory).await.map_err(told)?;
        report.documents += usize::from(added);
    }
    for claim in &seed.claim {
        let (_, added) = documents::routes::store_claim(pool, claim, &directory).await.map_err(told)?;
        report.documents += usize::from(added);
    }
    for record in &seed.record {
        let mut content = record.clone();
        let kind = content.as_object_mut().and_then(|content| content.remove("record"));
        let added = match kind.as_ref().and_then(Value::as_str) {
            Some("violation") => load_record::<Violation>(&mut conn, &content, &directory).await,
            Some("protocol") => load_record::<Protocol>(&mut conn, &content, &directory).await,
            Some("detention") => load_record::<Detention>(&mut conn, &content, &directory).await,
            _ => bail!("a record names its kind in `record`"),
        };
        report.records += usize::from(added?);
    }
    Ok(())
}

fn told(problem: Problem) -> anyhow::Error {
    anyhow!("{problem}: {:?}", problem.faults)
}

async fn load_record<D: Submittable + DetailsTable>(
    conn: &mut AsyncPgConnection,
    content: &Value,
    directory: &Directory,
) -> anyhow::Result<bool> {
    let wrong = |faults: Faults| anyhow!("{:?}", faults.into_vec());
    // Documents name nobody who must be sealed.
    let reading = Reading { directory, keys: &Keys::default(), before: None };
    let (new, has_id) = request::read::<D>(content, Faults::default(), DOCUMENTS, &reading).map_err(wrong)?;
    if !has_id {
        bail!("a seeded record has an id, so that it is stored once");
    }
    let id = new.id;
    match store::submit(conn, &[new]).await?[0] {
        Outcome::Created => Ok(true),
        Outcome::Replayed => Ok(false),
        Outcome::Conflict => bail!("the record {id} was seeded before with other content"),
    }
}

async fn load_places(conn: &mut AsyncPgConnection, seed: &Seed) -> anyhow::Result<usize> {
    conn.transaction(async |conn| {
        let mut added = 0;
        for region in &seed.region {
            added += diesel::insert_into(regions::table)
                .values((
                    regions::slug.eq(&region.id),
                    regions::code.eq(&region.code),
                    regions::kind.eq(&region.kind),
                    regions::name_kk.eq(&region.names.kk),
                    regions::name_ru.eq(&region.names.ru),
                    regions::name_en.eq(&region.names.en),
                    regions::time_zone.eq(region.time_zone.name()),
                    regions::valid_from.eq(region.valid_from),
                    regions::valid_to.eq(region.valid_to),
                ))
                .on_conflict_do_nothing()
                .execute(conn)
                .await?;
            let id: i16 =
                regions::table.filter(regions::slug.eq(&region.id)).select(regions::id).first(conn).await?;
            for alias in &region.aliases {
                diesel::insert_into(place_aliases::table)
                    .values((place_aliases::alias.eq(alias), place_aliases::region_id.eq(id)))
                    .on_conflict_do_nothing()
                    .execute(conn)
                    .await?;
            }
        }
        for city in &seed.city {
            added += diesel::insert_into(cities::table)
                .values((
                    cities::slug.eq(&city.id),
                    cities::name_kk.eq(&city.names.kk),
                    cities::name_ru.eq(&city.names.ru),
                    cities::name_en.eq(&city.names.en),
                    cities::time_zone.eq(city.time_zone.name()),
                    cities::latitude.eq(city.latitude),
                    cities::longitude.eq(city.longitude),
                ))
                .on_conflict_do_nothing()
                .execute(conn)
                .await?;
            let id: i32 =
                cities::table.filter(cities::slug.eq(&city.id)).select(cities::id).first(conn).await?;
            for home in &city.regions {
                let region: i16 = regions::table
                    .filter(regions::slug.eq(&home.id))
                    .select(regions::id)
                    .first(conn)
                    .await
                    .with_context(|| format!("{}: no region {}", city.id, home.id))?;
                diesel::insert_into(city_regions::table)
                    .values((
                        city_regions::city_id.eq(id),
                        city_regions::region_id.eq(region),
                        home.from.map(|from| city_regions::valid_from.eq(from)),
                        home.to.map(|to| city_regions::valid_to.eq(to)),
                    ))
                    .on_conflict_do_nothing()
                    .execute(conn)
                    .await?;
            }
            for alias in &city.aliases {
                diesel::insert_into(place_aliases::table)
                    .values((place_aliases::alias.eq(alias), place_aliases::city_id.eq(id)))
                    .on_conflict_do_nothing()
                    .execute(conn)
                    .await?;
            }
        }
        for election in &seed.election {
            added += diesel::insert_into(elections::table)
                .values((
                    elections::slug.eq(&election.id),
                    elections::kind.eq(&election.kind),
                    elections::held_on.eq(election.date),
                    elections::name_kk.eq(&election.names.kk),
                    elections::name_ru.eq(&election.names.ru),
                    elections::name_en.eq(&election.names.en),
                ))
                .on_conflict_do_nothing()
                .execute(conn)
                .await?;
            let id: i16 = elections::table
                .filter(elections::slug.eq(&election.id))
                .select(elections::id)
                .first(conn)
                .await?;
            for (names, number) in election.candidates.iter().zip(1..) {
                places::store::add_candidate(conn, id, number, names).await?;
            }
        }
        anyhow::Ok(added)
    })
    .await
}
