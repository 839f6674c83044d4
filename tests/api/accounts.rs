use serde_json::json;

use crate::support::{Answer, App, PASSWORD};

#[tokio::test]
async fn signing_in_gives_tokens_that_work() {
    let app = App::new().await;
    let person = app.sign_in("qaraghandy").await;
    assert_eq!(person.tokens["token_type"], "Bearer");
    assert_eq!(person.tokens["expires_in"], 900);
    let me = person.get("/me").await.json(200);
    assert_eq!((&me["role"], &me["regions"]), (&json!("coordinator"), &json!(["KZ-35"])));
    let wrong = json!({ "email": "qaraghandy@example.org", "password": "wrong" });
    assert_eq!(
        app.nobody().post("/auth/login", wrong).await.json(401)["type"],
        "urn:baqylau:problem:credentials"
    );
    let loud = json!({ "email": "QARAGHANDY@Example.org", "password": PASSWORD });
    app.nobody().post("/auth/login", loud).await.json(200);
}

async fn refresh(app: &App, token: &serde_json::Value) -> Answer {
    app.nobody().post("/auth/refresh", json!({ "refresh_token": token })).await
}

#[tokio::test]
async fn a_refresh_token_works_once_and_a_stolen_one_ends_the_session() {
    let app = App::new().await;
    let person = app.sign_in("observer").await;
    let refresh = async |token: &serde_json::Value| refresh(&app, token).await;
    let second = refresh(&person.tokens["refresh_token"]).await.json(200);
    refresh(&second["refresh_token"]).await.json(200);
    person.get("/me").await.json(200);
    let reused = refresh(&person.tokens["refresh_token"]).await.json(401);
    assert_eq!(reused["type"], "urn:baqylau:problem:token-reused");
    assert_eq!(refresh(&second["refresh_token"]).await.status, 401);
    assert_eq!(person.get("/me").await.status, 401, "the access token ends with its session");
}

#[tokio::test]
async fn a_session_ends_one_day_however_often_it_is_refreshed() {
    let app = App::new().await;
    let person = app.sign_in("observer").await;
    let refresh = async |token: &serde_json::Value| refresh(&app, token).await;
    let aged = async |days: &str| {
        let update = format!("UPDATE sessions SET created_at = now() - interval '{days}'");
        app.sql().await.batch_execute(&update).await.unwrap();
    };
    aged("89 days").await;
    let second = refresh(&person.tokens["refresh_token"]).await.json(200);
    aged("91 days").await;
    assert_eq!(refresh(&second["refresh_token"]).await.status, 401);
}

#[tokio::test]
async fn a_lost_answer_costs_no_session_and_a_thief_is_seen_nevertheless() {
    let app = App::new().await;
    let person = app.sign_in("observer").await;
    let refresh = async |token: &serde_json::Value| refresh(&app, token).await;
    let first = &person.tokens["refresh_token"];
    // Twice the answer is lost on the way, and the third one comes through.
    let lost = refresh(first).await.json(200);
    refresh(first).await.json(200);
    let third = refresh(first).await.json(200);
    person.get("/me").await.json(200);
    // Somebody had the lost one after all.
    let stolen = refresh(&lost["refresh_token"]).await.json(401);
    assert_eq!(stolen["type"], "urn:baqylau:problem:token-reused");
    assert_eq!(refresh(&third["refresh_token"]).await.status, 401);
}

#[tokio::test]
async fn signing_out_ends_this_session_alone() {
    let app = App::new().await;
    let (here, there) = (app.sign_in("observer").await, app.sign_in("observer").await);
    assert_eq!(here.post("/auth/logout", json!({})).await.status, 204);
    assert_eq!(here.get("/me").await.status, 401);
    there.get("/me").await.json(200);
}

#[tokio::test]
async fn accounts_are_made_and_disabled_by_admins() {
    let app = App::new().await;
    let admin = app.sign_in("admin").await;
    let new = json!({ "email": "aqtobe@example.org", "role": "coordinator", "regions": ["KZ-AKT"], "password": PASSWORD });
    for name in ["observer", "qaraghandy"] {
        assert_eq!(app.sign_in(name).await.post("/users", new.clone()).await.status, 403, "{name}");
    }
    let made = admin.post("/users", new.clone()).await.json(201);
    assert_eq!(made["regions"], json!(["KZ-15"]));
    assert_eq!(admin.post("/users", new).await.status, 409);
    let easy = json!({ "email": "e@example.org", "role": "observer", "password": "password1234" });
    let easy = admin.post("/users", easy).await.faults();
    assert_eq!(
        easy,
        [("/password".to_owned(), "guessable".to_owned())],
        "what every list of leaked ones has"
    );
    let bad = json!({ "email": "x", "role": "king", "regions": ["KZ-1"], "password": "short" });
    let faults = admin.post("/users", bad).await.faults();
    let mut places: Vec<_> = faults.iter().map(|(place, _)| place.as_str()).collect();
    places.sort_unstable();
    assert_eq!(places, ["/email", "/password", "/regions/0", "/role"]);

    let person = app.sign_in("aqtobe").await;
    person.get("/me").await.json(200);
    let path = format!("/users/{}", made["id"].as_str().unwrap());
    assert_eq!(admin.post(&format!("{path}/disable"), json!({})).await.status, 204);
    assert_eq!(person.get("/me").await.status, 401);
    let login = json!({ "email": "aqtobe@example.org", "password": PASSWORD });
    assert_eq!(app.nobody().post("/auth/login", login).await.status, 401);
    assert_eq!(admin.post(&format!("{path}/enable"), json!({})).await.status, 204);
    app.sign_in("aqtobe").await;
}

#[tokio::test]
async fn a_new_password_ends_all_sessions() {
    let app = App::new().await;
    let person = app.sign_in("observer").await;
    let change = json!({ "current": PASSWORD, "new": "another long password" });
    assert_eq!(
        person.post("/me/password", json!({ "current": "no", "new": "another long password" })).await.status,
        401
    );
    assert_eq!(person.post("/me/password", change).await.status, 204);
    assert_eq!(person.get("/me").await.status, 401);
    let login = json!({ "email": "observer@example.org", "password": "another long password" });
    app.nobody().post("/auth/login", login).await.json(200);
}

#[tokio::test]
async fn guessing_passwords_is_slowed_down() {
    let app = App::with(|settings| settings.login_limit = 3).await;
    let guess = async || {
        let body = json!({ "email": "observer@example.org", "password": "guess" });
        app.nobody().post("/auth/login", body).await
    };
    for _ in 0..3 {
        assert_eq!(guess().await.status, 401);
    }
    let refused = guess().await;
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(refused.status, 429);
    app.sign_in("admin").await;
}
