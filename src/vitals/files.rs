//! What the files of an installation say.

use std::{os::unix::fs::PermissionsExt, path::Path};

use chrono::Utc;

use super::doctor::{Finding, Level};
use crate::db::backup;

/// Bytes free for the program, and bytes in all, on the disk of `path`.
pub(super) fn disk(path: &Path) -> Option<(u64, u64)> {
    let about = nix::sys::statvfs::statvfs(path).ok()?;
    let block = about.fragment_size();
    Some((about.blocks_available() * block, about.blocks() * block))
}

/// The disk of `path`, full or not.
pub(super) fn space(name: &'static str, path: &Path) -> Finding {
    let Some((free, all)) = disk(path) else {
        return Finding::new(name, Level::Fail, format!("{} cannot be looked at", path.display()));
    };
    let told = format!("{} MB free of {} MB at {}", free / 1_000_000, all / 1_000_000, path.display());
    let level = match free * 100 / all.max(1) {
        0..5 => Level::Fail,
        5..15 => Level::Warn,
        _ => Level::Ok,
    };
    Finding::new(name, level, told).advise("make room: on a full disk nothing is stored")
}

/// The keys of the data directory, which nobody else may read.
pub(super) fn keys(data_dir: &Path) -> Finding {
    let mut open = Vec::new();
    let mut missing = Vec::new();
    for name in ["token.key", "ledger.key"] {
        match std::fs::metadata(data_dir.join(name)) {
            Ok(about) if about.permissions().mode() & 0o077 != 0 => open.push(name),
            Ok(_) => {}
            Err(_) => missing.push(name),
        }
    }
    if !open.is_empty() {
        let told = format!("others can read {}", open.join(", "));
        return Finding::new("keys", Level::Fail, told).advise("chmod 600 them, and think of them as known");
    }
    match missing.as_slice() {
        [] => Finding::new("keys", Level::Ok, "only the service can read them".to_owned()),
        names => Finding::new(
            "keys",
            Level::Ok,
            format!(
                "{} not in the data directory: given by settings, or made at the first start",
                names.join(", ")
            ),
        ),
    }
}

/// How old the newest base is.
pub(super) fn backups(folder: Option<&Path>) -> Finding {
    let Some(folder) = folder else {
        return Finding::new("backup", Level::Warn, "no --backup-dir is set".to_owned())
            .advise("set it for `serve`, and run `baqylau backup` daily");
    };
    match backup::bases(folder).ok().and_then(|bases| bases.last().cloned()) {
        None => Finding::new("backup", Level::Warn, format!("no base in {}", folder.display()))
            .advise("run `baqylau backup`"),
        Some((at, _)) => {
            let hours = (Utc::now() - at).num_hours();
            let level = if hours > 26 { Level::Warn } else { Level::Ok };
            Finding::new("backup", level, format!("the newest base is {hours} hours old"))
                .advise("run `baqylau backup` daily")
        }
    }
}
