//! Samples in PostgreSQL, and the sheets of their stations.

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, pg::Pg, prelude::*, sql_types::*};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use super::sample;
use crate::{
    accounts::Scope,
    db::{
        DbError, DbResult,
        schema::{registry, sample_stations, sample_strata, samples},
    },
    places::{Directory, ElectionId, RegionId},
    protocols::{
        figures::Votes,
        sheets::{self, SheetFilter},
    },
};

/// A sample that was drawn.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = samples, check_for_backend(Pg))]
pub struct Sample {
    pub id: Uuid,
    pub election_id: ElectionId,
    pub label: String,
    pub seed: String,
    pub margin: f64,
    pub confidence: f64,
    pub by_region: bool,
    pub drawn_at: DateTime<Utc>,
}

/// A stratum: its region (0: the whole country), its stations, and how many of them are drawn.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = sample_strata, check_for_backend(Pg))]
pub struct StratumRow {
    pub sample_id: Uuid,
    pub region_id: RegionId,
    pub population: i32,
    pub size: i32,
}

/// A station of a sample.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = sample_stations, check_for_backend(Pg))]
pub struct StationRow {
    pub sample_id: Uuid,
    pub stratum: RegionId,
    pub region_id: RegionId,
    pub station: String,
}

/// How a sample is drawn.
pub struct Draw<'a> {
    pub election: ElectionId,
    pub label: &'a str,
    pub seed: &'a str,
    pub margin: f64,
    pub confidence: f64,
    pub by_region: bool,
}

/// Stations that the registry lists.
pub async fn registered(conn: &mut AsyncPgConnection, election: ElectionId) -> DbResult<i64> {
    Ok(registry::table.filter(registry::election_id.eq(election)).count().get_result(conn).await?)
}

/// Draws a sample of the stations that the registry lists and stores it; `None` when the label is taken. The
/// same registry and seed give the same stations.
pub async fn draw(
    conn: &mut AsyncPgConnection,
    draw: &Draw<'_>,
    directory: &Directory,
) -> DbResult<Option<(Sample, Vec<StationRow>)>> {
    conn.transaction(async |conn| {
        let stations: Vec<(RegionId, String)> = registry::table
            .filter(registry::election_id.eq(draw.election))
            .order((registry::region_id, registry::number))
            .select((registry::region_id, registry::number))
            .load(conn)
            .await?;
        let mut strata: std::collections::BTreeMap<RegionId, Vec<(RegionId, String)>> = Default::default();
        for station in stations {
            strata.entry(if draw.by_region { station.0 } else { 0 }).or_default().push(station);
        }
        let populations: Vec<u64> = strata.values().map(|its| its.len() as u64).collect();
        let size = sample::size(populations.iter().sum(), draw.margin, draw.confidence);
        let sizes = sample::allocate(&populations, size);
        let sample: Option<Sample> = diesel::insert_into(samples::table)
            .values((
                samples::id.eq(Uuid::now_v7()),
                samples::election_id.eq(draw.election),
                samples::label.eq(draw.label),
                samples::seed.eq(draw.seed),
                samples::margin.eq(draw.margin),
                samples::confidence.eq(draw.confidence),
                samples::by_region.eq(draw.by_region),
            ))
            .on_conflict_do_nothing()
            .returning(Sample::as_returning())
            .get_result(conn)
            .await
            .optional()?;
        let Some(sample) = sample else { return Ok(None) };
        let mut drawn = Vec::new();
        for ((stratum, mut stations), size) in strata.into_iter().zip(&sizes) {
            let row = StratumRow {
                sample_id: sample.id,
                region_id: stratum,
                population: stations.len() as i32,
                size: *size as i32,
            };
            diesel::insert_into(sample_strata::table).values(row).execute(conn).await?;
            let code = |id: RegionId| directory.region_by_id(id).map_or("", |region| region.code.as_str());
            stations
                .sort_by_cached_key(|(region, station)| sample::ticket(draw.seed, code(*region), station));
            drawn.extend(stations.into_iter().take(*size as usize).map(|(region_id, station)| StationRow {
                sample_id: sample.id,
                stratum,
                region_id,
                station,
            }));
        }
        for rows in drawn.chunks(5000) {
            diesel::insert_into(sample_stations::table).values(rows).execute(conn).await?;
        }
        DbResult::Ok(Some((sample, drawn)))
    })
    .await
}

/// The samples of an election, the latest first.
pub async fn list(conn: &mut AsyncPgConnection, election: ElectionId) -> DbResult<Vec<Sample>> {
    Ok(samples::table
        .filter(samples::election_id.eq(election))
        .order(samples::drawn_at.desc())
        .select(Sample::as_select())
        .load(conn)
        .await?)
}

pub async fn get(conn: &mut AsyncPgConnection, id: Uuid) -> DbResult<Option<Sample>> {
    Ok(samples::table.find(id).select(Sample::as_select()).first(conn).await.optional()?)
}

/// The strata of a sample. Of a region: its stratum, or, where the sample was drawn from the whole country at once, its
/// stations among the drawn ones, which are then a random sample of the region's.
pub async fn strata(
    conn: &mut AsyncPgConnection,
    sample: &Sample,
    region: Option<RegionId>,
) -> DbResult<Vec<StratumRow>> {
    if let (Some(region), false) = (region, sample.by_region) {
        let listed = registry::election_id.eq(sample.election_id).and(registry::region_id.eq(region));
        let population: i64 = registry::table.filter(listed).count().get_result(conn).await?;
        let drawn = sample_stations::sample_id.eq(sample.id).and(sample_stations::region_id.eq(region));
        let size: i64 = sample_stations::table.filter(drawn).count().get_result(conn).await?;
        let (population, size) = (population as i32, size as i32);
        return Ok(vec![StratumRow { sample_id: sample.id, region_id: 0, population, size }]);
    }
    let mut strata = sample_strata::table
        .filter(sample_strata::sample_id.eq(sample.id))
        .order(sample_strata::region_id)
        .select(StratumRow::as_select())
        .into_boxed();
    if let Some(region) = region {
        strata = strata.filter(sample_strata::region_id.eq(region));
    }
    Ok(strata.load(conn).await?)
}

pub async fn stations(conn: &mut AsyncPgConnection, id: Uuid) -> DbResult<Vec<StationRow>> {
    Ok(sample_stations::table
        .filter(sample_stations::sample_id.eq(id))
        .order((sample_stations::region_id, sample_stations::station))
        .select(StationRow::as_select())
        .load(conn)
        .await?)
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Int2)]
    stratum: RegionId,
    #[diesel(sql_type = Nullable<Int4>)]
    voters_on_list: Option<i32>,
    #[diesel(sql_type = Nullable<Int4>)]
    issued: Option<i32>,
    #[diesel(sql_type = Nullable<Int4>)]
    against_all: Option<i32>,
    #[diesel(sql_type = Jsonb)]
    votes: Value,
}

/// What the best sheet of a station states.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// 0 where there are no strata.
    pub stratum: RegionId,
    pub voters_on_list: Option<i32>,
    pub issued: Option<i32>,
    pub against_all: i32,
    pub votes: Vec<Votes>,
}

/// The best sheet of each station: of a sample's stations, or of all that have one.
pub async fn sheets(
    conn: &mut AsyncPgConnection,
    filter: &SheetFilter,
    sample: Option<Uuid>,
) -> DbResult<Vec<Sheet>> {
    let rows: Vec<Row> = sheets::best(&Scope::All, filter)
        .sql(
            "SELECT coalesce(s.stratum, 0)::int2 AS stratum, b.voters_on_list, \
               b.issued_in_station + coalesce(b.issued_mobile, 0) AS issued, b.against_all, b.votes \
             FROM best b LEFT JOIN sample_stations s \
               ON s.sample_id = $10 AND (s.region_id, s.station) = (b.region_id, b.station) \
             WHERE $10 IS NULL OR s.sample_id IS NOT NULL",
        )
        .bind::<Nullable<diesel::sql_types::Uuid>, _>(sample)
        .load(conn)
        .await?;
    rows.into_iter()
        .map(|row| {
            let votes = serde_json::from_value(row.votes);
            Ok(Sheet {
                stratum: row.stratum,
                voters_on_list: row.voters_on_list,
                issued: row.issued,
                against_all: row.against_all.unwrap_or(0),
                votes: votes.map_err(|error| DbError::Corrupt(format!("votes of a sheet: {error}")))?,
            })
        })
        .collect()
}
