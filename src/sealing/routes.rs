//! `/recipients` and the log of reads.

use actix_web::{
    HttpResponse, get, post,
    web::{Data, Path},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::{Sealer, domain, store};
use crate::{
    accounts::Caller,
    db::Pool,
    http::{
        Answer, Kind, Problem,
        body::Json,
        query::{self, Query},
    },
    records::view::Page,
};

/// A key of the coalition to which names are sealed.
#[derive(Serialize, ToSchema)]
pub struct RecipientView {
    id: Uuid,
    /// age X25519 (`age1…`).
    public_key: String,
    label: String,
    added_at: DateTime<Utc>,
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct RecipientRequest {
    #[validate(required, length(max = 200))]
    public_key: Option<String>,
    /// Whose key it is, or where it is kept.
    #[validate(required, length(min = 1, max = 200))]
    label: Option<String>,
}

/// Who did what with sealed data.
#[derive(Serialize, ToSchema)]
pub struct SealedReadView {
    at: DateTime<Utc>,
    reader: Uuid,
    /// `opened`, `searched` or `resealed`.
    action: String,
    /// `detention` or `enquiry`.
    subject: String,
    subject_id: Option<Uuid>,
    reason: Option<String>,
}

impl From<store::RecipientRow> for RecipientView {
    fn from(row: store::RecipientRow) -> Self {
        Self { id: row.id, public_key: row.public_key, label: row.label, added_at: row.added_at }
    }
}

/// The keys in use. Compare them with those that the coalition publishes before sealing on a device.
#[utoipa::path(tag = "sealed data", path = "/api/v1/recipients", security(("token" = [])), responses((status = 200, body = Vec<RecipientView>)))]
#[get("/recipients")]
pub async fn recipients(_caller: Caller, pool: Data<Pool>) -> Answer {
    let rows = store::active(&mut *pool.get().await?).await?;
    Ok(HttpResponse::Ok().json(rows.into_iter().map(RecipientView::from).collect::<Vec<_>>()))
}

/// Adds a key; what is sealed from now on opens with it too.
#[utoipa::path(tag = "sealed data", path = "/api/v1/recipients", security(("token" = [])), request_body = RecipientRequest,
    responses((status = 201, body = RecipientView)))]
#[post("/recipients")]
pub async fn add_recipient(
    caller: Caller,
    body: Json<RecipientRequest>,
    pool: Data<Pool>,
    sealer: Data<Sealer>,
) -> Answer {
    caller.require_admin()?;
    let key = body.0.public_key.as_deref().unwrap_or_default().trim();
    domain::recipient(key).map_err(|_| Problem::fault("/public_key", "not_a_key"))?;
    let label = body.0.label.as_deref().unwrap_or_default();
    let row = store::add(&mut *pool.get().await?, key, label, Some(caller.id())).await?;
    sealer.refresh().await?;
    Ok(HttpResponse::Created().json(RecipientView::from(row)))
}

/// Takes a key out of use. What is sealed to it already is sealed anew with `baqylau reseal`.
#[utoipa::path(tag = "sealed data", path = "/api/v1/recipients/{id}/retire", security(("token" = [])), params(("id" = Uuid, Path)),
    responses((status = 204), (status = 404, description = "No such key in use")))]
#[post("/recipients/{id}/retire")]
pub async fn retire_recipient(
    caller: Caller,
    id: Path<Uuid>,
    pool: Data<Pool>,
    sealer: Data<Sealer>,
) -> Answer {
    caller.require_admin()?;
    if !store::retire(&mut *pool.get().await?, &id.to_string()).await? {
        return Err(Problem::new(Kind::NotFound));
    }
    sealer.refresh().await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Who opened, searched or resealed what; for admins, the latest first.
#[utoipa::path(tag = "sealed data", path = "/api/v1/audit/sealed-reads", security(("token" = [])),
    params(("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<SealedReadView>)))]
#[get("/audit/sealed-reads")]
pub async fn reads(caller: Caller, pool: Data<Pool>, mut query: Query) -> Answer {
    caller.require_admin()?;
    let limit = query.limit();
    let before = query.cursor();
    query.finish()?;
    let rows = store::log(&mut *pool.get().await?, before, limit + 1).await?;
    let next = (rows.len() as i64 > limit).then(|| query::cursor(&rows[limit as usize - 1].id));
    let items: Vec<SealedReadView> = (rows.into_iter().take(limit as usize))
        .map(|row| SealedReadView {
            at: row.at,
            reader: row.reader_id,
            action: row.action,
            subject: row.subject,
            subject_id: row.subject_id,
            reason: row.reason,
        })
        .collect();
    Ok(HttpResponse::Ok().json(Page { items, next }))
}
