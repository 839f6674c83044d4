//! Second factors, sessions, and what to do when a phone is stolen.

use actix_web::{
    HttpRequest, HttpResponse, delete, get, post,
    web::{Data, Path},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::{
    Accounts, Caller, factors,
    routes::{by_password, read_login, require_password},
    store,
    tokens::TokenKey,
};
use crate::{
    db::Pool,
    http::{Answer, Kind, Problem, body::Json, limits::Limits},
};

/// For an authenticator app; not in force until a first code confirms it.
#[derive(Serialize, ToSchema)]
pub struct FactorView {
    /// In base32, to be typed.
    secret: String,
    /// `otpauth://`, to be shown as a QR code.
    url: String,
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct CodeRequest {
    #[validate(required, length(max = 20))]
    code: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct RecoveryView {
    /// Each good once in the place of a code; told this once.
    recovery_codes: Vec<String>,
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct RemoveFactorRequest {
    #[validate(required, length(max = 1024))]
    password: Option<String>,
    #[validate(length(max = 20))]
    code: Option<String>,
    #[validate(length(max = 40))]
    recovery_code: Option<String>,
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct PanicRequest {
    #[validate(length(max = 254))]
    email: Option<String>,
    #[validate(length(max = 100))]
    handle: Option<String>,
    #[validate(required, length(max = 1024))]
    password: Option<String>,
}

/// A sign-in on one device.
#[derive(Serialize, ToSchema)]
pub struct SessionView {
    id: Uuid,
    /// What the device called itself.
    device: Option<String>,
    created_at: DateTime<Utc>,
    last_used_at: DateTime<Utc>,
    /// The one that asks.
    current: bool,
}

fn no_content() -> Answer {
    Ok(HttpResponse::NoContent().finish())
}

/// Begins to set up a second factor.
#[utoipa::path(tag = "accounts", path = "/api/v1/me/second-factor", security(("token" = [])),
    responses((status = 200, body = FactorView), (status = 409, description = "One is in force already")))]
#[post("/me/second-factor")]
pub async fn begin_factor(caller: Caller, pool: Data<Pool>, key: Data<TokenKey>) -> Answer {
    let account = caller.account.login();
    let begun = factors::begin(&mut *pool.get().await?, &key, caller.id(), account).await?;
    let begun = begun.ok_or_else(|| Problem::new(Kind::State))?;
    let view = FactorView { secret: begun.secret, url: begun.url };
    Ok(HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(view))
}

/// Puts the second factor into force; answers the recovery codes.
#[utoipa::path(tag = "accounts", path = "/api/v1/me/second-factor/confirm", security(("token" = [])), request_body = CodeRequest,
    responses((status = 200, body = RecoveryView), (status = 422, description = "Not the code shown now")))]
#[post("/me/second-factor/confirm")]
pub async fn confirm_factor(
    request: HttpRequest,
    caller: Caller,
    body: Json<CodeRequest>,
    pool: Data<Pool>,
    key: Data<TokenKey>,
    accounts: Data<Accounts>,
    limits: Data<Limits>,
) -> Answer {
    limits.check_login(&request, caller.account.login())?;
    let code = body.0.code.unwrap_or_default();
    let codes = factors::confirm(&mut *pool.get().await?, &key, caller.id(), &code).await?;
    let recovery_codes = codes.ok_or_else(|| Problem::fault("/code", "wrong_code"))?;
    accounts.forget();
    Ok(HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(RecoveryView { recovery_codes }))
}

/// Takes the second factor away: with the password and a code, since a stolen session shall not do it.
#[utoipa::path(tag = "accounts", path = "/api/v1/me/second-factor/remove", security(("token" = [])), request_body = RemoveFactorRequest,
    responses((status = 204), (status = 401, description = "Password or code is wrong"), (status = 409, description = "There is none")))]
#[post("/me/second-factor/remove")]
pub async fn remove_factor(
    request: HttpRequest,
    caller: Caller,
    body: Json<RemoveFactorRequest>,
    pool: Data<Pool>,
    key: Data<TokenKey>,
    accounts: Data<Accounts>,
    limits: Data<Limits>,
) -> Answer {
    limits.check_login(&request, caller.account.login())?;
    require_password(&pool, &caller, body.0.password.unwrap_or_default()).await?;
    let given = factors::Given { code: body.0.code, recovery_code: body.0.recovery_code };
    let mut conn = pool.get().await?;
    factors::check(&mut conn, &key, caller.id(), given).await?;
    if !factors::remove(&mut conn, caller.id()).await? {
        return Err(Problem::new(Kind::State));
    }
    accounts.forget();
    no_content()
}

/// Takes the second factor of somebody away who lost it and their recovery codes; their sessions end. For
/// admins, who make sure by other means who asks.
#[utoipa::path(tag = "accounts", path = "/api/v1/users/{id}/second-factor", security(("token" = [])), params(("id" = Uuid, Path)),
    responses((status = 204), (status = 404, description = "No such factor")))]
#[delete("/users/{id}/second-factor")]
pub async fn reset_factor(
    caller: Caller,
    id: Path<Uuid>,
    pool: Data<Pool>,
    accounts: Data<Accounts>,
) -> Answer {
    caller.require_admin()?;
    let mut conn = pool.get().await?;
    if !factors::remove(&mut conn, *id).await? {
        return Err(Problem::new(Kind::NotFound));
    }
    store::revoke_all(&mut conn, *id).await.map_err(crate::db::DbError::from)?;
    accounts.forget();
    no_content()
}

/// The caller's sessions, the one used last first.
#[utoipa::path(tag = "accounts", path = "/api/v1/me/sessions", security(("token" = [])), responses((status = 200, body = Vec<SessionView>)))]
#[get("/me/sessions")]
pub async fn sessions(caller: Caller, pool: Data<Pool>) -> Answer {
    let rows = store::sessions(&mut *pool.get().await?, caller.id()).await?;
    let view = |(id, device, created_at, last_used_at)| SessionView {
        id,
        device,
        created_at,
        last_used_at,
        current: id == caller.session,
    };
    Ok(HttpResponse::Ok().json(rows.into_iter().map(view).collect::<Vec<_>>()))
}

/// Ends one of the caller's sessions.
#[utoipa::path(tag = "accounts", path = "/api/v1/me/sessions/{id}", security(("token" = [])), params(("id" = Uuid, Path)),
    responses((status = 204), (status = 404, description = "Not one of the caller's")))]
#[delete("/me/sessions/{id}")]
pub async fn revoke_session(
    caller: Caller,
    id: Path<Uuid>,
    pool: Data<Pool>,
    accounts: Data<Accounts>,
) -> Answer {
    if !store::close_own_session(&mut *pool.get().await?, caller.id(), *id).await? {
        return Err(Problem::new(Kind::NotFound));
    }
    accounts.forget();
    no_content()
}

/// Ends all of the caller's sessions at once, this one too.
#[utoipa::path(tag = "accounts", path = "/api/v1/me/panic", security(("token" = [])), responses((status = 204)))]
#[post("/me/panic")]
pub async fn panic(caller: Caller, pool: Data<Pool>, accounts: Data<Accounts>) -> Answer {
    end_all(&pool, &accounts, caller.id()).await
}

/// Ends all sessions of an account by its password alone: the phone with the second factor is what was
/// stolen.
#[utoipa::path(tag = "accounts", path = "/api/v1/auth/panic", request_body = PanicRequest,
    responses((status = 204), (status = 401, description = "Wrong password"), (status = 429, description = "Too many attempts")))]
#[post("/auth/panic")]
pub async fn panic_by_password(
    request: HttpRequest,
    body: Json<PanicRequest>,
    pool: Data<Pool>,
    accounts: Data<Accounts>,
    limits: Data<Limits>,
) -> Answer {
    let login = read_login(body.0.email, body.0.handle)?;
    limits.check_login(&request, login.text())?;
    let user = by_password(&pool, &login, body.0.password.unwrap_or_default()).await?;
    end_all(&pool, &accounts, user).await
}

/// Ends all sessions of somebody else, who cannot do it: for admins.
#[utoipa::path(tag = "accounts", path = "/api/v1/users/{id}/panic", security(("token" = [])), params(("id" = Uuid, Path)), responses((status = 204)))]
#[post("/users/{id}/panic")]
pub async fn panic_for(caller: Caller, id: Path<Uuid>, pool: Data<Pool>, accounts: Data<Accounts>) -> Answer {
    caller.require_admin()?;
    end_all(&pool, &accounts, *id).await
}

async fn end_all(pool: &Pool, accounts: &Accounts, user: Uuid) -> Answer {
    store::revoke_all(&mut *pool.get().await?, user).await.map_err(crate::db::DbError::from)?;
    accounts.forget();
    no_content()
}
