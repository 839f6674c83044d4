//! `/exports/{violations,protocols,detentions,aggregates,changed,moved,sums,coverage}.{csv,ndjson,xlsx,geojson,receipts}`.

use std::sync::LazyLock;

use actix_web::{
    HttpResponse, get,
    http::header,
    web::{Data, Path},
};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::{
    comparisons,
    delivery::{self, PATIENCE},
    domain::{Format, Subject},
    receipts, sheet, store,
    table::Table,
};
use crate::{
    accounts::Caller,
    aggregates::{self, domain::Counts, domain::Question},
    http::{Answer, Kind, Problem, query::Query, reads::Reads},
    ledger::Ledger,
    places::directory::Places,
    records::{RecordKind, filter::Filter},
};

/// Exports under way at one time; each has a connection of its own.
static TURNS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(4));

/// Downloads records, or counts (`aggregates`), with the filters of the lists. CSV and XLSX are safe to
/// open in a spreadsheet: no cell is taken for a formula.
#[utoipa::path(tag = "exports", path = "/api/v1/exports/{file}", security(("token" = [])),
    params(
        ("file" = String, Path, description = "violations, protocols, detentions, aggregates, changed, moved, sums or coverage, then .csv, .ndjson, .xlsx or (records) .geojson or .receipts"),
        ("table" = Option<String>, Query, description = "comparisons: label of the published table; the latest unless told"),
        ("record" = Option<RecordKind>, Query, description = "aggregates: which records"),
        ("group_by" = Option<String>, Query, description = "aggregates: comma-separated dimensions"),
        ("election" = Option<String>, Query), ("region" = Option<String>, Query), ("city" = Option<String>, Query),
        ("polling_station" = Option<String>, Query), ("from" = Option<chrono::NaiveDate>, Query),
        ("to" = Option<chrono::NaiveDate>, Query), ("status" = Option<String>, Query),
        ("category" = Option<String>, Query), ("severity" = Option<String>, Query),
        ("reporter" = Option<uuid::Uuid>, Query), ("q" = Option<String>, Query)),
    responses((status = 200, description = "The file, streamed")))]
#[get("/exports/{file}")]
pub async fn export(
    caller: Caller,
    file: Path<String>,
    pool: Reads,
    places: Data<Places>,
    ledger: Data<Ledger>,
    mut query: Query,
) -> Answer {
    let missing = || Problem::new(Kind::NotFound);
    let (name, extension) = file.split_once('.').ok_or_else(missing)?;
    let format: Format = extension.parse().map_err(|_| missing())?;
    let subject: Subject = name.parse().map_err(|()| missing())?;
    if matches!(format, Format::Geojson | Format::Receipts) && !matches!(subject, Subject::Records(_)) {
        return Err(missing());
    }
    let turn = TURNS.try_acquire().map_err(|_| Problem::later(Kind::Unavailable, 10))?;
    let directory = places.get().await;
    let scope = caller.scope(&directory);
    let download = match subject {
        Subject::Records(kind) => {
            let filter = Filter::read(&mut query, &directory);
            query.finish()?;
            match format {
                Format::Receipts => {
                    receipts::receipts(&pool, ledger.into_inner(), kind, filter, scope).await?
                }
                Format::Xlsx => {
                    sheet::workbook(store::records(&pool, kind, &filter, &scope, format).await?, "records")
                }
                _ => store::records(&pool, kind, &filter, &scope, format).await?,
            }
        }
        Subject::Comparison(comparison) => {
            let question = comparisons::Question::read(comparison, &mut query, &directory);
            query.finish()?;
            comparisons::table(&pool, &question, &scope, &directory).await?.download(format)
        }
        Subject::Aggregates => {
            let question = aggregates::routes::read(&mut query, &directory, false);
            query.finish()?;
            let mut conn = pool.get().await?;
            let counts = aggregates::store::count(&mut conn, &question, &scope, &directory).await?;
            counted(&question, &counts).download(format)
        }
    };
    Ok(HttpResponse::Ok()
        .content_type(format.media_type())
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{file}\"")))
        .insert_header((header::CACHE_CONTROL, "private, no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .streaming(delivery::to_client(download, turn, PATIENCE)))
}

/// Counts as a table.
pub fn counted(question: &Question, counts: &Counts) -> Table {
    let mut columns: Vec<String> = question.group_by.iter().map(ToString::to_string).collect();
    columns.push("count".to_owned());
    if question.kind == RecordKind::Detention {
        columns.push("people".to_owned());
    }
    let row = |group| match serde_json::to_value(group) {
        Ok(Value::Object(row)) => row,
        _ => Default::default(),
    };
    Table { name: "aggregates", columns, rows: counts.groups.iter().map(row).collect() }
}
