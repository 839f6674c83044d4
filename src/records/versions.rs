//! The versions of records: what the history keeps and the ledger commits to.

use chrono::{DateTime, Utc};
use diesel::{pg::Pg, prelude::*};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use futures_util::try_join;
use serde_json::Value;
use uuid::Uuid;

use super::{Action, Details, NewRecord, RecordKind, Status};
use crate::{
    db::{
        DbResult, Pool,
        bulk::insert_many,
        schema::{record_versions, records},
        stored,
    },
    ledger::{self, Entry, Ledger, Receipt, VersionEntry},
    places::ElectionId,
};

/// An entry of the history.
#[derive(Clone, Debug, Queryable, Selectable)]
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
    pub duplicate_of: Option<Uuid>,
    pub salt: Option<Vec<u8>>,
    pub commitment: Option<Vec<u8>>,
}

/// What the ledger is told of a record's first version.
fn first_entry<D: Details>(new: &NewRecord<D>) -> Entry {
    Entry::RecordVersion(VersionEntry {
        record: D::KIND.to_string(),
        id: new.id,
        version: 1,
        action: Action::Submitted.to_string(),
        status: Status::Submitted.to_string(),
        by: new.reporter,
        at: ledger::moment(new.received_at),
        note: None,
        duplicate_of: None,
        content_sha256: Some(hex::encode(new.hash)),
    })
}

/// The receipt of a record that was stored just now.
pub fn first_receipt<D: Details>(new: &NewRecord<D>, ledger: &Ledger) -> Receipt {
    Receipt::promise(first_entry(new), &new.salt, &ledger.signer)
}

impl Version {
    /// The first version of a record.
    pub fn first<D: Details>(new: &NewRecord<D>) -> Self {
        Self {
            election_id: new.envelope.place.election,
            record_id: new.id,
            version: 1,
            action: Action::Submitted.to_string(),
            status: Status::Submitted.to_string(),
            actor_id: new.reporter,
            at: new.received_at,
            note: None,
            content: Some(new.content.clone()),
            content_hash: Some(new.hash.to_vec()),
            duplicate_of: None,
            salt: Some(new.salt.to_vec()),
            commitment: Some(first_entry(new).commit(&new.salt).to_vec()),
        }
    }

    /// What the ledger is told of this version.
    pub fn entry(&self, kind: RecordKind) -> Entry {
        Entry::RecordVersion(VersionEntry {
            record: kind.to_string(),
            id: self.record_id,
            version: self.version,
            action: self.action.clone(),
            status: self.status.clone(),
            by: self.actor_id,
            at: ledger::moment(self.at),
            note: self.note.clone(),
            duplicate_of: self.duplicate_of,
            content_sha256: self.content_hash.as_ref().map(hex::encode),
        })
    }

    /// Commits to the version as it is; nothing of it may change any more.
    pub fn commit(&mut self, kind: RecordKind) {
        let salt = self.salt.take().unwrap_or_else(|| ledger::new_salt().to_vec());
        self.commitment = Some(self.entry(kind).commit(&salt).to_vec());
        self.salt = Some(salt);
    }
}

/// Writes versions and queues their commitments for the ledger, in the transaction of `conn`.
pub async fn write(conn: &AsyncPgConnection, versions: &[Version]) -> DbResult<()> {
    let stored = async {
        let mut conn = conn;
        insert_many!(record_versions, versions, {
            election_id: SmallInt, record_id: Uuid, version: Integer, action: Text, status: Text,
            actor_id: Uuid, at: Timestamptz, note: Nullable<Text>, content: Nullable<Jsonb>,
            content_hash: Nullable<Bytea>, duplicate_of: Nullable<Uuid>, salt: Nullable<Bytea>,
            commitment: Nullable<Bytea>,
        })
        .execute(&mut conn)
        .await?;
        DbResult::Ok(())
    };
    let commitments = versions.iter().filter_map(|version| version.commitment.clone());
    try_join!(stored, ledger::store::enqueue(conn, commitments.collect()))?;
    Ok(())
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

/// One version of a record.
pub async fn one(
    conn: &mut AsyncPgConnection,
    election: ElectionId,
    id: Uuid,
    version: i32,
) -> DbResult<Option<Version>> {
    let found = record_versions::table.find((election, id, version)).select(Version::as_select());
    Ok(found.first(conn).await.optional()?)
}

/// Commits to versions from before the ledger, some at a time; answers how many.
pub async fn commit_old(conn: &mut AsyncPgConnection) -> DbResult<usize> {
    conn.transaction(async |conn| {
        let old: Vec<(String, Version)> = record_versions::table
            .inner_join(records::table.on(records::id.eq(record_versions::record_id)))
            .filter(record_versions::commitment.is_null())
            .select((records::kind, Version::as_select()))
            .for_update()
            .limit(1000)
            .load(conn)
            .await?;
        let n = old.len();
        for (kind, mut version) in old {
            version.commit(stored(&kind)?);
            let key = (version.election_id, version.record_id, version.version);
            diesel::update(record_versions::table.find(key))
                .set((
                    record_versions::salt.eq(version.salt),
                    record_versions::commitment.eq(&version.commitment),
                ))
                .execute(conn)
                .await?;
            ledger::store::enqueue(conn, version.commitment.into_iter().collect()).await?;
        }
        DbResult::Ok(n)
    })
    .await
}

/// Commits to every version from before the ledger; then there is nothing more to do.
pub async fn commit_all_old(pool: Pool) {
    loop {
        let old = async { commit_old(&mut *pool.get().await?).await };
        match old.await {
            Ok(0) => return,
            Ok(n) => tracing::info!(n, "committed to versions from before the ledger"),
            Err(error) => {
                tracing::warn!(%error, "versions from before the ledger wait");
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        }
    }
}
