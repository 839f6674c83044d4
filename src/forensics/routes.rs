//! `/forensics`: what the figures of a table alone can say.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, VARY},
    middleware::Compress,
    web::{Data, Path},
};

use super::{
    answer::{self, AnalysisView},
    domain::Options,
    plots::{self, Plot, Subject},
    runner::{Done, Runner},
    store,
};
use crate::{
    accounts::Caller,
    db::Pool,
    http::{self, Answer, Kind, Problem, query::Query, reads::Reads},
    i18n::Language,
    places::{Directory, RegionId, directory::Places},
    protocols::sheets::SheetFilter,
    results,
};

const PUBLIC: &str = "public, max-age=300";
const PRIVATE: &str = "private, no-cache";

/// Where a request gets its figures.
struct Asked {
    done: Arc<Done>,
    table: Option<String>,
    region: Option<RegionId>,
    language: Language,
    directory: Arc<Directory>,
    cache: &'static str,
}

impl Asked {
    async fn published(
        request: &HttpRequest,
        pool: &Pool,
        places: &Places,
        runner: &Runner,
        mut query: Query,
    ) -> Result<Self, Problem> {
        let directory = places.get().await;
        let election = crate::places::query::required_election(&mut query, &directory);
        let region = crate::places::query::region(&mut query, &directory);
        let label = query.text("table");
        let language = http::asked_language(&mut query, request.headers());
        query.finish()?;
        let set = results::routes::table(pool, election.unwrap_or_default(), label).await?;
        let done = runner.published(pool, &set).await.map_err(|error| {
            tracing::error!(%error, "a table could not be analysed");
            Problem::new(Kind::Internal)
        })?;
        let done = done.ok_or_else(|| Problem::new(Kind::NotFound))?;
        Ok(Self { done, table: Some(set.label), region, language, directory, cache: PUBLIC })
    }

    async fn sheets(
        request: &HttpRequest,
        caller: &Caller,
        pool: &Pool,
        places: &Places,
        runner: &Runner,
        mut query: Query,
    ) -> Result<Self, Problem> {
        caller.require_coordinator()?;
        let directory = places.get().await;
        let filter = SheetFilter::read(&mut query, &directory);
        let language = http::asked_language(&mut query, request.headers());
        query.finish()?;
        let scope = caller.scope(&directory);
        let (candidates, stations) = store::sheets(&mut *pool.get().await?, &scope, &filter).await?;
        let done = runner.run(candidates, stations, Options::default()).await?;
        let done = done.ok_or_else(|| Problem::new(Kind::NotFound))?;
        Ok(Self { done, table: None, region: None, language, directory, cache: PRIVATE })
    }

    fn view(self) -> Answer {
        let Done { figures, analysis } = &*self.done;
        let view = answer::told(
            (figures, analysis),
            Options::default(),
            self.table,
            self.region,
            &self.directory,
            self.language,
        );
        Ok(HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, self.cache))
            .insert_header((VARY, "accept-language"))
            .json(view))
    }

    fn plot(self, file: &str) -> Answer {
        let missing = || Problem::new(Kind::NotFound);
        let plot: Plot = file.strip_suffix(".svg").and_then(|name| name.parse().ok()).ok_or_else(missing)?;
        let areas = &self.done.analysis.areas;
        let area = areas.iter().find(|area| area.region == self.region);
        let area = area.or_else(|| areas.first().filter(|_| self.region.is_none())).ok_or_else(missing)?;
        let subject = Subject::new(&self.done.figures, area, &self.directory, self.language);
        let svg = plots::draw(plot, &subject).map_err(|error| {
            tracing::error!(%error, "drawing");
            Problem::new(Kind::Internal)
        })?;
        Ok(HttpResponse::Ok()
            .content_type("image/svg+xml; charset=utf-8")
            .insert_header((CACHE_CONTROL, self.cache))
            .insert_header((VARY, "accept-language"))
            .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"))
            .body(svg))
    }
}

/// Tests of a published table (Klimek et al. 2012; Beber and Scacco 2012; Mebane 2006; Kobak et al. 2016), for the
/// country and each region, corrected for how many they are, with the assumptions and the limits of each.
#[utoipa::path(tag = "forensics", path = "/api/v1/forensics/published",
    params(("election" = String, Query), ("table" = Option<String>, Query, description = "label; the latest unless told"),
        ("region" = Option<String>, Query, description = "show one; all tests are corrected together nevertheless"),
        ("language" = Option<String>, Query, description = "kk, ru or en, in place of Accept-Language")),
    responses((status = 200, body = AnalysisView), (status = 404, description = "No table was imported, or none of its stations can be used")))]
#[get("/forensics/published", wrap = "Compress::default()")]
pub async fn published(
    request: HttpRequest,
    pool: Reads,
    places: Data<Places>,
    runner: Data<Runner>,
    query: Query,
) -> Answer {
    Asked::published(&request, &pool, &places, &runner, query).await?.view()
}

/// A plot of a published table: `fingerprint.svg`, `integers.svg`, `last_digits.svg` or `second_digits.svg`.
#[utoipa::path(tag = "forensics", path = "/api/v1/forensics/published/{file}",
    params(("file" = String, Path), ("election" = String, Query), ("table" = Option<String>, Query),
        ("region" = Option<String>, Query), ("language" = Option<String>, Query)),
    responses((status = 200, description = "An SVG", content_type = "image/svg+xml"), (status = 404, description = "No such plot, table or region")))]
#[get("/forensics/published/{file}", wrap = "Compress::default()")]
pub async fn published_plot(
    request: HttpRequest,
    file: Path<String>,
    pool: Reads,
    places: Data<Places>,
    runner: Data<Runner>,
    query: Query,
) -> Answer {
    Asked::published(&request, &pool, &places, &runner, query).await?.plot(&file)
}

/// The same tests of the sheets that observers brought, within the reach of a coordinator.
#[utoipa::path(tag = "forensics", path = "/api/v1/forensics/sheets", security(("token" = [])),
    params(("election" = String, Query), ("region" = Option<String>, Query), ("from" = Option<chrono::NaiveDate>, Query),
        ("to" = Option<chrono::NaiveDate>, Query), ("language" = Option<String>, Query)),
    responses((status = 200, body = AnalysisView), (status = 404, description = "There are no sheets that can be used")))]
#[get("/forensics/sheets")]
pub async fn sheets(
    request: HttpRequest,
    caller: Caller,
    pool: Reads,
    places: Data<Places>,
    runner: Data<Runner>,
    query: Query,
) -> Answer {
    Asked::sheets(&request, &caller, &pool, &places, &runner, query).await?.view()
}

/// A plot of the sheets that observers brought.
#[utoipa::path(tag = "forensics", path = "/api/v1/forensics/sheets/{file}", security(("token" = [])),
    params(("file" = String, Path), ("election" = String, Query), ("region" = Option<String>, Query),
        ("from" = Option<chrono::NaiveDate>, Query), ("to" = Option<chrono::NaiveDate>, Query), ("language" = Option<String>, Query)),
    responses((status = 200, description = "An SVG", content_type = "image/svg+xml"), (status = 404, description = "No such plot, or no sheets")))]
#[get("/forensics/sheets/{file}")]
pub async fn sheets_plot(
    request: HttpRequest,
    caller: Caller,
    file: Path<String>,
    pool: Reads,
    places: Data<Places>,
    runner: Data<Runner>,
    query: Query,
) -> Answer {
    Asked::sheets(&request, &caller, &pool, &places, &runner, query).await?.plot(&file)
}
