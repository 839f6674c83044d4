//! `/ledger`: what anybody may read to check that nothing was altered.

use actix_web::{
    HttpResponse, get,
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
    web::{Data, Path},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Entry, Ledger, Receipt,
    entry::{Inclusion, encode_hashes},
    note::Checkpoint,
    store,
    tiles::{TilePath, WIDTH},
    tree,
};
use crate::{
    db::{DbResult, Pool},
    http::{Answer, Kind, Problem, query::Query},
};

/// A proof that one tree begins with another.
#[derive(Serialize, ToSchema)]
pub struct ConsistencyView {
    from: u64,
    to: u64,
    /// Hashes in base64 (RFC 9162 §2.1.4).
    proof: Vec<String>,
}

fn text(body: String) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(body)
}

/// The ledger's public key, as a C2SP signed note names keys. Keep a copy from more than one place.
#[utoipa::path(tag = "ledger", path = "/api/v1/ledger/key", responses((status = 200, description = "name+id+key", content_type = "text/plain")))]
#[get("/ledger/key")]
pub async fn key(ledger: Data<Ledger>) -> HttpResponse {
    text(format!("{}\n", ledger.signer.verifier()))
}

/// The latest signed checkpoint, or the one of `size`.
#[utoipa::path(tag = "ledger", path = "/api/v1/ledger/checkpoint",
    params(("size" = Option<u64>, Query, description = "a size at which a checkpoint was signed")),
    responses((status = 200, description = "C2SP tlog-checkpoint", content_type = "text/plain"), (status = 404, description = "None was signed at this size")))]
#[get("/ledger/checkpoint")]
pub async fn checkpoint(pool: Data<Pool>, mut query: Query) -> Answer {
    let size = query.parsed("size", "not_a_number");
    query.finish()?;
    let note = store::checkpoint(&mut *pool.get().await?, size).await?;
    Ok(text(note.ok_or_else(|| Problem::new(Kind::NotFound))?))
}

/// A tile of the tree, or (`entries/…`) the leaves themselves, for mirrors (C2SP tlog-tiles).
#[utoipa::path(tag = "ledger", path = "/api/v1/ledger/tile/{path}",
    params(("path" = String, Path, description = "`<level>/<index>[.p/<width>]` or `entries/<index>[.p/<width>]`; the index as x001/x234/067")),
    responses((status = 200, description = "Hashes, 32 bytes each; entries with their length in two bytes before", content_type = "application/octet-stream"), (status = 404, description = "Not there yet")))]
#[get("/ledger/tile/{path:.*}")]
pub async fn tile(path: Path<String>, pool: Data<Pool>) -> Answer {
    let missing = || Problem::new(Kind::NotFound);
    let path: TilePath = path.parse().map_err(|()| missing())?;
    let mut conn = pool.get().await?;
    let bytes = match path.level {
        Some(level) => {
            let mut hashes = store::tile(&mut conn, level, path.index).await?.ok_or_else(missing)?;
            if (hashes.len() as u64) < path.width * 32 {
                return Err(missing());
            }
            hashes.truncate(path.width as usize * 32);
            hashes
        }
        None => {
            let from = path.index.checked_mul(WIDTH).ok_or_else(missing)?;
            let leaves = store::leaves(&mut conn, from, path.width).await?;
            if (leaves.len() as u64) < path.width {
                return Err(missing());
            }
            let sized = |leaf: &Vec<u8>| [&(leaf.len() as u16).to_be_bytes(), leaf.as_slice()].concat();
            leaves.iter().flat_map(sized).collect()
        }
    };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/octet-stream"))
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .body(bytes))
}

/// Proof that the tree of `to` leaves begins with that of `from`.
#[utoipa::path(tag = "ledger", path = "/api/v1/ledger/consistency",
    params(("from" = u64, Query), ("to" = Option<u64>, Query, description = "the latest checkpoint's size unless told")),
    responses((status = 200, body = ConsistencyView), (status = 422, description = "Not sizes of this tree")))]
#[get("/ledger/consistency")]
pub async fn consistency(pool: Data<Pool>, mut query: Query) -> Answer {
    let from: Option<u64> = query.parsed("from", "not_a_number");
    let to: Option<u64> = query.parsed("to", "not_a_number");
    let mut conn = pool.get().await?;
    let size = store::size(&mut conn).await?;
    let to = to.unwrap_or(size);
    if to > size {
        query.faults.add("?to", "not_in_the_tree");
    }
    match from {
        None => query.faults.add("?from", "required"),
        Some(from) if from > to => query.faults.add("?from", "not_in_the_tree"),
        Some(_) => {}
    }
    query.finish()?;
    let from = from.unwrap_or_default();
    let spans = if from == 0 || from == to { Vec::new() } else { tree::consistency(from, to) };
    let proof = encode_hashes(&store::prove(&mut conn, &spans).await?);
    Ok(HttpResponse::Ok().json(ConsistencyView { from, to, proof }))
}

/// The receipt of an entry: with its proof where it is in the tree, else the promise alone.
pub async fn receipt(
    conn: &mut diesel_async::AsyncPgConnection,
    ledger: &Ledger,
    entry: Entry,
    salt: &[u8],
    content: Option<serde_json::Value>,
) -> DbResult<Receipt> {
    let index = store::index_of(conn, &entry.commit(salt)).await?;
    let mut receipt = Receipt::promise(entry, salt, &ledger.signer);
    receipt.content = content;
    let note = store::checkpoint(conn, None).await?;
    if let (Some(index), Some(note)) = (index, note)
        && let Ok(signed) = Checkpoint::open(&note, &ledger.signer.verifier())
        && index < signed.size
    {
        let proof = store::prove(conn, &tree::inclusion(index, signed.size)).await?;
        receipt.inclusion = Some(Inclusion { index, proof: encode_hashes(&proof), checkpoint: note });
    }
    Ok(receipt)
}
