//! Every setting of the program: its flag, its environment name and its default. Nothing else reads the
//! environment.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

/// Where the database is. With no URL the program keeps a private PostgreSQL in the data directory.
#[derive(Args, Clone, Debug, Default)]
pub struct Storage {
    /// Directory for the private PostgreSQL and the keys
    /// [default: /var/lib/baqylau for root, else the user's data directory]
    #[arg(long, env = "BAQYLAU_DATA_DIR", global = true)]
    pub data_dir: Option<PathBuf>,

    /// An existing PostgreSQL (15 or newer) to use instead of the private one; TLS as `sslmode` says
    #[arg(long, env = "DATABASE_URL", global = true, hide_env_values = true)]
    pub database_url: Option<String>,

    /// Where backups of the private PostgreSQL are kept, best on another disk: `serve` ships its log there, `backup`
    /// puts copies beside it, `restore` reads both
    #[arg(long, env = "BAQYLAU_BACKUP_DIR", global = true)]
    pub backup_dir: Option<PathBuf>,
}

impl Storage {
    /// The folder of backups from the root, if there is one.
    pub fn backup_dir(&self) -> Option<PathBuf> {
        self.backup_dir.as_ref().map(|dir| std::path::absolute(dir).unwrap_or_else(|_| dir.clone()))
    }

    /// The data directory in force, from the root: a socket's directory must be told so to be one.
    pub fn data_dir(&self) -> PathBuf {
        let dir = self.data_dir.clone().unwrap_or_else(|| {
            if nix::unistd::geteuid().is_root() {
                return PathBuf::from("/var/lib/baqylau");
            }
            directories::ProjectDirs::from("", "", "baqylau")
                .map_or_else(|| PathBuf::from("baqylau-data"), |dirs| dirs.data_dir().to_owned())
        });
        std::path::absolute(&dir).unwrap_or(dir)
    }
}

#[cfg(test)]
mod tests {
    use super::Storage;

    #[test]
    fn a_data_directory_is_told_from_the_root() {
        let storage = Storage { data_dir: Some("some/where".into()), ..Storage::default() };
        assert!(storage.data_dir().is_absolute() && storage.data_dir().ends_with("some/where"));
    }
}

/// Where the files of evidence are kept, and how many.
#[derive(Args, Clone, Debug)]
pub struct EvidenceSettings {
    /// `s3://bucket/prefix` to keep evidence in any S3 [default: `evidence` in the data directory]
    #[arg(long, env = "BAQYLAU_EVIDENCE_URL")]
    pub evidence_url: Option<String>,

    /// The S3 service, where it is not Amazon's: `https://host`
    #[arg(long, env = "BAQYLAU_S3_ENDPOINT")]
    pub s3_endpoint: Option<String>,

    #[arg(long, env = "BAQYLAU_S3_REGION", default_value = "us-east-1")]
    pub s3_region: String,

    #[arg(long, env = "BAQYLAU_S3_ACCESS_KEY")]
    pub s3_access_key: Option<String>,

    #[arg(long, env = "BAQYLAU_S3_SECRET_KEY", hide_env_values = true)]
    pub s3_secret_key: Option<String>,

    /// The largest file, in megabytes
    #[arg(long, env = "BAQYLAU_EVIDENCE_MAX_MB", default_value_t = 4096)]
    pub evidence_max_mb: u64,

    /// What one person may store, in megabytes
    #[arg(long, env = "BAQYLAU_EVIDENCE_QUOTA_MB", default_value_t = 20_480)]
    pub evidence_quota_mb: u64,

    /// Hours that an upload may rest before it is given up
    #[arg(long, env = "BAQYLAU_UPLOAD_HOURS", default_value_t = 72)]
    pub upload_hours: u32,
}

/// The ledger's name and key.
#[derive(Args, Clone, Debug)]
pub struct LedgerSettings {
    /// Name of the ledger in checkpoints and receipts; best a host and path of the coalition's own
    #[arg(long, env = "BAQYLAU_LEDGER_NAME", default_value = "baqylau.local/ledger")]
    pub ledger_name: String,

    /// Key that signs checkpoints and receipts, 32 bytes in base64; without it one is made and kept in the
    /// data directory as `ledger.key`. Give all instances of one service the same
    #[arg(long, env = "BAQYLAU_LEDGER_KEY", hide_env_values = true)]
    pub ledger_key: Option<String>,
}

/// How the service listens and what it allows.
#[derive(Args, Clone, Debug)]
pub struct Service {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, env = "BAQYLAU_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// E-mail of the administrator made at the first start
    #[arg(long, env = "BAQYLAU_ADMIN_EMAIL", default_value = "admin@baqylau.local")]
    pub admin_email: String,

    /// Password of that administrator; without it one is made and printed once
    #[arg(long, env = "BAQYLAU_ADMIN_PASSWORD", hide_env_values = true)]
    pub admin_password: Option<String>,

    /// Key that signs access tokens, 32 bytes in base64; without it one is made and kept in the data
    /// directory as `token.key`. Give all instances of one service the same
    #[arg(long, env = "BAQYLAU_TOKEN_KEY", hide_env_values = true)]
    pub token_key: Option<String>,

    #[command(flatten)]
    pub ledger: LedgerSettings,

    #[command(flatten)]
    pub evidence: EvidenceSettings,

    /// Coordinators and admins must have a second factor: without one they can only set it up
    #[arg(long, env = "BAQYLAU_REQUIRE_SECOND_FACTOR")]
    pub require_second_factor: bool,

    /// Key of the blind index of names, 32 bytes in base64 (`baqylau keys index` makes one). Kept in memory
    /// only: with it the server seals names that plain clients send, and finds them again. Give all
    /// instances the same, and keep it apart from the database
    #[arg(long, env = "BAQYLAU_INDEX_KEY", hide_env_values = true)]
    pub index_key: Option<String>,

    /// Hot standbys that answer reads, comma-separated URLs; without them the primary answers all
    #[arg(long, env = "DATABASE_REPLICA_URLS", value_delimiter = ',', hide_env_values = true)]
    pub replica_urls: Vec<String>,

    /// Milliseconds that a standby may be behind and still answer reads
    #[arg(long, env = "BAQYLAU_REPLICA_LAG_MS", default_value_t = 2000)]
    pub replica_lag_ms: u64,

    /// Connections to PostgreSQL, beside half as many for lists [default: four a core, eight at least: more make PostgreSQL switch between
    /// them in place of working]
    #[arg(long, env = "BAQYLAU_DB_CONNECTIONS")]
    pub db_connections: Option<usize>,

    /// Requests a minute from one account, or one address when not signed in; 0 allows any number
    #[arg(long, env = "BAQYLAU_RATE_LIMIT", default_value_t = 600)]
    pub rate_limit: u32,

    /// Failed-or-not sign-in attempts an hour for one account (an address gets ten times that); 0: any
    #[arg(long, env = "BAQYLAU_LOGIN_LIMIT", default_value_t = 30)]
    pub login_limit: u32,

    /// Believe the last address in `X-Forwarded-For`: only behind a proxy that sets it
    #[arg(long, env = "BAQYLAU_TRUST_PROXY")]
    pub trust_proxy: bool,

    /// Open connections of clients at most; the limit of open files is raised towards it
    #[arg(long, env = "BAQYLAU_MAX_CONNECTIONS", default_value_t = 100_000)]
    pub max_connections: u32,

    /// HTTP worker threads [default: one a core]
    #[arg(long, env = "BAQYLAU_WORKERS")]
    pub workers: Option<usize>,

    /// Seconds between SIGTERM and the end of taking requests, in which `/readyz` says no: for a balancer before
    /// several instances, a little more than it takes to look
    #[arg(long, env = "BAQYLAU_DRAIN_SECONDS", default_value_t = 0)]
    pub drain_seconds: u64,

    /// Seconds that requests in flight get to finish on SIGTERM
    #[arg(long, env = "BAQYLAU_SHUTDOWN_SECONDS", default_value_t = 30)]
    pub shutdown_seconds: u64,

    /// Log lines as JSON
    #[arg(long, env = "BAQYLAU_LOG_JSON", global = true)]
    pub log_json: bool,
}

impl Service {
    /// Connections to PostgreSQL in force.
    pub fn db_connections(&self) -> usize {
        self.db_connections.unwrap_or_else(|| (4 * cores()).max(8))
    }

    /// HTTP worker threads in force.
    pub fn workers(&self) -> usize {
        self.workers.unwrap_or_else(cores)
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}
