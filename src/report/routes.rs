//! `/report`.

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, VARY},
    web::Data,
};

use super::{Asked, Form, gather, render};
use crate::{
    accounts::Caller,
    forensics::runner::Runner,
    http::{self, Answer, Kind, Problem, query::Query, reads::Reads},
    places::directory::Places,
    protocols::sheets::SheetFilter,
};

/// A report on one region, ready to publish: what was seen, verified and compared, with charts and sources. For
/// coordinators; small counts of detentions are withheld.
#[utoipa::path(tag = "results", path = "/api/v1/report", security(("token" = [])),
    params(("election" = String, Query), ("region" = String, Query), ("from" = Option<chrono::NaiveDate>, Query),
        ("to" = Option<chrono::NaiveDate>, Query), ("table" = Option<String>, Query, description = "label of the published table; the latest unless told"),
        ("format" = Option<String>, Query, description = "html (the default), pdf-ready-html or md; md without its charts"),
        ("language" = Option<String>, Query, description = "kk, ru or en, in place of Accept-Language")),
    responses((status = 200, description = "HTML or Markdown")))]
#[get("/report")]
pub async fn report(
    request: HttpRequest,
    caller: Caller,
    pool: Reads,
    places: Data<Places>,
    runner: Data<Runner>,
    mut query: Query,
) -> Answer {
    caller.require_coordinator()?;
    let directory = places.get().await;
    let filter = SheetFilter::read(&mut query, &directory);
    if filter.region.is_none() {
        query.faults.add("?region", "required");
    }
    let table = query.text("table");
    let form = match query.text("format").map(|word| word.parse::<Form>()) {
        None => Form::Html,
        Some(Ok(form)) => form,
        Some(Err(_)) => {
            let words = vec![("words", "html, pdf-ready-html, md".to_owned())];
            query.faults.add_with("?format", "not_one_of", words);
            Form::Html
        }
    };
    let language = http::asked_language(&mut query, request.headers());
    query.finish()?;
    let asked = Asked { filter, table, language };
    let report = gather(&pool, &runner, &asked, &caller.scope(&directory), &directory).await?;
    let rendered = render(report, form, None).map_err(|error| {
        tracing::error!(%error, "rendering a report");
        Problem::new(Kind::Internal)
    })?;
    let media = if form == Form::Md { "text/markdown; charset=utf-8" } else { "text/html; charset=utf-8" };
    Ok(HttpResponse::Ok()
        .content_type(media)
        .insert_header((CACHE_CONTROL, "private, no-cache"))
        .insert_header((VARY, "accept-language"))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; sandbox"))
        .body(rendered.text))
}
