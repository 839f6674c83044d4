//! The worker that folds deltas into the kept sums.

use std::time::Duration;

use diesel::{QueryableByName, sql_types::BigInt};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

use crate::db::{DbResult, Pool};

/// Between two looks for new deltas.
const PAUSE: Duration = Duration::from_millis(500);
/// Deltas folded in one transaction.
const BATCH: i64 = 20_000;
/// Dead rows left behind after which the table of deltas is swept, so that reads stay short.
const SWEEP_AFTER: i64 = 20_000;

#[derive(QueryableByName)]
struct Folded {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// Folds one batch; answers how many deltas it had. Only one folder works at a time, whichever instance
/// it belongs to; a reader sees the deltas either folded or not, never both.
pub async fn fold_once(conn: &mut AsyncPgConnection) -> DbResult<i64> {
    let folded = conn.transaction(async |conn| {
        #[derive(QueryableByName)]
        struct Locked {
            #[diesel(sql_type = diesel::sql_types::Bool)]
            locked: bool,
        }
        let lock = "SELECT pg_try_advisory_xact_lock(7089075318311841026) AS locked";
        let lock: Locked = diesel::sql_query(lock).get_result(conn).await?;
        if !lock.locked {
            return Ok(0);
        }
        let folded: Folded = diesel::sql_query(format!(
            "WITH batch AS (
                DELETE FROM count_deltas
                WHERE ctid = ANY (ARRAY(SELECT ctid FROM count_deltas LIMIT {BATCH}))
                RETURNING *
            ), grains AS (
                SELECT election_id, kind, 0::int2 AS grain, region_id, city_id, day, category, status, severity, n, people FROM batch
                UNION ALL SELECT election_id, kind, 1, region_id, 0, day, category, status, '', n, people FROM batch
                UNION ALL SELECT election_id, kind, 2, region_id, city_id, '-infinity', '', status, '', n, people FROM batch
                UNION ALL SELECT election_id, kind, 3, region_id, 0, day, '', status, '', n, people FROM batch
                UNION ALL SELECT election_id, kind, 4, 0, 0, '-infinity', category, status, severity, n, people FROM batch
            ), folded AS (
                INSERT INTO counts
                SELECT election_id, kind, grain, region_id, city_id, day, category, status, severity, sum(n), sum(people)
                FROM grains GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
                HAVING sum(n) <> 0 OR sum(people) <> 0
                ON CONFLICT (election_id, kind, grain, region_id, city_id, day, category, status, severity)
                DO UPDATE SET n = counts.n + excluded.n, people = counts.people + excluded.people
            )
            SELECT count(*) AS n FROM batch"
        ))
        .get_result(conn)
        .await?;
        DbResult::Ok(folded.n)
    });
    folded.await
}

/// Folds for as long as the program runs.
pub async fn run(pool: Pool) {
    let mut dead = 0;
    loop {
        let folded = async { fold_once(&mut *pool.get().await?).await };
        match folded.await {
            Ok(n) => {
                dead += n;
                if n == BATCH {
                    continue;
                }
            }
            Err(error) => tracing::warn!(%error, "counts could not be folded; trying again"),
        }
        if dead >= SWEEP_AFTER {
            dead = 0;
            let swept = async {
                let mut conn = pool.get().await?;
                diesel::sql_query("VACUUM count_deltas").execute(&mut conn).await?;
                DbResult::Ok(())
            };
            if let Err(error) = swept.await {
                tracing::debug!(%error, "the deltas could not be swept");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
