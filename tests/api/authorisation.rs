//! Every operation with every role: who may ask what is written down here, and a route that is not in the table fails.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, App};

/// Who may use an operation at all; what they reach with it is the affair of other tests.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Access {
    Public,
    Account,
    Coordinator,
    Admin,
}
use Access::{Account, Admin, Coordinator, Public};

const TABLE: &[(&str, &str, Access)] = &[
    ("GET", "/api/v1/aggregates", Account),
    ("GET", "/api/v1/audit/sealed-reads", Admin),
    ("POST", "/api/v1/auth/login", Public),
    ("POST", "/api/v1/auth/logout", Account),
    ("POST", "/api/v1/auth/panic", Public),
    ("POST", "/api/v1/auth/refresh", Public),
    ("GET", "/api/v1/cities", Public),
    ("GET", "/api/v1/claims", Public),
    ("POST", "/api/v1/claims", Coordinator),
    ("GET", "/api/v1/detentions", Account),
    ("POST", "/api/v1/detentions", Account),
    ("GET", "/api/v1/detentions/compare", Public),
    ("POST", "/api/v1/detentions/search-person", Coordinator),
    ("GET", "/api/v1/detentions/{id}", Account),
    ("PATCH", "/api/v1/detentions/{id}", Account),
    ("GET", "/api/v1/detentions/{id}/custody", Account),
    ("POST", "/api/v1/detentions/{id}/custody", Account),
    ("GET", "/api/v1/detentions/{id}/history", Account),
    ("GET", "/api/v1/detentions/{id}/receipt", Account),
    ("POST", "/api/v1/detentions/{id}/review", Coordinator),
    ("GET", "/api/v1/detentions/{id}/sealed-person", Coordinator),
    ("PUT", "/api/v1/detentions/{id}/sealed-person", Coordinator),
    ("GET", "/api/v1/detentions/{id}/similar", Account),
    ("POST", "/api/v1/detentions/{id}/withdraw", Account),
    ("GET", "/api/v1/elections", Public),
    ("POST", "/api/v1/elections/{id}/candidates", Admin),
    ("GET", "/api/v1/enquiries", Coordinator),
    ("POST", "/api/v1/enquiries", Public),
    ("POST", "/api/v1/enquiries/lookup", Public),
    ("GET", "/api/v1/enquiries/{id}", Coordinator),
    ("POST", "/api/v1/enquiries/{id}/answer", Coordinator),
    ("GET", "/api/v1/enquiries/{id}/sealed-person", Coordinator),
    ("GET", "/api/v1/estimate", Coordinator),
    ("GET", "/api/v1/events", Public),
    ("POST", "/api/v1/events", Coordinator),
    ("GET", "/api/v1/evidence", Account),
    ("OPTIONS", "/api/v1/evidence/uploads", Public),
    ("POST", "/api/v1/evidence/uploads", Account),
    ("HEAD", "/api/v1/evidence/uploads/{id}", Account),
    ("PATCH", "/api/v1/evidence/uploads/{id}", Account),
    ("DELETE", "/api/v1/evidence/uploads/{id}", Account),
    ("GET", "/api/v1/evidence/{id}", Account),
    ("GET", "/api/v1/evidence/{id}/copy", Account),
    ("GET", "/api/v1/evidence/{id}/original", Account),
    ("GET", "/api/v1/evidence/{id}/reading", Account),
    ("POST", "/api/v1/evidence/{id}/reading", Account),
    ("GET", "/api/v1/evidence/{id}/receipt", Account),
    ("GET", "/api/v1/exports/{file}", Account),
    ("GET", "/api/v1/forensics/published", Public),
    ("GET", "/api/v1/forensics/published/{file}", Public),
    ("GET", "/api/v1/forensics/sheets", Coordinator),
    ("GET", "/api/v1/forensics/sheets/{file}", Coordinator),
    ("GET", "/api/v1/invitations", Coordinator),
    ("POST", "/api/v1/invitations", Coordinator),
    ("POST", "/api/v1/invitations/accept", Public),
    ("POST", "/api/v1/invitations/{id}/revoke", Coordinator),
    ("GET", "/api/v1/ledger/checkpoint", Public),
    ("GET", "/api/v1/ledger/consistency", Public),
    ("GET", "/api/v1/ledger/growth", Public),
    ("GET", "/api/v1/ledger/key", Public),
    ("GET", "/api/v1/ledger/tile/{path}", Public),
    ("GET", "/api/v1/me", Account),
    ("POST", "/api/v1/me/panic", Account),
    ("POST", "/api/v1/me/password", Account),
    ("POST", "/api/v1/me/second-factor", Account),
    ("POST", "/api/v1/me/second-factor/confirm", Account),
    ("POST", "/api/v1/me/second-factor/remove", Account),
    ("GET", "/api/v1/me/sessions", Account),
    ("DELETE", "/api/v1/me/sessions/{id}", Account),
    ("GET", "/api/v1/openapi.json", Public),
    ("GET", "/api/v1/polling-stations", Account),
    ("GET", "/api/v1/protocols", Account),
    ("POST", "/api/v1/protocols", Account),
    ("GET", "/api/v1/protocols/{id}", Account),
    ("PATCH", "/api/v1/protocols/{id}", Account),
    ("GET", "/api/v1/protocols/{id}/history", Account),
    ("GET", "/api/v1/protocols/{id}/receipt", Account),
    ("POST", "/api/v1/protocols/{id}/review", Coordinator),
    ("GET", "/api/v1/protocols/{id}/similar", Account),
    ("POST", "/api/v1/protocols/{id}/withdraw", Account),
    ("GET", "/api/v1/public/aggregates", Public),
    ("GET", "/api/v1/recipients", Account),
    ("POST", "/api/v1/recipients", Admin),
    ("POST", "/api/v1/recipients/{id}/retire", Admin),
    ("GET", "/api/v1/regions", Public),
    ("GET", "/api/v1/report", Coordinator),
    ("GET", "/api/v1/results/changed", Account),
    ("GET", "/api/v1/results/coverage", Public),
    ("GET", "/api/v1/results/moved", Account),
    ("GET", "/api/v1/results/station", Account),
    ("GET", "/api/v1/results/sums", Public),
    ("GET", "/api/v1/results/tables", Public),
    ("GET", "/api/v1/samples", Public),
    ("GET", "/api/v1/samples/{id}/stations", Coordinator),
    ("GET", "/api/v1/sealed-persons", Coordinator),
    ("GET", "/api/v1/sources", Public),
    ("POST", "/api/v1/sources", Coordinator),
    ("POST", "/api/v1/submissions", Account),
    ("GET", "/api/v1/users", Admin),
    ("POST", "/api/v1/users", Admin),
    ("POST", "/api/v1/users/{id}/disable", Admin),
    ("POST", "/api/v1/users/{id}/enable", Admin),
    ("POST", "/api/v1/users/{id}/panic", Admin),
    ("DELETE", "/api/v1/users/{id}/second-factor", Admin),
    ("GET", "/api/v1/violations", Account),
    ("POST", "/api/v1/violations", Account),
    ("GET", "/api/v1/violations/{id}", Account),
    ("PATCH", "/api/v1/violations/{id}", Account),
    ("GET", "/api/v1/violations/{id}/history", Account),
    ("GET", "/api/v1/violations/{id}/receipt", Account),
    ("POST", "/api/v1/violations/{id}/review", Coordinator),
    ("GET", "/api/v1/violations/{id}/similar", Account),
    ("POST", "/api/v1/violations/{id}/withdraw", Account),
    ("GET", "/healthz", Public),
    ("GET", "/metrics", Public),
    ("GET", "/readyz", Public),
];

/// A body that is well formed, so that a refusal can be for nothing but the role.
fn body(path: &str) -> Value {
    let text = json!({ "kk": "а", "ru": "а", "en": "a" });
    match path {
        "/api/v1/claims" => {
            json!({ "election": "kz-2019-president", "topic": "x", "claimant": "x", "value_is": "none", "text": text, "source": "x" })
        }
        "/api/v1/events" => {
            json!({ "election": "kz-2019-president", "starts_on": "2019-06-09", "precision": "day", "text": text, "source": "x" })
        }
        "/api/v1/sources" => json!({ "id": "x", "title": "x", "language": "en" }),
        "/api/v1/detentions/search-person" => json!({ "name": "Серік Ахметов" }),
        "/api/v1/recipients" => json!({ "public_key": "age1x", "label": "x" }),
        "/api/v1/elections/{id}/candidates" => json!({ "number": 9, "names": text }),
        "/api/v1/invitations" => json!({ "role": "observer" }),
        "/api/v1/users" => json!({ "email": "new@example.org", "role": "observer" }),
        path if path.ends_with("/review") => json!({ "decision": "verified" }),
        path if path.ends_with("/custody") => json!({ "custody": "released", "custody_since": "2019-06-11" }),
        path if path.ends_with("/reading") => {
            json!({ "voters_on_list": 1000, "invalid": 15, "votes": [{ "candidate": "B", "votes": 205 }] })
        }
        path if path.ends_with("/answer") => json!({ "answer": "x" }),
        path if path.ends_with("/sealed-person") => json!({ "armour": "x", "sealed_to": ["x"] }),
        _ => json!({}),
    }
}

fn address(path: &str) -> String {
    let id = "0197a000-0000-7000-8000-0000000000ff";
    path.replace("/elections/{id}", "/elections/kz-2019-president")
        .replace("{id}", id)
        .replace("{path}", "0/000")
        .replace("exports/{file}", "exports/violations.csv")
        .replace("{file}", "fingerprint.svg")
}

#[tokio::test]
async fn every_operation_is_for_whom_the_table_says() {
    let app = App::with(|settings| (settings.rate_limit, settings.login_limit) = (0, 0)).await;
    let nobody = app.nobody();
    let described = nobody.get("/openapi.json").await.json(200);
    let mut operations: Vec<(String, String)> = Vec::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method = method.to_uppercase();
            let row = TABLE.iter().find(|row| (row.0, row.1) == (method.as_str(), path.as_str()));
            let (.., access) = row.unwrap_or_else(|| panic!("{method} {path} is not in the table"));
            let secured = !operation["security"].is_null();
            assert_eq!(secured, *access > Public, "{method} {path}: the document and the table differ");
            operations.push((method, path.clone()));
        }
    }
    assert_eq!(operations.len(), TABLE.len(), "the table names operations that are not there");

    let observer = app.sign_in("observer").await;
    let coordinator = app.sign_in("qaraghandy").await;
    for (method, path, access) in TABLE {
        let what = format!("{method} {path}");
        let ask = async |person: &crate::support::Person<'_>| {
            let request = person.request(method.parse::<Method>().unwrap(), &address(path));
            let request =
                if ["GET", "HEAD", "OPTIONS"].contains(method) { request } else { request.json(&body(path)) };
            Answer::of(request.header("tus-resumable", "1.0.0")).await.status
        };
        // Listening has no end of its own.
        if *path == "/api/v1/ledger/growth" {
            continue;
        }
        let stranger = ask(&nobody).await;
        if *access > Public {
            assert_eq!(stranger, 401, "{what} without a token");
        } else {
            assert!(
                stranger != 403 && (stranger != 401 || path.contains("/auth/")),
                "{what} without a token: {stranger}"
            );
        }
        if *access > Account {
            assert_eq!(ask(&observer).await, 403, "{what} by an observer");
        }
        if *access > Coordinator {
            assert_eq!(ask(&coordinator).await, 403, "{what} by a coordinator");
        }
    }
    // Nothing of this was done.
    app.sign_in("admin").await.get("/users").await.json(200);
    observer.get("/me").await.json(200);
}

#[tokio::test]
async fn what_lies_in_another_region_or_is_anothers_does_not_exist() {
    let app = App::with(|settings| (settings.rate_limit, settings.login_limit) = (0, 0)).await;
    let observer = app.sign_in("observer").await;
    let violation = observer.file(json!({})).await;
    let stored = observer.post("/protocols", crate::sheets::sheet(json!({}))).await.json(201);
    let protocol = format!("/protocols/{}", stored["id"].as_str().unwrap());
    let held = json!({
        "election": "kz-2019-president", "city": "Қарағанды", "occurred_at": "2019-06-10T12:00:00+06:00",
        "category": "peaceful_assembly", "custody": "held",
    });
    let stored = observer.post("/detentions", held).await.json(201);
    let detention = format!("/detentions/{}", stored["id"].as_str().unwrap());
    let tus = crate::evidence::Tus { person: &observer };
    let evidence = format!("/evidence/{}", tus.whole(&protocol, &crate::evidence::photo(500)).await);

    // Those who reach them: whoever sent them, and the coordinator of the region.
    let coordinator = app.sign_in("qaraghandy").await;
    for path in [&violation, &protocol, &detention, &evidence] {
        observer.get(path).await.json(200);
        coordinator.get(path).await.json(200);
    }
    let strangers =
        [("other observer", app.sign_in("other-observer").await), ("aqtau", app.sign_in("aqtau").await)];
    let mut asked = 0;
    for (method, path, access) in TABLE {
        let rest = path.strip_prefix("/api/v1").unwrap_or(path);
        let known = [&violation, &protocol, &detention, &evidence].into_iter().find_map(|known| {
            let kind = known.split('/').nth(1).unwrap();
            Some(rest.strip_prefix(&format!("/{kind}/{{id}}"))?).map(|step| format!("{known}{step}"))
        });
        let Some(known) = known else { continue };
        for (who, stranger) in &strangers {
            let request = stranger.request(method.parse::<Method>().unwrap(), &known);
            let request = if *method == "GET" { request } else { request.json(&body(path)) };
            let status = Answer::of(request.header("if-match", "\"1\"")).await.status;
            let refused = if *who == "other observer" && *access > Account { 403 } else { 404 };
            assert_eq!(status, refused, "{method} {known} by {who}");
            asked += 1;
        }
    }
    assert!(asked >= 50, "{asked} were asked");

    // Nor do lists, counts and exports let them see through.
    for (who, stranger) in &strangers {
        for kind in ["violations", "protocols", "detentions"] {
            let list =
                stranger.get(&format!("/{kind}?election=kz-2019-president&region=KZ-35")).await.json(200);
            assert_eq!(list["items"], json!([]), "{kind} by {who}");
            let export = stranger.get(&format!("/exports/{kind}.csv?region=KZ-35")).await.text(200);
            assert_eq!(export.lines().count(), 1, "{kind} by {who}");
            let counts = format!("/aggregates?record={}&region=KZ-35", kind.trim_end_matches('s'));
            assert_eq!(stranger.get(&counts).await.json(200)["total"], 0, "{kind} by {who}");
        }
    }
    // And nothing was changed by those who may not.
    let etag = |answer: Answer| answer.header("etag").to_owned();
    for path in [&violation, &protocol, &detention] {
        assert_eq!(etag(observer.get(path).await), "\"1\"");
    }
}
