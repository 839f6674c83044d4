//! `baqylau doctor`: whether the installation is fit for an election day, and what to do where it is not.

use std::path::Path;

use serde::Serialize;

use super::{Database, files};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Ok,
    /// It works, and something will be missed one day.
    Warn,
    /// What was acknowledged may be lost, or read by others, or nothing can be stored.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub struct Finding {
    pub name: &'static str,
    pub level: Level,
    pub told: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<&'static str>,
}

impl Finding {
    pub(super) fn new(name: &'static str, level: Level, told: String) -> Self {
        Self { name, level, told, advice: None }
    }

    /// What to do where it is not well.
    pub(super) fn advise(mut self, advice: &'static str) -> Self {
        self.advice = (self.level != Level::Ok).then_some(advice);
        self
    }

    fn check(name: &'static str, well: bool, otherwise: Level, told: String) -> Self {
        Self::new(name, if well { Level::Ok } else { otherwise }, told)
    }
}

/// The findings on the files of an installation; `private` tells that its PostgreSQL is there too.
pub fn of_files(data_dir: &Path, backup: Option<&Path>, private: bool) -> Vec<Finding> {
    let mut found = vec![files::space("disk", data_dir), files::keys(data_dir)];
    if private {
        found.push(files::backups(backup));
        found.extend(
            backup.filter(|folder| folder.exists()).map(|folder| files::space("backup disk", folder)),
        );
    }
    found
}

/// The findings on a database; `pending` migrations have not run on it.
pub fn of_database(database: &Database, pending: usize) -> Vec<Finding> {
    let version = database.version / 10_000;
    let durable = database.fsync && database.full_page_writes;
    let off = database.synchronous_commit == "off";
    let mut found = vec![
        Finding::check("version", version >= 15, Level::Warn, format!("PostgreSQL {version}"))
            .advise("15 or newer is what this program is tested on"),
        Finding::check("schema", pending == 0, Level::Fail, format!("{pending} migrations have not run"))
            .advise("run `baqylau migrate`"),
        Finding::check(
            "durability",
            durable && !off,
            Level::Fail,
            format!(
                "fsync {}, full_page_writes {}, synchronous_commit {}",
                word(database.fsync),
                word(database.full_page_writes),
                database.synchronous_commit
            ),
        )
        .advise("switch all three on: otherwise a power cut loses what was acknowledged"),
        Finding::check(
            "checksums",
            database.checksums,
            Level::Warn,
            format!("data checksums {}", word(database.checksums)),
        )
        .advise("with the service stopped, `pg_checksums --enable` makes PostgreSQL notice a failing disk"),
        Finding::check(
            "clock",
            database.clock_ahead.abs() < 2.0,
            Level::Warn,
            format!("{:.1} s between this machine's clock and PostgreSQL's", database.clock_ahead),
        )
        .advise("set both by NTP: codes of second factors and times of receipt depend on them"),
        Finding::check(
            "ledger",
            database.ledger_grows(),
            Level::Fail,
            format!("{} entries wait for their place", database.unsequenced),
        )
        .advise("no service sequences them: start one, and look for `the ledger does not grow` in its log"),
        Finding::check(
            "counts",
            database.unfolded < 200_000,
            Level::Warn,
            format!("{} changes are not folded", database.unfolded),
        )
        .advise("the folding worker does not keep up or does not run: counts get slower, not wrong"),
    ];
    found.push(match (database.archiving, database.archive_failing) {
        (false, _) => Finding::new("log archive", Level::Warn, "the log is not shipped".to_owned())
            .advise("without it a restore goes back to the last base (for the private PostgreSQL: --backup-dir)"),
        (true, Some(since)) => Finding::new("log archive", Level::Fail, format!("shipping failed {since:.0} s ago"))
            .advise("the log grows until its disk is full: see PostgreSQL's log, and whether the backup's disk is there"),
        (true, None) => Finding::new("log archive", Level::Ok, "the log is shipped".to_owned()),
    });
    let waits = !database.synchronous_standbys.is_empty();
    if waits || !database.standbys.is_empty() {
        let each: Vec<String> =
            database.standbys.iter().map(|(name, behind)| format!("{name} {behind} bytes behind")).collect();
        let told = format!(
            "{}; a commit {} for one",
            each.join(", "),
            if waits { "waits" } else { "does not wait" }
        );
        found.push(
            Finding::check("standbys", waits && !each.is_empty(), Level::Warn, told).advise(
                "synchronous_standby_names decides whether a failover can lose what was acknowledged",
            ),
        );
        let kept = if database.log_kept { "kept" } else { "not kept" };
        let told = format!("the log is {kept} for a standby that was away");
        found.push(Finding::check("standbys' log", database.log_kept, Level::Warn, told).advise(
            "set wal_keep_size (1GB) or give each standby a slot: one that finds gone what it lacks never comes back, and \
             where a commit waits for it nothing is stored",
        ));
    }
    let missing = database.without_second_factor;
    found.push(
        Finding::check(
            "second factor",
            missing == 0,
            Level::Warn,
            format!("{missing} of {} coordinators and admins have none", database.reviewers),
        )
        .advise("--require-second-factor makes them set one up"),
    );
    found.push(
        Finding::check(
            "sealing",
            database.recipients > 0,
            Level::Warn,
            format!("{} keys to seal names to", database.recipients),
        )
        .advise("until `baqylau keys add` has added one, no name of a detained person can be taken"),
    );
    found
}

fn word(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy() -> Database {
        Database {
            version: 150_018,
            fsync: true,
            full_page_writes: true,
            synchronous_commit: "on".into(),
            checksums: true,
            synchronous_standbys: "one".into(),
            clock_ahead: 0.01,
            bytes: 1,
            unsequenced: 0,
            checkpoint_age: None,
            unfolded: 3,
            archiving: true,
            archive_failing: None,
            log_kept: true,
            standbys: vec![("one".into(), 0)],
            reviewers: 2,
            without_second_factor: 0,
            recipients: 1,
        }
    }

    fn ill(change: impl FnOnce(&mut Database)) -> Vec<(&'static str, Level)> {
        let mut database = healthy();
        change(&mut database);
        let found = of_database(&database, 0);
        found.iter().filter(|it| it.level != Level::Ok).map(|it| (it.name, it.level)).collect()
    }

    #[test]
    fn each_fault_is_found_and_nothing_else() {
        use Level::{Fail, Warn};
        assert_eq!(ill(|_| {}), []);
        assert_eq!(ill(|it| it.fsync = false), [("durability", Fail)]);
        assert_eq!(ill(|it| it.synchronous_commit = "off".into()), [("durability", Fail)]);
        assert_eq!(ill(|it| it.version = 130_001), [("version", Warn)]);
        assert_eq!(ill(|it| it.clock_ahead = -90.0), [("clock", Warn)]);
        assert_eq!(ill(|it| (it.unsequenced, it.checkpoint_age) = (9, Some(300.0))), [("ledger", Fail)]);
        assert_eq!(ill(|it| (it.unsequenced, it.checkpoint_age) = (9, Some(0.3))), []);
        assert_eq!(ill(|it| it.archive_failing = Some(5.0)), [("log archive", Fail)]);
        assert_eq!(ill(|it| it.synchronous_standbys = String::new()), [("standbys", Warn)]);
        assert_eq!(ill(|it| it.standbys.clear()), [("standbys", Warn)]);
        assert_eq!(ill(|it| it.log_kept = false), [("standbys' log", Warn)]);
        assert_eq!(ill(|it| it.without_second_factor = 1), [("second factor", Warn)]);
        assert_eq!(ill(|it| it.recipients = 0), [("sealing", Warn)]);
        assert!(of_database(&healthy(), 2).iter().any(|it| (it.name, it.level) == ("schema", Fail)));
    }

    #[test]
    fn keys_that_others_can_read_are_found() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("ledger.key");
        std::fs::write(&key, "x").unwrap();
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
        let level =
            || of_files(dir.path(), None, true).into_iter().find(|it| it.name == "keys").unwrap().level;
        assert_eq!(level(), Level::Fail);
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!(level(), Level::Ok);
    }
}
