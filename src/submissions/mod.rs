//! `POST /submissions`: many records at once, a line each, as a phone sends them that was offline.

mod batch;
mod stream;

use actix_web::{
    HttpRequest, HttpResponse, post, rt,
    web::{Bytes, Data, Payload},
};
use futures_util::StreamExt;
use serde::Serialize;
use tokio::sync::{Semaphore, mpsc::unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    accounts::Caller,
    db::Pool,
    http::{self, Answer, Kind, Problem, body, problem::ProblemBody},
    ledger::{Ledger, Receipt},
    places::directory::Places,
    records::RecordKind,
    sealing::Sealer,
};
use batch::Sender;

/// Streams under way at one time.
static TURNS: Semaphore = Semaphore::const_new(64);

/// The answer to one line.
#[derive(Serialize, ToSchema)]
pub struct LineAnswer {
    /// The number of the line, from 1.
    line: usize,
    /// 201 stored, 200 stored before, else what the status of a single submission would be.
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<RecordKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Uuid>,
    /// Proof for who sent it, to be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<Receipt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<ProblemBody>,
}

/// Stores up to 10,000 records, one JSON object a line with its kind in `record`; answers line for line as
/// they are stored. A bad line spoils no other.
#[utoipa::path(tag = "records", path = "/api/v1/submissions", security(("token" = [])),
    request_body(content = String, content_type = "application/x-ndjson"),
    responses((status = 200, description = "A `LineAnswer` a line", body = LineAnswer, content_type = "application/x-ndjson")))]
#[post("/submissions")]
pub async fn submit(
    request: HttpRequest,
    caller: Caller,
    payload: Payload,
    pool: Data<Pool>,
    places: Data<Places>,
    ledger: Data<Ledger>,
    sealer: Data<Sealer>,
) -> Answer {
    body::check_type(&request, &["application/x-ndjson", "application/ndjson", "application/jsonl"])?;
    let turn = TURNS.try_acquire().map_err(|_| Problem::later(Kind::Unavailable, 5))?;
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let (answers, stream) = unbounded_channel();
    let sender = Sender {
        key: header("idempotency-key").map(str::to_owned),
        language: http::language(request.headers()),
        reporter: caller.id(),
        directory: places.get().await,
        keys: sealer.keys().await?,
        pool,
        ledger,
        answers,
    };
    // Answers wait in memory (10,000 short lines at most), so a client that reads them only after it has
    // sent all never blocks itself; and when it goes away, what arrived is stored all the same.
    rt::spawn(async move {
        stream::run(sender, payload).await;
        drop(turn);
    });
    Ok(HttpResponse::Ok()
        .content_type("application/x-ndjson")
        .streaming(UnboundedReceiverStream::new(stream).map(Ok::<Bytes, actix_web::Error>)))
}
