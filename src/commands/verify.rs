//! `baqylau verify`: checks what the ledger proves, on any machine.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use serde_json::Value;

use crate::{
    config::EvidenceSettings,
    db::{DbResult, Pool},
    detentions::domain::Detention,
    evidence::{self, objects::Objects},
    ledger::{
        Receipt, audit, mirror,
        note::{Checkpoint, NoteVerifier},
    },
    places,
    protocols::domain::Protocol,
    records,
    violations::domain::Violation,
};

#[derive(Subcommand)]
pub enum Offline {
    /// A receipt, or the answer to a submission with the receipt in it; needs no network
    Receipt {
        file: PathBuf,
        /// The ledger's public key, as `/api/v1/ledger/key` tells it
        #[arg(long)]
        key: NoteVerifier,
    },
    /// An export of receipts (`/api/v1/exports/<kind>.receipts`); needs no network
    Export {
        file: PathBuf,
        #[arg(long)]
        key: NoteVerifier,
    },
    /// A ledger or a mirror of one: reads every entry, and computes the tree anew
    Mirror {
        /// `https://host/api/v1/ledger`
        url: String,
        #[arg(long)]
        key: NoteVerifier,
        /// File with the checkpoint seen last, compared and then replaced: history that was rewritten or
        /// cut is caught
        #[arg(long)]
        seen: Option<PathBuf>,
    },
}

/// What is checked in a database.
#[derive(Args)]
pub struct Database {
    /// The ledger's public key
    #[arg(long)]
    key: NoteVerifier,
    /// A checkpoint kept elsewhere; may be given again
    #[arg(long = "checkpoint")]
    checkpoints: Vec<PathBuf>,
    /// Read the bytes of all evidence too, and compare them with their hashes
    #[arg(long)]
    bytes: bool,
    #[command(flatten)]
    evidence: EvidenceSettings,
}

/// Runs a check that needs no database.
pub async fn offline(check: Offline) -> anyhow::Result<()> {
    match check {
        Offline::Receipt { file, key } => receipt(&file, &key),
        Offline::Export { file, key } => export(&file, &key),
        Offline::Mirror { url, key, seen } => {
            let before = match &seen {
                Some(file) if file.exists() => Some(read(file)?),
                _ => None,
            };
            let found = mirror::verify(&url, &key, before.as_deref()).await?;
            if let Some(file) = seen {
                std::fs::write(&file, &found.note).with_context(|| file.display().to_string())?;
            }
            println!("ok: {} entries make the tree that {} signed", found.checkpoint.size, key.name());
            if let Some(size) = found.seen {
                println!("ok: its first {size} entries are those seen before");
            }
            Ok(())
        }
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| file.display().to_string())
}

fn receipt(file: &Path, key: &NoteVerifier) -> anyhow::Result<()> {
    let mut value: Value = serde_json::from_str(&read(file)?).context("this is no JSON")?;
    // The whole answer to a submission will do as well.
    if let Some(inner) = value.get_mut("receipt").filter(|inner| inner.is_object()) {
        value = inner.take();
    }
    let receipt: Receipt = serde_json::from_value(value).context("this is no receipt")?;
    let shown = receipt.verify(key)?;
    println!("{}", serde_json::to_string_pretty(&receipt.entry)?);
    println!("ok: {} promised to log this entry", key.name());
    if shown.content {
        println!("ok: the content is the one that the entry states");
    }
    match shown.checkpoint {
        Some(checkpoint) => println!("ok: the entry is in the signed tree of {} entries", checkpoint.size),
        None => println!(
            "the receipt has no proof of inclusion yet: ask for it again at /api/v1/<kind>/<id>/receipt"
        ),
    }
    Ok(())
}

fn export(file: &Path, key: &NoteVerifier) -> anyhow::Result<()> {
    use std::io::BufRead;
    let lines =
        std::io::BufReader::new(std::fs::File::open(file).with_context(|| file.display().to_string())?);
    let (mut proved, mut promised) = (0u64, 0u64);
    let mut newest: Option<Checkpoint> = None;
    let mut bad = 0u64;
    let mut stated: Option<u64> = None;
    for (line, number) in lines.lines().zip(1..) {
        let line = line?;
        let value: Value =
            serde_json::from_str(&line).with_context(|| format!("line {number} is no JSON"))?;
        if let Some(count) = value.get("receipts").and_then(Value::as_u64) {
            stated = Some(count);
            continue;
        }
        let checked = serde_json::from_value::<Receipt>(value)
            .map_err(anyhow::Error::from)
            .and_then(|receipt| Ok(receipt.verify(key)?));
        match checked {
            Ok(shown) => match shown.checkpoint {
                Some(checkpoint) => {
                    proved += 1;
                    if newest.as_ref().is_none_or(|newest| newest.size < checkpoint.size) {
                        newest = Some(checkpoint);
                    }
                }
                None => promised += 1,
            },
            Err(error) => {
                bad += 1;
                println!("line {number}: {error}");
            }
        }
    }
    ensure!(bad == 0, "{bad} receipts do not hold");
    match stated {
        Some(count) if count == proved + promised => {}
        Some(count) => bail!("the file says that it holds {count} receipts; it holds {}", proved + promised),
        None => bail!("the file is cut off: its last line is missing"),
    }
    let size = newest.map_or(0, |newest| newest.size);
    println!("ok: {proved} records are in the tree that {} signed, of {size} entries", key.name());
    if promised > 0 {
        println!("{promised} records are promised and not in the tree yet");
    }
    Ok(())
}

/// Checks the whole database against the ledger.
pub async fn database(pool: &Pool, check: &Database, data_dir: &Path) -> anyhow::Result<()> {
    let objects = check.bytes.then(|| Objects::open(&check.evidence, data_dir)).transpose()?;
    let kept = check.checkpoints.iter().map(|file| read(file)).collect::<anyhow::Result<Vec<_>>>()?;
    let (entries, checked, findings) = audit_all(pool, &check.key, &kept, objects.as_ref()).await?;
    findings.iter().for_each(|finding| println!("{finding}"));
    ensure!(findings.is_empty(), "{} things do not hold", findings.len());
    println!("ok: {checked} records and files and {entries} entries are as they were logged and signed");
    Ok(())
}

/// All that does not hold, of the tree, the records and the files (with `objects` of their bytes too); with
/// the numbers of entries, and of records and files.
pub async fn audit_all(
    pool: &Pool,
    key: &NoteVerifier,
    kept: &[String],
    objects: Option<&Objects>,
) -> DbResult<(u64, usize, Vec<String>)> {
    let mut conn = pool.get().await?;
    // As of one moment: a service that goes on beside it is not taken for somebody who alters things.
    let mut snapshot = conn.build_transaction().read_only().repeatable_read();
    snapshot.run(async |conn| audit_snapshot(conn, key, kept, objects).await).await
}

async fn audit_snapshot(
    conn: &mut AsyncPgConnection,
    key: &NoteVerifier,
    kept: &[String],
    objects: Option<&Objects>,
) -> DbResult<(u64, usize, Vec<String>)> {
    conn.batch_execute("SET LOCAL statement_timeout = 0").await?;
    let directory = places::store::load(conn).await?;
    let (entries, mut findings) = audit::tree(conn, key, kept).await?;
    let mut checked = 0;
    for (n, found) in [
        records::audit::records::<Violation>(conn, &directory).await?,
        records::audit::records::<Protocol>(conn, &directory).await?,
        records::audit::records::<Detention>(conn, &directory).await?,
    ] {
        checked += n;
        findings.extend(found);
    }
    let (files, found) = evidence::audit::files(conn, objects).await?;
    findings.extend(found);
    Ok((entries, checked + files, findings))
}
