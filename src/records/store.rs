//! Records in PostgreSQL. A submission writes the record, its history, its counts and its commitment in one
//! transaction.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::{pg::Pg, prelude::*};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    Details, NewRecord, Record, Status,
    lookup::Page,
    versions::{self, Version},
};
use crate::{
    accounts::UserId,
    aggregates::deltas::{self, Cell},
    db::{DbError, DbResult, bulk::insert_many, schema::records},
    places::{self, ElectionId, Place, store::Reported},
};

/// Where the details of one kind are kept.
pub trait DetailsTable: Details {
    /// Inserts details; on a shared connection, so that statements go out without waiting for one another.
    fn insert(
        conn: &AsyncPgConnection,
        rows: Vec<(ElectionId, Uuid, &Self)>,
    ) -> impl Future<Output = QueryResult<()>> + Send;

    /// Removes the details, in whose place `next` will be inserted.
    fn delete(
        conn: &mut AsyncPgConnection,
        election: ElectionId,
        id: Uuid,
        next: &Self,
    ) -> impl Future<Output = QueryResult<()>> + Send;

    /// Reads a page, each envelope together with its details.
    fn load(conn: &AsyncPgConnection, page: Page)
    -> impl Future<Output = DbResult<Vec<Record<Self>>>> + Send;
}

/// A row of the envelope.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = records, check_for_backend(Pg))]
pub(super) struct Row {
    pub(super) election_id: i16,
    pub(super) id: Uuid,
    pub(super) kind: String,
    pub(super) region_id: Option<i16>,
    pub(super) city_id: Option<i32>,
    pub(super) polling_station: Option<String>,
    pub(super) occurred_at: DateTime<Utc>,
    pub(super) time_precision: String,
    pub(super) local_date: NaiveDate,
    pub(super) category: String,
    pub(super) severity: Option<String>,
    pub(super) people: i32,
    pub(super) description: String,
    pub(super) status: String,
    pub(super) duplicate_of: Option<Uuid>,
    pub(super) version: i32,
    pub(super) reporter_id: Uuid,
    pub(super) received_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
    pub(super) submitted_hash: Vec<u8>,
    pub(super) source_id: Option<i32>,
    pub(super) passage: Option<i32>,
}

impl Row {
    pub(super) fn new<D: Details>(new: &NewRecord<D>) -> Self {
        let (envelope, facets) = (&new.envelope, new.details.facets());
        Self {
            election_id: envelope.place.election,
            id: new.id,
            kind: D::KIND.to_string(),
            region_id: envelope.place.region,
            city_id: envelope.place.city,
            polling_station: envelope.place.polling_station.clone(),
            occurred_at: envelope.occurred_at,
            time_precision: envelope.precision.to_string(),
            local_date: envelope.local_date,
            category: facets.category.to_owned(),
            severity: facets.severity.map(|severity| severity.to_string()),
            people: facets.people,
            description: envelope.description.clone(),
            status: Status::Submitted.to_string(),
            duplicate_of: None,
            version: 1,
            reporter_id: new.reporter,
            received_at: new.received_at,
            updated_at: new.received_at,
            submitted_hash: new.hash.to_vec(),
            source_id: envelope.source,
            passage: envelope.passage,
        }
    }

    pub(super) fn cell(&self) -> Cell {
        Cell {
            election_id: self.election_id,
            kind: self.kind.clone(),
            region_id: self.region_id.unwrap_or(0),
            city_id: self.city_id.unwrap_or(0),
            day: self.local_date,
            category: self.category.clone(),
            status: self.status.clone(),
            severity: self.severity.clone().unwrap_or_default(),
            people: self.people,
        }
    }
}

/// What came of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Created,
    /// The same person sent the same content under this id before.
    Replayed,
    /// The id stands for something else.
    Conflict,
}

/// Stores records; each is whole or not there, and one that was sent before is not stored again. The
/// outcomes are in the order of the batch.
pub async fn submit<D: DetailsTable>(
    conn: &mut AsyncPgConnection,
    batch: &[NewRecord<D>],
) -> DbResult<Vec<Outcome>> {
    let mut first: HashMap<Uuid, usize> = HashMap::new();
    for (i, new) in batch.iter().enumerate() {
        first.entry(new.id).or_insert(i);
    }
    // One order for all, so that two batches with the same ids never wait for each other in a ring.
    let mut chosen: Vec<usize> = first.values().copied().collect();
    chosen.sort_by_key(|i| batch[*i].id);

    let (created, before) = conn
        .transaction(async |conn| {
            let rows: Vec<Row> = chosen.iter().map(|i| Row::new(&batch[*i])).collect();
            let created: Vec<Uuid> = insert_many!(records, &rows, {
                election_id: SmallInt, id: Uuid, kind: Text, region_id: Nullable<SmallInt>,
                city_id: Nullable<Integer>, polling_station: Nullable<Text>, occurred_at: Timestamptz,
                time_precision: Text, local_date: Date, category: Text, severity: Nullable<Text>, people: Integer,
                description: Text, status: Text, duplicate_of: Nullable<Uuid>, version: Integer,
                reporter_id: Uuid, received_at: Timestamptz, updated_at: Timestamptz,
                submitted_hash: Bytea, source_id: Nullable<Integer>, passage: Nullable<Integer>,
            })
            .on_conflict_do_nothing()
            .returning(records::id)
            .load(conn)
            .await?;
            let created_set: std::collections::HashSet<Uuid> = created.iter().copied().collect();
            let fresh: Vec<usize> =
                chosen.iter().copied().filter(|i| created_set.contains(&batch[*i].id)).collect();
            if !fresh.is_empty() {
                write_new(conn, batch, &fresh).await?;
            }
            let others: Vec<Uuid> = if created.len() == chosen.len() {
                Vec::new()
            } else {
                chosen.iter().map(|i| batch[*i].id).filter(|id| !created_set.contains(id)).collect()
            };
            let before: Vec<(Uuid, String, UserId, Vec<u8>)> = if others.is_empty() {
                Vec::new()
            } else {
                records::table
                    .filter(records::id.eq_any(others))
                    .select((records::id, records::kind, records::reporter_id, records::submitted_hash))
                    .load(conn)
                    .await?
            };
            if created_set.is_empty() && !before.is_empty() {
                crate::db::settled(conn).await?;
            }
            Ok::<_, DbError>((created_set, before))
        })
        .await?;

    let outcome = |(i, new): (usize, &NewRecord<D>)| {
        let same_as = |other: usize| new.hash == batch[other].hash && new.reporter == batch[other].reporter;
        if created.contains(&new.id) {
            let first = first[&new.id];
            return match first == i {
                true => Outcome::Created,
                false if same_as(first) => Outcome::Replayed,
                false => Outcome::Conflict,
            };
        }
        let same = before.iter().any(|(id, kind, reporter, hash)| {
            *id == new.id && kind == D::KIND.word() && *reporter == new.reporter && *hash == new.hash
        });
        if same { Outcome::Replayed } else { Outcome::Conflict }
    };
    Ok(batch.iter().enumerate().map(outcome).collect())
}

/// All that stands beside a new record. The statements are sent one behind the other without waiting for
/// answers in between (pipelining).
async fn write_new<D: DetailsTable>(
    conn: &AsyncPgConnection,
    batch: &[NewRecord<D>],
    fresh: &[usize],
) -> DbResult<()> {
    let details = fresh.iter().map(|i| (batch[*i].envelope.place.election, batch[*i].id, &batch[*i].details));
    let versions: Vec<Version> = fresh.iter().map(|i| Version::first(&batch[*i])).collect();
    let cells = fresh.iter().map(|i| (Row::new(&batch[*i]).cell(), 1));
    let stations = fresh.iter().filter_map(|i| station(&batch[*i].envelope.place)).collect();
    futures_util::try_join!(
        async { Ok(D::insert(conn, details.collect()).await?) },
        versions::write(conn, &versions),
        deltas::write(conn, cells.collect()),
        places::store::report_stations(conn, stations),
    )?;
    Ok(())
}

pub(super) fn station(place: &Place) -> Option<Reported> {
    Some(Reported {
        election_id: place.election,
        region_id: place.region?,
        number: place.polling_station.clone()?,
        city_id: place.city,
    })
}
