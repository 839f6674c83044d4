//! `baqylau serve`.

use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    accounts::{Login, Role, password, routes::made_password, store, tokens::TokenKey},
    app,
    config::{Service, Storage},
    db::{self, Pool, embedded::Cluster},
    evidence::objects::Objects,
    ledger::Ledger,
    sealing::IndexKey,
    secrets, seeds, vitals,
};

/// Runs until SIGTERM or SIGINT; then requests in flight finish and the private PostgreSQL stops.
pub async fn run(storage: &Storage, settings: Service) -> anyhow::Result<()> {
    init_logs(settings.log_json);
    raise_file_limit(settings.max_connections);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let data_dir = storage.data_dir();
    let drain_seconds = settings.drain_seconds;
    let mut cluster = match &storage.database_url {
        Some(_) => None,
        None => {
            let archive = storage.backup_dir().as_deref().map(db::backup::wal);
            let options = db::embedded::Options { archive, ..Default::default() };
            Some(Cluster::start(&data_dir, options).await?)
        }
    };
    let url = storage.database_url.clone().or_else(|| cluster.as_ref().map(Cluster::url)).unwrap_or_default();
    let started = async {
        db::migrations::run(&url).await.context("migrating")?;
        let pool = Pool::new(&url, settings.db_connections())?;
        let report = seeds::carried(&pool).await.context("seeding")?;
        tracing::info!(%report, "seeded");
        ensure_admin(&pool, &settings).await?;
        let key = TokenKey::load(settings.token_key.as_deref(), &data_dir)?;
        let named = &settings.ledger;
        let ledger = Ledger::load(&named.ledger_name, named.ledger_key.as_deref(), &data_dir)?;
        let index = settings.index_key.as_deref().map(secrets::decode).transpose();
        let index = index.context("the index key")?.map(|secret| IndexKey::new(&secret));
        let objects = Objects::open(&settings.evidence, &data_dir)?;
        let running = app::start(&settings, pool.clone(), key, ledger, index, objects).await?;
        tokio::spawn(vitals::watch(pool, data_dir.clone()));
        anyhow::Ok(running)
    };
    let ended = tokio::select! {
        started = started => match started {
            Ok(running) => {
                println!("baqylau listens on http://{}", running.address);
                let keeping = async {
                    match &mut cluster {
                        Some(cluster) => cluster.keep_alive().await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                    () = keeping => {}
                }
                tracing::info!("stopping");
                running.leave();
                tokio::time::sleep(Duration::from_secs(drain_seconds)).await;
                running.stop().await;
                Ok(())
            }
            Err(error) => Err(error),
        },
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    if let Some(cluster) = cluster {
        cluster.stop().await?;
    }
    ended
}

/// Makes the first administrator, and says the password where it was made here.
async fn ensure_admin(pool: &Pool, settings: &Service) -> anyhow::Result<()> {
    if store::has_admin(&mut *pool.get().await?).await? {
        return Ok(());
    }
    let made = settings.admin_password.is_none().then(made_password);
    let password = settings.admin_password.clone().or_else(|| made.clone()).unwrap_or_default();
    let email = settings.admin_email.clone();
    let new = store::NewAccount {
        login: Login::Email(email.clone()),
        name: "Administrator".to_owned(),
        role: Role::Admin,
        regions: Vec::new(),
        password_hash: Some(password::hash(password).await),
    };
    // Another instance that starts at the same moment may have been first.
    if store::add(&mut *pool.get().await?, new).await?.is_some() {
        match made {
            Some(password) => println!("administrator {email}, password (told this once): {password}"),
            None => println!("administrator {email}"),
        }
    }
    Ok(())
}

/// A connection is an open file, and many systems allow a thousand unless asked.
fn raise_file_limit(connections: u32) {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    const BESIDE: u64 = 1000;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let wanted = (u64::from(connections) + BESIDE).min(hard);
    if soft < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_err() {
        tracing::warn!(files = soft, "the limit of open files could not be raised");
    }
}

fn init_logs(json: bool) {
    use tracing_subscriber::{EnvFilter, fmt};
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,actix_server=warn"));
    let logs = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = if json { logs.json().try_init() } else { logs.try_init() };
}
