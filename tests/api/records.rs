use serde_json::json;

use crate::support::{Answer, App, violation};

const ID: &str = "0197a000-0000-7000-8000-00000000000a";

#[tokio::test]
async fn a_submission_sent_twice_is_stored_once() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let body = violation(json!({ "id": ID }));

    let first = observer.post("/violations", body.clone()).await;
    assert_eq!(first.header("location"), format!("/api/v1/violations/{ID}"));
    assert_eq!(first.header("etag"), "\"1\"");
    let first = first.record(201);
    assert_eq!(first["region"], "KZ-35");
    assert_eq!(first["city"], "qaraghandy");
    assert_eq!(first["occurred_at"], "2019-06-09T08:30:00Z");

    // The same content under another name of the city is the same content.
    let again = observer.post("/violations", violation(json!({ "id": ID, "city": "Karaganda" }))).await;
    assert_eq!(again.record(200), first);
    assert_eq!(observer.get(&format!("/violations/{ID}")).await.json(200), first);

    observer.post("/violations", violation(json!({ "id": ID, "polling_station": "7" }))).await.json(409);
    // Somebody else cannot learn what stands behind an id.
    app.sign_in("other-observer").await.post("/violations", body).await.json(409);
    let count: i64 = app
        .sql()
        .await
        .query_one("SELECT count(*) FROM records WHERE id = $1::text::uuid", &[&ID])
        .await
        .unwrap()
        .get(0);
    assert_eq!(count, 1);
}

#[tokio::test]
async fn an_idempotency_key_stands_in_for_an_id() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let send = async |key: &str, body| {
        let request = observer.request(reqwest::Method::POST, "/violations").header("idempotency-key", key);
        Answer::of(request.json(&body)).await
    };
    let first = send("a", violation(json!({}))).await.json(201);
    assert_eq!(send("a", violation(json!({}))).await.json(200)["id"], first["id"]);
    send("a", violation(json!({ "severity": "minor" }))).await.json(409);
    assert_ne!(send("b", violation(json!({}))).await.json(201)["id"], first["id"]);
}

#[tokio::test]
async fn sent_by_many_at_once_it_is_still_stored_once() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let sends = (0..16).map(|_| observer.post("/violations", violation(json!({ "id": ID }))));
    let answers = futures_util::future::join_all(sends).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 201)));
}

#[tokio::test]
async fn records_are_seen_by_those_who_may() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let path = observer.file(json!({})).await;
    for (name, status) in
        [("observer", 200), ("qaraghandy", 200), ("admin", 200), ("aqtau", 404), ("other-observer", 404)]
    {
        let person = app.sign_in(name).await;
        for rest in ["", "/history", "/similar"] {
            assert_eq!(person.get(&format!("{path}{rest}")).await.status, status, "{name} {rest}");
        }
        let listed =
            person.get("/violations?region=KZ-35").await.json(200)["items"].as_array().unwrap().len();
        assert_eq!(listed, usize::from(status == 200), "{name}");
    }
    assert_eq!(app.nobody().get(&path).await.status, 401);
    // Reviewing is for coordinators of the region; the reporter sees the record but may not.
    let verified = json!({ "decision": "verified" });
    assert_eq!(observer.post(&format!("{path}/review"), verified.clone()).await.status, 403);
    assert_eq!(app.sign_in("aqtau").await.post(&format!("{path}/review"), verified).await.status, 404);
}

#[tokio::test]
async fn a_region_made_later_finds_the_records_of_its_cities() {
    let app = App::new().await;
    let path = app.sign_in("observer").await.file(json!({ "city": "Жезказган" })).await;
    let ulytau = app.sign_in("ulytau").await;
    let record = ulytau.get(&path).await.json(200);
    assert_eq!(record["region"], "KZ-35", "as it stood in 2019");
    let admin = app.sign_in("admin").await;
    for (region, found) in [("KZ-62", 1), ("KZ-KAR", 1), ("KZ-47", 0)] {
        let list = admin.get(&format!("/violations?region={region}")).await.json(200);
        assert_eq!(list["items"].as_array().unwrap().len(), found, "{region}");
        let counts = admin.get(&format!("/aggregates?region={region}")).await.json(200);
        assert_eq!(counts["total"], found, "{region}");
    }
}

#[tokio::test]
async fn an_edit_needs_the_version_it_changes() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let path = observer.file(json!({})).await;
    let no_tag =
        Answer::of(observer.request(reqwest::Method::PATCH, &path).json(&json!({ "severity": "minor" })))
            .await;
    assert_eq!(no_tag.status, 428);
    let edited = observer.patch(&path, "\"1\"", json!({ "severity": "minor", "city": "Aqtau" })).await;
    assert_eq!(edited.header("etag"), "\"2\"");
    let edited = edited.json(200);
    assert_eq!((&edited["severity"], &edited["region"]), (&json!("minor"), &json!("KZ-47")));
    assert_eq!(edited["description"], violation(json!({}))["description"]);
    assert_eq!(observer.patch(&path, "\"1\"", json!({ "severity": "critical" })).await.status, 412);
    assert_eq!(
        observer.patch(&path, "\"2\"", json!({ "category": null })).await.faults(),
        [("/category".into(), "required".into())]
    );

    app.sign_in("aqtau")
        .await
        .post(&format!("{path}/review"), json!({ "decision": "verified", "note": "дұрыс" }))
        .await
        .json(200);
    assert_eq!(observer.patch(&path, "\"3\"", json!({ "severity": "critical" })).await.status, 409);

    let history = observer.get(&format!("{path}/history")).await.json(200);
    let actions: Vec<_> =
        history.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["submitted", "edited", "reviewed"]);
    assert_eq!(history[0]["content"]["severity"], "serious");
    assert_eq!(history[1]["content"]["severity"], "minor");
    assert_eq!(history[2]["note"], "дұрыс");
    // The first submission is still known for what it was.
    let replay = violation(json!({ "id": edited["id"] }));
    assert_eq!(observer.post("/violations", replay).await.json(200)["version"], 3);
}

#[tokio::test]
async fn a_withdrawn_record_stays_in_the_history() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let path = observer.file(json!({})).await;
    let withdrawn = observer.post(&format!("{path}/withdraw"), json!({ "note": "қате" })).await.json(200);
    assert_eq!(withdrawn["status"], "withdrawn");
    assert_eq!(observer.post(&format!("{path}/withdraw"), json!({})).await.status, 409);
    let coordinator = app.sign_in("qaraghandy").await;
    assert_eq!(
        coordinator.post(&format!("{path}/review"), json!({ "decision": "verified" })).await.status,
        409
    );
    assert_eq!(observer.get(&format!("{path}/history")).await.json(200)[1]["note"], "қате");
}

#[tokio::test]
async fn likely_duplicates_are_found_and_marked() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let first = observer.file(json!({})).await;
    let second = app
        .sign_in("other-observer")
        .await
        .file(json!({
            "occurred_at": "2019-06-09T15:00:00+06:00", "polling_station": null,
            "description": "Бақылаушыны дауыс санау кезінде учаскеден шығарып жіберді",
        }))
        .await;
    observer
        .file(json!({ "polling_station": "5", "description": "Ballots were found outside the box" }))
        .await;
    observer.file(json!({ "city": "Aqtau" })).await;
    let coordinator = app.sign_in("qaraghandy").await;
    let similar = coordinator.get(&format!("{second}/similar")).await.json(200);
    assert_eq!(similar.as_array().unwrap().len(), 1, "{similar}");
    let original = similar[0]["record"]["id"].clone();
    assert!(first.ends_with(original.as_str().unwrap()));

    let review = format!("{second}/review");
    assert_eq!(
        coordinator.post(&review, json!({ "decision": "duplicate" })).await.faults()[0].1,
        "needs_duplicate_of"
    );
    let elsewhere = json!({ "decision": "duplicate", "duplicate_of": ID });
    assert_eq!(coordinator.post(&review, elsewhere).await.faults()[0].1, "unknown_record");
    let marked = coordinator
        .post(&review, json!({ "decision": "duplicate", "duplicate_of": original }))
        .await
        .json(200);
    assert_eq!((&marked["status"], &marked["duplicate_of"]), (&json!("duplicate"), &original));
    let back = coordinator.post(&review, json!({ "decision": "in_review" })).await.json(200);
    assert!(back["duplicate_of"].is_null());
}

#[tokio::test]
async fn pages_follow_one_another_without_gap_or_repeat() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    for minute in 0..25 {
        // Five share each moment: the id decides between them.
        observer.file(json!({ "occurred_at": format!("2019-06-09T10:{:02}:00Z", minute / 5) })).await;
    }
    for sort in ["occurred_at", "-occurred_at", "received_at", "-received_at"] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page =
                observer.get(&format!("/violations?limit=4&sort={sort}&cursor={cursor}")).await.json(200);
            let key = sort.trim_start_matches('-');
            seen.extend(page["items"].as_array().unwrap().iter().map(|record| {
                (record[key].as_str().unwrap().to_owned(), record["id"].as_str().unwrap().to_owned())
            }));
            match page["next"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        let mut sorted = seen.clone();
        sorted.sort();
        sorted.dedup();
        if sort.starts_with('-') {
            sorted.reverse();
        }
        assert_eq!(seen.len(), 25, "{sort}");
        assert_eq!(seen, sorted, "{sort}");
    }
    assert_eq!(
        observer.get("/violations?cursor=x").await.faults(),
        [("?cursor".into(), "not_a_cursor".into())]
    );
}

#[tokio::test]
async fn filters_narrow_a_list() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    observer.file(json!({})).await;
    observer.file(json!({ "city": "Актобе", "severity": "minor", "occurred_at": "2019-06-11", "description": "Наблюдателя выгнали с участка" })).await;
    observer
        .file(json!({ "city": "Aqtau", "category": "ballot_stuffing", "description": "A pack of ballots" }))
        .await;
    // One minute past midnight in Qaraghandy is still the 8th in UTC.
    observer.file(json!({ "occurred_at": "2019-06-08T18:01:00Z", "polling_station": "9" })).await;
    let found = async |filter: &str| {
        let url = reqwest::Url::parse(&format!("http://x/?{filter}")).unwrap();
        observer.get(&format!("/violations?{}", url.query().unwrap())).await.json(200)["items"]
            .as_array()
            .unwrap()
            .len()
    };
    for (filter, expected) in [
        ("region=KZ-35", 2),
        ("region=KZ-KAR,KZ-15", 3),
        ("city=Караганда", 2),
        ("city=aqtobe,Aktau", 2),
        ("from=2019-06-09&to=2019-06-09", 3),
        ("from=2019-06-10", 1),
        ("to=2019-06-08", 0),
        ("category=ballot_stuffing", 1),
        ("severity=minor,critical", 1),
        ("polling_station=9", 1),
        ("status=submitted", 4),
        ("status=verified,rejected", 0),
        ("q=БАҚЫЛАУШЫ", 2),
        ("q=наблюдател участ", 1),
        ("q=ballot", 1),
        ("q=бакылаушы", 2),
        ("election=kz-2019-president", 4),
    ] {
        assert_eq!(found(filter).await, expected, "{filter}");
    }
    let faults = observer
        .get("/violations?region=XX&colour=red&limit=0&from=2019-06-12&to=2019-06-01&status=new")
        .await
        .faults();
    let places: Vec<_> = faults.iter().map(|(place, _)| place.as_str()).collect();
    for place in ["?region", "?colour", "?limit", "?from", "?status"] {
        assert!(places.contains(&place), "{place} in {places:?}");
    }
}

#[tokio::test]
async fn a_date_is_that_of_the_place() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    // Half past midnight in Qaraghandy, half an hour before it in Aqtau.
    for day in ["2019-06-08", "2019-06-09"] {
        for city in ["qaraghandy", "aqtau"] {
            observer.file(json!({ "city": city, "occurred_at": format!("{day}T18:30:00Z") })).await;
        }
    }
    for (filter, expected) in [
        ("from=2019-06-09", vec!["qaraghandy 10", "aqtau 9", "qaraghandy 9"]),
        ("to=2019-06-09", vec!["aqtau 9", "qaraghandy 9", "aqtau 8"]),
        ("from=2019-06-09&to=2019-06-09", vec!["aqtau 9", "qaraghandy 9"]),
        ("from=2019-06-09&to=2019-06-09&region=KZ-35", vec!["qaraghandy 9"]),
        ("from=2019-06-09&to=2019-06-09&region=KZ-47", vec!["aqtau 9"]),
        ("from=2019-06-10&region=KZ-35,KZ-47", vec!["qaraghandy 10"]),
        ("to=2019-06-08&city=aqtau,qaraghandy", vec!["aqtau 8"]),
        ("from=2019-06-10&city=qaraghandy", vec!["qaraghandy 10"]),
        ("from=2019-06-10&city=aqtau", vec![]),
    ] {
        let list = observer.get(&format!("/violations?{filter}")).await.json(200);
        let mut found: Vec<String> = (list["items"].as_array().unwrap().iter())
            .map(|item| {
                let day: u32 = item["local_date"].as_str().unwrap()[8..].parse().unwrap();
                format!("{} {day}", item["city"].as_str().unwrap())
            })
            .collect();
        found.sort();
        let mut expected = expected;
        expected.sort_unstable();
        assert_eq!(found, expected, "{filter}");
    }
}

#[tokio::test]
async fn protocols_and_detentions_keep_their_own_fields() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let sheet = json!({
        "election": "kz-2019-president", "city": "almaty", "polling_station": "45", "occurred_at": "2019-06-09",
        "copy_held_by": "observer", "voters_on_list": 1000, "ballots_received": 1000, "issued_in_station": 600,
        "issued_mobile": 20, "unused": 375, "spoiled": 5, "found_in_boxes": 615, "invalid": 15, "signed": true,
        "votes": [{ "candidate": "A", "votes": 400 }, { "candidate": "B", "votes": 210 }],
    });
    let stored = observer.post("/protocols", sheet).await.record(201);
    assert_eq!(stored["turnout"], 62.0);
    let checks: Vec<_> =
        stored["checks"].as_array().unwrap().iter().map(|check| check["holds"].as_bool()).collect();
    assert_eq!(
        checks,
        [Some(true), Some(true), Some(true), Some(true), Some(false), Some(true)],
        "a broken sheet is stored and flagged"
    );
    assert_eq!(stored["checks"][4]["difference"], -10);
    let path = format!("/protocols/{}", stored["id"].as_str().unwrap());
    assert_eq!(observer.get(&path).await.json(200), stored);
    let mended = observer
        .patch(&path, "\"1\"", json!({ "votes": [{ "candidate": "A", "votes": 600 }] }))
        .await
        .record(200);
    assert_eq!(mended["checks"][4]["holds"], true);
    assert_eq!(observer.get(&path).await.json(200), mended);

    let detention = json!({
        "election": "kz-2019-president", "city": "Нур-Султан", "occurred_at": "2019-06-10", "people": 30,
        "category": "peaceful_assembly", "custody": "administrative_arrest", "arrest_days": 15,
    });
    let stored = observer.post("/detentions", detention.clone()).await.record(201);
    assert_eq!((&stored["city"], &stored["precision"]), (&json!("astana"), &json!("day")));
    assert_eq!(stored["local_date"], "2019-06-10");
    assert_eq!(
        observer.get(&format!("/detentions/{}", stored["id"].as_str().unwrap())).await.json(200),
        stored
    );
    // A kind is not reached under another's path.
    assert_eq!(observer.get(&format!("/violations/{}", stored["id"].as_str().unwrap())).await.status, 404);
    let mut named = detention;
    named["sealed_person"] = json!("Аты-жөні");
    assert_eq!(
        observer.post("/detentions", named).await.faults(),
        [("/sealed_person".into(), "not_sealed".into())]
    );
}
