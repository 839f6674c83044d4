//! `/evidence`: the files of a record.

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header::{self, Header},
    web::{Bytes, Data, Path},
};
use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    kinds,
    objects::Objects,
    scrub::{self, Scrub, Segment},
    store::{self, Blob, EvidenceRow},
    uploads::Uploads,
};
use crate::{
    accounts::{Caller, Role},
    http::{Answer, Kind, Problem, query::Query},
    ledger::{self, Ledger, Receipt},
    places::directory::Places,
};

/// A file of a record.
#[derive(Serialize, ToSchema)]
pub struct EvidenceView {
    id: Uuid,
    record: Uuid,
    /// Of the original, in hexadecimal.
    sha256: String,
    /// Bytes of the original.
    size: i64,
    /// Told by the bytes.
    media_type: String,
    /// As who sent it named it.
    filename: Option<String>,
    uploader: Uuid,
    at: DateTime<Utc>,
    /// Where the copy without metadata is; absent where none can be made.
    copy: Option<String>,
}

fn shown(row: &EvidenceRow, blob: &Blob) -> EvidenceView {
    EvidenceView {
        id: row.id,
        record: row.record_id,
        sha256: hex::encode(&row.sha256),
        size: blob.size,
        media_type: blob.media_type.clone(),
        filename: row.filename.clone(),
        uploader: row.uploader_id,
        at: row.at,
        copy: (blob.scrub != Scrub::Impossible).then(|| format!("/api/v1/evidence/{}/copy", row.id)),
    }
}

/// The files of a record, the first first.
#[utoipa::path(tag = "evidence", path = "/api/v1/evidence", security(("token" = [])), params(("record" = Uuid, Query)),
    responses((status = 200, body = Vec<EvidenceView>), (status = 404, description = "No such record, or out of reach")))]
#[get("/evidence")]
pub async fn list(caller: Caller, uploads: Data<Uploads>, places: Data<Places>, mut query: Query) -> Answer {
    let record: Option<Uuid> = query.parsed("record", "unknown_record");
    if record.is_none() {
        query.faults.add("?record", "required");
    }
    query.finish()?;
    let record = record.unwrap_or_default();
    let scope = caller.scope(&*places.get().await);
    let mut conn = uploads.pool.get().await?;
    let known = store::election_of(&mut conn, &scope, record).await?;
    known.ok_or_else(|| Problem::new(Kind::NotFound))?;
    let found = store::of_record(&mut conn, record).await?;
    let views: Vec<_> = found.iter().map(|(row, blob)| shown(row, blob)).collect();
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "private, no-cache")).json(views))
}

async fn find(
    caller: &Caller,
    uploads: &Uploads,
    places: &Places,
    id: &str,
) -> Result<(EvidenceRow, Blob), Problem> {
    let missing = || Problem::new(Kind::NotFound);
    let id = Uuid::parse_str(id).map_err(|_| missing())?;
    let scope = caller.scope(&*places.get().await);
    let mut conn = uploads.pool.get().await?;
    let (row, blob) = store::one(&mut conn, id).await?.ok_or_else(missing)?;
    store::election_of(&mut conn, &scope, row.record_id).await?.ok_or_else(missing)?;
    Ok((row, blob))
}

/// One file.
#[utoipa::path(tag = "evidence", path = "/api/v1/evidence/{id}", security(("token" = [])), params(("id" = Uuid, Path)),
    responses((status = 200, body = EvidenceView), (status = 404, description = "Not there, or out of reach")))]
#[get("/evidence/{id}")]
pub async fn one(caller: Caller, id: Path<String>, uploads: Data<Uploads>, places: Data<Places>) -> Answer {
    let (row, blob) = find(&caller, &uploads, &places, &id).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .json(shown(&row, &blob)))
}

/// The receipt of a file, with its proof in the ledger's tree.
#[utoipa::path(tag = "evidence", path = "/api/v1/evidence/{id}/receipt", security(("token" = [])), params(("id" = Uuid, Path)),
    responses((status = 200, body = Receipt), (status = 404, description = "Not there, or out of reach")))]
#[get("/evidence/{id}/receipt")]
pub async fn receipt(
    caller: Caller,
    id: Path<String>,
    uploads: Data<Uploads>,
    places: Data<Places>,
    ledger: Data<Ledger>,
) -> Answer {
    let (row, blob) = find(&caller, &uploads, &places, &id).await?;
    let mut conn = uploads.pool.get().await?;
    let receipt = ledger::routes::receipt(&mut conn, &ledger, row.entry(&blob), &row.salt, None).await?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "private, no-cache")).json(receipt))
}

/// The original, bit for bit: for who sent it, and admins. It may tell who took it and where.
#[utoipa::path(tag = "evidence", path = "/api/v1/evidence/{id}/original", security(("token" = [])), params(("id" = Uuid, Path)),
    responses((status = 200, description = "The file"), (status = 206, description = "A range of it"), (status = 403, description = "The copy is for you")))]
#[get("/evidence/{id}/original")]
pub async fn original(
    request: HttpRequest,
    caller: Caller,
    id: Path<String>,
    uploads: Data<Uploads>,
    places: Data<Places>,
) -> Answer {
    let (row, blob) = find(&caller, &uploads, &places, &id).await?;
    if row.uploader_id != caller.id() && caller.account.role != Role::Admin {
        return Err(Problem::new(Kind::Forbidden));
    }
    let segments = vec![Segment::Original(0..blob.size as u64)];
    let tag = format!("\"{}\"", hex::encode(&blob.sha256));
    Ok(send(&request, &uploads.objects, blob.object_key.clone(), segments, &tag, &row, &blob))
}

/// The copy without metadata: the picture, film or sound alone. For all who see the record.
#[utoipa::path(tag = "evidence", path = "/api/v1/evidence/{id}/copy", security(("token" = [])), params(("id" = Uuid, Path)),
    responses((status = 200, description = "The file"), (status = 206, description = "A range of it"), (status = 409, description = "No copy can be made of this form of file")))]
#[get("/evidence/{id}/copy")]
pub async fn copy(
    request: HttpRequest,
    caller: Caller,
    id: Path<String>,
    uploads: Data<Uploads>,
    places: Data<Places>,
) -> Answer {
    let (row, blob) = find(&caller, &uploads, &places, &id).await?;
    let (key, segments) = match &blob.scrub {
        Scrub::Edits(edits) => (blob.object_key.clone(), scrub::segments(edits, blob.size as u64)),
        Scrub::Rewritten { object_key, size } => (object_key.clone(), vec![Segment::Original(0..*size)]),
        Scrub::Impossible => return Err(Problem::new(Kind::NoCopy)),
    };
    let tag = format!("\"copy-{}\"", hex::encode(&blob.sha256));
    Ok(send(&request, &uploads.objects, key, segments, &tag, &row, &blob))
}

/// Sends a file, or the range that is asked for (RFC 9110 §14).
fn send(
    request: &HttpRequest,
    objects: &Objects,
    key: String,
    segments: Vec<Segment>,
    tag: &str,
    row: &EvidenceRow,
    blob: &Blob,
) -> HttpResponse {
    let length = scrub::length(&segments);
    let fresh = crate::http::preconditions::has_fresh(request, tag);
    let same = request.headers().get(header::IF_RANGE).is_none_or(|value| value.as_bytes() == tag.as_bytes());
    let asked = request.headers().contains_key(header::RANGE) && same;
    let range = match header::Range::parse(request) {
        Ok(header::Range::Bytes(specs)) if asked && specs.len() == 1 => {
            specs[0].to_satisfiable_range(length).map(|(from, to)| Some(from..to + 1)).ok_or(())
        }
        // Several ranges, or units that are not bytes: the whole, as the RFC allows.
        _ => Ok(None),
    };
    let mut response = match (&range, fresh) {
        (_, true) => HttpResponse::NotModified(),
        (Ok(None), _) => HttpResponse::Ok(),
        (Ok(Some(_)), _) => HttpResponse::PartialContent(),
        (Err(()), _) => HttpResponse::RangeNotSatisfiable(),
    };
    let name = format!("{}.{}", row.id, kinds::extension(&blob.media_type));
    response
        .insert_header((header::ETAG, tag))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"));
    if fresh {
        return response.finish();
    }
    let range = match range {
        Err(()) => {
            return response.insert_header((header::CONTENT_RANGE, format!("bytes */{length}"))).finish();
        }
        Ok(Some(range)) => {
            let told = format!("bytes {}-{}/{length}", range.start, range.end - 1);
            response.insert_header((header::CONTENT_RANGE, told));
            range
        }
        Ok(None) => 0..length,
    };
    let body = stream_of(objects.clone(), key, scrub::within(&segments, range.clone()));
    response
        .content_type(blob.media_type.as_str())
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .no_chunking(range.end - range.start)
        .streaming(body)
}

/// The bytes of stretches, one after another.
fn stream_of(
    objects: Objects,
    key: String,
    segments: Vec<Segment>,
) -> impl Stream<Item = Result<Bytes, actix_web::Error>> {
    const ZEROS: u64 = 64 * 1024;
    stream::iter(segments)
        .then(move |segment| {
            let (objects, key) = (objects.clone(), key.clone());
            async move {
                Ok::<_, object_store::Error>(match segment {
                    Segment::Original(range) => objects.stream(&key, range).await?.boxed(),
                    Segment::Bytes(bytes) => stream::iter([Ok(bytes)]).boxed(),
                    Segment::Zeros(n) => {
                        let zeros = Bytes::from(vec![0; n.min(ZEROS) as usize]);
                        let pieces = (0..n.div_ceil(ZEROS))
                            .map(move |i| Ok(zeros.slice(..(n - i * ZEROS).min(ZEROS) as usize)));
                        stream::iter(pieces).boxed()
                    }
                })
            }
        })
        .try_flatten()
        .map_err(|error| {
            tracing::warn!(%error, "a download broke off");
            actix_web::error::ErrorInternalServerError("the download broke off")
        })
}
