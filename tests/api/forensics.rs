//! Forensics of a published table and of sheets, as JSON and as SVG, by HTTP and by the command line.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, App};

const MAPPING: &str = "[columns]\nregion = \"r\"\nstation = \"s\"\nvoters_on_list = \"v\"\nissued_in_station = \"i\"\ninvalid = \"x\"\n[candidates]\n\"A\" = \"a\"\n\"B\" = \"b\"\n";
const PUBLISHED: &str = "/forensics/published?election=kz-2019-president";

/// Two regions of 200 stations; in the second, every other one has its turnout at a whole per cent.
pub fn table(app: &App, dir: &Path) {
    let mut table = "r,s,v,i,x,a,b\n".to_owned();
    for i in 0..400u64 {
        let (region, forged) = if i < 200 { ("KZ-35", false) } else { ("KZ-47", i % 2 == 0) };
        let noise = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let voters = 1000 + noise % 1500;
        let voters = if forged { voters / 100 * 100 } else { voters };
        let issued =
            if forged { voters * (70 + i % 7) / 100 } else { voters * (500 + noise / 7 % 300) / 1000 };
        let invalid = issued / 90;
        let a = (issued - invalid) * (450 + noise / 11 % 300) / 1000;
        table += &format!("{region},{i},{voters},{issued},{invalid},{a},{}\n", issued - invalid - a);
    }
    table += "KZ-35,900,10,20,0,20,0\n";
    std::fs::write(dir.join("t.csv"), table).unwrap();
    std::fs::write(dir.join("m.toml"), MAPPING).unwrap();
    app.run(&[
        "results",
        "import",
        "--election",
        "kz-2019-president",
        "--label",
        "cec <10 June>",
        "--mapping",
        dir.join("m.toml").to_str().unwrap(),
        dir.join("t.csv").to_str().unwrap(),
    ]);
}

fn alarms(analysis: &Value) -> Vec<(Value, String)> {
    let areas = analysis["areas"].as_array().unwrap().iter();
    let tests = areas
        .flat_map(|area| area["tests"].as_array().unwrap().iter().map(|test| (area["region"].clone(), test)));
    let alarms = tests.filter(|(_, test)| test["alarm"] == true);
    alarms.map(|(region, test)| (region, test["method"].as_str().unwrap().to_owned())).collect()
}

#[tokio::test]
async fn a_published_table_is_tested_by_anybody_and_each_method_tells_its_limits() {
    let app = App::new().await;
    let nobody = app.nobody();
    nobody.get(PUBLISHED).await.json(404);
    let dir = tempfile::tempdir().unwrap();
    table(&app, dir.path());
    let all = nobody.get(PUBLISHED).await.json(200);
    assert_eq!((&all["stations"], &all["unusable"], &all["leader"]), (&json!(400), &json!(1), &json!("A")));
    let areas: Vec<_> = all["areas"].as_array().unwrap().iter().map(|area| area["region"].clone()).collect();
    assert_eq!(areas, [Value::Null, json!("KZ-35"), json!("KZ-47")]);
    let found = alarms(&all);
    assert!(found.contains(&(json!("KZ-47"), "integer_percentages".into())), "{found:?}");
    assert!(found.iter().all(|(region, _)| *region != "KZ-35"), "{found:?}");
    for method in all["methods"].as_array().unwrap() {
        for told in ["name", "paper", "assumptions", "limits"] {
            assert!(method[told].as_str().unwrap().len() > 5, "{method}");
            assert!(!method[told].as_str().unwrap().contains("Unknown localization"), "{method}");
        }
    }
    // Asking for one region shows it, and makes no p-value smaller.
    let one = nobody.get(&format!("{PUBLISHED}&region=KZ-47&language=kk")).await.json(200);
    assert_eq!(one["areas"].as_array().unwrap().len(), 1);
    assert_eq!(one["areas"][0]["tests"], all["areas"][2]["tests"]);
    assert_eq!(one["methods"][1]["name"], "Соңғы цифрлар");
    assert_eq!(one["areas"][0]["name"], "Маңғыстау облысы");
    assert_eq!(nobody.get(&format!("{PUBLISHED}&language=de")).await.faults().len(), 1);
    nobody.get(&format!("{PUBLISHED}&table=none")).await.json(404);

    // The command line says the same, and draws.
    let plots = dir.path().join("plots");
    let said = app.run(&["forensics", "--election", "kz-2019-president", "--plots", plots.to_str().unwrap()]);
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap(), all);
    assert_eq!(std::fs::read_dir(&plots).unwrap().count(), 12);
}

#[tokio::test]
async fn plots_are_drawn_with_titles_in_the_readers_language() {
    let app = App::new().await;
    let dir = tempfile::tempdir().unwrap();
    table(&app, dir.path());
    let nobody = app.nobody();
    for (plot, title) in [
        ("fingerprint", "Явка и доля лидера по участкам"),
        ("integers", "Участки по явке и по доле лидера"),
        ("last_digits", "Последние цифры"),
        ("second_digits", "Вторые цифры и закон Бенфорда"),
    ] {
        let path =
            format!("/forensics/published/{plot}.svg?election=kz-2019-president&region=KZ-35&language=ru");
        let answer = nobody.get(&path).await;
        assert!(answer.header("content-type").starts_with("image/svg+xml"));
        let svg = answer.text(200);
        assert!(
            svg.starts_with("<svg") && svg.contains(title) && svg.contains("Карагандинская область"),
            "{plot}"
        );
        let shapes = svg.matches("<rect").count() + svg.matches(',').count();
        assert!(shapes > 100, "{plot} shows nothing");
    }
    let other = |path: &str| format!("/forensics/published/{path}?election=kz-2019-president");
    nobody.get(&other("map.svg")).await.json(404);
    nobody.get(&other("fingerprint.png")).await.json(404);
    nobody.get(&format!("{}&region=KZ-10", other("fingerprint.svg"))).await.json(404);
}

#[tokio::test]
async fn sheets_are_tested_within_the_reach_of_a_coordinator() {
    let app = App::new().await;
    let path = "/forensics/sheets?election=kz-2019-president";
    app.nobody().get(path).await.json(401);
    let observer = app.sign_in("observer").await;
    observer.get(path).await.json(403);
    let coordinator = app.sign_in("qaraghandy").await;
    coordinator.get(path).await.json(404);
    let lines: Vec<String> = (0..60)
        .map(|i| {
            json!({
                "record": "protocol", "election": "kz-2019-president", "city": "qaraghandy", "polling_station": i.to_string(),
                "occurred_at": "2019-06-09", "copy_held_by": "observer", "voters_on_list": 1200 + i, "issued_in_station": 700 + i * 3,
                "invalid": 7, "votes": [{ "candidate": "A", "votes": 400 + i }, { "candidate": "B", "votes": 200 + i * 2 }],
            })
            .to_string()
        })
        .collect();
    let sent = observer.submit_lines(&lines).await;
    assert!(sent.iter().all(|line| line["status"] == 201), "{sent:?}");
    let found = coordinator.get(path).await.json(200);
    assert_eq!(
        (&found["stations"], &found["table"], &found["leader"]),
        (&json!(60), &Value::Null, &json!("A"))
    );
    assert_eq!(found["areas"][0]["tests"].as_array().unwrap().len(), 12);
    let svg = coordinator.get("/forensics/sheets/fingerprint.svg?election=kz-2019-president").await.text(200);
    assert!(svg.starts_with("<svg"));
    coordinator.get(&format!("{path}&from=2019-06-10")).await.json(404);
    app.sign_in("aqtau").await.get(path).await.json(404);
}

#[tokio::test]
async fn a_report_tells_what_was_seen_verified_and_compared() {
    let app = App::new().await;
    let dir = tempfile::tempdir().unwrap();
    table(&app, dir.path());
    let observer = app.sign_in("observer").await;
    let coordinator = app.sign_in("qaraghandy").await;
    let sheet = json!({
        "election": "kz-2019-president", "city": "qaraghandy", "polling_station": "7", "occurred_at": "2019-06-09",
        "copy_held_by": "posted", "voters_on_list": 1200, "issued_in_station": 700,
        "votes": [{ "candidate": "A", "votes": 1 }, { "candidate": "B", "votes": 2 }],
    });
    observer.post("/protocols", sheet).await.json(201);
    for kind in ["violations", "detentions"] {
        for _ in 0..2 {
            let body = match kind {
                "violations" => crate::support::violation(json!({ "category": "ballot_stuffing" })),
                _ => json!({
                    "election": "kz-2019-president", "city": "qaraghandy", "occurred_at": "2019-06-10",
                    "category": "peaceful_assembly", "people": 3, "detained_by": "police", "custody": "held",
                }),
            };
            let made = observer.post(&format!("/{kind}"), body).await;
            let etag = made.header("etag").to_owned();
            let path = format!("/{kind}/{}/review", made.record(201)["id"].as_str().unwrap());
            let review = coordinator.request(Method::POST, &path).header("if-match", etag);
            Answer::of(review.json(&json!({ "decision": "verified" }))).await.json(200);
        }
    }
    let path = "/report?election=kz-2019-president&region=KZ-35";
    app.nobody().get(path).await.json(401);
    observer.get(path).await.json(403);
    assert_eq!(coordinator.get("/report?election=kz-2019-president&format=pdf").await.faults().len(), 2);
    let page = coordinator.get(&format!("{path}&language=en")).await;
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    let page = page.text(200);
    for told in [
        "Qaraghandy region",
        "<td>Ballot stuffing</td><td class=\"n\">2</td>",
        "<td>Detentions</td><td class=\"n\">withheld</td>",
        "1 of 201 polling stations",
        "Published table: cec &#60;10 June&#62;",
        "the published votes of 1 are not those of the sheet",
        "Posted at the station",
        "Kobak",
        "about four thousand people",
        "entries under the root",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    assert_eq!(page.matches("<svg").count(), 5);
    assert!(!page.contains("Unknown localization") && !page.contains("<script"));
    let print = coordinator.get(&format!("{path}&language=ru&format=pdf-ready-html")).await.text(200);
    assert!(
        print.contains("@page")
            && print.contains("Вброс бюллетеней")
            && !print.contains("Unknown localization")
    );
    let markdown = coordinator.get(&format!("{path}&language=kk&format=md")).await.text(200);
    assert!(
        markdown.contains("| Бюллетень тастау | 2 |") && !markdown.contains("Unknown localization"),
        "{markdown}"
    );
    assert!(!markdown.contains(".svg"));
    let other_days = coordinator.get(&format!("{path}&language=en&from=2019-06-20")).await.text(200);
    assert!(other_days.contains("<td>Violations</td><td class=\"n\">0</td>"));

    let file = dir.path().join("report.md");
    app.run(&[
        "report",
        "--election",
        "kz-2019-president",
        "--region",
        "KZ-KAR",
        "--format",
        "md",
        "-o",
        file.to_str().unwrap(),
    ]);
    let text = std::fs::read_to_string(&file).unwrap();
    for name in ["days", "fingerprint", "integers", "last_digits", "second_digits"] {
        assert!(text.contains(&format!("report-charts/{name}.svg")), "{name}");
        assert!(dir.path().join(format!("report-charts/{name}.svg")).exists());
    }
}
