//! One machine: the service with its private PostgreSQL, as it runs with no configuration.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use chrono::Utc;
use nix::fcntl::posix_fallocate;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    check::{check, check_moment},
    ground,
    load::{Load, last_lines},
    proof,
    proxy::{Proxy, Weather},
    servers::{
        self, kill_tree,
        service::{Serving, program},
    },
};

/// What is done to it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    KillService,
    KillPostgres,
    KillBoth,
    /// One process of PostgreSQL dies: it throws all others out and recovers.
    KillBackend,
    CutBackends,
    FreezePostgres,
    Terminate,
    SlowNetwork,
    SilentNetwork,
    CuttingNetwork,
    FullDisk,
}

const FAULTS: [Fault; 11] = [
    Fault::KillService,
    Fault::KillPostgres,
    Fault::CuttingNetwork,
    Fault::KillBackend,
    Fault::FullDisk,
    Fault::CutBackends,
    Fault::KillBoth,
    Fault::SlowNetwork,
    Fault::FreezePostgres,
    Fault::SilentNetwork,
    Fault::Terminate,
];

/// A small disk of its own in memory, so that it can be filled; none where the system does not allow one.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=6g,mode=0755", "tmpfs"]).arg(at).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
    }

    /// Takes all the room there is for a while, down to the last page.
    async fn fill(&self, during: Duration) {
        let path = self.0.join("filler");
        let filler = File::create(&path).unwrap();
        let end = std::time::Instant::now() + during;
        let (mut taken, mut piece) = (0, 64 << 20);
        while std::time::Instant::now() < end {
            if posix_fallocate(&filler, taken, piece).is_ok() {
                taken += piece;
            } else if piece > 4096 {
                piece /= 2;
            } else {
                // Whatever is given free meanwhile is taken too.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        std::fs::remove_file(path).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

struct Alone {
    data: PathBuf,
    backup: PathBuf,
    serving: Option<Serving>,
    proxy: Proxy,
    log: File,
}

impl Alone {
    fn program(&self) -> Command {
        let mut command = program(&self.data);
        command
            .env("BAQYLAU_BACKUP_DIR", &self.backup)
            .env("BAQYLAU_RATE_LIMIT", "0")
            .env("RUST_LOG", "warn");
        command
    }

    fn start(&mut self) {
        let mut command = self.program();
        command.stderr(self.log.try_clone().unwrap());
        let serving = tokio::task::block_in_place(|| Serving::start(&mut command));
        self.proxy.lead_to(&serving.url);
        self.serving = Some(serving);
    }

    fn kill_service(&mut self, signal: &str) {
        let mut serving = self.serving.take().unwrap();
        tokio::task::block_in_place(|| serving.signal(signal));
    }

    fn postmaster(&self) -> Option<u32> {
        servers::postmaster(&self.data)
    }

    fn url(&self) -> String {
        servers::url(&self.data.join("run"), "baqylau")
    }

    async fn sql(&self, sql: &str) {
        let Ok((client, connection)) = tokio_postgres::connect(&self.url(), tokio_postgres::NoTls).await
        else {
            return;
        };
        tokio::spawn(connection);
        // Whatever is done to PostgreSQL may be done to this too.
        let _ = client.batch_execute(sql).await;
    }

    async fn ready(&self) {
        let serving = self.serving.as_ref().unwrap();
        assert!(serving.ready().await, "it does not come back; see {}", self.data.display());
    }

    async fn suffer(&mut self, fault: Fault, disk: Option<&Disk>, dice: &mut StdRng) {
        let a_while = Duration::from_millis(dice.random_range(500..2500));
        match fault {
            Fault::KillService => {
                self.kill_service("-KILL");
                self.start();
            }
            Fault::Terminate => {
                self.kill_service("-TERM");
                self.start();
            }
            Fault::KillPostgres => self.postmaster().into_iter().for_each(kill_tree),
            Fault::KillBoth => {
                let postmaster = self.postmaster();
                self.kill_service("-KILL");
                postmaster.into_iter().for_each(kill_tree);
                self.start();
            }
            Fault::KillBackend => {
                let children = self.postmaster().map(servers::children).unwrap_or_default();
                if !children.is_empty() {
                    let child = children[dice.random_range(0..children.len())].to_string();
                    let _ = Command::new("kill").args(["-KILL", &child]).stderr(Stdio::null()).status();
                }
            }
            Fault::CutBackends => {
                let cut =
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()";
                self.sql(cut).await;
            }
            Fault::FreezePostgres => {
                let Some(postmaster) = self.postmaster() else { return };
                let all = [vec![postmaster], servers::children(postmaster)].concat();
                let signal = |name: &str| {
                    let pids = all.iter().map(ToString::to_string);
                    let _ = Command::new("kill").arg(name).args(pids).stderr(Stdio::null()).status();
                };
                signal("-STOP");
                tokio::time::sleep(a_while).await;
                signal("-CONT");
            }
            Fault::SlowNetwork => self.proxy.turn(Weather::Slow(Duration::from_millis(300)), a_while).await,
            Fault::SilentNetwork => self.proxy.turn(Weather::Silent, a_while).await,
            Fault::CuttingNetwork => {
                let after = dice.random_range(1..20_000);
                self.proxy.turn(Weather::Cutting(after), a_while).await;
            }
            Fault::FullDisk => {
                if let Some(disk) = disk {
                    disk.fill(a_while).await;
                }
            }
        }
    }

    /// What the service, PostgreSQL and the disk say, for whoever looks why nothing goes on.
    fn state(&self, dir: &Path) -> String {
        let disk = Command::new("df").arg(&self.data).output().unwrap().stdout;
        let logs = [dir.join("service.log"), self.data.join("postgres.log")].map(|log| last_lines(&log));
        format!("{}\n{}", logs.join("\n"), String::from_utf8_lossy(&disk))
    }
}

/// Runs `rounds` of faults under load; answers what was acknowledged.
pub async fn run(rounds: usize, seed: u64) -> u64 {
    let mut dice = StdRng::seed_from_u64(seed);
    let dir = servers::test_dir("torture");
    let mount = dir.path().join("disk");
    let disk = Disk::mount(&mount);
    if disk.is_none() {
        println!("the disk is not filled: mounting one is not allowed here");
    }
    let log = File::create(dir.path().join("service.log")).unwrap();
    let mut alone = Alone {
        data: mount.join("data"),
        backup: dir.path().join("backup"),
        serving: None,
        proxy: Proxy::start().await,
        log,
    };
    alone.start();
    let token = alone.serving.as_ref().unwrap().admin().await;
    let load = Load::start(&[&alone.proxy.url], &token, seed);

    let backed_up = tokio::task::block_in_place(|| alone.program().arg("backup").output().unwrap());
    assert!(backed_up.status.success(), "{}", String::from_utf8_lossy(&backed_up.stderr));
    let mut moment = None;
    for round in 0..rounds {
        let fault = FAULTS[round % FAULTS.len()];
        tokio::time::sleep(Duration::from_millis(dice.random_range(300..1000))).await;
        let before = load.done();
        alone.suffer(fault, disk.as_ref(), &mut dice).await;
        alone.ready().await;
        assert!(
            load.progress(before).await,
            "nothing is stored after {fault:?}:\n{}",
            alone.state(dir.path())
        );
        if round == rounds / 2 {
            // A restore goes to a moment of PostgreSQL's clock; the run's own clock stands beside it.
            moment = Some((load.run.scribe.now(), Utc::now()));
        }
    }
    let history = load.end().await;
    alone.ready().await;
    ground::settle(&alone.url()).await;
    let counted = ground::counted(&alone.serving.as_ref().unwrap().url, &token).await;
    let ground = ground::read(&alone.url(), &alone.data.join("evidence"), Some(counted)).await;
    let mut wrong = check(&history, &ground);
    wrong.extend(proof::verify(alone.program(), &alone.data, &history.checkpoints, dir.path()));

    // Back to the moment, from the base of the beginning and the log of all that was survived.
    alone.sql("SELECT pg_switch_wal()").await;
    alone.kill_service("-TERM");
    let (then, at) = moment.unwrap();
    let restored = dir.path().join("restored");
    let mut restore = program(&restored);
    restore.env("BAQYLAU_BACKUP_DIR", &alone.backup).args(["restore", "--at", &at.to_rfc3339()]);
    let output = tokio::task::block_in_place(|| restore.output().unwrap());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let serving = tokio::task::block_in_place(|| Serving::start(program(&restored).stderr(Stdio::null())));
    let there =
        ground::read(&servers::url(&restored.join("run"), "baqylau"), &restored.join("evidence"), None).await;
    wrong.extend(check_moment(&history, &there, then));
    drop(serving);
    servers::kill_tree(servers::postmaster(&restored).unwrap());

    assert!(wrong.is_empty(), "seed {seed}: {} things are wrong:\n{}", wrong.len(), wrong.join("\n"));
    load.told("one machine", rounds, &history, &ground)
}
