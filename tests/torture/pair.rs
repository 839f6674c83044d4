//! Two instances of the service over two servers of PostgreSQL, each a synchronous standby of the other by turns.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use baqylau::db::embedded::{Cluster, Options};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    check::check,
    ground,
    load::{Load, last_lines},
    proof,
    proxy::{Proxy, Weather},
    servers::{
        self, Standby,
        service::{Serving, program},
    },
};

/// What is done to them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// The primary dies; the standby takes over; a new one is made in place of the dead.
    FailOver,
    KillInstance,
    KillStandby,
    /// The standby does not replay: reads from it would be old.
    StandbyLags,
    CutBackends,
    SilentNetwork,
    CuttingNetwork,
}

const FAULTS: [Fault; 7] = [
    Fault::FailOver,
    Fault::KillInstance,
    Fault::StandbyLags,
    Fault::CutBackends,
    Fault::KillStandby,
    Fault::CuttingNetwork,
    Fault::SilentNetwork,
];

const NAMES: [&str; 2] = ["one", "two"];

struct Pair {
    dir: PathBuf,
    programs: PathBuf,
    servers: [Option<Standby>; 2],
    /// Which of them takes writes.
    primary: usize,
    instances: [Option<Serving>; 2],
    proxies: [Proxy; 2],
    log: File,
}

impl Pair {
    async fn start(dir: &Path) -> Self {
        // The first server is a copy of one that was only made to be copied.
        let origin = Cluster::start(&dir.join("origin"), Options::default()).await.unwrap();
        let programs = origin.programs().to_owned();
        let one = Standby::of(&programs, origin.sockets(), dir, NAMES[0]);
        one.promote();
        origin.stop().await.unwrap();
        let two = Standby::of(&programs, one.sockets(), dir, NAMES[1]);
        // Whichever takes writes waits for the other; a copy of it has the same setting.
        for server in [&one, &two] {
            server.psql("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (one, two)'");
            server.psql("SELECT pg_reload_conf()");
        }
        let mut pair = Self {
            dir: dir.to_owned(),
            programs,
            servers: [Some(one), Some(two)],
            primary: 0,
            instances: [None, None],
            proxies: [Proxy::start().await, Proxy::start().await],
            log: File::create(dir.join("service.log")).unwrap(),
        };
        // The standby's own setting comes with the first copy of its primary's.
        pair.rebuild(1);
        pair.start_instance(0);
        pair.start_instance(1);
        pair
    }

    fn url(&self) -> String {
        let sockets = |n: usize| self.dir.join(format!("{}-run", NAMES[n]));
        servers::url_of_two(&sockets(0), &sockets(1), "baqylau")
    }

    /// Keys and evidence, on a disk that both instances have.
    fn data(&self) -> PathBuf {
        self.dir.join("shared")
    }

    fn program(&self) -> Command {
        let mut command = program(&self.data());
        let replicas: Vec<_> =
            NAMES.iter().map(|name| servers::url(&self.dir.join(format!("{name}-run")), "baqylau")).collect();
        command
            .env("DATABASE_URL", self.url())
            .env("DATABASE_REPLICA_URLS", replicas.join(","))
            .env("BAQYLAU_RATE_LIMIT", "0")
            .env("RUST_LOG", "warn");
        command
    }

    fn start_instance(&mut self, n: usize) {
        let mut command = self.program();
        command.stderr(self.log.try_clone().unwrap());
        let serving = tokio::task::block_in_place(|| Serving::start(&mut command));
        self.proxies[n].lead_to(&serving.url);
        self.instances[n] = Some(serving);
    }

    fn primary(&self) -> &Standby {
        self.servers[self.primary].as_ref().unwrap()
    }

    /// Makes server `n` anew as a standby of the other.
    fn rebuild(&mut self, n: usize) {
        self.servers[n] = None;
        let data = self.dir.join(NAMES[n]);
        std::fs::remove_dir_all(&data).unwrap();
        let standby = Standby::of(&self.programs, self.primary().sockets(), &self.dir, NAMES[n]);
        self.servers[n] = Some(standby);
    }

    async fn ready(&self) {
        for instance in self.instances.iter().flatten() {
            assert!(instance.ready().await, "it does not come back; see {}", self.dir.display());
        }
    }

    /// What the servers and the instances say, for whoever looks why nothing goes on.
    fn state(&self) -> String {
        let asked = [
            "SELECT application_name, state, sync_state, sent_lsn, flush_lsn FROM pg_stat_replication",
            "SELECT wait_event, state, left(query, 60) FROM pg_stat_activity WHERE state <> 'idle'",
        ];
        let told = asked.map(|sql| String::from_utf8_lossy(&self.primary().psql(sql).stdout).into_owned());
        let logs = ["one-run/log", "two-run/log", "service.log"];
        let logs = logs.map(|log| format!("{log}\n{}", last_lines(&self.dir.join(log))));
        [told.join("\n"), logs.join("\n")].join("\n")
    }

    async fn suffer(&mut self, fault: Fault, dice: &mut StdRng) {
        let a_while = Duration::from_millis(dice.random_range(500..2500));
        let which = dice.random_range(0..2);
        let standby = 1 - self.primary;
        match fault {
            Fault::FailOver => tokio::task::block_in_place(|| {
                self.servers[self.primary].as_mut().unwrap().kill();
                self.servers[standby].as_ref().unwrap().promote();
                let dead = self.primary;
                self.primary = standby;
                self.rebuild(dead);
            }),
            Fault::KillInstance => {
                tokio::task::block_in_place(|| self.instances[which].take().unwrap().signal("-KILL"));
                tokio::time::sleep(a_while).await;
                self.start_instance(which);
            }
            Fault::KillStandby => {
                tokio::task::block_in_place(|| self.servers[standby].as_mut().unwrap().kill());
                tokio::time::sleep(a_while).await;
                // What it lacks is in a file of the log that the primary itself has no need of any more.
                for sql in ["SELECT pg_switch_wal()", "CHECKPOINT", "SELECT pg_switch_wal()", "CHECKPOINT"] {
                    self.primary().psql(sql);
                }
                tokio::task::block_in_place(|| self.servers[standby].as_mut().unwrap().start());
            }
            Fault::StandbyLags => {
                let server = self.servers[standby].as_ref().unwrap();
                server.psql("SELECT pg_wal_replay_pause()");
                tokio::time::sleep(a_while).await;
                server.psql("SELECT pg_wal_replay_resume()");
            }
            Fault::CutBackends => {
                self.primary().psql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                     WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
                );
            }
            Fault::SilentNetwork => self.proxies[which].turn(Weather::Silent, a_while).await,
            Fault::CuttingNetwork => {
                let after = dice.random_range(1..20_000);
                self.proxies[which].turn(Weather::Cutting(after), a_while).await;
            }
        }
    }
}

/// Runs `rounds` of faults under load; answers what was acknowledged.
pub async fn run(rounds: usize, seed: u64) -> u64 {
    let mut dice = StdRng::seed_from_u64(seed);
    let dir = servers::test_dir("torture-pair");
    let mut pair = Pair::start(dir.path()).await;
    let token = pair.instances[0].as_ref().unwrap().admin().await;
    let urls: Vec<&str> = pair.proxies.iter().map(|proxy| proxy.url.as_str()).collect();
    let load = Load::start(&urls, &token, seed);
    for round in 0..rounds {
        let fault = FAULTS[round % FAULTS.len()];
        tokio::time::sleep(Duration::from_millis(dice.random_range(300..1000))).await;
        pair.suffer(fault, &mut dice).await;
        let before = load.done();
        pair.ready().await;
        assert!(load.progress(before).await, "nothing is stored after {fault:?}:\n{}", pair.state());
    }
    let mut history = load.end().await;
    history.standbys = true;
    pair.ready().await;
    ground::settle(&pair.url()).await;
    let counted = ground::counted(&pair.instances[0].as_ref().unwrap().url, &token).await;
    let ground = ground::read(&pair.url(), &pair.data().join("evidence"), Some(counted)).await;
    let mut wrong = check(&history, &ground);
    wrong.extend(proof::verify(pair.program(), &pair.data(), &history.checkpoints, dir.path()));
    assert!(wrong.is_empty(), "seed {seed}: {} things are wrong:\n{}", wrong.len(), wrong.join("\n"));
    pair.instances = [None, None];
    load.told("two machines", rounds, &history, &ground)
}
