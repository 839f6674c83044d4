//! Gathers everything that a report tells.

use std::sync::Arc;

use chrono::{NaiveDate, Utc};

use super::{
    compared::{self, Compared},
    days::{self, Day},
    seen::{self, Seen},
};
use crate::{
    accounts::Scope,
    counting::{
        self,
        answer::EstimateView,
        store::{self as samples, Sample},
    },
    db::{DbResult, Pool},
    documents::{
        domain::{Claim, Event, Source},
        store as documents,
    },
    forensics::{
        answer::AnalysisView,
        plots::{self, Plot},
        runner::{Done, Runner},
    },
    i18n::Language,
    ledger,
    places::{Directory, Region},
    protocols::sheets::SheetFilter,
    results::{self, answer::CoverageView, store::ResultSet},
};

/// What a report is asked about.
pub struct Asked {
    pub filter: SheetFilter,
    /// Label of the published table; the latest unless told.
    pub table: Option<String>,
    pub language: Language,
}

/// A drawing, by the name of its file.
pub struct Chart {
    pub name: &'static str,
    pub svg: String,
}

/// A quick count.
pub struct QuickCount {
    pub sample: Sample,
    pub estimate: EstimateView,
}

/// All that a report tells.
pub struct Report {
    pub language: Language,
    pub election: String,
    pub held_on: NaiveDate,
    pub region: String,
    pub code: String,
    pub made_at: String,
    pub from: Option<NaiveDate>,
    pub to: Option<NaiveDate>,
    pub seen: Seen,
    pub days: Vec<Day>,
    pub coverage: Option<CoverageView>,
    pub compared: Option<Compared>,
    pub quick_count: Option<QuickCount>,
    pub forensics: Option<AnalysisView>,
    pub charts: Vec<Chart>,
    pub claims: Vec<Claim>,
    pub events: Vec<Event>,
    pub sources: Vec<Source>,
    /// The signed note.
    pub checkpoint: Option<String>,
}

fn drawn(name: &'static str, svg: Result<String, crate::charts::Undrawn>) -> Option<Chart> {
    match svg {
        Ok(svg) => Some(Chart { name, svg }),
        Err(error) => {
            tracing::warn!(%error, name, "a chart is left out");
            None
        }
    }
}

/// Gathers a report on the region that is asked about, within the scope.
///
/// # Panics
/// When the question names no region or election that the directory has.
pub async fn gather(
    pool: &Pool,
    runner: &Runner,
    asked: &Asked,
    scope: &Scope,
    directory: &Directory,
) -> DbResult<Report> {
    let filter = &asked.filter;
    let language = asked.language;
    let election = directory.election_by_id(filter.election).expect("the question names an election");
    let region =
        filter.region.and_then(|id| directory.region_by_id(id)).expect("the question names a region");
    let set = results::store::set(&mut *pool.get().await?, election.id, asked.table.as_deref()).await?;
    let seen = seen::gather(pool, filter, scope, directory).await?;
    let days = days::gather(pool, filter, scope, directory).await?;
    let mut charts = Vec::new();
    if !days.is_empty() {
        charts.extend(drawn("days", days::chart(&days, language)));
    }
    let compared = match &set {
        Some(set) => Some(compared::gather(pool, filter, set, scope, directory).await?),
        None => None,
    };
    let forensics = match &set {
        Some(set) => forensics(pool, runner, set, region, (directory, language), &mut charts).await,
        None => None,
    };
    let coverage = results::answer::coverage_of(pool, filter, directory).await?.into_iter().next();
    let sample = samples::list(&mut *pool.get().await?, election.id).await?.into_iter().next();
    let quick_count = match sample {
        Some(sample) => {
            let estimate = counting::answer::estimate(pool, filter, Some(sample.clone()), language).await?;
            (estimate.sheets > 0).then_some(QuickCount { sample, estimate })
        }
        None => None,
    };
    let mut conn = pool.get().await?;
    let claims = documents::list_claims(&mut conn, Some(election.id), directory).await?;
    let mut events = documents::list_events(&mut conn, Some(election.id), directory).await?;
    events.retain(|event| {
        event.cities.is_empty() || event.cities.iter().any(|slug| lies_in(slug, region, directory))
    });
    let mut sources = documents::list_sources(&mut conn).await?;
    let table_source = compared.as_ref().and_then(|it| it.source.clone());
    sources.retain(|source| {
        claims.iter().any(|claim| claim.source == source.id)
            || events.iter().any(|event| event.source == source.id)
            || table_source.as_ref() == Some(&source.id)
    });
    let checkpoint = ledger::store::checkpoint(&mut conn, None).await?;
    Ok(Report {
        language,
        election: election.names.in_language(language).to_owned(),
        held_on: election.held_on,
        region: region.names.in_language(language).to_owned(),
        code: region.code.clone(),
        made_at: Utc::now().format("%Y-%m-%d %H:%M").to_string(),
        from: filter.from,
        to: filter.to,
        seen,
        days,
        coverage,
        compared,
        quick_count,
        forensics,
        charts,
        claims,
        events,
        sources,
        checkpoint,
    })
}

fn lies_in(slug: &str, region: &Region, directory: &Directory) -> bool {
    let city = directory.cities.iter().find(|city| city.slug == slug);
    city.is_some_and(|city| city.regions.iter().any(|(id, ..)| *id == region.id))
}

/// What the published figures of the region alone say; `None` where its stations cannot be used.
async fn forensics(
    pool: &Pool,
    runner: &Runner,
    set: &ResultSet,
    region: &Region,
    (directory, language): (&Directory, Language),
    charts: &mut Vec<Chart>,
) -> Option<AnalysisView> {
    let done: Arc<Done> = match runner.published(pool, set).await {
        Ok(done) => done?,
        Err(error) => {
            tracing::warn!(%error, "the published table could not be analysed");
            return None;
        }
    };
    let area = done.analysis.areas.iter().find(|area| area.region == Some(region.id))?;
    let subject = plots::Subject::new(&done.figures, area, directory, language);
    for plot in Plot::ALL {
        charts.extend(drawn(plot.word(), plots::draw(plot, &subject)));
    }
    Some(crate::forensics::answer::told(
        (&done.figures, &done.analysis),
        crate::forensics::domain::Options::default(),
        Some(set.label.clone()),
        Some(region.id),
        directory,
        language,
    ))
}
