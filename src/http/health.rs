//! `/healthz`, `/readyz` and `/metrics`.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_web::{HttpResponse, get, web::Data};
use diesel_async::SimpleAsyncConnection;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::json;

use super::{Answer, Kind, Problem, admission::Admission};
use crate::db::Pool;

/// How often the times of requests are added up.
pub const UPKEEP: Duration = Duration::from_secs(5);

/// Whether the service is about to end: whoever sends it requests shall send them elsewhere.
#[derive(Default)]
pub struct Leaving(AtomicBool);

impl Leaving {
    /// From now on it is.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The process answers.
#[utoipa::path(tag = "operations", responses((status = 200, description = "The process answers")))]
#[get("/healthz")]
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// The service can do its work: the database answers.
#[utoipa::path(tag = "operations", responses(
    (status = 200, description = "Ready"),
    (status = 503, description = "The database does not answer", content_type = "application/problem+json"),
))]
#[get("/readyz")]
pub async fn readyz(pool: Data<Pool>, leaving: Data<Leaving>) -> Answer {
    if leaving.begun() {
        return Err(Problem::later(Kind::Unavailable, 1));
    }
    let mut conn = pool.get().await?;
    match conn.batch_execute("SELECT 1").await {
        Ok(()) => Ok(HttpResponse::Ok().json(json!({ "status": "ready" }))),
        Err(_) => Err(Problem::later(Kind::Unavailable, 2)),
    }
}

/// Figures for Prometheus.
#[utoipa::path(tag = "operations", responses((status = 200, description = "Text format", content_type = "text/plain")))]
#[get("/metrics")]
pub async fn metrics(pool: Data<Pool>, admission: Data<Admission>) -> HttpResponse {
    admission.measure();
    let (used, most) = pool.usage();
    ::metrics::gauge!("baqylau_db_connections_in_use").set(used as f64);
    ::metrics::gauge!("baqylau_db_connections_max").set(most as f64);
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(recorder().render())
}

/// Adds up the times of requests now and then. Until then each is kept apart, and of a busy hour without a look at the
/// figures they would fill some hundred megabytes.
pub async fn upkeep(rest: Duration) {
    loop {
        tokio::time::sleep(rest).await;
        recorder().run_upkeep();
    }
}

/// The process's one recorder.
pub fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let buckets = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];
        let builder = PrometheusBuilder::new().set_buckets(&buckets).expect("there are buckets");
        let recorder = builder.install_recorder().expect("no other recorder is installed");
        crate::vitals::metrics::describe();
        recorder
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn times_of_requests_are_not_kept_for_ever() {
        /// Some 8 MB.
        const MANY: usize = 500_000;
        const REST: Duration = Duration::from_millis(5);
        let kilobytes = || -> usize {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
            line.trim_end_matches("kB").trim().parse().unwrap()
        };
        recorder();
        tokio::spawn(upkeep(REST));
        let times = ::metrics::histogram!("baqylau_http_request_seconds", "route" => "a test");
        let before = kilobytes();
        for _ in 0..10 {
            (0..MANY).for_each(|_| times.record(0.01));
            tokio::time::sleep(REST * 4).await;
        }
        // Other tests run beside it.
        assert!(kilobytes() < before + 50_000, "{before} kB before, {} after", kilobytes());
    }
}
