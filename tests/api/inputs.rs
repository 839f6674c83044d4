use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, App, violation};

#[tokio::test]
async fn every_fault_is_told_at_once() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let mut faults = observer.post("/violations", json!({
        "id": "7", "election": "nowhere", "city": 5, "occurred_at": "yesterday", "category": "theft",
        "severity": null, "colour": "red", "description": "", "passage": "x", "people_involved": "a\u{0}b",
    })).await.faults();
    faults.sort();
    let expected = [
        ("/category", "not_one_of"),
        ("/city", "wrong_type"),
        ("/colour", "unknown_field"),
        ("/description", "length"),
        ("/election", "unknown_election"),
        ("/id", "not_an_id"),
        ("/occurred_at", "not_a_date"),
        ("/passage", "wrong_type"),
        ("/people_involved", "nul_character"),
        ("/stage", "required"),
    ];
    assert_eq!(faults, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
}

#[tokio::test]
async fn bad_values_are_refused_and_nothing_is_stored() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let tomorrow = (chrono::Utc::now() + chrono::TimeDelta::days(1)).to_rfc3339();
    for (change, pointer, code) in [
        (json!({ "occurred_at": tomorrow }), "/occurred_at", "in_future"),
        (json!({ "occurred_at": "2017-01-01" }), "/occurred_at", "too_early"),
        (json!({ "occurred_at": "2019-02-30" }), "/occurred_at", "not_a_date"),
        (json!({ "city": "Atlantis" }), "/city", "unknown_city"),
        (json!({ "region": "KZ-47" }), "/city", "city_outside_region"),
        (json!({ "region": "KZ-99" }), "/region", "unknown_region"),
        (json!({ "city": null, "region": "KZ-62" }), "/region", "unknown_region"),
        (json!({ "city": null }), "/polling_station", "station_needs_place"),
        (json!({ "description": "x".repeat(10_001) }), "/description", "length"),
        (json!({ "source": "nowhere" }), "/source", "unknown_source"),
        (json!({ "passage": 3 }), "/passage", "not_allowed_here"),
        (json!({ "description": "a\u{0}" }), "/description", "nul_character"),
    ] {
        let faults = observer.post("/violations", violation(change.clone())).await.faults();
        assert_eq!(faults, [(pointer.to_owned(), code.to_owned())], "{change}");
    }
    let stored: i64 = app
        .sql()
        .await
        .query_one("SELECT count(*) FROM records WHERE source_id IS NULL", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(stored, 0);
}

#[tokio::test]
async fn bodies_that_are_none_are_refused() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let send = async |content_type: &str, body: String| {
        let request = observer.request(Method::POST, "/violations").header("content-type", content_type);
        Answer::of(request.body(body)).await.status
    };
    let json = "application/json";
    assert_eq!(send("text/plain", violation(json!({})).to_string()).await, 415);
    assert_eq!(send(json, "{\"a\":".to_owned()).await, 400);
    assert_eq!(send(json, "[]".to_owned()).await, 400);
    assert_eq!(send(json, String::new()).await, 400);
    assert_eq!(send(json, "[".repeat(100_000)).await, 400, "too deep");
    assert_eq!(send(json, format!("{{\"description\":\"{}\"}}", "x".repeat(300_000))).await, 413);
    let zipped =
        observer.request(Method::POST, "/violations").header("content-encoding", "gzip").json(&json!({}));
    assert_eq!(Answer::of(zipped).await.status, 415);
    assert_eq!(Answer::of(observer.request(Method::DELETE, "/me")).await.status, 405);
    let lost = observer.get("/nothing/here").await;
    assert_eq!(lost.header("content-type"), "application/problem+json");
    assert_eq!(lost.status, 404);
}

#[tokio::test]
async fn problems_speak_the_readers_language() {
    let app = App::new().await;
    for (accepted, language, title) in [
        ("kk", "kk", "Алдымен кіріңіз"),
        ("ru-RU,en;q=0.5", "ru", "Требуется вход"),
        ("de", "en", "Sign in first"),
    ] {
        let request = app.nobody().request(Method::GET, "/me").header("accept-language", accepted);
        let answer = Answer::of(request).await;
        assert_eq!(answer.header("content-language"), language);
        assert_eq!(answer.json(401)["title"], title);
    }
}

#[tokio::test]
async fn a_client_that_asks_too_often_is_told_to_wait() {
    let app = App::with(|settings| settings.rate_limit = 5).await;
    let mut last = app.nobody().get("/elections").await;
    for _ in 0..6 {
        last = app.nobody().get("/elections").await;
    }
    assert!(last.header("retry-after").parse::<u32>().unwrap() >= 1);
    assert_eq!(last.json(429)["type"], "urn:baqylau:problem:rate-limited");
}
