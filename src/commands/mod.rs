//! The command line.

mod backup;
mod counting;
mod doctor;
mod export;
mod keys;
mod report;
mod results;
mod sample;
mod serve;
mod users;
pub mod verify;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::{
    accounts::Role,
    config::{Service, Storage},
    db::{self, Pool, embedded::Cluster},
    exports::domain::{Format, Subject},
    seeds,
};

/// Election-observation incident tracker.
#[derive(Parser)]
#[command(name = "baqylau", version)]
pub struct Cli {
    #[command(flatten)]
    storage: Storage,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the service; with no DATABASE_URL, on a private PostgreSQL
    Serve(Box<Service>),
    /// Bring the database up to this program's schema
    Migrate,
    /// Load places, documents and records from TOML; without files, what the program carries
    Seed { files: Vec<std::path::PathBuf> },
    /// Accounts
    #[command(subcommand)]
    User(UserCommand),
    /// Write an export to a file or standard output
    Export(ExportArgs),
    /// Copy the running service's private PostgreSQL and evidence to --backup-dir
    Backup(backup::BackupArgs),
    /// Make a data directory from --backup-dir, as it was at any moment
    Restore(backup::RestoreArgs),
    /// Look whether the installation is fit for an election day; fails where something would be lost
    Doctor(doctor::DoctorArgs),
    /// Print the OpenAPI document
    Openapi,
    /// Official results
    #[command(subcommand)]
    Results(results::Results),
    /// Draw a random sample of polling stations for a quick count
    Sample(sample::SampleArgs),
    /// Estimate shares and turnout from sheets, with intervals where a random sample allows them
    Estimate(counting::EstimateArgs),
    /// Test what the figures of a table alone can say, and draw the plots
    Forensics(counting::ForensicsArgs),
    /// Write a report of one region that can be published
    Report(Box<report::ReportArgs>),
    /// Check what the ledger proves
    #[command(subcommand)]
    Verify(VerifyCommand),
    /// The keys to which names are sealed, and the ledger's
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Open a sealed person with a coordinator's key; needs no network
    Open(keys::Open),
    /// Seal all persons anew to the keys now in use, over HTTP
    Reseal(keys::Reseal),
}

#[derive(Subcommand)]
enum VerifyCommand {
    #[command(flatten)]
    Offline(verify::Offline),
    /// The database itself: every record and version against the ledger, and the ledger against its
    /// checkpoints
    Database(Box<verify::Database>),
}

#[derive(Subcommand)]
enum UserCommand {
    /// Make an account; its password is read from BAQYLAU_PASSWORD, or made and printed once
    Add {
        /// Without one the account is pseudonymous: it signs in by a handle that is made
        #[arg(long)]
        email: Option<String>,
        #[arg(long)]
        role: Role,
        /// Region code; may be given again
        #[arg(long = "region")]
        regions: Vec<String>,
        #[arg(long)]
        name: Option<String>,
        #[arg(long, env = "BAQYLAU_PASSWORD", hide_env_values = true)]
        password: Option<String>,
    },
}

#[derive(clap::Args)]
struct ExportArgs {
    /// violations, protocols, detentions, or a comparison: changed, moved, sums, coverage
    #[arg(value_parser = export::subject)]
    subject: Subject,
    /// csv, ndjson, xlsx or geojson
    #[arg(long, default_value = "csv")]
    format: Format,
    /// A filter as in the URL of the export: `region=KZ-35&from=2019-06-09`
    #[arg(long, default_value = "")]
    filter: String,
    /// File to write [default: standard output]
    #[arg(short, long)]
    output: Option<std::path::PathBuf>,
}

/// Runs what the command line asks for.
///
/// # Errors
/// Whatever kept it from being done, in words for the person at the terminal.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Serve(settings) => serve::run(&cli.storage, *settings).await,
        Command::Openapi => {
            println!("{}", serde_json::to_string_pretty(&crate::app::openapi())?);
            Ok(())
        }
        Command::Verify(VerifyCommand::Offline(check)) => verify::offline(check).await,
        Command::Backup(args) => backup::back_up(&cli.storage, &args),
        Command::Restore(args) => backup::restore(&cli.storage, &args).await,
        Command::Doctor(args) => doctor::run(&cli.storage, &args).await,
        Command::Open(args) => keys::open(&args),
        Command::Reseal(args) => keys::reseal(&args).await,
        command => {
            if let Command::Keys(keys) = &command
                && let Some(done) = keys::offline(keys, &cli.storage.data_dir())
            {
                return done;
            }
            let database = Database::open(&cli.storage).await?;
            let done = database.work(command, &cli.storage.data_dir()).await;
            database.close().await?;
            done
        }
    }
}

/// The database of a command: given, run by a service nearby, or started for the command.
struct Database {
    url: String,
    cluster: Option<Cluster>,
}

impl Database {
    async fn open(storage: &Storage) -> anyhow::Result<Self> {
        if let Some(url) = &storage.database_url {
            return Ok(Self { url: url.clone(), cluster: None });
        }
        let data_dir = storage.data_dir();
        if let Some(url) = db::embedded::running(&data_dir)? {
            return Ok(Self { url, cluster: None });
        }
        let cluster = Cluster::start(&data_dir, db::embedded::Options::default()).await?;
        Ok(Self { url: cluster.url(), cluster: Some(cluster) })
    }

    async fn close(self) -> anyhow::Result<()> {
        match self.cluster {
            Some(cluster) => cluster.stop().await,
            None => Ok(()),
        }
    }

    async fn work(&self, command: Command, data_dir: &std::path::Path) -> anyhow::Result<()> {
        let ran = db::migrations::run(&self.url).await.context("migrating")?;
        let pool = Pool::new(&self.url, 4)?;
        match command {
            Command::Migrate => println!("{ran} migrations ran; the schema is up to date"),
            Command::Seed { files } => {
                let report = if files.is_empty() {
                    seeds::carried(&pool).await?
                } else {
                    seeds::files(&pool, &files).await?
                };
                println!("{report}");
            }
            Command::User(UserCommand::Add { email, role, regions, name, password }) => {
                users::add(&pool, email, role, &regions, name, password).await?;
            }
            Command::Export(args) => export::run(&pool, args).await?,
            Command::Verify(VerifyCommand::Database(check)) => {
                verify::database(&pool, &check, data_dir).await?;
            }
            Command::Sample(args) => sample::run(&pool, args).await?,
            Command::Estimate(args) => counting::estimate(&pool, args).await?,
            Command::Forensics(args) => counting::forensics(&pool, args).await?,
            Command::Report(args) => report::run(&pool, *args).await?,
            Command::Results(command) => results::run(&pool, command).await?,
            Command::Keys(keys) => keys::stored(&pool, keys).await?,
            Command::Verify(VerifyCommand::Offline(_))
            | Command::Open(_)
            | Command::Doctor(_)
            | Command::Backup(_)
            | Command::Restore(_)
            | Command::Reseal(_)
            | Command::Serve(_)
            | Command::Openapi => {
                unreachable!("handled before a database is opened")
            }
        }
        Ok(())
    }
}
