//! Uploads, files and what they belong to, in PostgreSQL.

use chrono::{DateTime, Utc};
use diesel::{pg::Pg, prelude::*, sql_types};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use super::scrub::Scrub;
use crate::{
    accounts::{Scope, UserId},
    db::{
        DbError, DbResult,
        schema::{blobs, evidence, records, upload_parts, uploads},
    },
    ledger::{self, Entry, EvidenceEntry},
    places::ElectionId,
    records::{RecordKind, filter::Filter, fragment::Condition},
};

/// An upload under way.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = uploads, check_for_backend(Pg))]
pub struct Upload {
    pub id: Uuid,
    pub owner_id: UserId,
    pub record_id: Option<Uuid>,
    /// `partial`, `final` or none.
    pub concat: Option<String>,
    pub partials: Vec<Uuid>,
    pub length: i64,
    pub received: i64,
    pub hash_state: Option<Vec<u8>>,
    pub filename: Option<String>,
    pub expires_at: DateTime<Utc>,
    pub evidence_id: Option<Uuid>,
}

/// A piece of an upload in the object store.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = upload_parts, check_for_backend(Pg))]
pub struct Part {
    pub upload_id: Uuid,
    pub start: i64,
    pub length: i64,
    pub object_key: String,
}

/// The bytes of a file.
#[derive(Clone, Debug)]
pub struct Blob {
    pub sha256: Vec<u8>,
    pub size: i64,
    pub media_type: String,
    pub object_key: String,
    pub scrub: Scrub,
}

/// A file that belongs to a record.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = evidence, check_for_backend(Pg))]
pub struct EvidenceRow {
    pub id: Uuid,
    pub election_id: ElectionId,
    pub record_id: Uuid,
    pub sha256: Vec<u8>,
    pub filename: Option<String>,
    pub uploader_id: UserId,
    pub at: DateTime<Utc>,
    pub salt: Vec<u8>,
    pub commitment: Vec<u8>,
}

impl EvidenceRow {
    /// What the ledger is told of it.
    pub fn entry(&self, blob: &Blob) -> Entry {
        Entry::Evidence(EvidenceEntry {
            id: self.id,
            record_id: self.record_id,
            sha256: hex::encode(&self.sha256),
            size: blob.size,
            media_type: blob.media_type.clone(),
            by: self.uploader_id,
            at: ledger::moment(self.at),
        })
    }
}

/// The election of a record within reach, whatever its kind.
pub async fn election_of(
    conn: &mut AsyncPgConnection,
    scope: &Scope,
    record: Uuid,
) -> DbResult<Option<ElectionId>> {
    for kind in [RecordKind::Violation, RecordKind::Protocol, RecordKind::Detention] {
        let condition: Condition = Filter::default().condition(kind, scope);
        let found = records::table.filter(records::id.eq(record)).filter(condition);
        let found: Option<ElectionId> = found.select(records::election_id).first(conn).await.optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Bytes that a person has stored or said they will.
pub async fn used(conn: &mut AsyncPgConnection, owner: UserId) -> DbResult<i64> {
    #[derive(QueryableByName)]
    struct Used {
        #[diesel(sql_type = sql_types::BigInt)]
        used: i64,
    }
    let used: Used = diesel::sql_query(
        "SELECT (SELECT coalesce(sum(b.size), 0) FROM evidence e JOIN blobs b USING (sha256) WHERE e.uploader_id = $1)::bigint \
         + (SELECT coalesce(sum(length), 0) FROM uploads WHERE owner_id = $1 AND evidence_id IS NULL AND concat IS DISTINCT FROM 'final')::bigint \
         AS used",
    )
    .bind::<sql_types::Uuid, _>(owner)
    .get_result(conn)
    .await?;
    Ok(used.used)
}

pub async fn add_upload(conn: &mut AsyncPgConnection, upload: &Upload) -> DbResult<()> {
    diesel::insert_into(uploads::table).values(upload).execute(conn).await?;
    Ok(())
}

/// An upload that has not expired.
pub async fn upload(conn: &mut AsyncPgConnection, id: Uuid) -> DbResult<Option<Upload>> {
    let found = uploads::table.find(id).filter(uploads::expires_at.gt(Utc::now()));
    Ok(found.select(Upload::as_select()).first(conn).await.optional()?)
}

/// Whether there is such an upload, expired or not.
pub async fn is_known(conn: &mut AsyncPgConnection, id: Uuid) -> DbResult<bool> {
    Ok(diesel::select(diesel::dsl::exists(uploads::table.find(id))).get_result(conn).await?)
}

/// Adds pieces that begin where the upload stood; `false` when somebody else went on with it.
pub async fn advance(
    conn: &mut AsyncPgConnection,
    upload: Uuid,
    from: i64,
    parts: &[Part],
    hash_state: Vec<u8>,
    expires_at: DateTime<Utc>,
) -> DbResult<bool> {
    let length: i64 = parts.iter().map(|part| part.length).sum();
    let done = conn.transaction(async |conn| {
        let there = uploads::table.find(upload).filter(uploads::received.eq(from));
        let moved = diesel::update(there)
            .set((
                uploads::received.eq(from + length),
                uploads::hash_state.eq(hash_state),
                uploads::expires_at.eq(expires_at),
            ))
            .execute(conn)
            .await?;
        if moved == 1 {
            diesel::insert_into(upload_parts::table).values(parts).execute(conn).await?;
        }
        QueryResult::Ok(moved == 1)
    });
    Ok(done.await?)
}

/// The pieces of uploads, in the order of `ids` and then of their bytes.
pub async fn parts(conn: &mut AsyncPgConnection, ids: &[Uuid]) -> DbResult<Vec<Part>> {
    let mut found: Vec<Part> = upload_parts::table
        .filter(upload_parts::upload_id.eq_any(ids))
        .select(Part::as_select())
        .load(conn)
        .await?;
    let place = |part: &Part| (ids.iter().position(|id| *id == part.upload_id), part.start);
    found.sort_by_key(place);
    Ok(found)
}

/// Forgets an upload; its objects are the caller's to remove.
pub async fn forget(conn: &mut AsyncPgConnection, upload: Uuid) -> DbResult<bool> {
    Ok(diesel::delete(uploads::table.find(upload)).execute(conn).await? > 0)
}

/// Uploads that expired, and full ones that were never finished.
pub async fn stale(conn: &mut AsyncPgConnection) -> DbResult<(Vec<Uuid>, Vec<Uuid>)> {
    let expired = uploads::table.filter(uploads::expires_at.le(Utc::now())).select(uploads::id).limit(1000);
    let expired = expired.load(conn).await?;
    let full = uploads::table
        .filter(uploads::received.eq(uploads::length).and(uploads::evidence_id.is_null()))
        .filter(uploads::concat.is_distinct_from("partial"))
        .filter(uploads::expires_at.gt(Utc::now()))
        .select(uploads::id)
        .limit(100);
    Ok((expired, full.load(conn).await?))
}

type BlobRow = (Vec<u8>, i64, String, String, Value);

fn to_blob(row: BlobRow) -> DbResult<Blob> {
    let (sha256, size, media_type, object_key, scrub) = row;
    let scrub = serde_json::from_value(scrub).map_err(|error| DbError::Corrupt(format!("scrub: {error}")))?;
    Ok(Blob { sha256, size, media_type, object_key, scrub })
}

const BLOB: (blobs::sha256, blobs::size, blobs::media_type, blobs::object_key, blobs::scrub) =
    (blobs::sha256, blobs::size, blobs::media_type, blobs::object_key, blobs::scrub);

pub async fn blob(conn: &mut AsyncPgConnection, sha256: &[u8]) -> DbResult<Option<Blob>> {
    blobs::table.find(sha256).select(BLOB).first(conn).await.optional()?.map(to_blob).transpose()
}

/// Makes an upload a file of its record: the row, its commitment and the end of the upload in one
/// transaction. Done twice it answers the first.
pub async fn finish(
    conn: &mut AsyncPgConnection,
    upload: Uuid,
    blob: &Blob,
    mut row: EvidenceRow,
) -> DbResult<Uuid> {
    row.commitment = row.entry(blob).commit(&row.salt).to_vec();
    let done = conn.transaction(async |conn| {
        let before: Option<Uuid> =
            uploads::table.find(upload).select(uploads::evidence_id).for_update().first(conn).await?;
        if let Some(before) = before {
            return Ok(before);
        }
        diesel::insert_into(blobs::table)
            .values((
                blobs::sha256.eq(&blob.sha256),
                blobs::size.eq(blob.size),
                blobs::media_type.eq(&blob.media_type),
                blobs::object_key.eq(&blob.object_key),
                blobs::scrub.eq(serde_json::to_value(&blob.scrub).expect("a scrub is JSON")),
            ))
            .on_conflict_do_nothing()
            .execute(conn)
            .await?;
        diesel::insert_into(evidence::table).values(&row).execute(conn).await?;
        ledger::store::enqueue(conn, vec![row.commitment.clone()]).await?;
        let partials: Vec<Uuid> = diesel::update(uploads::table.find(upload))
            .set(uploads::evidence_id.eq(row.id))
            .returning(uploads::partials)
            .get_result(conn)
            .await?;
        diesel::delete(upload_parts::table.filter(upload_parts::upload_id.eq(upload))).execute(conn).await?;
        diesel::delete(uploads::table.filter(uploads::id.eq_any(partials))).execute(conn).await?;
        DbResult::Ok(row.id)
    });
    done.await
}

/// The files of a record, the first first.
pub async fn of_record(conn: &mut AsyncPgConnection, record: Uuid) -> DbResult<Vec<(EvidenceRow, Blob)>> {
    let rows: Vec<(EvidenceRow, BlobRow)> = evidence::table
        .inner_join(blobs::table.on(blobs::sha256.eq(evidence::sha256)))
        .filter(evidence::record_id.eq(record))
        .order((evidence::at, evidence::id))
        .select((EvidenceRow::as_select(), BLOB))
        .load(conn)
        .await?;
    rows.into_iter().map(|(row, blob)| Ok((row, to_blob(blob)?))).collect()
}

/// One file; who may see it is decided by its record.
pub async fn one(conn: &mut AsyncPgConnection, id: Uuid) -> DbResult<Option<(EvidenceRow, Blob)>> {
    let row: Option<EvidenceRow> =
        evidence::table.find(id).select(EvidenceRow::as_select()).first(conn).await.optional()?;
    let Some(row) = row else { return Ok(None) };
    let found = blob(conn, &row.sha256).await?;
    let found = found.ok_or_else(|| DbError::Corrupt(format!("evidence {id} without its file")))?;
    Ok(Some((row, found)))
}

/// Files after an id, for the audit.
pub async fn page(conn: &mut AsyncPgConnection, after: Uuid) -> DbResult<Vec<(EvidenceRow, Blob)>> {
    let rows: Vec<(EvidenceRow, BlobRow)> = evidence::table
        .inner_join(blobs::table.on(blobs::sha256.eq(evidence::sha256)))
        .filter(evidence::id.gt(after))
        .order(evidence::id)
        .limit(500)
        .select((EvidenceRow::as_select(), BLOB))
        .load(conn)
        .await?;
    rows.into_iter().map(|(row, blob)| Ok((row, to_blob(blob)?))).collect()
}
