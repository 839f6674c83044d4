//! Lines that go into one transaction: read, stored, answered.

use std::sync::Arc;

use actix_web::web::{Bytes, Data};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use super::LineAnswer;
use crate::{
    accounts::UserId,
    db::{DbError, Pool},
    detentions::domain::Detention,
    faults::Faults,
    http::{Kind, Problem, body, problem::ProblemBody},
    i18n::Language,
    ledger::{Ledger, Receipt},
    places::Directory,
    protocols::domain::Protocol,
    records::{
        NewRecord, RecordKind, id_of_key, request,
        request::{Reading, Submittable},
        store::{self, DetailsTable, Outcome},
        versions,
    },
    sealing::Keys,
    violations::domain::Violation,
};

/// Lines that were read and wait to be stored, and answers to those that are refused.
#[derive(Default)]
pub struct Batch {
    violations: Vec<(usize, NewRecord<Violation>)>,
    protocols: Vec<(usize, NewRecord<Protocol>)>,
    detentions: Vec<(usize, NewRecord<Detention>)>,
    answers: Vec<LineAnswer>,
}

impl Batch {
    pub fn len(&self) -> usize {
        self.violations.len() + self.protocols.len() + self.detentions.len() + self.answers.len()
    }
}

/// Whose lines they are, and what they are read against.
pub struct Sender {
    pub key: Option<String>,
    pub language: Language,
    pub reporter: UserId,
    pub directory: Arc<Directory>,
    pub keys: Arc<Keys>,
    pub pool: Data<Pool>,
    pub ledger: Data<Ledger>,
    pub answers: UnboundedSender<Bytes>,
}

impl Sender {
    pub fn refuse(&self, batch: &mut Batch, line: usize, problem: &Problem) {
        let problem = problem.body(self.language);
        let status = problem.status();
        batch.answers.push(LineAnswer {
            line,
            status,
            record: None,
            id: None,
            receipt: None,
            problem: Some(problem),
        });
    }

    /// Reads a line into the batch.
    pub fn read(&self, batch: &mut Batch, line: usize, text: &[u8]) {
        if let Err(problem) = self.try_read(batch, line, text) {
            self.refuse(batch, line, &problem);
        }
    }

    fn try_read(&self, batch: &mut Batch, line: usize, text: &[u8]) -> Result<(), Problem> {
        let (mut value, mut faults) = body::parse(text)?;
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
            RecordKind::Violation => batch.violations.push((line, self.record(line, &value, faults)?)),
            RecordKind::Protocol => batch.protocols.push((line, self.record(line, &value, faults)?)),
            RecordKind::Detention => batch.detentions.push((line, self.record(line, &value, faults)?)),
        }
        Ok(())
    }

    fn record<D: Submittable>(
        &self,
        line: usize,
        value: &Value,
        faults: Faults,
    ) -> Result<NewRecord<D>, Problem> {
        let reading = Reading { directory: &self.directory, keys: &self.keys, before: None };
        let (mut new, has_id) = request::read::<D>(value, faults, self.reporter, &reading)?;
        if let Some(key) = self.key.as_ref().filter(|_| !has_id) {
            new.id = id_of_key(self.reporter, &format!("{key}\n{line}"));
        }
        Ok(new)
    }

    /// Stores a batch and sends the answers in the order of the lines.
    pub async fn store(&self, batch: Batch) {
        let mut answers = batch.answers;
        self.store_kind(batch.violations, &mut answers).await;
        self.store_kind(batch.protocols, &mut answers).await;
        self.store_kind(batch.detentions, &mut answers).await;
        answers.sort_by_key(|answer| answer.line);
        let mut bytes = Vec::new();
        for answer in &answers {
            serde_json::to_writer(&mut bytes, answer).expect("an answer is JSON");
            bytes.push(b'\n');
        }
        let _ = self.answers.send(bytes.into());
    }

    async fn store_kind<D: DetailsTable>(
        &self,
        lines: Vec<(usize, NewRecord<D>)>,
        answers: &mut Vec<LineAnswer>,
    ) {
        if lines.is_empty() {
            return;
        }
        let (numbers, records): (Vec<usize>, Vec<NewRecord<D>>) = lines.into_iter().unzip();
        let records = Arc::new(records);
        let mut outcomes: Vec<Result<Outcome, Problem>> = Vec::new();
        // Signing costs as much as storing: both at once.
        let (stored, receipts) = tokio::join!(self.submit(&records), self.sign(&records));
        match stored {
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
        for (((line, record), receipt), outcome) in
            numbers.into_iter().zip(records.iter()).zip(receipts).zip(outcomes)
        {
            let outcome = match outcome {
                Ok(Outcome::Created) => Ok(201),
                Ok(Outcome::Replayed) => Ok(200),
                Ok(Outcome::Conflict) => Err(Problem::new(Kind::Conflict)),
                Err(problem) => Err(problem),
            };
            let problem = outcome.as_ref().err().map(|problem| problem.body(self.language));
            let status = outcome.unwrap_or_else(|_| problem.as_ref().map_or(500, ProblemBody::status));
            // A replay's receipt is asked for by its id: the line's salt is not the one that was stored.
            let receipt = Some(receipt).filter(|_| status == 201);
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

    /// The receipts of records that are about to be stored.
    async fn sign<D: DetailsTable>(&self, records: &Arc<Vec<NewRecord<D>>>) -> Vec<Receipt> {
        let (records, ledger) = (records.clone(), self.ledger.clone());
        let sign = move || records.iter().map(|record| versions::first_receipt(record, &ledger)).collect();
        tokio::task::spawn_blocking(sign).await.expect("signing does not panic")
    }

    async fn submit<D: DetailsTable>(&self, records: &[NewRecord<D>]) -> Result<Vec<Outcome>, DbError> {
        store::submit(&mut *self.pool.get().await?, records).await
    }
}
