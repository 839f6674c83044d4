//! The web pages: how they are served, and how people use them in a browser.

use crate::support::App;

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
