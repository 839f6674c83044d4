//! How an upload is received, goes on after a cut, and becomes a file of its record.
//!
//! Bytes go to the object store in pieces; a piece counts once its row is committed. A kill at any moment
//! leaves the upload where its last row says, and objects that no row names, which are swept away with
//! the upload. The file itself is put together last, under its hash: doing it twice is doing it once.

use std::{sync::LazyLock, time::Duration};

use actix_web::web::{Bytes, BytesMut, Payload};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256, digest::common::hazmat::SerializableState};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::{
    kinds,
    objects::Objects,
    scrub::{self, Source},
    store::{self, Blob, EvidenceRow, Part, Upload},
    tus::Checksum,
};
use crate::{
    accounts::Scope,
    db::Pool,
    http::{Kind, Problem},
    ledger, records,
};

/// Bytes that are held before they go to the store; what a cut costs at most, if the program is killed too.
const PIECE: usize = 2 * 1024 * 1024;
/// How long the next bytes may take to come.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bodies that are received at one time, so that memory stays bounded.
static TURNS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(64));

/// The uploads of one service.
#[derive(Clone)]
pub struct Uploads {
    pub pool: Pool,
    pub objects: Objects,
    /// How long an upload may rest.
    pub rest: TimeDelta,
    /// The largest file, in bytes.
    pub most: u64,
    /// What one person may store, in bytes.
    pub quota: u64,
}

/// What came of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Where the upload stands.
    pub offset: i64,
    /// Why it is not further.
    pub fault: Option<Kind>,
}

fn hash_of(state: Option<&Vec<u8>>) -> Option<Sha256> {
    match state {
        None => Some(Sha256::new()),
        Some(state) => Sha256::deserialize(&state.as_slice().try_into().ok()?).ok(),
    }
}

impl Uploads {
    pub fn expiry(&self) -> DateTime<Utc> {
        records::to_micros(Utc::now() + self.rest)
    }

    fn key(upload: Uuid, start: i64) -> String {
        format!("uploads/{upload}/{start:015}-{}", Uuid::new_v4().simple())
    }

    /// Receives a body that goes on where the upload stands. What arrived before a cut is kept, unless a
    /// checksum was promised: then it is all or nothing.
    ///
    /// # Errors
    /// When the database or the store is away; what was committed before stays.
    pub async fn receive(
        &self,
        upload: &Upload,
        mut body: Payload,
        mut checksum: Option<Checksum>,
    ) -> Result<Received, Problem> {
        let _turn = TURNS.try_acquire().map_err(|_| Problem::later(Kind::Unavailable, 5))?;
        let mut hash = hash_of(upload.hash_state.as_ref()).ok_or_else(|| Problem::new(Kind::Internal))?;
        let mut offset = upload.received;
        let mut waiting: Vec<Part> = Vec::new();
        let mut buffer = BytesMut::new();
        let mut fault = None;
        loop {
            let chunk = match tokio::time::timeout(PATIENCE, body.next()).await {
                Ok(Some(Ok(chunk))) => chunk,
                Ok(None) => break,
                Ok(Some(Err(_))) | Err(_) => {
                    fault = Some(Kind::Timeout);
                    break;
                }
            };
            let room = (upload.length - offset - stored_of(&waiting)) as usize - buffer.len();
            if chunk.len() > room {
                fault = Some(Kind::TooLarge);
                break;
            }
            if let Some(checksum) = &mut checksum {
                checksum.update(&chunk);
            }
            buffer.extend_from_slice(&chunk);
            while buffer.len() >= PIECE {
                let piece = buffer.split_to(PIECE).freeze();
                hash.update(&piece);
                waiting.push(self.put(upload.id, offset + stored_of(&waiting), piece).await?);
                if checksum.is_none() {
                    offset = self.commit(upload.id, offset, &mut waiting, &hash).await?;
                }
            }
        }
        if let Some(checksum) = checksum {
            if fault.is_none() && !checksum.holds() {
                fault = Some(Kind::Checksum);
            }
            if fault.is_some() {
                return Ok(Received { offset, fault });
            }
        }
        if !buffer.is_empty() {
            let piece = buffer.freeze();
            hash.update(&piece);
            waiting.push(self.put(upload.id, offset + stored_of(&waiting), piece).await?);
        }
        if !waiting.is_empty() {
            offset = self.commit(upload.id, offset, &mut waiting, &hash).await?;
        }
        Ok(Received { offset, fault })
    }

    async fn put(&self, upload: Uuid, start: i64, piece: Bytes) -> Result<Part, Problem> {
        let object_key = Self::key(upload, start);
        let length = piece.len() as i64;
        self.objects.put(&object_key, piece).await.map_err(away)?;
        Ok(Part { upload_id: upload, start, length, object_key })
    }

    async fn commit(
        &self,
        upload: Uuid,
        offset: i64,
        parts: &mut Vec<Part>,
        hash: &Sha256,
    ) -> Result<i64, Problem> {
        let state = hash.serialize().to_vec();
        let mut conn = self.pool.get().await?;
        if !store::advance(&mut conn, upload, offset, parts, state, self.expiry()).await? {
            // The client came back by another way while this one still seemed open.
            return Err(Problem::new(Kind::Offset));
        }
        Ok(offset + stored_of(&std::mem::take(parts)))
    }

    /// Makes a full upload a file of its record; answers the id of the evidence. Done again it answers the
    /// same.
    pub async fn finish(&self, id: Uuid) -> Result<Uuid, Problem> {
        match self.put_together(id).await {
            Ok(evidence) => Ok(evidence),
            Err(problem) => {
                // Somebody else may have finished it and cleared its pieces away meanwhile.
                let now = store::upload(&mut *self.pool.get().await?, id).await?;
                now.and_then(|upload| upload.evidence_id).ok_or(problem)
            }
        }
    }

    async fn put_together(&self, id: Uuid) -> Result<Uuid, Problem> {
        let missing = || Problem::new(Kind::NotFound);
        let (upload, parts, election, record) = {
            let mut conn = self.pool.get().await?;
            let upload = store::upload(&mut conn, id).await?.ok_or_else(missing)?;
            if let Some(evidence) = upload.evidence_id {
                return Ok(evidence);
            }
            let record = upload.record_id.ok_or_else(missing)?;
            let election = store::election_of(&mut conn, &Scope::All, record).await?.ok_or_else(missing)?;
            let of: Vec<Uuid> = if upload.partials.is_empty() { vec![id] } else { upload.partials.clone() };
            let parts = store::parts(&mut conn, &of).await?;
            (upload, parts, election, record)
        };
        let head = self.head(&parts).await.map_err(away)?;
        let Some((kind, media_type)) = kinds::tell(&head) else {
            self.remove(id).await?;
            return Err(Problem::new(Kind::FileType));
        };
        let sha256 = match &upload.hash_state {
            Some(_) if upload.concat.is_none() => {
                let hash = hash_of(upload.hash_state.as_ref()).ok_or_else(|| Problem::new(Kind::Internal))?;
                hash.finalize().to_vec()
            }
            _ => {
                let mut hash = Sha256::new();
                let mut bytes = Box::pin(self.read(parts.clone()));
                while let Some(piece) = bytes.try_next().await.map_err(away)? {
                    hash.update(&piece);
                }
                hash.finalize().to_vec()
            }
        };
        let known = store::blob(&mut *self.pool.get().await?, &sha256).await?;
        let blob = match known {
            Some(blob) => blob,
            None => self.keep(&sha256, upload.length, parts, kind, media_type).await?,
        };
        let row = EvidenceRow {
            id: Uuid::now_v7(),
            election_id: election,
            record_id: record,
            sha256,
            filename: upload.filename,
            uploader_id: upload.owner_id,
            at: records::now(),
            salt: ledger::new_salt().to_vec(),
            commitment: Vec::new(),
        };
        let evidence = store::finish(&mut *self.pool.get().await?, id, &blob, row).await?;
        for upload in upload.partials.iter().chain([&id]) {
            if let Err(error) = self.objects.remove_all(&format!("uploads/{upload}")).await {
                tracing::debug!(%error, "pieces of an upload are left for the sweep");
            }
        }
        Ok(evidence)
    }

    /// Puts the file together under its hash, which is computed once more on the way.
    async fn keep(
        &self,
        sha256: &[u8],
        size: i64,
        parts: Vec<Part>,
        kind: kinds::FileKind,
        media_type: &str,
    ) -> Result<Blob, Problem> {
        let name = hex::encode(sha256);
        let object_key = format!("blobs/{}/{name}", &name[..2]);
        let hash = std::sync::Mutex::new(Sha256::new());
        let bytes = self.read(parts).inspect_ok(|piece| hash.lock().expect("not poisoned").update(piece));
        let right = || hash.lock().expect("not poisoned").clone().finalize().as_slice() == sha256;
        let kept = self.objects.compose(&object_key, Box::pin(bytes), right).await.map_err(away)?;
        if !kept {
            tracing::error!("the object store gave back other bytes than it was given");
            return Err(Problem::new(Kind::Internal));
        }
        let source = Source { objects: &self.objects, key: &object_key, size: size as u64 };
        let rewritten = format!("copies/{}/{name}", &name[..2]);
        let scrub = scrub::plan(&source, kind, &rewritten).await.map_err(away)?;
        Ok(Blob { sha256: sha256.to_vec(), size, media_type: media_type.to_owned(), object_key, scrub })
    }

    async fn head(&self, parts: &[Part]) -> object_store::Result<Bytes> {
        let mut head = BytesMut::new();
        for part in parts {
            let wanted = kinds::HEAD - head.len() as u64;
            if wanted == 0 {
                break;
            }
            let piece = self.objects.range(&part.object_key, 0..wanted.min(part.length as u64)).await?;
            head.extend_from_slice(&piece);
        }
        Ok(head.freeze())
    }

    fn read(&self, parts: Vec<Part>) -> impl Stream<Item = object_store::Result<Bytes>> + Send {
        let objects = self.objects.clone();
        stream::iter(parts)
            .then(move |part| {
                let objects = objects.clone();
                async move { objects.stream(&part.object_key, 0..part.length as u64).await }
            })
            .try_flatten()
    }

    /// Forgets an upload and its pieces.
    pub async fn remove(&self, id: Uuid) -> Result<bool, Problem> {
        let was = store::forget(&mut *self.pool.get().await?, id).await?;
        self.objects.remove_all(&format!("uploads/{id}")).await.map_err(away)?;
        Ok(was)
    }

    /// Clears away what was given up and finishes what a kill left unfinished; for as long as the program
    /// runs.
    pub async fn sweep(self) {
        for turn in 0u64.. {
            tokio::time::sleep(Duration::from_secs(30)).await;
            let mut swept = self.sweep_once().await;
            // Listing a bucket costs; strays are few.
            if turn % 120 == 0 && swept.is_ok() {
                swept = self.sweep_strays().await;
            }
            if let Err(problem) = swept {
                tracing::debug!(%problem, "uploads could not be swept");
            }
        }
    }

    /// Removes pieces whose upload is gone: a body that was still being received when it went.
    pub async fn sweep_strays(&self) -> Result<(), Problem> {
        for folder in self.objects.folders("uploads").await.map_err(away)? {
            let Ok(id) = Uuid::parse_str(&folder) else { continue };
            if !store::is_known(&mut *self.pool.get().await?, id).await? {
                self.objects.remove_all(&format!("uploads/{id}")).await.map_err(away)?;
            }
        }
        Ok(())
    }

    /// One sweep.
    pub async fn sweep_once(&self) -> Result<(), Problem> {
        let (expired, full) = store::stale(&mut *self.pool.get().await?).await?;
        for id in full {
            let _ = self.finish(id).await;
        }
        for id in expired {
            self.remove(id).await?;
        }
        Ok(())
    }
}

fn stored_of(parts: &[Part]) -> i64 {
    parts.iter().map(|part| part.length).sum()
}

/// The object store is away.
pub fn away(error: object_store::Error) -> Problem {
    tracing::warn!(%error, "the object store is away");
    Problem::later(Kind::Unavailable, 5)
}
