//! Backups: taken from a running service, restored to any moment, checked against the ledger.

use std::{path::Path, process::Command, time::Duration};

use chrono::Utc;
use serde_json::{Value, json};

use crate::{
    servers::{
        self,
        service::{Serving, program},
    },
    support::violation,
};

fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.success(), text.concat())
}

#[track_caller]
fn done(command: &mut Command) -> String {
    let (success, text) = run(command);
    assert!(success, "{text}");
    text
}

async fn file(serving: &Serving, token: &str, description: &str) {
    let request = baqylau::http::client().unwrap().post(format!("{}/api/v1/violations", serving.url));
    let body = violation(json!({ "description": description }));
    assert_eq!(request.bearer_auth(token).json(&body).send().await.unwrap().status().as_u16(), 201);
}

async fn descriptions(serving: &Serving, token: &str) -> Vec<String> {
    let url = format!("{}/api/v1/violations?election=kz-2019-president&sort=received_at", serving.url);
    let answer = baqylau::http::client().unwrap().get(url).bearer_auth(token).send().await.unwrap();
    let page: Value = answer.json().await.unwrap();
    let text = |record: &Value| record["description"].as_str().unwrap().to_owned();
    let all = page["items"].as_array().unwrap().iter().map(text);
    all.filter(|description| description.starts_with("backup")).collect()
}

fn psql(data_dir: &Path, sql: &str) {
    let sockets = data_dir.join("run");
    let mut psql = servers::command("psql");
    psql.args(["-q", "-U", "baqylau", "-d", "baqylau", "-c", sql]).arg("-h").arg(sockets);
    done(&mut psql);
}

#[tokio::test]
async fn a_service_goes_back_to_any_moment_since_its_oldest_base() {
    let dir = servers::test_dir("backup");
    let (old, new, backup) = (dir.path().join("old"), dir.path().join("new"), dir.path().join("backup"));
    let of = |data_dir: &Path| {
        let mut command = program(data_dir);
        command.env("BAQYLAU_BACKUP_DIR", &backup);
        command
    };
    let (refused, text) = run(of(&old).arg("backup"));
    assert!(!refused && text.contains("no service runs"), "{text}");

    let mut serving = Serving::start(&mut of(&old));
    let token = serving.admin().await;
    file(&serving, &token, "backup 1: before the base").await;
    let told = done(of(&old).arg("backup"));
    assert!(told.contains("keys: not copied"), "{told}");
    file(&serving, &token, "backup 2: after the base").await;
    // Leaves are sequenced five times a second.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let moment = Utc::now();
    tokio::time::sleep(Duration::from_millis(200)).await;
    file(&serving, &token, "backup 3: after the moment").await;
    psql(&old, "SELECT pg_switch_wal()");
    file(&serving, &token, "backup 4: not shipped yet").await;
    serving.signal("-KILL");
    servers::kill_tree(servers::postmaster(&old).unwrap());

    // As far as there is any log, that of the dead server too: nothing acknowledged is missing.
    let all = dir.path().join("all");
    done(of(&all).args(["restore", "--pg-wal"]).arg(old.join("postgres/pg_wal")));
    std::fs::copy(old.join("token.key"), all.join("token.key")).unwrap();
    std::fs::copy(old.join("ledger.key"), all.join("ledger.key")).unwrap();
    let serving = Serving::start(&mut program(&all));
    assert_eq!(descriptions(&serving, &token).await.len(), 4);
    drop(serving);

    // To the moment.
    let told = done(of(&new).args(["restore", "--at", &moment.to_rfc3339()]));
    assert!(told.contains("ledger.key is missing"), "{told}");
    for key in ["token.key", "ledger.key"] {
        std::fs::copy(old.join(key), new.join(key)).unwrap();
    }
    let (refused, text) = run(of(&new).arg("restore"));
    assert!(!refused && text.contains("has a cluster already"), "{text}");
    let serving = Serving::start(&mut of(&new));
    let kept = descriptions(&serving, &token).await;
    assert_eq!(kept, ["backup 1: before the base", "backup 2: after the base"]);
    // It is a service like any other: it stores, and its ledger goes on from what it had signed.
    file(&serving, &token, "backup 5: after the restore").await;
    tokio::time::sleep(Duration::from_millis(1000)).await;
    let key = reqwest::get(format!("{}/api/v1/ledger/key", serving.url)).await.unwrap().text().await.unwrap();
    let verified = done(of(&new).args(["verify", "database", "--key", key.trim()]));
    assert!(verified.contains("ok: "), "{verified}");

    // What it ships from then on leads on from the old base.
    psql(&new, "SELECT pg_switch_wal()");
    tokio::time::sleep(Duration::from_millis(1000)).await;
    let again = dir.path().join("again");
    let told = done(of(&again).arg("restore"));
    assert!(told.contains("5 records in 5 versions"), "{told}");

    // Old bases go, and with them the log that only they needed.
    let told = done(of(&new).args(["backup", "--keep", "1", "--with-keys"]));
    assert!(told.contains("removed: 1 bases"), "{told}");
    assert!(backup.join("keys/ledger.key").exists());
    let (refused, text) =
        run(of(&dir.path().join("early")).args(["restore", "--at", "2026-01-01T00:00:00Z"]));
    assert!(!refused && text.contains("the oldest base is of"), "{text}");
}
