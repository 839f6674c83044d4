//! `just bench`: the service beside PostgreSQL's own tools, in one run, on PostgreSQL's durable defaults.
//!
//! Every figure of ours has a ratio to `pgbench` or `psql \copy` doing the same SQL work just before or
//! after it. Machines are noisy; the ratios are what counts. `--rows N` and `--seconds N` change the size;
//! `--hold DIR` puts PostgreSQL into a control group, so that there is more than it can store.

mod bulk;
mod load;
mod overload;
mod sql;

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use baqylau::{
    accounts::{Login, Role, Scope, password, store as accounts},
    aggregates::fold,
    db::{
        self, Pool,
        embedded::{Cluster, Options},
    },
    exports::{domain::Format, store as exports},
    ledger::{Entry, Receipt, VersionEntry, note::NoteSigner},
    records::{RecordKind, filter::Filter},
    seeds,
};
use load::{Load, Report};

const PASSWORD: &str = "correct horse battery";
const CONNECTIONS: usize = 32;
const COUNTS: [(&str, &str); 4] = [
    ("counts by region and day", "/api/v1/aggregates?group_by=region,day"),
    ("counts by category", "/api/v1/aggregates?group_by=category"),
    ("counts by city and status", "/api/v1/aggregates?group_by=city,status"),
    ("verified counts by day in a region", "/api/v1/aggregates?group_by=day&region=KZ-35&status=verified"),
];

/// The service; it ends with the benchmark, however that ends.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Bench {
    cluster: Cluster,
    pool: Pool,
    seconds: u64,
    service: Service,
    address: String,
    token: String,
    /// Of others, for what one alone may not take.
    tokens: Vec<String>,
    http: reqwest::Client,
    dir: tempfile::TempDir,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let text = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1).cloned());
    let number = |name: &str, default: u64| text(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    let rows = number("--rows", 1_000_000);
    let mut bench = Bench::start(number("--seconds", 10), text("--hold")).await?;
    let only = text("--only");
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    if wanted("writes") {
        bench.submissions(CONNECTIONS).await?;
        bench.submissions(2 * CONNECTIONS).await?;
        bench.ledger().await?;
        bench.ndjson().await?;
    }
    if wanted("overload") {
        bench.logins().await?;
        bench.tokens = bench.people().await?;
        bench.overload().await?;
        bench.slow().await?;
        bench.idle().await?;
    }
    if !wanted("reads") {
        return bench.stop().await;
    }
    bench.fill(10_000).await?;
    let small = bench.reads("10 thousand records").await?;
    bench.fill(rows).await?;
    bench.sign_in_again().await?;
    let large = bench.reads(&format!("{rows} records")).await?;
    bench.export().await?;
    // The machine's pace drifts while millions are put in: the small size is measured on both sides of the large.
    bench.fill(10_000).await?;
    bench.sign_in_again().await?;
    let again = bench.counts("10 thousand records again").await?;
    for (((what, small), (_, large)), (_, again)) in small.iter().zip(&large).zip(&again) {
        let ratio = large / ((small + again) / 2.0);
        println!("| {what}: p50 at {rows} over p50 at 10 thousand, before and after | | | {ratio:.2} |");
        println!("| {what}: p50 at 10 thousand after over before | | | {:.2} |", again / small);
    }
    bench.stop().await
}

impl Bench {
    async fn start(seconds: u64, hold: Option<String>) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("baqylau-bench-").tempdir()?;
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let cluster = Cluster::start(dir.path(), Options::default()).await?;
        db::migrations::run(&cluster.url()).await?;
        if let Some(group) = hold {
            overload::hold(cluster.pid(), group.as_ref())?;
        }
        let pool = Pool::new(&cluster.url(), 4)?;
        seeds::carried(&pool).await?;
        let admin = accounts::NewAccount {
            login: Login::Email("bench@example.org".into()),
            name: "bench".into(),
            role: Role::Admin,
            regions: vec![],
            password_hash: Some(password::hash(PASSWORD.into()).await),
        };
        accounts::add(&mut *pool.get().await?, admin).await?;
        let mut service = Command::new(env!("CARGO_BIN_EXE_baqylau"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(dir.path().join("service"))
            .env("DATABASE_URL", cluster.url())
            .env("BAQYLAU_RATE_LIMIT", "0")
            .env("BAQYLAU_LOGIN_LIMIT", "0")
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()?;
        let mut output = std::io::BufReader::new(service.stdout.take().expect("piped"));
        let address = loop {
            let mut line = String::new();
            anyhow::ensure!(std::io::BufRead::read_line(&mut output, &mut line)? > 0, "the service ended");
            if let Some(address) = line.trim().strip_prefix("baqylau listens on http://") {
                break address.to_owned();
            }
        };
        println!("| what | baqylau | PostgreSQL's tool | ratio |\n|---|---|---|---|");
        let http = baqylau::http::client()?;
        let service = Service(service);
        let token = String::new();
        let mut bench = Self { cluster, pool, seconds, service, address, token, tokens: vec![], http, dir };
        bench.sign_in_again().await?;
        Ok(bench)
    }

    /// A token lasts a quarter of an hour, and so does filling.
    async fn sign_in_again(&mut self) -> anyhow::Result<()> {
        let body = serde_json::json!({ "email": "bench@example.org", "password": PASSWORD });
        let login = self.http.post(format!("http://{}/api/v1/auth/login", self.address)).json(&body);
        let tokens: serde_json::Value = login.send().await?.json().await?;
        self.token = tokens["access_token"].as_str().expect("a token").to_owned();
        Ok(())
    }

    /// Ends both in order: a service that is being watched says what it did when it ends.
    async fn stop(mut self) -> anyhow::Result<()> {
        let service = nix::unistd::Pid::from_raw(self.service.0.id() as i32);
        nix::sys::signal::kill(service, nix::sys::signal::Signal::SIGTERM)?;
        self.service.0.wait()?;
        self.cluster.stop().await
    }

    fn load(&self, connections: usize) -> Load<'_> {
        Load { address: &self.address, token: &self.token, seconds: self.seconds, connections }
    }

    /// Transactions a second and mean latency in milliseconds of a pgbench script.
    fn pgbench(&self, script: &str, connections: usize) -> anyhow::Result<f64> {
        let file = self.dir.path().join("script.sql");
        std::fs::write(&file, script)?;
        let output = Command::new(self.cluster.programs().join("pgbench"))
            .args(["-n", "-M", "prepared", "-j", "2", "-c", &connections.to_string()])
            .args(["-T", &self.seconds.to_string(), "-f"])
            .arg(&file)
            .arg(self.cluster.url())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let tps = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        tps.ok_or_else(|| anyhow::anyhow!("pgbench: {text}{}", String::from_utf8_lossy(&output.stderr)))
    }

    fn line(&self, what: &str, connections: usize, ours: &Report, theirs: f64) {
        println!(
            "| {what}, {connections} connections | {:.0}/s, p50 {:.1} ms, p99 {:.1} ms | {theirs:.0}/s | {:.2} |",
            ours.rate,
            ours.p50,
            ours.p99,
            ours.rate / theirs
        );
    }

    /// Alternates the two twice and keeps the second pair: the first warms both.
    async fn submissions(&self, connections: usize) -> anyhow::Result<()> {
        self.pgbench(sql::SUBMISSION, connections)?;
        self.load(connections).run(load::submission).await?;
        let theirs = self.pgbench(sql::SUBMISSION, connections)?;
        let ours = self.load(connections).run(load::submission).await?;
        self.line("single submissions", connections, &ours, theirs);
        Ok(())
    }

    /// Submissions with the ledger beside submissions without it: what its statements and its worker cost, by
    /// turns in one run; and what committing and signing cost the processor, which both have.
    async fn ledger(&self) -> anyhow::Result<()> {
        let client = self.pool.dedicated().await?;
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            with.push(self.load(CONNECTIONS).run(load::submission).await?.rate);
            client
                .batch_execute("CREATE RULE ledger_off AS ON INSERT TO ledger_queue DO INSTEAD NOTHING")
                .await?;
            without.push(self.load(CONNECTIONS).run(load::submission).await?.rate);
            client.batch_execute("DROP RULE ledger_off ON ledger_queue").await?;
        }
        let middle = |rates: &mut Vec<f64>| {
            rates.sort_by(f64::total_cmp);
            rates[rates.len() / 2]
        };
        let (with, without) = (middle(&mut with), middle(&mut without));
        println!(
            "| submissions with the ledger; without its statements and worker | {with:.0}/s | {without:.0}/s | {:.2} |",
            with / without
        );
        let signer = NoteSigner::new("bench/ledger", &[1; 32]);
        let entry = |n: u128| {
            Entry::RecordVersion(VersionEntry {
                record: "violation".into(),
                id: uuid::Uuid::from_u128(n),
                version: 1,
                action: "submitted".into(),
                status: "submitted".into(),
                by: uuid::Uuid::from_u128(1),
                at: "2019-06-09T08:30:00.000000Z".into(),
                note: None,
                duplicate_of: None,
                content_sha256: Some("ab".repeat(32)),
            })
        };
        let started = Instant::now();
        const TURNS: u32 = 5000;
        for n in 0..TURNS {
            std::hint::black_box(Receipt::promise(entry(n.into()), &[2; 32], &signer));
        }
        println!("| committing to an entry and signing its receipt | {:?} | | |", started.elapsed() / TURNS);
        Ok(())
    }

    /// Brings the table to `rows` records.
    async fn fill(&self, rows: u64) -> anyhow::Result<()> {
        let client = self.pool.dedicated().await?;
        let have: i64 = client.query_one("SELECT count(*) FROM records", &[]).await?.get(0);
        if rows as i64 <= have {
            // The submissions made more than the small size: start anew.
            self.clear().await?;
            self.add(rows).await?;
        } else {
            self.add(rows - have as u64).await?;
        }
        let mut conn = self.pool.get().await?;
        loop {
            fold::fold_once(&mut conn).await?;
            let left: i64 = client.query_one("SELECT count(*) FROM count_deltas", &[]).await?.get(0);
            if left == 0 {
                break;
            }
        }
        client.batch_execute("VACUUM ANALYZE").await?;
        client.batch_execute("CHECKPOINT").await?;
        Ok(())
    }

    async fn clear(&self) -> anyhow::Result<()> {
        let tables = "records, violations, record_versions, counts, count_deltas, ledger_queue";
        let client = self.pool.dedicated().await?;
        client.batch_execute(&format!("TRUNCATE {tables} CASCADE; CHECKPOINT")).await?;
        Ok(())
    }

    /// A quarter of a million at a time, two at once. Keys are not checked and the index of words is built at the end:
    /// ten millions take a quarter of an hour.
    async fn add(&self, rows: u64) -> anyhow::Result<()> {
        let client = self.pool.dedicated().await?;
        client.batch_execute("DROP INDEX IF EXISTS records_search").await?;
        let half = async |rows: u64| {
            let client = self.pool.dedicated().await?;
            client
                .batch_execute("SET session_replication_role = replica; SET synchronous_commit = off")
                .await?;
            for from in (0..rows).step_by(250_000) {
                client.batch_execute(&sql::fill((rows - from).min(250_000) as i64)).await?;
            }
            anyhow::Ok(())
        };
        tokio::try_join!(half(rows / 2), half(rows - rows / 2))?;
        let words =
            "SET maintenance_work_mem = '1GB'; CREATE INDEX records_search ON records USING gin (search)";
        Ok(client.batch_execute(words).await?)
    }

    /// A request and a script by turns, five times each, since machines are faster at one moment than at another; the turn
    /// whose ratio is in the middle is told, and how far the others lie apart.
    async fn beside(
        &self,
        what: &str,
        request: impl Fn() -> load::Request + Clone + Send + 'static,
        script: &str,
    ) -> anyhow::Result<()> {
        let mut turns = Vec::new();
        for _ in 0..5 {
            let theirs = self.pgbench(script, CONNECTIONS)?;
            turns.push((self.load(CONNECTIONS).run(request.clone()).await?, theirs));
        }
        let ratio = |(ours, theirs): &(Report, f64)| ours.rate / theirs;
        turns.sort_by(|a, b| ratio(a).total_cmp(&ratio(b)));
        let (ours, theirs) = &turns[2];
        let what = format!("{what} (turns: {:.2} to {:.2})", ratio(&turns[0]), ratio(&turns[4]));
        self.line(&what, CONNECTIONS, ours, *theirs);
        Ok(())
    }

    /// Measures lists and counts; answers the time of each count alone.
    async fn reads(&self, size: &str) -> anyhow::Result<Vec<(&'static str, f64)>> {
        let list = load::get("/api/v1/violations?region=KZ-35&from=2019-06-09&to=2019-06-12");
        self.beside(&format!("list by region and dates, {size}"), list, sql::LIST).await?;
        let counts = load::get(COUNTS[0].1);
        self.beside(&format!("counts by region and day, {size}"), counts, sql::COUNTS).await?;
        self.counts(size).await
    }

    /// Each count alone, three times by turns; answers the median time of the turn in the middle, in milliseconds.
    async fn counts(&self, size: &str) -> anyhow::Result<Vec<(&'static str, f64)>> {
        let mut turns = COUNTS.map(|_| Vec::new());
        for _ in 0..3 {
            for (turns, (_, path)) in turns.iter_mut().zip(COUNTS) {
                turns.push(self.load(1).run(load::get(path)).await?);
            }
        }
        let mut medians = Vec::new();
        for (mut turns, (what, _)) in turns.into_iter().zip(COUNTS) {
            turns.sort_by(|a, b| a.p50.total_cmp(&b.p50));
            let Report { p50, p99, .. } = turns[1];
            println!(
                "| {what}, {size}, 1 connection: p99 over p50 | {p99:.2} ms | {p50:.2} ms | {:.2} |",
                p99 / p50
            );
            medians.push((what, p50));
        }
        Ok(medians)
    }

    async fn export(&self) -> anyhow::Result<()> {
        let sql = exports::copy_sql(RecordKind::Violation, &Filter::default(), &Scope::All, Format::Csv)?;
        let file = self.dir.path().join("psql.csv");
        let started = Instant::now();
        let status = Command::new(self.cluster.programs().join("psql"))
            .args(["-q", "-c", &sql.replacen("COPY", "\\copy", 1)])
            .arg(self.cluster.url())
            .stdout(std::fs::File::create(&file)?)
            .status()?;
        anyhow::ensure!(status.success(), "psql failed");
        let theirs = started.elapsed();
        let (before, _) = self.memory()?;
        self.forget_most_memory()?;
        let started = Instant::now();
        let url = format!("http://{}/api/v1/exports/violations.csv", self.address);
        // Ten million records take longer than the minute that this client gives an answer.
        let request = self.http.get(url).bearer_auth(&self.token).timeout(Duration::from_secs(3600));
        let mut answer = request.send().await?;
        let mut size = 0;
        while let Some(piece) = answer.chunk().await? {
            size += piece.len();
        }
        let ours = started.elapsed();
        // Theirs lacks the byte order mark.
        anyhow::ensure!(size as u64 == std::fs::metadata(&file)?.len() + 3, "the exports differ");
        let rate = |took: Duration| size as f64 / 1e6 / took.as_secs_f64();
        println!(
            "| CSV export, {:.0} MB | {:.0} MB/s | {:.0} MB/s | {:.2} |",
            size as f64 / 1e6,
            rate(ours),
            rate(theirs),
            theirs.as_secs_f64() / ours.as_secs_f64()
        );
        let (_, most) = self.memory()?;
        println!(
            "| resident memory of the service at most while it exported; before | {most} kB | {before} kB | |"
        );
        Ok(())
    }
}
