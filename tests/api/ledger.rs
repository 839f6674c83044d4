//! What the ledger promises, and what it catches.

use std::{path::Path, process::Command, time::Duration};

use baqylau::{
    commands::verify::audit_all,
    db::Pool,
    ledger::{
        Receipt,
        entry::decode_hashes,
        mirror,
        note::{Checkpoint, NoteVerifier},
        tree,
    },
};
use serde_json::{Value, json};

use crate::support::{App, Person, violation};

async fn key(app: &App) -> NoteVerifier {
    app.nobody().get("/ledger/key").await.text(200).parse().unwrap()
}

/// The receipt once it has its proof.
async fn proved(person: &Person<'_>, path: &str) -> Value {
    for _ in 0..200 {
        let receipt = person.get(&format!("{path}/receipt")).await.json(200);
        if receipt.get("inclusion").is_some() {
            return receipt;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{path} never came into the tree");
}

fn verify(args: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_baqylau")).arg("verify").args(args).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test]
async fn a_submission_is_answered_with_a_receipt_that_verifies_offline() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let id = "0197a000-0000-7000-8000-00000000aaaa";
    let body = violation(json!({ "id": id }));
    let answer = observer.post("/violations", body.clone()).await.json(201);
    let again = observer.post("/violations", body).await.json(200);
    assert_eq!(answer["receipt"], again["receipt"], "a replay is answered with the first receipt");
    let key = key(&app).await;
    let promise: Receipt = serde_json::from_value(answer["receipt"].clone()).unwrap();
    assert_eq!(promise.verify(&key).unwrap().checkpoint, None);

    let receipt = proved(&observer, &format!("/violations/{id}")).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("receipt.json");
    let (file, key) = (file.to_str().unwrap(), key.to_string());
    std::fs::write(file, receipt.to_string()).unwrap();
    let (ok, said) = verify(&["receipt", file, "--key", &key]);
    assert!(ok && said.contains("in the signed tree") && said.contains("the content is"), "{said}");
    // The answer to the submission as curl saved it will do too.
    std::fs::write(file, answer.to_string()).unwrap();
    let (ok, said) = verify(&["receipt", file, "--key", &key]);
    assert!(ok && said.contains("no proof of inclusion yet"), "{said}");
    // One letter of the description, and it holds no more.
    let altered = receipt.to_string().replacen("шығарды", "шығармады", 1);
    std::fs::write(file, altered).unwrap();
    let (ok, said) = verify(&["receipt", file, "--key", &key]);
    assert!(!ok && said.contains("the content is not the one"), "{said}");
}

#[tokio::test]
async fn a_phone_that_comes_back_gets_a_receipt_a_line_and_every_change_has_one() {
    let app = App::new().await;
    let key = key(&app).await;
    let observer = app.sign_in("observer").await;
    let mut body = violation(json!({}));
    body["record"] = json!("violation");
    let lines = observer.submit_lines(&[body.to_string(), "no record".to_owned()]).await;
    let receipt: Receipt = serde_json::from_value(lines[0]["receipt"].clone()).unwrap();
    receipt.verify(&key).unwrap();
    assert!(lines[1].get("receipt").is_none());

    let path = observer.file(json!({})).await;
    let edited = observer.patch(&path, "\"1\"", json!({ "severity": "minor" })).await.json(200);
    let coordinator = app.sign_in("qaraghandy").await;
    let review = json!({ "decision": "verified", "note": "seen on video" });
    let reviewed = coordinator.post(&format!("{path}/review"), review).await.json(200);
    for (answer, version, action) in [(edited, 2, "edited"), (reviewed, 3, "reviewed")] {
        let receipt: Receipt = serde_json::from_value(answer["receipt"].clone()).unwrap();
        receipt.verify(&key).unwrap();
        assert_eq!(answer["receipt"]["entry"]["version"], version);
        assert_eq!(answer["receipt"]["entry"]["action"], action);
    }
    // A receipt is as private as its record.
    app.sign_in("other-observer").await.get(&format!("{path}/receipt")).await.json(404);
    app.nobody().get(&format!("{path}/receipt")).await.json(401);
    observer.get(&format!("{path}/receipt?version=1")).await.json(200);
    observer.get(&format!("{path}/receipt?version=9")).await.json(404);
}

#[tokio::test]
async fn any_two_checkpoints_are_consistent_and_a_mirror_computes_the_same_tree() {
    let app = App::new().await;
    let key = key(&app).await;
    let observer = app.sign_in("observer").await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        let path = observer.file(json!({})).await;
        proved(&observer, &path).await;
        let note = app.nobody().get("/ledger/checkpoint").await.text(200);
        seen.push(Checkpoint::open(&note, &key).unwrap());
    }
    for old in &seen {
        for new in seen.iter().filter(|new| new.size >= old.size) {
            let path = format!("/ledger/consistency?from={}&to={}", old.size, new.size);
            let view = app.nobody().get(&path).await.json(200);
            let proof: Vec<String> = serde_json::from_value(view["proof"].clone()).unwrap();
            let proof = decode_hashes(&proof).unwrap();
            assert!(tree::extends(old.size, &old.root, new.size, &new.root, &proof));
        }
    }
    let wrong = app.nobody().get("/ledger/consistency?from=9&to=99999").await.faults();
    assert_eq!(wrong, [("?to".to_owned(), "not_in_the_tree".to_owned())]);
    app.nobody().get("/ledger/tile/0/001").await.json(404);
    app.nobody().get("/ledger/tile/0/000").await.json(404);

    let url = format!("{}/api/v1/ledger", app.url);
    let first = mirror::verify(&url, &key, None).await.unwrap();
    assert!(first.checkpoint.size >= 5);
    let path = observer.file(json!({})).await;
    proved(&observer, &path).await;
    mirror::verify(&url, &key, Some(&first.note)).await.unwrap();

    // A tree that was made anew with one entry less, and signed by the true key: the one who saw more knows.
    let sql = app.sql().await;
    sql.batch_execute(
        "TRUNCATE ledger_leaves, ledger_tiles, ledger_checkpoints; \
         INSERT INTO ledger_queue SELECT commitment FROM record_versions LIMIT 4",
    )
    .await
    .unwrap();
    app.settled().await;
    let error = mirror::verify(&url, &key, Some(&first.note)).await.unwrap_err().to_string();
    assert!(error.contains("shrank"), "{error}");
    sql.batch_execute(
        "INSERT INTO ledger_queue SELECT sha256(i::text::bytea) FROM generate_series(1, 1000) i",
    )
    .await
    .unwrap();
    app.settled().await;
    let error = mirror::verify(&url, &key, Some(&first.note)).await.unwrap_err().to_string();
    assert!(error.contains("rewritten"), "{error}");
    // And as a log of its own it is whole, over several tiles.
    assert_eq!(mirror::verify(&url, &key, None).await.unwrap().checkpoint.size, 1004);
}

#[tokio::test]
async fn whatever_is_altered_in_the_database_is_caught() {
    for (tampering, caught) in [
        ("", ""),
        // Altered
        (
            "UPDATE records SET description = 'nothing happened' WHERE id = $id",
            "its content is not that of its history",
        ),
        ("UPDATE records SET status = 'rejected' WHERE id = $id", "its status is not that"),
        (
            "UPDATE records SET reporter_id = (SELECT id FROM users WHERE email = 'admin@example.org') WHERE id = $id",
            "its reporter is not that",
        ),
        (
            "UPDATE violations SET stage = 'counting' WHERE record_id = $id",
            "its content is not that of its history",
        ),
        (
            "UPDATE record_versions SET content = content || '{\"severity\": \"minor\"}' WHERE record_id = $id AND version = 1",
            "the content of version 1 was altered",
        ),
        (
            "UPDATE record_versions SET note = 'made up' WHERE record_id = $id AND version = 2",
            "version 2 is not what was committed to",
        ),
        ("UPDATE ledger_leaves SET commitment = sha256('x') WHERE idx = 2", "the first"),
        (
            "UPDATE ledger_tiles SET hashes = overlay(hashes PLACING sha256('x') FROM 1) WHERE level = 0",
            "tile 0 of level 0",
        ),
        // Deleted
        ("DELETE FROM record_versions WHERE record_id = $id AND version = 2", "its version is not that"),
        (
            "DELETE FROM record_versions WHERE record_id = $id; DELETE FROM records WHERE id = $id",
            "was deleted or altered",
        ),
        ("DELETE FROM ledger_leaves WHERE idx = (SELECT max(idx) FROM ledger_leaves)", "entries were signed"),
        ("DELETE FROM ledger_leaves WHERE idx = 1", "lies behind a gap"),
        // Reordered
        (
            "UPDATE ledger_leaves SET idx = 1000 WHERE idx = 1; UPDATE ledger_leaves SET idx = 1 WHERE idx = 2; UPDATE ledger_leaves SET idx = 2 WHERE idx = 1000",
            "not those that were signed",
        ),
        (
            "UPDATE record_versions SET version = 9 WHERE record_id = $id AND version = 1; UPDATE record_versions SET version = 1 WHERE record_id = $id AND version = 2; UPDATE record_versions SET version = 2 WHERE record_id = $id AND version = 9",
            "version 1 is not what was committed to",
        ),
        // Back-dated
        (
            "UPDATE record_versions SET at = at - interval '1 day' WHERE record_id = $id AND version = 1",
            "version 1 is not what was committed to",
        ),
        (
            "UPDATE records SET received_at = received_at - interval '1 day' WHERE id = $id",
            "its received_at is not that",
        ),
        // With all the care that the database allows: a row, its hash and its commitment, but not the signature
        (
            "UPDATE record_versions SET salt = sha256('s'), commitment = sha256('c') WHERE record_id = $id AND version = 1; UPDATE ledger_leaves SET commitment = sha256('c') WHERE idx = 0",
            "not those that were signed",
        ),
        (
            "UPDATE ledger_checkpoints SET note = replace(note, 'test', 'best')",
            "a checkpoint cannot be trusted",
        ),
    ] {
        let app = App::new().await;
        let key = key(&app).await;
        let path = app.sign_in("observer").await.file(json!({})).await;
        let coordinator = app.sign_in("qaraghandy").await;
        coordinator.post(&format!("{path}/review"), json!({ "decision": "verified" })).await.json(200);
        proved(&coordinator, &path).await;
        let sql = app.sql().await;
        let id = path.rsplit('/').next().unwrap();
        sql.batch_execute(&tampering.replace("$id", &format!("'{id}'"))).await.unwrap();
        let pool = Pool::new(&app.database_url, 1).unwrap();
        let (_, records, findings) = audit_all(&pool, &key, &[], None).await.unwrap();
        if tampering.is_empty() {
            assert_eq!(findings, Vec::<String>::new());
            assert!(records >= 3, "the seeded records are checked too");
        } else {
            assert!(findings.iter().any(|it| it.contains(caught)), "{tampering}: {findings:?}");
        }
    }
}

/// What does not hold, but for made entries, which commit to no data.
fn of_the_tree(findings: Vec<String>) -> Vec<String> {
    findings.into_iter().filter(|it| !it.starts_with("the data of entry")).collect()
}

/// Entries that are read in more than one piece, so that a tile of the second level grows from one to the next.
#[tokio::test]
async fn a_ledger_read_in_pieces_holds_and_an_altered_tile_of_any_level_is_found() {
    let app = App::new().await;
    let key = key(&app).await;
    let sql = app.sql().await;
    let many = "INSERT INTO ledger_queue (commitment) SELECT sha256(n::text::bytea) FROM generate_series(1, 17000) n";
    sql.batch_execute(many).await.unwrap();
    app.settled().await;
    let pool = Pool::new(&app.database_url, 1).unwrap();
    let findings = async || {
        let (entries, _, findings) = audit_all(&pool, &key, &[], None).await.unwrap();
        assert!(entries >= 17_000);
        of_the_tree(findings)
    };
    assert_eq!(findings().await, Vec::<String>::new());
    let url = format!("{}/api/v1/ledger", app.url);
    assert!(mirror::verify(&url, &key, None).await.unwrap().checkpoint.size >= 17_000);

    for (level, index) in [(1, 0), (0, 3)] {
        let alter = format!(
            "UPDATE ledger_tiles SET hashes = overlay(hashes PLACING sha256('x') FROM 1) \
             WHERE level = {level} AND idx = {index}"
        );
        let found = format!("tile {index} of level {level}");
        sql.batch_execute(&alter).await.unwrap();
        assert!(findings().await.iter().any(|it| it.starts_with(&found)), "{found}");
        let error = mirror::verify(&url, &key, None).await.unwrap_err().to_string();
        assert!(error.contains("is not the tile of the entries"), "{error}");
    }
}

#[tokio::test]
async fn a_ledger_that_grows_while_it_is_checked_holds() {
    let app = App::new().await;
    let key = key(&app).await;
    let sql = app.sql().await;
    let pool = Pool::new(&app.database_url, 1).unwrap();
    let more = "INSERT INTO ledger_queue (commitment) SELECT sha256(gen_random_uuid()::text::bytea) FROM generate_series(1, 300)";
    let mut sizes = std::collections::BTreeSet::new();
    // As many rounds as it takes: on a busy machine many of them see the same size.
    let grows = async {
        while sizes.len() < 10 {
            let (entries, _, findings) = audit_all(&pool, &key, &[], None).await.unwrap();
            assert_eq!(of_the_tree(findings), Vec::<String>::new());
            if sizes.insert(entries) {
                sql.batch_execute(more).await.unwrap();
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), grows).await.expect("it grows");
}

#[tokio::test]
async fn nothing_is_signed_on_top_of_an_altered_tree_and_a_kept_checkpoint_tells() {
    let app = App::new().await;
    let key = key(&app).await;
    let observer = app.sign_in("observer").await;
    let path = observer.file(json!({})).await;
    proved(&observer, &path).await;
    let kept = app.nobody().get("/ledger/checkpoint").await.text(200);
    let sql = app.sql().await;
    let alter = "UPDATE ledger_tiles SET hashes = overlay(hashes PLACING sha256('x') FROM 1) WHERE level = 0";
    sql.batch_execute(alter).await.unwrap();
    observer.file(json!({})).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(app.nobody().get("/ledger/checkpoint").await.text(200), kept);

    // The checkpoints in the database are gone and the tree is made anew: one kept elsewhere is enough.
    sql.batch_execute(
        "TRUNCATE ledger_leaves, ledger_tiles, ledger_checkpoints; DELETE FROM ledger_queue; \
         UPDATE record_versions SET commitment = sha256('c') WHERE version = 1 AND record_id = (SELECT min(record_id::text)::uuid FROM record_versions); \
         INSERT INTO ledger_queue SELECT commitment FROM record_versions",
    )
    .await
    .unwrap();
    app.settled().await;
    let pool = Pool::new(&app.database_url, 1).unwrap();
    let (_, _, findings) = audit_all(&pool, &key, &[kept], None).await.unwrap();
    assert!(findings.iter().any(|it| it.contains("not those that were signed")), "{findings:?}");
}

#[tokio::test]
async fn versions_from_before_the_ledger_come_into_it() {
    let app = App::new().await;
    let key = key(&app).await;
    let observer = app.sign_in("observer").await;
    let path = observer.file(json!({})).await;
    proved(&observer, &path).await;
    let sql = app.sql().await;
    sql.batch_execute(
        "TRUNCATE ledger_leaves, ledger_tiles, ledger_checkpoints, ledger_queue; \
         UPDATE record_versions SET salt = NULL, commitment = NULL",
    )
    .await
    .unwrap();
    let pool = Pool::new(&app.database_url, 1).unwrap();
    baqylau::records::versions::commit_all_old(pool.clone()).await;
    proved(&observer, &path).await;
    app.settled().await;
    assert_eq!(audit_all(&pool, &key, &[], None).await.unwrap().2, Vec::<String>::new());
}

fn export_file(dir: &Path, text: &str) -> String {
    let file = dir.join("violations.receipts");
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_export_of_receipts_verifies_offline_and_a_cut_or_altered_one_does_not() {
    let app = App::new().await;
    let key = key(&app).await.to_string();
    let observer = app.sign_in("observer").await;
    let path = observer.file(json!({})).await;
    observer.patch(&path, "\"1\"", json!({ "severity": "minor" })).await.json(200);
    proved(&observer, &path).await;
    app.settled().await;
    let text = observer.get("/exports/violations.receipts").await.text(200);
    assert_eq!(text.lines().count(), 3);
    let dir = tempfile::tempdir().unwrap();
    let (ok, said) = verify(&["export", &export_file(dir.path(), &text), "--key", &key]);
    assert!(ok && said.contains("ok: 2 records"), "{said}");
    let altered = text.replacen("minor", "critical", 1);
    let (ok, said) = verify(&["export", &export_file(dir.path(), &altered), "--key", &key]);
    assert!(!ok && said.contains("line 2"), "{said}");
    let cut: String = text.lines().take(2).map(|line| format!("{line}\n")).collect();
    let (ok, said) = verify(&["export", &export_file(dir.path(), &cut), "--key", &key]);
    assert!(!ok && said.contains("cut off"), "{said}");
    let shorter: String = text.lines().skip(1).map(|line| format!("{line}\n")).collect();
    let (ok, _) = verify(&["export", &export_file(dir.path(), &shorter), "--key", &key]);
    assert!(!ok);
}

#[tokio::test]
async fn whoever_listens_is_told_that_the_ledger_grew_and_holds_up_no_end() {
    let app = App::new().await;
    let address = format!("{}/api/v1/ledger/growth", app.url);
    let mut listening = baqylau::http::client().unwrap().get(address).send().await.unwrap();
    assert_eq!(listening.headers()["content-type"], "text/event-stream");
    let mut size = async || {
        let mut text = String::new();
        while !text.contains("data: ") {
            text += std::str::from_utf8(&listening.chunk().await.unwrap().unwrap()).unwrap();
        }
        text.split("data: ").nth(1).unwrap().trim().parse::<u64>().unwrap()
    };
    let before = size().await;
    app.sign_in("observer").await.file(json!({})).await;
    let mut seen = before;
    while seen < before + 1 {
        seen = size().await;
    }
    app.running.stop().await;
    while let Ok(Some(_)) = listening.chunk().await {}
}
