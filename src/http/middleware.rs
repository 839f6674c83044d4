//! Around every request: the client's language for problems, security headers, counts and times.

use std::time::{Duration, Instant};

use actix_web::{
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    middleware::Next,
};
use tracing::Instrument;

use super::problem::{Kind, Problem};

/// Turns every error, those of the framework too, into a problem in the client's language.
pub async fn localise(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let language = super::language(request.headers());
    let response = next.call(request).await?.map_into_boxed_body();
    let problem = match response.response().error() {
        Some(error) => Some(
            error
                .as_error::<Problem>()
                .cloned()
                .unwrap_or_else(|| Problem::new(kind_of(error.as_response_error().status_code()))),
        ),
        None if response.status() == StatusCode::NOT_FOUND => Some(Problem::new(Kind::NotFound)),
        None if response.status() == StatusCode::METHOD_NOT_ALLOWED => Some(Problem::new(Kind::Method)),
        None => None,
    };
    let Some(problem) = problem else { return Ok(response) };
    // A body that came with its head is taken in meanwhile: where nobody has read it the connection would be closed, and a
    // phone that was refused would have to set up another.
    tokio::task::yield_now().await;
    let mut localised = problem.response(language);
    if response.request().headers().contains_key("tus-resumable") {
        // tus 1.0 wants its version in every answer.
        let version = header::HeaderValue::from_static("1.0.0");
        localised.headers_mut().insert(header::HeaderName::from_static("tus-resumable"), version);
    }
    if let Some(allow) = response.headers().get(header::ALLOW) {
        localised.headers_mut().insert(header::ALLOW, allow.clone());
    }
    Ok(response.into_response(localised))
}

fn kind_of(status: StatusCode) -> Kind {
    match status {
        StatusCode::NOT_FOUND => Kind::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Kind::Method,
        StatusCode::PAYLOAD_TOO_LARGE => Kind::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Kind::MediaType,
        StatusCode::REQUEST_TIMEOUT => Kind::Timeout,
        status if status.is_client_error() => Kind::Malformed,
        _ => Kind::Internal,
    }
}

/// The name under which a request is found in the log: the client's or a proxy's own, if it is a plain word.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A request that took longer than this is worth a line.
const SLOW: Duration = Duration::from_secs(1);

fn request_id(request: &ServiceRequest) -> String {
    let plain = |id: &&str| {
        (1..=64).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(plain);
    given.map_or_else(|| uuid::Uuid::new_v4().simple().to_string(), str::to_owned)
}

/// Signing in and out, changes of accounts and keys, names opened, and whatever was refused for want of a right.
fn is_security_event(method: &str, route: &str, status: u16) -> bool {
    const AREAS: [&str; 5] =
        ["/api/v1/auth/", "/api/v1/me/", "/api/v1/users", "/api/v1/recipients", "/api/v1/invitations"];
    matches!(status, 401 | 403 | 429)
        || route.ends_with("/sealed-person")
        || method != "GET" && AREAS.iter().any(|area| route.starts_with(area))
}

/// Counts requests by route, method and status, times them, and gives each a name that all its log lines carry. No
/// address, query or id of a record is kept.
pub async fn measure(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let started = Instant::now();
    let method = request.method().to_string();
    let id = request_id(&request);
    let span = tracing::info_span!("request", id, method);
    let mut response = next.call(request).instrument(span.clone()).await?;
    let route = response.request().match_pattern().unwrap_or_else(|| "none".to_owned());
    let status = response.status().as_u16();
    let took = started.elapsed();
    span.in_scope(|| {
        let ms = took.as_millis() as u64;
        if is_security_event(&method, &route, status) {
            let account = super::account(response.request()).map(|id| id.to_string()).unwrap_or_default();
            tracing::info!(target: "baqylau::security", %route, status, account, "security");
        }
        // Whoever is sent away is counted, thousands a second; a database that is away has a line of its own.
        if status >= 500 && status != 503 {
            tracing::warn!(%route, status, ms, "request failed");
        } else if took > SLOW {
            tracing::info!(%route, status, ms, "slow request");
        } else {
            tracing::debug!(%route, status, ms, "request");
        }
    });
    response.headers_mut().insert(REQUEST_ID, HeaderValue::from_str(&id).expect("a plain word"));
    let labels = [("method", method), ("route", route), ("status", status.to_string())];
    metrics::counter!("baqylau_http_requests_total", &labels).increment(1);
    metrics::histogram!("baqylau_http_request_seconds", &labels[..2]).record(took);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

    use actix_web::{
        App, HttpResponse,
        middleware::from_fn,
        test::{TestRequest, call_service, init_service},
        web,
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[actix_web::test]
    async fn whoever_is_sent_away_writes_no_line_and_what_failed_does() {
        let log = Log::default();
        let writer = log.clone();
        let logged = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_max_level(tracing::Level::INFO);
        let _guard = tracing::subscriber::set_default(logged.finish());
        let answer =
            |status: u16| move || async move { HttpResponse::new(StatusCode::from_u16(status).unwrap()) };
        let app = App::new().wrap(from_fn(measure)).route("/full", web::get().to(answer(503)));
        let app = init_service(app.route("/broken", web::get().to(answer(500)))).await;
        for _ in 0..3 {
            call_service(&app, TestRequest::get().uri("/full").to_request()).await;
        }
        assert_eq!(String::from_utf8_lossy(&log.0.lock().unwrap()), "");
        call_service(&app, TestRequest::get().uri("/broken").to_request()).await;
        let text = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
        assert!(text.contains("request failed") && text.contains("/broken"), "{text}");
    }
}
