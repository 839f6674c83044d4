//! Clients as they are: each does one thing after another, and sends again until it knows what came of it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use baqylau::ledger::Receipt;
use base64::{Engine, prelude::BASE64_STANDARD};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use reqwest::{Method, RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::history::{Act, Look, Scribe, Told, Wish};

/// A phone gives up waiting, and sends again.
const ANSWER: Duration = Duration::from_secs(5);
/// After so long without knowing, a client goes on to other things.
const PATIENCE: Duration = Duration::from_secs(45);

/// What all clients of a run share.
#[derive(Clone)]
pub struct Run {
    pub scribe: Scribe,
    /// Where the service is: any of them will do.
    pub urls: Vec<String>,
    pub token: String,
    pub over: Arc<AtomicBool>,
    /// Records that a reviewer may look at.
    pub known: Arc<Mutex<Vec<Uuid>>>,
    /// Acts that were acknowledged.
    pub done: Arc<std::sync::atomic::AtomicU64>,
}

/// One client.
pub struct Client {
    run: Run,
    number: usize,
    http: reqwest::Client,
    dice: StdRng,
    words: u32,
    turns: AtomicUsize,
    /// Its records, and the version it knows of each.
    mine: Vec<(Uuid, i32)>,
    /// Where its last write stands, to be told to whoever answers its reads.
    position: Option<String>,
}

/// An answer that decides, and whether an earlier attempt had none.
struct Decided {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    again: bool,
}

impl Decided {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Client {
    pub fn new(run: &Run, number: usize, seed: u64) -> Self {
        let http = reqwest::Client::builder().timeout(ANSWER).build().unwrap();
        let dice = StdRng::seed_from_u64(seed ^ (number as u64) << 32);
        Self {
            run: run.clone(),
            number,
            http,
            dice,
            words: 0,
            turns: AtomicUsize::new(number),
            mine: Vec::new(),
            position: None,
        }
    }

    /// Works until the run is over.
    pub async fn work(mut self) {
        while !self.run.over.load(Ordering::Relaxed) {
            match self.dice.random_range(0..100) {
                0..40 => self.submit().await,
                40..50 => self.submit_lines().await,
                50..70 => self.edit().await,
                70..78 => self.upload().await,
                78..84 => self.review().await,
                84..97 => self.look().await,
                _ => self.watch().await,
            }
        }
    }

    fn word(&mut self) -> String {
        self.words += 1;
        format!("торап {}-{}", self.number, self.words)
    }

    fn body(&mut self, word: &str) -> Value {
        json!({
            "election": "kz-2019-president", "city": "Қарағанды", "category": "observer_obstructed",
            "polling_station": self.dice.random_range(1..300).to_string(), "severity": "serious",
            "occurred_at": "2019-06-09T14:30:00+06:00", "stage": "voting", "description": word,
        })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let path = if path.starts_with("/api") { path.to_owned() } else { format!("/api/v1{path}") };
        let url = &self.run.urls[self.turns.fetch_add(1, Ordering::Relaxed) % self.run.urls.len()];
        let request = self.http.request(method, format!("{url}{path}")).bearer_auth(&self.run.token);
        match &self.position {
            Some(position) => request.header("baqylau-position", position),
            None => request,
        }
    }

    /// Sends until an answer decides: not a failure of the server, and whole.
    async fn persist(&mut self, build: impl Fn(&Self) -> RequestBuilder) -> Option<Decided> {
        let started = Instant::now();
        let mut again = false;
        while started.elapsed() < PATIENCE {
            if let Some(decided) = self.once(build(self), again).await {
                return Some(decided);
            }
            again = true;
            let pause = Duration::from_millis(self.dice.random_range(20..300));
            tokio::time::sleep(pause).await;
        }
        None
    }

    async fn once(&mut self, request: RequestBuilder, again: bool) -> Option<Decided> {
        let response = request.send().await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.ok()?.to_vec();
        if status >= 500 || status == 429 || status == 408 {
            return None;
        }
        if let Some(position) = headers.get("baqylau-position") {
            self.position = position.to_str().ok().map(str::to_owned);
        }
        Some(Decided { status, headers, body, again })
    }

    fn wrote(&self, wish: Wish, told: Told, began: u64) {
        if matches!(told, Told::Done { .. }) {
            self.run.done.fetch_add(1, Ordering::Relaxed);
        }
        let ended = self.run.scribe.now();
        self.run
            .scribe
            .write(|history| history.acts.push(Act { client: self.number, wish, told, began, ended }));
    }

    fn keep_receipt(&self, receipt: &Value) {
        let Ok(receipt) = serde_json::from_value::<Receipt>(receipt.clone()) else { return };
        let salt = BASE64_STANDARD.decode(&receipt.salt).unwrap();
        let commitment = receipt.entry.commit(&salt).to_vec();
        self.run.scribe.write(|history| history.receipts.insert(commitment));
    }

    fn stored(&mut self, id: Uuid) {
        self.mine.push((id, 1));
        self.run.known.lock().unwrap().push(id);
    }

    async fn submit(&mut self) {
        let word = self.word();
        let mut body = self.body(&word);
        let key = Uuid::from_u128(self.dice.random()).to_string();
        // Half of the clients' programs make ids, half send a key of their own.
        let own = self.dice.random_bool(0.5);
        if own {
            body["id"] = fresh_id().to_string().into();
        }
        let began = self.run.scribe.now();
        let decided = self
            .persist(|this| {
                let request = this.request(Method::POST, "/violations").json(&body);
                if own { request } else { request.header("idempotency-key", &key) }
            })
            .await;
        let told = match decided {
            None => Told::Unknown,
            Some(decided) if matches!(decided.status, 200 | 201) => {
                let record = decided.json();
                let id: Uuid = record["id"].as_str().unwrap().parse().unwrap();
                self.keep_receipt(&record["receipt"]);
                self.stored(id);
                Told::Done { record: id, version: 1 }
            }
            Some(_) => Told::Refused,
        };
        self.wrote(Wish::Submit { word }, told, began);
    }

    async fn submit_lines(&mut self) {
        let lines: Vec<(Uuid, String, String)> = (0..self.dice.random_range(2..40))
            .map(|_| {
                let (id, word) = (fresh_id(), self.word());
                let mut body = self.body(&word);
                body["record"] = "violation".into();
                body["id"] = id.to_string().into();
                (id, word, body.to_string())
            })
            .collect();
        let whole: Vec<&str> = lines.iter().map(|(.., line)| line.as_str()).collect();
        let whole = whole.join("\n");
        let began = self.run.scribe.now();
        let started = Instant::now();
        // Lines that are answered are known, even where the others of the same stream are not.
        let mut told: Vec<Told> = vec![Told::Unknown; lines.len()];
        while told.contains(&Told::Unknown) && started.elapsed() < PATIENCE {
            let request =
                self.request(Method::POST, "/submissions").header("content-type", "application/x-ndjson");
            if let Some(decided) = self.once(request.body(whole.clone()), true).await {
                let text = String::from_utf8_lossy(&decided.body).into_owned();
                for answer in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
                    let Some(n) = answer["line"].as_u64().map(|n| n as usize - 1) else { continue };
                    match answer["status"].as_u64() {
                        Some(200 | 201) => {
                            self.keep_receipt(&answer["receipt"]);
                            told[n] = Told::Done { record: lines[n].0, version: 1 };
                        }
                        Some(400..500) => told[n] = Told::Refused,
                        _ => {}
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(self.dice.random_range(20..200))).await;
        }
        for ((id, word, _), told) in lines.into_iter().zip(told) {
            if told != Told::Unknown {
                self.stored(id);
            }
            self.wrote(Wish::Submit { word }, told, began);
        }
    }

    async fn edit(&mut self) {
        let Some(chosen) = self.choose() else { return };
        let (record, of) = self.mine[chosen];
        let word = self.word();
        let body = json!({ "description": word });
        let (path, etag) = (format!("/violations/{record}"), format!("\"{of}\""));
        let began = self.run.scribe.now();
        let decided = self
            .persist(|this| this.request(Method::PATCH, &path).header("if-match", &etag).json(&body))
            .await;
        let told = match decided {
            Some(decided) if decided.status == 200 => {
                let answer = decided.json();
                self.keep_receipt(&answer["receipt"]);
                let version = answer["version"].as_i64().unwrap() as i32;
                self.mine[chosen].1 = version;
                Told::Done { record, version }
            }
            // Perhaps the attempt that was not answered made the version that is in the way.
            Some(decided) if decided.again => Told::Unknown,
            Some(_) => Told::Refused,
            None => Told::Unknown,
        };
        let unsure = !matches!(told, Told::Done { .. });
        self.wrote(Wish::Edit { record, of, word }, told, began);
        if unsure {
            self.look_at(chosen).await;
        }
    }

    async fn review(&mut self) {
        let record = {
            let known = self.run.known.lock().unwrap();
            if known.is_empty() {
                return;
            }
            known[self.dice.random_range(0..known.len())]
        };
        let path = format!("/violations/{record}");
        let Some(seen) = self.persist(|this| this.request(Method::GET, &path)).await else { return };
        let Some(of) = seen.json()["version"].as_i64() else { return };
        let etag = format!("\"{of}\"");
        let began = self.run.scribe.now();
        let body = json!({ "decision": "in_review", "note": "көрілді" });
        let path = format!("{path}/review");
        let decided = self
            .persist(|this| this.request(Method::POST, &path).header("if-match", &etag).json(&body))
            .await;
        let told = match decided {
            Some(decided) if decided.status == 200 => {
                let answer = decided.json();
                self.keep_receipt(&answer["receipt"]);
                Told::Done { record, version: answer["version"].as_i64().unwrap() as i32 }
            }
            Some(decided) if !decided.again => Told::Refused,
            _ => Told::Unknown,
        };
        self.wrote(Wish::Review { record, of: of as i32 }, told, began);
    }

    fn choose(&mut self) -> Option<usize> {
        (!self.mine.is_empty()).then(|| self.dice.random_range(0..self.mine.len()))
    }

    async fn look(&mut self) {
        if let Some(chosen) = self.choose() {
            self.look_at(chosen).await;
        }
    }

    async fn look_at(&mut self, chosen: usize) {
        let (record, _) = self.mine[chosen];
        let path = format!("/violations/{record}");
        let began = self.run.scribe.now();
        let Some(seen) = self.persist(|this| this.request(Method::GET, &path)).await else { return };
        // Not there at all is version 0.
        let version = seen.json()["version"].as_i64().unwrap_or_default() as i32;
        self.mine[chosen].1 = version;
        let ended = self.run.scribe.now();
        let look = Look { client: self.number, record, version, began, ended };
        self.run.scribe.write(|history| history.looks.push(look));
    }

    /// Lists, counts and the ledger, as a coordinator's page asks for them.
    async fn watch(&mut self) {
        for path in ["/violations?region=KZ-35&limit=20", "/aggregates?group_by=region,day"] {
            self.persist(|this| this.request(Method::GET, path)).await;
        }
        if let Some(seen) = self.persist(|this| this.request(Method::GET, "/ledger/checkpoint")).await
            && seen.status == 200
        {
            let note = String::from_utf8(seen.body).unwrap();
            self.run.scribe.write(|history| history.checkpoints.insert(note));
        }
    }

    async fn upload(&mut self) {
        let Some(chosen) = self.choose() else { return };
        let (record, _) = self.mine[chosen];
        let mut bytes = b"\xff\xd8\xff\xe0\x00\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0".to_vec();
        let length = self.dice.random_range(1_000..200_000);
        bytes.extend((0..length).map(|_| self.dice.random::<u8>() & 0x7f));
        let sha256 = hex::encode(Sha256::digest(&bytes));
        let metadata = format!("record {}", BASE64_STANDARD.encode(record.to_string()));
        let total = bytes.len();
        let began = self.run.scribe.now();
        let created = self
            .persist(|this| {
                let request =
                    this.request(Method::POST, "/evidence/uploads").header("tus-resumable", "1.0.0");
                request.header("upload-metadata", &metadata).header("upload-length", total)
            })
            .await;
        let place =
            created.and_then(|created| Some(created.headers.get("location")?.to_str().ok()?.to_owned()));
        let told = match place {
            Some(place) => self.send_file(&place, &bytes, record).await,
            None => Told::Unknown,
        };
        self.wrote(Wish::Upload { record, sha256 }, told, began);
    }

    async fn send_file(&mut self, place: &str, bytes: &[u8], record: Uuid) -> Told {
        let mut offset = 0;
        for _ in 0..100 {
            let end = (offset + 60_000).min(bytes.len());
            let piece = bytes[offset..end].to_vec();
            let request = self
                .request(Method::PATCH, place)
                .header("tus-resumable", "1.0.0")
                .header("content-type", "application/offset+octet-stream")
                .header("upload-offset", offset)
                .body(piece);
            match self.once(request, false).await {
                Some(done) if done.status == 204 && done.headers.contains_key("baqylau-evidence") => {
                    return Told::Done { record, version: 0 };
                }
                Some(done) if done.status == 204 => offset = end,
                // Cut off: the server says where it goes on; of an upload that ended it knows nothing more.
                _ => {
                    let asked = self
                        .persist(|this| this.request(Method::HEAD, place).header("tus-resumable", "1.0.0"))
                        .await;
                    let at = |head: &Decided| head.headers.get("upload-offset")?.to_str().ok()?.parse().ok();
                    match asked.as_ref().and_then(at) {
                        Some(at) => offset = at,
                        None => return Told::Unknown,
                    }
                }
            }
        }
        Told::Unknown
    }
}

fn fresh_id() -> Uuid {
    Uuid::now_v7()
}
