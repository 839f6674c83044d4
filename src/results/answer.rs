//! Comparisons as they are told: by the routes, in exports, in reports and at the terminal.

use std::collections::BTreeMap;

use diesel_async::AsyncPgConnection;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    compare::{self, SheetCopy, SumCheck},
    domain::Level,
    store::{self, ResultSet},
};
use crate::{
    accounts::Scope,
    db::{DbResult, Pool},
    places::{Directory, ElectionId, RegionId},
    protocols::sheets::SheetFilter,
};

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

/// The code of a region.
pub fn code(directory: &Directory, id: RegionId) -> Option<String> {
    directory.region_by_id(id).map(|region| region.code.clone())
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
