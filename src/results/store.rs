//! Official results in PostgreSQL, and their comparison with the copies that observers brought.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    pg::Pg,
    prelude::*,
    query_builder::{BoxedSqlQuery, SqlQuery},
    sql_types::*,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use super::{compare::SheetCopy, domain::Level};
use crate::{
    accounts::Scope,
    db::{DbError, DbResult, schema::result_sets, stored},
    places::{ElectionId, RegionId, RegionReach},
    protocols::{
        figures::{Figures, Votes},
        reading,
        sheets::{self, SheetFilter},
    },
};

/// An imported table.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = result_sets, check_for_backend(diesel::pg::Pg))]
pub struct ResultSet {
    pub id: i16,
    pub election_id: ElectionId,
    pub label: String,
    pub candidates: Vec<String>,
    pub source_id: Option<i32>,
    pub imported_at: DateTime<Utc>,
    pub stations: i32,
}

/// The tables of an election, the latest first.
pub async fn sets(conn: &mut AsyncPgConnection, election: ElectionId) -> DbResult<Vec<ResultSet>> {
    Ok(result_sets::table
        .filter(result_sets::election_id.eq(election))
        .order(result_sets::id.desc())
        .select(ResultSet::as_select())
        .load(conn)
        .await?)
}

/// The table called so; the latest of an election unless told.
pub async fn set(
    conn: &mut AsyncPgConnection,
    election: ElectionId,
    label: Option<&str>,
) -> DbResult<Option<ResultSet>> {
    let mut sets = result_sets::table
        .filter(result_sets::election_id.eq(election))
        .order(result_sets::id.desc())
        .select(ResultSet::as_select())
        .into_boxed();
    if let Some(label) = label {
        sets = sets.filter(result_sets::label.eq(label.to_owned()));
    }
    Ok(sets.first(conn).await.optional()?)
}

#[derive(QueryableByName)]
struct Published {
    #[diesel(sql_type = Array<Nullable<Int4>>)]
    numbers: Vec<Option<i32>>,
    #[diesel(sql_type = Array<Int4>)]
    votes: Vec<i32>,
}

/// The figures in the order of [`crate::protocols::figures::NUMBERS`].
fn figures(numbers: &[Option<i32>], votes: Vec<Votes>) -> Figures {
    Figures::of(std::array::from_fn(|i| numbers.get(i).copied().flatten()), votes)
}

fn named(candidates: &[String], votes: Vec<i32>) -> Vec<Votes> {
    let pairs = candidates.iter().zip(votes);
    pairs.map(|(candidate, votes)| Votes { candidate: candidate.clone(), votes }).collect()
}

const NUMBERS: &str = "ARRAY[t.voters_on_list, t.ballots_received, t.issued_in_station, t.issued_mobile, t.spoiled, \
     t.unused, t.found_in_boxes, t.invalid, t.against_all]";

/// What a published table states of a station.
pub async fn published(
    conn: &mut AsyncPgConnection,
    set: &ResultSet,
    region: RegionId,
    station: &str,
) -> DbResult<Option<SheetCopy>> {
    let found: Option<Published> = diesel::sql_query(format!(
        "SELECT {NUMBERS} AS numbers, t.votes FROM official_results t \
         WHERE (t.election_id, t.set_id, t.region_id, t.station) = ($1, $2, $3, $4)"
    ))
    .bind::<Int2, _>(set.election_id)
    .bind::<Int2, _>(set.id)
    .bind::<Int2, _>(region)
    .bind::<Text, _>(station)
    .get_result(conn)
    .await
    .optional()?;
    Ok(found.map(|row| {
        let figures = figures(&row.numbers, named(&set.candidates, row.votes));
        SheetCopy {
            held_by: "published".to_owned(),
            id: None,
            status: None,
            table: Some(set.label.clone()),
            failed_checks: figures.failed(),
            figures,
        }
    }))
}

#[derive(QueryableByName)]
struct SheetRow {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    held_by: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Array<Nullable<Int4>>)]
    numbers: Vec<Option<i32>>,
    #[diesel(sql_type = Jsonb)]
    votes: Value,
}

/// The places of a scope, as SQL that names `r`; everything for those who see all.
fn reach(scope: &Scope) -> (bool, RegionReach, Option<Uuid>) {
    match scope {
        Scope::All => (true, RegionReach::default(), None),
        Scope::Regions(reach, own) => (false, reach.clone(), Some(*own)),
        Scope::Own(own) => (false, RegionReach::default(), Some(*own)),
        Scope::Places(reach) => (false, reach.clone(), None),
    }
}

const WITHIN: &str = "($1 OR r.region_id = ANY($2) OR r.city_id = ANY($3) OR r.reporter_id = $4)";

/// The copies of a station's sheet among the records within reach, those verified first, and their photos that
/// were read.
pub async fn copies(
    conn: &mut AsyncPgConnection,
    scope: &Scope,
    election: ElectionId,
    region: RegionId,
    station: &str,
) -> DbResult<Vec<SheetCopy>> {
    let (all, places, own) = reach(scope);
    let rows: Vec<SheetRow> = diesel::sql_query(format!(
        "SELECT r.id, r.category AS held_by, r.status, {NUMBERS} AS numbers, t.votes \
         FROM records r JOIN protocols t ON (t.election_id, t.record_id) = (r.election_id, r.id) \
         WHERE {WITHIN} AND r.kind = 'protocol' AND r.election_id = $5 AND r.region_id = $6 AND r.polling_station = $7 \
           AND r.status IN ('submitted', 'in_review', 'verified') \
         ORDER BY r.status <> 'verified', r.category, r.received_at LIMIT 50"
    ))
    .bind::<Bool, _>(all)
    .bind::<Array<Int2>, _>(places.regions)
    .bind::<Array<Int4>, _>(places.cities)
    .bind::<Nullable<diesel::sql_types::Uuid>, _>(own)
    .bind::<Int2, _>(election)
    .bind::<Int2, _>(region)
    .bind::<Text, _>(station)
    .load(conn)
    .await?;
    let mut copies = Vec::new();
    for row in rows {
        let votes = serde_json::from_value(row.votes)
            .map_err(|error| DbError::Corrupt(format!("votes of {}: {error}", row.id)))?;
        let figures = figures(&row.numbers, votes);
        copies.push(SheetCopy {
            held_by: row.held_by,
            id: Some(row.id),
            status: Some(row.status),
            table: None,
            failed_checks: figures.failed(),
            figures,
        });
    }
    let records: Vec<Uuid> = copies.iter().filter_map(|copy| copy.id).collect();
    copies.extend(read_photos(conn, &records).await?);
    Ok(copies)
}

async fn read_photos(conn: &mut AsyncPgConnection, records: &[Uuid]) -> DbResult<Vec<SheetCopy>> {
    use crate::db::schema::{evidence, sheet_readings};
    let rows: Vec<(Uuid, Value)> = evidence::table
        .inner_join(sheet_readings::table.on(sheet_readings::evidence_id.eq(evidence::id)))
        .filter(evidence::record_id.eq_any(records))
        .order((evidence::id, sheet_readings::at, sheet_readings::id))
        .select((evidence::id, sheet_readings::figures))
        .load(conn)
        .await?;
    let mut photos: Vec<(Uuid, Vec<Figures>)> = Vec::new();
    for (photo, figures) in rows {
        let figures = serde_json::from_value(figures)
            .map_err(|error| DbError::Corrupt(format!("reading of {photo}: {error}")))?;
        match photos.last_mut() {
            Some((last, readings)) if *last == photo => readings.push(figures),
            _ => photos.push((photo, vec![figures])),
        }
    }
    let read = photos.into_iter().filter_map(|(photo, readings)| {
        let figures = reading::compare(&readings).figures?;
        Some(SheetCopy {
            held_by: "reading".to_owned(),
            id: Some(photo),
            status: None,
            table: None,
            failed_checks: figures.failed(),
            figures,
        })
    });
    Ok(read.collect())
}

/// A station whose published votes are not those of a copy.
#[derive(Clone, Debug, QueryableByName)]
pub struct Changed {
    #[diesel(sql_type = Int2)]
    pub region_id: RegionId,
    #[diesel(sql_type = Text)]
    pub station: String,
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    pub record: Uuid,
    #[diesel(sql_type = Text)]
    pub held_by: String,
    #[diesel(sql_type = Text)]
    pub status: String,
    /// Published less copied, in the order of the table's candidates; null where the copy does not name one.
    #[diesel(sql_type = Array<Nullable<Int4>>)]
    pub moved: Vec<Option<i32>>,
}

/// How a region's copies compare with the published table.
#[derive(Clone, Debug, QueryableByName)]
pub struct RegionMoved {
    #[diesel(sql_type = Int2)]
    pub region_id: RegionId,
    #[diesel(sql_type = BigInt)]
    pub compared: i64,
    #[diesel(sql_type = BigInt)]
    pub changed: i64,
    /// Published less copied over all stations that are compared, in the order of the table's candidates.
    #[diesel(sql_type = Array<BigInt>)]
    pub moved: Vec<i64>,
}

/// Continues [`sheets::best`] with `compared`: by how much the published votes of each station differ.
const COMPARED: &str = ", compared AS (SELECT b.region_id, b.station, b.record_id AS record, b.held_by, b.status, \
     ARRAY(SELECT c.n - (SELECT (v->>'votes')::int FROM jsonb_array_elements(b.votes) v WHERE v->>'candidate' = c.name) \
           FROM unnest($11, o.votes) WITH ORDINALITY AS c (name, n, i) ORDER BY c.i) AS moved \
     FROM best b JOIN official_results o \
       ON (o.election_id, o.set_id, o.region_id, o.station) = (b.election_id, $10, b.region_id, b.station)) ";

fn compared(scope: &Scope, filter: &SheetFilter, set: &ResultSet) -> BoxedSqlQuery<'static, Pg, SqlQuery> {
    sheets::best(scope, filter)
        .sql(COMPARED)
        .bind::<Int2, _>(set.id)
        .bind::<Array<Text>, _>(set.candidates.clone())
}

/// The stations whose published votes differ from the best copy within reach, by region and station, after one.
pub async fn changed(
    conn: &mut AsyncPgConnection,
    scope: &Scope,
    filter: &SheetFilter,
    set: &ResultSet,
    after: Option<(RegionId, String)>,
    limit: i64,
) -> DbResult<Vec<Changed>> {
    let (after_region, after_station) = after.unwrap_or((0, String::new()));
    Ok(compared(scope, filter, set)
        .sql(
            "SELECT * FROM compared WHERE EXISTS (SELECT FROM unnest(moved) m WHERE m <> 0) \
               AND (region_id, station) > ($12, $13) ORDER BY region_id, station LIMIT $14",
        )
        .bind::<Int2, _>(after_region)
        .bind::<Text, _>(after_station)
        .bind::<BigInt, _>(limit)
        .load(conn)
        .await?)
}

/// The same summed by region.
pub async fn moved_by_region(
    conn: &mut AsyncPgConnection,
    scope: &Scope,
    filter: &SheetFilter,
    set: &ResultSet,
) -> DbResult<Vec<RegionMoved>> {
    Ok(compared(scope, filter, set)
        .sql(
            ", each AS (SELECT region_id, i, sum(coalesce(m, 0)) AS moved \
               FROM compared, unnest(moved) WITH ORDINALITY AS u (m, i) GROUP BY 1, 2) \
             SELECT b.region_id, count(*) AS compared, \
               count(*) FILTER (WHERE EXISTS (SELECT FROM unnest(moved) m WHERE m <> 0)) AS changed, \
               ARRAY(SELECT e.moved::bigint FROM each e WHERE e.region_id = b.region_id ORDER BY e.i) AS moved \
             FROM compared b GROUP BY b.region_id ORDER BY b.region_id",
        )
        .load(conn)
        .await?)
}

/// Sums of one level: stated by the table, or made of its parts.
#[derive(Clone, Debug, QueryableByName)]
pub struct Sum {
    #[diesel(sql_type = Text)]
    pub level: String,
    #[diesel(sql_type = Int2)]
    pub region_id: RegionId,
    #[diesel(sql_type = Text)]
    pub district: String,
    #[diesel(sql_type = Array<Nullable<BigInt>>)]
    pub numbers: Vec<Option<i64>>,
    #[diesel(sql_type = Array<BigInt>)]
    pub votes: Vec<i64>,
}

impl Sum {
    /// The level as the domain knows it.
    pub fn of_level(&self) -> DbResult<Level> {
        stored(&self.level)
    }

    /// The numbers in their order.
    pub fn nine(&self) -> [Option<i64>; 9] {
        std::array::from_fn(|i| self.numbers.get(i).copied().flatten())
    }
}

/// The sums that the table states.
pub async fn stated(conn: &mut AsyncPgConnection, set: &ResultSet) -> DbResult<Vec<Sum>> {
    Ok(diesel::sql_query(format!(
        "SELECT t.level, t.region_id, t.district, {NUMBERS} AS numbers, t.votes FROM official_totals t \
         WHERE (t.election_id, t.set_id) = ($1, $2) \
         ORDER BY array_position(ARRAY['country', 'region', 'district'], t.level), t.region_id, t.district"
    ))
    .bind::<Int2, _>(set.election_id)
    .bind::<Int2, _>(set.id)
    .load(conn)
    .await?)
}

/// The sums of the table's stations, for the country, each region and each district.
pub async fn summed(conn: &mut AsyncPgConnection, set: &ResultSet) -> DbResult<Vec<Sum>> {
    let figures = crate::protocols::figures::NUMBERS.map(|name| format!("sum(o.{name})::bigint")).join(", ");
    let votes: Vec<String> =
        (1..=set.candidates.len()).map(|i| format!("coalesce(sum(o.votes[{i}]), 0)::bigint")).collect();
    Ok(diesel::sql_query(format!(
        "SELECT CASE WHEN grouping(o.region_id) = 1 THEN 'country' WHEN grouping(o.district) = 1 THEN 'region' ELSE 'district' END AS level, \
           coalesce(o.region_id, 0)::int2 AS region_id, coalesce(o.district, '') AS district, \
           ARRAY[{figures}] AS numbers, ARRAY[{}]::bigint[] AS votes \
         FROM official_results o WHERE (o.election_id, o.set_id) = ($1, $2) \
         GROUP BY GROUPING SETS ((), (o.region_id), (o.region_id, o.district))",
        votes.join(", ")
    ))
    .bind::<Int2, _>(set.election_id)
    .bind::<Int2, _>(set.id)
    .load(conn)
    .await?)
}

/// Stations with a sheet, and stations in all, by region.
#[derive(Clone, Debug, QueryableByName)]
pub struct Covered {
    #[diesel(sql_type = Int2)]
    pub region_id: RegionId,
    #[diesel(sql_type = BigInt)]
    pub stations: i64,
    #[diesel(sql_type = BigInt)]
    pub with_sheet: i64,
    #[diesel(sql_type = BigInt)]
    pub with_verified: i64,
}

/// Coverage by region: of the stations that a registry lists (those merely reported do not count as all).
pub async fn coverage(conn: &mut AsyncPgConnection, filter: &SheetFilter) -> DbResult<Vec<Covered>> {
    Ok(sheets::best(&Scope::All, filter)
        .sql(
            "SELECT s.region_id, count(*) AS stations, count(b.region_id) AS with_sheet, \
               count(*) FILTER (WHERE b.status = 'verified') AS with_verified \
             FROM registry s LEFT JOIN best b ON (b.region_id, b.station) = (s.region_id, s.number) \
             WHERE s.election_id = $5 AND ($10 IS NULL OR s.region_id = $10) \
             GROUP BY s.region_id ORDER BY s.region_id",
        )
        .bind::<Nullable<Int2>, _>(filter.region)
        .load(conn)
        .await?)
}
