//! The load of a run: clients that work until it is over.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;

use crate::{
    clients::{Client, Run},
    history::{Ground, History, Scribe, Told},
};

const CLIENTS: usize = 12;

/// Clients at work.
pub struct Load {
    pub run: Run,
    clients: std::sync::Mutex<Vec<JoinHandle<()>>>,
}

impl Load {
    pub fn start(urls: &[&str], token: &str, seed: u64) -> Self {
        let run = Run {
            scribe: Scribe::default(),
            urls: urls.iter().map(ToString::to_string).collect(),
            token: token.to_owned(),
            over: Arc::new(AtomicBool::new(false)),
            known: Arc::default(),
            done: Arc::default(),
        };
        let clients =
            (0..CLIENTS).map(|number| tokio::spawn(Client::new(&run, number, seed).work())).collect();
        Self { run, clients: std::sync::Mutex::new(clients) }
    }

    pub fn done(&self) -> u64 {
        self.run.done.load(Ordering::Relaxed)
    }

    /// Waits until something new is acknowledged: a service that came back and stores nothing is not back.
    pub async fn progress(&self, before: u64) -> bool {
        let started = Instant::now();
        while self.done() <= before && started.elapsed() < Duration::from_secs(90) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.done() > before
    }

    /// Lets every client finish what it does; answers all that was seen.
    pub async fn end(&self) -> History {
        self.run.over.store(true, Ordering::Relaxed);
        let clients: Vec<_> = self.clients.lock().unwrap().drain(..).collect();
        for client in clients {
            client.await.expect("a client does not fail");
        }
        self.run.scribe.read()
    }

    /// Tells what was gone through.
    pub fn told(&self, what: &str, rounds: usize, history: &History, ground: &Ground) -> u64 {
        let of = |told: fn(&Told) -> bool| history.acts.iter().filter(|act| told(&act.told)).count();
        println!(
            "{what}: {rounds} rounds; {} acts acknowledged, {} refused, {} never answered; {} looks; {} records, {} \
             files, {} leaves, {} checkpoints: nothing lost, doubled or invented",
            of(|told| matches!(told, Told::Done { .. })),
            of(|told| matches!(told, Told::Refused)),
            of(|told| matches!(told, Told::Unknown)),
            history.looks.len(),
            ground.versions.len(),
            ground.files.len(),
            ground.leaves.len(),
            history.checkpoints.len(),
        );
        self.done()
    }
}

/// The end of a log.
pub fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
