//! Computes the stored tree anew and compares it with every checkpoint that was signed.

use std::collections::BTreeMap;

use diesel::{QueryableByName, sql_types};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{
    note::{Checkpoint, NoteVerifier},
    store,
    tiles::Tiles,
    tree::{self, Hash, Roots},
};
use crate::db::DbResult;

/// Leaves read at a time.
const PAGE: u64 = 256 * 64;

/// Compares leaves, tiles and checkpoints; each thing that does not hold is a line for the person at the
/// terminal. `kept` are checkpoints kept elsewhere.
pub async fn tree(
    conn: &mut AsyncPgConnection,
    verifier: &NoteVerifier,
    kept: &[String],
) -> DbResult<(u64, Vec<String>)> {
    let mut findings = Vec::new();
    let mut signed: BTreeMap<u64, Vec<Hash>> = BTreeMap::new();
    for note in store::checkpoints(conn).await?.iter().chain(kept) {
        match Checkpoint::open(note, verifier) {
            Ok(checkpoint) => signed.entry(checkpoint.size).or_default().push(checkpoint.root),
            Err(error) => findings.push(format!("a checkpoint cannot be trusted: {error}")),
        }
    }
    let mut roots = Roots::default();
    let mut tiles = Tiles::default();
    let check = |roots: &Roots, findings: &mut Vec<String>| {
        let wrong = signed.get(&roots.size()).into_iter().flatten().filter(|root| **root != roots.root());
        findings.extend(
            wrong.map(|_| format!("the first {} entries are not those that were signed", roots.size())),
        );
    };
    check(&roots, &mut findings);
    loop {
        let from = roots.size();
        let leaves = store::leaves(conn, from, PAGE).await?;
        if leaves.is_empty() {
            break;
        }
        let hashes: Vec<Hash> = leaves.iter().map(|leaf| tree::leaf_hash(leaf)).collect();
        tiles.append(from, &hashes);
        for hash in hashes {
            roots.push(hash);
            check(&roots, &mut findings);
        }
        // Others than full ones are stored as they are at the end.
        compare(conn, tiles.take_full(), &mut findings).await?;
    }
    compare(conn, tiles, &mut findings).await?;
    let last = signed.keys().next_back().copied();
    if let Some(last) = last.filter(|last| *last > roots.size()) {
        findings.push(format!("{last} entries were signed, and there are {} without a gap", roots.size()));
    }
    if last.is_none_or(|last| last < roots.size()) {
        findings.push(format!("there are {} entries, and no checkpoint signs them all", roots.size()));
    }
    findings.extend(strays(conn, roots.size()).await?);
    Ok((roots.size(), findings))
}

async fn compare(conn: &mut AsyncPgConnection, tiles: Tiles, findings: &mut Vec<String>) -> DbResult<()> {
    for (id, hashes) in tiles.0 {
        if store::tile(conn, id.0, id.1).await?.is_none_or(|stored| stored != hashes.concat()) {
            findings.push(format!("tile {} of level {} is not the one of the entries", id.1, id.0));
        }
    }
    Ok(())
}

#[derive(QueryableByName)]
struct Stray {
    #[diesel(sql_type = sql_types::Text)]
    what: String,
}

/// Leaves behind a gap, and leaves whose data is gone.
async fn strays(conn: &mut AsyncPgConnection, size: u64) -> DbResult<Vec<String>> {
    let strays: Vec<Stray> = diesel::sql_query(
        "SELECT 'entry ' || idx || ' lies behind a gap' AS what FROM ledger_leaves WHERE idx >= $1 \
         UNION ALL SELECT 'the data of entry ' || l.idx || ' was deleted or altered' FROM ledger_leaves l \
         WHERE NOT EXISTS (SELECT FROM commitments c WHERE c.commitment = l.commitment) \
         UNION ALL SELECT 'a commitment of ' || c.subject || ' is not in the ledger' FROM commitments c \
         WHERE NOT EXISTS (SELECT FROM ledger_leaves l WHERE l.commitment = c.commitment) \
           AND NOT EXISTS (SELECT FROM ledger_queue q WHERE q.commitment = c.commitment)",
    )
    .bind::<sql_types::BigInt, _>(size as i64)
    .load(conn)
    .await?;
    Ok(strays.into_iter().map(|stray| stray.what).collect())
}
