//! `POST /submissions`: many records at once, a line each, as a phone sends them that was offline.

use std::time::{Duration, Instant};

use actix_web::{
    HttpRequest, HttpResponse, post, rt,
    web::{Bytes, BytesMut, Data, Payload},
};
use futures_util::StreamExt;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{
    Semaphore,
    mpsc::{UnboundedSender, unbounded_channel},
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    accounts::{Caller, UserId},
    db::{DbError, Pool},
    detentions::domain::Detention,
    faults::Faults,
    http::{self, Answer, Kind, Problem, body, problem::ProblemBody},
    i18n::Language,
    ledger::{Ledger, Receipt},
    places::{Directory, directory::Places},
    protocols::domain::Protocol,
    records::{
        NewRecord, RecordKind, id_of_key, request,
        request::{Reading, Submittable},
        store::{self, DetailsTable, Outcome},
        versions,
    },
    sealing::{Keys, Sealer},
    violations::domain::Violation,
};

/// Lines that one request may have.
const MOST_LINES: usize = 10_000;
/// Records that go into one transaction.
const BATCH: usize = 256;
/// How long the next bytes may take to come.
const PATIENCE: Duration = Duration::from_secs(60);
/// Streams under way at one time, and how long one may last: a sender that trickles does not hold a place for ever.
static TURNS: Semaphore = Semaphore::const_new(64);
const LONGEST: Duration = Duration::from_secs(900);

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
    let intake = Intake {
        key: header("idempotency-key").map(str::to_owned),
        language: http::language(request.headers()),
        reporter: caller.id(),
        directory: places.get().await,
        keys: sealer.keys().await?,
        pool,
        ledger,
        answers,
        pending: Pending::default(),
        line: 0,
    };
    // Answers wait in memory (10,000 short lines at most), so a client that reads them only after it has
    // sent all never blocks itself; and when it goes away, what arrived is stored all the same.
    rt::spawn(async move {
        intake.run(payload).await;
        drop(turn);
    });
    Ok(HttpResponse::Ok()
        .content_type("application/x-ndjson")
        .streaming(UnboundedReceiverStream::new(stream).map(Ok::<Bytes, actix_web::Error>)))
}

#[derive(Default)]
struct Pending {
    violations: Vec<(usize, NewRecord<Violation>)>,
    protocols: Vec<(usize, NewRecord<Protocol>)>,
    detentions: Vec<(usize, NewRecord<Detention>)>,
    answers: Vec<LineAnswer>,
}

impl Pending {
    fn len(&self) -> usize {
        self.violations.len() + self.protocols.len() + self.detentions.len() + self.answers.len()
    }
}

struct Intake {
    key: Option<String>,
    language: Language,
    reporter: UserId,
    directory: std::sync::Arc<Directory>,
    keys: std::sync::Arc<Keys>,
    pool: Data<Pool>,
    ledger: Data<Ledger>,
    answers: UnboundedSender<Bytes>,
    pending: Pending,
    line: usize,
}

impl Intake {
    async fn run(mut self, mut payload: Payload) {
        let mut buffer = BytesMut::new();
        let mut skipping = false;
        let end = Instant::now() + LONGEST;
        loop {
            let patience = PATIENCE.min(end.saturating_duration_since(Instant::now()));
            let chunk = match tokio::time::timeout(patience, payload.next()).await {
                Ok(Some(Ok(chunk))) => chunk,
                // Cut off: what is left of a line is no whole record.
                Ok(Some(Err(_))) | Err(_) => break,
                Ok(None) => {
                    if !buffer.is_empty() && !skipping {
                        self.take(&buffer);
                    }
                    break;
                }
            };
            buffer.extend_from_slice(&chunk);
            while let Some(end) = memchr::memchr(b'\n', &buffer) {
                let line = buffer.split_to(end + 1);
                if !std::mem::take(&mut skipping) {
                    self.take(&line[..end]);
                }
                if self.line > MOST_LINES {
                    self.flush().await;
                    return;
                }
                if self.pending.len() >= BATCH {
                    self.flush().await;
                }
            }
            if buffer.len() > body::LIMIT {
                if !skipping {
                    self.line += 1;
                    self.refuse(&Problem::new(Kind::TooLarge));
                }
                skipping = true;
                buffer.clear();
            }
            self.flush().await;
        }
        self.flush().await;
    }

    fn refuse(&mut self, problem: &Problem) {
        let problem = problem.body(self.language);
        let status = problem.status();
        let answer = LineAnswer {
            line: self.line,
            status,
            record: None,
            id: None,
            receipt: None,
            problem: Some(problem),
        };
        self.pending.answers.push(answer);
    }

    /// Reads one line; an empty one is passed over.
    fn take(&mut self, line: &[u8]) {
        self.line += 1;
        if line.trim_ascii().is_empty() {
            return;
        }
        if self.line > MOST_LINES || line.len() > body::LIMIT {
            return self.refuse(&Problem::new(Kind::TooLarge));
        }
        if let Err(problem) = self.read(line) {
            self.refuse(&problem);
        }
    }

    fn read(&mut self, line: &[u8]) -> Result<(), Problem> {
        let (mut value, mut faults) = body::parse(line)?;
        let kind = value.as_object_mut().and_then(|object| object.remove("record"));
        let kind = match &kind {
            None => {
                faults.add("/record", "required");
                None
            }
            Some(Value::String(word)) => faults.word::<RecordKind>("/record", Some(word)),
            Some(_) => faults.word::<RecordKind>("/record", Some("")),
        };
        let Some(kind) = kind else { return Err(faults.into()) };
        match kind {
            RecordKind::Violation => self.pending.violations.push((self.line, self.record(&value, faults)?)),
            RecordKind::Protocol => self.pending.protocols.push((self.line, self.record(&value, faults)?)),
            RecordKind::Detention => self.pending.detentions.push((self.line, self.record(&value, faults)?)),
        }
        Ok(())
    }

    fn record<D: Submittable>(&self, value: &Value, faults: Faults) -> Result<NewRecord<D>, Problem> {
        let reading = Reading { directory: &self.directory, keys: &self.keys, before: None };
        let (mut new, has_id) = request::read::<D>(value, faults, self.reporter, &reading)?;
        if let Some(key) = self.key.as_ref().filter(|_| !has_id) {
            new.id = id_of_key(self.reporter, &format!("{key}\n{}", self.line));
        }
        Ok(new)
    }

    /// Stores what is pending and sends the answers in the order of the lines.
    async fn flush(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        let mut answers = pending.answers;
        self.store(pending.violations, &mut answers).await;
        self.store(pending.protocols, &mut answers).await;
        self.store(pending.detentions, &mut answers).await;
        if answers.is_empty() {
            return;
        }
        answers.sort_by_key(|answer| answer.line);
        let mut bytes = Vec::new();
        for answer in &answers {
            serde_json::to_writer(&mut bytes, answer).expect("an answer is JSON");
            bytes.push(b'\n');
        }
        let _ = self.answers.send(bytes.into());
    }

    async fn store<D: DetailsTable>(&self, lines: Vec<(usize, NewRecord<D>)>, answers: &mut Vec<LineAnswer>) {
        if lines.is_empty() {
            return;
        }
        let (numbers, records): (Vec<usize>, Vec<NewRecord<D>>) = lines.into_iter().unzip();
        let mut outcomes: Vec<Result<Outcome, Problem>> = Vec::new();
        match self.submit(&records).await {
            Ok(stored) => outcomes.extend(stored.into_iter().map(Ok)),
            // The database is away: the sender has the lines and sends them again.
            Err(error) if error.is_transient() => {
                let problem = Problem::from(error);
                outcomes.extend(records.iter().map(|_| Err(problem.clone())));
            }
            Err(_) => {
                // One row may have spoiled the batch: each gets its own try.
                for record in records.chunks(1) {
                    outcomes.push(self.submit(record).await.map(|one| one[0]).map_err(Problem::from));
                }
            }
        }
        for ((line, record), outcome) in numbers.into_iter().zip(&records).zip(outcomes) {
            let outcome = match outcome {
                Ok(Outcome::Created) => Ok(201),
                Ok(Outcome::Replayed) => Ok(200),
                Ok(Outcome::Conflict) => Err(Problem::new(Kind::Conflict)),
                Err(problem) => Err(problem),
            };
            let problem = outcome.as_ref().err().map(|problem| problem.body(self.language));
            let status = outcome.unwrap_or_else(|_| problem.as_ref().map_or(500, ProblemBody::status));
            // A replay's receipt is asked for by its id: the line's salt is not the one that was stored.
            let receipt = (status == 201).then(|| versions::first_receipt(record, &self.ledger));
            answers.push(LineAnswer {
                line,
                status,
                record: Some(D::KIND),
                id: Some(record.id),
                receipt,
                problem,
            });
        }
    }

    async fn submit<D: DetailsTable>(&self, records: &[NewRecord<D>]) -> Result<Vec<Outcome>, DbError> {
        store::submit(&mut *self.pool.get().await?, records).await
    }
}
