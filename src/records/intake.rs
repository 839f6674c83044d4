//! Submissions that arrive together share a transaction: one commit, and one set of statements, for all.
//!
//! Nobody waits for company. A lane that is free takes whatever is there, one record or many; what
//! arrives while the lanes work goes into the next batch.

use std::sync::Arc;

use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};

use super::{
    NewRecord,
    store::{self, DetailsTable, Outcome},
};
use crate::db::{DbError, DbResult, Pool};

/// Batches of one kind under way at one time, a connection each.
const LANES: usize = 2;
/// Records in a batch at most.
const BATCH: usize = 64;
/// Submissions that may wait; past that the service is overloaded and says so.
const WAITING: usize = 4096;

type Waiting<D> = (NewRecord<D>, oneshot::Sender<DbResult<Outcome>>);

/// Turns for the batches of all kinds on one worker: half of its connections, so that reads have the others.
pub fn turns(pool: &Pool) -> Arc<Semaphore> {
    Arc::new(Semaphore::new((pool.usage().1 / 2).max(1)))
}

/// The way in for single submissions of one kind.
pub struct Intake<D> {
    sender: mpsc::Sender<Waiting<D>>,
}

impl<D: DetailsTable> Intake<D> {
    /// Starts the lanes; they end when the intake is dropped.
    pub fn start(pool: &Pool, turns: &Arc<Semaphore>) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..LANES {
            tokio::spawn(lane(pool.clone(), turns.clone(), receiver.clone()));
        }
        Self { sender }
    }

    /// Stores a record; the answer comes after its transaction is committed.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when too many wait already, and whatever the store says.
    pub async fn submit(&self, new: NewRecord<D>) -> DbResult<Outcome> {
        let (reply, outcome) = oneshot::channel();
        let full = |_| DbError::Unavailable("too many submissions wait".to_owned());
        self.sender.try_send((new, reply)).map_err(full)?;
        outcome.await.map_err(|_| DbError::Unavailable("the service is stopping".to_owned()))?
    }
}

async fn lane<D: DetailsTable>(
    pool: Pool,
    turns: Arc<Semaphore>,
    receiver: Arc<Mutex<mpsc::Receiver<Waiting<D>>>>,
) {
    loop {
        let mut batch = Vec::new();
        let mut waiting = receiver.lock().await;
        if waiting.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        let _turn = turns.acquire().await.expect("never closed");
        // What came while the turn did joins.
        while batch.len() < BATCH
            && let Ok(one) = waiting.try_recv()
        {
            batch.push(one);
        }
        drop(waiting);
        let (records, replies): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        match submit(&pool, &records).await {
            Ok(outcomes) => {
                for (reply, outcome) in replies.into_iter().zip(outcomes) {
                    let _ = reply.send(Ok(outcome));
                }
            }
            // The database is away: nobody knows what became of them, so each is told to send again.
            Err(error) if error.is_transient() => {
                for reply in replies {
                    let _ = reply.send(Err(DbError::Unavailable(error.to_string())));
                }
            }
            // One record may have spoiled the batch: each gets its own try and its own answer.
            Err(_) => {
                for (record, reply) in records.chunks(1).zip(replies) {
                    let _ = reply.send(submit(&pool, record).await.map(|outcomes| outcomes[0]));
                }
            }
        }
    }
}

async fn submit<D: DetailsTable>(pool: &Pool, records: &[NewRecord<D>]) -> DbResult<Vec<Outcome>> {
    store::submit(&mut *pool.get().await?, records).await
}
