//! How the service's parts do: read in one place, for the metrics and for `baqylau doctor`.

pub mod doctor;
mod files;
pub mod metrics;

use std::{path::PathBuf, time::Duration};

use tokio_postgres::Row;

use crate::db::{DbResult, Pool};

/// Between two looks for the metrics.
const PAUSE: Duration = Duration::from_secs(10);
/// Seconds in which an entry has its place in the ledger, or the ledger stands: it is signed several times a second.
const GROWTH: f64 = 10.0;

/// What PostgreSQL says of itself and of what waits in it.
#[derive(Debug)]
pub struct Database {
    /// 150018 is 15.18.
    pub version: i32,
    pub fsync: bool,
    pub full_page_writes: bool,
    pub synchronous_commit: String,
    pub checksums: bool,
    /// The standbys that a commit waits for, as PostgreSQL is told them.
    pub synchronous_standbys: String,
    /// Seconds that its clock is ahead of this machine's.
    pub clock_ahead: f64,
    pub bytes: i64,
    /// Commitments without a place in the ledger.
    pub unsequenced: i64,
    /// Seconds since the last checkpoint was signed, if there is one.
    pub checkpoint_age: Option<f64>,
    /// Changes of counts that are not folded.
    pub unfolded: i64,
    /// Whether the log is shipped, and since when that fails (seconds) if it does.
    pub archiving: bool,
    pub archive_failing: Option<f64>,
    /// Whether the log that a standby may lack is kept for it: a size of it, or all that a slot stands for.
    pub log_kept: bool,
    /// Standbys that follow, with the bytes each is behind.
    pub standbys: Vec<(String, i64)>,
    /// Active coordinators and admins, and those of them without a second factor.
    pub reviewers: i64,
    pub without_second_factor: i64,
    /// Keys that names can be sealed to.
    pub recipients: i64,
}

const QUESTION: &str = "SELECT current_setting('server_version_num')::int4 AS version,
    current_setting('fsync')::bool AS fsync, current_setting('full_page_writes')::bool AS full_page_writes,
    current_setting('synchronous_commit') AS synchronous_commit, current_setting('data_checksums')::bool AS checksums,
    current_setting('synchronous_standby_names') AS synchronous_standbys,
    extract(epoch FROM clock_timestamp())::float8 AS now, pg_database_size(current_database()) AS bytes,
    (SELECT count(*) FROM ledger_queue) AS unsequenced,
    (SELECT extract(epoch FROM now() - max(at))::float8 FROM ledger_checkpoints) AS checkpoint_age,
    (SELECT count(*) FROM count_deltas) AS unfolded,
    current_setting('archive_mode') <> 'off' AS archiving,
    (SELECT extract(epoch FROM now() - last_failed_time)::float8 FROM pg_stat_archiver
        WHERE last_failed_time > coalesce(last_archived_time, '-infinity')) AS archive_failing,
    pg_size_bytes(current_setting('wal_keep_size')) > 0
        OR EXISTS (SELECT 1 FROM pg_replication_slots WHERE slot_type = 'physical') AS log_kept,
    (SELECT count(*) FROM users WHERE role <> 'observer' AND disabled_at IS NULL) AS reviewers,
    (SELECT count(*) FROM users u WHERE role <> 'observer' AND disabled_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM second_factors f WHERE f.user_id = u.id AND f.confirmed_at IS NOT NULL)) AS without_second_factor,
    (SELECT count(*) FROM recipients WHERE retired_at IS NULL) AS recipients";

impl Database {
    /// Asks PostgreSQL; on a connection of its own, so that a full pool does not hide that it is full.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn read(pool: &Pool) -> DbResult<Self> {
        let client = pool.dedicated().await?;
        let before = chrono::Utc::now();
        let row = client.query_one(QUESTION, &[]).await?;
        let here =
            before.timestamp_micros() as f64 / 1e6 + (chrono::Utc::now() - before).as_seconds_f64() / 2.0;
        let behind = "SELECT application_name, coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), 0)::int8
            FROM pg_stat_replication WHERE state = 'streaming' AND application_name <> 'pg_basebackup' ORDER BY 1";
        let standbys = client.query(behind, &[]).await?;
        Ok(Self::of(&row, here, standbys.iter().map(|row| (row.get(0), row.get(1))).collect()))
    }

    /// As [`Database::read`], but where entries wait and no new checkpoint is signed it looks for ten seconds more:
    /// what was acknowledged this moment waits too.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn read_patiently(pool: &Pool) -> DbResult<Self> {
        let begun = std::time::Instant::now();
        loop {
            let database = Self::read(pool).await?;
            if database.ledger_grows() || begun.elapsed().as_secs_f64() > GROWTH {
                return Ok(database);
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// Nothing waits for its place, or places are given.
    fn ledger_grows(&self) -> bool {
        self.unsequenced == 0 || self.checkpoint_age.is_some_and(|age| age < GROWTH)
    }

    fn of(row: &Row, here: f64, standbys: Vec<(String, i64)>) -> Self {
        Self {
            version: row.get("version"),
            fsync: row.get("fsync"),
            full_page_writes: row.get("full_page_writes"),
            synchronous_commit: row.get("synchronous_commit"),
            checksums: row.get("checksums"),
            synchronous_standbys: row.get("synchronous_standbys"),
            clock_ahead: row.get::<_, f64>("now") - here,
            bytes: row.get("bytes"),
            unsequenced: row.get("unsequenced"),
            checkpoint_age: row.get("checkpoint_age"),
            unfolded: row.get("unfolded"),
            archiving: row.get("archiving"),
            archive_failing: row.get("archive_failing"),
            log_kept: row.get("log_kept"),
            standbys,
            reviewers: row.get("reviewers"),
            without_second_factor: row.get("without_second_factor"),
            recipients: row.get("recipients"),
        }
    }

    fn measure(&self) {
        ::metrics::gauge!("baqylau_database_bytes").set(self.bytes as f64);
        ::metrics::gauge!("baqylau_ledger_waiting").set(self.unsequenced as f64);
        ::metrics::gauge!("baqylau_ledger_checkpoint_age_seconds").set(self.checkpoint_age.unwrap_or(0.0));
        ::metrics::gauge!("baqylau_counts_unfolded").set(self.unfolded as f64);
        ::metrics::gauge!("baqylau_log_archive_failing_seconds").set(self.archive_failing.unwrap_or(0.0));
    }
}

/// Keeps the metrics of the database and the disk up to date, for as long as the program runs.
pub async fn watch(pool: Pool, data_dir: PathBuf) {
    loop {
        match Database::read(&pool).await {
            Ok(database) => {
                ::metrics::gauge!("baqylau_database_up").set(1.0);
                database.measure();
            }
            Err(error) => {
                ::metrics::gauge!("baqylau_database_up").set(0.0);
                tracing::debug!(%error, "the database says nothing of itself");
            }
        }
        if let Some((free, _)) = files::disk(&data_dir) {
            ::metrics::gauge!("baqylau_disk_free_bytes").set(free as f64);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
