//! The program as it is run: start, stop, kill, recover; the command line.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::{
    servers::service::{Serving, program as command},
    support::App,
};

fn serve(dir: &std::path::Path) -> Serving {
    Serving::start(&mut command(dir))
}

async fn total(serving: &Serving, token: &str) -> Value {
    let url = format!("{}/api/v1/aggregates", serving.url);
    let answer = baqylau::http::client().unwrap().get(url).bearer_auth(token).send().await.unwrap();
    answer.json::<Value>().await.unwrap()["total"].clone()
}

#[tokio::test]
async fn from_an_empty_directory_through_a_kill_to_a_clean_stop() {
    let dir = tempfile::Builder::new().prefix("baqylau-serve-").tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut serving = serve(dir.path());
    let token = serving.admin().await;
    let stored = baqylau::http::client()
        .unwrap()
        .post(format!("{}/api/v1/violations", serving.url))
        .bearer_auth(&token)
        .json(&crate::support::violation(json!({})))
        .send()
        .await
        .unwrap();
    assert_eq!(stored.status().as_u16(), 201);

    // A second program does not take the directory from the first; its commands use the same database.
    assert!(
        !command(dir.path())
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    let added = command(dir.path())
        .args(["user", "add", "--email", "a@b.kz", "--role", "coordinator", "--region", "KZ-KAR"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&added.stdout).contains("told this once"), "{added:?}");
    assert!(
        !command(dir.path())
            .args(["user", "add", "--email", "a@b.kz", "--role", "admin"])
            .output()
            .unwrap()
            .status
            .success()
    );
    let seeded = command(dir.path()).arg("seed").output().unwrap();
    assert!(
        String::from_utf8_lossy(&seeded.stdout)
            .contains("new: 0 places and elections, 0 sources, events and claims, 0 records")
    );
    let export =
        command(dir.path()).args(["export", "violation", "--filter", "region=KZ-35"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&export.stdout).lines().count(), 2);

    serving.signal("-KILL");
    let postmaster = std::fs::read_to_string(dir.path().join("postgres/postmaster.pid")).unwrap();
    let old: i32 = postmaster.lines().next().unwrap().parse().unwrap();
    assert!(
        Command::new("kill").args(["-0", &old.to_string()]).status().unwrap().success(),
        "the old postmaster runs on"
    );

    let mut serving = serve(dir.path());
    assert_eq!(total(&serving, &token).await, 2, "the token key and the record are kept");

    // PostgreSQL itself is killed: the service starts it again.
    let postmaster = std::fs::read_to_string(dir.path().join("postgres/postmaster.pid")).unwrap();
    crate::servers::kill_tree(postmaster.lines().next().unwrap().parse().unwrap());
    let ready = async || reqwest::get(format!("{}/readyz", serving.url)).await.unwrap().status().as_u16();
    while ready().await == 200 {}
    while ready().await != 200 {}
    assert_eq!(total(&serving, &token).await, 2);
    assert_eq!(serving.signal("-TERM"), 0);
    assert!(!dir.path().join("postgres/postmaster.pid").exists(), "PostgreSQL stopped cleanly");
}

#[tokio::test]
async fn health_tells_when_the_database_is_away() {
    let app = App::new().await;
    assert_eq!(app.nobody().get("/api/../healthz").await.status, 200);
    let ready = |app: &App| reqwest::get(format!("{}/readyz", app.url));
    assert_eq!(ready(&app).await.unwrap().status().as_u16(), 200);
    let name = app.database_url.rsplit('/').next().unwrap().to_owned();
    let elsewhere = format!("{}/postgres", app.database_url.rsplit_once('/').unwrap().0);
    let (sql, connection) = tokio_postgres::connect(&elsewhere, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    sql.batch_execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await.unwrap();
    sql.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", &[&name])
        .await
        .unwrap();
    assert_eq!(ready(&app).await.unwrap().status().as_u16(), 503);
    let metrics = reqwest::get(format!("{}/metrics", app.url)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("baqylau_http_requests_total"));
}

#[tokio::test]
async fn the_document_lists_every_route_and_reaches_out_to_nobody() {
    let app = App::new().await;
    app.settled().await;
    let document = app.nobody().get("/openapi.json").await.json(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let schemas = document["components"]["schemas"].as_object().unwrap();
    // Every reference leads somewhere.
    let text = document.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name} is missing");
    }
    // Every path answers: signed out, with something other than 404 and 405.
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let method = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let url = format!(
                "{}{}",
                app.url,
                path.replace("{id}", "0197a000-0000-7000-8000-00000000000a")
                    .replace("{file}", "violations.csv")
                    .replace("{path}", "0/000.p/1")
            );
            let status = baqylau::http::client()
                .unwrap()
                .request(method.clone(), url)
                .send()
                .await
                .unwrap()
                .status()
                .as_u16();
            assert!(!matches!(status, 404 | 405) && status < 500, "{method} {path}: {status}");
        }
    }
    let docs = reqwest::get(format!("{}/api/docs/", app.url)).await.unwrap();
    assert!(docs.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    let page = docs.text().await.unwrap();
    assert!(page.contains("swagger-ui") && !page.contains("https://"), "{page}");
    let printed = Command::new(env!("CARGO_BIN_EXE_baqylau")).arg("openapi").output().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&printed.stdout).unwrap(), document);
}
