//! Reads a ledger over HTTP and computes its tree anew, from another machine and with the public key alone.

use anyhow::{Context, bail, ensure};
use reqwest::Client;

use super::{
    note::{Checkpoint, NoteVerifier},
    tiles::{TilePath, Tiles, WIDTH},
    tree::{self, Hash, Roots},
};

/// What was found at the other end.
#[derive(Debug)]
pub struct Mirrored {
    pub checkpoint: Checkpoint,
    /// The signed note of it: to be kept, and handed in the next time.
    pub note: String,
    /// Size of the tree seen before, where one was.
    pub seen: Option<u64>,
}

async fn fetch(client: &Client, base: &str, path: &str) -> anyhow::Result<Vec<u8>> {
    let url = format!("{}/{path}", base.trim_end_matches('/'));
    let answer = client.get(&url).send().await.with_context(|| url.clone())?;
    ensure!(answer.status().is_success(), "{url}: {}", answer.status());
    Ok(answer.bytes().await?.to_vec())
}

/// The leaves in an entry bundle.
fn bundle(bytes: &[u8]) -> anyhow::Result<Vec<&[u8]>> {
    let mut leaves = Vec::new();
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (leaf, after) =
            after.split_at_checked(u16::from_be_bytes(*length).into()).context("an entry is cut off")?;
        leaves.push(leaf);
        rest = after;
    }
    ensure!(rest.is_empty(), "an entry is cut off");
    Ok(leaves)
}

/// Fetches every leaf and tile below `url` (`…/api/v1/ledger` or a copy of it), computes the tree anew, and
/// compares it with the checkpoint there, and with one `seen` before.
///
/// # Errors
/// The first thing that does not hold, in words.
pub async fn verify(url: &str, verifier: &NoteVerifier, seen: Option<&str>) -> anyhow::Result<Mirrored> {
    let client = crate::http::client()?;
    let seen = seen
        .map(|note| Checkpoint::open(note, verifier))
        .transpose()
        .context("the checkpoint seen before")?;
    let note = String::from_utf8(fetch(&client, url, "checkpoint").await?)?;
    let checkpoint = Checkpoint::open(&note, verifier).context("the checkpoint")?;
    if let Some(seen) = &seen
        && seen.size > checkpoint.size
    {
        bail!("the ledger shrank: {} entries were seen before, now there are {}", seen.size, checkpoint.size);
    }
    let mut roots = Roots::default();
    let mut tiles = Tiles::default();
    let check_seen = |roots: &Roots| match &seen {
        Some(seen) if seen.size == roots.size() && seen.root != roots.root() => Err(anyhow::anyhow!(
            "history was rewritten: the first {} entries are not those seen before",
            seen.size
        )),
        _ => Ok(()),
    };
    check_seen(&roots)?;
    while roots.size() < checkpoint.size {
        let index = roots.size() / WIDTH;
        let width = WIDTH.min(checkpoint.size - roots.size());
        let path = format!("tile/{}", TilePath { level: None, index, width });
        let bytes = fetch(&client, url, &path).await?;
        let leaves = bundle(&bytes).with_context(|| path.clone())?;
        ensure!(leaves.len() as u64 == width, "{path} holds {} entries, not {width}", leaves.len());
        let hashes: Vec<Hash> = leaves.into_iter().map(tree::leaf_hash).collect();
        tiles.append(roots.size(), &hashes);
        for hash in hashes {
            roots.push(hash);
            check_seen(&roots)?;
        }
        // A full tile is not needed any more: memory stays flat.
        compare(&client, url, tiles.take_full()).await?;
    }
    compare(&client, url, tiles).await?;
    ensure!(roots.root() == checkpoint.root, "the entries do not make the tree that was signed");
    Ok(Mirrored { checkpoint, note, seen: seen.map(|seen| seen.size) })
}

async fn compare(client: &Client, url: &str, tiles: Tiles) -> anyhow::Result<()> {
    for (id, hashes) in tiles.0 {
        let path = TilePath { level: Some(id.0), index: id.1, width: hashes.len() as u64 };
        let path = format!("tile/{path}");
        let stored = fetch(client, url, &path).await?;
        ensure!(stored == hashes.concat(), "{path} is not the tile of the entries");
    }
    Ok(())
}
