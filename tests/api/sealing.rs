//! Names: sealed before they are stored, found without being opened, opened by key holders alone.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::support::{App, INDEX_KEY, Person, base};

fn baqylau(args: &[&str], input: &str) -> (bool, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_baqylau"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).trim().to_owned())
}

/// A new key in `dir`; answers its file and its public key.
fn new_key(dir: &Path, name: &str) -> (String, String) {
    let file = dir.join(name).to_str().unwrap().to_owned();
    let (ok, public) = baqylau(&["keys", "new", "--output", &file], "");
    assert!(ok && public.starts_with("age1"), "{public}");
    (file, public)
}

async fn use_key(app: &App, public_key: &str) -> String {
    let admin = app.sign_in("admin").await;
    let body = json!({ "public_key": public_key, "label": "safe" });
    admin.post("/recipients", body).await.json(201)["id"].as_str().unwrap().to_owned()
}

fn detention(person: Value) -> Value {
    json!({
        "election": "kz-2019-president", "city": "Қарағанды", "occurred_at": "2019-06-10T12:00:00+06:00",
        "category": "peaceful_assembly", "custody": "place_unknown", "person": person,
    })
}

async fn opened(person: &Person<'_>, id: &str, key: &str) -> Value {
    let sealed = person.get(&format!("/detentions/{id}/sealed-person?reason=relative")).await.text(200);
    let (ok, text) = baqylau(&["open", "--key", key], &sealed);
    assert!(ok, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn a_name_is_sealed_at_the_edge_and_opened_by_a_key_holder_alone() {
    let app = App::new().await;
    let dir = tempfile::tempdir().unwrap();
    let observer = app.sign_in("observer").await;
    let who = json!({ "name": "Серік Ахметов", "contacts": "+7 700 123 45 67, әпкесі" });
    // Without a key an open name is refused, and nothing of it is stored.
    let faults = observer.post("/detentions", detention(who.clone())).await.faults();
    assert_eq!(faults, [("/person".to_owned(), "cannot_seal".to_owned())]);

    let (key, public) = new_key(dir.path(), "a.key");
    use_key(&app, &public).await;
    let id = "0197a000-0000-7000-8000-0000000000d1";
    let mut body = detention(who.clone());
    body["id"] = json!(id);
    let answer = observer.post("/detentions", body.clone()).await.json(201);
    assert!(answer["person_commitment"].as_str().unwrap().starts_with("hmac-sha256:"));
    assert_eq!(answer["people"], 1, "a named person is one");
    assert!(!answer.to_string().contains("Серік") && !answer.to_string().contains("AGE ENCRYPTED"));
    // Sent again it is the same, though its seal would be another; another name is other content.
    observer.post("/detentions", body.clone()).await.json(200);
    body["person"]["name"] = json!("Серік Ахметовв");
    observer.post("/detentions", body).await.json(409);

    let coordinator = app.sign_in("qaraghandy").await;
    assert_eq!(opened(&coordinator, id, &key).await, who);
    let (other, _) = new_key(dir.path(), "b.key");
    let sealed = coordinator.get(&format!("/detentions/{id}/sealed-person")).await.text(200);
    let (ok, said) = baqylau(&["open", "--key", &other], &sealed);
    assert!(!ok && said.contains("none of the keys"), "{said}");
    // Not for observers, nor for coordinators of elsewhere.
    observer.get(&format!("/detentions/{id}/sealed-person")).await.json(403);
    app.sign_in("aqtau").await.get(&format!("/detentions/{id}/sealed-person")).await.json(404);
    // Who opened it, and why, is on record.
    let log = app.sign_in("admin").await.get("/audit/sealed-reads").await.json(200);
    let actions: Vec<_> = log["items"].as_array().unwrap().iter().map(|it| it["action"].clone()).collect();
    assert_eq!(actions, ["opened", "opened"]);
    assert_eq!(log["items"][1]["reason"], "relative");
    assert_eq!(log["items"][1]["subject_id"], id);
    coordinator.get("/audit/sealed-reads").await.json(403);
}

#[tokio::test]
async fn an_edit_keeps_changes_or_takes_out_the_person() {
    let app = App::new().await;
    let dir = tempfile::tempdir().unwrap();
    let (key, public) = new_key(dir.path(), "a.key");
    use_key(&app, &public).await;
    let observer = app.sign_in("observer").await;
    let coordinator = app.sign_in("qaraghandy").await;
    let stored = observer.post("/detentions", detention(json!({ "name": "Айгүл Оспанова" }))).await.json(201);
    let id = stored["id"].as_str().unwrap();
    let path = format!("/detentions/{id}");
    let kept = observer.patch(&path, "\"1\"", json!({ "held_at": "Police station 2" })).await.json(200);
    assert_eq!(kept["person_commitment"], stored["person_commitment"]);
    assert_eq!(opened(&coordinator, id, &key).await["name"], "Айгүл Оспанова");
    let changed = json!({ "person": { "name": "Айгүл Оспан" } });
    let changed = observer.patch(&path, "\"2\"", changed).await.json(200);
    assert_ne!(changed["person_commitment"], stored["person_commitment"]);
    assert_eq!(opened(&coordinator, id, &key).await["name"], "Айгүл Оспан");
    // Nobody takes another record's person, and a person is not told twice.
    let forged = json!({ "person_commitment": "hmac-sha256:00" });
    assert_eq!(observer.patch(&path, "\"3\"", forged).await.faults()[0].0, "/person_commitment");
    let twice = json!({ "person": { "name": "A B" }, "sealed_person": "x" });
    assert_eq!(observer.patch(&path, "\"3\"", twice).await.faults()[0].0, "/sealed_person");
    let out = observer.patch(&path, "\"3\"", json!({ "person_commitment": null })).await.json(200);
    assert_eq!(out["person_commitment"], Value::Null);
    coordinator.get(&format!("{path}/sealed-person")).await.json(404);
    let sql = app.sql().await;
    let n: i64 = sql.query_one("SELECT count(*) FROM sealed_persons", &[]).await.unwrap().get(0);
    assert_eq!(n, 0, "a person taken out is gone");
}

#[tokio::test]
async fn a_relatives_question_is_answered_without_opening_anything() {
    let app = App::new().await;
    let dir = tempfile::tempdir().unwrap();
    let (_, public) = new_key(dir.path(), "a.key");
    use_key(&app, &public).await;
    let observer = app.sign_in("observer").await;
    for name in ["Ахметов Серік Болатұлы", "Серік Иванов", "Айгүл Оспанова"]
    {
        observer.post("/detentions", detention(json!({ "name": name }))).await.json(201);
    }
    let coordinator = app.sign_in("qaraghandy").await;
    let find = async |person: &Person<'_>, name: &str| {
        let found = person.post("/detentions/search-person", json!({ "name": name })).await.json(200);
        found.as_array().unwrap().len()
    };
    assert_eq!(find(&coordinator, "серик ахметов").await, 1);
    assert_eq!(find(&coordinator, "Болатұлы Серік Ахметов").await, 1);
    assert_eq!(find(&coordinator, "Оспанова Айгуль").await, 0, "another spelling is another name");
    assert_eq!(find(&coordinator, "Серік").await, 0, "a first name alone is not enough");
    assert_eq!(find(&app.sign_in("aqtau").await, "Серік Ахметов").await, 0);
    observer.post("/detentions/search-person", json!({ "name": "Серік Ахметов" })).await.json(403);
    let log = app.sign_in("admin").await.get("/audit/sealed-reads?limit=2").await.json(200);
    assert_eq!(log["items"][0]["action"], "searched");
    assert!(log["next"].is_string() && !log.to_string().contains("Ахметов"));
}

#[tokio::test]
async fn keys_are_rotated_and_what_was_sealed_on_a_device_is_indexed() {
    let app = App::new().await;
    let dir = tempfile::tempdir().unwrap();
    let (old_key, old_public) = new_key(dir.path(), "old.key");
    let old_id = use_key(&app, &old_public).await;
    let observer = app.sign_in("observer").await;
    let at_the_edge =
        observer.post("/detentions", detention(json!({ "name": "Серік Ахметов" }))).await.json(201);
    // Sealed on the device: the server never had the name, so it cannot index it either.
    let to = [baqylau::sealing::domain::recipient(&old_public).unwrap()];
    let armour = baqylau::sealing::domain::seal(br#"{"name":"Dana Serik"}"#, &to).unwrap();
    let mut body = detention(Value::Null);
    body.as_object_mut().unwrap().remove("person");
    body["sealed_person"] = json!(armour);
    body["id"] = json!("0197a000-0000-7000-8000-0000000000d2");
    observer.post("/detentions", body.clone()).await.json(201);
    observer.post("/detentions", body).await.json(200);
    let admin = app.sign_in("admin").await;
    let search = json!({ "name": "Serik Dana" });
    assert_eq!(admin.post("/detentions/search-person", search.clone()).await.json(200), json!([]));

    let (new_key_file, new_public) = new_key(dir.path(), "new.key");
    use_key(&app, &new_public).await;
    let retire = format!("/recipients/{old_id}/retire");
    assert_eq!(admin.post(&retire, json!({})).await.status, 204);
    admin.post(&retire, json!({})).await.json(404);
    let token = admin.token.clone().unwrap();
    let (ok, said) =
        baqylau(&["reseal", &app.url, "--key", &old_key, "--token", &token, "--index-key", INDEX_KEY], "");
    assert!(ok && said.contains("2 persons are sealed anew to 1 keys"), "{said}");
    assert_eq!(admin.post("/detentions/search-person", search).await.json(200).as_array().unwrap().len(), 1);
    let id = at_the_edge["id"].as_str().unwrap();
    assert_eq!(opened(&admin, id, &new_key_file).await["name"], "Серік Ахметов");
    // The old key opens nothing any more: no copy of the old seal is left.
    let sealed = admin.get(&format!("/detentions/{id}/sealed-person")).await.text(200);
    assert!(!baqylau(&["open", "--key", &old_key], &sealed).0);
    // The record did not change: what it commits to is the person and not the seal.
    let now = admin.get(&format!("/detentions/{id}")).await.json(200);
    assert_eq!((&now["version"], &now["person_commitment"]), (&json!(1), &at_the_edge["person_commitment"]));
    // Only to keys in use.
    let bad = json!({ "armour": armour, "sealed_to": [old_public] });
    assert_eq!(
        admin.put(&format!("/detentions/{id}/sealed-person"), bad).await.faults()[0].0,
        "/sealed_to/0"
    );
}

#[tokio::test]
async fn no_name_is_in_any_file_of_the_data_directory() {
    const NAME: &str = "Қызғалдақ Тайжанқызы";
    const CONTACT: &str = "+7 701 987 65 43";
    let app = App::new().await;
    let dir = tempfile::tempdir().unwrap();
    let (_, public) = new_key(dir.path(), "a.key");
    use_key(&app, &public).await;
    let observer = app.sign_in("observer").await;
    let mut lines = Vec::new();
    for n in 0..300 {
        let person = json!({ "name": format!("{NAME} {n}"), "contacts": CONTACT });
        let mut body = detention(person.clone());
        if n < 30 {
            observer.post("/detentions", body).await.json(201);
        } else {
            body["record"] = json!("detention");
            lines.push(body.to_string());
        }
        if n == 0 {
            // A faulty one is answered with its faults and leaves no trace either.
            let mut faulty = detention(person);
            faulty["custody"] = json!("nowhere");
            observer.post("/detentions", faulty).await.faults();
        }
    }
    assert!(observer.submit_lines(&lines).await.iter().all(|line| line["status"] == 201));
    let coordinator = app.sign_in("qaraghandy").await;
    coordinator.post("/detentions/search-person", json!({ "name": format!("{NAME} 7") })).await.json(200);
    let sql = app.sql().await;
    let description = "Ашық жазылған сипаттама 12345";
    let mut marked = detention(json!({ "name": NAME }));
    marked["description"] = json!(description);
    observer.post("/detentions", marked).await.json(201);
    sql.batch_execute("CHECKPOINT; SELECT pg_switch_wal()").await.unwrap();
    let data = tokio::task::spawn_blocking(|| base().dir.clone()).await.unwrap();
    let (mut files, mut open_text) = (0, false);
    let mut pending = vec![data];
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                pending.push(path);
                continue;
            }
            let Ok(bytes) = std::fs::read(&path) else { continue };
            files += 1;
            for secret in ["Қызғалдақ", "Тайжанқызы", CONTACT] {
                let found = memchr::memmem::find(&bytes, secret.as_bytes());
                assert!(found.is_none(), "{secret} is in {}", path.display());
            }
            open_text |= memchr::memmem::find(&bytes, description.as_bytes()).is_some();
        }
    }
    assert!(files > 100 && open_text, "the search looks at all files and finds what is open");
}
