//! Exports of receipts: every version of every record that the filter finds, a line each, with its proof.
//!
//! The last line states how many there are, so that a file that was cut off is noticed.

use std::collections::VecDeque;

use actix_web::web::Bytes;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures_util::stream;
use serde_json::json;
use uuid::Uuid;

use super::store::Download;
use crate::{
    accounts::Scope,
    db::{
        DbResult, Pool,
        schema::{record_versions, records},
    },
    ledger::{
        self, Ledger,
        entry::{Inclusion, encode_hashes},
        note::Checkpoint,
    },
    records::{RecordKind, filter::Filter, routes::promise, versions::Version},
};

/// Records read at a time.
const PAGE: i64 = 200;

struct State {
    pool: Pool,
    ledger: std::sync::Arc<Ledger>,
    kind: RecordKind,
    filter: Filter,
    scope: Scope,
    /// The checkpoint that all proofs of the file lead to.
    note: Option<(String, Checkpoint)>,
    after: Uuid,
    written: u64,
    done: bool,
}

/// Starts an export of receipts; the memory it takes does not grow.
pub async fn receipts(
    pool: &Pool,
    ledger: std::sync::Arc<Ledger>,
    kind: RecordKind,
    filter: Filter,
    scope: Scope,
) -> DbResult<Download> {
    let note = ledger::store::checkpoint(&mut *pool.get().await?, None).await?;
    let note = note.and_then(|note| {
        let checkpoint = Checkpoint::open(&note, &ledger.signer.verifier()).ok()?;
        Some((note, checkpoint))
    });
    let state = State {
        pool: pool.clone(),
        ledger,
        kind,
        filter,
        scope,
        note,
        after: Uuid::nil(),
        written: 0,
        done: false,
    };
    Ok(Box::pin(stream::unfold(state, |mut state| async move {
        if state.done {
            return None;
        }
        let piece = state.page().await;
        state.done |= piece.is_err();
        Some((piece, state))
    })))
}

impl State {
    async fn page(&mut self) -> DbResult<Bytes> {
        let mut conn = self.pool.get().await?;
        let ids: Vec<Uuid> = records::table
            .filter(self.filter.condition(self.kind, &self.scope))
            .filter(records::id.gt(self.after))
            .order(records::id)
            .limit(PAGE)
            .select(records::id)
            .load(&mut conn)
            .await?;
        let Some(last) = ids.last() else {
            self.done = true;
            return Ok(format!("{}\n", json!({ "receipts": self.written })).into());
        };
        self.after = *last;
        let mut versions: Vec<Version> = record_versions::table
            .filter(record_versions::record_id.eq_any(ids))
            .order((record_versions::record_id, record_versions::version))
            .select(Version::as_select())
            .load(&mut conn)
            .await?;
        versions.retain(|version| version.salt.is_some());
        let size = self.note.as_ref().map_or(0, |(_, checkpoint)| checkpoint.size);
        let commitments = versions.iter().filter_map(|version| version.commitment.clone()).collect();
        let indexes = ledger::store::indexes_of(&mut conn, commitments).await?;
        let index = |version: &Version| {
            let index = *indexes.get(version.commitment.as_ref()?)?;
            (index < size).then_some(index)
        };
        let proved: Vec<u64> = versions.iter().filter_map(index).collect();
        let mut proofs: VecDeque<_> = ledger::store::prove_all(&mut conn, &proved, size).await?.into();
        let mut lines = Vec::new();
        for mut version in versions {
            let Some(mut receipt) = promise(&version, self.kind, &self.ledger) else { continue };
            if let (Some(index), Some((note, _))) = (index(&version), &self.note) {
                let proof = proofs.pop_front().unwrap_or_default();
                receipt.inclusion =
                    Some(Inclusion { index, proof: encode_hashes(&proof), checkpoint: note.clone() });
            }
            receipt.content = version.content.take();
            serde_json::to_writer(&mut lines, &receipt).expect("a receipt is JSON");
            lines.push(b'\n');
            self.written += 1;
        }
        Ok(lines.into())
    }
}
