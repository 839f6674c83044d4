//! `/healthz`, `/readyz` and `/metrics`.

use std::sync::{
    OnceLock,
    atomic::{AtomicBool, Ordering},
};

use actix_web::{HttpResponse, get, web::Data};
use diesel_async::SimpleAsyncConnection;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::json;

use super::{Answer, Kind, Problem, admission::Admission};
use crate::db::Pool;

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
