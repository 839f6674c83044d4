//! Brings a database up to the schema of this program.

use diesel_async::{AsyncMigrationHarness, RunQueryDsl};
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
    let mut conn = super::pool::open(url).await?;
    diesel::sql_query(format!("SELECT pg_advisory_lock({LOCK})")).execute(&mut conn).await?;
    tokio::task::spawn_blocking(move || {
        let mut harness = AsyncMigrationHarness::new(conn);
        let done = harness
            .run_pending_migrations(MIGRATIONS)
            .map_err(|error| anyhow::anyhow!("a migration failed: {error}"))?;
        Ok(done.len())
    })
    .await?
}
