//! More than can be served: refused at once, and nobody else pays for it.

use std::time::Duration;

use futures_util::{StreamExt, stream::FuturesUnordered};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{App, violation};

#[tokio::test]
async fn a_flood_of_submissions_is_refused_and_coordinators_read_on() {
    let app = App::new().await;
    let (observer, other) = (app.sign_in("observer").await, app.sign_in("other-observer").await);
    let coordinator = app.sign_in("qaraghandy").await;
    // Nothing can be stored for now, as when the disk hangs.
    let sql = app.sql().await;
    sql.batch_execute("BEGIN; LOCK TABLE count_deltas IN SHARE MODE").await.unwrap();
    let mut sent: FuturesUnordered<_> =
        (0..300).map(|_| observer.post("/violations", violation(json!({})))).collect();
    // 44 more than one person may have under way: these hear so while the others wait.
    for _ in 0..44 {
        let refused = sent.next().await.unwrap();
        assert!((1..=5).contains(&refused.header("retry-after").parse::<u32>().unwrap()));
        assert_eq!(refused.json(503)["type"], "urn:baqylau:problem:unavailable");
    }
    coordinator.get("/violations").await.json(200);
    coordinator.get("/protocols").await.json(200);
    let patient = other.post("/violations", violation(json!({})));
    let release = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        sql.batch_execute("COMMIT").await.unwrap();
    };
    let (patient, ()) = tokio::join!(patient, release);
    assert_eq!(patient.status, 201, "another person's submission had its place");
    let mut stored = 0;
    while let Some(answer) = sent.next().await {
        assert_eq!(answer.status, 201);
        stored += 1;
    }
    assert_eq!(stored, 256);
    assert_eq!(observer.get("/aggregates").await.json(200)["total"], 256);
    assert!(app.get_metric("baqylau_requests_refused_total").await >= 44.0);
}

#[tokio::test]
async fn lists_share_connections_and_one_that_waits_holds_no_other() {
    let app = App::with(|settings| settings.workers = Some(1)).await;
    let coordinator = app.sign_in("qaraghandy").await;
    coordinator.post("/violations", violation(json!({}))).await.json(201);
    let sql = app.sql().await;
    sql.batch_execute("BEGIN; LOCK TABLE violations IN ACCESS EXCLUSIVE MODE").await.unwrap();
    // Those that come right behind it, on its connection, and those that come later are answered; were one of them
    // held, the lock's time would run out and the one that waits would not be answered after all.
    let others = async {
        // Somebody asks for the same and goes away.
        let gone = coordinator.get("/violations");
        let _ = tokio::time::timeout(Duration::from_millis(40), gone).await;
        let at_once: FuturesUnordered<_> = (0..12).map(|_| coordinator.get("/protocols")).collect();
        at_once.for_each(async |answer| assert_eq!(answer.status, 200)).await;
        for _ in 0..20 {
            coordinator.get("/detentions").await.json(200);
        }
        sql.batch_execute("COMMIT").await.unwrap();
    };
    let (waited, ()) = tokio::join!(coordinator.get("/violations"), others);
    assert_eq!(waited.json(200)["items"].as_array().unwrap().len(), 1);
    // Connections that were cut meanwhile are not noticed by those who ask next.
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE 'SELECT%records%' AND pid <> pg_backend_pid()";
    let cut = sql.execute(cut, &[]).await.unwrap();
    assert!(cut > 1, "{cut} connections had lists");
    coordinator.get("/protocols").await.json(200);
}

#[tokio::test]
async fn a_body_too_large_is_refused_before_it_is_sent() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let token = observer.token.as_deref().unwrap();
    let address = app.url.strip_prefix("http://").unwrap();
    // A head that announces ten gigabytes gets its answer without any of them.
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /api/v1/violations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 10000000000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn whoever_is_refused_keeps_the_connection() {
    let app = App::new().await;
    let mut stream = tokio::net::TcpStream::connect(app.url.strip_prefix("http://").unwrap()).await.unwrap();
    let body = violation(json!({})).to_string();
    let request = format!(
        "POST /api/v1/violations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for _ in 0..3 {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "the connection was closed");
        }
        assert!(answer.starts_with(b"HTTP/1.1 401"));
    }
}

#[tokio::test]
async fn what_costs_much_is_made_once_for_all_who_ask_at_the_same_time() {
    let app = App::new().await;
    let nobody = app.nobody();
    let path = "/results/coverage?election=kz-2019-president";
    let first = nobody.get(path).await.text(200);
    // A table that nobody can read: whoever asks now gets what was made before, and does not wait for it.
    let sql = app.sql().await;
    sql.batch_execute("BEGIN; LOCK TABLE polling_stations IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let asked = (0..50).map(|_| nobody.get(path)).collect::<FuturesUnordered<_>>();
    let answers: Vec<_> = asked.collect().await;
    sql.batch_execute("COMMIT").await.unwrap();
    assert!(answers.into_iter().all(|answer| answer.text(200) == first));
}
