//! Pooled connections.

use std::{future::poll_fn, sync::Arc, time::Duration};

use diesel::ConnectionError;
use diesel_async::{
    AsyncPgConnection, SimpleAsyncConnection,
    pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod, deadpool},
};
use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio_postgres::AsyncMessage;

use super::{DbError, DbResult, replicas::Standing};

/// A connection taken from the pool; it goes back when dropped.
pub type Connection = deadpool::Object<AsyncPgConnection>;

/// How long a request waits for a connection before it is told to come back (503).
const WAIT: Duration = Duration::from_secs(5);

/// How long sent bytes may stay without an answer of the other side's network.
const VANISHED: Duration = Duration::from_secs(10);

/// What every connection is told first.
const SETUP: &str = "SET statement_timeout = '30s'; SET lock_timeout = '10s'";

/// A page of a list takes less time than planning it anew for its own dates, which PostgreSQL would do each time: it
/// guesses that an unknown stretch of time holds more rows than a page takes.
const PLANNED_ONCE: &str = "SET plan_cache_mode = force_generic_plan";

/// The program's connections to PostgreSQL.
#[derive(Clone)]
pub struct Pool {
    inner: deadpool::Pool<AsyncPgConnection>,
    url: Arc<str>,
    /// Where a standby's reads go when it fails.
    otherwise: Option<Arc<(Pool, Arc<Standing>)>>,
}

impl Pool {
    /// Makes a pool of at most `size` connections; none is opened yet.
    ///
    /// # Errors
    /// When the URL is not one PostgreSQL understands.
    pub fn new(url: &str, size: usize) -> anyhow::Result<Self> {
        Self::set_up(url, size, "")
    }

    /// Another pool to the same server, for lists in the order of an index: each statement is planned once, whatever it
    /// is asked.
    pub fn planned_once(&self) -> Self {
        // Where one waits for long, the others go on.
        let size = (self.inner.status().max_size / 2).max(3);
        let pool = Self::set_up(&self.url, size, PLANNED_ONCE).expect("the URL was understood before");
        Self { otherwise: self.otherwise.clone(), ..pool }
    }

    fn set_up(url: &str, size: usize, further: &'static str) -> anyhow::Result<Self> {
        url.parse::<tokio_postgres::Config>()?;
        let runtime = Handle::current();
        let mut config = ManagerConfig::default();
        config.recycling_method = RecyclingMethod::Fast;
        config.custom_setup = Box::new(move |url| {
            // Connections are driven by the runtime that the pool was made on, whoever asks for one.
            let (runtime, url) = (runtime.clone(), url.to_owned());
            async move {
                runtime
                    .spawn(async move {
                        let mut conn = open(&url).await?;
                        conn.batch_execute(&format!("{SETUP}; {further}"))
                            .await
                            .map_err(ConnectionError::CouldntSetupConfiguration)?;
                        Ok(conn)
                    })
                    .await
                    .map_err(bad)?
            }
            .boxed()
        });
        let manager = AsyncDieselConnectionManager::new_with_config(url, config);
        let inner = deadpool::Pool::builder(manager)
            .max_size(size)
            // A connection keeps the room of the greatest thing sent over it; by turns all of them would.
            .queue_mode(::deadpool::managed::QueueMode::Lifo)
            .runtime(::deadpool::Runtime::Tokio1)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(WAIT))
            .build()?;
        Ok(Self { inner, url: url.into(), otherwise: None })
    }

    /// A pool for one HTTP worker: its connections are driven on the worker's own thread, so that a query
    /// wakes no other.
    pub fn for_worker(&self, workers: usize) -> Self {
        let size = (self.inner.status().max_size / workers.max(1)).max(2);
        Self::new(&self.url, size).expect("the URL was understood before")
    }

    /// This pool of a standby, with `primary` to turn to when the standby fails.
    pub fn or_else(self, primary: Self, standing: Arc<Standing>) -> Self {
        Self { otherwise: Some(Arc::new((primary, standing))), ..self }
    }

    /// Takes a connection, waiting at most five seconds for one.
    pub async fn get(&self) -> DbResult<Connection> {
        match self.own().await {
            Ok(conn) => Ok(conn),
            Err(error) => match self.instead() {
                Some(primary) => Box::pin(primary.get()).await,
                None => Err(error),
            },
        }
    }

    /// Takes a connection to this server and no other.
    pub(super) async fn own(&self) -> DbResult<Connection> {
        self.inner.get().await.map_err(|error| DbError::Unavailable(error.to_string()))
    }

    /// Opens a connection of its own beside the pool, for work that holds one long (exports).
    pub async fn dedicated(&self) -> DbResult<tokio_postgres::Client> {
        match connect(&self.url).await {
            Ok(client) => Ok(client),
            Err(error) => match self.instead() {
                Some(primary) => Box::pin(primary.dedicated()).await,
                None => Err(DbError::Unavailable(error.to_string())),
            },
        }
    }

    /// Does work that only reads; where a standby fails in the middle of it, the primary does it anew.
    pub async fn read<T>(&self, work: impl AsyncFn(&mut AsyncPgConnection) -> DbResult<T>) -> DbResult<T> {
        let done = work(&mut *self.get().await?).await;
        self.or_anew(done, work).await
    }

    /// What was done here, or where it failed on a standby what the primary does in its place.
    pub(super) async fn or_anew<T>(
        &self,
        done: DbResult<T>,
        work: impl AsyncFn(&mut AsyncPgConnection) -> DbResult<T>,
    ) -> DbResult<T> {
        if done.as_ref().is_err_and(DbError::is_transient)
            && let Some(primary) = self.instead()
        {
            return work(&mut *primary.get().await?).await;
        }
        done
    }

    /// The primary behind a standby that did not answer.
    fn instead(&self) -> Option<&Self> {
        let (primary, standing) = &**self.otherwise.as_ref()?;
        standing.failed();
        Some(primary)
    }

    /// Connections in use and the most there may be.
    pub fn usage(&self) -> (usize, usize) {
        let status = self.inner.status();
        (status.size - status.available, status.max_size)
    }
}

/// Opens one connection outside any pool.
pub async fn open(url: &str) -> Result<AsyncPgConnection, ConnectionError> {
    AsyncPgConnection::try_from(connect(url).await.map_err(bad)?).await
}

fn bad(error: impl std::fmt::Display) -> ConnectionError {
    ConnectionError::BadConnection(error.to_string())
}

/// Connects, over TLS where `sslmode` asks for it (the system's certificate authorities are trusted).
pub(super) async fn connect(url: &str) -> anyhow::Result<tokio_postgres::Client> {
    let mut config: tokio_postgres::Config = url.parse()?;
    // A database that vanished from the network is noticed, whatever the kernel's own patience is.
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(VANISHED);
    }
    config.keepalives_idle(VANISHED);
    if config.get_ssl_mode() == tokio_postgres::config::SslMode::Require {
        let (client, connection) = config.connect(tls()?).await?;
        drive(connection);
        return Ok(client);
    }
    let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
    drive(connection);
    Ok(client)
}

fn tls() -> anyhow::Result<tokio_postgres_rustls::MakeRustlsConnect> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(tokio_postgres_rustls::MakeRustlsConnect::new(config))
}

fn drive<S>(mut connection: tokio_postgres::Connection<tokio_postgres::Socket, S>)
where
    S: tokio_postgres::tls::TlsStream + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            match message {
                // A commit that gave up waiting for its standby (a cancel, `statement_timeout`) says that it is done.
                // It is done here alone: whoever waits for it must not be told so, and loses the connection instead.
                Ok(AsyncMessage::Notice(notice)) if notice.routine() == Some("SyncRepWaitForLSN") => {
                    tracing::warn!("PostgreSQL: {}", notice.message());
                    return;
                }
                Ok(_) => {}
                // Whoever asks it again after this is told the same for ever.
                Err(error) => {
                    tracing::debug!(%error, "a database connection ended");
                    return;
                }
            }
        }
    });
}
