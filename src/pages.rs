//! The web pages, embedded in the program; see `web/`. They ask this server and no other.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
};
use rust_embed::RustEmbed;

use crate::http::preconditions;

#[derive(RustEmbed)]
#[folder = "$OUT_DIR/web"]
struct Files;

/// Nothing from elsewhere, nothing inline, no frame around the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; \
     font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// Files with a hash in their names never change.
const HASHED: &str = "assets/";

/// The page or file at a path; `None` where there is none.
pub fn answer(request: &HttpRequest) -> Option<HttpResponse> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let path = request.path().trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    let file = Files::get(path)?;
    let accepted = request.headers().get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let takes = |coding: &str| {
        let mut codings = accepted.unwrap_or_default().split(',').map(str::trim);
        codings.any(|it| it.split(';').next() == Some(coding) && !it.ends_with("q=0"))
    };
    let packed = [("br", "br"), ("gzip", "gz")].into_iter().find_map(|(coding, suffix)| {
        let packed = Files::get(&format!("{path}.{suffix}")).filter(|_| takes(coding))?;
        Some((coding, packed))
    });
    let (coding, body) = packed.map_or((None, file.data), |(coding, packed)| (Some(coding), packed.data));
    let tag =
        format!("\"{}{}\"", hex::encode(&file.metadata.sha256_hash()[..12]), coding.unwrap_or_default());
    let fresh = preconditions::has_fresh(request, &tag);
    let mut response = if fresh { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    let keep = if path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    response
        .insert_header((header::CACHE_CONTROL, keep))
        .insert_header((header::ETAG, tag))
        .insert_header((header::VARY, "accept-encoding"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header(("cross-origin-opener-policy", "same-origin"))
        .insert_header(("permissions-policy", "geolocation=(), microphone=(), camera=(self)"));
    if fresh {
        return Some(response.finish());
    }
    if let Some(coding) = coding {
        response.insert_header((header::CONTENT_ENCODING, coding));
    }
    let media = mime_guess::from_path(path).first_or_octet_stream();
    Some(response.content_type(media.as_ref()).body(body.into_owned()))
}
