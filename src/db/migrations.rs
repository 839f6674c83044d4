//! Brings a database up to the schema of this program.

use diesel_async::{AsyncMigrationHarness, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// Any number that other programs on the same database do not take.
const LOCK: i64 = 0x6261_7179_6c61_7501;

/// Runs the migrations that have not run yet; answers how many. Instances that start together wait for
/// one another.
///
/// # Errors
/// When the database cannot be reached or a migration fails; a failed one leaves nothing behind.
pub async fn run(url: &str) -> anyhow::Result<usize> {
    // The lock is a transaction's and not a session's: behind a pooler a session is nobody's own.
    let mut turn = super::pool::open(url).await?;
    turn.batch_execute(&format!("BEGIN; SELECT pg_advisory_xact_lock({LOCK})")).await?;
    let conn = super::pool::open(url).await?;
    let done = tokio::task::spawn_blocking(move || {
        let mut harness = AsyncMigrationHarness::new(conn);
        let done = harness
            .run_pending_migrations(MIGRATIONS)
            .map_err(|error| anyhow::anyhow!("a migration failed: {error}"))?;
        anyhow::Ok(done.len())
    })
    .await??;
    turn.batch_execute("COMMIT").await?;
    Ok(done)
}

/// How many migrations have not run on a database.
///
/// # Errors
/// When the database cannot be reached.
pub async fn pending(url: &str) -> anyhow::Result<usize> {
    let conn = super::pool::open(url).await?;
    tokio::task::spawn_blocking(move || {
        let mut harness = AsyncMigrationHarness::new(conn);
        let pending = harness.pending_migrations(MIGRATIONS);
        Ok(pending.map_err(|error| anyhow::anyhow!("asking for migrations: {error}"))?.len())
    })
    .await?
}
