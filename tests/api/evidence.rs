//! Files: cut off and gone on with, kept bit for bit, shown without what they carry.

use baqylau::{commands::verify::audit_all, db::Pool, evidence::objects::Objects};
use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Answer, App, Person, evidence_settings};

/// A JPEG that says where it was taken.
pub fn photo(pixels: usize) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8];
    let exif = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0GPS 43.238949 76.889709".to_vec();
    bytes.extend([0xff, 0xe1]);
    bytes.extend((exif.len() as u16 + 2).to_be_bytes());
    bytes.extend(exif);
    bytes.extend([0xff, 0xda, 0x00, 0x02]);
    bytes.extend((0..pixels).map(|i| (i * 7 % 251) as u8));
    bytes.extend([0xff, 0xd9]);
    bytes
}

fn encoded(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

pub struct Tus<'a> {
    pub person: &'a Person<'a>,
}

impl Tus<'_> {
    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let mut request = self.person.request(Method::from_bytes(method.as_bytes()).unwrap(), path);
        request = request.header("tus-resumable", "1.0.0");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request.body(body)).await
    }

    async fn create(&self, record: &str, length: usize, more: &[(&str, &str)]) -> Answer {
        let id = record.rsplit('/').next().unwrap();
        let metadata = format!("record {},filename {}", encoded(id), encoded("../../фото.png"));
        let length = length.to_string();
        let mut headers = vec![("upload-metadata", metadata.as_str()), ("upload-length", length.as_str())];
        headers.extend(more);
        self.send("POST", "/evidence/uploads", &headers, Vec::new()).await
    }

    async fn patch(&self, upload: &str, offset: usize, body: &[u8], more: &[(&str, &str)]) -> Answer {
        let offset = offset.to_string();
        let mut headers =
            vec![("content-type", "application/offset+octet-stream"), ("upload-offset", offset.as_str())];
        headers.extend(more);
        self.send("PATCH", upload, &headers, body.to_vec()).await
    }

    pub async fn whole(&self, record: &str, bytes: &[u8]) -> String {
        let upload = self.create(record, bytes.len(), &[]).await.header("location").to_owned();
        let answer = self.patch(&upload, 0, bytes, &[]).await;
        assert_eq!(answer.status, 204, "{}", String::from_utf8_lossy(&answer.body));
        answer.header("baqylau-evidence").to_owned()
    }
}

fn names(folder: &std::path::Path, under: &str) -> usize {
    fn count(folder: std::path::PathBuf) -> usize {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| if entry.path().is_dir() { count(entry.path()) } else { 1 }).sum()
    }
    count(folder.join(under))
}

#[tokio::test]
async fn an_upload_is_gone_on_with_and_kept_bit_for_bit() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let record = observer.file(json!({})).await;
    let tus = Tus { person: &observer };
    let bytes = photo(5_000_000);
    let options = tus.send("OPTIONS", "/evidence/uploads", &[], Vec::new()).await;
    for extension in
        ["creation", "creation-with-upload", "expiration", "checksum", "termination", "concatenation"]
    {
        assert!(options.header("tus-extension").split(',').any(|it| it == extension));
    }
    let created = tus.create(&record, bytes.len(), &[]).await;
    assert_eq!(created.status, 201);
    assert!(created.headers.contains_key("upload-expires"));
    let upload = created.header("location").to_owned();
    let mut offset = 0;
    for size in [1, 70_000, 2_500_000, bytes.len()] {
        let end = (offset + size).min(bytes.len());
        let answer = tus.patch(&upload, offset, &bytes[offset..end], &[]).await;
        assert_eq!(answer.status, 204);
        offset = end;
        assert_eq!(answer.header("upload-offset"), offset.to_string());
        let head = tus.send("HEAD", &upload, &[], Vec::new()).await;
        assert_eq!(head.header("upload-offset"), offset.to_string());
        assert_eq!(head.header("cache-control"), "no-store");
    }
    let head = tus.send("HEAD", &upload, &[], Vec::new()).await;
    let evidence = head.header("baqylau-evidence").to_owned();
    let list =
        observer.get(&format!("/evidence?record={}", record.rsplit('/').next().unwrap())).await.json(200);
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(list[0]["id"], evidence);
    assert_eq!(list[0]["media_type"], "image/jpeg", "told by the bytes, whatever the name says");
    assert_eq!(list[0]["filename"], "фото.png");
    assert_eq!(list[0]["sha256"], hex::encode(Sha256::digest(&bytes)));
    let original = observer.get(&format!("/evidence/{evidence}/original")).await;
    assert_eq!(original.header("x-content-type-options"), "nosniff");
    assert!(original.header("content-disposition").starts_with("attachment; filename="));
    assert!(original.body == bytes, "bit for bit");
    assert_eq!(names(&app.folder.join("evidence"), "uploads"), 0, "pieces are cleared away");
    assert_eq!(names(&app.folder.join("evidence"), "blobs"), 1);
}

#[tokio::test]
async fn reviewers_get_the_picture_without_what_it_carries() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let record = observer.file(json!({})).await;
    let bytes = photo(1000);
    let id = Tus { person: &observer }.whole(&record, &bytes).await;
    let coordinator = app.sign_in("qaraghandy").await;
    coordinator.get(&format!("/evidence/{id}/original")).await.json(403);
    let copy = coordinator.get(&format!("/evidence/{id}/copy")).await;
    assert_eq!(copy.header("content-type"), "image/jpeg");
    assert!(memchr::memmem::find(&copy.body, b"GPS").is_none());
    assert!(copy.body.ends_with(&bytes[bytes.len() - 1002..]));
    let (etag, copy) = (copy.header("etag").to_owned(), copy.body);
    // Ranges of the copy are ranges of it.
    for (asked, expected) in [
        ("bytes=0-0", 0..1),
        ("bytes=5-80", 5..81),
        ("bytes=900-", 900..copy.len()),
        ("bytes=-3", copy.len() - 3..copy.len()),
    ] {
        let request =
            coordinator.request(Method::GET, &format!("/evidence/{id}/copy")).header("range", asked);
        let part = Answer::of(request).await;
        assert_eq!(part.status, 206);
        assert_eq!(part.body, copy[expected.clone()], "{asked}");
        let told = format!("bytes {}-{}/{}", expected.start, expected.end - 1, copy.len());
        assert_eq!(part.header("content-range"), told);
    }
    let request = || coordinator.request(Method::GET, &format!("/evidence/{id}/copy"));
    let beyond = Answer::of(request().header("range", "bytes=9999999-")).await;
    assert_eq!(
        (beyond.status, beyond.header("content-range")),
        (416, format!("bytes */{}", copy.len()).as_str())
    );
    assert_eq!(Answer::of(request().header("if-none-match", &etag)).await.status, 304);
    let other = request().header("range", "bytes=0-0").header("if-range", "\"other\"");
    assert_eq!(Answer::of(other).await.status, 200);
    // Who does not see the record sees no file of it.
    for person in ["aqtau", "other-observer"] {
        let person = app.sign_in(person).await;
        for path in
            [format!("/evidence/{id}"), format!("/evidence/{id}/copy"), format!("/evidence/{id}/original")]
        {
            person.get(&path).await.json(404);
        }
    }
    app.sign_in("admin").await.get(&format!("/evidence/{id}/original")).await.text_status(200);
}

#[tokio::test]
async fn checksums_offsets_and_versions_are_minded() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let record = observer.file(json!({})).await;
    let tus = Tus { person: &observer };
    let bytes = photo(3000);
    let sum = |part: &[u8]| format!("sha256 {}", BASE64_STANDARD.encode(Sha256::digest(part)));
    let upload = tus.create(&record, bytes.len(), &[]).await.header("location").to_owned();
    let wrong = tus.patch(&upload, 0, &bytes[..1000], &[("upload-checksum", &sum(b"other"))]).await;
    assert_eq!((wrong.status, wrong.header("tus-resumable")), (460, "1.0.0"));
    let head = tus.send("HEAD", &upload, &[], Vec::new()).await;
    assert_eq!(head.header("upload-offset"), "0", "nothing of it is kept");
    let right = tus.patch(&upload, 0, &bytes[..1000], &[("upload-checksum", &sum(&bytes[..1000]))]).await;
    assert_eq!(right.status, 204);
    assert_eq!(tus.patch(&upload, 0, &bytes[..10], &[]).await.status, 409);
    assert_eq!(tus.patch(&upload, 1000, &bytes, &[]).await.status, 413, "longer than was said");
    assert_eq!(tus.patch(&upload, 1000, b"", &[("upload-checksum", "md4 AAAA")]).await.status, 400);
    let old = observer.request(Method::HEAD, &upload).header("tus-resumable", "0.2.0");
    let old = Answer::of(old).await;
    assert_eq!((old.status, old.header("tus-version")), (412, "1.0.0"));
    let other = app.sign_in("other-observer").await;
    assert_eq!(Tus { person: &other }.send("HEAD", &upload, &[], Vec::new()).await.status, 404);
    // A client that knows no PATCH.
    let headers = [
        ("x-http-method-override", "PATCH"),
        ("content-type", "application/offset+octet-stream"),
        ("upload-offset", "1000"),
    ];
    let done = tus.send("POST", &upload, &headers, bytes[1000..].to_vec()).await;
    assert_eq!(done.status, 204, "{}", String::from_utf8_lossy(&done.body));
    assert!(done.headers.contains_key("baqylau-evidence"));
}

#[tokio::test]
async fn what_cannot_be_evidence_is_refused() {
    let app = App::with(|settings| {
        settings.evidence.evidence_max_mb = 1;
        settings.evidence.evidence_quota_mb = 2;
    })
    .await;
    let observer = app.sign_in("observer").await;
    let record = observer.file(json!({})).await;
    let tus = Tus { person: &observer };
    let page = b"<html><script>alert(1)</script></html>";
    let upload = tus.create(&record, page.len(), &[]).await.header("location").to_owned();
    assert_eq!(tus.patch(&upload, 0, page, &[]).await.status, 415);
    assert_eq!(tus.send("HEAD", &upload, &[], Vec::new()).await.status, 404, "and it is gone");
    assert_eq!(tus.create(&record, 0, &[]).await.status, 422);
    assert_eq!(tus.create(&record, 1_000_001, &[]).await.status, 413);
    for _ in 0..2 {
        assert_eq!(tus.create(&record, 900_000, &[]).await.status, 201);
    }
    let full = tus.create(&record, 900_000, &[]).await;
    assert_eq!((full.status, full.json(413)["type"].clone()), (413, json!("urn:baqylau:problem:quota")));
    assert_eq!(tus.create("/violations/0197a000-0000-7000-8000-00000000ffff", 10, &[]).await.status, 422);
    let other = app.sign_in("other-observer").await;
    assert_eq!(Tus { person: &other }.create(&record, 10, &[]).await.status, 422, "another's record");
    assert_eq!(tus.create(&record, 10, &[("upload-concat", "final;")]).await.status, 400);
    app.nobody().request(Method::POST, "/evidence/uploads").send().await.unwrap();
    let sql = app.sql().await;
    let n: i64 = sql.query_one("SELECT count(*) FROM evidence", &[]).await.unwrap().get(0);
    assert_eq!(n, 0);
}

#[tokio::test]
async fn parts_are_put_together_and_the_same_bytes_are_kept_once() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let record = observer.file(json!({})).await;
    let tus = Tus { person: &observer };
    let bytes = photo(3_000_000);
    let (first, second) = bytes.split_at(2_200_000);
    let mut parts = Vec::new();
    for part in [first, second] {
        let length = part.len().to_string();
        let headers = [
            ("upload-concat", "partial"),
            ("upload-length", length.as_str()),
            ("content-type", "application/offset+octet-stream"),
        ];
        let created = tus.send("POST", "/evidence/uploads", &headers, part.to_vec()).await;
        assert_eq!((created.status, created.header("upload-offset")), (201, length.as_str()));
        assert!(!created.headers.contains_key("baqylau-evidence"));
        parts.push(created.header("location").to_owned());
    }
    let id = record.rsplit('/').next().unwrap();
    let (concat, metadata) = (format!("final;{} {}", parts[0], parts[1]), format!("record {}", encoded(id)));
    let headers = [("upload-concat", concat.as_str()), ("upload-metadata", metadata.as_str())];
    let joined = tus.send("POST", "/evidence/uploads", &headers, Vec::new()).await;
    assert_eq!(joined.status, 201, "{}", String::from_utf8_lossy(&joined.body));
    let evidence = joined.header("baqylau-evidence").to_owned();
    assert!(observer.get(&format!("/evidence/{evidence}/original")).await.body == bytes);
    let head = tus.send("HEAD", joined.header("location"), &[], Vec::new()).await;
    assert!(head.header("upload-concat").starts_with("final;"));
    assert_eq!(tus.patch(joined.header("location"), 0, b"x", &[]).await.status, 403);
    assert_eq!(tus.send("HEAD", &parts[0], &[], Vec::new()).await.status, 404, "parts are used up");
    // Twice the same bytes: two pieces of evidence, one file.
    let again = tus.whole(&record, &bytes).await;
    assert_ne!(again, evidence);
    assert_eq!(
        (names(&app.folder.join("evidence"), "blobs"), names(&app.folder.join("evidence"), "uploads")),
        (1, 0)
    );
}

#[tokio::test]
async fn what_is_given_up_is_swept_away_and_what_a_kill_left_is_finished() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let record = observer.file(json!({})).await;
    let tus = Tus { person: &observer };
    let bytes = photo(1_000_000);
    let given_up = tus.create(&record, bytes.len(), &[]).await.header("location").to_owned();
    assert_eq!(tus.patch(&given_up, 0, &bytes[..500_000], &[]).await.status, 204);
    let terminated = tus.create(&record, bytes.len(), &[]).await.header("location").to_owned();
    assert_eq!(tus.patch(&terminated, 0, &bytes[..500_000], &[]).await.status, 204);
    assert_eq!(names(&app.folder.join("evidence"), "uploads"), 2);
    assert_eq!(tus.send("DELETE", &terminated, &[], Vec::new()).await.status, 204);
    assert_eq!(tus.send("HEAD", &terminated, &[], Vec::new()).await.status, 404);
    assert_eq!(names(&app.folder.join("evidence"), "uploads"), 1);

    // A kill between the last byte and the file: all bytes are there, no file is.
    let full = tus.create(&record, bytes.len(), &[]).await.header("location").to_owned();
    assert_eq!(tus.patch(&full, 0, &bytes[..999_000], &[]).await.status, 204);
    let sql = app.sql().await;
    let id = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    let (key, rest) = (format!("uploads/{}/rest", id(&full)), &bytes[999_000..]);
    std::fs::write(app.folder.join("evidence").join(&key), rest).unwrap();
    sql.batch_execute(&format!(
        "INSERT INTO upload_parts VALUES ('{0}', 999000, {1}, '{key}'); \
         UPDATE uploads SET received = length, hash_state = NULL WHERE id = '{0}'; \
         UPDATE uploads SET expires_at = now() - interval '1 second' WHERE id = '{2}'",
        id(&full),
        rest.len(),
        id(&given_up),
    ))
    .await
    .unwrap();
    let objects = Objects::open(&evidence_settings(), &app.folder).unwrap();
    let uploads = baqylau::evidence::uploads::Uploads {
        pool: Pool::new(&app.database_url, 2).unwrap(),
        objects: objects.clone(),
        rest: chrono::TimeDelta::hours(1),
        most: 1 << 30,
        quota: 1 << 30,
    };
    let stray = app.folder.join("evidence/uploads/0197a000-0000-7000-8000-00000000dead");
    std::fs::create_dir_all(&stray).unwrap();
    std::fs::write(stray.join("piece"), "late").unwrap();
    uploads.sweep_strays().await.unwrap();
    assert!(!stray.join("piece").exists(), "pieces of no upload go");
    uploads.sweep_once().await.unwrap();
    assert_eq!(tus.send("HEAD", &given_up, &[], Vec::new()).await.status, 404);
    assert_eq!(names(&app.folder.join("evidence"), "uploads"), 0);
    let head = tus.send("HEAD", &full, &[], Vec::new()).await;
    let evidence = head.header("baqylau-evidence").to_owned();
    assert!(observer.get(&format!("/evidence/{evidence}/original")).await.body == bytes);
}

#[tokio::test]
async fn a_file_is_in_the_ledger_and_an_altered_one_is_caught() {
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let record = observer.file(json!({})).await;
    let bytes = photo(100_000);
    let id = Tus { person: &observer }.whole(&record, &bytes).await;
    app.settled().await;
    let receipt = observer.get(&format!("/evidence/{id}/receipt")).await.json(200);
    assert_eq!(receipt["entry"]["sha256"], hex::encode(Sha256::digest(&bytes)));
    let key = app.nobody().get("/ledger/key").await.text(200).parse().unwrap();
    let proof: baqylau::ledger::Receipt = serde_json::from_value(receipt).unwrap();
    assert!(proof.verify(&key).unwrap().checkpoint.is_some());

    let pool = Pool::new(&app.database_url, 1).unwrap();
    let objects = Objects::open(&evidence_settings(), &app.folder).unwrap();
    let findings = async || audit_all(&pool, &key, &[], Some(&objects)).await.unwrap().2;
    assert_eq!(findings().await, Vec::<String>::new());
    let sql = app.sql().await;
    sql.batch_execute("UPDATE evidence SET filename = 'x', at = at - interval '1 day'").await.unwrap();
    assert!(findings().await.iter().any(|it| it.contains("is not what was committed to")));
    sql.batch_execute("UPDATE evidence SET at = at + interval '1 day'").await.unwrap();
    let name = hex::encode(Sha256::digest(&bytes));
    let file = app.folder.join("evidence/blobs").join(&name[..2]).join(&name);
    let mut altered = bytes.clone();
    altered[50_000] ^= 1;
    std::fs::write(&file, altered).unwrap();
    assert!(findings().await.iter().any(|it| it.contains("its bytes were altered")));
    std::fs::remove_file(file).unwrap();
    assert!(findings().await.iter().any(|it| it.contains("cannot be read")));
}

/// An S3 server of this process; answers its address.
async fn s3(root: &std::path::Path) -> String {
    use hyper_util::{
        rt::{TokioExecutor, TokioIo},
        server::conn::auto::Builder,
    };
    let mut builder = s3s::service::S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
    builder.set_auth(s3s::auth::SimpleAuth::from_single("key", "secret"));
    let service = builder.build();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let _ =
                    Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn files_are_kept_in_any_s3() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("bucket")).unwrap();
    let endpoint = s3(root.path()).await;
    let app = App::with(|settings| {
        settings.evidence.evidence_url = Some("s3://bucket/election".to_owned());
        settings.evidence.s3_endpoint = Some(endpoint);
        settings.evidence.s3_access_key = Some("key".to_owned());
        settings.evidence.s3_secret_key = Some("secret".to_owned());
    })
    .await;
    let observer = app.sign_in("observer").await;
    let record = observer.file(json!({})).await;
    let tus = Tus { person: &observer };
    // Larger than a piece of a multipart upload, so that there are several.
    let bytes = photo(20_000_000);
    let upload = tus.create(&record, bytes.len(), &[]).await.header("location").to_owned();
    let mut offset = 0;
    let mut evidence = Value::Null;
    while offset < bytes.len() {
        let end = (offset + 7_000_000).min(bytes.len());
        let answer = tus.patch(&upload, offset, &bytes[offset..end], &[]).await;
        assert_eq!(answer.status, 204, "{}", String::from_utf8_lossy(&answer.body));
        if let Some(id) = answer.headers.get("baqylau-evidence") {
            evidence = json!(id.to_str().unwrap());
        }
        offset = end;
    }
    let id = evidence.as_str().unwrap();
    assert!(observer.get(&format!("/evidence/{id}/original")).await.body == bytes);
    let copy = app.sign_in("qaraghandy").await.get(&format!("/evidence/{id}/copy")).await;
    assert!(memchr::memmem::find(&copy.body, b"GPS").is_none() && copy.body.len() > 20_000_000);
    let name = hex::encode(Sha256::digest(&bytes));
    let object = root.path().join("bucket/election/blobs").join(&name[..2]).join(&name);
    assert_eq!(std::fs::metadata(object).unwrap().len(), bytes.len() as u64);
    assert_eq!(names(&root.path().join("bucket/election"), "uploads"), 0);
}
