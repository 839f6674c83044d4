//! Tally sheets: the whole form, its arithmetic, and double entry from photos.

use serde_json::{Value, json};

use crate::{
    evidence::{Tus, photo},
    support::App,
};

pub fn sheet(change: Value) -> Value {
    let mut body = json!({
        "election": "kz-2019-president", "city": "Қарағанды", "polling_station": "45", "occurred_at": "2019-06-09",
        "copy_held_by": "observer", "voters_on_list": 1000, "ballots_received": 1000, "issued_in_station": 600,
        "issued_mobile": 20, "unused": 375, "spoiled": 5, "found_in_boxes": 620, "invalid": 15,
        "votes": [{ "candidate": "Касым-Жомарт Токаев", "votes": 400 }, { "candidate": "B", "votes": 205 }],
    });
    baqylau::records::request::merge(&mut body, &change);
    body
}

#[tokio::test]
async fn the_whole_form_is_kept_and_a_broken_sheet_is_flagged_and_not_refused() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let whole = json!({
        "copy_number": 2, "signed": true, "signatures": 6, "commission_size": 7, "stamped": true,
        "handed_out_at": "2019-06-09T23:10:00+06:00", "against_all": 0,
    });
    let stored = observer.post("/protocols", sheet(whole)).await.json(201);
    assert_eq!(stored["votes"][0]["candidate"], "Қасым-Жомарт Тоқаев", "a candidate has one name");
    assert_eq!((&stored["copy_number"], &stored["signatures"]), (&json!(2), &json!(6)));
    assert_eq!(stored["handed_out_at"], "2019-06-09T17:10:00Z");
    let checks = stored["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| check["holds"] == true && !check["rule"].as_str().unwrap().is_empty()));
    let broken = observer.post("/protocols", sheet(json!({ "found_in_boxes": 700 }))).await.json(201);
    let failed: Vec<_> =
        broken["checks"].as_array().unwrap().iter().filter(|it| it["holds"] == false).collect();
    assert_eq!(
        failed.iter().map(|it| &it["name"]).collect::<Vec<_>>(),
        ["found_within_issued", "found_equals_votes_and_invalid"]
    );
    assert_eq!(failed[1]["difference"], 80);
    let csv = observer.get("/exports/protocols.csv").await.text(200);
    assert!(
        csv.contains("failed_checks") && csv.contains("found_within_issued found_equals_votes_and_invalid")
    );
    let faults = observer
        .post("/protocols", sheet(json!({ "signatures": 8, "commission_size": 7, "handed_out_at": "late" })))
        .await
        .faults();
    assert_eq!(faults.iter().map(|it| it.0.as_str()).collect::<Vec<_>>(), ["/handed_out_at", "/signatures"]);
}

#[tokio::test]
async fn candidates_belong_to_an_election() {
    let app = App::new().await;
    let admin = app.sign_in("admin").await;
    let path = "/elections/kz-2019-president/candidates";
    let names = json!({ "kk": "Бірінші Үміткер", "ru": "Первый Кандидат", "en": "First Candidate" });
    let body = json!({ "number": 2, "names": names });
    app.sign_in("qaraghandy").await.post(path, body.clone()).await.json(403);
    admin.post("/elections/nowhere/candidates", body.clone()).await.json(404);
    admin.post(path, body.clone()).await.json(201);
    admin.post(path, body).await.json(409);
    let elections = app.nobody().get("/elections").await.json(200);
    assert_eq!(elections[0]["candidates"][1]["names"]["en"], "First Candidate");
    let votes = json!([{ "candidate": "first candidate", "votes": 1 }, { "candidate": "Первый кандидат", "votes": 2 }]);
    let faults =
        app.sign_in("observer").await.post("/protocols", sheet(json!({ "votes": votes }))).await.faults();
    assert_eq!(faults, [("/votes/1/candidate".to_owned(), "repeated".to_owned())]);
}

#[tokio::test]
async fn two_who_agree_have_read_a_photo_and_a_difference_goes_to_a_third() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let stored = observer.post("/protocols", sheet(json!({}))).await.json(201);
    let record = format!("/protocols/{}", stored["id"].as_str().unwrap());
    let (one, two, three) = (app.sign_in("qaraghandy").await, app.sign_in("admin").await, &observer);
    let keyed = |invalid: i32| json!({ "voters_on_list": 1000, "invalid": invalid, "votes": [{ "candidate": "Qasym-Zhomart Toqaev", "votes": 400 }] });
    let tus = Tus { person: &observer };
    let first = format!("/evidence/{}/reading", tus.whole(&record, &photo(500)).await);
    assert_eq!(one.get(&first).await.json(200)["state"], "unread");
    let view = one.post(&first, keyed(15)).await.json(201);
    assert_eq!((&view["state"], &view["wanted"]), (&json!("one_reading"), &json!(false)));
    one.post(&first, keyed(15)).await.json(409);
    let view = two.post(&first, keyed(15)).await.json(201);
    assert_eq!((&view["state"], &view["figures"]["invalid"]), (&json!("read"), &json!(15)));
    three.post(&first, keyed(15)).await.json(409);

    let second = format!("/evidence/{}/reading", tus.whole(&record, &photo(501)).await);
    one.post(&second, keyed(15)).await.json(201);
    let view = two.post(&second, keyed(75)).await.json(201);
    assert_eq!((&view["state"], &view["figures"]), (&json!("differs"), &Value::Null));
    assert_eq!(view["differences"], json!([]), "who keys next must not know");
    let view = three.post(&second, keyed(75)).await.json(201);
    assert_eq!((&view["state"], &view["figures"]["invalid"]), (&json!("read"), &json!(75)));
    assert_eq!(view["differences"][0], json!({ "figure": "invalid", "readings": [15, 75, 75] }));
    // Nobody reads a photo of a record that is out of reach.
    app.sign_in("aqtau").await.get(&second).await.json(404);
    app.sign_in("aqtau").await.post(&second, keyed(1)).await.json(404);
    let empty = one.post(&second, json!({ "votes": [] })).await.faults();
    assert_eq!(empty[0].0, "/votes");
}
