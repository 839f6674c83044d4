//! `baqylau backup` and `baqylau restore`: the private PostgreSQL, evidence in a folder, and the keys if asked.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};

use crate::{
    config::Storage,
    db::{self, backup, embedded::Cluster},
};

/// The keys of a data directory.
const KEYS: [&str; 2] = ["token.key", "ledger.key"];

#[derive(clap::Args)]
pub struct BackupArgs {
    /// Keep the newest N bases, and the log since the oldest of them [default: keep all]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    /// Copy the keys too: whoever has such a backup can sign as this service
    #[arg(long)]
    with_keys: bool,
}

#[derive(clap::Args)]
pub struct RestoreArgs {
    /// The moment to go back to, RFC 3339: `2019-06-09T18:00:00+06:00` [default: as far as the log goes]
    #[arg(long)]
    at: Option<DateTime<Utc>>,
    /// `postgres/pg_wal` of the lost service, where its disk can be read: what was not shipped yet is there
    #[arg(long)]
    pg_wal: Option<PathBuf>,
}

fn folder(storage: &Storage) -> anyhow::Result<PathBuf> {
    ensure!(
        storage.database_url.is_none(),
        "with DATABASE_URL the backup is PostgreSQL's own (pg_basebackup, pgBackRest); see docs/OPERATIONS.md"
    );
    storage.backup_dir().context("--backup-dir says where backups are kept")
}

/// Takes a base, copies evidence that is not there yet, and removes old bases.
pub fn back_up(storage: &Storage, args: &BackupArgs) -> anyhow::Result<()> {
    let (backup, data_dir) = (folder(storage)?, storage.data_dir());
    let running = db::embedded::running(&data_dir)?.is_some();
    ensure!(running, "no service runs in {}: a backup is taken while one does", data_dir.display());
    let base = backup::take(&data_dir, &backup)?;
    println!("{}", base.display());
    let (files, bytes) = copy_new(&data_dir.join("evidence"), &backup.join("evidence"))?;
    println!("evidence: {files} new files, {bytes} bytes");
    if args.with_keys {
        let keys = backup.join("keys");
        private(&keys)?;
        for key in KEYS.iter().filter(|key| data_dir.join(key).exists()) {
            fs::copy(data_dir.join(key), keys.join(key))?;
        }
        println!("keys: copied; keep this backup as closely as them");
    } else {
        println!(
            "keys: not copied; keep {} elsewhere",
            KEYS.map(|key| data_dir.join(key).display().to_string()).join(", ")
        );
    }
    if !backup::wal(&backup).exists() {
        println!(
            "the log is not shipped here: run the service with the same --backup-dir to restore to any moment"
        );
    }
    if let Some(keep) = args.keep {
        println!("removed: {} bases", backup::prune(&data_dir, &backup, keep as usize)?);
    }
    Ok(())
}

/// Makes a data directory from a backup.
pub async fn restore(storage: &Storage, args: &RestoreArgs) -> anyhow::Result<()> {
    let (backup, data_dir) = (folder(storage)?, storage.data_dir());
    let pg_wal = args.pg_wal.as_deref().map(Path::canonicalize).transpose()?;
    backup::restore(&backup, &data_dir, args.at, pg_wal.as_deref()).await?;
    let (files, _) = copy_new(&backup.join("evidence"), &data_dir.join("evidence"))?;
    for key in KEYS {
        let (kept, wanted) = (backup.join("keys").join(key), data_dir.join(key));
        if kept.exists() && !wanted.exists() {
            fs::copy(kept, &wanted)?;
        }
        if !wanted.exists() {
            println!("{key} is missing: put it into {} before the service starts", data_dir.display());
        }
    }
    // What came back is told, so that nobody need take it on trust.
    let cluster = Cluster::start(&data_dir, db::embedded::Options::default()).await?;
    let told = tell(&cluster).await;
    cluster.stop().await?;
    println!("{}, {files} files of evidence", told?);
    println!(
        "check it with `baqylau verify database`; a checkpoint that was signed after that moment will not agree \
         with this ledger any more: publish when and why it went back"
    );
    Ok(())
}

async fn tell(cluster: &Cluster) -> anyhow::Result<String> {
    let client = db::Pool::new(&cluster.url(), 1)?.dedicated().await?;
    let sql = "SELECT (SELECT count(*) FROM records), (SELECT count(*) FROM record_versions), \
               (SELECT max(at) FROM record_versions), (SELECT coalesce(max(size), 0) FROM ledger_checkpoints)";
    let row = client.query_one(sql, &[]).await?;
    let (records, versions, size): (i64, i64, i64) = (row.get(0), row.get(1), row.get(3));
    let last: Option<DateTime<Utc>> = row.get::<_, Option<std::time::SystemTime>>(2).map(Into::into);
    let last = last.map_or("never".to_owned(), |at| at.to_rfc3339());
    Ok(format!(
        "{records} records in {versions} versions, the last of {last}; the ledger signed {size} entries"
    ))
}

fn private(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

/// Copies the files that `to` lacks; answers how many, and their bytes. A stored file never changes.
fn copy_new(from: &Path, to: &Path) -> anyhow::Result<(u64, u64)> {
    private(to)?;
    let (mut files, mut bytes) = (0, 0);
    let Ok(entries) = fs::read_dir(from) else { return Ok((0, 0)) };
    for entry in entries {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            let (more, size) = copy_new(&entry.path(), &target)?;
            (files, bytes) = (files + more, bytes + size);
            continue;
        }
        let size = match entry.metadata() {
            Ok(about) => about.len(),
            // A piece of an upload that ended meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        if fs::metadata(&target).is_ok_and(|there| there.len() == size) {
            continue;
        }
        let part = to.join(format!(".{}.part", entry.file_name().to_string_lossy()));
        match fs::copy(entry.path(), &part) {
            Ok(copied) => {
                fs::File::open(&part)?.sync_all()?;
                fs::rename(&part, &target)?;
                (files, bytes) = (files + 1, bytes + copied);
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| entry.path().display().to_string()),
        }
    }
    Ok((files, bytes))
}
