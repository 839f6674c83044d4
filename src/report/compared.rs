//! The published table beside the sheets of a region.

use crate::{
    accounts::Scope,
    db::{DbResult, Pool},
    places::Directory,
    protocols::sheets::SheetFilter,
    results::{
        self,
        answer::ChangedView,
        store::{self, ResultSet},
    },
};

/// Stations listed one by one; the rest is in the export.
const LISTED: i64 = 50;

pub struct Compared {
    pub label: String,
    /// Slug of the document the table comes from.
    pub source: Option<String>,
    pub compared: i64,
    pub changed: i64,
    /// Published less sheet, by candidate, over all that are compared.
    pub moved: Vec<(String, i64)>,
    pub stations: Vec<ChangedView>,
    /// Changed stations that are not listed.
    pub more: i64,
    /// Sums of the table for the region and its districts, and how many do not add up.
    pub sums: usize,
    pub wrong_sums: usize,
}

pub async fn gather(
    pool: &Pool,
    filter: &SheetFilter,
    set: &ResultSet,
    scope: &Scope,
    directory: &Directory,
) -> DbResult<Compared> {
    let moved = results::answer::moved_of(pool, scope, filter, set, directory).await?;
    let (compared, changed) = moved
        .iter()
        .fold((0, 0), |(compared, changed), row| (compared + row.compared, changed + row.changed));
    let total = |name: &String| moved.iter().filter_map(|row| row.moved.get(name)).sum();
    let rows = store::changed(&mut *pool.get().await?, scope, filter, set, None, LISTED).await?;
    let stations: Vec<_> =
        rows.into_iter().map(|row| results::answer::changed_view(row, set, directory)).collect();
    let sums = results::answer::check_sums(pool, set, filter.region, directory).await?;
    let source = directory.sources.iter().find(|(_, id)| Some(**id) == set.source_id);
    Ok(Compared {
        label: set.label.clone(),
        source: source.map(|(slug, _)| slug.clone()),
        compared,
        changed,
        moved: set.candidates.iter().map(|name| (name.clone(), total(name))).collect(),
        more: changed - stations.len() as i64,
        stations,
        sums: sums.len(),
        wrong_sums: sums.iter().filter(|check| !check.holds).count(),
    })
}
