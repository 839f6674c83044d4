//! Hot standbys: which of them may answer a read, and how people see what they just wrote.
//!
//! A write is told its position in the primary's log; a read that names a position goes to a standby only once
//! that has replayed it. A standby that lags behind or does not answer gets no reads: the primary has them.

use std::{
    collections::VecDeque,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use moka::sync::Cache;
use tokio::sync::{mpsc, oneshot};

use super::{DbError, DbResult, Pool, pipeline::Pipeline};
use crate::accounts::UserId;

/// Between two looks at the standbys.
const PAUSE: Duration = Duration::from_millis(200);
/// A standby that takes longer to say where it is counts as dead.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long this instance remembers where somebody wrote last. Every standby in use is past that by then.
const REMEMBERED: Duration = Duration::from_secs(60);

/// A place in PostgreSQL's log (`pg_lsn`); later is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(u64);

impl FromStr for Position {
    type Err = ();

    /// As PostgreSQL writes it: `16/B374D848`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (high, low) = text.split_once('/').ok_or(())?;
        let part = |hex: &str| {
            let plain = (1..=8).contains(&hex.len()) && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
            plain.then(|| u32::from_str_radix(hex, 16).ok()).flatten().ok_or(())
        };
        Ok(Self(u64::from(part(high)?) << 32 | u64::from(part(low)?)))
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

/// How one standby stands.
#[derive(Debug, Default)]
pub struct Standing {
    replayed: AtomicU64,
    /// It answers, and is no further behind than allowed.
    usable: AtomicBool,
}

impl Standing {
    /// A read failed there: no more of them until the next look.
    pub fn failed(&self) {
        self.usable.store(false, Ordering::Relaxed);
    }

    fn serves(&self, wanted: Position) -> bool {
        self.usable.load(Ordering::Relaxed) && self.replayed.load(Ordering::Relaxed) >= wanted.0
    }
}

/// Someone who wrote, and waits to hear where.
type Asking = oneshot::Sender<Option<Position>>;

/// The standbys of this program, watched; shared by all its workers.
pub struct Replicas {
    standbys: Vec<(String, Arc<Standing>)>,
    wrote: Cache<UserId, Position>,
    asking: mpsc::UnboundedSender<Asking>,
}

impl Replicas {
    /// Watches `urls`; a standby more than `lag` behind gets no reads. The tasks are the caller's to end.
    ///
    /// # Errors
    /// When a URL is not one PostgreSQL understands.
    pub fn start(
        primary: &Pool,
        urls: &[String],
        lag: Duration,
    ) -> anyhow::Result<(Arc<Self>, Vec<tokio::task::JoinHandle<()>>)> {
        let mut standbys = Vec::new();
        for url in urls {
            url.parse::<tokio_postgres::Config>()?;
            standbys.push((url.clone(), Arc::<Standing>::default()));
        }
        let (asking, asked) = mpsc::unbounded_channel();
        let wrote = Cache::builder().max_capacity(100_000).time_to_live(REMEMBERED).build();
        let mut tasks = Vec::new();
        if !standbys.is_empty() {
            tasks.push(tokio::spawn(watch(primary.clone(), standbys.clone(), lag)));
            tasks.push(tokio::spawn(tell(primary.clone(), asked)));
        }
        Ok((Arc::new(Self { standbys, wrote, asking }), tasks))
    }

    /// No standbys: every read goes to the primary.
    pub fn is_empty(&self) -> bool {
        self.standbys.is_empty()
    }

    /// The position after a write that was committed; none where the primary cannot say.
    pub async fn after_write(&self, by: Option<UserId>) -> Option<Position> {
        let (reply, position) = oneshot::channel();
        self.asking.send(reply).ok()?;
        let position = position.await.ok()??;
        if let Some(by) = by {
            self.wrote.insert(by, position);
        }
        Some(position)
    }

    /// Where somebody wrote last through this instance.
    pub fn wrote(&self, by: UserId) -> Option<Position> {
        self.wrote.get(&by)
    }
}

/// One worker's connections for reading at one server.
#[derive(Clone)]
pub struct Reading {
    pub usual: Pool,
    /// For what walks an index and is planned once.
    pub lists: Pipeline,
}

/// One worker's connections for reading.
pub struct ReadPools {
    primary: Reading,
    standbys: Vec<(Reading, Arc<Standing>)>,
    turn: AtomicUsize,
}

impl ReadPools {
    /// Pools of `size` connections to each standby, beside the worker's own to the primary.
    pub fn new(primary: &Pool, replicas: &Replicas, size: usize) -> Self {
        let reading =
            |pool: &Pool| Reading { usual: pool.clone(), lists: Pipeline::new(pool.planned_once()) };
        let pool = |(url, standing): &(String, Arc<Standing>)| {
            let pool = Pool::new(url, size).expect("the URL was understood before");
            (reading(&pool.or_else(primary.clone(), standing.clone())), standing.clone())
        };
        Self {
            primary: reading(primary),
            standbys: replicas.standbys.iter().map(pool).collect(),
            turn: AtomicUsize::new(0),
        }
    }

    /// Connections that see at least what was written at `wanted`: a standby's by turns, else the primary's.
    pub fn seeing(&self, wanted: Position) -> &Reading {
        let able: Vec<&Reading> = self
            .standbys
            .iter()
            .filter(|(_, standing)| standing.serves(wanted))
            .map(|(reading, _)| reading)
            .collect();
        if able.is_empty() {
            return &self.primary;
        }
        able[self.turn.fetch_add(1, Ordering::Relaxed) % able.len()]
    }

    /// The primary's connections.
    pub fn primary(&self) -> &Reading {
        &self.primary
    }
}

/// Asks the primary once for all who wrote while it was asked before.
async fn tell(primary: Pool, mut asked: mpsc::UnboundedReceiver<Asking>) {
    let mut waiting = Vec::new();
    while asked.recv_many(&mut waiting, 10_000).await > 0 {
        let position = primary_position(&primary).await.ok();
        for reply in waiting.drain(..) {
            let _ = reply.send(position);
        }
    }
}

async fn primary_position(primary: &Pool) -> DbResult<Position> {
    #[derive(diesel::QueryableByName)]
    struct Answer {
        #[diesel(sql_type = diesel::sql_types::Text)]
        position: String,
    }
    let query = diesel::sql_query("SELECT pg_current_wal_insert_lsn()::text AS position");
    let mut conn = primary.get().await?;
    let answer: Answer = diesel_async::RunQueryDsl::get_result(query, &mut conn).await?;
    answer.position.parse().map_err(|()| DbError::Corrupt(format!("the position {:?}", answer.position)))
}

/// Looks where everyone is, for as long as the program runs.
async fn watch(primary: Pool, standbys: Vec<(String, Arc<Standing>)>, lag: Duration) {
    let mut clients: Vec<Option<tokio_postgres::Client>> = standbys.iter().map(|_| None).collect();
    // Where the primary was, and when; the oldest first.
    let mut seen: VecDeque<(Instant, Position)> = VecDeque::new();
    loop {
        // While the primary is away nothing new is written: what a standby has is still the best there is.
        if let Ok(Ok(position)) = tokio::time::timeout(PATIENCE, primary_position(&primary)).await {
            seen.push_back((Instant::now(), position));
        }
        while seen.len() > 1 && seen[1].0.elapsed() >= lag {
            seen.pop_front();
        }
        for (number, ((url, standing), client)) in standbys.iter().zip(&mut clients).enumerate() {
            let replayed = tokio::time::timeout(PATIENCE, replayed(url, client)).await.ok().flatten();
            if replayed.is_none() {
                *client = None;
            }
            let behind = match (replayed, seen.front(), seen.back()) {
                (Some(at), Some((_, allowed)), Some((_, now))) if at >= *allowed => {
                    Some(now.0.saturating_sub(at.0))
                }
                _ => None,
            };
            if let Some(at) = replayed {
                standing.replayed.store(at.0, Ordering::Relaxed);
            }
            let usable = behind.is_some();
            if standing.usable.swap(usable, Ordering::Relaxed) != usable {
                tracing::warn!(standby = number, usable, "a standby's state changed");
            }
            let labels = [("standby", number.to_string())];
            metrics::gauge!("baqylau_replica_usable", &labels).set(f64::from(u8::from(usable)));
            if let (Some(at), Some((_, now))) = (replayed, seen.back()) {
                metrics::gauge!("baqylau_replica_behind_bytes", &labels)
                    .set(now.0.saturating_sub(at.0) as f64);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// How far a standby has come; none where it does not answer or is no standby (any more).
async fn replayed(url: &str, client: &mut Option<tokio_postgres::Client>) -> Option<Position> {
    if client.as_ref().is_none_or(tokio_postgres::Client::is_closed) {
        *client = Some(super::pool::connect(url).await.ok()?);
    }
    let question = "SELECT pg_last_wal_replay_lsn()::text WHERE pg_is_in_recovery()";
    let row = client.as_ref()?.query_opt(question, &[]).await.ok()??;
    row.get::<_, Option<&str>>(0)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_written_and_compared_as_postgresql_does() {
        let position = |text: &str| text.parse::<Position>().unwrap();
        assert_eq!(position("16/B374D848").to_string(), "16/B374D848");
        assert!(position("2/0") > position("1/FFFFFFFF") && position("0/A") > position("0/9"));
        for wrong in ["", "16", "16/", "/1", "G/1", "1/123456789", "1/2/3", "+1/2", "1/-2"] {
            assert!(wrong.parse::<Position>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_standby_serves_what_it_has_replayed_and_nothing_after_a_failure() {
        let standing = Standing::default();
        assert!(!standing.serves(Position(0)));
        standing.replayed.store(10, Ordering::Relaxed);
        standing.usable.store(true, Ordering::Relaxed);
        assert!(standing.serves(Position(10)) && !standing.serves(Position(11)));
        standing.failed();
        assert!(!standing.serves(Position(0)));
    }
}
