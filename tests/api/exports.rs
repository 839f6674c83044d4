use std::{io::Cursor, time::Duration};

use calamine::{Data, Reader, Xlsx};
use serde_json::{Value, json};

use crate::{
    servers::{self, service},
    support::App,
};

async fn filled(app: &App) {
    let observer = app.sign_in("observer").await;
    observer.file(json!({ "description": "=HYPERLINK(\"http://x\")", "people_involved": "-1+1" })).await;
    observer.file(json!({ "city": "Aqtau", "description": "үтір, \"тырнақша\"\nжаңа жол" })).await;
}

#[tokio::test]
async fn csv_opens_in_a_spreadsheet_and_computes_nothing() {
    let app = App::new().await;
    filled(&app).await;
    let admin = app.sign_in("admin").await;
    let answer = admin.get("/exports/violations.csv?region=KZ-35,KZ-47").await;
    assert!(answer.header("content-disposition").contains("violations.csv"));
    let text = answer.text(200);
    let mut rows =
        csv::Reader::from_reader(text.strip_prefix('\u{feff}').expect("a mark for Excel").as_bytes());
    let header = rows.headers().unwrap().clone();
    let column = |name: &str| header.iter().position(|title| title == name).unwrap();
    let rows: Vec<_> = rows.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 2);
    let texts: Vec<_> = rows.iter().map(|row| &row[column("description")]).collect();
    assert!(texts.contains(&"'=HYPERLINK(\"http://x\")") && texts.contains(&"үтір, \"тырнақша\"\nжаңа жол"));
    assert!(rows.iter().any(|row| &row[column("people_involved")] == "'-1+1"));
    assert_eq!(
        app.sign_in("aqtau").await.get("/exports/violations.csv").await.text(200).matches("KZ-47").count(),
        1
    );
    assert_eq!(app.nobody().get("/exports/violations.csv").await.status, 401);
    assert_eq!(admin.get("/exports/violations.pdf").await.status, 404);
    assert_eq!(admin.get("/exports/violations.csv?region=no").await.status, 422);
}

#[tokio::test]
async fn xlsx_has_the_rows_as_text_and_numbers() {
    let app = App::new().await;
    filled(&app).await;
    let admin = app.sign_in("admin").await;
    let open = |bytes: Vec<u8>| {
        let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).unwrap();
        book.worksheets()[0].1.clone()
    };
    let sheet = open(admin.get("/exports/violations.xlsx?city=qaraghandy").await.body);
    let rows: Vec<&[Data]> = sheet.rows().collect();
    assert_eq!(rows.len(), 2);
    assert!(
        rows[1].contains(&Data::String("=HYPERLINK(\"http://x\")".into())),
        "text, not a formula: {:?}",
        rows[1]
    );
    let counts =
        open(admin.get("/exports/aggregates.xlsx?group_by=region&from=2019-06-09&to=2019-06-09").await.body);
    assert_eq!(counts.get((1, 0)), Some(&Data::String("KZ-35".into())));
    assert_eq!(counts.get((1, 1)), Some(&Data::Float(1.0)));
}

#[tokio::test]
async fn json_forms_hold_the_same_records() {
    let app = App::new().await;
    filled(&app).await;
    let admin = app.sign_in("admin").await;
    let lines = admin.get("/exports/violations.ndjson").await.text(200);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3, "with the seeded one");
    assert!(lines.iter().any(|line| line["description"] == "=HYPERLINK(\"http://x\")"));
    let map = admin.get("/exports/violations.geojson").await.json(200);
    assert_eq!(map["features"].as_array().unwrap().len(), 3);
    let without_place =
        map["features"].as_array().unwrap().iter().filter(|f| f["geometry"].is_null()).count();
    assert_eq!(without_place, 1);
    let empty = admin.get("/exports/protocols.geojson").await.json(200);
    assert_eq!(empty["features"], json!([]));
    for kind in ["protocols", "detentions", "aggregates"] {
        for form in ["csv", "ndjson", "xlsx"] {
            assert_eq!(admin.get(&format!("/exports/{kind}.{form}")).await.status, 200, "{kind}.{form}");
        }
    }
}

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

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_export_of_any_size_is_not_held_in_memory() {
    let dir = servers::test_dir("export");
    let data = dir.path().join("data");
    let serving = service::Serving::start(&mut service::program(&data));
    let token = serving.admin().await;
    let (client, connection) =
        tokio_postgres::connect(&servers::url(&data.join("run"), "baqylau"), tokio_postgres::NoTls)
            .await
            .unwrap();
    tokio::spawn(connection);
    client.batch_execute(MANY).await.unwrap();
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
                tokio::time::sleep(Duration::from_secs(1)).await;
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
