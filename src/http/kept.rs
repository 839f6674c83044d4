//! Answers for everybody that cost much: made once for all who ask within some seconds.

use std::{sync::Arc, time::Duration};

use actix_web::{HttpRequest, HttpResponse, http::header::CACHE_CONTROL, web::Bytes};
use moka::future::Cache;
use serde::Serialize;

use super::{Answer, Problem};

/// How old an answer may be.
const AGE: Duration = Duration::from_secs(5);
/// Bytes of answers in memory at most.
const MOST: u64 = 32 * 1024 * 1024;

/// Answers by what was asked: path and query.
pub struct Kept(Cache<String, Bytes>);

impl Default for Kept {
    fn default() -> Self {
        let weigh = |key: &String, body: &Bytes| (key.len() + body.len()).try_into().unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(MOST).weigher(weigh).time_to_live(AGE).build())
    }
}

impl Kept {
    /// The answer of a moment ago, or what `make` makes now; whoever asks meanwhile waits for that.
    pub async fn json<T: Serialize>(
        &self,
        request: &HttpRequest,
        make: impl AsyncFnOnce() -> Result<T, Problem>,
    ) -> Answer {
        let key = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
        let make = async { Ok(Bytes::from(serde_json::to_vec(&make().await?).expect("an answer is JSON"))) };
        let body =
            self.0.try_get_with(key, make).await.map_err(|problem: Arc<Problem>| (*problem).clone())?;
        Ok(HttpResponse::Ok()
            .content_type("application/json")
            .insert_header((CACHE_CONTROL, "public, max-age=30"))
            .body(body))
    }
}
