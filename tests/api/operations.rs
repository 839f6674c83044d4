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
    crate::servers::kill_tree(crate::servers::postmaster(dir.path()).unwrap());
    let ready = async || reqwest::get(format!("{}/readyz", serving.url)).await.unwrap().status().as_u16();
    while ready().await == 200 {}
    assert!(serving.ready().await, "the service starts it again");
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
    let sql = crate::servers::sql(&elsewhere).await;
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
    // The examples are what they are shown for.
    let admin = app.sign_in("admin").await;
    for kind in ["violations", "protocols", "detentions"] {
        let create = &document["paths"][format!("/api/v1/{kind}")]["post"];
        let example = create["requestBody"]["content"]["application/json"]["example"].clone();
        assert_eq!(admin.post(&format!("/{kind}"), example).await.status, 201, "{kind}");
    }
    let docs = reqwest::get(format!("{}/api/docs/", app.url)).await.unwrap();
    assert!(docs.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    let page = docs.text().await.unwrap();
    assert!(page.contains("swagger-ui") && !page.contains("https://"), "{page}");
    let printed = Command::new(env!("CARGO_BIN_EXE_baqylau")).arg("openapi").output().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&printed.stdout).unwrap(), document);
}

#[tokio::test]
async fn the_log_is_structured_and_tells_no_names_tokens_or_passwords() {
    let dir = crate::servers::test_dir("log");
    let log = dir.path().join("log");
    let mut serving = {
        let mut command = command(&dir.path().join("data"));
        command.env("BAQYLAU_LOG_JSON", "true").env("RUST_LOG", "debug,tokio_postgres=info");
        Serving::start(command.stderr(std::fs::File::create(&log).unwrap()))
    };
    let token = serving.admin().await;
    let client = baqylau::http::client().unwrap();
    let ask = |method: reqwest::Method, path: &str, body: Value| {
        let request = client.request(method, format!("{}/api/v1{path}", serving.url)).bearer_auth(&token);
        request.header("x-request-id", "asked-by-a-test").json(&body).send()
    };
    let wrong = json!({ "email": "someone@example.org", "password": "guessed-password" });
    ask(reqwest::Method::POST, "/auth/login", wrong).await.unwrap();
    let named = json!({
        "election": "kz-2019-president", "city": "Қарағанды", "occurred_at": "2019-06-09T14:30:00+06:00",
        "people": 1, "description": "Құпия сипаттама",
        "person": { "name": "Айгүл Сейітқызы", "contacts": ["+7 701 000 00 00"] },
    });
    let answer = ask(reqwest::Method::POST, "/detentions", named).await.unwrap();
    assert_eq!(answer.headers()["x-request-id"], "asked-by-a-test");
    let strange = client.get(format!("{}/healthz", serving.url)).header("x-request-id", "a\"b").send();
    assert_eq!(
        strange.await.unwrap().headers()["x-request-id"].len(),
        32,
        "a strange name is not taken over"
    );
    serving.signal("-TERM");
    let text = std::fs::read_to_string(&log).unwrap();
    for secret in
        ["Айгүл", "701 000", "Құпия", "guessed-password", "someone@example", &token, "correct horse"]
    {
        assert!(!text.contains(secret), "{secret}");
    }
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let of_request = |line: &&Value| line["span"]["id"] == "asked-by-a-test";
    assert!(lines.iter().filter(of_request).any(|line| line["fields"]["route"] == "/api/v1/detentions"));
    let events = lines.iter().filter(|line| line["target"] == "baqylau::security");
    let signing_in: Vec<&Value> = events
        .filter(|line| line["fields"]["route"] == "/api/v1/auth/login")
        .map(|it| &it["fields"]["status"])
        .collect();
    assert_eq!(signing_in, [200, 401], "whoever came in and whoever did not is in the log");
}

#[tokio::test]
async fn the_doctor_finds_what_is_wrong() {
    let dir = crate::servers::test_dir("doctor");
    let (data, backup) = (dir.path().join("data"), dir.path().join("backup"));
    let mut serving = Serving::start(command(&data).env("BAQYLAU_BACKUP_DIR", &backup));
    // What is not well, but for the disks of the machine that tests: their room is its own.
    let doctor = || {
        let output =
            command(&data).env("BAQYLAU_BACKUP_DIR", &backup).args(["doctor", "--json"]).output().unwrap();
        let found: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let named = |level: &str| -> Vec<String> {
            let of_level = found.iter().filter(|it| it["level"] == level);
            of_level.map(|it| it["name"].as_str().unwrap().to_owned()).collect()
        };
        let (failing, warned) = (named("fail"), named("warn"));
        assert_eq!(output.status.success(), failing.is_empty(), "the exit code tells what fails");
        let known = |names: Vec<String>| -> Vec<String> {
            names.into_iter().filter(|name| !name.contains("disk")).collect()
        };
        (known(failing), known(warned))
    };
    // A fresh one has no base yet, nobody with a second factor and no key to seal to. That its first records have
    // no place in the ledger at this moment is no fault.
    let (failing, warned) = doctor();
    assert_eq!(
        (failing.len(), warned),
        (0, ["backup", "second factor", "sealing"].map(String::from).to_vec()),
        "{failing:?}"
    );
    assert!(command(&data).env("BAQYLAU_BACKUP_DIR", &backup).arg("backup").status().unwrap().success());
    assert!(!doctor().1.contains(&"backup".to_owned()));
    // A service that stands still gives no entry its place.
    serving.tell("-STOP");
    let url = baqylau::db::embedded::running(&data).unwrap().unwrap();
    let sql = crate::servers::sql(&url).await;
    sql.batch_execute("INSERT INTO ledger_queue SELECT commitment FROM record_versions LIMIT 1")
        .await
        .unwrap();
    let mut looks = 0;
    while doctor().0 != ["ledger"] {
        looks += 1;
        assert!(looks < 120, "entries wait, and nobody says so");
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    sql.batch_execute("DELETE FROM ledger_queue").await.unwrap();
    serving.tell("-CONT");
    let key = data.join("ledger.key");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(doctor().0, ["keys"]);
    // Told in words, it says what to do.
    let output = command(&data).arg("doctor").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("chmod 600"));
    assert_eq!(serving.signal("-TERM"), 0);
}

#[tokio::test]
async fn a_service_that_leaves_says_so_and_answers_on() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    app.running.leave();
    assert_eq!(reqwest::get(format!("{}/readyz", app.url)).await.unwrap().status().as_u16(), 503);
    observer.post("/violations", crate::support::violation(json!({}))).await.json(201);
}

#[test]
fn every_test_that_the_security_page_names_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    let mut folders = vec![root.join("src"), root.join("tests/api")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match entry.extension() {
                _ if entry.is_dir() => folders.push(entry),
                Some(kind) if kind == "rs" => code.push_str(&std::fs::read_to_string(entry).unwrap()),
                _ => {}
            }
        }
    }
    let mut named = 0;
    for page in ["SECURITY.md", "THREATS.md"] {
        let text = std::fs::read_to_string(root.join("docs").join(page)).unwrap();
        let words = text.split('`').skip(1).step_by(2).map(|word| word.trim_end_matches('…'));
        for name in words.filter(|word| {
            word.matches('_').count() > 2 && word.chars().all(|c| c == '_' || c.is_ascii_lowercase())
        }) {
            assert!(code.contains(&format!("fn {name}")), "{page} names {name}");
            named += 1;
        }
    }
    assert!(named > 80, "{named} names were found");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_export_of_any_size_is_not_held_in_memory() {
    /// Violations like the seeded one, each with a word of some two kilobytes.
    const MANY: &str = "SET session_replication_role = replica;
    CREATE TEMP TABLE made AS SELECT gen_random_uuid() AS id FROM generate_series(1, 16000);
    INSERT INTO violations (election_id, record_id, stage)
        SELECT 1, id, 'voting' FROM made;
    INSERT INTO records (election_id, id, kind, occurred_at, time_precision, local_date, category, severity, people,
        description, status, version, reporter_id, received_at, updated_at, submitted_hash)
        SELECT r.election_id, made.id, kind, occurred_at, time_precision, local_date, category, severity, people,
            repeat('ы', 960), status, version, reporter_id, received_at, updated_at, submitted_hash
        FROM made, (SELECT * FROM records WHERE kind = 'violation' LIMIT 1) r";
    let dir = crate::servers::test_dir("export");
    let data = dir.path().join("data");
    let serving = serve(&data);
    let token = serving.admin().await;
    let sql = crate::servers::sql(&crate::servers::url(&data.join("run"), "baqylau")).await;
    sql.batch_execute(MANY).await.unwrap();
    let process = std::path::Path::new("/proc").join(serving.pid().to_string());
    let kilobytes = |of: &str| -> u64 {
        let status = std::fs::read_to_string(process.join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(of)).unwrap();
        line.trim_start_matches(':').trim_end_matches("kB").trim().parse().unwrap()
    };
    let export = async |records: &str| {
        let url = format!("{}/api/v1/exports/{records}.csv", serving.url);
        let mut answer = reqwest::Client::new().get(url).bearer_auth(&token).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        // A slow network: what is not taken has to wait in the database, and not here.
        let mut size = 0;
        while let Some(piece) = answer.chunk().await.unwrap() {
            if size == 0 {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
            size += piece.len() as u64;
        }
        size
    };
    // The first one brings in the program's own pages.
    export("detentions").await;
    // From here on the most is counted anew (proc(5), `clear_refs`).
    std::fs::write(process.join("clear_refs"), "5").unwrap();
    let before = kilobytes("VmRSS");
    let size = export("violations").await / 1024;
    let most = kilobytes("VmHWM");
    assert!(size > 24 * 1024, "{size} kB were exported");
    assert!(most < before + 8 * 1024, "{size} kB took {before} to {most} kB of memory");
}
