//! What all routes share: problem details, bodies, queries, preconditions, limits, health and metrics.

pub mod body;
pub mod health;
pub mod limits;
pub mod middleware;
pub mod preconditions;
pub mod problem;
pub mod query;

pub use problem::{Kind, Problem};

use crate::i18n::Language;

/// The language that a client likes best (`Accept-Language`).
pub fn language(headers: &actix_web::http::header::HeaderMap) -> Language {
    let accepted = headers.get("accept-language").and_then(|value| value.to_str().ok());
    Language::negotiate(accepted.unwrap_or_default())
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
