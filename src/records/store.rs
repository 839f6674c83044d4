//! Records in PostgreSQL. Every change writes the record, its history and its counts in one transaction.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::{dsl::sql, pg::Pg, prelude::*, sql_types};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use super::{
    Action, Details, Envelope, NewRecord, Record, Review, Status, filter::Condition, filter::Filter,
};
use crate::{
    accounts::{Scope, UserId},
    aggregates::deltas::{self, Cell},
    db::{
        DbError, DbResult,
        schema::{record_versions, records},
        stored,
    },
    places::{self, ElectionId, Place, store::Station},
};

/// Where the details of one kind are kept.
pub trait DetailsTable: Details {
    fn insert(
        conn: &mut AsyncPgConnection,
        rows: Vec<(ElectionId, Uuid, &Self)>,
    ) -> impl Future<Output = QueryResult<()>> + Send;

    fn delete(
        conn: &mut AsyncPgConnection,
        election: ElectionId,
        id: Uuid,
    ) -> impl Future<Output = QueryResult<()>> + Send;

    fn load(
        conn: &mut AsyncPgConnection,
        election: ElectionId,
        ids: Vec<Uuid>,
        facets: &HashMap<Uuid, StoredFacets>,
    ) -> impl Future<Output = DbResult<HashMap<Uuid, Self>>> + Send;
}

/// What the envelope keeps of the details, because lists are filtered by it.
#[derive(Clone, Debug)]
pub struct StoredFacets {
    pub category: String,
    pub severity: Option<String>,
}

/// A row of the envelope.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = records, check_for_backend(Pg))]
struct Row {
    election_id: i16,
    id: Uuid,
    kind: String,
    region_id: Option<i16>,
    city_id: Option<i32>,
    polling_station: Option<String>,
    occurred_at: DateTime<Utc>,
    time_precision: String,
    local_date: NaiveDate,
    category: String,
    severity: Option<String>,
    people: i32,
    description: String,
    status: String,
    duplicate_of: Option<Uuid>,
    version: i32,
    reporter_id: Uuid,
    received_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    submitted_hash: Vec<u8>,
    source_id: Option<i32>,
    passage: Option<i32>,
}

impl Row {
    fn new<D: Details>(new: &NewRecord<D>, hash: Vec<u8>) -> Self {
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
            submitted_hash: hash,
            source_id: envelope.source,
            passage: envelope.passage,
        }
    }

    fn cell(&self) -> Cell {
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

    fn into_record<D: Details>(self, details: D) -> DbResult<Record<D>> {
        let place = Place {
            election: self.election_id,
            region: self.region_id,
            city: self.city_id,
            polling_station: self.polling_station,
            time_zone: chrono_tz::UTC,
        };
        let envelope = Envelope {
            place,
            occurred_at: self.occurred_at,
            precision: stored(&self.time_precision)?,
            local_date: self.local_date,
            description: self.description,
            source: self.source_id,
            passage: self.passage,
        };
        Ok(Record {
            id: self.id,
            reporter: self.reporter_id,
            envelope,
            details,
            status: stored(&self.status)?,
            duplicate_of: self.duplicate_of,
            version: self.version,
            received_at: self.received_at,
            updated_at: self.updated_at,
        })
    }
}

/// An entry of the history.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = record_versions, check_for_backend(Pg))]
pub struct Version {
    pub election_id: i16,
    pub record_id: Uuid,
    pub version: i32,
    pub action: String,
    pub status: String,
    pub actor_id: Uuid,
    pub at: DateTime<Utc>,
    pub note: Option<String>,
    pub content: Option<Value>,
    pub content_hash: Option<Vec<u8>>,
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
    let hashes: Vec<Vec<u8>> = batch.iter().map(|new| new.hash().to_vec()).collect();
    let mut first: HashMap<Uuid, usize> = HashMap::new();
    for (i, new) in batch.iter().enumerate() {
        first.entry(new.id).or_insert(i);
    }
    // One order for all, so that two batches with the same ids never wait for each other in a ring.
    let mut chosen: Vec<usize> = first.values().copied().collect();
    chosen.sort_by_key(|i| batch[*i].id);

    let (created, before) = conn
        .transaction(async |conn| {
            let rows: Vec<Row> = chosen.iter().map(|i| Row::new(&batch[*i], hashes[*i].clone())).collect();
            let created: Vec<Uuid> = match rows.as_slice() {
                // A statement for one row is prepared once and used again.
                [row] => {
                    diesel::insert_into(records::table)
                        .values(row)
                        .on_conflict_do_nothing()
                        .returning(records::id)
                        .load(conn)
                        .await?
                }
                rows => {
                    diesel::insert_into(records::table)
                        .values(rows)
                        .on_conflict_do_nothing()
                        .returning(records::id)
                        .load(conn)
                        .await?
                }
            };
            let created_set: std::collections::HashSet<Uuid> = created.iter().copied().collect();
            let fresh: Vec<usize> =
                chosen.iter().copied().filter(|i| created_set.contains(&batch[*i].id)).collect();
            if !fresh.is_empty() {
                write_new(conn, batch, &hashes, &fresh).await?;
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
            Ok::<_, DbError>((created_set, before))
        })
        .await?;

    let outcome = |(i, new): (usize, &NewRecord<D>)| {
        let same_as = |other: usize| hashes[i] == hashes[other] && new.reporter == batch[other].reporter;
        if created.contains(&new.id) {
            let first = first[&new.id];
            return match first == i {
                true => Outcome::Created,
                false if same_as(first) => Outcome::Replayed,
                false => Outcome::Conflict,
            };
        }
        let same = before.iter().any(|(id, kind, reporter, hash)| {
            *id == new.id && kind == D::KIND.word() && *reporter == new.reporter && *hash == hashes[i]
        });
        if same { Outcome::Replayed } else { Outcome::Conflict }
    };
    Ok(batch.iter().enumerate().map(outcome).collect())
}

/// All that stands beside a new record.
async fn write_new<D: DetailsTable>(
    conn: &mut AsyncPgConnection,
    batch: &[NewRecord<D>],
    hashes: &[Vec<u8>],
    fresh: &[usize],
) -> DbResult<()> {
    let details = fresh.iter().map(|i| (batch[*i].envelope.place.election, batch[*i].id, &batch[*i].details));
    D::insert(conn, details.collect()).await?;
    let versions: Vec<Version> = fresh
        .iter()
        .map(|i| {
            let new = &batch[*i];
            Version {
                election_id: new.envelope.place.election,
                record_id: new.id,
                version: 1,
                action: Action::Submitted.to_string(),
                status: Status::Submitted.to_string(),
                actor_id: new.reporter,
                at: new.received_at,
                note: None,
                content: Some(new.content.clone()),
                content_hash: Some(hashes[*i].clone()),
            }
        })
        .collect();
    match versions.as_slice() {
        [version] => diesel::insert_into(record_versions::table).values(version).execute(conn).await?,
        versions => diesel::insert_into(record_versions::table).values(versions).execute(conn).await?,
    };
    let cells = fresh.iter().map(|i| (Row::new(&batch[*i], Vec::new()).cell(), 1));
    deltas::write(conn, cells.collect()).await?;
    let stations = fresh.iter().filter_map(|i| station(&batch[*i].envelope.place)).collect();
    places::store::report_stations(conn, stations).await
}

fn station(place: &Place) -> Option<Station> {
    Some(Station {
        election_id: place.election,
        region_id: place.region?,
        number: place.polling_station.clone()?,
        city_id: place.city,
        address: None,
        origin: "reported".to_owned(),
    })
}

/// One record within the caller's reach.
pub async fn get<D: DetailsTable>(
    conn: &mut AsyncPgConnection,
    scope: &Scope,
    id: Uuid,
) -> DbResult<Option<Record<D>>> {
    let found: Option<Row> = records::table
        .filter(records::id.eq(id).and(Filter::default().condition(D::KIND, scope)))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    match found {
        None => Ok(None),
        Some(row) => Ok(with_details(conn, vec![row]).await?.pop()),
    }
}

async fn with_details<D: DetailsTable>(
    conn: &mut AsyncPgConnection,
    rows: Vec<Row>,
) -> DbResult<Vec<Record<D>>> {
    let mut ids: HashMap<ElectionId, Vec<Uuid>> = HashMap::new();
    let mut facets = HashMap::new();
    for row in &rows {
        ids.entry(row.election_id).or_default().push(row.id);
        let (category, severity) = (row.category.clone(), row.severity.clone());
        facets.insert(row.id, StoredFacets { category, severity });
    }
    let mut details = HashMap::new();
    // One election at a time (a list seldom has more): the index is then walked by id.
    for (election, ids) in ids {
        details.extend(D::load(conn, election, ids, &facets).await?);
    }
    rows.into_iter()
        .map(|row| {
            let details = details.remove(&row.id);
            let details =
                details.ok_or_else(|| DbError::Corrupt(format!("record {} without details", row.id)))?;
            row.into_record(details)
        })
        .collect()
}

/// By which moment a list is sorted, and which end comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Sort {
    pub by_arrival: bool,
    pub ascending: bool,
}

/// The last record of the page before.
pub type Mark = (DateTime<Utc>, Uuid);

/// A page of records, at most `limit` of them.
pub async fn list<D: DetailsTable>(
    conn: &mut AsyncPgConnection,
    condition: Condition,
    sort: Sort,
    after: Option<Mark>,
    limit: i64,
) -> DbResult<Vec<Record<D>>> {
    let mut query = records::table.select(Row::as_select()).filter(condition).limit(limit).into_boxed();
    if let Some((at, id)) = after {
        // A comparison of rows walks the index from where the page before ended.
        let start = match (sort.by_arrival, sort.ascending) {
            (false, false) => "(records.occurred_at, records.id) < (",
            (false, true) => "(records.occurred_at, records.id) > (",
            (true, false) => "(records.received_at, records.id) < (",
            (true, true) => "(records.received_at, records.id) > (",
        };
        query = query.filter(
            sql::<sql_types::Bool>(start)
                .bind::<sql_types::Timestamptz, _>(at)
                .sql(", ")
                .bind::<sql_types::Uuid, _>(id)
                .sql(")"),
        );
    }
    query = match (sort.by_arrival, sort.ascending) {
        (false, false) => query.order((records::occurred_at.desc(), records::id.desc())),
        (false, true) => query.order((records::occurred_at, records::id)),
        (true, false) => query.order((records::received_at.desc(), records::id.desc())),
        (true, true) => query.order((records::received_at, records::id)),
    };
    let rows: Vec<Row> = query.load(conn).await?;
    with_details(conn, rows).await
}

/// The history of a record, first entry first.
pub async fn history(conn: &mut AsyncPgConnection, election: ElectionId, id: Uuid) -> DbResult<Vec<Version>> {
    Ok(record_versions::table
        .filter(record_versions::election_id.eq(election).and(record_versions::record_id.eq(id)))
        .select(Version::as_select())
        .order(record_versions::version)
        .load(conn)
        .await?)
}

/// Why a change was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Somebody changed the record in between.
    Stale,
    /// Its status does not allow it.
    State,
    /// There is no such record to be a duplicate of.
    UnknownOriginal,
}

/// A change to a record.
pub enum Change<D> {
    Edit(Box<NewRecord<D>>),
    Withdraw(Option<String>),
    Review(Review),
}

/// Makes a change to the record, if it is still at `version`; answers the record as it stands then.
pub async fn change<D: DetailsTable>(
    conn: &mut AsyncPgConnection,
    actor: UserId,
    scope: &Scope,
    record: &Record<D>,
    change: Change<D>,
) -> DbResult<Result<Record<D>, Refusal>> {
    let changed = conn.transaction(async |conn| {
        let before: Row = records::table
            .find((record.envelope.place.election, record.id))
            .for_update()
            .select(Row::as_select())
            .first(conn)
            .await?;
        if before.version != record.version {
            return Ok(Err(Refusal::Stale));
        }
        let status: Status = stored(&before.status)?;
        let now = super::now();
        let mut after = before.clone();
        let mut entry = Version {
            election_id: before.election_id,
            record_id: before.id,
            version: before.version + 1,
            action: Action::Reviewed.to_string(),
            status: String::new(),
            actor_id: actor,
            at: now,
            note: None,
            content: None,
            content_hash: None,
        };
        match &change {
            Change::Edit(_) | Change::Withdraw(_) if !status.is_open() => return Ok(Err(Refusal::State)),
            Change::Edit(new) => {
                let hash = new.hash().to_vec();
                after = Row { submitted_hash: before.submitted_hash.clone(), ..Row::new(new, hash.clone()) };
                after.id = before.id;
                after.reporter_id = before.reporter_id;
                after.received_at = before.received_at;
                entry.action = Action::Edited.to_string();
                entry.content = Some(new.content.clone());
                entry.content_hash = Some(hash);
            }
            Change::Withdraw(note) => {
                after.status = Status::Withdrawn.to_string();
                entry.action = Action::Withdrawn.to_string();
                entry.note = note.clone();
            }
            Change::Review(review) => {
                let Some(status) = status.after(review.decision) else { return Ok(Err(Refusal::State)) };
                if let Some(original) = review.duplicate_of {
                    let same_kind = records::table
                        .filter(records::id.eq(original).and(records::id.ne(before.id)))
                        .filter(records::election_id.eq(before.election_id))
                        .filter(Filter::default().condition(D::KIND, scope));
                    if !diesel::select(diesel::dsl::exists(same_kind)).get_result::<bool>(conn).await? {
                        return Ok(Err(Refusal::UnknownOriginal));
                    }
                }
                after.status = status.to_string();
                after.duplicate_of = review.duplicate_of;
                entry.note = review.note.clone();
            }
        }
        after.version = entry.version;
        after.updated_at = now;
        entry.status = after.status.clone();
        if let Change::Edit(new) = &change {
            replace::<D>(conn, &before, &after).await?;
            D::insert(conn, vec![(after.election_id, after.id, &new.details)]).await?;
            entry.election_id = after.election_id;
            let station = station(&new.envelope.place).into_iter().collect();
            places::store::report_stations(conn, station).await?;
        } else {
            diesel::update(records::table.find((before.election_id, before.id)))
                .set((
                    records::status.eq(&after.status),
                    records::duplicate_of.eq(after.duplicate_of),
                    records::version.eq(after.version),
                    records::updated_at.eq(after.updated_at),
                ))
                .execute(conn)
                .await?;
        }
        diesel::insert_into(record_versions::table).values(&entry).execute(conn).await?;
        deltas::write(conn, vec![(before.cell(), -1), (after.cell(), 1)]).await?;
        let details = match change {
            Change::Edit(new) => new.details,
            _ => record.details.clone(),
        };
        DbResult::Ok(Ok(after.into_record(details)?))
    });
    changed.await
}

/// Replaces the row by its edited form. The route keeps the election: the keys of the history hold it.
async fn replace<D: DetailsTable>(conn: &mut AsyncPgConnection, before: &Row, after: &Row) -> DbResult<()> {
    D::delete(conn, before.election_id, before.id).await?;
    diesel::update(records::table.find((before.election_id, before.id)))
        .set((
            (
                records::region_id.eq(after.region_id),
                records::city_id.eq(after.city_id),
                records::polling_station.eq(&after.polling_station),
                records::occurred_at.eq(after.occurred_at),
                records::time_precision.eq(&after.time_precision),
                records::local_date.eq(after.local_date),
                records::category.eq(&after.category),
                records::severity.eq(&after.severity),
            ),
            (
                records::people.eq(after.people),
                records::description.eq(&after.description),
                records::status.eq(&after.status),
                records::version.eq(after.version),
                records::updated_at.eq(after.updated_at),
                records::source_id.eq(after.source_id),
                records::passage.eq(after.passage),
            ),
        ))
        .execute(conn)
        .await?;
    Ok(())
}
