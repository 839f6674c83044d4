//! `/evidence/uploads`: resumable uploads, tus 1.0 with creation, creation-with-upload, expiration,
//! checksum, termination and concatenation.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{Method, header},
    rt,
    web::{self, Data, Path, Payload, ServiceConfig},
};
use uuid::Uuid;

use super::{
    store::{self, Upload},
    tus::{self, Checksum, Concat},
    uploads::{Received, Uploads},
};
use crate::{
    accounts::Caller,
    http::{Answer, Kind, Problem},
    places::directory::Places,
};

const PATH: &str = "/api/v1/evidence/uploads";
/// The evidence that an upload became.
const EVIDENCE: &str = "Baqylau-Evidence";

/// Registers the routes.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/evidence/uploads")
                .route(web::method(Method::OPTIONS).to(options))
                .route(web::post().to(create)),
        )
        .service(
            web::resource("/evidence/uploads/{id}")
                .route(web::method(Method::OPTIONS).to(options))
                .route(web::head().to(head))
                .route(web::patch().to(append))
                .route(web::delete().to(terminate))
                // For clients that know no other methods.
                .route(web::post().to(overridden)),
        );
}

fn tus(mut response: HttpResponseBuilder) -> HttpResponseBuilder {
    response.insert_header(("Tus-Resumable", tus::VERSION));
    response
}

/// 412 unless the client speaks this version.
fn check_version(request: &HttpRequest) -> Result<(), Problem> {
    match text(request, "tus-resumable")? {
        Some(tus::VERSION) => Ok(()),
        _ => Err(Problem::new(Kind::TusVersion)),
    }
}

fn text<'a>(request: &'a HttpRequest, name: &str) -> Result<Option<&'a str>, Problem> {
    let value = request.headers().get(name);
    value.map(|value| value.to_str().map_err(|_| Problem::new(Kind::Malformed))).transpose()
}

fn number(request: &HttpRequest, name: &str) -> Result<Option<i64>, Problem> {
    let parse = |text: &str| text.parse().ok().filter(|n| *n >= 0).ok_or(Problem::new(Kind::Malformed));
    text(request, name)?.map(parse).transpose()
}

fn checksum(request: &HttpRequest) -> Result<Option<Checksum>, Problem> {
    let read = |text: &str| Checksum::read(text).ok_or(Problem::new(Kind::Malformed));
    text(request, "upload-checksum")?.map(read).transpose()
}

/// What is spoken here (tus 1.0).
#[utoipa::path(options, tag = "evidence", path = "/api/v1/evidence/uploads", responses((status = 204, description = "Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm")))]
pub async fn options(uploads: Data<Uploads>) -> HttpResponse {
    tus(HttpResponse::NoContent())
        .insert_header(("Tus-Version", tus::VERSION))
        .insert_header(("Tus-Extension", tus::EXTENSIONS))
        .insert_header(("Tus-Max-Size", uploads.most))
        .insert_header(("Tus-Checksum-Algorithm", tus::ALGORITHMS))
        .finish()
}

/// Begins an upload. `Upload-Metadata` names the record (`record <base64 of its id>`) and may name the file.
#[utoipa::path(post, tag = "evidence", path = "/api/v1/evidence/uploads", security(("token" = [])),
    params(("Tus-Resumable" = String, Header), ("Upload-Length" = Option<i64>, Header), ("Upload-Metadata" = Option<String>, Header), ("Upload-Concat" = Option<String>, Header), ("Upload-Checksum" = Option<String>, Header)),
    responses((status = 201, description = "Location of the upload"), (status = 413, description = "Too large, or the quota is spent"), (status = 415, description = "No form of file that is taken"), (status = 422, description = "No such record")))]
pub async fn create(
    request: HttpRequest,
    caller: Caller,
    body: Payload,
    uploads: Data<Uploads>,
    places: Data<Places>,
) -> Answer {
    check_version(&request)?;
    let malformed = || Problem::new(Kind::Malformed);
    let concat = match text(&request, "upload-concat")? {
        None => None,
        Some(header) => Some(tus::concat(header).ok_or_else(malformed)?),
    };
    let metadata =
        tus::metadata(text(&request, "upload-metadata")?.unwrap_or_default()).ok_or_else(malformed)?;
    let scope = caller.scope(&*places.get().await);
    let mut conn = uploads.pool.get().await?;
    let mut upload = Upload {
        id: Uuid::now_v7(),
        owner_id: caller.id(),
        record_id: None,
        concat: None,
        partials: Vec::new(),
        length: 0,
        received: 0,
        hash_state: None,
        filename: metadata.get("filename").or(metadata.get("name")).map(|name| clean_name(name)),
        expires_at: uploads.expiry(),
        evidence_id: None,
    };
    if concat != Some(Concat::Partial) {
        let record = metadata.get("record").and_then(|id| Uuid::parse_str(id).ok());
        let unknown = || Problem::fault("?Upload-Metadata", "unknown_record");
        let record = record.ok_or_else(unknown)?;
        store::election_of(&mut conn, &scope, record).await?.ok_or_else(unknown)?;
        upload.record_id = Some(record);
    }
    match &concat {
        Some(Concat::Final(ids)) => {
            for id in ids {
                let partial = mine(&mut conn, &caller, id).await?;
                if partial.concat.as_deref() != Some("partial") || partial.received < partial.length {
                    return Err(Problem::new(Kind::State));
                }
                upload.length = upload.length.saturating_add(partial.length);
                upload.partials.push(partial.id);
            }
            upload.received = upload.length;
            upload.concat = Some("final".to_owned());
        }
        _ => {
            upload.length = number(&request, "upload-length")?.ok_or_else(malformed)?;
            upload.concat = concat.is_some().then(|| "partial".to_owned());
            let used = store::used(&mut conn, caller.id()).await?;
            if used.saturating_add(upload.length) as u64 > uploads.quota {
                return Err(Problem::new(Kind::Quota));
            }
        }
    }
    if upload.length == 0 {
        return Err(Problem::fault("?Upload-Length", "empty_file"));
    }
    if upload.length as u64 > uploads.most {
        return Err(Problem::new(Kind::TooLarge));
    }
    store::add_upload(&mut conn, &upload).await?;
    drop(conn);
    let with_body = text(&request, "content-type")? == Some(tus::OFFSET_STREAM);
    let mut evidence = None;
    if upload.concat.as_deref() == Some("final") {
        evidence = Some(uploads.finish(upload.id).await?);
    } else if with_body {
        let checksum = checksum(&request)?;
        let received = receive(&uploads, &upload, body, checksum).await?;
        upload.received = received.offset;
        evidence = finished(&uploads, &upload).await?;
    }
    let mut response = tus(HttpResponse::Created());
    response
        .insert_header((header::LOCATION, format!("{PATH}/{}", upload.id)))
        .insert_header(("Upload-Expires", http_date(&upload)));
    if with_body {
        response.insert_header(("Upload-Offset", upload.received));
    }
    if let Some(evidence) = evidence {
        response.insert_header((EVIDENCE, evidence.to_string()));
    }
    Ok(response.finish())
}

/// The name alone, whatever path or control characters came with it.
fn clean_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|c| !c.is_control()).take(200).collect();
    if clean.trim().is_empty() { "file".to_owned() } else { clean }
}

fn http_date(upload: &Upload) -> String {
    header::HttpDate::from(std::time::SystemTime::from(upload.expires_at)).to_string()
}

/// An upload of the caller's; another's is not there.
async fn mine(
    conn: &mut diesel_async::AsyncPgConnection,
    caller: &Caller,
    id: &str,
) -> Result<Upload, Problem> {
    let missing = || Problem::new(Kind::NotFound);
    let id = Uuid::parse_str(id).map_err(|_| missing())?;
    let upload = store::upload(conn, id).await?;
    upload.filter(|upload| upload.owner_id == caller.id()).ok_or_else(missing)
}

/// Receives on a task of its own: when the connection breaks, what arrived is stored all the same.
async fn receive(
    uploads: &Data<Uploads>,
    upload: &Upload,
    body: Payload,
    checksum: Option<Checksum>,
) -> Result<Received, Problem> {
    let (uploads, upload) = (uploads.clone(), upload.clone());
    let task = rt::spawn(async move { uploads.receive(&upload, body, checksum).await });
    let received = task.await.map_err(|_| Problem::new(Kind::Internal))??;
    match received.fault {
        // A body that was cut off is no fault of this answer, if anybody reads it.
        None | Some(Kind::Timeout) => Ok(received),
        Some(kind) => Err(Problem::new(kind)),
    }
}

/// The evidence, once all is there.
async fn finished(uploads: &Uploads, upload: &Upload) -> Result<Option<Uuid>, Problem> {
    if upload.received < upload.length || upload.concat.as_deref() == Some("partial") {
        return Ok(None);
    }
    uploads.finish(upload.id).await.map(Some)
}

/// Where an upload stands.
#[utoipa::path(head, tag = "evidence", path = "/api/v1/evidence/uploads/{id}", security(("token" = [])), params(("id" = String, Path), ("Tus-Resumable" = String, Header)),
    responses((status = 200, description = "Upload-Offset, Upload-Length; Baqylau-Evidence once it is a file"), (status = 404, description = "Not there, another's, or given up")))]
pub async fn head(request: HttpRequest, caller: Caller, id: Path<String>, uploads: Data<Uploads>) -> Answer {
    check_version(&request)?;
    let upload = mine(&mut *uploads.pool.get().await?, &caller, &id).await?;
    // A kill may have come between the last byte and the file.
    let evidence = finished(&uploads, &upload).await?;
    let mut response = tus(HttpResponse::Ok());
    response
        .insert_header(("Upload-Offset", upload.received))
        .insert_header(("Upload-Length", upload.length))
        .insert_header(("Upload-Expires", http_date(&upload)))
        .insert_header((header::CACHE_CONTROL, "no-store"));
    match upload.concat.as_deref() {
        Some("final") => {
            let paths: Vec<String> = upload.partials.iter().map(|id| format!("{PATH}/{id}")).collect();
            response.insert_header(("Upload-Concat", format!("final;{}", paths.join(" "))));
        }
        Some(_) => {
            response.insert_header(("Upload-Concat", "partial"));
        }
        None => {}
    }
    if let Some(evidence) = evidence {
        response.insert_header((EVIDENCE, evidence.to_string()));
    }
    Ok(response.finish())
}

/// Goes on with an upload. The last piece makes it a file of the record, named in `Baqylau-Evidence`.
#[utoipa::path(patch, tag = "evidence", path = "/api/v1/evidence/uploads/{id}", security(("token" = [])),
    params(("id" = String, Path), ("Tus-Resumable" = String, Header), ("Upload-Offset" = i64, Header), ("Upload-Checksum" = Option<String>, Header)),
    responses((status = 204, description = "Upload-Offset"), (status = 409, description = "The upload stands elsewhere"), (status = 415, description = "No form of file that is taken"), (status = 460, description = "What arrived is not what was meant")))]
pub async fn append(
    request: HttpRequest,
    caller: Caller,
    id: Path<String>,
    body: Payload,
    uploads: Data<Uploads>,
) -> Answer {
    check_version(&request)?;
    if text(&request, "content-type")? != Some(tus::OFFSET_STREAM) {
        return Err(Problem::new(Kind::MediaType));
    }
    let offset = number(&request, "upload-offset")?.ok_or(Problem::new(Kind::Malformed))?;
    let checksum = checksum(&request)?;
    let mut upload = mine(&mut *uploads.pool.get().await?, &caller, &id).await?;
    if upload.concat.as_deref() == Some("final") {
        return Err(Problem::new(Kind::Forbidden));
    }
    if offset != upload.received {
        return Err(Problem::new(Kind::Offset));
    }
    if upload.received < upload.length {
        upload.received = receive(&uploads, &upload, body, checksum).await?.offset;
    }
    let evidence = finished(&uploads, &upload).await?;
    let mut response = tus(HttpResponse::NoContent());
    response
        .insert_header(("Upload-Offset", upload.received))
        .insert_header(("Upload-Expires", http_date(&upload)));
    if let Some(evidence) = evidence {
        response.insert_header((EVIDENCE, evidence.to_string()));
    }
    Ok(response.finish())
}

/// Gives an upload up. A file that it became already stays.
#[utoipa::path(delete, tag = "evidence", path = "/api/v1/evidence/uploads/{id}", security(("token" = [])), params(("id" = String, Path), ("Tus-Resumable" = String, Header)),
    responses((status = 204), (status = 404, description = "Not there, or another's")))]
pub async fn terminate(
    request: HttpRequest,
    caller: Caller,
    id: Path<String>,
    uploads: Data<Uploads>,
) -> Answer {
    check_version(&request)?;
    let upload = mine(&mut *uploads.pool.get().await?, &caller, &id).await?;
    // What became evidence stays evidence; only the upload is forgotten.
    uploads.remove(upload.id).await?;
    Ok(tus(HttpResponse::NoContent()).finish())
}

async fn overridden(
    request: HttpRequest,
    caller: Caller,
    id: Path<String>,
    body: Payload,
    uploads: Data<Uploads>,
) -> Answer {
    match text(&request, "x-http-method-override")? {
        Some("PATCH") => append(request, caller, id, body, uploads).await,
        Some("DELETE") => terminate(request, caller, id, uploads).await,
        Some("HEAD") => head(request, caller, id, uploads).await,
        _ => Err(Problem::new(Kind::Method)),
    }
}
