//! Cuts what arrives into lines and hands them on in batches: while one is stored, the next is read.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use actix_web::{
    rt::{self, task::JoinHandle},
    web::{BytesMut, Payload},
};
use futures_util::StreamExt;

use super::batch::{Batch, Sender};
use crate::http::{Kind, Problem, body};

/// Lines that one request may have.
const MOST_LINES: usize = 10_000;
/// Lines that go into one transaction, and bytes of them.
const BATCH: usize = 1024;
const BATCH_BYTES: usize = 512 * 1024;
/// How long the next bytes may take to come.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a stream may last: a sender that trickles does not hold its place for ever.
const LONGEST: Duration = Duration::from_secs(900);

/// Reads a stream to its end, or as far as it comes.
pub async fn run(sender: Sender, mut payload: Payload) {
    let mut lines = Lines::new(sender);
    let end = Instant::now() + LONGEST;
    loop {
        let patience = PATIENCE.min(end.saturating_duration_since(Instant::now()));
        let arrived = tokio::select! {
            arrived = tokio::time::timeout(patience, payload.next()) => arrived,
            () = stored(&mut lines.storing), if lines.storing.is_some() => {
                lines.store();
                continue;
            }
        };
        match arrived {
            Ok(Some(Ok(chunk))) => {
                if !lines.arrived(&chunk).await {
                    break;
                }
            }
            // Cut off: what is left of a line is no whole record.
            Ok(Some(Err(_))) | Err(_) => break,
            Ok(None) => {
                lines.end();
                break;
            }
        }
    }
    lines.finish().await;
}

struct Lines {
    sender: Rc<Sender>,
    buffer: BytesMut,
    /// The rest of a line that was too long.
    skipping: bool,
    line: usize,
    batch: Batch,
    bytes: usize,
    storing: Option<JoinHandle<()>>,
}

impl Lines {
    fn new(sender: Sender) -> Self {
        Self {
            sender: Rc::new(sender),
            buffer: BytesMut::new(),
            skipping: false,
            line: 0,
            batch: Batch::default(),
            bytes: 0,
            storing: None,
        }
    }

    /// Takes what arrived; answers whether more may come.
    async fn arrived(&mut self, chunk: &[u8]) -> bool {
        self.buffer.extend_from_slice(chunk);
        while let Some(end) = memchr::memchr(b'\n', &self.buffer) {
            let line = self.buffer.split_to(end + 1);
            if !std::mem::take(&mut self.skipping) {
                self.take(&line[..end]);
            }
            if self.line > MOST_LINES {
                return false;
            }
            if self.batch.len() >= BATCH || self.bytes >= BATCH_BYTES {
                stored(&mut self.storing).await;
                self.store();
            }
        }
        if self.buffer.len() > body::LIMIT {
            if !self.skipping {
                self.line += 1;
                self.sender.refuse(&mut self.batch, self.line, &Problem::new(Kind::TooLarge));
            }
            self.skipping = true;
            self.buffer.clear();
        }
        if self.storing.is_none() {
            self.store();
        }
        true
    }

    /// The stream is whole: its last line may lack an end.
    fn end(&mut self) {
        let line = std::mem::take(&mut self.buffer);
        if !line.is_empty() && !self.skipping {
            self.take(&line);
        }
    }

    /// Reads one line; an empty one is passed over.
    fn take(&mut self, line: &[u8]) {
        self.line += 1;
        self.bytes += line.len();
        if line.trim_ascii().is_empty() {
            return;
        }
        if self.line > MOST_LINES || line.len() > body::LIMIT {
            return self.sender.refuse(&mut self.batch, self.line, &Problem::new(Kind::TooLarge));
        }
        self.sender.read(&mut self.batch, self.line, line);
    }

    /// Begins to store what there is, in a task of its own.
    fn store(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        self.bytes = 0;
        if batch.len() > 0 {
            let sender = self.sender.clone();
            self.storing = Some(rt::spawn(async move { sender.store(batch).await }));
        }
    }

    async fn finish(mut self) {
        stored(&mut self.storing).await;
        self.store();
        stored(&mut self.storing).await;
    }
}

/// Waits until the batch under way is stored.
async fn stored(storing: &mut Option<JoinHandle<()>>) {
    if let Some(task) = storing {
        // Of a batch that failed no line was answered: the sender sends them again.
        let _ = task.await;
        *storing = None;
    }
}
