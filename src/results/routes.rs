//! `/results`: published tables beside the sheets that observers brought.

use actix_web::{
    HttpRequest, HttpResponse, get, http::header::CACHE_CONTROL, middleware::Compress, web::Data,
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    answer::{self, ChangedView, CoverageView, RegionMovedView, code},
    compare::{self, Line, SheetCopy, SumCheck},
    store::{self, ResultSet},
};
use crate::{
    accounts::Caller,
    db::Pool,
    http::{
        Answer, Kind, Problem,
        kept::Kept,
        query::{self, Query},
        reads::Reads,
    },
    places::{self, ElectionId, directory::Places},
    protocols::sheets::SheetFilter,
    records::view::Page,
};

/// An imported table of results.
#[derive(Serialize, ToSchema)]
pub struct TableView {
    label: String,
    election: String,
    candidates: Vec<String>,
    source: Option<String>,
    imported_at: DateTime<Utc>,
    stations: i32,
}

/// All copies of one station's sheet.
#[derive(Serialize, ToSchema)]
pub struct StationCopies {
    region: String,
    station: String,
    copies: Vec<SheetCopy>,
    /// Figure by figure.
    lines: Vec<Line>,
}

/// The table asked for by label, or the latest.
pub async fn table(pool: &Pool, election: ElectionId, label: Option<String>) -> Result<ResultSet, Problem> {
    let found = store::set(&mut *pool.get().await?, election, label.as_deref()).await?;
    found.ok_or_else(|| Problem::new(Kind::NotFound))
}

/// The imported tables, the latest first.
#[utoipa::path(tag = "results", path = "/api/v1/results/tables", params(("election" = String, Query)), responses((status = 200, body = Vec<TableView>)))]
#[get("/results/tables")]
pub async fn tables(pool: Reads, places: Data<Places>, mut query: Query) -> Answer {
    let directory = places.get().await;
    let election = places::query::required_election(&mut query, &directory);
    query.finish()?;
    let sets = store::sets(&mut *pool.get().await?, election.unwrap_or_default()).await?;
    let view = |set: ResultSet| TableView {
        election: directory.election_by_id(set.election_id).map(|it| it.slug.clone()).unwrap_or_default(),
        source: directory
            .sources
            .iter()
            .find(|(_, id)| Some(**id) == set.source_id)
            .map(|(slug, _)| slug.clone()),
        label: set.label,
        candidates: set.candidates,
        imported_at: set.imported_at,
        stations: set.stations,
    };
    Ok(HttpResponse::Ok().json(sets.into_iter().map(view).collect::<Vec<_>>()))
}

/// All copies of one station's sheet side by side: those of observers, the posted one, photos that were read,
/// and what each imported table publishes.
#[utoipa::path(tag = "results", path = "/api/v1/results/station", security(("token" = [])),
    params(("election" = String, Query), ("region" = String, Query), ("station" = String, Query)),
    responses((status = 200, body = StationCopies)))]
#[get("/results/station")]
pub async fn station(caller: Caller, pool: Reads, places: Data<Places>, mut query: Query) -> Answer {
    let directory = places.get().await;
    let election = places::query::required_election(&mut query, &directory);
    let region = places::query::region(&mut query, &directory);
    let station = query.text("station");
    if region.is_none() {
        query.faults.add("?region", "required");
    }
    if station.is_none() {
        query.faults.add("?station", "required");
    }
    query.finish()?;
    let (election, region) = (election.unwrap_or_default(), region.unwrap_or_default());
    let station = station.unwrap_or_default();
    let mut conn = pool.get().await?;
    let scope = caller.scope(&directory);
    let copies = answer::copies_of(&mut conn, &scope, election, region, &station).await?;
    let lines = compare::side_by_side(&copies);
    let region = code(&directory, region).unwrap_or_default();
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "private, no-cache")).json(StationCopies {
        region,
        station,
        copies,
        lines,
    }))
}

/// Stations whose published votes are not those of the best copy within reach, with the votes moved.
#[utoipa::path(tag = "results", path = "/api/v1/results/changed", security(("token" = [])),
    params(("election" = String, Query), ("table" = Option<String>, Query, description = "label; the latest unless told"),
        ("region" = Option<String>, Query), ("from" = Option<chrono::NaiveDate>, Query, description = "first local date of the copies"),
        ("to" = Option<chrono::NaiveDate>, Query), ("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<ChangedView>), (status = 404, description = "No table was imported")))]
#[get("/results/changed")]
pub async fn changed(caller: Caller, pool: Reads, places: Data<Places>, mut query: Query) -> Answer {
    let directory = places.get().await;
    let filter = SheetFilter::read(&mut query, &directory);
    let label = query.text("table");
    let limit = query.limit();
    let after = query.cursor();
    query.finish()?;
    let set = table(&pool, filter.election, label).await?;
    let scope = caller.scope(&directory);
    let mut conn = pool.get().await?;
    let rows = store::changed(&mut conn, &scope, &filter, &set, after, limit + 1).await?;
    let next = (rows.len() as i64 > limit).then(|| {
        let last = &rows[limit as usize - 1];
        query::cursor(&(last.region_id, &last.station))
    });
    let shown = rows.into_iter().take(limit as usize);
    let items: Vec<_> = shown.map(|row| answer::changed_view(row, &set, &directory)).collect();
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "private, no-cache")).json(Page { items, next }))
}

/// The same summed by region.
#[utoipa::path(tag = "results", path = "/api/v1/results/moved", security(("token" = [])),
    params(("election" = String, Query), ("table" = Option<String>, Query), ("region" = Option<String>, Query),
        ("from" = Option<chrono::NaiveDate>, Query), ("to" = Option<chrono::NaiveDate>, Query)),
    responses((status = 200, body = Vec<RegionMovedView>), (status = 404, description = "No table was imported")))]
#[get("/results/moved")]
pub async fn moved(caller: Caller, pool: Reads, places: Data<Places>, mut query: Query) -> Answer {
    let directory = places.get().await;
    let filter = SheetFilter::read(&mut query, &directory);
    let label = query.text("table");
    query.finish()?;
    let set = table(&pool, filter.election, label).await?;
    let rows = answer::moved_of(&pool, &caller.scope(&directory), &filter, &set, &directory).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "private, no-cache")).json(rows))
}

/// The sums that a table states, checked against what it states one level below: districts and regions against
/// their stations, the country against its regions and its stations.
#[utoipa::path(tag = "results", path = "/api/v1/results/sums",
    params(("election" = String, Query), ("table" = Option<String>, Query), ("region" = Option<String>, Query)),
    responses((status = 200, body = Vec<SumCheck>), (status = 404, description = "No table was imported")))]
#[get("/results/sums", wrap = "Compress::default()")]
pub async fn sums(
    request: HttpRequest,
    pool: Reads,
    places: Data<Places>,
    kept: Data<Kept>,
    mut query: Query,
) -> Answer {
    let directory = places.get().await;
    let election = places::query::required_election(&mut query, &directory);
    let region = places::query::region(&mut query, &directory);
    let label = query.text("table");
    query.finish()?;
    let checks = async || {
        let set = table(&pool, election.unwrap_or_default(), label).await?;
        Ok(answer::check_sums(&pool, &set, region, &directory).await?)
    };
    kept.json(&request, checks).await
}

/// Stations with a sheet over the stations that a registry lists, by region.
#[utoipa::path(tag = "results", path = "/api/v1/results/coverage",
    params(("election" = String, Query), ("region" = Option<String>, Query), ("from" = Option<chrono::NaiveDate>, Query),
        ("to" = Option<chrono::NaiveDate>, Query)),
    responses((status = 200, body = Vec<CoverageView>)))]
#[get("/results/coverage", wrap = "Compress::default()")]
pub async fn coverage(
    request: HttpRequest,
    pool: Reads,
    places: Data<Places>,
    kept: Data<Kept>,
    mut query: Query,
) -> Answer {
    let directory = places.get().await;
    let filter = SheetFilter::read(&mut query, &directory);
    query.finish()?;
    kept.json(&request, async || Ok(answer::coverage_of(&pool, &filter, &directory).await?)).await
}
