//! Changes to a record that is there: edited, withdrawn, reviewed.

use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

use super::{
    Action, NewRecord, Record, Review, Status,
    filter::Filter,
    store::{DetailsTable, Row, station},
    versions::{self, Version},
};
use crate::{
    accounts::{Scope, UserId},
    aggregates::deltas,
    db::{DbResult, schema::records, stored},
    places,
};

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
    /// What came after: the record is told anew, its review stands.
    Update(Box<NewRecord<D>>, Option<String>),
    Withdraw(Option<String>),
    Review(Review),
}

/// Makes a change to the record, if it is still at `version`; answers the record as it stands then, and
/// the version that the change made.
pub async fn change<D: DetailsTable>(
    conn: &mut AsyncPgConnection,
    actor: UserId,
    scope: &Scope,
    record: &Record<D>,
    change: Change<D>,
) -> DbResult<Result<(Record<D>, Version), Refusal>> {
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
            duplicate_of: None,
            salt: None,
            commitment: None,
        };
        match &change {
            Change::Edit(_) | Change::Withdraw(_) if !status.is_open() => return Ok(Err(Refusal::State)),
            Change::Update(..) if status == Status::Withdrawn => return Ok(Err(Refusal::State)),
            Change::Edit(new) | Change::Update(new, _) => {
                after = Row { submitted_hash: before.submitted_hash.clone(), ..Row::new(new) };
                after.id = before.id;
                after.reporter_id = before.reporter_id;
                after.received_at = before.received_at;
                entry.action = Action::Edited.to_string();
                if let Change::Update(_, note) = &change {
                    after.status = before.status.clone();
                    after.duplicate_of = before.duplicate_of;
                    entry.action = Action::Updated.to_string();
                    entry.note = note.clone();
                }
                entry.content = Some(new.content.clone());
                entry.content_hash = Some(new.hash.to_vec());
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
        if let Change::Edit(new) | Change::Update(new, _) = &change {
            replace(conn, &before, &after, &new.details).await?;
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
        entry.duplicate_of = after.duplicate_of;
        entry.commit(D::KIND);
        versions::write(conn, std::slice::from_ref(&entry)).await?;
        deltas::write(conn, vec![(before.cell(), -1), (after.cell(), 1)]).await?;
        let told = match change {
            Change::Edit(new) | Change::Update(new, _) => (new.envelope, new.details),
            _ => (record.envelope.clone(), record.details.clone()),
        };
        let changed = Record {
            id: after.id,
            reporter: after.reporter_id,
            envelope: told.0,
            details: told.1,
            status: stored(&after.status)?,
            duplicate_of: after.duplicate_of,
            version: after.version,
            received_at: after.received_at,
            updated_at: after.updated_at,
        };
        DbResult::Ok(Ok((changed, entry)))
    });
    changed.await
}

/// Replaces the row by its edited form. The route keeps the election: the keys of the history hold it.
async fn replace<D: DetailsTable>(
    conn: &mut AsyncPgConnection,
    before: &Row,
    after: &Row,
    next: &D,
) -> DbResult<()> {
    D::delete(conn, before.election_id, before.id, next).await?;
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
