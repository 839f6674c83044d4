//! PostgreSQL: the pool, the private cluster, migrations and the schema.

pub mod backup;
pub mod bulk;
pub mod copy;
pub mod embedded;
pub mod migrations;
pub mod pipeline;
pub mod pool;
mod programs;
pub mod rendered;
pub mod replicas;
pub mod schema;

use chrono::{DateTime, Utc};
use diesel::{data_types::PgTimestamp, deserialize::FromSql};

pub use pool::{Connection, Pool};

/// The moment from which PostgreSQL counts, in microseconds of Unix time.
const YEAR_2000: i64 = 946_684_800_000_000;

/// What can go wrong between the program and PostgreSQL.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// No connection could be had: the database is away or all connections are busy.
    #[error("the database is not reachable: {0}")]
    Unavailable(String),
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
    #[error("PostgreSQL: {0}")]
    Postgres(#[from] tokio_postgres::Error),
    /// A stored value that the domain does not know: a newer program wrote it, or a hand did.
    #[error("a stored value is not understood: {0}")]
    Corrupt(String),
}

/// The result of a store's work.
pub type DbResult<T> = Result<T, DbError>;

impl DbError {
    /// Whether trying again later may help: the connection was lost, not the statement wrong.
    pub fn is_transient(&self) -> bool {
        use diesel::result::{DatabaseErrorKind, Error};
        match self {
            Self::Unavailable(_) => true,
            Self::Query(Error::DatabaseError(kind, info)) => {
                matches!(
                    kind,
                    DatabaseErrorKind::ClosedConnection
                        | DatabaseErrorKind::SerializationFailure
                        | DatabaseErrorKind::UnableToSendCommand
                ) || ["terminating connection", "shutting down", "starting up", "connection closed"]
                    .iter()
                    .any(|sign| info.message().contains(sign))
            }
            Self::Query(Error::BrokenTransactionManager) => true,
            Self::Postgres(error) => error.is_closed(),
            _ => false,
        }
    }
}

/// Makes the transaction's commit wait until all that it read is as safe as what it would have written.
///
/// With synchronous standbys a commit whose wait was broken off (its connection was cut, PostgreSQL was killed) is
/// visible afterwards, though no standby may have it. Who acknowledges on the ground of it must not do so before one
/// has. A transaction that only reads waits for nothing, so this puts an empty message into the log.
pub async fn settled(conn: &mut diesel_async::AsyncPgConnection) -> DbResult<()> {
    use diesel_async::RunQueryDsl;
    diesel::sql_query("SELECT pg_logical_emit_message(true, 'baqylau', '')").execute(conn).await?;
    Ok(())
}

/// Reads a stored word into the domain's type.
pub fn stored<T: std::str::FromStr>(word: &str) -> DbResult<T> {
    word.parse().map_err(|_| DbError::Corrupt(format!("{} {word:?}", std::any::type_name::<T>())))
}

/// A stored word read into the domain's type, on its way out of the database.
#[derive(Clone, Copy, Debug, diesel::deserialize::FromSqlRow)]
pub struct Word<T>(pub T);

impl<T: std::str::FromStr> FromSql<diesel::sql_types::Text, diesel::pg::Pg> for Word<T> {
    fn from_sql(value: diesel::pg::PgValue<'_>) -> diesel::deserialize::Result<Self> {
        Ok(Self(stored(std::str::from_utf8(value.as_bytes())?)?))
    }
}

/// A longer text on its way out of the database. The standard library looks at Cyrillic letter by letter, four times as
/// long.
#[derive(Clone, Debug, diesel::deserialize::FromSqlRow)]
pub struct Prose(pub String);

impl FromSql<diesel::sql_types::Text, diesel::pg::Pg> for Prose {
    fn from_sql(value: diesel::pg::PgValue<'_>) -> diesel::deserialize::Result<Self> {
        Ok(Self(simdutf8::basic::from_utf8(value.as_bytes())?.to_owned()))
    }
}

/// A moment on its way out of the database. diesel adds to the year 2000 by way of the calendar.
#[derive(Clone, Copy, Debug, diesel::deserialize::FromSqlRow)]
pub struct Moment(pub DateTime<Utc>);

impl FromSql<diesel::sql_types::Timestamptz, diesel::pg::Pg> for Moment {
    fn from_sql(value: diesel::pg::PgValue<'_>) -> diesel::deserialize::Result<Self> {
        let PgTimestamp(micros) = FromSql::<diesel::sql_types::Timestamptz, diesel::pg::Pg>::from_sql(value)?;
        let at = micros.checked_add(YEAR_2000).and_then(DateTime::from_timestamp_micros);
        Ok(Self(at.ok_or("a moment beyond all calendars")?))
    }
}
