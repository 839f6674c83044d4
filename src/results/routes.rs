//! `/results`: published tables beside the sheets that observers brought.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, get, http::header::CACHE_CONTROL, middleware::Compress, web::Data};
use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    compare::{self, Line, SheetCopy, SumCheck},
    domain::Level,
    store::{self, ResultSet},
};
use crate::{
    accounts::{Caller, Scope},
    db::{DbResult, Pool},
    http::{
        Answer, Kind, Problem,
        query::{self, Query},
    },
    places::{self, Directory, ElectionId, RegionId, directory::Places},
    protocols::sheets::SheetFilter,
    records::view::Page,
};

/// An imported table of results.
#[derive(Serialize, ToSchema)]
pub struct TableView {
    label: String,
    election: String,
    candidates: Vec<String>,
    source: Option<String>,
    imported_at: DateTime<Utc>,
    stations: i32,
}

/// All copies of one station's sheet.
#[derive(Serialize, ToSchema)]
pub struct StationCopies {
    region: String,
    station: String,
    copies: Vec<SheetCopy>,
    /// Figure by figure.
    lines: Vec<Line>,
}

/// A station whose published votes are not those of a copy.
#[derive(Serialize, ToSchema)]
pub struct ChangedView {
    pub region: Option<String>,
    pub station: String,
    /// The copy it is compared with.
    pub record: Uuid,
    pub held_by: String,
    pub status: String,
    /// Published less copied, by candidate; those that did not change are left out.
    pub moved: BTreeMap<String, i32>,
}

/// How a region's copies compare with the published table.
#[derive(Serialize, ToSchema)]
pub struct RegionMovedView {
    pub region: Option<String>,
    /// Stations with a copy and a published row.
    pub compared: i64,
    pub changed: i64,
    /// Published less copied over all that are compared, by candidate.
    pub moved: BTreeMap<String, i64>,
}

/// Stations with a sheet over stations in all.
#[derive(Serialize, ToSchema)]
pub struct CoverageView {
    pub region: Option<String>,
    /// Stations that a registry lists.
    pub stations: i64,
    /// Of those, with a sheet of an observer or a posted one.
    pub with_sheet: i64,
    pub with_verified: i64,
    /// In per cent.
    pub coverage: f64,
}

/// The table asked for by label, or the latest.
pub async fn table(pool: &Pool, election: ElectionId, label: Option<String>) -> Result<ResultSet, Problem> {
    let found = store::set(&mut *pool.get().await?, election, label.as_deref()).await?;
    found.ok_or_else(|| Problem::new(Kind::NotFound))
}

fn code(directory: &Directory, id: RegionId) -> Option<String> {
    directory.region_by_id(id).map(|region| region.code.clone())
}

/// The imported tables, the latest first.
#[utoipa::path(tag = "results", path = "/api/v1/results/tables", params(("election" = String, Query)), responses((status = 200, body = Vec<TableView>)))]
#[get("/results/tables")]
pub async fn tables(pool: Data<Pool>, places: Data<Places>, mut query: Query) -> Answer {
    let directory = places.get().await;
    let election = places::query::required_election(&mut query, &directory);
    query.finish()?;
    let sets = store::sets(&mut *pool.get().await?, election.unwrap_or_default()).await?;
    let view = |set: ResultSet| TableView {
        election: directory.election_by_id(set.election_id).map(|it| it.slug.clone()).unwrap_or_default(),
        source: directory
            .sources
            .iter()
            .find(|(_, id)| Some(**id) == set.source_id)
            .map(|(slug, _)| slug.clone()),
        label: set.label,
        candidates: set.candidates,
        imported_at: set.imported_at,
        stations: set.stations,
    };
    Ok(HttpResponse::Ok().json(sets.into_iter().map(view).collect::<Vec<_>>()))
}

/// All copies of one station's sheet side by side: those of observers, the posted one, photos that were read,
/// and what each imported table publishes.
#[utoipa::path(tag = "results", path = "/api/v1/results/station", security(("token" = [])),
    params(("election" = String, Query), ("region" = String, Query), ("station" = String, Query)),
    responses((status = 200, body = StationCopies)))]
#[get("/results/station")]
pub async fn station(caller: Caller, pool: Data<Pool>, places: Data<Places>, mut query: Query) -> Answer {
    let directory = places.get().await;
    let election = places::query::required_election(&mut query, &directory);
    let region = places::query::region(&mut query, &directory);
    let station = query.text("station");
    if region.is_none() {
        query.faults.add("?region", "required");
    }
    if station.is_none() {
        query.faults.add("?station", "required");
    }
    query.finish()?;
    let (election, region) = (election.unwrap_or_default(), region.unwrap_or_default());
    let station = station.unwrap_or_default();
    let mut conn = pool.get().await?;
    let scope = caller.scope(&directory);
    let copies = copies_of(&mut conn, &scope, election, region, &station).await?;
    let lines = compare::side_by_side(&copies);
    let region = code(&directory, region).unwrap_or_default();
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "private, no-cache")).json(StationCopies {
        region,
        station,
        copies,
        lines,
    }))
}

/// All copies of a station's sheet within reach, and what each table publishes.
pub async fn copies_of(
    conn: &mut AsyncPgConnection,
    scope: &Scope,
    election: ElectionId,
    region: RegionId,
    number: &str,
) -> DbResult<Vec<SheetCopy>> {
    let mut copies = store::copies(conn, scope, election, region, number).await?;
    for set in store::sets(conn, election).await? {
        copies.extend(store::published(conn, &set, region, number).await?);
    }
    Ok(copies)
}

/// Stations whose published votes are not those of the best copy within reach, with the votes moved.
#[utoipa::path(tag = "results", path = "/api/v1/results/changed", security(("token" = [])),
    params(("election" = String, Query), ("table" = Option<String>, Query, description = "label; the latest unless told"),
        ("region" = Option<String>, Query), ("from" = Option<chrono::NaiveDate>, Query, description = "first local date of the copies"),
        ("to" = Option<chrono::NaiveDate>, Query), ("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<ChangedView>), (status = 404, description = "No table was imported")))]
#[get("/results/changed")]
pub async fn changed(caller: Caller, pool: Data<Pool>, places: Data<Places>, mut query: Query) -> Answer {
    let directory = places.get().await;
    let filter = SheetFilter::read(&mut query, &directory);
    let label = query.text("table");
    let limit = query.limit();
    let after = query.cursor();
    query.finish()?;
    let set = table(&pool, filter.election, label).await?;
    let scope = caller.scope(&directory);
    let mut conn = pool.get().await?;
    let rows = store::changed(&mut conn, &scope, &filter, &set, after, limit + 1).await?;
    let next = (rows.len() as i64 > limit).then(|| {
        let last = &rows[limit as usize - 1];
        query::cursor(&(last.region_id, &last.station))
    });
    let shown = rows.into_iter().take(limit as usize);
    let items: Vec<_> = shown.map(|row| changed_view(row, &set, &directory)).collect();
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "private, no-cache")).json(Page { items, next }))
}

/// A changed station as it is told.
pub fn changed_view(row: store::Changed, set: &ResultSet, directory: &Directory) -> ChangedView {
    ChangedView {
        region: code(directory, row.region_id),
        station: row.station,
        record: row.record,
        held_by: row.held_by,
        status: row.status,
        moved: (set.candidates.iter().zip(row.moved))
            .filter_map(|(name, by)| Some((name.clone(), by.filter(|by| *by != 0)?)))
            .collect(),
    }
}

/// The same summed by region.
#[utoipa::path(tag = "results", path = "/api/v1/results/moved", security(("token" = [])),
    params(("election" = String, Query), ("table" = Option<String>, Query), ("region" = Option<String>, Query),
        ("from" = Option<chrono::NaiveDate>, Query), ("to" = Option<chrono::NaiveDate>, Query)),
    responses((status = 200, body = Vec<RegionMovedView>), (status = 404, description = "No table was imported")))]
#[get("/results/moved")]
pub async fn moved(caller: Caller, pool: Data<Pool>, places: Data<Places>, mut query: Query) -> Answer {
    let directory = places.get().await;
    let filter = SheetFilter::read(&mut query, &directory);
    let label = query.text("table");
    query.finish()?;
    let set = table(&pool, filter.election, label).await?;
    let rows = moved_of(&pool, &caller.scope(&directory), &filter, &set, &directory).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "private, no-cache")).json(rows))
}

/// Votes moved by region, as they are told.
pub async fn moved_of(
    pool: &Pool,
    scope: &Scope,
    filter: &SheetFilter,
    set: &ResultSet,
    directory: &Directory,
) -> DbResult<Vec<RegionMovedView>> {
    let rows = store::moved_by_region(&mut *pool.get().await?, scope, filter, set).await?;
    let view = |row: store::RegionMoved| RegionMovedView {
        region: code(directory, row.region_id),
        compared: row.compared,
        changed: row.changed,
        moved: set.candidates.iter().cloned().zip(row.moved).collect(),
    };
    Ok(rows.into_iter().map(view).collect())
}

/// The sums that a table states, checked against what it states one level below: districts and regions against
/// their stations, the country against its regions and its stations.
#[utoipa::path(tag = "results", path = "/api/v1/results/sums",
    params(("election" = String, Query), ("table" = Option<String>, Query), ("region" = Option<String>, Query)),
    responses((status = 200, body = Vec<SumCheck>), (status = 404, description = "No table was imported")))]
#[get("/results/sums", wrap = "Compress::default()")]
pub async fn sums(pool: Data<Pool>, places: Data<Places>, mut query: Query) -> Answer {
    let directory = places.get().await;
    let election = places::query::required_election(&mut query, &directory);
    let region = places::query::region(&mut query, &directory);
    let label = query.text("table");
    query.finish()?;
    let set = table(&pool, election.unwrap_or_default(), label).await?;
    let checks = check_sums(&pool, &set, region, &directory).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=30")).json(checks))
}

/// Checks the sums of a table: all, or those of a region and its districts.
pub async fn check_sums(
    pool: &Pool,
    set: &ResultSet,
    region: Option<RegionId>,
    directory: &Directory,
) -> DbResult<Vec<SumCheck>> {
    let mut conn = pool.get().await?;
    let stated = store::stated(&mut conn, set).await?;
    let summed = store::summed(&mut conn, set).await?;
    let mut checks = Vec::new();
    let zero = vec![0; set.candidates.len()];
    for sum in stated.iter().filter(|sum| region.is_none_or(|id| sum.region_id == id)) {
        let level = sum.of_level()?;
        let parts = summed
            .iter()
            .find(|it| (&it.level, it.region_id, &it.district) == (&sum.level, sum.region_id, &sum.district));
        let (numbers, votes) = parts.map_or(([Some(0); 9], &zero), |parts| (parts.nine(), &parts.votes));
        let mut sources = vec![(Level::Station, numbers, votes.clone())];
        if level == Level::Country {
            let regions: Vec<_> = stated.iter().filter(|it| it.level == Level::Region.word()).collect();
            if !regions.is_empty() {
                let number = |i: usize| regions.iter().map(|it| it.nine()[i]).sum::<Option<i64>>();
                let votes = (0..zero.len()).map(|i| regions.iter().map(|it| it.votes[i]).sum()).collect();
                sources.push((Level::Region, std::array::from_fn(number), votes));
            }
        }
        for (from, numbers, votes) in sources {
            let differences =
                compare::check_sum(&set.candidates, (&sum.nine(), &sum.votes), (&numbers, &votes));
            checks.push(SumCheck {
                level,
                region: code(directory, sum.region_id),
                district: Some(sum.district.clone()).filter(|district| !district.is_empty()),
                from,
                holds: differences.is_empty(),
                differences,
            });
        }
    }
    Ok(checks)
}

/// Stations with a sheet over the stations that a registry lists, by region.
#[utoipa::path(tag = "results", path = "/api/v1/results/coverage",
    params(("election" = String, Query), ("region" = Option<String>, Query), ("from" = Option<chrono::NaiveDate>, Query),
        ("to" = Option<chrono::NaiveDate>, Query)),
    responses((status = 200, body = Vec<CoverageView>)))]
#[get("/results/coverage", wrap = "Compress::default()")]
pub async fn coverage(pool: Data<Pool>, places: Data<Places>, mut query: Query) -> Answer {
    let directory = places.get().await;
    let filter = SheetFilter::read(&mut query, &directory);
    query.finish()?;
    let rows = coverage_of(&pool, &filter, &directory).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=30")).json(rows))
}

/// Coverage by region, as it is told.
pub async fn coverage_of(
    pool: &Pool,
    filter: &SheetFilter,
    directory: &Directory,
) -> DbResult<Vec<CoverageView>> {
    let rows = store::coverage(&mut *pool.get().await?, filter).await?;
    let view = |row: store::Covered| CoverageView {
        region: code(directory, row.region_id),
        stations: row.stations,
        with_sheet: row.with_sheet,
        with_verified: row.with_verified,
        coverage: (row.with_sheet as f64 * 10_000.0 / row.stations as f64).round() / 100.0,
    };
    Ok(rows.into_iter().map(view).collect())
}
