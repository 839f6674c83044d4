//! `ETag`, `If-Match` and `If-None-Match` (RFC 9110 §13).

use actix_web::{HttpRequest, http::header};

use super::problem::{Kind, Problem};

/// The entity tag of a version.
pub fn etag(version: i32) -> String {
    format!("\"{version}\"")
}

/// Checks `If-Match` against the version in force: 428 without it, 412 when stale.
pub fn require_match(request: &HttpRequest, version: i32) -> Result<(), Problem> {
    match tags(request, header::IF_MATCH) {
        None => Err(Problem::new(Kind::Precondition)),
        Some(tags) if matches(&tags, &etag(version)) => Ok(()),
        Some(_) => Err(Problem::new(Kind::Stale)),
    }
}

/// As [`require_match`], where the header may be left out.
pub fn allow_match(request: &HttpRequest, version: i32) -> Result<(), Problem> {
    if request.headers().contains_key(header::IF_MATCH) { require_match(request, version) } else { Ok(()) }
}

/// Whether the client already has what `tag` names (304).
pub fn has_fresh(request: &HttpRequest, tag: &str) -> bool {
    tags(request, header::IF_NONE_MATCH).is_some_and(|tags| matches(&tags, tag))
}

fn tags(request: &HttpRequest, name: header::HeaderName) -> Option<String> {
    Some(request.headers().get(name)?.to_str().unwrap_or_default().to_owned())
}

fn matches(tags: &str, tag: &str) -> bool {
    tags.trim() == "*" || tags.split(',').any(|one| one.trim().trim_start_matches("W/") == tag)
}
