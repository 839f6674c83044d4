use serde_json::{Value, json};

use crate::support::{App, violation};

fn line(change: Value) -> String {
    let mut line = violation(change);
    line["record"] = json!("violation");
    line.to_string()
}

#[tokio::test]
async fn a_bad_line_spoils_no_other() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let id = "0197a000-0000-7000-8000-0000000000bb";
    let lines = [
        line(json!({ "id": id })),
        "no json".to_owned(),
        String::new(),
        line(json!({ "id": id })),
        line(json!({ "id": id, "severity": "minor" })),
        line(json!({ "city": "Atlantis" })),
        json!({ "record": "detention", "election": "kz-2019-president", "occurred_at": "2019-06-10", "category": "single_picket" }).to_string(),
        json!({ "record": "protocol", "election": "kz-2019-president", "occurred_at": "2019-06-10", "copy_held_by": "posted" }).to_string(),
        json!({ "record": "rumour" }).to_string(),
        line(json!({ "description": "x".repeat(300_000) })),
        line(json!({ "severity": "critical" })),
    ];
    let answers = observer.submit_lines(&lines).await;
    let got: Vec<_> = answers
        .iter()
        .map(|answer| (answer["line"].as_u64().unwrap(), answer["status"].as_u64().unwrap()))
        .collect();
    let expected = [
        (1, 201),
        (2, 400),
        (4, 200),
        (5, 409),
        (6, 422),
        (7, 201),
        (8, 201),
        (9, 422),
        (10, 413),
        (11, 201),
    ];
    assert_eq!(got, expected);
    assert_eq!(answers[4]["problem"]["errors"][0]["pointer"], "/city");
    // All of it again: what was stored is known, what had no id is stored under a new one.
    assert_eq!(observer.submit_lines(&lines[..1]).await[0]["status"], 200);
}

#[tokio::test]
async fn ten_thousand_lines_are_taken_and_no_more() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let lines: Vec<String> = (0..10_001)
        .map(|i| line(json!({ "id": format!("0197a000-0000-7000-8000-{i:012}"), "polling_station": format!("{}", i % 50) })))
        .collect();
    let answers = observer.submit_lines(&lines).await;
    assert_eq!(answers.len(), 10_001);
    assert!(answers[..10_000].iter().all(|answer| answer["status"] == 201));
    assert_eq!(answers[10_000]["status"], 413);
    assert_eq!(observer.get("/aggregates").await.json(200)["total"], 10_000);
}
