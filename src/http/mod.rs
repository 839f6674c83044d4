//! What all routes share: problem details, bodies, queries, preconditions, limits, health and metrics.

pub mod admission;
pub mod body;
pub mod health;
pub mod kept;
pub mod limits;
pub mod middleware;
pub mod preconditions;
pub mod problem;
pub mod query;
pub mod reads;
pub mod times;

pub use problem::{Kind, Problem};

use actix_web::{HttpRequest, web::Data};

use crate::{
    accounts::{UserId, tokens::TokenKey},
    i18n::Language,
};

/// The language that a client likes best (`Accept-Language`).
pub fn language(headers: &actix_web::http::header::HeaderMap) -> Language {
    let accepted = headers.get("accept-language").and_then(|value| value.to_str().ok());
    Language::negotiate(accepted.unwrap_or_default())
}

/// The language that a query asks for (`language=kk`), or else the one that the client likes best: a picture in a
/// page cannot choose its headers.
pub fn asked_language(query: &mut query::Query, headers: &actix_web::http::header::HeaderMap) -> Language {
    let Some(code) = query.text("language") else { return language(headers) };
    code.parse().unwrap_or_else(|()| {
        query.faults.add_with("?language", "not_one_of", vec![("words", "kk, ru, en".to_owned())]);
        Language::default()
    })
}

/// Whose token a request carries, if it is a good one; whether the account and its session still are is not asked.
fn account(request: &HttpRequest) -> Option<UserId> {
    Some(request.app_data::<Data<TokenKey>>()?.bearer(request)?.user)
}

/// The result of a route.
pub type Answer = Result<actix_web::HttpResponse, Problem>;

/// A client for commands that ask another server; it trusts the system's certificate authorities.
///
/// # Errors
/// When TLS cannot be set up.
pub fn client() -> anyhow::Result<reqwest::Client> {
    // Another part of the process may have chosen a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder().timeout(std::time::Duration::from_secs(60)).build()?)
}
