//! PostgreSQL servers beside the program's own: standbys of it, and a pooler before it.

pub mod service;

use std::{
    fs::{File, Permissions},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::unistd::{User, chown, geteuid};

/// The account that PostgreSQL and the pooler run under where the tests are root's.
fn owner() -> Option<User> {
    geteuid().is_root().then(|| User::from_name("postgres").unwrap().expect("PostgreSQL's account"))
}

/// A command that runs as PostgreSQL's account.
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").stdin(Stdio::null());
    if let Some(user) = owner() {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}

/// A folder that PostgreSQL's account may use and nobody else.
pub fn private_dir(path: &Path) {
    std::fs::create_dir_all(path).unwrap();
    std::fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
    if let Some(user) = owner() {
        chown(path, Some(user.uid), Some(user.gid)).unwrap();
    }
}

/// A folder of the test, which others may walk through.
pub fn test_dir(name: &str) -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix(&format!("baqylau-{name}-")).tempdir().unwrap();
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    dir
}

/// The URL of whichever of two servers takes writes.
pub fn url_of_two(first: &Path, second: &Path, database: &str) -> String {
    let host = |sockets: &Path| sockets.to_str().unwrap().replace('/', "%2F");
    format!(
        "postgresql://baqylau@{},{}/{database}?target_session_attrs=read-write",
        host(first),
        host(second)
    )
}

/// The URL of a database behind a unix socket.
pub fn url(sockets: &Path, database: &str) -> String {
    format!("postgresql://baqylau@{}/{database}", sockets.to_str().unwrap().replace('/', "%2F"))
}

/// A connection for SQL of the test itself.
pub async fn sql(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A hot standby made with `pg_basebackup`, streaming from its primary.
pub struct Standby {
    bin: PathBuf,
    data: PathBuf,
    sockets: PathBuf,
    child: Option<Child>,
}

impl Standby {
    /// Copies the server whose sockets lie in `primary`, and starts to follow it under the name `name`.
    pub fn of(bin: &Path, primary: &Path, dir: &Path, name: &str) -> Self {
        let (data, sockets) = (dir.join(name), dir.join(format!("{name}-run")));
        private_dir(&sockets);
        private_dir(&data);
        let connection = format!("host={} user=baqylau application_name={name}", primary.display());
        let copied = command(bin.join("pg_basebackup"))
            .args(["--checkpoint=fast", "--no-sync", "--write-recovery-conf", "--wal-method=stream"])
            .arg("--dbname")
            .arg(connection)
            .arg("--pgdata")
            .arg(&data)
            .output()
            .unwrap();
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        let mut standby = Self { bin: bin.to_owned(), data, sockets, child: None };
        standby.start();
        standby
    }

    /// Starts it (again); it serves reads when this returns.
    pub fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.sockets.join("log")).unwrap();
        let mut postgres = command(self.bin.join("postgres"));
        postgres.arg("-D").arg(&self.data).arg("-k").arg(&self.sockets);
        // Of the log it keeps what a standby that was away may lack: one that finds it gone never comes back.
        let settings =
            ["listen_addresses=", "max_connections=400", "hot_standby_feedback=on", "wal_keep_size=1GB"];
        for setting in settings {
            postgres.args(["-c", setting]);
        }
        self.child = Some(postgres.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
        let started = Instant::now();
        while !self.psql("SELECT 1").status.success() {
            assert!(started.elapsed() < Duration::from_secs(60), "see {}", self.sockets.display());
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    pub fn url(&self, database: &str) -> String {
        url(&self.sockets, database)
    }

    pub fn sockets(&self) -> &Path {
        &self.sockets
    }

    pub fn psql(&self, sql: &str) -> std::process::Output {
        let mut psql = command(self.bin.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-U", "baqylau", "-d", "postgres", "-c", sql]);
        psql.arg("-h").arg(&self.sockets).output().unwrap()
    }

    /// It stops following and takes writes.
    pub fn promote(&self) {
        let promoted = self.psql("SELECT pg_promote(true, 30)");
        assert_eq!(String::from_utf8_lossy(&promoted.stdout).trim(), "t");
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            kill_tree(child.id());
            child.wait().unwrap();
        }
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        self.kill();
    }
}

/// `kill -9` for a process and its children, so that none of them can still write.
pub fn kill_tree(pid: u32) {
    let mut kill = Command::new("kill");
    kill.arg("-KILL").arg(pid.to_string()).args(children(pid).iter().map(ToString::to_string));
    // A child that has ended meanwhile makes `kill` complain.
    let _ = kill.stderr(Stdio::null()).status();
}

/// The children of a process.
pub fn children(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// The postmaster of a private cluster.
pub fn postmaster(data_dir: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(data_dir.join("postgres/postmaster.pid")).ok()?;
    text.lines().next()?.parse().ok()
}

/// PgBouncer in transaction mode before the server whose sockets lie in `server`.
pub struct Pooler {
    sockets: PathBuf,
    child: Child,
}

/// The first version that keeps prepared statements over transactions.
const POOLER_SINCE: (u32, u32) = (1, 21);

impl Pooler {
    pub fn before(server: &Path, dir: &Path) -> Self {
        let version = Command::new("pgbouncer").arg("--version").output();
        let version = version.expect("PgBouncer is needed for this test: see CONTRIBUTING.md").stdout;
        let version = String::from_utf8_lossy(&version).into_owned();
        let numbers = version.lines().next().and_then(|line| line.strip_prefix("PgBouncer ")).unwrap();
        let mut numbers = numbers.split('.').map(|part| part.trim().parse::<u32>().unwrap());
        let version = (numbers.next().unwrap(), numbers.next().unwrap());
        assert!(version >= POOLER_SINCE, "PgBouncer {version:?} is older than {POOLER_SINCE:?}");
        let sockets = dir.join("pooler");
        private_dir(&sockets);
        let settings = format!(
            "[databases]\n* = host={server} user=baqylau\n[pgbouncer]\nlisten_addr =\nunix_socket_dir = {sockets}\n\
             listen_port = 5432\nauth_type = any\npool_mode = transaction\nmax_prepared_statements = 200\n\
             default_pool_size = 4\n",
            server = server.display(),
            sockets = sockets.display()
        );
        let file = sockets.join("pgbouncer.ini");
        std::fs::write(&file, settings).unwrap();
        let log = File::create(sockets.join("log")).unwrap();
        let child =
            command("pgbouncer").arg(&file).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let started = Instant::now();
        while !sockets.join(".s.PGSQL.5432").exists() {
            assert!(started.elapsed() < Duration::from_secs(20), "see {}", sockets.display());
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { sockets, child }
    }

    pub fn url(&self, database: &str) -> String {
        url(&self.sockets, database)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
