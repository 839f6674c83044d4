//! The test builder: a service, people, and what they say over HTTP.

use std::{
    path::PathBuf,
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use baqylau::{
    accounts::tokens::TokenKey,
    app::{self, Running},
    config::{EvidenceSettings, LedgerSettings, Service},
    db::{
        self, Pool,
        embedded::{Cluster, Options},
    },
    evidence::objects::Objects,
    ledger::{Ledger, note::NoteSigner},
    sealing::IndexKey,
    seeds,
};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

/// The seed of the ledger's key in tests.
pub const LEDGER_SEED: [u8; 32] = [9; 32];
/// The key of the blind index in tests.
pub const INDEX_KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
pub const PASSWORD: &str = "correct horse battery";

/// One cluster for all tests of the process, with a migrated and seeded template.
pub struct Base {
    runtime: tokio::runtime::Runtime,
    pub cluster: Cluster,
    pub dir: PathBuf,
}

static BASE: OnceLock<Base> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

pub fn base() -> &'static Base {
    BASE.get_or_init(|| {
        let dir = std::env::temp_dir().join(format!("baqylau-test-{}", std::process::id()));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let cluster = std::thread::scope(|scope| {
            let start = || {
                runtime.block_on(async {
                    let cluster = Cluster::start(&dir, Options { throwaway: true, ..Options::default() })
                        .await
                        .unwrap();
                    db::migrations::run(&cluster.url()).await.unwrap();
                    let pool = Pool::new(&cluster.url(), 2).unwrap();
                    seeds::carried(&pool).await.unwrap();
                    add_people(&pool).await;
                    cluster
                })
            };
            scope.spawn(start).join().unwrap()
        });
        // The test harness ends the process without dropping statics.
        unsafe { libc::atexit(stop) };
        Base { runtime, cluster, dir }
    })
}

extern "C" fn stop() {
    if let Some(base) = BASE.get() {
        let _ = Command::new("kill").args(["-QUIT", &base.cluster.pid().to_string()]).status();
        let _ = std::fs::remove_dir_all(&base.dir);
    }
}

pub async fn add_people(pool: &Pool) {
    use baqylau::accounts::{Login, Role, password, store};
    let hash = password::hash(PASSWORD.to_owned()).await;
    let mut conn = pool.get().await.unwrap();
    let directory = baqylau::places::store::load(&mut conn).await.unwrap();
    let region = |code: &str| directory.region(code).unwrap().id;
    for (name, role, regions) in [
        ("admin", Role::Admin, vec![]),
        ("observer", Role::Observer, vec![]),
        ("other-observer", Role::Observer, vec![]),
        ("qaraghandy", Role::Coordinator, vec![region("KZ-35")]),
        ("aqtau", Role::Coordinator, vec![region("KZ-47")]),
        ("ulytau", Role::Coordinator, vec![region("KZ-62")]),
    ] {
        let new = store::NewAccount {
            login: Login::Email(format!("{name}@example.org")),
            name: name.to_owned(),
            role,
            regions,
            password_hash: Some(hash.clone()),
        };
        store::add(&mut conn, new).await.unwrap().unwrap();
    }
}

/// Evidence in a folder, with small limits.
pub fn evidence_settings() -> EvidenceSettings {
    EvidenceSettings {
        evidence_url: None,
        s3_endpoint: None,
        s3_region: "us-east-1".to_owned(),
        s3_access_key: None,
        s3_secret_key: None,
        evidence_max_mb: 100,
        evidence_quota_mb: 200,
        upload_hours: 1,
    }
}

/// A service on a database of its own.
pub struct App {
    pub running: Running,
    pub url: String,
    pub database_url: String,
    /// Where the service keeps its files.
    pub folder: PathBuf,
    client: reqwest::Client,
}

impl App {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A service with changed settings.
    pub async fn with(change: impl FnOnce(&mut Service)) -> Self {
        let base = tokio::task::spawn_blocking(base).await.unwrap();
        let name = format!("t{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let admin = base.cluster.url_of("postgres");
        let client = crate::servers::sql(&admin).await;
        client
            .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE baqylau"))
            .await
            .unwrap_or_else(|error| panic!("cloning the template: {error}"));
        let folder = base.dir.join(format!("files-{name}"));
        Self::on(&base.cluster.url_of(&name), folder, change).await
    }

    /// Another instance on this service's database.
    pub async fn beside(&self, change: impl FnOnce(&mut Service)) -> Self {
        Self::on(&self.database_url, self.folder.clone(), change).await
    }

    /// A service on a database that has the schema, and people.
    pub async fn on(database_url: &str, folder: PathBuf, change: impl FnOnce(&mut Service)) -> Self {
        let base = tokio::task::spawn_blocking(base).await.unwrap();
        let mut settings = Service {
            listen: "127.0.0.1:0".parse().unwrap(),
            admin_email: String::new(),
            admin_password: None,
            token_key: None,
            ledger: LedgerSettings { ledger_name: "test/ledger".to_owned(), ledger_key: None },
            require_second_factor: false,
            index_key: Some(INDEX_KEY.to_owned()),
            evidence: evidence_settings(),
            db_connections: Some(8),
            replica_urls: Vec::new(),
            replica_lag_ms: 2000,
            rate_limit: 0,
            login_limit: 0,
            trust_proxy: false,
            max_connections: 1000,
            workers: Some(1),
            drain_seconds: 0,
            shutdown_seconds: 1,
            log_json: false,
        };
        change(&mut settings);
        let kept = folder.clone();
        let url = database_url.to_owned();
        let start = async move {
            let pool = Pool::new(&url, settings.db_connections()).unwrap();
            let secret = settings.index_key.as_deref().map(|key| baqylau::secrets::decode(key).unwrap());
            let index = secret.map(|secret| IndexKey::new(&secret));
            let objects = Objects::open(&settings.evidence, &folder).unwrap();
            let ledger = Ledger { signer: NoteSigner::new(&settings.ledger.ledger_name, &LEDGER_SEED) };
            app::start(&settings, pool, TokenKey::new(&[7; 32]).unwrap(), ledger, index, objects)
                .await
                .unwrap()
        };
        let running = base.runtime.spawn(start).await.unwrap();
        let url = format!("http://{}", running.address);
        let client = baqylau::http::client().unwrap();
        Self { running, url, database_url: database_url.to_owned(), folder: kept, client }
    }

    /// As [`App::on`], with what it owns.
    pub async fn on_owned(database_url: String, folder: PathBuf, change: impl FnOnce(&mut Service)) -> Self {
        Self::on(&database_url, folder, change).await
    }

    /// The value of a gauge or counter, its labels left aside: the last of those that carry the name.
    pub async fn get_metric(&self, name: &str) -> f64 {
        let text = reqwest::get(format!("{}/metrics", self.url)).await.unwrap().text().await.unwrap();
        let of_name = |line: &&str| line.split(['{', ' ']).next() == Some(name);
        let line = text.lines().rfind(of_name);
        line.map_or(f64::NAN, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }

    /// Signs in one of the people of the template: `admin`, `observer`, `qaraghandy`, …
    pub async fn sign_in(&self, name: &str) -> Person<'_> {
        let body = json!({ "email": format!("{name}@example.org"), "password": PASSWORD });
        let tokens = self.nobody().post("/auth/login", body).await.json(200);
        Person { app: self, token: Some(tokens["access_token"].as_str().unwrap().to_owned()), tokens }
    }

    /// Somebody who has not signed in.
    /// Runs the program on this service's database; answers what it printed.
    pub fn run(&self, args: &[&str]) -> String {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_baqylau"))
            .env("DATABASE_URL", &self.database_url)
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn nobody(&self) -> Person<'_> {
        Person { app: self, token: None, tokens: Value::Null }
    }

    /// Waits until every commitment has its place in the ledger.
    pub async fn settled(&self) {
        let sql = self.sql().await;
        for _ in 0..400 {
            let waiting = "SELECT (SELECT count(*) FROM ledger_queue) + (SELECT count(*) FROM record_versions WHERE commitment IS NULL)";
            let n: i64 = sql.query_one(waiting, &[]).await.unwrap().get(0);
            if n == 0 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the ledger's queue is never empty");
    }

    /// SQL straight at the database.
    pub async fn sql(&self) -> tokio_postgres::Client {
        crate::servers::sql(&self.database_url).await
    }
}

/// Somebody at the service.
pub struct Person<'a> {
    app: &'a App,
    pub token: Option<String>,
    pub tokens: Value,
}

impl<'a> Person<'a> {
    /// Whoever holds an access token.
    pub fn with_token(app: &'a App, token: &str) -> Self {
        Self { app, token: Some(token.to_owned()), tokens: Value::Null }
    }

    /// As [`Person::post`], for somebody who is named for one request only.
    pub async fn post_owned(self, path: &str, body: Value) -> Answer {
        self.post(path, body).await
    }
}

impl Person<'_> {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let path = if path.starts_with("/api") { path.to_owned() } else { format!("/api/v1{path}") };
        let request = self.app.client.request(method, format!("{}{path}", self.app.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn patch(&self, path: &str, etag: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::PATCH, path).header("if-match", etag).json(&body)).await
    }

    /// Files records, a line each.
    pub async fn submit_lines(&self, lines: &[String]) -> Vec<Value> {
        let request =
            self.request(Method::POST, "/submissions").header("content-type", "application/x-ndjson");
        let answer = Answer::of(request.body(lines.join("\n"))).await;
        answer.text(200).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::PUT, path).json(&body)).await
    }

    /// Files a violation and answers its path.
    pub async fn file(&self, change: Value) -> String {
        let record = self.post("/violations", violation(change)).await.json(201);
        format!("/violations/{}", record["id"].as_str().unwrap())
    }
}

/// A whole answer.
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub async fn of(request: RequestBuilder) -> Self {
        let response: Response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: response.bytes().await.unwrap().to_vec() }
    }

    #[track_caller]
    pub fn text(self, status: u16) -> String {
        let text = String::from_utf8(self.body).unwrap();
        assert_eq!(self.status, status, "{text}");
        text
    }

    /// Checks the status alone, for bodies that are no text.
    #[track_caller]
    pub fn text_status(self, status: u16) {
        assert_eq!(self.status, status);
    }

    #[track_caller]
    pub fn json(self, status: u16) -> Value {
        serde_json::from_str(&self.text(status)).unwrap()
    }

    /// A record without the receipt that the answer to a change has.
    #[track_caller]
    pub fn record(self, status: u16) -> Value {
        let mut record = self.json(status);
        record.as_object_mut().unwrap().remove("receipt");
        record
    }

    /// The pointers and codes of a problem.
    #[track_caller]
    pub fn faults(self) -> Vec<(String, String)> {
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem = self.json(422);
        let word = |fault: &Value, name: &str| fault[name].as_str().unwrap().to_owned();
        let faults = problem["errors"].as_array().unwrap();
        faults.iter().map(|fault| (word(fault, "pointer"), word(fault, "code"))).collect()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

/// A violation like the one of the README, with fields changed; null takes one out.
pub fn violation(change: Value) -> Value {
    let mut body = json!({
        "election": "kz-2019-president",
        "city": "Қарағанды",
        "polling_station": "123",
        "occurred_at": "2019-06-09T14:30:00+06:00",
        "category": "observer_obstructed",
        "stage": "voting",
        "severity": "serious",
        "description": "Бақылаушыны дауыс санау кезінде учаскеден шығарды",
    });
    baqylau::records::request::merge(&mut body, &change);
    body
}

/// Installs what a script of the tests needs, as its lock file says.
pub fn npm_ci(folder: &std::path::Path) {
    let changed = |file: &str| std::fs::metadata(folder.join(file)).and_then(|it| it.modified()).ok();
    if changed("node_modules/.package-lock.json") < changed("package-lock.json") {
        let npm = std::process::Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund"])
            .current_dir(folder)
            .output();
        let done = npm.expect("npm is needed for this test: install Node.js");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}
