//! `COPY … TO STDOUT` of records, on a connection beside the pool.

use std::pin::Pin;

use futures_util::{Stream, StreamExt, stream};
use tokio_postgres::CopyOutStream;

use actix_web::web::{Bytes, BytesMut};

use super::domain::{BOM, FREE_TEXT, Format, SHARED_COLUMNS, own_columns};
use crate::{
    accounts::Scope,
    db::{DbError, DbResult, Pool, copy::literal_sql},
    records::{RecordKind, filter::Filter},
};

/// Bytes go out in pieces of about this size: a row alone would cost a system call.
const PIECE: usize = 64 * 1024;

/// A download under way.
pub type Download = Pin<Box<dyn Stream<Item = DbResult<Bytes>> + Send>>;

/// The query of an export; in `neutralised` form free text cannot be taken for a formula.
fn select(kind: RecordKind, filter: &Filter, scope: &Scope, neutralised: bool) -> DbResult<String> {
    let (table, own) = own_columns(kind);
    let columns: Vec<String> = (SHARED_COLUMNS.iter().chain(own))
        .map(|(name, sql)| match *name {
            "occurred_at" | "received_at" | "custody_since" | "handed_out_at" => {
                format!(r#"to_char({sql} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS {name}"#)
            }
            name if neutralised && FREE_TEXT.contains(&name) => {
                format!(r"CASE WHEN {sql} ~ '^[-=+@\t\r]' THEN '''' || {sql} ELSE {sql} END AS {name}")
            }
            name => format!("{sql} AS {name}"),
        })
        .collect();
    // The filter's condition names `records`; the rest reads better by the alias.
    let condition = literal_sql(&filter.condition(kind, scope))?;
    Ok(format!(
        "SELECT {columns}, c.longitude AS lon_, c.latitude AS lat_ \
         FROM (SELECT * FROM records WHERE {condition}) r \
         JOIN {table} d ON (d.election_id, d.record_id) = (r.election_id, r.id) \
         JOIN elections e ON e.id = r.election_id LEFT JOIN regions g ON g.id = r.region_id \
         LEFT JOIN cities c ON c.id = r.city_id LEFT JOIN sources s ON s.id = r.source_id \
         ORDER BY r.occurred_at, r.id",
        columns = columns.join(", ")
    ))
}

/// The SQL of the whole `COPY`. Rows of JSON use quotes and delimiters that JSON never holds, so that they
/// come out as they are.
pub fn copy_sql(kind: RecordKind, filter: &Filter, scope: &Scope, format: Format) -> DbResult<String> {
    let plain = r"(FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')";
    let rows = select(kind, filter, scope, matches!(format, Format::Csv))?;
    let names: Vec<&str> = SHARED_COLUMNS.iter().chain(own_columns(kind).1).map(|(name, _)| *name).collect();
    let names = names.join(", ");
    Ok(match format {
        Format::Csv => format!("COPY (SELECT {names} FROM ({rows}) t) TO STDOUT (FORMAT csv, HEADER)"),
        Format::Xlsx => format!("COPY (SELECT {names} FROM ({rows}) t) TO STDOUT (FORMAT csv, HEADER)"),
        Format::Ndjson | Format::Receipts => {
            format!("COPY (SELECT to_jsonb(t) - 'lon_' - 'lat_' FROM ({rows}) t) TO STDOUT {plain}")
        }
        Format::Geojson => format!(
            "COPY (SELECT jsonb_build_object('type', 'Feature', 'id', t.id, 'geometry', CASE WHEN lon_ IS NOT NULL \
             THEN jsonb_build_object('type', 'Point', 'coordinates', jsonb_build_array(lon_, lat_)) END, \
             'properties', to_jsonb(t) - 'lon_' - 'lat_') FROM ({rows}) t) TO STDOUT {plain}"
        ),
    })
}

/// Starts an export of records; the first row may take a while, the memory it takes does not grow.
pub async fn records(
    pool: &Pool,
    kind: RecordKind,
    filter: &Filter,
    scope: &Scope,
    format: Format,
) -> DbResult<Download> {
    let sql = copy_sql(kind, filter, scope, format)?;
    let client = pool.dedicated().await?;
    let rows = client.copy_out(sql.as_str()).await?;
    let (start, separator, end) = match format {
        Format::Csv => (BOM, "", ""),
        Format::Geojson => ("{\"type\":\"FeatureCollection\",\"features\":[\n", ",", "]}\n"),
        _ => ("", "", ""),
    };
    let state = State { rows: Box::pin(rows), _client: client, start, separator, end, done: false };
    Ok(Box::pin(stream::unfold(state, State::piece)))
}

struct State {
    rows: Pin<Box<CopyOutStream>>,
    /// The copy lasts as long as its connection.
    _client: tokio_postgres::Client,
    start: &'static str,
    separator: &'static str,
    end: &'static str,
    done: bool,
}

impl State {
    async fn piece(mut self) -> Option<(DbResult<Bytes>, Self)> {
        if self.done {
            return None;
        }
        let mut piece = BytesMut::with_capacity(PIECE + 4096);
        piece.extend_from_slice(self.start.as_bytes());
        let mut first = !self.start.is_empty();
        self.start = "";
        while piece.len() < PIECE {
            match self.rows.next().await {
                Some(Ok(row)) => {
                    if !std::mem::take(&mut first) {
                        piece.extend_from_slice(self.separator.as_bytes());
                    }
                    piece.extend_from_slice(&row);
                }
                Some(Err(error)) => {
                    self.done = true;
                    return Some((Err(DbError::from(error)), self));
                }
                None => {
                    self.done = true;
                    piece.extend_from_slice(self.end.as_bytes());
                    break;
                }
            }
        }
        Some((Ok(piece.freeze()), self))
    }
}
