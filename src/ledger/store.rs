//! The ledger in PostgreSQL.

use std::collections::{BTreeMap, HashMap};

use diesel::{QueryableByName, prelude::*, sql_types};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

use super::{
    note::{Checkpoint, NoteSigner},
    tiles::{self, TileId, Tiles, WIDTH},
    tree::{self, Hash, Span},
};
use crate::db::{
    DbError, DbResult,
    bulk::unnest,
    schema::{ledger_checkpoints, ledger_leaves, ledger_queue, ledger_tiles},
};

/// Commitments that one transaction gives their places at most.
const BATCH: i64 = 8192;

/// Writes commitments beside the data that they commit to, in the transaction of `conn`. One statement
/// however many there are, so that it is prepared once.
pub async fn enqueue(mut conn: &AsyncPgConnection, commitments: Vec<Vec<u8>>) -> DbResult<()> {
    if !commitments.is_empty() {
        diesel::select(unnest::<sql_types::Bytea, _>(commitments))
            .insert_into(ledger_queue::table)
            .into_columns(ledger_queue::commitment)
            .execute(&mut conn)
            .await?;
    }
    Ok(())
}

fn corrupt(error: impl std::fmt::Display) -> DbError {
    DbError::Corrupt(format!("the ledger: {error}"))
}

fn hash(bytes: &[u8]) -> DbResult<Hash> {
    bytes.try_into().map_err(|_| corrupt("a hash has not 32 bytes"))
}

/// Leaves in the tree.
pub async fn size(conn: &mut AsyncPgConnection) -> DbResult<u64> {
    let last: Option<(i64, Vec<u8>)> = ledger_tiles::table
        .filter(ledger_tiles::level.eq(0))
        .order(ledger_tiles::idx.desc())
        .select((ledger_tiles::idx, ledger_tiles::hashes))
        .first(conn)
        .await
        .optional()?;
    Ok(last.map_or(0, |(index, hashes)| index as u64 * WIDTH + hashes.len() as u64 / 32))
}

async fn load(conn: &mut AsyncPgConnection, ids: Vec<TileId>) -> DbResult<Tiles> {
    let mut levels: BTreeMap<u8, Vec<i64>> = BTreeMap::new();
    ids.into_iter().for_each(|(level, index)| levels.entry(level).or_default().push(index as i64));
    let mut found = Tiles::default();
    for (level, indexes) in levels {
        let rows: Vec<(i64, Vec<u8>)> = ledger_tiles::table
            .filter(ledger_tiles::level.eq(i16::from(level)).and(ledger_tiles::idx.eq_any(indexes)))
            .select((ledger_tiles::idx, ledger_tiles::hashes))
            .load(conn)
            .await?;
        for (index, hashes) in rows {
            let hashes = hashes.chunks(32).map(hash).collect::<DbResult<_>>()?;
            found.0.insert((level, index as u64), hashes);
        }
    }
    Ok(found)
}

#[derive(QueryableByName)]
struct Taken {
    #[diesel(sql_type = sql_types::Bytea)]
    commitment: Vec<u8>,
}

/// Gives a batch of waiting commitments their places and signs the tree as it is then; answers how many
/// there were. One instance does it at a time.
///
/// # Errors
/// [`DbError::Corrupt`] when the stored tree is not the one signed last: nothing is signed on top of it.
pub async fn sequence(conn: &mut AsyncPgConnection, signer: &NoteSigner) -> DbResult<usize> {
    conn.transaction(async |conn| {
        #[derive(QueryableByName)]
        struct Locked {
            #[diesel(sql_type = sql_types::Bool)]
            locked: bool,
        }
        let lock = "SELECT pg_try_advisory_xact_lock(7089075318311841027) AS locked";
        if !diesel::sql_query(lock).get_result::<Locked>(conn).await?.locked {
            return Ok(0);
        }
        let taken: Vec<Taken> = diesel::sql_query(format!(
            "DELETE FROM ledger_queue WHERE ctid = ANY (ARRAY(SELECT ctid FROM ledger_queue LIMIT {BATCH})) \
             RETURNING commitment"
        ))
        .load(conn)
        .await?;
        let last = checkpoint(conn, None).await?;
        let signed = last.as_deref().and_then(|note| Checkpoint::open(note, &signer.verifier()).ok());
        if taken.is_empty() && signed.is_some() {
            return Ok(0);
        }
        let size = size(conn).await?;
        let mut tiles = load(conn, tiles::edge(size)).await?;
        let root = tiles.root(size).map_err(corrupt)?;
        if signed.is_some_and(|signed| (signed.size, signed.root) != (size, root)) {
            return Err(corrupt("the stored tree is not the one that was signed last"));
        }
        let leaves: Vec<Hash> = taken.iter().map(|it| tree::leaf_hash(&it.commitment)).collect();
        let changed = tiles.append(size, &leaves);
        write_leaves(conn, size, taken).await?;
        if !changed.is_empty() {
            write_tiles(conn, &tiles, &changed).await?;
        }
        let size = size + leaves.len() as u64;
        let root = tiles.root(size).map_err(corrupt)?;
        let note = Checkpoint { origin: signer.name().to_owned(), size, root }.sign(signer);
        diesel::insert_into(ledger_checkpoints::table)
            .values((ledger_checkpoints::size.eq(size as i64), ledger_checkpoints::note.eq(note)))
            .on_conflict_do_nothing()
            .execute(conn)
            .await?;
        Ok(leaves.len())
    })
    .await
}

async fn write_leaves(conn: &mut AsyncPgConnection, size: u64, taken: Vec<Taken>) -> DbResult<()> {
    let commitments: Vec<Vec<u8>> = taken.into_iter().map(|it| it.commitment).collect();
    diesel::sql_query(
        "INSERT INTO ledger_leaves (idx, commitment) \
         SELECT $1 + n - 1, commitment FROM unnest($2) WITH ORDINALITY AS t (commitment, n)",
    )
    .bind::<sql_types::BigInt, _>(size as i64)
    .bind::<sql_types::Array<sql_types::Bytea>, _>(commitments)
    .execute(conn)
    .await?;
    Ok(())
}

async fn write_tiles(conn: &mut AsyncPgConnection, tiles: &Tiles, changed: &[TileId]) -> DbResult<()> {
    let rows: Vec<_> = changed
        .iter()
        .map(|id| {
            (
                ledger_tiles::level.eq(i16::from(id.0)),
                ledger_tiles::idx.eq(id.1 as i64),
                ledger_tiles::hashes.eq(tiles.0[id].concat()),
            )
        })
        .collect();
    diesel::insert_into(ledger_tiles::table)
        .values(rows)
        .on_conflict((ledger_tiles::level, ledger_tiles::idx))
        .do_update()
        .set(ledger_tiles::hashes.eq(diesel::upsert::excluded(ledger_tiles::hashes)))
        .execute(conn)
        .await?;
    Ok(())
}

/// The signed checkpoint of `size`, or the latest.
pub async fn checkpoint(conn: &mut AsyncPgConnection, size: Option<u64>) -> DbResult<Option<String>> {
    let notes = ledger_checkpoints::table
        .select(ledger_checkpoints::note)
        .order((ledger_checkpoints::size.desc(), ledger_checkpoints::at.desc()));
    Ok(match size {
        Some(size) => notes.filter(ledger_checkpoints::size.eq(size as i64)).first(conn).await.optional()?,
        None => notes.first(conn).await.optional()?,
    })
}

/// All checkpoints ever signed, the smallest tree first.
pub async fn checkpoints(conn: &mut AsyncPgConnection) -> DbResult<Vec<String>> {
    let notes = ledger_checkpoints::table.select(ledger_checkpoints::note).order(ledger_checkpoints::size);
    Ok(notes.load(conn).await?)
}

/// A stored tile, as long as it is now.
pub async fn tile(conn: &mut AsyncPgConnection, level: u8, index: u64) -> DbResult<Option<Vec<u8>>> {
    let Ok(index) = i64::try_from(index) else { return Ok(None) };
    let found = ledger_tiles::table.find((i16::from(level), index)).select(ledger_tiles::hashes);
    Ok(found.first(conn).await.optional()?)
}

/// The commitments of `width` leaves from `from` on; fewer where the tree ends or has a gap.
pub async fn leaves(conn: &mut AsyncPgConnection, from: u64, width: u64) -> DbResult<Vec<Vec<u8>>> {
    let Ok(from) = i64::try_from(from) else { return Ok(Vec::new()) };
    let found: Vec<(i64, Vec<u8>)> = ledger_leaves::table
        .filter(ledger_leaves::idx.ge(from).and(ledger_leaves::idx.lt(from.saturating_add(width as i64))))
        .order(ledger_leaves::idx)
        .select((ledger_leaves::idx, ledger_leaves::commitment))
        .load(conn)
        .await?;
    let whole = found.into_iter().zip(from..).take_while(|((index, _), expected)| index == expected);
    Ok(whole.map(|((_, commitment), _)| commitment).collect())
}

/// Where a commitment lies in the tree; `None` while it waits.
pub async fn index_of(conn: &mut AsyncPgConnection, commitment: &[u8]) -> DbResult<Option<u64>> {
    let found = ledger_leaves::table.filter(ledger_leaves::commitment.eq(commitment));
    let index: Option<i64> = found.select(ledger_leaves::idx).first(conn).await.optional()?;
    Ok(index.map(|index| index as u64))
}

/// The hashes of the subtrees that a proof is made of.
pub async fn prove(conn: &mut AsyncPgConnection, spans: &[Span]) -> DbResult<Vec<Hash>> {
    let tiles = load(conn, tiles::needed(spans)).await?;
    spans.iter().map(|span| tiles.hash(*span).map_err(corrupt)).collect()
}

/// Where commitments lie in the tree; those that wait are left out.
pub async fn indexes_of(
    conn: &mut AsyncPgConnection,
    commitments: Vec<Vec<u8>>,
) -> DbResult<HashMap<Vec<u8>, u64>> {
    let found: Vec<(Vec<u8>, i64)> = ledger_leaves::table
        .filter(ledger_leaves::commitment.eq_any(commitments))
        .select((ledger_leaves::commitment, ledger_leaves::idx))
        .load(conn)
        .await?;
    Ok(found.into_iter().map(|(commitment, index)| (commitment, index as u64)).collect())
}

/// The inclusion proof of each index in the tree of `size` leaves; tiles are read once for all.
pub async fn prove_all(conn: &mut AsyncPgConnection, indexes: &[u64], size: u64) -> DbResult<Vec<Vec<Hash>>> {
    let spans: Vec<Vec<Span>> = indexes.iter().map(|index| tree::inclusion(*index, size)).collect();
    let tiles = load(conn, tiles::needed(&spans.concat())).await?;
    let prove = |spans: Vec<Span>| spans.into_iter().map(|span| tiles.hash(span).map_err(corrupt)).collect();
    spans.into_iter().map(prove).collect()
}
