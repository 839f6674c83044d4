//! Second factors, sessions, invitations, and a stolen phone.

use reqwest::Method;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use crate::support::{Answer, App, PASSWORD, Person};

/// The code that an authenticator shows `steps` of thirty seconds from now.
fn code(secret: &str, steps: i64) -> String {
    let totp = Builder::new().with_secret(Secret::try_from_base32(secret).unwrap()).build().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    totp.generate(now.saturating_add_signed(steps * 30)).to_string()
}

async fn login(app: &App, more: Value) -> Answer {
    let mut body = json!({ "email": "qaraghandy@example.org", "password": PASSWORD });
    baqylau::records::request::merge(&mut body, &more);
    app.nobody().post("/auth/login", body).await
}

/// Sets up a second factor; answers its secret, the code that was used, and the recovery codes.
async fn set_up(person: &Person<'_>) -> (String, String, Vec<String>) {
    let begun = person.post("/me/second-factor", json!({})).await.json(200);
    let secret = begun["secret"].as_str().unwrap().to_owned();
    assert!(begun["url"].as_str().unwrap().starts_with("otpauth://totp/"));
    let confirm = |code: String| person.post("/me/second-factor/confirm", json!({ "code": code }));
    assert_eq!(confirm("000000".to_owned()).await.faults(), [("/code".to_owned(), "wrong_code".to_owned())]);
    let first = code(&secret, 0);
    let codes = confirm(first.clone()).await.json(200);
    (secret, first, serde_json::from_value(codes["recovery_codes"].clone()).unwrap())
}

#[tokio::test]
async fn a_second_factor_is_asked_for_and_its_codes_are_good_once() {
    let app = App::new().await;
    let person = app.sign_in("qaraghandy").await;
    let (secret, used, recovery) = set_up(&person).await;
    assert_eq!(person.get("/me").await.json(200)["second_factor"], true);
    person.post("/me/second-factor", json!({})).await.json(409);
    let asked = login(&app, json!({})).await.json(401);
    assert_eq!(asked["type"], "urn:baqylau:problem:second-factor");
    let wrong = login(&app, json!({ "code": "000000" })).await.json(401);
    assert_eq!(wrong["type"], "urn:baqylau:problem:credentials");
    // A wrong password tells nothing of the factor.
    let guess =
        login(&app, json!({ "password": "not the password", "code": code(&secret, 1) })).await.json(401);
    assert_eq!(guess["type"], "urn:baqylau:problem:credentials");
    login(&app, json!({ "code": used })).await.json(401);
    // The next one is good already, since clocks differ; time may go on between these lines.
    let next = code(&secret, 1);
    login(&app, json!({ "code": next })).await.json(200);
    login(&app, json!({ "code": next })).await.json(401);
    assert_eq!(recovery.len(), 10);
    login(&app, json!({ "recovery_code": recovery[0] })).await.json(200);
    login(&app, json!({ "recovery_code": recovery[0] })).await.json(401);
    // Nothing in the database signs anybody in.
    let row = app.sql().await;
    let row = row.query_one("SELECT secret, (SELECT string_agg(encode(digest, 'escape'), '') FROM recovery_codes) FROM second_factors", &[]).await.unwrap();
    let stored: Vec<u8> = row.get(0);
    let plain = Secret::try_from_base32(&secret).unwrap();
    assert!(memchr::memmem::find(&stored, plain.as_ref()).is_none());
    let digests: String = row.get(1);
    assert!(!digests.contains(&recovery[1]));

    let remove = |more: Value| {
        let mut body = json!({ "password": PASSWORD });
        baqylau::records::request::merge(&mut body, &more);
        person.post("/me/second-factor/remove", body)
    };
    assert_eq!(remove(json!({})).await.status, 401, "a session alone does not take it away");
    assert_eq!(remove(json!({ "recovery_code": recovery[2], "password": "x" })).await.status, 401);
    assert_eq!(remove(json!({ "recovery_code": recovery[2] })).await.status, 204);
    login(&app, json!({})).await.json(200);
}

#[tokio::test]
async fn where_it_is_required_nothing_goes_without_a_second_factor() {
    let app = App::with(|settings| settings.require_second_factor = true).await;
    let person = app.sign_in("qaraghandy").await;
    let refused = person.get("/violations").await.json(403);
    assert_eq!(refused["type"], "urn:baqylau:problem:second-factor-missing");
    let (_, _, recovery) = set_up(&person).await;
    person.get("/violations").await.json(200);
    // Observers need none.
    app.sign_in("observer").await.get("/violations").await.json(200);
    // Lost with all its codes: an admin who has one takes it away, and the sessions end.
    let admin = app.sign_in("admin").await;
    let id = person.get("/me").await.json(200)["id"].as_str().unwrap().to_owned();
    let path = format!("/users/{id}/second-factor");
    let reset = |by: &Person<'_>| Answer::of(by.request(Method::DELETE, &path));
    assert_eq!(reset(&person).await.status, 403);
    assert_eq!(reset(&admin).await.status, 403, "an admin without one can do nothing either");
    set_up(&admin).await;
    assert_eq!(reset(&admin).await.status, 204);
    person.get("/me").await.json(401);
    assert_eq!(reset(&admin).await.status, 404);
    login(&app, json!({ "recovery_code": recovery[0] })).await.json(200);
}

#[tokio::test]
async fn sessions_are_listed_and_ended_and_a_stolen_phone_is_out_at_once() {
    let app = App::new().await;
    let phone = login(&app, json!({ "device": "phone" })).await.json(200);
    let laptop = app.sign_in("qaraghandy").await;
    let sessions = laptop.get("/me/sessions").await.json(200);
    let sessions = sessions.as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    let of_phone = sessions.iter().find(|it| it["device"] == "phone").unwrap();
    assert_eq!(of_phone["current"], false);
    let stolen = Person::with_token(&app, phone["access_token"].as_str().unwrap());
    stolen.get("/me").await.json(200);
    let path = format!("/me/sessions/{}", of_phone["id"].as_str().unwrap());
    let end = |by: &Person<'_>| Answer::of(by.request(Method::DELETE, &path));
    assert_eq!(end(&app.sign_in("aqtau").await).await.status, 404, "not another's");
    assert_eq!(end(&laptop).await.status, 204);
    stolen.get("/me").await.json(401);
    let refresh = json!({ "refresh_token": phone["refresh_token"] });
    app.nobody().post("/auth/refresh", refresh).await.json(401);
    laptop.get("/me").await.json(200);

    // All at once: from any device, by the password alone where the second factor went with the phone.
    set_up(&laptop).await;
    let panic = |password: &str| {
        app.nobody()
            .post_owned("/auth/panic", json!({ "email": "qaraghandy@example.org", "password": password }))
    };
    assert_eq!(panic("not the password").await.status, 401);
    laptop.get("/me").await.json(200);
    assert_eq!(panic(PASSWORD).await.status, 204);
    laptop.get("/me").await.json(401);
    let observer = app.sign_in("observer").await;
    let other = app.sign_in("observer").await;
    assert_eq!(observer.post("/me/panic", json!({})).await.status, 204);
    other.get("/me").await.json(401);
    observer.get("/me").await.json(401);
    // And by an admin for somebody who cannot.
    let observer = app.sign_in("observer").await;
    let id = observer.get("/me").await.json(200)["id"].as_str().unwrap().to_owned();
    observer.post(&format!("/users/{id}/panic"), json!({})).await.json(403);
    assert_eq!(app.sign_in("admin").await.post(&format!("/users/{id}/panic"), json!({})).await.status, 204);
    observer.get("/me").await.json(401);
}

#[tokio::test]
async fn an_invitation_makes_one_account_and_a_pseudonymous_one_without_an_email() {
    let app = App::new().await;
    let coordinator = app.sign_in("qaraghandy").await;
    let invited = coordinator.post("/invitations", json!({ "role": "observer" })).await.json(201);
    let token = invited["token"].as_str().unwrap();
    let accept = |body: Value| app.nobody().post_owned("/invitations/accept", body);
    let short = json!({ "token": token, "password": "short", "email": "no e-mail" });
    let places: Vec<_> = accept(short).await.faults().into_iter().map(|it| it.0).collect();
    assert_eq!(places, ["/email", "/password"]);
    let body = json!({ "token": token, "password": "a long enough password" });
    let account = accept(body.clone()).await.json(201);
    assert_eq!((&account["role"], &account["email"]), (&json!("observer"), &Value::Null));
    let handle = account["handle"].as_str().unwrap();
    assert_eq!(account["name"], handle, "nothing of who it is is kept");
    assert_eq!(accept(body).await.json(410)["type"], "urn:baqylau:problem:invitation");
    // The pseudonymous observer works like any other.
    let signed_in = json!({ "handle": handle, "password": "a long enough password" });
    let tokens = app.nobody().post("/auth/login", signed_in).await.json(200);
    let observer = Person::with_token(&app, tokens["access_token"].as_str().unwrap());
    observer.file(json!({})).await;
    let both = json!({ "handle": handle, "email": "a@b.kz", "password": "x" });
    assert_eq!(app.nobody().post("/auth/login", both).await.faults()[0].0, "/handle");
    app.nobody().post("/auth/login", json!({ "password": "x" })).await.faults();

    // Coordinators invite observers; who may not, may not; what is taken back or late is gone.
    let higher = json!({ "role": "coordinator", "regions": ["KZ-35"] });
    coordinator.post("/invitations", higher.clone()).await.json(403);
    observer.post("/invitations", json!({ "role": "observer" })).await.json(403);
    let admin = app.sign_in("admin").await;
    let invited = admin.post("/invitations", higher).await.json(201);
    let body = json!({ "token": invited["token"], "password": "a long enough password", "email": "new@example.org" });
    let account = accept(body).await.json(201);
    assert_eq!((&account["role"], &account["regions"]), (&json!("coordinator"), &json!(["KZ-35"])));
    for spoil in ["revoke", "expire"] {
        let invited =
            coordinator.post("/invitations", json!({ "role": "observer", "hours": 1 })).await.json(201);
        let id = invited["id"].as_str().unwrap();
        if spoil == "revoke" {
            let path = format!("/invitations/{id}/revoke");
            assert_eq!(app.sign_in("aqtau").await.post(&path, json!({})).await.status, 404);
            assert_eq!(coordinator.post(&path, json!({})).await.status, 204);
        } else {
            let late = format!("UPDATE invitations SET expires_at = now() WHERE id = '{id}'");
            app.sql().await.batch_execute(&late).await.unwrap();
        }
        accept(json!({ "token": invited["token"], "password": "a long enough password" })).await.json(410);
    }
    let list = coordinator.get("/invitations").await.json(200);
    let states: Vec<_> = list.as_array().unwrap().iter().map(|it| it["state"].clone()).collect();
    assert_eq!(states, ["expired", "revoked", "used"]);
    assert_eq!(admin.get("/invitations").await.json(200).as_array().unwrap().len(), 4);
    assert!(!list.to_string().contains(token));
}
