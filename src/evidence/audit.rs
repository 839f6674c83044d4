//! Compares files with what the ledger committed to, and, where asked, their bytes with their hashes.

use diesel_async::AsyncPgConnection;
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{objects::Objects, store};
use crate::db::DbResult;

/// Checks all files; with `objects` their bytes too. Answers how many there are and what does not hold.
pub async fn files(
    conn: &mut AsyncPgConnection,
    objects: Option<&Objects>,
) -> DbResult<(usize, Vec<String>)> {
    let (mut n, mut findings) = (0, Vec::new());
    let mut after = Uuid::nil();
    loop {
        let page = store::page(conn, after).await?;
        let Some((last, _)) = page.last() else { return Ok((n, findings)) };
        after = last.id;
        n += page.len();
        for (row, blob) in page {
            if row.entry(&blob).commit(&row.salt).as_slice() != row.commitment {
                findings.push(format!("evidence {} is not what was committed to", row.id));
            }
            if let Some(objects) = objects
                && let Err(error) = bytes(objects, &blob).await
            {
                findings.push(format!("evidence {}: {error}", row.id));
            }
        }
    }
}

async fn bytes(objects: &Objects, blob: &store::Blob) -> Result<(), String> {
    let gone = |error: object_store::Error| format!("its bytes cannot be read: {error}");
    let mut hash = Sha256::new();
    let mut stream = Box::pin(objects.stream(&blob.object_key, 0..blob.size as u64).await.map_err(gone)?);
    while let Some(piece) = stream.try_next().await.map_err(gone)? {
        hash.update(&piece);
    }
    if hash.finalize().as_slice() == blob.sha256 { Ok(()) } else { Err("its bytes were altered".to_owned()) }
}
