//! Connections that questions share: the next is sent while the answer to the one before is still on its way, so that
//! PostgreSQL does not fall asleep between two, nor wake this program for each piece of an answer.
//!
//! Answers come in the order of the questions, so one that takes long holds those behind it. A connection that has
//! answered nothing for a moment gets no more of them while another one moves, and those that came to it later turn to
//! another, each time with more patience: where everything is slow, asking anew would only add to it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use diesel_async::AsyncPgConnection;
use tokio::sync::Mutex;

use super::{Connection, DbError, DbResult, Pool};

/// A connection that owes answers and gave none for this long stands. A page takes a fraction of a millisecond, and where
/// there is more to do than processors can, some tens: of 25 three of a hundred lists were asked twice for nothing.
const MOMENT: Duration = Duration::from_millis(100);

/// A pool's connections, for statements that only read.
#[derive(Clone)]
pub struct Pipeline {
    pool: Pool,
    lanes: Arc<[Lane]>,
    begun: Instant,
}

/// A connection, opened when it is first needed.
#[derive(Default)]
struct Lane {
    connection: Mutex<Option<Arc<Connection>>>,
    asked: AtomicUsize,
    /// When it answered last, or was asked with nothing before; in milliseconds since [`Pipeline::begun`].
    moved: AtomicU64,
    /// Somebody went away without an answer, which PostgreSQL may be at work on yet.
    left: AtomicBool,
}

impl Pipeline {
    /// Shares all the connections that `pool` may open.
    pub fn new(pool: Pool) -> Self {
        let lanes = (0..pool.usage().1).map(|_| Lane::default()).collect();
        Self { pool, lanes, begun: Instant::now() }
    }

    /// Does work that only reads, beside others on the same connection; where a standby fails in the middle of it, the
    /// primary does it anew.
    ///
    /// # Errors
    /// Those of the work, and when no connection can be had.
    pub async fn read<T>(&self, work: impl AsyncFn(&AsyncPgConnection) -> DbResult<T>) -> DbResult<T> {
        let mut patience = MOMENT;
        let done = loop {
            let mut turn = Turn::begin(self);
            tokio::select! {
                biased;
                done = turn.take(&work) => {
                    turn.answered = true;
                    break done;
                }
                () = turn.held(patience) => {
                    metrics::counter!("baqylau_reads_moved_total").increment(1);
                    patience *= 2;
                }
            }
        };
        self.pool.or_anew(done, async |conn| work(conn).await).await
    }

    fn now(&self) -> u64 {
        self.begun.elapsed().as_millis() as u64
    }
}

impl Lane {
    /// Questions that it owes answers to, and whether it stands.
    fn load(&self, now: u64) -> (usize, bool) {
        // One that somebody left counts: PostgreSQL may be at work on it.
        let left = usize::from(self.left.load(Ordering::Relaxed));
        (self.asked.load(Ordering::Relaxed) + left, self.stands(now, MOMENT))
    }

    /// Whether it owes answers and gave none for this long.
    fn stands(&self, now: u64, long: Duration) -> bool {
        let still = now.saturating_sub(self.moved.load(Ordering::Relaxed));
        self.asked.load(Ordering::Relaxed) > 0 && u128::from(still) > long.as_millis()
    }
}

/// The lane for one more question: the least loaded, rather one that moves.
fn choose(loads: impl Iterator<Item = (usize, bool)>) -> usize {
    // Of equals the first.
    loads.enumerate().min_by_key(|(_, (asked, stands))| (*stands, *asked)).map_or(0, |(at, _)| at)
}

/// A question that is being answered, until that is done or nobody waits for it any more.
struct Turn<'a> {
    pipeline: &'a Pipeline,
    lane: &'a Lane,
    /// Others were asked before it.
    behind: bool,
    answered: bool,
}

impl<'a> Turn<'a> {
    fn begin(pipeline: &'a Pipeline) -> Self {
        let now = pipeline.now();
        let lane = &pipeline.lanes[choose(pipeline.lanes.iter().map(|lane| lane.load(now)))];
        let behind = lane.asked.fetch_add(1, Ordering::Relaxed) > 0 || lane.left.load(Ordering::Relaxed);
        if !behind {
            lane.moved.store(now, Ordering::Relaxed);
        }
        Self { pipeline, lane, behind, answered: false }
    }

    /// Does the work on the lane's connection; on another in its place where that was lost, perhaps long before.
    async fn take<T>(&self, work: &impl AsyncFn(&AsyncPgConnection) -> DbResult<T>) -> DbResult<T> {
        let mut again = false;
        loop {
            let (connection, fresh) = self.connection().await?;
            let done = work(&connection).await;
            self.lane.moved.store(self.pipeline.now(), Ordering::Relaxed);
            self.lane.left.store(false, Ordering::Relaxed);
            if !done.as_ref().is_err_and(DbError::is_transient) {
                return done;
            }
            // The others on it were told the same; one of them may have put another in its place already.
            self.lane.connection.lock().await.take_if(|it| Arc::ptr_eq(it, &connection));
            // Not back to the pool, which would give it out again until it notices that it ended.
            Arc::into_inner(connection).map(Connection::take);
            if fresh || again {
                return done;
            }
            again = true;
        }
    }

    /// The lane's connection, and whether it was opened just now.
    async fn connection(&self) -> DbResult<(Arc<Connection>, bool)> {
        let mut place = self.lane.connection.lock().await;
        match &*place {
            Some(connection) => Ok((connection.clone(), false)),
            None => Ok((place.insert(Arc::new(self.pipeline.pool.own().await?)).clone(), true)),
        }
    }

    /// Returns when what was asked before holds this one for so long; never for the first.
    async fn held(&self, patience: Duration) {
        if !self.behind {
            return std::future::pending().await;
        }
        while {
            tokio::time::sleep(patience).await;
            !self.lane.stands(self.pipeline.now(), patience)
        } {}
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.lane.left.store(true, Ordering::Relaxed);
        }
        self.lane.asked.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_goes_to_the_least_loaded_connection_that_moves() {
        let choose = |loads: &[(usize, bool)]| choose(loads.iter().copied());
        assert_eq!(choose(&[(0, false), (0, false)]), 0);
        assert_eq!(choose(&[(2, false), (1, false), (1, false)]), 1);
        assert_eq!(choose(&[(1, true), (9, false)]), 1, "one that stands holds what is behind it");
        assert_eq!(choose(&[(3, true), (2, true)]), 1, "all stand");
    }

    #[test]
    fn one_that_somebody_left_is_loaded_and_none_that_owes_nothing_stands() {
        let (lane, later) = (Lane::default(), 1000);
        assert_eq!(lane.load(later), (0, false));
        lane.left.store(true, Ordering::Relaxed);
        assert_eq!(lane.load(later), (1, false));
        lane.asked.store(1, Ordering::Relaxed);
        assert_eq!(lane.load(later), (2, true));
        assert!(!lane.stands(later, Duration::from_secs(1)), "with more patience it does not");
    }
}
