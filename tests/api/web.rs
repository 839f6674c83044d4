//! The web pages: how they are served, and how people use them in a browser.

use std::{path::Path, sync::OnceLock};

use crate::support::{App, npm_ci};

#[tokio::test]
async fn pages_come_packed_with_hashed_files_that_are_kept_and_a_strict_policy() {
    let app = App::new().await;
    let root = app.url.clone();
    let client = baqylau::http::client().unwrap();
    let page = client.get(&root).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let header = |answer: &reqwest::Response, name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    let policy = header(&page, "content-security-policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(header(&page, "cache-control"), "no-cache");
    let tag = header(&page, "etag");
    let again = client.get(&root).header("if-none-match", tag).send().await.unwrap();
    assert_eq!(again.status(), 304);
    for path in ["", "/api/v1/regions", "/api/v1/violations", "/nowhere"] {
        let answer = client.get(format!("{root}{path}")).send().await.unwrap();
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
        assert_eq!(header(&answer, "referrer-policy"), "no-referrer");
        assert_eq!(header(&answer, "cross-origin-opener-policy"), "same-origin");
        assert_eq!(header(&answer, "cross-origin-resource-policy"), "same-origin");
        assert!(header(&answer, "strict-transport-security").starts_with("max-age=31536000"));
        let policy = header(&answer, "content-security-policy");
        for said in ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"] {
            assert!(policy.contains(said), "{path}: {policy}");
        }
    }
    let page = page.text().await.unwrap();
    assert!(!page.contains("http://") && !page.contains("https://"), "a page asks no other host: {page}");
    let script = page.split("src=\"/").nth(1).unwrap().split('"').next().unwrap();
    let packed = client.get(format!("{}/{script}", root)).header("accept-encoding", "gzip, br").send();
    let packed = packed.await.unwrap();
    assert_eq!(header(&packed, "content-encoding"), "br");
    assert_eq!(header(&packed, "cache-control"), "public, max-age=31536000, immutable");
    assert!(header(&packed, "content-type").contains("javascript"));
    let plain = client.get(format!("{}/{script}", root)).send().await.unwrap();
    assert!(plain.headers().get("content-encoding").is_none());
    assert!(plain.bytes().await.unwrap().len() > packed.bytes().await.unwrap().len());
    for missing in ["/assets/none.js", "/observer", "/../Cargo.toml", "/index.html/x"] {
        let answer = client.get(format!("{}{missing}", root)).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{missing}");
    }
    let posted = client.post(&root).send().await.unwrap();
    assert_eq!(posted.status(), 404);
}

#[tokio::test]
async fn lists_are_packed_for_thin_networks() {
    let app = App::new().await;
    let client = baqylau::http::client().unwrap();
    for path in ["cities", "regions", "events?election=kz-2019-president", "public/aggregates?group_by=day"] {
        let url = format!("{}/api/v1/{path}", app.url);
        let packed = client.get(&url).header("accept-encoding", "gzip").send().await.unwrap();
        assert_eq!(packed.headers()["content-encoding"], "gzip", "{path}");
        let plain = client.get(&url).send().await.unwrap();
        assert!(plain.headers().get("content-encoding").is_none(), "{path}");
    }
}

/// Runs a script of `tests/web` against a service of its own; screenshots go where BAQYLAU_SHOTS says.
async fn drive(script: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/web");
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| npm_ci(&folder));
    let app = App::with(|settings| settings.rate_limit = 0).await;
    let output = tokio::process::Command::new("node")
        .arg(folder.join(script))
        .arg(&app.url)
        .args(std::env::var("BAQYLAU_SHOTS").ok())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_reads_the_overview_and_checks_a_receipt() {
    drive("public.mjs").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_without_a_network_loses_nothing() {
    drive("observer.mjs").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_sees_what_comes_and_decides_by_keyboard() {
    drive("desk.mjs").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_sealed_on_the_phone_and_opened_in_a_coordinators_tab() {
    drive("sealed.mjs").await;
}
