//! Runs analyses one at a time, and keeps those of published tables: such a table never changes.

use std::sync::Arc;

use moka::future::Cache;
use tokio::sync::Semaphore;

use super::{
    analysis::{Analysis, analyse},
    domain::{Figures, Options, Station},
    store,
};
use crate::{
    db::{DbError, DbResult, Pool},
    results::store::ResultSet,
};

/// An analysis and what it is of.
#[derive(Debug)]
pub struct Done {
    pub figures: Figures,
    pub analysis: Analysis,
}

/// Stations whose analyses are kept; ten of them take about a kilobyte.
const KEPT: u64 = 1_000_000;

/// Runs analyses on all processors but one table at a time, so that whoever submits finds a processor too.
pub struct Runner {
    turns: Semaphore,
    kept: Cache<i16, Option<Arc<Done>>>,
}

impl Default for Runner {
    fn default() -> Self {
        let weight = |_: &i16, done: &Option<Arc<Done>>| {
            done.as_ref().map_or(1, |done| done.figures.stations.len() as u32)
        };
        Self { turns: Semaphore::new(1), kept: Cache::builder().weigher(weight).max_capacity(KEPT).build() }
    }
}

impl Runner {
    /// The analysis of a published table with the usual options; `None` where no station can be used.
    pub async fn published(&self, pool: &Pool, set: &ResultSet) -> Result<Option<Arc<Done>>, Arc<DbError>> {
        let work = async {
            let stations = store::published(&mut *pool.get().await?, set).await?;
            self.run(set.candidates.clone(), stations, Options::default()).await
        };
        self.kept.try_get_with(set.id, work).await
    }

    /// Analyses figures; `None` where no station can be used.
    pub async fn run(
        &self,
        candidates: Vec<String>,
        stations: Vec<Station>,
        options: Options,
    ) -> DbResult<Option<Arc<Done>>> {
        let _turn = self.turns.acquire().await.expect("nobody closes the semaphore");
        let work = move || {
            let figures = Figures::new(candidates, stations)?;
            let analysis = analyse(&figures, options);
            Some(Arc::new(Done { figures, analysis }))
        };
        Ok(tokio::task::spawn_blocking(work).await.expect("an analysis does not panic"))
    }
}
