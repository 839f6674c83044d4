//! More than can be served: what is refused, how fast, and who goes on being served.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::net::TcpStream;

use crate::{
    Bench, PASSWORD, load,
    load::{Load, Report, at},
};

/// People who send at once, and connections each of them has.
const PEOPLE: usize = 20;
const CONNECTIONS: usize = 100;
const SIGNING_IN: usize = 32;
const IDLE: usize = 8_000;
const SLOW: usize = 500;

impl Bench {
    /// Submissions alone; while people sign in, who wait as they are told when they are refused; and while others do not
    /// wait.
    pub async fn logins(&self) -> anyhow::Result<()> {
        // A young database makes the files of its log as it goes.
        self.load(64).run(load::submission).await?;
        let alone = self.load(64).run(load::submission).await?;
        let over = Arc::new(AtomicBool::new(false));
        let flood: Vec<_> = (0..SIGNING_IN).map(|_| tokio::spawn(self.sign_in(over.clone()))).collect();
        let beside = self.load(64).run(load::submission).await?;
        over.store(true, Ordering::Relaxed);
        let (mut signed_in, mut refused) = (0, 0);
        for task in flood {
            let (able, unable) = task.await?;
            (signed_in, refused) = (signed_in + able, refused + unable);
        }
        self.beside_sign_ins("", signed_in, refused, &beside, &alone);

        let body = json!({ "email": "bench@example.org", "password": PASSWORD }).to_string();
        let flood = Load { connections: SIGNING_IN, ..self.load(0) }
            .start(move || ("POST", "/api/v1/auth/login".to_owned(), body.clone()), true);
        let beside = self.load(64).run(load::submission).await?;
        let (mut signed_in, mut refused) = (0, 0);
        for task in flood {
            for (status, _) in task.await?? {
                if status == 200 { signed_in += 1 } else { refused += 1 }
            }
        }
        self.beside_sign_ins(" and do not wait when refused", signed_in, refused, &beside, &alone);
        Ok(())
    }

    fn beside_sign_ins(&self, how: &str, signed_in: usize, refused: usize, beside: &Report, alone: &Report) {
        let seconds = self.seconds as f64;
        println!(
            "| submissions while {SIGNING_IN} connections sign in{how} ({:.0}/s, {:.0}/s refused); without them | {:.0}/s, p99 {:.1} ms | {:.0}/s | {:.2} |",
            signed_in as f64 / seconds,
            refused as f64 / seconds,
            beside.rate,
            beside.p99,
            alone.rate,
            beside.rate / alone.rate
        );
    }

    /// Signs in until it is over and waits as it is told when refused; tells how often it could and how often it could not.
    fn sign_in(&self, over: Arc<AtomicBool>) -> impl Future<Output = (usize, usize)> + use<> {
        let http = self.http.clone();
        let url = format!("http://{}/api/v1/auth/login", self.address);
        async move {
            let body = json!({ "email": "bench@example.org", "password": PASSWORD });
            let (mut signed_in, mut refused) = (0, 0);
            while !over.load(Ordering::Relaxed) {
                let Ok(answer) = http.post(&url).json(&body).send().await else { continue };
                if answer.status().is_success() {
                    signed_in += 1;
                    continue;
                }
                refused += 1;
                let wait = answer.headers().get("retry-after").and_then(|it| it.to_str().ok()?.parse().ok());
                tokio::time::sleep(Duration::from_secs(wait.unwrap_or(1))).await;
            }
            (signed_in, refused)
        }
    }

    /// Two thousand connections that send again at once when refused, beside a coordinator who reads.
    pub async fn overload(&self) -> anyhow::Result<()> {
        let able = self.load(64).run(load::submission).await?.rate;
        let before = self.memory()?.0;
        let mut tasks = Vec::new();
        for token in &self.tokens {
            let load =
                Load { address: &self.address, token, seconds: self.seconds, connections: CONNECTIONS };
            tasks.extend(load.start(load::submission, true));
        }
        let reads = self.load(4).run(load::get("/api/v1/violations?region=KZ-35&limit=20")).await?;
        let held = self.memory()?.0;
        let (mut served, mut refused) = (Vec::new(), Vec::new());
        for task in tasks {
            for (status, time) in task.await?? {
                if status == 201 { served.push(time) } else { refused.push(time) }
            }
        }
        served.sort_unstable();
        refused.sort_unstable();
        let seconds = self.seconds as f64;
        println!(
            "| overload: {} connections send {:.1} times what 64 had stored | {:.0}/s stored, p99 {:.0} ms | {able:.0}/s | {:.2} |",
            PEOPLE * CONNECTIONS,
            (served.len() + refused.len()) as f64 / seconds / able,
            served.len() as f64 / seconds,
            at(&served, 0.99),
            served.len() as f64 / seconds / able
        );
        println!(
            "| overload: refused with 503 and Retry-After | {:.0}/s, p50 {:.1} ms, p99 {:.0} ms | | |",
            refused.len() as f64 / seconds,
            at(&refused, 0.5),
            at(&refused, 0.99)
        );
        println!(
            "| overload: lists for a coordinator beside it, 4 connections | {:.0}/s, p50 {:.1} ms, p99 {:.0} ms | | |",
            reads.rate, reads.p50, reads.p99
        );
        println!(
            "| overload: resident memory of the service, before it and in it | {held} kB | {before} kB | |"
        );
        Ok(())
    }

    /// Connections that send half of a submission and no more.
    pub async fn slow(&self) -> anyhow::Result<()> {
        use tokio::io::AsyncWriteExt;
        let before = self.memory()?.0;
        let alone = self.load(64).run(load::submission).await?;
        let mut open = Vec::new();
        for n in 0..SLOW {
            let mut stream = TcpStream::connect(&self.address).await?;
            let head = format!(
                "POST /api/v1/violations HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\
                 Authorization: Bearer {}\r\n\r\n{{\"id\":",
                self.tokens[n % self.tokens.len()]
            );
            stream.write_all(head.as_bytes()).await?;
            open.push(stream);
        }
        let beside = self.load(64).run(load::submission).await?;
        println!(
            "| submissions beside {SLOW} connections that send half a submission ({} kB more); without them | {:.0}/s, p99 {:.1} ms | {:.0}/s | {:.2} |",
            self.memory()?.0.saturating_sub(before),
            beside.rate,
            beside.p99,
            alone.rate,
            beside.rate / alone.rate
        );
        Ok(())
    }

    /// What connections cost that say nothing.
    pub async fn idle(&self) -> anyhow::Result<()> {
        let before = self.memory()?.0;
        let mut open = Vec::new();
        for n in 0..IDLE {
            // Addresses of the loopback have ports of their own.
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.bind(format!("127.0.0.{}:0", 2 + n / 4000).parse()?)?;
            let mut stream = socket.connect(self.address.parse()?).await?;
            ask(&mut stream).await?;
            open.push(stream);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let held = self.memory()?.0;
        let each = (held.saturating_sub(before)) as f64 / IDLE as f64;
        let beside = self.load(64).run(load::submission).await?;
        println!(
            "| {IDLE} idle connections | {each:.1} kB each, {:.2} GB for 100,000 | | |\n\
             | submissions beside them | {:.0}/s, p99 {:.1} ms | | |",
            each * 100_000.0 / 1e6,
            beside.rate,
            beside.p99
        );
        Ok(())
    }

    /// Tokens of observers.
    pub async fn people(&self) -> anyhow::Result<Vec<String>> {
        let mut tokens = Vec::new();
        for n in 0..PEOPLE {
            tokens.push(self.person(n).await?);
        }
        Ok(tokens)
    }

    async fn person(&self, n: usize) -> anyhow::Result<String> {
        let api = format!("http://{}/api/v1", self.address);
        let account = json!({ "email": format!("observer-{n}@example.org"), "password": PASSWORD });
        let mut new = account.clone();
        new["role"] = "observer".into();
        self.http
            .post(format!("{api}/users"))
            .bearer_auth(&self.token)
            .json(&new)
            .send()
            .await?
            .error_for_status()?;
        let tokens =
            self.http.post(format!("{api}/auth/login")).json(&account).send().await?.error_for_status()?;
        let tokens: serde_json::Value = tokens.json().await?;
        Ok(tokens["access_token"].as_str().expect("a token").to_owned())
    }
}

/// Puts the database into a control group, whose limits are its own from here on: whom it starts later is in it too.
pub fn hold(postmaster: u32, group: &Path) -> anyhow::Result<()> {
    let children = std::fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"))?;
    for process in std::iter::once(postmaster.to_string().as_str()).chain(children.split_whitespace()) {
        // The kernel takes one a write; a backend may have ended meanwhile.
        let held = std::fs::write(group.join("cgroup.procs"), process);
        let ended = Path::new("/proc").join(process).symlink_metadata().is_err();
        anyhow::ensure!(held.is_ok() || ended, "{process} cannot be held in {}", group.display());
    }
    Ok(())
}

/// One request and its answer, so that the connection is known to the service.
async fn ask(stream: &mut TcpStream) -> anyhow::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: bench\r\n\r\n").await?;
    let started = Instant::now();
    let mut answer = [0; 1024];
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut answer)).await??;
    anyhow::ensure!(read > 0, "closed after {:?}", started.elapsed());
    Ok(())
}
