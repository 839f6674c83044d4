//! The uploads, driven by tus-js-client through a network that is cut again and again.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    evidence::photo,
    support::{App, npm_ci},
};

/// A proxy that lets some hundred kilobytes of a connection through and then cuts it; answers its address
/// and counts the cuts.
async fn cutting(to: String) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let cuts = Arc::new(AtomicU64::new(0));
    let counted = cuts.clone();
    tokio::spawn(async move {
        let mut connections = 0u64;
        while let Ok((mut client, _)) = listener.accept().await {
            connections += 1;
            // Not the same for each connection, and the same in each run.
            let mut left = 150_000 + connections * 2_654_435_761 % 700_000;
            let (to, cuts) = (to.clone(), counted.clone());
            tokio::spawn(async move {
                let Ok(mut server) = TcpStream::connect(to).await else { return };
                let (mut up, mut down) = ([0; 16 * 1024], [0; 16 * 1024]);
                loop {
                    tokio::select! {
                        read = client.read(&mut up) => match read {
                            Ok(n) if n > 0 && server.write_all(&up[..n]).await.is_ok() => {
                                left = left.saturating_sub(n as u64);
                                if left == 0 {
                                    cuts.fetch_add(1, Ordering::Relaxed);
                                    return;
                                }
                            }
                            _ => return,
                        },
                        read = server.read(&mut down) => match read {
                            Ok(n) if n > 0 && client.write_all(&down[..n]).await.is_ok() => {}
                            _ => return,
                        },
                    }
                }
            });
        }
    });
    (address, cuts)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_client_gets_its_film_through_a_failing_network() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tus");
    npm_ci(&folder);
    let app = App::new().await;
    let observer = app.sign_in("observer").await;
    let record = observer.file(json!({})).await;
    let record = record.rsplit('/').next().unwrap().to_owned();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("film");
    for (parallel, size) in [("1", 12_000_000), ("3", 6_000_000)] {
        let bytes = photo(size);
        std::fs::write(&file, &bytes).unwrap();
        let (address, cuts) = cutting(app.url.strip_prefix("http://").unwrap().to_owned()).await;
        let endpoint = format!("http://{address}/api/v1/evidence/uploads");
        let output = tokio::process::Command::new("node")
            .arg(folder.join("upload.mjs"))
            .args([&endpoint, observer.token.as_ref().unwrap()])
            .arg(&file)
            .args([&record, parallel])
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{parallel} at a time: {said}");
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(cuts.load(Ordering::Relaxed) >= 5, "the network did fail: {told}");
        let evidence = told["evidence"].as_str().expect("the last answer names the evidence");
        let original = observer.get(&format!("/evidence/{evidence}/original")).await;
        assert!(original.body == bytes, "bit for bit, {parallel} at a time");
    }
}
