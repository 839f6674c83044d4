//! Possible duplicates: the same place, near in time, alike in text.

use std::collections::HashMap;

use chrono::TimeDelta;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{Record, lookup, store::DetailsTable};
use crate::{
    accounts::Scope,
    db::{DbResult, schema::records},
    records::filter::Filter,
};

/// How far apart in time two accounts of one incident may lie.
const NEAR: TimeDelta = TimeDelta::hours(12);
/// Of the records near in time, how many are compared.
const COMPARED: i64 = 2000;
/// The least likeness (pg_trgm, 0 to 1) that counts when the polling station is not the same.
const ALIKE: f32 = 0.3;

#[diesel::declare_sql_function]
extern "SQL" {
    fn fold(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
    fn similarity(a: diesel::sql_types::Text, b: diesel::sql_types::Text) -> diesel::sql_types::Float;
}

/// Records of the same kind that may tell of the same incident, the likest first, each with its likeness
/// (0 to 1).
pub async fn find<D: DetailsTable>(
    conn: &mut AsyncPgConnection,
    scope: &Scope,
    record: &Record<D>,
) -> DbResult<Vec<(Record<D>, f32)>> {
    let (place, at) = (&record.envelope.place, record.envelope.occurred_at);
    let filter = Filter {
        election: Some(place.election),
        cities: place.city.into_iter().collect(),
        ..Filter::default()
    };
    let mut near = records::table
        .filter(filter.condition(D::KIND, scope))
        .filter(records::id.ne(record.id))
        .filter(records::occurred_at.between(at - NEAR, at + NEAR))
        .select((
            records::id,
            records::polling_station,
            similarity(fold(records::description), fold(&record.envelope.description)),
        ))
        .order(records::occurred_at)
        .limit(COMPARED)
        .into_boxed();
    if place.city.is_none() {
        near = near.filter(records::region_id.is_not_distinct_from(place.region));
    }
    let near: Vec<(Uuid, Option<String>, f32)> = near.load(conn).await?;
    let mut alike: Vec<(Uuid, f32)> = near
        .into_iter()
        .filter_map(|(id, station, likeness)| {
            let same_station = station.is_some() && station == place.polling_station;
            // One station on one day: worth a look whatever the words.
            let likeness = if same_station { (likeness + 0.3).min(1.0) } else { likeness };
            (likeness >= ALIKE).then_some((id, likeness))
        })
        .collect();
    alike.sort_by(|a, b| b.1.total_cmp(&a.1));
    alike.truncate(20);
    let ids: Vec<Uuid> = alike.iter().map(|(id, _)| *id).collect();
    let likeness: HashMap<Uuid, f32> = alike.into_iter().collect();
    let found = lookup::some(conn, scope, &ids).await?.into_iter();
    Ok(found
        .map(|record| {
            let likeness = likeness[&record.id];
            (record, likeness)
        })
        .collect())
}
