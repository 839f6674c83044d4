//! The change of the counts, written beside the change of a record.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::db::{DbResult, bulk::insert_many, schema::count_deltas};

/// What a record is counted under.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    pub election_id: i16,
    pub kind: String,
    /// 0: unknown.
    pub region_id: i16,
    /// 0: unknown.
    pub city_id: i32,
    pub day: NaiveDate,
    pub category: String,
    pub status: String,
    pub severity: String,
    pub people: i32,
}

struct Row {
    election_id: i16,
    kind: String,
    region_id: i16,
    city_id: i32,
    day: NaiveDate,
    category: String,
    status: String,
    severity: String,
    n: i32,
    people: i32,
}

/// Writes that `n` records more (or fewer) stand in each cell; what cancels out is not written.
pub async fn write(mut conn: &AsyncPgConnection, changes: Vec<(Cell, i32)>) -> DbResult<()> {
    let mut sums: BTreeMap<Cell, i32> = BTreeMap::new();
    for (cell, n) in changes {
        *sums.entry(cell).or_default() += n;
    }
    let rows: Vec<Row> = (sums.into_iter())
        .filter(|(_, n)| *n != 0)
        .map(|(cell, n)| Row {
            election_id: cell.election_id,
            kind: cell.kind,
            region_id: cell.region_id,
            city_id: cell.city_id,
            day: cell.day,
            category: cell.category,
            status: cell.status,
            severity: cell.severity,
            n,
            people: n * cell.people,
        })
        .collect();
    if !rows.is_empty() {
        insert_many!(count_deltas, &rows, {
            election_id: SmallInt, kind: Text, region_id: SmallInt, city_id: Integer, day: Date, category: Text,
            status: Text, severity: Text, n: Integer, people: Integer,
        })
        .execute(&mut conn)
        .await?;
    }
    Ok(())
}
