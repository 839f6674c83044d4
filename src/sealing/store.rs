//! Recipients, sealed persons and the log of who read them, in PostgreSQL.

use chrono::{DateTime, Utc};
use diesel::{pg::Pg, prelude::*};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::FreshSeal;
use crate::{
    accounts::{Scope, UserId},
    db::{
        DbResult,
        schema::{recipients, records, sealed_persons, sealed_reads},
    },
    places::ElectionId,
    records::{RecordKind, filter::Filter, fragment::Condition, vocabulary},
};

vocabulary! {
    /// What somebody did with what is sealed.
    SealedAction { Opened, Searched, Resealed }
}

vocabulary! {
    /// To what the sealed data belongs.
    SealedSubject { Detention, Enquiry }
}

/// A key of the coalition.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = recipients, check_for_backend(Pg))]
pub struct RecipientRow {
    pub id: Uuid,
    pub public_key: String,
    pub label: String,
    pub added_at: DateTime<Utc>,
    pub retired_at: Option<DateTime<Utc>>,
}

/// The keys that names are sealed to, the oldest first.
pub async fn active(conn: &mut AsyncPgConnection) -> DbResult<Vec<RecipientRow>> {
    Ok(recipients::table
        .filter(recipients::retired_at.is_null())
        .order((recipients::added_at, recipients::id))
        .select(RecipientRow::as_select())
        .load(conn)
        .await?)
}

/// Adds a key, or takes a retired one back into use.
pub async fn add(
    conn: &mut AsyncPgConnection,
    public_key: &str,
    label: &str,
    by: Option<UserId>,
) -> DbResult<RecipientRow> {
    Ok(diesel::insert_into(recipients::table)
        .values((
            recipients::id.eq(Uuid::now_v7()),
            recipients::public_key.eq(public_key),
            recipients::label.eq(label),
            recipients::added_by.eq(by),
        ))
        .on_conflict(recipients::public_key)
        .do_update()
        .set((recipients::label.eq(label), recipients::retired_at.eq(None::<DateTime<Utc>>)))
        .returning(RecipientRow::as_returning())
        .get_result(conn)
        .await?)
}

/// Takes a key out of use, by id or by itself; `false`: there is no such key in use.
pub async fn retire(conn: &mut AsyncPgConnection, key: &str) -> DbResult<bool> {
    let id = Uuid::parse_str(key).unwrap_or_default();
    let found = recipients::public_key.eq(key).or(recipients::id.eq(id));
    let active = recipients::table.filter(found.and(recipients::retired_at.is_null()));
    let retired = diesel::update(active).set(recipients::retired_at.eq(Utc::now())).execute(conn).await?;
    Ok(retired > 0)
}

/// Stores a seal, in the place of the one before.
pub async fn put(
    mut conn: &AsyncPgConnection,
    election: ElectionId,
    record: Uuid,
    seal: &FreshSeal,
) -> QueryResult<()> {
    let values = (
        sealed_persons::armour.eq(&seal.armour),
        sealed_persons::tokens.eq(&seal.tokens),
        sealed_persons::sealed_to.eq(&seal.sealed_to),
        sealed_persons::sealed_at.eq(Utc::now()),
    );
    diesel::insert_into(sealed_persons::table)
        .values((sealed_persons::election_id.eq(election), sealed_persons::record_id.eq(record), values))
        .on_conflict((sealed_persons::election_id, sealed_persons::record_id))
        .do_update()
        .set(values)
        .execute(&mut conn)
        .await?;
    Ok(())
}

/// Puts a seal made anew in the place of the old one, and notes it. Without tokens those there are stay.
pub async fn replace(
    conn: &mut AsyncPgConnection,
    by: UserId,
    election: ElectionId,
    record: Uuid,
    seal: FreshSeal,
    tokens: Option<Vec<Vec<u8>>>,
) -> DbResult<()> {
    let done = conn.transaction(async |conn| {
        let kept: Vec<Vec<u8>> =
            sealed_persons::table.find((election, record)).select(sealed_persons::tokens).first(conn).await?;
        put(conn, election, record, &FreshSeal { tokens: tokens.unwrap_or(kept), ..seal }).await?;
        let subject = SealedSubject::Detention;
        note(conn, by, SealedAction::Resealed, subject, &[Some(record)], None).await
    });
    Ok(done.await?)
}

/// Forgets a seal.
pub async fn remove(conn: &mut AsyncPgConnection, election: ElectionId, record: Uuid) -> QueryResult<()> {
    diesel::delete(sealed_persons::table.find((election, record))).execute(conn).await?;
    Ok(())
}

/// A sealed person of a record.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = sealed_persons, check_for_backend(Pg))]
pub struct Sealed {
    pub record_id: Uuid,
    pub armour: String,
    pub sealed_to: Vec<String>,
    pub sealed_at: DateTime<Utc>,
}

/// Notes who does what with sealed data, in the transaction that lets them.
pub async fn note(
    conn: &mut AsyncPgConnection,
    reader: UserId,
    action: SealedAction,
    subject: SealedSubject,
    ids: &[Option<Uuid>],
    reason: Option<&str>,
) -> QueryResult<()> {
    let row = |id: &Option<Uuid>| {
        (
            sealed_reads::reader_id.eq(reader),
            sealed_reads::action.eq(action.word()),
            sealed_reads::subject.eq(subject.word()),
            sealed_reads::subject_id.eq(*id),
            sealed_reads::reason.eq(reason),
        )
    };
    diesel::insert_into(sealed_reads::table)
        .values(ids.iter().map(row).collect::<Vec<_>>())
        .execute(conn)
        .await?;
    Ok(())
}

/// The ids of detentions within reach.
#[diesel::dsl::auto_type]
fn within(scope: &Scope) -> _ {
    let condition: Condition = Filter::default().condition(RecordKind::Detention, scope);
    records::table.filter(condition).select(records::id)
}

/// Hands out sealed persons of records within reach, and notes it. With `record` that one alone, else a
/// page after the id `after`.
pub async fn read(
    conn: &mut AsyncPgConnection,
    reader: UserId,
    scope: &Scope,
    record: Option<Uuid>,
    after: Uuid,
    limit: i64,
    reason: Option<&str>,
) -> DbResult<Vec<Sealed>> {
    // One record is a page that holds it alone.
    let (after, last) = match record {
        Some(record) => (Uuid::from_u128(record.as_u128().saturating_sub(1)), record),
        None => (after, Uuid::max()),
    };
    let found = conn.transaction(async |conn| {
        let found: Vec<Sealed> = sealed_persons::table
            .filter(sealed_persons::record_id.eq_any(within(scope)))
            .filter(sealed_persons::record_id.gt(after).and(sealed_persons::record_id.le(last)))
            .order(sealed_persons::record_id)
            .limit(limit)
            .select(Sealed::as_select())
            .load(conn)
            .await?;
        if !found.is_empty() {
            let ids: Vec<_> = found.iter().map(|it| Some(it.record_id)).collect();
            note(conn, reader, SealedAction::Opened, SealedSubject::Detention, &ids, reason).await?;
        }
        DbResult::Ok(found)
    });
    found.await
}

/// Detentions that a search answers at most.
const SHOWN: usize = 50;

/// The detentions within reach that share a token, those that share most first.
pub async fn search(conn: &mut AsyncPgConnection, scope: &Scope, tokens: &[Vec<u8>]) -> DbResult<Vec<Uuid>> {
    let found: Vec<(Uuid, Vec<Vec<u8>>)> = sealed_persons::table
        .filter(sealed_persons::record_id.eq_any(within(scope)))
        .filter(sealed_persons::tokens.overlaps_with(tokens.to_vec()))
        .select((sealed_persons::record_id, sealed_persons::tokens))
        .limit(200)
        .load(conn)
        .await?;
    let shared = |its: &[Vec<u8>]| its.iter().filter(|token| tokens.contains(token)).count();
    let mut ranked: Vec<(usize, Uuid)> = found.iter().map(|(id, its)| (shared(its), *id)).collect();
    ranked.sort_by_key(|(n, id)| (std::cmp::Reverse(*n), *id));
    Ok(ranked.into_iter().map(|(_, id)| id).take(SHOWN).collect())
}

/// An entry of the log.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = sealed_reads, check_for_backend(Pg))]
pub struct ReadRow {
    pub id: i64,
    pub at: DateTime<Utc>,
    pub reader_id: Uuid,
    pub action: String,
    pub subject: String,
    pub subject_id: Option<Uuid>,
    pub reason: Option<String>,
}

/// The log, the latest first, from before the entry `before`.
pub async fn log(conn: &mut AsyncPgConnection, before: Option<i64>, limit: i64) -> DbResult<Vec<ReadRow>> {
    Ok(sealed_reads::table
        .filter(sealed_reads::id.lt(before.unwrap_or(i64::MAX)))
        .order(sealed_reads::id.desc())
        .limit(limit)
        .select(ReadRow::as_select())
        .load(conn)
        .await?)
}
