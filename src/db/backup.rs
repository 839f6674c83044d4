//! Backups of the private PostgreSQL: copies of its files (bases), and its log, shipped file by file as it grows.
//! A base and the log after it lead to any moment since (PostgreSQL's continuous archiving).
//!
//! ```text
//! backup/base/20261125T041500Z/   the cluster's files, as pg_basebackup took them
//! backup/wal/                     files of the log
//! backup/evidence/                files of evidence, each under its SHA-256
//! ```

use std::{
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, NaiveDateTime, Utc};

use super::embedded::{Cluster, Options, Place, prepare};

/// A base is named after the moment from which its log leads on.
const NAMED: &str = "%Y%m%dT%H%M%SZ";
/// Replaying a day's log may take a while.
const RECOVERY: Duration = Duration::from_secs(3600);

/// Where the log goes.
pub fn wal(backup: &Path) -> PathBuf {
    backup.join("wal")
}

/// The setting by which PostgreSQL ships a finished file of its log: whole or not at all, and never over another.
pub(super) fn archive_command(archive: &Path) -> anyhow::Result<String> {
    let dir = in_shell(archive)?;
    Ok(format!(
        "archive_command=if [ -f {dir}/%f ]; then cmp -s %p {dir}/%f; else \
         cp %p {dir}/.%f.part && sync {dir}/.%f.part && mv {dir}/.%f.part {dir}/%f && sync {dir}; fi"
    ))
}

/// Ships the histories of the cluster's timelines: a cluster that was restored began a new one before it shipped
/// anything, and without its history nobody finds from the old log into the new.
pub(super) fn ship_histories(place: &Place, archive: &Path) -> anyhow::Result<()> {
    let Ok(entries) = fs::read_dir(place.data.join("pg_wal")) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        let target = archive.join(path.file_name().unwrap_or_default());
        if path.extension().is_some_and(|extension| extension == "history") && !target.exists() {
            fs::copy(&path, &target)?;
            place.give(&target)?;
        }
    }
    Ok(())
}

/// A path in the shell's quotes; `%` is PostgreSQL's own sign there.
fn in_shell(path: &Path) -> anyhow::Result<String> {
    let text = path.to_str().context("the path of the backup is no UTF-8")?;
    ensure!(
        !path.as_os_str().as_bytes().iter().any(|byte| b"'\"\\%\n".contains(byte)),
        "the path of the backup may hold no quotes, backslashes or per cents: {text}"
    );
    Ok(format!("'{text}'"))
}

/// Takes a base of the cluster that a service runs in `data_dir`, checks it against its manifest, and answers where
/// it is.
///
/// # Errors
/// When no service runs there, or PostgreSQL's programs fail; nothing half made is left under a base's name.
pub fn take(data_dir: &Path, backup: &Path) -> anyhow::Result<PathBuf> {
    let place = Place::of(&data_dir.canonicalize()?)?;
    let bases = backup.join("base");
    fs::create_dir_all(&bases)?;
    let at = Utc::now();
    let (part, base) = (bases.join(".part"), bases.join(at.format(NAMED).to_string()));
    ensure!(!base.exists(), "{} is there already", base.display());
    if part.exists() {
        fs::remove_dir_all(&part)?;
    }
    place.make_private_dir(&part)?;
    run(place
        .command("pg_basebackup")
        .args(["--checkpoint=fast", "--wal-method=stream", "--username=baqylau", "--host"])
        .arg(&place.sockets)
        .arg("--pgdata")
        .arg(&part))?;
    run(place.command("pg_verifybackup").arg("--quiet").arg(&part))?;
    fs::rename(&part, &base)?;
    fs::File::open(&bases)?.sync_all()?;
    Ok(base)
}

/// The bases of a backup, the oldest first.
pub fn bases(backup: &Path) -> anyhow::Result<Vec<(DateTime<Utc>, PathBuf)>> {
    let folder = backup.join("base");
    let Ok(entries) = fs::read_dir(&folder) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Ok(at) = NaiveDateTime::parse_from_str(name, NAMED) {
            found.push((at.and_utc(), path));
        }
    }
    found.sort();
    Ok(found)
}

/// Removes all bases but the newest `keep`, and the log that only they needed; answers how many bases went.
///
/// # Errors
/// When files cannot be removed.
pub fn prune(data_dir: &Path, backup: &Path, keep: usize) -> anyhow::Result<usize> {
    let bases = bases(backup)?;
    let gone = bases.len().saturating_sub(keep.max(1));
    let Some((_, oldest)) = bases.get(gone).filter(|_| gone > 0) else { return Ok(0) };
    let label = fs::read_to_string(oldest.join("backup_label"))?;
    // START WAL LOCATION: 0/2000028 (file 000000010000000000000002)
    let first = label.lines().next().and_then(|line| line.split("(file ").nth(1)?.strip_suffix(')'));
    let first = first.with_context(|| format!("{} has no beginning", oldest.display()))?;
    if wal(backup).exists() {
        run(Place::of(data_dir)?.command("pg_archivecleanup").arg(wal(backup)).arg(first))?;
    }
    for (_, base) in &bases[..gone] {
        fs::remove_dir_all(base)?;
    }
    Ok(gone)
}

/// Makes a cluster in the empty `data_dir` as the backup has it: at the moment `at`, or as far as its log goes.
/// `also` may hold files of the log that were not shipped, as `pg_wal` of a dead server does.
///
/// # Errors
/// When the folder has a cluster, no base is old enough, or the log does not reach `at`.
pub async fn restore(
    backup: &Path,
    data_dir: &Path,
    at: Option<DateTime<Utc>>,
    also: Option<&Path>,
) -> anyhow::Result<()> {
    ensure!(!data_dir.join("postgres/PG_VERSION").exists(), "{} has a cluster already", data_dir.display());
    let bases = bases(backup)?;
    let base = bases.iter().rfind(|(of, _)| at.is_none_or(|at| *of < at));
    let (_, base) = match (base, bases.first(), at) {
        (Some(base), ..) => base,
        (None, Some((oldest, _)), Some(at)) => bail!("the oldest base is of {oldest}, after {at}"),
        _ => bail!("{} holds no base: `baqylau backup` makes one", backup.display()),
    };
    let (place, lock) = prepare(data_dir)?;
    fs::remove_dir_all(&place.data)?;
    copy_tree(&place, base, &place.data)?;
    let from = |dir: &Path| Ok::<_, anyhow::Error>(format!("cp {}/%f \"%p\" 2>/dev/null", in_shell(dir)?));
    let mut fetch = from(&wal(backup))?;
    if let Some(also) = also {
        fetch = format!("{fetch} || {}", from(also)?);
    }
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let mut settings = format!("restore_command = {}\nrecovery_target_action = 'promote'\n", literal(&fetch));
    if let Some(at) = at {
        settings += &format!("recovery_target_time = '{}'\n", at.format("%Y-%m-%d %H:%M:%S%.6f+00"));
    }
    let file = place.data.join("postgresql.auto.conf");
    let before = fs::read_to_string(&file)?;
    fs::write(&file, format!("{before}{settings}"))?;
    let signal = place.data.join("recovery.signal");
    fs::write(&signal, "")?;
    place.give(&signal)?;

    let cluster = Cluster::run(place.clone(), lock, Options::default()).await?;
    let promoted = tokio::time::timeout(RECOVERY, until_promoted(&cluster)).await;
    cluster.stop().await?;
    promoted.context("recovery takes longer than an hour")??;
    fs::write(&file, before)?;
    Ok(())
}

async fn until_promoted(cluster: &Cluster) -> anyhow::Result<()> {
    let client = super::pool::connect(&cluster.url_of("postgres")).await?;
    loop {
        let recovering: bool = client
            .query_one("SELECT pg_is_in_recovery()", &[])
            .await
            .context("recovery ended early: the log does not reach that moment; see postgres.log")?
            .get(0);
        if !recovering {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn copy_tree(place: &Place, from: &Path, to: &Path) -> anyhow::Result<()> {
    place.make_private_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(place, &entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
            fs::File::open(&target)?.sync_all()?;
            place.give(&target)?;
        }
    }
    Ok(())
}

fn run(command: &mut std::process::Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("{:?} does not run", command.get_program()))?;
    ensure!(
        output.status.success(),
        "{}: {}",
        Path::new(command.get_program()).file_name().unwrap_or_default().display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_a_shell_would_take_apart_are_refused() {
        assert_eq!(in_shell(Path::new("/mnt/back up")).unwrap(), "'/mnt/back up'");
        for path in ["/a'b", "/a\"b", "/a%f", "/a\nb", "/a\\b"] {
            assert!(in_shell(Path::new(path)).is_err(), "{path}");
        }
    }

    #[test]
    fn bases_are_found_by_their_names_the_oldest_first() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["20261125T041500Z", "20261124T230000Z", ".part", "notes"] {
            fs::create_dir_all(dir.path().join("base").join(name)).unwrap();
        }
        let found = bases(dir.path()).unwrap();
        let times: Vec<String> = found.iter().map(|(at, _)| at.to_rfc3339()).collect();
        assert_eq!(times, ["2026-11-24T23:00:00+00:00", "2026-11-25T04:15:00+00:00"]);
        assert!(bases(&dir.path().join("nowhere")).unwrap().is_empty());
    }
}
