use baqylau::{
    accounts::Scope,
    aggregates::{
        domain::{Dimension, Question},
        fold, store,
    },
    records::{RecordKind, filter::Filter},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;

use crate::support::{App, violation};

#[tokio::test]
async fn counts_come_in_the_groups_asked_for() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    observer.file(json!({})).await;
    observer.file(json!({ "severity": "minor" })).await;
    observer.file(json!({ "city": "Aqtau", "occurred_at": "2019-06-10" })).await;
    let admin = app.sign_in("admin").await;
    let counts =
        admin.get("/aggregates?record=violation&group_by=region,day&from=2019-06-09&to=2019-06-10").await;
    assert_eq!(
        counts.json(200),
        json!({ "groups": [
        { "region": "KZ-35", "day": "2019-06-09", "count": 2 },
        { "region": "KZ-47", "day": "2019-06-10", "count": 1 },
    ], "total": 3 })
    );
    let own = app.sign_in("aqtau").await.get("/aggregates?group_by=city").await.json(200);
    assert_eq!(own, json!({ "groups": [{ "city": "aqtau", "count": 1 }], "total": 1 }));
    assert_eq!(app.sign_in("other-observer").await.get("/aggregates").await.json(200)["total"], 0);
    assert_eq!(
        admin
            .get(
                "/aggregates?q=бақылаушы&severity=minor"
                    .replace("бақылаушы", "%D0%B1%D0%B0%D2%9B%D1%8B%D0%BB%D0%B0%D1%83%D1%88%D1%8B")
                    .as_str()
            )
            .await
            .json(200)["total"],
        1
    );
}

#[tokio::test]
async fn the_public_sees_verified_counts_without_small_cells() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let admin = app.sign_in("admin").await;
    let file = async |city: &str, verify: bool| {
        let body = json!({ "election": "kz-2019-president", "city": city, "occurred_at": "2019-06-10", "people": 2, "category": "peaceful_assembly" });
        let record = observer.post("/detentions", body).await.json(201);
        if verify {
            let path = format!("/detentions/{}/review", record["id"].as_str().unwrap());
            admin.post(&path, json!({ "decision": "verified" })).await.json(200);
        }
    };
    for _ in 0..6 {
        file("almaty", true).await;
        file("astana", true).await;
        file("shymkent", true).await;
    }
    file("aqtau", true).await;
    file("aqtau", false).await;
    let answer = app.nobody().get("/public/aggregates?record=detention&group_by=city").await;
    let tag = answer.header("etag").to_owned();
    assert!(answer.header("cache-control").starts_with("public"));
    let counts = answer.json(200);
    let shown: Vec<_> =
        counts["groups"].as_array().unwrap().iter().filter(|group| group["suppressed"] != true).collect();
    assert_eq!(shown.len(), 2, "Aqtau's one and the next smallest are withheld: {counts}");
    assert!(shown.iter().all(|group| group["count"] == 6 && group["people"] == 12));
    assert!(counts["total"].is_null());
    let request =
        app.nobody().request(reqwest::Method::GET, "/public/aggregates?record=detention&group_by=city");
    assert_eq!(crate::support::Answer::of(request.header("if-none-match", tag)).await.status, 304);
    assert_eq!(app.nobody().get("/public/aggregates?status=submitted").await.faults()[0].0, "?status");
}

/// The kept sums are what a full count gives, after submits, edits and reviews by many at once while the
/// folder works, whatever is grouped by.
#[tokio::test]
async fn kept_sums_equal_a_full_count() {
    let app = App::new().await;
    let admin = app.sign_in("admin").await;
    let work = (0..8).map(|worker| {
        let admin = &admin;
        async move {
            let mut random = StdRng::seed_from_u64(worker);
            let pick =
                |random: &mut StdRng, words: &[&str]| words[random.random_range(0..words.len())].to_owned();
            let mut mine: Vec<String> = Vec::new();
            for _ in 0..40 {
                let change = json!({
                    "city": pick(&mut random, &["almaty", "aqtau", "semey", "qaraghandy"]),
                    "category": pick(&mut random, &["other", "ballot_stuffing"]),
                    "severity": pick(&mut random, &["minor", "critical"]),
                    "occurred_at": format!("2019-06-{:02}", random.random_range(8..12)),
                });
                match random.random_range(0..4) {
                    0 | 1 => mine.push(admin.file(change).await),
                    _ if mine.is_empty() => {}
                    2 => {
                        let path = &mine[random.random_range(0..mine.len())];
                        admin.patch(path, "*", change).await;
                    }
                    _ => {
                        let path = &mine[random.random_range(0..mine.len())];
                        let decision = pick(&mut random, &["verified", "rejected", "in_review"]);
                        admin
                            .post(&format!("{path}/review"), json!({ "decision": decision }))
                            .await
                            .json(200);
                    }
                }
            }
            // A batch with the same record twice counts it once.
            let mut line = violation(json!({ "id": format!("0197a000-0000-7000-8000-{worker:012}") }));
            line["record"] = json!("violation");
            admin.submit_lines(&[line.to_string(), line.to_string()]).await;
        }
    });
    futures_util::future::join_all(work).await;

    let mut conn = app.running.pool.get().await.unwrap();
    let directory = baqylau::places::store::load(&mut conn).await.unwrap();
    use Dimension::{Category, City, Day, Region, Severity, Status};
    let all = [Region, City, Day, Category, Status, Severity];
    for folded in [false, true] {
        if folded {
            while fold::fold_once(&mut conn).await.unwrap() > 0 {}
        }
        for subset in 0..64_u32 {
            let group_by: Vec<_> = (0..6).filter(|bit| subset >> bit & 1 == 1).map(|bit| all[bit]).collect();
            let question = Question { kind: RecordKind::Violation, group_by, filter: Filter::default() };
            let kept = store::count(&mut conn, &question, &Scope::All, &directory).await.unwrap();
            let counted = store::recount(&mut conn, &question, &Scope::All, &directory).await.unwrap();
            assert_eq!(kept, counted, "{:?}", question.group_by);
            assert!(kept.total.unwrap() > 100);
        }
    }
}
