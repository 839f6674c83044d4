use std::io::Cursor;

use calamine::{Data, Reader, Xlsx};
use serde_json::{Value, json};

use crate::support::App;

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
