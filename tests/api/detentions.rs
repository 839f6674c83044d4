//! The course of a detention, relatives' enquiries, and claims beside counts.

use baqylau::sealing::domain;
use serde_json::{Value, json};

use crate::support::{App, Person};

fn detention(change: Value) -> Value {
    let mut body = json!({
        "election": "kz-2019-president", "city": "Қарағанды", "occurred_at": "2019-06-10T12:00:00+06:00",
        "category": "peaceful_assembly", "custody": "held",
    });
    baqylau::records::request::merge(&mut body, &change);
    body
}

async fn file(person: &Person<'_>, change: Value) -> String {
    let stored = person.post("/detentions", detention(change)).await.json(201);
    format!("/detentions/{}", stored["id"].as_str().unwrap())
}

/// Puts a key of the coalition into use and answers its secret half.
async fn coalition_key(app: &App) -> String {
    let (secret, public) = domain::new_identity();
    let body = json!({ "public_key": public, "label": "safe" });
    app.sign_in("admin").await.post("/recipients", body).await.json(201);
    secret
}

#[tokio::test]
async fn the_course_of_a_detention_is_followed_past_its_review() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let coordinator = app.sign_in("qaraghandy").await;
    let path = file(&observer, json!({})).await;
    let custody = format!("{path}/custody");
    let course = observer.get(&custody).await.json(200);
    assert_eq!(course["still_held"], true);
    assert_eq!(course["limit"]["hours"], 3);
    assert!(course["limit"]["hours_over"].as_f64().unwrap() > 24.0 * 365.0);

    coordinator.post(&format!("{path}/review"), json!({ "decision": "verified" })).await.json(200);
    let arrest = json!({
        "custody": "administrative_arrest", "custody_since": "2019-06-11T10:00:00+06:00", "arrest_days": 15,
        "held_at": "Special reception centre", "note": "the lawyer saw the order",
        "custody_source": "2019-06-19-independent-observers-alliance",
    });
    let step = coordinator.post(&custody, arrest).await.json(200);
    assert_eq!((&step["status"], &step["version"]), (&json!("verified"), &json!(3)));
    assert_eq!(step["receipt"]["entry"]["action"], "updated");
    let released = json!({ "custody": "released", "custody_since": "2019-06-26T12:00:00+06:00" });
    observer.post(&custody, released).await.json(200);
    let course = coordinator.get(&custody).await.json(200);
    let steps: Vec<_> = course["steps"].as_array().unwrap().iter().map(|it| it["custody"].clone()).collect();
    assert_eq!(steps, ["held", "administrative_arrest", "released"]);
    assert_eq!(course["steps"][1]["source"], "2019-06-19-independent-observers-alliance");
    assert_eq!(course["steps"][1]["note"], "the lawyer saw the order");
    assert_eq!(course["hours_held"], 16.0 * 24.0);
    assert_eq!((&course["still_held"], &course["limit"]), (&json!(false), &Value::Null));

    // Wrong steps change nothing.
    let early = json!({ "custody": "held", "custody_since": "2019-06-01" });
    assert_eq!(coordinator.post(&custody, early).await.faults()[0].0, "/custody_since");
    let wrong = json!({ "custody": "gone", "custody_since": "2999-01-01", "custody_source": "x", "y": 1 });
    let places: Vec<_> =
        coordinator.post(&custody, wrong).await.faults().into_iter().map(|it| it.0).collect();
    assert_eq!(places, ["/y"]);
    let wrong = json!({ "custody": "gone", "custody_since": "2999-01-01", "custody_source": "x" });
    let places: Vec<_> =
        coordinator.post(&custody, wrong).await.faults().into_iter().map(|it| it.0).collect();
    assert_eq!(places, ["/custody", "/custody_since", "/custody_source"]);
    app.sign_in("other-observer").await.get(&custody).await.json(404);
    assert_eq!(coordinator.get(&custody).await.json(200)["steps"].as_array().unwrap().len(), 3);
    // It counts as it did, once, and verified.
    let counts =
        coordinator.get("/aggregates?record=detention&group_by=status&city=qaraghandy").await.json(200);
    assert_eq!(counts["groups"], json!([{ "status": "verified", "count": 1, "people": 0 }]));
}

#[tokio::test]
async fn a_withdrawn_detention_has_no_further_course() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let path = file(&observer, json!({})).await;
    observer.post(&format!("{path}/withdraw"), json!({})).await.json(200);
    let step = json!({ "custody": "released", "custody_since": "2019-06-11" });
    observer.post(&format!("{path}/custody"), step).await.json(409);
}

#[tokio::test]
async fn a_relative_asks_without_an_account_and_reads_the_answer_with_their_code_alone() {
    let app = App::new().await;
    let secret = coalition_key(&app).await;
    let observer = app.sign_in("observer").await;
    let held = file(&observer, json!({ "person": { "name": "Серік Ахметов" } })).await;
    let relative = app.nobody();
    let question = json!({
        "election": "kz-2019-president", "city": "Караганда",
        "person": { "name": "Ахметов Серик", "contacts": "әпкесі, +7 700 000 11 22" },
    });
    let asked = relative.post("/enquiries", question.clone()).await.json(201);
    let code = asked["code"].as_str().unwrap().to_owned();
    assert!(code.starts_with("AGE-SECRET-KEY-1"));
    let lookup = async |code: &str| relative.post("/enquiries/lookup", json!({ "code": code })).await;
    let state = lookup(&code).await.json(200);
    assert_eq!((&state["status"], &state["answer"]), (&json!("open"), &Value::Null));

    let coordinator = app.sign_in("qaraghandy").await;
    let list = coordinator.get("/enquiries?status=open").await.json(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert!(!list.to_string().contains("Ахметов"));
    let id = asked["id"].as_str().unwrap();
    let path = format!("/enquiries/{id}");
    let one = coordinator.get(&path).await.json(200);
    assert_eq!(format!("/detentions/{}", one["matches"][0]["id"].as_str().unwrap()), held);
    let sealed = coordinator.get(&format!("{path}/sealed-person")).await.json(200);
    let keys = domain::identities(&secret).unwrap();
    let person = domain::open_person(sealed["armour"].as_str().unwrap(), &keys).unwrap();
    assert_eq!(person.contacts.unwrap(), "әпкесі, +7 700 000 11 22");

    let answer = "Серік Қарағандыдағы 2-бөлімшеде, адвокат бар.";
    let detention = held.rsplit('/').next().unwrap();
    let body = json!({ "answer": answer, "detention": detention, "close": true });
    let answered = coordinator.post(&format!("{path}/answer"), body.clone()).await.json(200);
    assert_eq!((&answered["status"], &answered["detention"]), (&json!("closed"), &json!(detention)));
    coordinator.post(&format!("{path}/answer"), body).await.json(409);
    assert_eq!(lookup(&code).await.json(200)["answer"], answer);
    let log = app.sign_in("admin").await.get("/audit/sealed-reads").await.json(200);
    let actions: Vec<_> = log["items"].as_array().unwrap().iter().map(|it| it["action"].clone()).collect();
    assert_eq!(actions, ["opened", "searched"]);
    // Neither the code nor the answer is in the database.
    let row = app.sql().await.query_one("SELECT enquiries::text FROM enquiries", &[]).await.unwrap();
    let row: String = row.get(0);
    assert!(!row.contains(&code) && !row.contains("Серік") && !row.contains("Ахметов"));
    // Another code finds nothing; observers and other regions do not see enquiries.
    let (other, _) = domain::new_identity();
    lookup(other.lines().last().unwrap()).await.json(404);
    lookup("AGE-SECRET-KEY-1").await.json(404);
    observer.get("/enquiries").await.json(403);
    app.sign_in("aqtau").await.get(&path).await.json(404);
    assert_eq!(app.sign_in("aqtau").await.get("/enquiries").await.json(200)["items"], json!([]));
    // One that names no place is everybody's.
    let mut placeless = question;
    placeless.as_object_mut().unwrap().remove("city");
    relative.post("/enquiries", placeless).await.json(201);
    let seen = app.sign_in("aqtau").await.get("/enquiries").await.json(200);
    assert_eq!(seen["items"].as_array().unwrap().len(), 1);
    let faults =
        relative.post("/enquiries", json!({ "person": { "name": "" }, "election": "x" })).await.faults();
    let places: Vec<_> = faults.iter().map(|it| it.0.as_str()).collect();
    assert_eq!(places, ["/person/name"]);
}

#[tokio::test]
async fn claims_stand_beside_the_trackers_own_count() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let coordinator = app.sign_in("qaraghandy").await;
    let compare = async || app.nobody().get("/detentions/compare?election=kz-2019-president").await.json(200);
    let empty = compare().await;
    assert_eq!(empty[0]["verified"], json!({ "records": 0, "people": 0 }));
    for n in 0..6 {
        let path = file(&observer, json!({ "people": 50 + n })).await;
        if n < 5 {
            coordinator.post(&format!("{path}/review"), json!({ "decision": "verified" })).await.json(200);
        }
    }
    let found = compare().await;
    assert_eq!(found[0]["verified"], json!({ "records": 5, "people": 260 }));
    // Six, and the seeded one whose number is not known.
    assert_eq!(found[0]["recorded"], json!({ "records": 7, "people": 315 }));
    let minister =
        &found[0]["claims"].as_array().unwrap().iter().find(|it| it["claim"]["value"] == 4000.0).unwrap();
    assert_eq!(minister["stated_less_verified"], 3740.0);
    assert_eq!(minister["claim"]["passage"], 19);
    let disputed =
        found[0]["claims"].as_array().unwrap().iter().find(|it| it["claim"]["value_is"] == "disputed");
    assert!(disputed.unwrap().get("stated_less_verified").is_none());
    app.nobody().get("/detentions/compare?election=x").await.faults();
}
