//! A quick count: drawn at random, estimated with an interval, and silent where nothing can be inferred.

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use crate::support::App;

const MAPPING: &str =
    "[columns]\nregion = \"r\"\nstation = \"s\"\n[candidates]\n\"A\" = \"a\"\n\"B\" = \"b\"\n";

/// Makes a registry of 300 stations in two regions, with 60 per cent for A everywhere, and more or less of it.
fn registry(app: &App, dir: &Path) {
    let mut table = "r,s,a,b\n".to_owned();
    for i in 0..300 {
        let region = if i < 200 { "KZ-35" } else { "KZ-47" };
        table += &format!("{region},{i},{},{}\n", 55 + i % 11, 45 - i % 11);
    }
    std::fs::write(dir.join("t.csv"), table).unwrap();
    std::fs::write(dir.join("m.toml"), MAPPING).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_baqylau"))
        .env("DATABASE_URL", &app.database_url)
        .args(["results", "import", "--election", "kz-2019-president", "--label", "x", "--mapping"])
        .arg(dir.join("m.toml"))
        .arg(dir.join("t.csv"))
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn draw(app: &App, seed: &str, label: &str, more: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_baqylau"))
        .env("DATABASE_URL", &app.database_url)
        .args(["sample", "--election", "kz-2019-president", "--seed", seed, "--label", label])
        .args(more)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

fn sheet(region: &str, station: &str, a: i64) -> String {
    let city = if region == "KZ-35" { "qaraghandy" } else { "aqtau" };
    json!({
        "record": "protocol", "election": "kz-2019-president", "city": city, "polling_station": station,
        "occurred_at": "2019-06-09", "copy_held_by": "observer", "voters_on_list": 200, "issued_in_station": 100,
        "votes": [{ "candidate": "A", "votes": a }, { "candidate": "B", "votes": 100 - a }],
    })
    .to_string()
}

#[tokio::test]
async fn a_sample_is_drawn_by_its_seed_and_its_sheets_give_an_interval() {
    let app = App::new().await;
    let dir = tempfile::tempdir().unwrap();
    let (ok, _, said) = draw(&app, "dice 4 1 6", "first", &[]);
    assert!(!ok && said.contains("lists no stations"), "{said}");
    registry(&app, dir.path());
    let margin = ["--margin", "0.1"];
    let (ok, first, said) = draw(&app, "dice 4 1 6", "first", &margin);
    assert!(ok, "{said}");
    assert_eq!(draw(&app, "dice 4 1 6", "again", &margin).1, first, "the seed is the sample");
    assert_ne!(draw(&app, "dice 6 6 6", "other", &margin).1, first);
    assert!(!draw(&app, "dice 4 1 6", "first", &margin).0, "a label is taken once");
    assert!(!draw(&app, "x", "wide", &["--margin", "0.9"]).0);
    let stations: Vec<(&str, &str)> =
        first.lines().skip(1).map(|line| line.split_once(',').unwrap()).collect();
    // 97 of infinitely many for ten points, 73 of 300; two thirds of them where two thirds of the stations are.
    assert_eq!(stations.len(), 73);
    assert_eq!(stations.iter().filter(|(region, _)| *region == "KZ-35").count(), 49);

    let observer = app.sign_in("observer").await;
    let coordinator = app.sign_in("qaraghandy").await;
    let samples = app.nobody().get("/samples?election=kz-2019-president").await.json(200);
    let id = samples.as_array().unwrap().iter().find(|it| it["label"] == "first").unwrap()["id"].clone();
    let path = format!("/estimate?election=kz-2019-president&sample={}", id.as_str().unwrap());
    let lines: Vec<String> = stations
        .iter()
        .map(|(region, station)| sheet(region, station, 55 + station.parse::<i64>().unwrap() % 11))
        .collect();
    // A tenth and more missing: no interval, and the reason in the reader's language.
    let sent = observer.submit_lines(&lines[..60]).await;
    assert!(sent.iter().all(|line| line["status"] == 201), "{sent:?}");
    let partial = coordinator.get(&path).await.json(200);
    assert_eq!(partial["inference"]["allowed"], false);
    let obstacles = partial["inference"]["obstacles"].as_array().unwrap();
    assert!(obstacles.iter().any(|it| it["code"] == "too_many_missing"));
    assert_eq!(partial["shares"]["A"]["interval"], Value::Null);
    observer.submit_lines(&lines[60..]).await;
    let whole = coordinator.get(&path).await.json(200);
    assert_eq!((&whole["inference"]["allowed"], &whole["sheets"]), (&json!(true), &json!(73)));
    let share = whole["shares"]["A"]["share"].as_f64().unwrap();
    let interval: (f64, f64) = serde_json::from_value(whole["shares"]["A"]["interval"].clone()).unwrap();
    let truth = (0..300).map(|i| f64::from(55 + i % 11)).sum::<f64>() / 30_000.0;
    assert!(interval.0 < truth && truth < interval.1 && interval.0 < share && share < interval.1, "{whole}");
    assert_eq!(whole["turnout"]["share"], 0.5);
    // A region's share of the sample says something of the region; the command line says the same of all.
    let region = coordinator.get(&format!("{path}&region=KZ-47")).await.json(200);
    assert_eq!((&region["stations"], &region["sheets"]), (&json!(24), &json!(24)));
    assert_eq!(coordinator.get(&format!("{path}&from=2019-06-10")).await.json(200)["sheets"], 0);
    let said = app.run(&["estimate", "--election", "kz-2019-president", "--sample", "first"]);
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap(), whole);
    // The same sheets without a sample describe themselves and no more.
    let plain = app.sign_in("admin").await;
    let request = plain.request(reqwest::Method::GET, "/estimate?election=kz-2019-president");
    let described = crate::support::Answer::of(request.header("accept-language", "ru")).await.json(200);
    assert_eq!(described["inference"]["obstacles"][0]["code"], "not_random");
    assert!(described["inference"]["obstacles"][0]["text"].as_str().unwrap().contains("случайно"));
    assert_eq!(described["shares"]["A"]["interval"], Value::Null);
    // Where observers will be is not for everybody.
    let stations = format!("/samples/{}/stations", id.as_str().unwrap());
    app.nobody().get(&stations).await.json(401);
    observer.get(&stations).await.json(403);
    assert_eq!(coordinator.get(&stations).await.json(200).as_array().unwrap().len(), 73);
    observer.get(&path).await.json(403);
}
