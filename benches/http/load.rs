//! A load over HTTP/1.1 that costs little itself: one task a connection, bytes in, bytes out.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

/// What to send and how.
#[derive(Clone, Copy)]
pub struct Load<'a> {
    pub address: &'a str,
    pub token: &'a str,
    pub seconds: u64,
    pub connections: usize,
}

/// Requests a second, and times in milliseconds.
pub struct Report {
    pub rate: f64,
    pub p50: f64,
    pub p99: f64,
}

/// A request: method, path, body.
pub type Request = (&'static str, String, String);

/// The same GET again and again.
pub fn get(path: &'static str) -> impl Fn() -> Request + Clone + Send + 'static {
    move || ("GET", path.to_owned(), String::new())
}

/// A submission with a fresh id.
pub fn submission() -> Request {
    let body = format!(
        r#"{{"id":"{}","election":"kz-2019-president","city":"qaraghandy","polling_station":"{}","occurred_at":"2019-06-09T10:{:02}:00+06:00","category":"observer_obstructed","stage":"voting","severity":"serious","description":"Бақылаушыны дауыс санау кезінде учаскеден шығарды"}}"#,
        uuid::Uuid::new_v4(),
        rand::random_range(1..300),
        rand::random_range(0..60),
    );
    ("POST", "/api/v1/violations".to_owned(), body)
}

/// The time, in milliseconds, that a share of these took at most; they are in microseconds and sorted.
pub fn at(times: &[u64], share: f64) -> f64 {
    let place = times.len().saturating_sub(1) as f64 * share;
    times.get(place as usize).map_or(0.0, |time| *time as f64 / 1000.0)
}

/// Statuses and times in microseconds.
type Times = Vec<(u16, u64)>;

impl Load<'_> {
    /// Sends requests for the time set; each must be answered with a 2xx.
    pub async fn run(self, request: impl Fn() -> Request + Clone + Send + 'static) -> anyhow::Result<Report> {
        let started = Instant::now();
        let mut times = Vec::new();
        for task in self.start(request, false) {
            times.extend(task.await??.into_iter().map(|(_, time)| time));
        }
        let took = started.elapsed().as_secs_f64();
        times.sort_unstable();
        Ok(Report { rate: times.len() as f64 / took, p50: at(&times, 0.5), p99: at(&times, 0.99) })
    }

    /// Starts to send; a refusal (503, 429) is an answer only where it may be.
    pub fn start(
        self,
        request: impl Fn() -> Request + Clone + Send + 'static,
        may_refuse: bool,
    ) -> Vec<JoinHandle<anyhow::Result<Times>>> {
        let until = Instant::now() + Duration::from_secs(self.seconds);
        (0..self.connections)
            .map(|_| {
                let (request, address, token) =
                    (request.clone(), self.address.to_owned(), self.token.to_owned());
                tokio::spawn(async move { one(&address, &token, until, request, may_refuse).await })
            })
            .collect()
    }
}

async fn one(
    address: &str,
    token: &str,
    until: Instant,
    request: impl Fn() -> Request,
    may_refuse: bool,
) -> anyhow::Result<Times> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut times = Vec::new();
    let mut buffer = vec![0; 256 * 1024];
    while Instant::now() < until {
        let (method, path, body) = request();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let message = format!(
            "{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let started = Instant::now();
        stream.write_all(message.as_bytes()).await?;
        let status = read(&mut stream, &mut buffer).await?;
        let fine = (200..300).contains(&status) || may_refuse && matches!(status, 429 | 503);
        anyhow::ensure!(fine, "{status} for {method} {path}");
        times.push((status, started.elapsed().as_micros() as u64));
        if status == 503 {
            // Refusals close the connection where a body was not read.
            let closed = memchr::memmem::find(&buffer[..2048], b"onnection: close").is_some();
            if closed {
                stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
            }
        }
    }
    Ok(times)
}

/// Reads an answer; tells its status.
async fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> anyhow::Result<u16> {
    let (mut have, mut whole, mut status) = (0, None, 0);
    loop {
        if whole.is_some_and(|whole| have >= whole) {
            return Ok(status);
        }
        let n = stream.read(&mut buffer[have..]).await?;
        anyhow::ensure!(n > 0, "the connection was closed");
        have += n;
        if whole.is_none()
            && let Some(head) = memchr::memmem::find(&buffer[..have], b"\r\n\r\n")
        {
            let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
            let word = text.strip_prefix("http/1.1 ").and_then(|rest| rest.get(..3));
            status = word.and_then(|word| word.parse().ok()).ok_or_else(|| anyhow::anyhow!("{text}"))?;
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let length: usize = length.ok_or_else(|| anyhow::anyhow!("no length in {text}"))?;
            anyhow::ensure!(head + 4 + length <= buffer.len(), "an answer of {length} bytes");
            whole = Some(head + 4 + length);
        }
    }
}
