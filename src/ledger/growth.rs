//! Tells whoever listens that the ledger grew, so that a page need not ask again and again.

use std::time::Duration;

use actix_web::{
    HttpResponse, get,
    http::header::CACHE_CONTROL,
    web::{Bytes, Data},
};
use futures_util::stream;
use tokio::sync::watch;

use super::store;
use crate::{
    db::Pool,
    http::{Answer, Kind, Problem},
};

/// Between two looks at the tree, while somebody listens.
const PAUSE: Duration = Duration::from_secs(1);
/// A line with nothing in it goes out so often: whoever stands between forgets silent connections.
const ALIVE: Duration = Duration::from_secs(15);
/// Listeners at one time.
const MOST: usize = 1000;

/// The size of the tree as it was seen last; whoever clones it listens.
pub type Growth = watch::Receiver<u64>;

/// A worker that looks, and what it says. It asks the database, so that it sees what other instances add.
pub fn start(pool: Pool) -> (impl Future<Output = ()>, Growth) {
    let (sender, listener) = watch::channel(0);
    let work = async move {
        loop {
            tokio::time::sleep(PAUSE).await;
            // One is the app's own.
            if sender.receiver_count() <= 1 {
                continue;
            }
            let look = async { store::size(&mut *pool.get().await?).await };
            match look.await {
                Ok(size) => {
                    sender.send_if_modified(|seen| std::mem::replace(seen, size) != size);
                }
                Err(error) => tracing::debug!(%error, "the size of the ledger is not known now"),
            }
        }
    };
    (work, listener)
}

/// Server-sent events (WHATWG HTML): the ledger's size whenever it grew, and so whenever a record came or was reviewed.
/// It is public as the ledger is, and says no more.
#[utoipa::path(tag = "ledger", path = "/api/v1/ledger/growth", responses((status = 200, description = "A stream of events", content_type = "text/event-stream"), (status = 503, description = "Too many listen")))]
#[get("/ledger/growth")]
pub async fn growth(growth: Data<Growth>) -> Answer {
    if growth.has_changed().is_err() {
        return Err(Problem::later(Kind::Unavailable, 10));
    }
    static LISTENING: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(MOST);
    let place = LISTENING.try_acquire().map_err(|_| Problem::later(Kind::Unavailable, 30))?;
    let mut listening = growth.get_ref().clone();
    listening.mark_changed();
    let events = stream::unfold((listening, place), |(mut listening, place)| async move {
        let line = match tokio::time::timeout(ALIVE, listening.changed()).await {
            Ok(Ok(())) => format!("event: size\ndata: {}\n\n", *listening.borrow_and_update()),
            // The service ends.
            Ok(Err(_)) => return None,
            Err(_) => ":\n\n".to_owned(),
        };
        Some((Ok::<_, actix_web::Error>(Bytes::from(line)), (listening, place)))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(events))
}
