//! Comparisons with a published table, as tables to download.

use serde::Serialize;
use serde_json::{Map, Value};

use super::table::Table;
use crate::{
    accounts::Scope,
    db::{DbResult, Pool},
    http::{Problem, query::Query},
    places::Directory,
    protocols::sheets::SheetFilter,
    records::vocabulary,
    results::{self, store::ResultSet},
};

vocabulary! {
    /// What is compared.
    Comparison {
        /// Stations whose published votes are not those of the best copy.
        Changed,
        /// The same summed by region.
        Moved,
        /// The table's own sums.
        Sums,
        /// Stations with a sheet over stations in all.
        Coverage,
    }
}

/// Which comparison, of which table and stations.
pub struct Question {
    pub comparison: Comparison,
    pub filter: SheetFilter,
    pub label: Option<String>,
}

impl Question {
    /// Takes its parameters from a query.
    pub fn read(comparison: Comparison, query: &mut Query, directory: &Directory) -> Self {
        let filter = SheetFilter::read(query, directory);
        let label = query.text("table").filter(|_| comparison != Comparison::Coverage);
        Self { comparison, filter, label }
    }
}

/// Makes the table asked for.
///
/// # Errors
/// 404 where no such table of results was imported.
pub async fn table(
    pool: &Pool,
    question: &Question,
    scope: &Scope,
    directory: &Directory,
) -> Result<Table, Problem> {
    if question.comparison == Comparison::Coverage {
        let rows = results::answer::coverage_of(pool, &question.filter, directory).await?;
        let columns = ["region", "stations", "with_sheet", "with_verified", "coverage"];
        return Ok(flat("coverage", &columns, &[], rows));
    }
    let set = results::routes::table(pool, question.filter.election, question.label.clone()).await?;
    Ok(compared(pool, question, scope, &set, directory).await?)
}

async fn compared(
    pool: &Pool,
    question: &Question,
    scope: &Scope,
    set: &ResultSet,
    directory: &Directory,
) -> DbResult<Table> {
    let filter = &question.filter;
    Ok(match question.comparison {
        Comparison::Changed => {
            let mut conn = pool.get().await?;
            // As many as there are stations.
            let rows = results::store::changed(&mut conn, scope, filter, set, None, i64::MAX).await?;
            let rows = rows.into_iter().map(|row| results::answer::changed_view(row, set, directory));
            let columns = ["region", "station", "record", "held_by", "status"];
            flat("changed", &columns, &set.candidates, rows)
        }
        Comparison::Sums => {
            let checks = results::answer::check_sums(pool, set, filter.region, directory).await?;
            let numbers = crate::protocols::figures::NUMBERS.iter().map(|name| (*name).to_owned());
            let votes = set.candidates.iter().map(|name| format!("votes:{name}"));
            let names: Vec<String> = numbers.chain(votes).collect();
            flat("sums", &["level", "region", "district", "from", "holds"], &names, checks)
        }
        Comparison::Moved | Comparison::Coverage => {
            let rows = results::answer::moved_of(pool, scope, filter, set, directory).await?;
            flat("moved", &["region", "compared", "changed"], &set.candidates, rows)
        }
    })
}

/// Rows whose `moved` or `differences` by name become columns.
fn flat<T: Serialize>(
    name: &'static str,
    columns: &[&str],
    names: &[String],
    rows: impl IntoIterator<Item = T>,
) -> Table {
    let row = |row: T| -> Map<String, Value> {
        let Ok(Value::Object(mut row)) = serde_json::to_value(row) else { return Map::new() };
        for nested in ["moved", "differences"] {
            if let Some(Value::Object(values)) = row.remove(nested) {
                row.extend(values.into_iter().map(|(name, value)| (format!("{nested}:{name}"), value)));
            }
        }
        row
    };
    let nested = if name == "sums" { "differences" } else { "moved" };
    Table {
        name,
        columns: (columns.iter().map(|name| (*name).to_owned()))
            .chain(names.iter().map(|name| format!("{nested}:{name}")))
            .collect(),
        rows: rows.into_iter().map(row).collect(),
    }
}
