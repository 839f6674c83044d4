//! Reads what is there, past the service.

use std::{collections::BTreeMap, path::Path, time::Duration};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::history::{Ground, Stored};

/// Asks PostgreSQL and the folder of evidence. Only what the clients sent is read: the seeds are not theirs.
pub async fn read(url: &str, evidence: &Path, counted: Option<i64>) -> Ground {
    let client = crate::servers::sql(url).await;
    let mut ground = Ground::default();
    let versions = "SELECT v.record_id::text, v.version, v.content->>'description' FROM record_versions v \
        JOIN records r USING (election_id) WHERE r.id = v.record_id AND r.source_id IS NULL ORDER BY 1, 2";
    for row in client.query(versions, &[]).await.unwrap() {
        let stored = Stored { version: row.get(1), text: row.get(2) };
        ground.versions.entry(id(&row)).or_default().push(stored);
    }
    let mut bytes: BTreeMap<String, Option<String>> = BTreeMap::new();
    let files = "SELECT e.record_id::text, b.object_key FROM evidence e JOIN blobs b USING (sha256)";
    for row in client.query(files, &[]).await.unwrap() {
        let key: String = row.get(1);
        let read = || Some(hex::encode(Sha256::digest(std::fs::read(evidence.join(&key)).ok()?)));
        let sha256 = bytes.entry(key.clone()).or_insert_with(read).clone();
        ground.files.extend(sha256.map(|sha256| (id(&row), sha256)));
    }
    for row in client.query("SELECT commitment FROM ledger_leaves", &[]).await.unwrap() {
        if !ground.leaves.insert(row.get(0)) {
            ground.leaves_twice += 1;
        }
    }
    let recount = "SELECT count(*) FROM records WHERE kind = 'violation'";
    ground.recounted = client.query_one(recount, &[]).await.unwrap().get(0);
    ground.counted = counted.unwrap_or(ground.recounted);
    ground
}

fn id(row: &tokio_postgres::Row) -> Uuid {
    row.get::<_, String>(0).parse().unwrap()
}

/// Waits until the ledger has everything and the counts are folded.
pub async fn settle(url: &str) {
    let client = crate::servers::sql(url).await;
    let waiting = "SELECT (SELECT count(*) FROM ledger_queue) + (SELECT count(*) FROM count_deltas)";
    for _ in 0..600 {
        let waiting: i64 = client.query_one(waiting, &[]).await.unwrap().get(0);
        if waiting == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the queues are never empty");
}

/// What the service says that there is.
pub async fn counted(url: &str, token: &str) -> i64 {
    let request = baqylau::http::client().unwrap().get(format!("{url}/api/v1/aggregates")).bearer_auth(token);
    let answer: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
    answer["total"].as_i64().unwrap()
}
