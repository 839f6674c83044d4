//! Published tables: imported whole or not at all, compared with sheets, summed upward.

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use crate::{sheets::sheet, support::App};

const MAPPING: &str = r#"
[columns]
level = "level"
region = "oblast"
district = "tik"
station = "uik"
voters_on_list = "list"
issued_in_station = "issued"
found_in_boxes = "found"
invalid = "invalid"

[candidates]
"Qasym-Zhomart Toqaev" = "toqaev"
"B" = "b"
"#;

const TABLE: &str = "level,oblast,tik,uik,list,issued,found,invalid,toqaev,b
station,KZ-35,Qaraghandy,45,1000,600,620,15,590,15
station,Карагандинская область,Qaraghandy,46,1000,700,700,0,600,100
station,Қарағанды облысы,Temirtau,47,500,300,300,10,200,90
district,KZ-35,Qaraghandy,,2000,1300,1320,15,1190,115
district,KZ-35,Temirtau,,500,300,300,10,250,90
region,KZ-35,,,2500,1600,1620,25,1390,205
country,,,,2500,1600,1620,25,1440,205
";

/// Imports a table by the command line; answers whether it went well and what was said.
pub fn import(app: &App, dir: &Path, table: &str, label: &str, more: &[&str]) -> (bool, String) {
    std::fs::write(dir.join("table.csv"), table).unwrap();
    std::fs::write(dir.join("mapping.toml"), MAPPING).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_baqylau"))
        .env("DATABASE_URL", &app.database_url)
        .args(["results", "import"])
        .arg(dir.join("table.csv"))
        .args(["--election", "kz-2019-president", "--label", label, "--mapping"])
        .arg(dir.join("mapping.toml"))
        .args(more)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test]
async fn a_table_with_faults_is_told_line_by_line_and_nothing_of_it_is_kept() {
    let app = App::new().await;
    let dir = tempfile::tempdir().unwrap();
    let bad = format!(
        "{TABLE}station,Atlantis,X,48,1,1,1,0,1,0\nstation,KZ-35,X,45,1,1,1,0,1,0\nstation,KZ-35,X,49,-1,1,1,0,one,\n"
    );
    let (ok, said) = import(&app, dir.path(), &bad, "first", &[]);
    assert!(!ok && said.contains("3 lines have faults; nothing was imported"), "{said}");
    assert!(said.contains("line 9: no region is called \"Atlantis\""), "{said}");
    assert!(said.contains("line 10: station 45 stands twice"), "{said}");
    for fault in ["voters_on_list: \"-1\"", "\"one\" is no number", "B: there is no number"] {
        assert!(said.contains(fault), "{fault}: {said}");
    }
    assert_eq!(app.nobody().get("/results/tables?election=kz-2019-president").await.json(200), json!([]));
    let (ok, said) = import(&app, dir.path(), &bad, "first", &["--skip-faults"]);
    assert!(ok && said.contains("3 stations and 4 sums imported, 3 lines left out"), "{said}");
    let (ok, said) = import(&app, dir.path(), TABLE, "first", &[]);
    assert!(!ok && said.contains("was imported before"), "{said}");
    let (ok, said) = import(&app, dir.path(), &TABLE.replace("toqaev", "other"), "second", &[]);
    assert!(!ok && said.contains("no column \"toqaev\""), "{said}");
    let tables = app.nobody().get("/results/tables?election=kz-2019-president").await.json(200);
    assert_eq!(tables.as_array().unwrap().len(), 1);
    assert_eq!(tables[0]["candidates"], json!(["B", "Қасым-Жомарт Тоқаев"]));
}

#[tokio::test]
async fn sheets_are_set_beside_the_published_table_and_moved_votes_are_found() {
    let app = App::new().await;
    let dir = tempfile::tempdir().unwrap();
    let observer = app.sign_in("observer").await;
    // Observers saw 400 and 205 at station 45; 590 and 15 were published. At 46 they saw what was published.
    observer.post("/protocols", sheet(json!({}))).await.json(201);
    let posted = json!({ "copy_held_by": "posted", "invalid": 15 });
    observer.post("/protocols", sheet(posted)).await.json(201);
    let votes =
        json!([{ "candidate": "Касым-Жомарт Токаев", "votes": 600 }, { "candidate": "B", "votes": 100 }]);
    observer.post("/protocols", sheet(json!({ "polling_station": "46", "votes": votes }))).await.json(201);
    let (ok, said) = import(&app, dir.path(), TABLE, "final", &[]);
    assert!(ok, "{said}");
    let coordinator = app.sign_in("qaraghandy").await;
    let path = "/results/station?election=kz-2019-president&region=KZ-35&station=45";
    let copies = coordinator.get(path).await.json(200);
    let held: Vec<_> = copies["copies"].as_array().unwrap().iter().map(|it| it["held_by"].clone()).collect();
    assert_eq!(held, ["observer", "posted", "published"]);
    let line = |name: &str| {
        copies["lines"].as_array().unwrap().iter().find(|it| it["figure"] == name).unwrap().clone()
    };
    assert_eq!(
        line("votes:Қасым-Жомарт Тоқаев"),
        json!({ "figure": "votes:Қасым-Жомарт Тоқаев", "values": [400, 400, 590], "agree": false })
    );
    assert_eq!(line("invalid")["agree"], true);
    assert_eq!(line("unused")["values"], json!([375, 375, null]));
    assert_eq!(copies["copies"][2]["failed_checks"], json!(["found_within_issued"]));

    let changed = coordinator.get("/results/changed?election=kz-2019-president").await.json(200);
    assert_eq!(changed["items"].as_array().unwrap().len(), 1);
    assert_eq!(changed["items"][0]["station"], "45");
    assert_eq!(changed["items"][0]["moved"], json!({ "B": -190, "Қасым-Жомарт Тоқаев": 190 }));
    let moved = coordinator.get("/results/moved?election=kz-2019-president").await.json(200);
    assert_eq!(
        moved,
        json!([{ "region": "KZ-35", "compared": 2, "changed": 1, "moved": { "B": -190, "Қасым-Жомарт Тоқаев": 190 } }])
    );
    // Another region's coordinator sees the published table and none of the copies.
    let aqtau = app.sign_in("aqtau").await;
    let copies = aqtau.get(path).await.json(200);
    assert_eq!(copies["copies"].as_array().unwrap().len(), 1);
    assert_eq!(aqtau.get("/results/changed?election=kz-2019-president").await.json(200)["items"], json!([]));
    app.nobody().get(path).await.json(401);
    let coverage = app.nobody().get("/results/coverage?election=kz-2019-president").await.json(200);
    assert_eq!(
        coverage,
        json!([{ "region": "KZ-35", "stations": 3, "with_sheet": 2, "with_verified": 0, "coverage": 66.67 }])
    );
    // By region and by the day of the sheets.
    let election = "election=kz-2019-president";
    for (path, found) in [
        (format!("/results/changed?{election}&region=KZ-35&from=2019-06-09&to=2019-06-09"), 1),
        (format!("/results/changed?{election}&from=2019-06-10"), 0),
        (format!("/results/changed?{election}&region=KZ-47"), 0),
    ] {
        let items = coordinator.get(&path).await.json(200)["items"].as_array().unwrap().len();
        assert_eq!(items, found, "{path}");
    }
    let later = coordinator.get(&format!("/results/moved?{election}&from=2019-06-10")).await.json(200);
    assert_eq!(later, json!([]));
    let elsewhere = format!("/results/coverage?{election}&region=KZ-47");
    assert_eq!(app.nobody().get(&elsewhere).await.json(200), json!([]));
    let later = app.nobody().get(&format!("/results/coverage?{election}&from=2019-06-10")).await.json(200);
    assert_eq!(later[0]["with_sheet"], 0);
    let of_region = app.nobody().get(&format!("/results/sums?{election}&region=KZ-35")).await.json(200);
    assert!(of_region.as_array().unwrap().iter().all(|sum| sum["region"] == "KZ-35"), "{of_region}");

    // As downloads, by HTTP and by the command line.
    let csv = coordinator.get(&format!("/exports/changed.csv?{election}")).await.text(200);
    let header = "region,station,record,held_by,status,moved:B,moved:Қасым-Жомарт Тоқаев";
    assert_eq!(csv.trim_start_matches('\u{feff}').lines().next(), Some(header));
    assert!(csv.lines().nth(1).unwrap().ends_with(",observer,submitted,-190,190"), "{csv}");
    let line = coordinator.get(&format!("/exports/moved.ndjson?{election}")).await.text(200);
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["compared"], &line["moved:B"]), (&json!(2), &json!(-190)));
    assert!(coordinator.get(&format!("/exports/coverage.xlsx?{election}")).await.body.starts_with(b"PK"));
    coordinator.get(&format!("/exports/changed.geojson?{election}")).await.json(404);
    coordinator.get("/exports/changed.csv").await.faults();
    assert_eq!(app.run(&["export", "changed", "--filter", election]), csv);
    let side_by_side =
        app.run(&["results", "station", "--election", "kz-2019-president", "--region", "KZ-35", "45"]);
    assert!(side_by_side.contains("votes:B\t205\t205\t15\t!"), "{side_by_side}");
    for wrong in [
        "/results/changed?election=x",
        "/results/station?election=kz-2019-president&region=XX",
        "/results/sums",
    ] {
        coordinator.get(wrong).await.faults();
    }
    coordinator.get("/results/sums?election=kz-2019-president&table=none").await.json(404);
}

#[tokio::test]
async fn the_tables_own_sums_are_checked_upward() {
    let app = App::new().await;
    let dir = tempfile::tempdir().unwrap();
    assert!(import(&app, dir.path(), TABLE, "final", &[]).0);
    let sums = app.nobody().get("/results/sums?election=kz-2019-president").await.json(200);
    let wrong: Vec<&Value> = sums.as_array().unwrap().iter().filter(|it| it["holds"] == false).collect();
    let told: Vec<_> = wrong.iter().map(|it| (&it["level"], &it["from"], &it["differences"])).collect();
    let votes = |n: i64| json!({ "votes:Қасым-Жомарт Тоқаев": n });
    assert_eq!(
        told,
        [
            (&json!("country"), &json!("station"), &votes(50)),
            (&json!("country"), &json!("region"), &votes(50)),
            (&json!("district"), &json!("station"), &votes(50)),
        ]
    );
    assert_eq!(sums.as_array().unwrap().len(), 5);
    let output = Command::new(env!("CARGO_BIN_EXE_baqylau"))
        .env("DATABASE_URL", &app.database_url)
        .args(["results", "sums", "--election", "kz-2019-president"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("district Temirtau, from stations") && said.contains("5 sums checked, 3 do not add up"),
        "{said}"
    );
}
