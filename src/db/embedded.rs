//! The private PostgreSQL: a cluster in the data directory, on a unix socket that only its owner reaches.

use std::{
    fs::{self, File, Permissions, TryLockError},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use nix::unistd::{Gid, Uid, User, chown, geteuid};
use sha2::{Digest, Sha256};

use super::programs;

/// The cluster's superuser and the database of the program.
const NAME: &str = "baqylau";
/// Longest path of a socket that every system takes, less the socket's own name.
const SOCKET_DIR_MAX: usize = 80;
/// Replaying the log after a crash on election day may take minutes.
const START_LIMIT: Duration = Duration::from_secs(300);

/// How soon it is seen that PostgreSQL ended.
const LOOK: Duration = Duration::from_millis(500);

/// What to tell initdb and postgres beyond the defaults.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Do not wait for the disk: for tests, whose data nobody needs after a power cut.
    pub throwaway: bool,
    /// Where each finished file of the log goes, at the latest after a minute: see [`super::backup`].
    pub archive: Option<PathBuf>,
}

/// A running private cluster. [`Cluster::stop`] ends it; the next start also recovers from a kill.
#[derive(Debug)]
pub struct Cluster {
    place: Place,
    child: std::process::Child,
    options: Options,
    _lock: File,
}

/// Where a cluster lies and who owns it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    bin: PathBuf,
    pub(super) data: PathBuf,
    pub(super) sockets: PathBuf,
    log: PathBuf,
    owner: Option<(Uid, Gid)>,
}

impl Cluster {
    /// Starts the cluster of `data_dir`, making it first where there is none, and taking it over from a
    /// postmaster that a killed program left behind.
    ///
    /// # Errors
    /// When PostgreSQL's programs are missing, another program uses the directory, or PostgreSQL does not
    /// come up (its log is named in the message).
    pub async fn start(data_dir: &Path, options: Options) -> anyhow::Result<Self> {
        let dir = data_dir.to_owned();
        let asked = options.clone();
        let (place, lock) = tokio::task::spawn_blocking(move || {
            let (place, lock) = prepare(&dir)?;
            if programs::cluster_version(&place.data)?.is_none() {
                place.initialise(&asked)?;
            }
            anyhow::Ok((place, lock))
        })
        .await??;
        Self::run(place, lock, options).await
    }

    /// Starts a cluster whose files are there.
    pub(super) async fn run(place: Place, lock: File, options: Options) -> anyhow::Result<Self> {
        let mut child = place.spawn(&options)?;
        let ready = place.wait_until_ready(&mut child).await;
        let cluster = Self { place, child, options, _lock: lock };
        match ready {
            Ok(()) => Ok(cluster),
            Err(error) => {
                let _ = cluster.stop().await;
                Err(error)
            }
        }
    }

    /// The URL of the program's database.
    pub fn url(&self) -> String {
        url(&self.place.sockets, NAME)
    }

    /// The URL of the database `name` in this cluster.
    pub fn url_of(&self, name: &str) -> String {
        url(&self.place.sockets, name)
    }

    /// The process id of the postmaster.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The folder of PostgreSQL's programs in use.
    pub fn programs(&self) -> &Path {
        &self.place.bin
    }

    /// The folder of its sockets.
    pub fn sockets(&self) -> &Path {
        &self.place.sockets
    }

    /// Starts PostgreSQL anew whenever it ends by itself (out of memory, a disk that was full, a kill); what was
    /// committed is there again. Never returns.
    pub async fn keep_alive(&mut self) {
        loop {
            tokio::time::sleep(LOOK).await;
            let Ok(Some(status)) = self.child.try_wait() else { continue };
            tracing::error!(%status, log = %self.place.log.display(), "PostgreSQL ended; starting it again");
            metrics::counter!("baqylau_postgres_restarts_total").increment(1);
            match self.place.spawn(&self.options) {
                // Processes of the old one may hold its memory a moment longer: then it ends, and is tried again.
                Ok(child) => self.child = child,
                Err(error) => tracing::error!(%error, "PostgreSQL does not start"),
            }
        }
    }

    /// Stops PostgreSQL: open transactions are rolled back, everything committed is on disk.
    ///
    /// # Errors
    /// When it does not stop; the next start deals with that.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        tokio::task::spawn_blocking(move || {
            // Of one that has ended already nobody need ask anything.
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            let stopped = self.place.stop_running();
            let _ = self.child.wait();
            stopped
        })
        .await?
    }
}

/// The URL of the cluster that another process (the service) runs in `data_dir`, if one does.
pub fn running(data_dir: &Path) -> anyhow::Result<Option<String>> {
    let Ok(file) = File::open(data_dir.join("lock")) else { return Ok(None) };
    match file.try_lock() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(url(&socket_dir(data_dir), NAME))),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn url(sockets: &Path, database: &str) -> String {
    let host = sockets.to_string_lossy().replace('%', "%25").replace('/', "%2F").replace(' ', "%20");
    format!("postgresql://{NAME}@{host}/{database}")
}

/// Sockets lie in the data directory, or under /tmp where its path is too long for a socket.
fn socket_dir(data_dir: &Path) -> PathBuf {
    let inside = data_dir.join("run");
    if inside.as_os_str().len() <= SOCKET_DIR_MAX {
        return inside;
    }
    let digest = Sha256::digest(data_dir.as_os_str().as_encoded_bytes());
    PathBuf::from(format!("/tmp/baqylau-{:x}", u64::from_be_bytes(digest[..8].try_into().expect("8 bytes"))))
}

/// Everything before the server process: the lock, the folders, the cluster's files.
pub(super) fn prepare(data_dir: &Path) -> anyhow::Result<(Place, File)> {
    fs::create_dir_all(data_dir)
        .with_context(|| format!("the data directory {} cannot be made", data_dir.display()))?;
    let data_dir = &data_dir.canonicalize()?;
    let lock = File::options().create(true).append(true).open(data_dir.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            bail!("another baqylau is using the data directory {}", data_dir.display())
        }
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    let place = Place::of(data_dir)?;
    place.make_private_dir(&place.sockets)?;
    place.make_private_dir(&place.data)?;
    place.check_reachable()?;
    File::options().create(true).append(true).open(&place.log)?;
    fs::set_permissions(&place.log, Permissions::from_mode(0o600))?;
    place.stop_running()?;
    Ok((place, lock))
}

/// The account that PostgreSQL runs under: it refuses root.
fn owner() -> anyhow::Result<Option<(Uid, Gid)>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let Some(user) = User::from_name(name)? {
            return Ok(Some((user.uid, user.gid)));
        }
    }
    bail!("PostgreSQL does not run as root, and there is no account `postgres` or `nobody` to run it under")
}

impl Place {
    /// The place of the cluster in `data_dir`, whether it is there yet or not.
    pub(super) fn of(data_dir: &Path) -> anyhow::Result<Self> {
        let data = data_dir.join("postgres");
        let bin = programs::find(programs::cluster_version(&data)?)?;
        let log = data_dir.join("postgres.log");
        Ok(Self { bin, sockets: socket_dir(data_dir), log, owner: owner()?, data })
    }

    /// One of PostgreSQL's programs, to be run under PostgreSQL's account.
    pub(super) fn command(&self, program: &str) -> Command {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new(self.bin.join(program));
        command.current_dir("/").stdin(Stdio::null()).env("LC_MESSAGES", "C").env_remove("PGDATA");
        if let Some((uid, gid)) = self.owner {
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
        command
    }

    /// A folder that PostgreSQL's account has for itself.
    pub(super) fn make_private_dir(&self, dir: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(dir)?;
        fs::set_permissions(dir, Permissions::from_mode(0o700))?;
        self.give(dir)
    }

    /// Makes PostgreSQL's account the owner of a file.
    pub(super) fn give(&self, path: &Path) -> anyhow::Result<()> {
        if let Some((uid, gid)) = self.owner {
            chown(path, Some(uid), Some(gid))?;
        }
        Ok(())
    }

    /// A home directory closed to others cannot hold the cluster when root runs it as somebody else.
    fn check_reachable(&self) -> anyhow::Result<()> {
        use std::os::unix::process::CommandExt;
        let Some((uid, gid)) = self.owner else { return Ok(()) };
        let mut test = Command::new("test");
        test.arg("-w").arg(&self.data).current_dir("/").uid(uid.as_raw()).gid(gid.as_raw());
        ensure!(
            test.status()?.success(),
            "{} lies in a folder that is closed to the account PostgreSQL runs under; give another \
             --data-dir, or leave it out for /var/lib/baqylau",
            self.data.display()
        );
        Ok(())
    }

    fn initialise(&self, options: &Options) -> anyhow::Result<()> {
        // A character type of UTF-8 is needed to compare words in Cyrillic; its name differs by system.
        let mut last = String::new();
        for ctype in ["C.UTF-8", "C.utf8", "en_US.UTF-8", "UTF-8"] {
            let mut initdb = self.command("initdb");
            initdb.args([
                "--encoding=UTF8",
                "--locale=C",
                "--auth=trust",
                "--data-checksums",
                "--username",
                NAME,
            ]);
            initdb.arg(format!("--lc-ctype={ctype}")).arg("--pgdata").arg(&self.data);
            if options.throwaway {
                initdb.arg("--no-sync");
            }
            let output = initdb.output().context("initdb does not run")?;
            if output.status.success() {
                return Ok(());
            }
            last = String::from_utf8_lossy(&output.stderr).into_owned();
        }
        bail!("initdb failed: {last}")
    }

    fn spawn(&self, options: &Options) -> anyhow::Result<std::process::Child> {
        use std::os::unix::process::CommandExt;
        let log = || File::options().append(true).open(&self.log);
        let mut postgres = self.command("postgres");
        postgres.arg("-D").arg(&self.data).arg("-k").arg(&self.sockets);
        for setting in [
            "listen_addresses=",
            "unix_socket_permissions=0700",
            "max_connections=100",
            "shared_buffers=256MB",
            "max_wal_size=4GB",
            "autovacuum_naptime=15s",
            "log_statement=none",
            // a failing statement may carry what an observer wrote
            "log_min_error_statement=panic",
            "log_error_verbosity=terse",
        ] {
            postgres.arg("-c").arg(setting);
        }
        if options.throwaway {
            postgres.args(["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]);
            postgres.args(["-c", "max_connections=400"]);
        }
        if let Some(archive) = &options.archive {
            self.make_private_dir(archive)?;
            super::backup::ship_histories(self, archive)?;
            let shipping = super::backup::archive_command(archive)?;
            postgres.args(["-c", "archive_mode=on", "-c", "archive_timeout=60s", "-c"]).arg(shipping);
        }
        // Its own process group: Ctrl-C in a terminal is for the program, which then stops PostgreSQL
        // after the last request.
        postgres.process_group(0).stdout(log()?).stderr(log()?);
        postgres.spawn().context("postgres does not run")
    }

    async fn wait_until_ready(&self, child: &mut std::process::Child) -> anyhow::Result<()> {
        let started = Instant::now();
        let postgres = url(&self.sockets, "postgres");
        let (client, connection) = loop {
            if let Some(status) = child.try_wait()? {
                bail!("PostgreSQL ended at once ({status}); see {}", self.log.display());
            }
            match tokio_postgres::connect(&postgres, tokio_postgres::NoTls).await {
                Ok(connected) => break connected,
                Err(error) if started.elapsed() > START_LIMIT => {
                    bail!("PostgreSQL does not answer ({error}); see {}", self.log.display())
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(30)).await,
            }
        };
        tokio::spawn(connection);
        let known = client.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&NAME]).await?;
        if known.is_none() {
            client.batch_execute(&format!("CREATE DATABASE {NAME}")).await?;
        }
        Ok(())
    }

    /// Stops the postmaster of this cluster if one runs, whoever started it.
    fn stop_running(&self) -> anyhow::Result<()> {
        let pg_ctl = |args: &[&str]| {
            self.command("pg_ctl")
                .args(args)
                .arg("-D")
                .arg(&self.data)
                .output()
                .context("pg_ctl does not run")
        };
        if !pg_ctl(&["status"])?.status.success() {
            return Ok(());
        }
        if pg_ctl(&["stop", "-m", "fast", "-w", "-t", "60"])?.status.success() {
            return Ok(());
        }
        let output = pg_ctl(&["stop", "-m", "immediate", "-w", "-t", "30"])?;
        ensure!(
            output.status.success() || !pg_ctl(&["status"])?.status.success(),
            "PostgreSQL does not stop: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }
}
