//! The worker that gives commitments their places in the tree.

use std::{sync::Arc, time::Duration};

use super::{Ledger, store};
use crate::db::{DbResult, Pool};

/// Between two looks at the queue: how long a receipt waits for its proof, at most, when nothing is wrong.
const PAUSE: Duration = Duration::from_millis(200);
/// Rows taken from the queue after which it is swept, so that the next look stays short.
const SWEEP_AFTER: usize = 20_000;

/// Runs for as long as the program does.
pub async fn run(pool: Pool, ledger: Arc<Ledger>) {
    let mut dead = 0;
    loop {
        let done = async { store::sequence(&mut *pool.get().await?, &ledger.signer).await };
        match done.await {
            Ok(n) => {
                dead += n;
                metrics::counter!("baqylau_ledger_leaves_total").increment(n as u64);
            }
            Err(error) => {
                metrics::counter!("baqylau_ledger_failures_total").increment(1);
                tracing::error!(%error, "the ledger does not grow; trying again");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        if dead >= SWEEP_AFTER {
            dead = 0;
            let swept = async {
                use diesel_async::RunQueryDsl;
                diesel::sql_query("VACUUM ledger_queue").execute(&mut *pool.get().await?).await?;
                DbResult::Ok(())
            };
            if let Err(error) = swept.await {
                tracing::debug!(%error, "the queue could not be swept");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
