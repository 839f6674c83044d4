//! A network between clients and the service that delays, swallows and cuts.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// How the network is just now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weather {
    Fair,
    /// Each piece comes so much later.
    Slow(Duration),
    /// What is sent arrives nowhere, and nobody is told.
    Silent,
    /// Every connection breaks after so many bytes from the service: an answer may be cut in the middle.
    Cutting(usize),
}

/// The proxy; clients keep its address over restarts of the service.
#[derive(Clone)]
pub struct Proxy {
    pub url: String,
    target: Arc<Mutex<SocketAddr>>,
    weather: watch::Sender<Weather>,
}

impl Proxy {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (weather, seen) = watch::channel(Weather::Fair);
        let nowhere: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let target = Arc::new(Mutex::new(nowhere));
        let to = target.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let to = *to.lock().unwrap();
                tokio::spawn(carry(client, to, seen.clone()));
            }
        });
        Self { url, target, weather }
    }

    /// New connections go there.
    pub fn lead_to(&self, url: &str) {
        *self.target.lock().unwrap() = url.strip_prefix("http://").unwrap().parse().unwrap();
    }

    /// It is so for a while, then fair again.
    pub async fn turn(&self, weather: Weather, during: Duration) {
        self.weather.send_replace(weather);
        tokio::time::sleep(during).await;
        self.weather.send_replace(Weather::Fair);
    }
}

async fn carry(mut client: TcpStream, to: SocketAddr, weather: watch::Receiver<Weather>) {
    let Ok(mut server) = TcpStream::connect(to).await else { return };
    let (mut up, mut down) = ([0; 16 * 1024], [0; 16 * 1024]);
    let mut answered = 0;
    loop {
        let (read, upward) = tokio::select! {
            read = client.read(&mut up) => (read, true),
            read = server.read(&mut down) => (read, false),
        };
        let Ok(read @ 1..) = read else { return };
        let now = *weather.borrow();
        match now {
            Weather::Fair => {}
            Weather::Slow(by) => tokio::time::sleep(by).await,
            Weather::Silent => continue,
            Weather::Cutting(after) if !upward => {
                answered += read;
                if answered > after {
                    return;
                }
            }
            Weather::Cutting(_) => {}
        }
        let sent = match upward {
            true => server.write_all(&up[..read]).await,
            false => client.write_all(&down[..read]).await,
        };
        if sent.is_err() {
            return;
        }
    }
}
