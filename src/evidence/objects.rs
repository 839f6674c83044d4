//! Where the bytes of files are: a local folder, or any S3.

use std::{ops::Range, path::Path as FilePath, sync::Arc};

use actix_web::web::Bytes;
use anyhow::{Context, bail};
use futures_util::{Stream, StreamExt, TryStreamExt};
use object_store::{
    ObjectStore, ObjectStoreExt, WriteMultipart, aws::AmazonS3Builder, local::LocalFileSystem, path::Path,
    prefix::PrefixStore,
};

use crate::config::EvidenceSettings;

/// Bytes that go to the store at a time while a file is put together; S3 takes no less than 5 MiB.
const CHUNK: usize = 8 * 1024 * 1024;

/// The store of objects.
#[derive(Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
}

impl Objects {
    /// A store that is gone with the program, for what only looks at one file.
    pub fn in_memory() -> Self {
        Self { store: Arc::new(object_store::memory::InMemory::new()) }
    }

    /// The store that the settings name, `evidence` in the data directory by default.
    ///
    /// # Errors
    /// When the folder cannot be made or the URL is not understood.
    pub fn open(settings: &EvidenceSettings, data_dir: &FilePath) -> anyhow::Result<Self> {
        let Some(url) = &settings.evidence_url else {
            let folder = data_dir.join("evidence");
            std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
            std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
            // What was acknowledged survives a power cut.
            let store =
                LocalFileSystem::new_with_prefix(folder)?.with_fsync(true).with_automatic_cleanup(false);
            return Ok(Self { store: Arc::new(store) });
        };
        let Some(place) = url.strip_prefix("s3://") else {
            bail!("{url:?} is no s3://bucket/prefix");
        };
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        // The client of the store wants a TLS provider chosen.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(&settings.s3_region)
            .with_virtual_hosted_style_request(false);
        if let Some(endpoint) = &settings.s3_endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        if let (Some(key), Some(secret)) = (&settings.s3_access_key, &settings.s3_secret_key) {
            builder = builder.with_access_key_id(key).with_secret_access_key(secret);
        }
        let store = builder.build()?;
        Ok(match prefix.trim_matches('/') {
            "" => Self { store: Arc::new(store) },
            prefix => Self { store: Arc::new(PrefixStore::new(store, prefix)) },
        })
    }

    pub async fn put(&self, key: &str, bytes: Bytes) -> object_store::Result<()> {
        self.store.put(&Path::from(key), bytes.into()).await.map(|_| ())
    }

    /// The bytes of a range.
    pub async fn range(&self, key: &str, range: Range<u64>) -> object_store::Result<Bytes> {
        self.store.get_range(&Path::from(key), range).await
    }

    /// A stream of a range.
    pub async fn stream(
        &self,
        key: &str,
        range: Range<u64>,
    ) -> object_store::Result<impl Stream<Item = object_store::Result<Bytes>> + Send + use<>> {
        let options = object_store::GetOptions { range: Some(range.into()), ..Default::default() };
        Ok(self.store.get_opts(&Path::from(key), options).await?.into_stream())
    }

    /// Writes an object from a stream; it is there whole, or not at all. `check` decides at the end whether
    /// it shall be.
    pub async fn compose(
        &self,
        key: &str,
        mut bytes: impl Stream<Item = object_store::Result<Bytes>> + Unpin,
        check: impl FnOnce() -> bool,
    ) -> object_store::Result<bool> {
        let upload = self.store.put_multipart(&Path::from(key)).await?;
        let mut write = WriteMultipart::new_with_chunk_size(upload, CHUNK);
        loop {
            match bytes.next().await {
                None => break,
                Some(Ok(piece)) => {
                    write.wait_for_capacity(2).await?;
                    write.put(piece);
                }
                Some(Err(error)) => {
                    let _ = write.abort().await;
                    return Err(error);
                }
            }
        }
        if !check() {
            write.abort().await?;
            return Ok(false);
        }
        write.finish().await?;
        Ok(true)
    }

    /// The names of what looks like folders under a prefix.
    pub async fn folders(&self, prefix: &str) -> object_store::Result<Vec<String>> {
        let found = self.store.list_with_delimiter(Some(&Path::from(prefix))).await?;
        let name = |path: &Path| path.filename().map(str::to_owned);
        Ok(found.common_prefixes.iter().filter_map(name).collect())
    }

    /// Removes what is under a prefix.
    pub async fn remove_all(&self, prefix: &str) -> object_store::Result<()> {
        let prefix = Path::from(prefix);
        let keys: Vec<Path> = self.store.list(Some(&prefix)).map_ok(|it| it.location).try_collect().await?;
        for key in keys {
            self.store.delete(&key).await?;
        }
        Ok(())
    }
}

/// A store in a folder that goes with the answer's first half.
#[cfg(test)]
pub fn temporary() -> (tempfile::TempDir, Objects) {
    let dir = tempfile::tempdir().expect("a folder");
    let store = LocalFileSystem::new_with_prefix(dir.path()).expect("a store");
    (dir, Objects { store: Arc::new(store) })
}
