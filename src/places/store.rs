//! Places in PostgreSQL.

use std::collections::HashMap;

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{Candidate, City, Directory, Election, ElectionId, Names, Region, RegionId, directory};
use crate::db::{
    DbResult,
    bulk::insert_many,
    schema::{
        candidates, cities, city_regions, elections, place_aliases, polling_stations, regions, sources,
        stations,
    },
    stored,
};

pub use directory::Places;

/// Reads all elections, regions and cities.
pub async fn load(conn: &mut AsyncPgConnection) -> DbResult<Directory> {
    type NameRow = (String, String, String);
    let names = |(kk, ru, en): NameRow| Names { kk, ru, en };

    let mut region_aliases: HashMap<i16, Vec<String>> = HashMap::new();
    let mut city_aliases: HashMap<i32, Vec<String>> = HashMap::new();
    let aliases: Vec<(String, Option<i16>, Option<i32>)> =
        place_aliases::table.order(place_aliases::alias).load(conn).await?;
    for (alias, region, city) in aliases {
        if let Some(region) = region {
            region_aliases.entry(region).or_default().push(alias.clone());
        }
        if let Some(city) = city {
            city_aliases.entry(city).or_default().push(alias);
        }
    }

    let rows: Vec<(i16, String, String, NaiveDate, NameRow)> = elections::table
        .select((
            elections::id,
            elections::slug,
            elections::kind,
            elections::held_on,
            (elections::name_kk, elections::name_ru, elections::name_en),
        ))
        .order(elections::held_on)
        .load(conn)
        .await?;
    let standing: Vec<(i16, i16, NameRow)> = candidates::table
        .select((
            candidates::election_id,
            candidates::number,
            (candidates::name_kk, candidates::name_ru, candidates::name_en),
        ))
        .order((candidates::election_id, candidates::number))
        .load(conn)
        .await?;
    let mut of_election: HashMap<i16, Vec<Candidate>> = HashMap::new();
    for (election, number, name) in standing {
        of_election.entry(election).or_default().push(Candidate { number, names: names(name) });
    }
    let elections = (rows.into_iter())
        .map(|(id, slug, kind, held_on, name)| {
            let candidates = of_election.remove(&id).unwrap_or_default();
            Election { id, slug, kind, held_on, names: names(name), candidates }
        })
        .collect();

    type RegionRow = (i16, String, String, NameRow, String, Option<NaiveDate>, Option<NaiveDate>);
    let rows: Vec<RegionRow> = regions::table
        .select((
            regions::id,
            regions::code,
            regions::kind,
            (regions::name_kk, regions::name_ru, regions::name_en),
            regions::time_zone,
            regions::valid_from,
            regions::valid_to,
        ))
        .order(regions::code)
        .load(conn)
        .await?;
    let regions = (rows.into_iter())
        .map(|(id, code, kind, name, zone, valid_from, valid_to)| {
            let aliases = region_aliases.remove(&id).unwrap_or_default();
            let time_zone = stored(&zone)?;
            Ok(Region { id, code, kind, names: names(name), time_zone, valid_from, valid_to, aliases })
        })
        .collect::<DbResult<_>>()?;

    let mut homes: HashMap<i32, Vec<_>> = HashMap::new();
    // Infinity has no place in chrono; a span without an end is cut to what chrono can hold.
    let spans: Vec<(i32, i16, Option<NaiveDate>, Option<NaiveDate>)> = city_regions::table
        .select((
            city_regions::city_id,
            city_regions::region_id,
            diesel::dsl::sql::<diesel::sql_types::Nullable<diesel::sql_types::Date>>(
                "nullif(valid_from, '-infinity')",
            ),
            diesel::dsl::sql::<diesel::sql_types::Nullable<diesel::sql_types::Date>>(
                "nullif(valid_to, 'infinity')",
            ),
        ))
        .order(city_regions::valid_from)
        .load(conn)
        .await?;
    for (city, region, from, to) in spans {
        let span = (region, from.unwrap_or(NaiveDate::MIN), to.unwrap_or(NaiveDate::MAX));
        homes.entry(city).or_default().push(span);
    }
    let rows: Vec<(i32, String, NameRow, String, f64, f64)> = cities::table
        .select((
            cities::id,
            cities::slug,
            (cities::name_kk, cities::name_ru, cities::name_en),
            cities::time_zone,
            cities::latitude,
            cities::longitude,
        ))
        .order(cities::slug)
        .load(conn)
        .await?;
    let cities = (rows.into_iter())
        .map(|(id, slug, name, zone, latitude, longitude)| {
            Ok(City {
                id,
                slug,
                names: names(name),
                time_zone: stored(&zone)?,
                latitude,
                longitude,
                aliases: city_aliases.remove(&id).unwrap_or_default(),
                regions: homes.remove(&id).unwrap_or_default(),
            })
        })
        .collect::<DbResult<_>>()?;
    let sources: Vec<(String, i32)> = sources::table.select((sources::slug, sources::id)).load(conn).await?;
    Ok(Directory::new(elections, regions, cities, sources.into_iter().collect()))
}

/// A polling station that a record names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reported {
    pub election_id: ElectionId,
    pub region_id: RegionId,
    pub number: String,
    pub city_id: Option<i32>,
}

/// A polling station as it is listed.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = stations)]
pub struct Station {
    pub election_id: ElectionId,
    pub region_id: RegionId,
    pub number: String,
    pub city_id: Option<i32>,
    pub address: Option<String>,
    /// `registry`: a published table lists it; `reported`: only records name it.
    pub origin: String,
}

/// Makes stations known that records name for the first time.
pub async fn report_stations(mut conn: &AsyncPgConnection, mut stations: Vec<Reported>) -> DbResult<()> {
    // In one order, so that two transactions never wait for each other.
    stations.sort();
    stations
        .dedup_by(|a, b| (a.election_id, a.region_id, &a.number) == (b.election_id, b.region_id, &b.number));
    if !stations.is_empty() {
        insert_many!(polling_stations, &stations, {
            election_id: SmallInt, region_id: SmallInt, number: Text, city_id: Nullable<Integer>,
        })
        .on_conflict_do_nothing()
        .execute(&mut conn)
        .await?;
    }
    Ok(())
}

/// Which stations a list shows.
#[derive(Debug, Default)]
pub struct StationFilter {
    pub election: Option<ElectionId>,
    pub region: Option<RegionId>,
    pub city: Option<i32>,
    pub number: Option<String>,
    /// The last station of the page before.
    pub after: Option<(ElectionId, RegionId, String)>,
    pub limit: i64,
}

/// A page of stations, by election, region and number.
pub async fn stations(conn: &mut AsyncPgConnection, filter: StationFilter) -> DbResult<Vec<Station>> {
    use stations::dsl;
    let mut query = dsl::stations.select(Station::as_select()).into_boxed();
    if let Some(election) = filter.election {
        query = query.filter(dsl::election_id.eq(election));
    }
    if let Some(region) = filter.region {
        query = query.filter(dsl::region_id.eq(region));
    }
    if let Some(city) = filter.city {
        query = query.filter(dsl::city_id.eq(city));
    }
    if let Some(number) = filter.number {
        query = query.filter(dsl::number.eq(number));
    }
    if let Some((election, region, number)) = filter.after {
        query = query.filter(
            dsl::election_id.gt(election).or(dsl::election_id
                .eq(election)
                .and(dsl::region_id.gt(region).or(dsl::region_id.eq(region).and(dsl::number.gt(number))))),
        );
    }
    let order = (dsl::election_id, dsl::region_id, dsl::number);
    Ok(query.order(order).limit(filter.limit).load(conn).await?)
}

/// Adds a candidate; `false` when the number is taken.
pub async fn add_candidate(
    conn: &mut AsyncPgConnection,
    election: ElectionId,
    number: i16,
    names: &Names,
) -> DbResult<bool> {
    let added = diesel::insert_into(candidates::table)
        .values((
            candidates::election_id.eq(election),
            candidates::number.eq(number),
            candidates::name_kk.eq(&names.kk),
            candidates::name_ru.eq(&names.ru),
            candidates::name_en.eq(&names.en),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(added > 0)
}
