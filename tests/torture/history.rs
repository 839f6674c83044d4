//! What clients did and were told, and what is there in the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use uuid::Uuid;

/// A moment of the run: every act has two, and no two are the same.
pub type Moment = u64;

/// What somebody wanted. Each carries a word of its own, by which it is found in what is stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// A record with this text, under the client's own id or under an idempotency key.
    Submit { word: String },
    /// Another text in place of that of version `of`.
    Edit { record: Uuid, of: i32, word: String },
    /// A review of version `of`.
    Review { record: Uuid, of: i32 },
    /// A file with this SHA-256 beside a record.
    Upload { record: Uuid, sha256: String },
}

/// What came of it, as far as the client knows.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// Acknowledged: the record and its version, or the file's record.
    Done { record: Uuid, version: i32 },
    /// Refused for good: it must not be there.
    Refused,
    /// Given up without an answer: it may be there, once.
    Unknown,
}

/// One act of one client.
#[derive(Clone, Debug)]
pub struct Act {
    pub client: usize,
    pub wish: Wish,
    pub told: Told,
    pub began: Moment,
    pub ended: Moment,
}

/// A look at a record.
#[derive(Clone, Debug)]
pub struct Look {
    pub client: usize,
    pub record: Uuid,
    pub version: i32,
    pub began: Moment,
    pub ended: Moment,
}

/// All that was seen from outside.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub acts: Vec<Act>,
    pub looks: Vec<Look>,
    /// Commitments whose receipts were handed out.
    pub receipts: BTreeSet<Vec<u8>>,
    /// Signed checkpoints, as they were served.
    pub checkpoints: BTreeSet<String>,
    /// Whether reads may come from standbys, which promise nobody more than their own writes.
    pub standbys: bool,
}

/// A history that is being written, and the run's clock.
#[derive(Clone, Default)]
pub struct Scribe {
    written: Arc<Mutex<History>>,
    clock: Arc<AtomicU64>,
}

impl Scribe {
    pub fn now(&self) -> Moment {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    pub fn write<T>(&self, change: impl FnOnce(&mut History) -> T) {
        change(&mut self.written.lock().unwrap());
    }

    pub fn read(&self) -> History {
        self.written.lock().unwrap().clone()
    }
}

/// A version as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub version: i32,
    /// The text of this version; none where it did not change.
    pub text: Option<String>,
}

/// What is there in the end, read past the service.
#[derive(Clone, Debug, Default)]
pub struct Ground {
    pub versions: BTreeMap<Uuid, Vec<Stored>>,
    /// Files by record: SHA-256 of the bytes that the object store has.
    pub files: BTreeSet<(Uuid, String)>,
    /// Commitments in the ledger.
    pub leaves: BTreeSet<Vec<u8>>,
    pub leaves_twice: usize,
    /// What the service counts, and what a recount finds.
    pub counted: i64,
    pub recounted: i64,
}
