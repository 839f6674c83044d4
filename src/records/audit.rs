//! Compares records with their history: the row with its last version, each version with what the ledger
//! committed to.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    Record, Status, lookup,
    request::{self, Submittable},
    store::{DetailsTable, Row},
    versions::Version,
};
use crate::{
    accounts::Scope,
    db::{
        DbResult,
        schema::{record_versions, records},
    },
    ledger,
    places::Directory,
};

/// Records read at a time.
const PAGE: i64 = 1000;

/// Checks all records of the kind `D`; answers how many there are and, in words, what does not hold.
pub async fn records<D: Submittable + DetailsTable>(
    conn: &mut AsyncPgConnection,
    directory: &Directory,
) -> DbResult<(usize, Vec<String>)> {
    let (mut n, mut findings) = (0, Vec::new());
    let mut after = Uuid::nil();
    loop {
        let rows: Vec<Row> = records::table
            .filter(records::kind.eq(D::KIND.word()).and(records::id.gt(after)))
            .order(records::id)
            .limit(PAGE)
            .select(Row::as_select())
            .load(conn)
            .await?;
        let Some(last) = rows.last() else { return Ok((n, findings)) };
        after = last.id;
        n += rows.len();
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        let versions: Vec<Version> = record_versions::table
            .filter(record_versions::record_id.eq_any(&ids))
            .order((record_versions::record_id, record_versions::version))
            .select(Version::as_select())
            .load(conn)
            .await?;
        let mut histories: HashMap<Uuid, Vec<Version>> = HashMap::new();
        versions.into_iter().for_each(|it| histories.entry(it.record_id).or_default().push(it));
        let found = lookup::some::<D>(conn, &Scope::All, &ids).await?;
        let mut found: HashMap<Uuid, Record<D>> =
            found.into_iter().map(|record| (record.id, record)).collect();
        for row in rows {
            let history = histories.remove(&row.id).unwrap_or_default();
            let content = found
                .remove(&row.id)
                .map(|record| request::content(&record.envelope, &record.details, directory));
            for what in check::<D>(&row, content.as_ref(), &history) {
                findings.push(format!("{} {}: {what}", D::KIND, row.id));
            }
        }
    }
}

fn check<D: Submittable>(row: &Row, content: Option<&serde_json::Value>, history: &[Version]) -> Vec<String> {
    let mut findings = Vec::new();
    for (version, number) in history.iter().zip(1..) {
        if version.version != number {
            findings.push(format!("version {number} is missing"));
            break;
        }
        let committed = version.salt.as_ref().map(|salt| version.entry(D::KIND).commit(salt).to_vec());
        if committed.is_none() || committed != version.commitment {
            findings.push(format!("version {number} is not what was committed to"));
        }
        let hash = version.content.as_ref().map(|content| ledger::canonical_hash(content).to_vec());
        if hash != version.content_hash {
            findings.push(format!("the content of version {number} was altered"));
        }
    }
    let (Some(first), Some(last)) = (history.first(), history.last()) else {
        findings.push("the history is missing".to_owned());
        return findings;
    };
    let stated = history.iter().rev().find_map(|version| version.content.as_ref());
    let first_hash = first.content_hash.as_deref();
    let same = [
        ("version", row.version == last.version),
        ("status", row.status == last.status),
        ("duplicate_of", row.duplicate_of == last.duplicate_of),
        ("updated_at", row.updated_at == last.at),
        ("received_at", row.received_at == first.at),
        ("reporter", row.reporter_id == first.actor_id),
        ("submitted_hash", first_hash == Some(row.submitted_hash.as_slice())),
        ("content", content.is_some() && stated == content),
        ("status of the first version", first.status == Status::Submitted.word()),
    ];
    let wrong = same.into_iter().filter(|(_, same)| !same);
    findings.extend(wrong.map(|(what, _)| format!("its {what} is not that of its history")));
    findings
}
