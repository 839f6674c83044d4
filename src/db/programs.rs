//! Finds PostgreSQL's own programs on this machine.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

/// The oldest major version that the migrations run on.
const OLDEST: u32 = 13;

/// Folders that hold a folder a version, and what lies between that and `postgres`.
const VERSIONED: &[(&str, &str)] = &[
    ("/usr/lib/postgresql", "bin"),
    ("/usr/lib64/postgresql", "bin"),
    ("/usr/libexec", ""),
    ("/usr", "bin"),
    ("/opt/homebrew/opt", "bin"),
    ("/usr/local/opt", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "bin"),
];

/// The folder of the programs for a cluster of the version `wanted`, or the newest there is.
///
/// # Errors
/// When there is none that fits; the message says what to install.
pub fn find(wanted: Option<u32>) -> anyhow::Result<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> =
        candidates().into_iter().filter_map(|dir| Some((version(&dir)?, dir))).collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    let fits = |version: u32| wanted.map_or(version >= OLDEST, |wanted| version == wanted);
    match found.iter().find(|(version, _)| fits(*version)) {
        Some((_, dir)) => Ok(dir.clone()),
        None if wanted.is_some() => bail!(
            "the data directory was made by PostgreSQL {}, whose programs are not installed here",
            wanted.unwrap_or_default()
        ),
        None => bail!(
            "PostgreSQL's programs ({OLDEST} or newer) were not found. Install them (Debian: apt-get install \
             postgresql; Fedora: dnf install postgresql-server; macOS: brew install postgresql), or give \
             DATABASE_URL"
        ),
    }
}

/// The major version that made the cluster in `dir`, if there is one.
pub fn cluster_version(dir: &Path) -> anyhow::Result<Option<u32>> {
    match std::fs::read_to_string(dir.join("PG_VERSION")) {
        Ok(text) => Ok(Some(text.trim().parse().context("PG_VERSION is not a number")?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn candidates() -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        dirs.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    for (parent, bin) in VERSIONED {
        let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
        dirs.extend(entries.map(|entry| entry.path().join(bin)));
    }
    dirs.retain(|dir| dir.join("postgres").is_file() && dir.join("initdb").is_file());
    dirs.sort();
    dirs.dedup();
    dirs
}

fn version(dir: &Path) -> Option<u32> {
    let output = Command::new(dir.join("postgres")).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
