use proptest::strategy::{Strategy, ValueTree};
use serde_json::{Value, json};

use crate::support::App;

#[tokio::test]
async fn all_regions_of_then_and_now_are_there() {
    let app = App::new().await;
    let codes = async |day: &str| {
        let regions = app.nobody().get(&format!("/regions?on={day}")).await.json(200);
        regions
            .as_array()
            .unwrap()
            .iter()
            .map(|region| region["code"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(codes("2019-06-09").await.len(), 17);
    let now = codes("2026-01-01").await;
    assert_eq!(now.len(), 20);
    assert!(["KZ-10", "KZ-33", "KZ-62"].iter().all(|code| now.contains(&(*code).to_owned())));
    assert_eq!(app.nobody().get("/elections").await.json(200)[0]["id"], "kz-2019-president");
    let cities = app.nobody().get("/cities?region=KZ-KAR").await.json(200);
    let ids: Vec<_> = cities.as_array().unwrap().iter().map(|city| city["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"qaraghandy") && ids.contains(&"zhezqazghan"));
}

#[tokio::test]
async fn the_documents_are_seeded_with_their_passages() {
    let app = App::new().await;
    let claims = app.nobody().get("/claims?election=kz-2019-president").await.json(200);
    let claims = claims.as_array().unwrap();
    let minister = claims.iter().find(|claim| claim["value"] == 4000.0).unwrap();
    assert_eq!((&minister["value_is"], &minister["passage"]), (&json!("approximate"), &json!(19)));
    assert!(claims.iter().any(|claim| claim["disputes"] == minister["id"]));
    assert!(claims.iter().any(|claim| claim["value"] == 70.0 && claim["unit"] == "percent"));
    let events = app.nobody().get("/events").await.json(200);
    assert!(
        events
            .as_array()
            .unwrap()
            .iter()
            .any(|event| event["cities"] == json!(["aqtau", "aqtobe", "qaraghandy"]))
    );
    assert_eq!(app.nobody().get("/sources").await.json(200).as_array().unwrap().len(), 1);
    // A claim never becomes a count.
    let counts = app.sign_in("admin").await.get("/aggregates?record=detention").await.json(200);
    assert_eq!((&counts["total"], &counts["people"]), (&json!(1), &json!(0)));
}

#[tokio::test]
async fn coordinators_add_to_the_documents() {
    let app = App::new().await;
    let coordinator = app.sign_in("qaraghandy").await;
    let source = json!({ "id": "statement-1", "title": "A statement", "language": "ru", "published_on": "2019-06-10" });
    assert_eq!(app.sign_in("observer").await.post("/sources", source.clone()).await.status, 403);
    let mut script = source.clone();
    script["url"] = "javascript:alert(1)".into();
    let faults = coordinator.post("/sources", script).await.faults();
    assert_eq!(faults[0].0, "/url", "pages would make a link of it");
    coordinator.post("/sources", source.clone()).await.json(201);
    assert_eq!(coordinator.post("/sources", source).await.status, 409);
    let text = json!({ "kk": "а", "ru": "б", "en": "c" });
    let claim = json!({ "election": "kz-2019-president", "topic": "detained", "claimant": "X", "value": 957.0, "value_is": "exact", "text": text, "source": "statement-1", "passage": 2 });
    let stored = coordinator.post("/claims", claim).await.json(201);
    assert!(stored["id"].is_string());
    let bad: Value = json!({ "election": "no", "topic": "x", "claimant": "X", "value_is": "maybe", "text": text, "source": "no" });
    assert_eq!(coordinator.post("/claims", bad).await.faults().len(), 3);
    let event = json!({ "election": "kz-2019-president", "starts_on": "2019-06-10", "precision": "day", "cities": ["Алматы"], "text": text, "source": "statement-1" });
    assert_eq!(coordinator.post("/events", event).await.json(201)["cities"], json!(["Алматы"]));
    coordinator
        .post("/violations", crate::support::violation(json!({ "source": "statement-1", "passage": 1 })))
        .await
        .json(201);
}

#[tokio::test]
async fn stations_become_known_as_they_are_reported() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    for number in ["12", "7", "12"] {
        observer.file(json!({ "polling_station": number })).await;
    }
    let page = observer.get("/polling-stations?region=KZ-35&limit=1").await.json(200);
    assert_eq!(page["items"][0]["number"], "12");
    assert_eq!(page["items"][0]["origin"], "reported");
    let next = observer
        .get(&format!("/polling-stations?region=KZ-35&cursor={}", page["next"].as_str().unwrap()))
        .await
        .json(200);
    assert_eq!(next["items"].as_array().unwrap().len(), 1);
    assert_eq!(app.nobody().get("/polling-stations").await.status, 401);
}

#[tokio::test]
async fn the_database_folds_text_as_the_program_does() {
    let app = App::new().await;
    let sql = app.sql().await;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let text = "[a-zA-ZА-Яа-яЁёӘәҒғҚқҢңӨөҰұҮүҺһІіÄÖÜŞĞÑñİı0-9 .,'-]{0,40}";
    let texts: Vec<String> = (0..200).map(|_| text.new_tree(&mut runner).unwrap().current()).collect();
    for text in texts {
        let folded: String = sql.query_one("SELECT fold($1)", &[&text]).await.unwrap().get(0);
        assert_eq!(folded, baqylau::places::fold(&text), "{text:?}");
    }
}
