//! `/auth`, `/me` and `/users`.

use actix_web::{
    HttpRequest, HttpResponse, get, post,
    web::{Data, Path},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::{Account, Accounts, Caller, Login, Role, factors, password, store, tokens, tokens::TokenKey};
use crate::{
    db::Pool,
    faults::Faults,
    http::{
        Answer, Kind, Problem,
        body::{self, Json, RawJson},
        limits::Limits,
    },
    places::{Directory, RegionId, directory::Places},
};

#[derive(Deserialize, Validate, ToSchema)]
pub struct LoginRequest {
    #[validate(length(max = 254))]
    email: Option<String>,
    /// Of a pseudonymous account, instead of the e-mail.
    #[validate(length(max = 100))]
    handle: Option<String>,
    #[validate(required, length(max = 1024))]
    password: Option<String>,
    /// Of the second factor, where there is one.
    #[validate(length(max = 20))]
    code: Option<String>,
    /// Instead of the code, once.
    #[validate(length(max = 40))]
    recovery_code: Option<String>,
    /// What the device is called in the list of sessions.
    #[validate(length(min = 1, max = 100))]
    device: Option<String>,
}

/// By what somebody signs in: an e-mail or a handle, and not both.
pub fn read_login(email: Option<String>, handle: Option<String>) -> Result<Login, Problem> {
    match (email, handle) {
        (Some(email), None) => Ok(Login::Email(email)),
        (None, Some(handle)) => Ok(Login::Handle(handle)),
        (None, None) => Err(Problem::fault("/email", "required")),
        (Some(_), Some(_)) => Err(Problem::fault("/handle", "not_allowed_here")),
    }
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct RefreshRequest {
    #[validate(required, length(max = 200))]
    refresh_token: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct TokenView {
    access_token: String,
    refresh_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds that the access token is good for.
    expires_in: i64,
}

#[derive(Serialize, ToSchema)]
pub struct AccountView {
    id: Uuid,
    email: Option<String>,
    /// Of a pseudonymous account.
    handle: Option<String>,
    name: String,
    role: Role,
    /// ISO 3166-2:KZ codes.
    regions: Vec<String>,
    disabled: bool,
    second_factor: bool,
}

#[derive(Default, Deserialize, Validate, ToSchema)]
pub struct NewAccountRequest {
    /// Without one the account is pseudonymous, and a handle is made to sign in with.
    #[validate(email, length(min = 3, max = 254))]
    email: Option<String>,
    #[validate(length(min = 1, max = 200))]
    name: Option<String>,
    #[validate(required)]
    role: Option<String>,
    /// Region codes; a coordinator needs one at least.
    #[validate(length(max = 50))]
    regions: Option<Vec<String>>,
    /// Twelve characters or more; without it one is made and told in the answer.
    #[validate(length(min = 12, max = 1024), custom(function = "password::hard_to_guess"))]
    password: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct NewAccountView {
    #[serde(flatten)]
    account: AccountView,
    /// The password that was made, told this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct PasswordRequest {
    #[validate(required, length(max = 1024))]
    current: Option<String>,
    #[validate(required, length(min = 12, max = 1024), custom(function = "password::hard_to_guess"))]
    new: Option<String>,
}

pub fn view(account: &Account, directory: &Directory) -> AccountView {
    let code = |id: &RegionId| directory.region_by_id(*id).map(|region| region.code.clone());
    AccountView {
        id: account.id,
        email: account.email.clone(),
        handle: account.handle.clone(),
        name: account.name.clone(),
        role: account.role,
        regions: account.regions.iter().filter_map(code).collect(),
        disabled: account.disabled,
        second_factor: account.second_factor,
    }
}

fn token_answer(key: &TokenKey, user: Uuid, session: Uuid, refresh_token: String) -> HttpResponse {
    HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(TokenView {
        access_token: key.sign(user, session),
        refresh_token,
        token_type: "Bearer",
        expires_in: tokens::ACCESS_SECONDS,
    })
}

/// The account whose password this is; takes as long where there is none.
pub async fn by_password(pool: &Pool, who: &Login, password: String) -> Result<Uuid, Problem> {
    let found = store::by_login(&mut *pool.get().await?, who).await?;
    let (user, hash) = found.map_or((None, None), |(user, hash)| (Some(user), hash));
    // The connection is back in the pool while the hash is computed.
    let matches = password::verify(password, hash).await;
    user.filter(|_| matches).ok_or_else(|| Problem::new(Kind::Credentials))
}

/// 401 unless this is the caller's password: a stolen session alone shall not change how they sign in.
pub async fn require_password(pool: &Pool, caller: &Caller, password: String) -> Result<(), Problem> {
    let hash = store::password_hash(&mut *pool.get().await?, caller.id()).await?;
    if password::verify(password, hash).await { Ok(()) } else { Err(Problem::new(Kind::Credentials)) }
}

/// Signs in.
#[utoipa::path(tag = "accounts", path = "/api/v1/auth/login", request_body = LoginRequest,
    responses((status = 200, body = TokenView), (status = 401, description = "Wrong e-mail or password; or, as `second-factor`, a code is needed"), (status = 429, description = "Too many attempts")))]
#[post("/auth/login")]
pub async fn login(
    request: HttpRequest,
    body: Json<LoginRequest>,
    pool: Data<Pool>,
    key: Data<TokenKey>,
    limits: Data<Limits>,
) -> Answer {
    let who = read_login(body.0.email, body.0.handle)?;
    limits.check_login(&request, who.text())?;
    let user = by_password(&pool, &who, body.0.password.unwrap_or_default()).await?;
    let given = factors::Given { code: body.0.code, recovery_code: body.0.recovery_code };
    factors::check(&mut *pool.get().await?, &key, user, given).await?;
    let (refresh_token, digest) = tokens::new_refresh_token();
    let device = body.0.device.as_deref();
    let session = store::open_session(&mut *pool.get().await?, user, device, digest).await?;
    Ok(token_answer(&key, user, session, refresh_token))
}

/// Exchanges a refresh token, which is good once, for the next pair.
#[utoipa::path(tag = "accounts", path = "/api/v1/auth/refresh", request_body = RefreshRequest,
    responses((status = 200, body = TokenView), (status = 401, description = "Not good any more; a reused one ends the session")))]
#[post("/auth/refresh")]
pub async fn refresh(
    body: Json<RefreshRequest>,
    pool: Data<Pool>,
    key: Data<TokenKey>,
    accounts: Data<Accounts>,
) -> Answer {
    let old = tokens::digest(&body.0.refresh_token.unwrap_or_default());
    let (refresh_token, digest) = tokens::new_refresh_token();
    match store::rotate(&mut *pool.get().await?, old, digest).await? {
        store::Rotation::Rotated { user, session } => Ok(token_answer(&key, user, session, refresh_token)),
        store::Rotation::Unknown => Err(Problem::new(Kind::Unauthenticated)),
        store::Rotation::Reused => {
            accounts.forget();
            Err(Problem::new(Kind::TokenReused))
        }
    }
}

/// Ends this session; its tokens are good no more.
#[utoipa::path(tag = "accounts", path = "/api/v1/auth/logout", security(("token" = [])), responses((status = 204)))]
#[post("/auth/logout")]
pub async fn logout(caller: Caller, pool: Data<Pool>, accounts: Data<Accounts>) -> Answer {
    store::close_session(&mut *pool.get().await?, caller.session).await?;
    accounts.forget();
    Ok(HttpResponse::NoContent().finish())
}

/// The account of the caller.
#[utoipa::path(tag = "accounts", path = "/api/v1/me", security(("token" = [])), responses((status = 200, body = AccountView)))]
#[get("/me")]
pub async fn me(caller: Caller, places: Data<Places>) -> Answer {
    Ok(HttpResponse::Ok().json(view(&caller.account, &*places.get().await)))
}

/// Changes the caller's password; all sessions end.
#[utoipa::path(tag = "accounts", path = "/api/v1/me/password", security(("token" = [])), request_body = PasswordRequest,
    responses((status = 204), (status = 401, description = "The current password is wrong")))]
#[post("/me/password")]
pub async fn change_password(
    request: HttpRequest,
    caller: Caller,
    body: Json<PasswordRequest>,
    pool: Data<Pool>,
    accounts: Data<Accounts>,
    limits: Data<Limits>,
) -> Answer {
    limits.check_login(&request, caller.account.login())?;
    require_password(&pool, &caller, body.0.current.unwrap_or_default()).await?;
    let hash = password::hash(body.0.new.unwrap_or_default()).await;
    store::set_password(&mut *pool.get().await?, caller.id(), hash).await?;
    accounts.forget();
    Ok(HttpResponse::NoContent().finish())
}

/// All accounts.
#[utoipa::path(tag = "accounts", path = "/api/v1/users", security(("token" = [])), responses((status = 200, body = Vec<AccountView>)))]
#[get("/users")]
pub async fn list_users(caller: Caller, pool: Data<Pool>, places: Data<Places>) -> Answer {
    caller.require_admin()?;
    let directory = places.get().await;
    let accounts = store::list(&mut *pool.get().await?).await?;
    Ok(HttpResponse::Ok().json(accounts.iter().map(|a| view(a, &directory)).collect::<Vec<_>>()))
}

/// Makes an account.
#[utoipa::path(tag = "accounts", path = "/api/v1/users", security(("token" = [])), request_body = NewAccountRequest,
    responses((status = 201, body = NewAccountView), (status = 409, description = "The e-mail is taken")))]
#[post("/users")]
pub async fn add_user(caller: Caller, body: RawJson, pool: Data<Pool>, places: Data<Places>) -> Answer {
    caller.require_admin()?;
    let directory = places.get().await;
    let (value, mut faults) = body::parse(&body.0)?;
    let body = body::read::<NewAccountRequest>(&value, &[], &mut faults).unwrap_or_default();
    let regions = body.regions.as_deref().unwrap_or_default();
    let (role, regions) = check_role(body.role.as_deref(), regions, &directory, faults)?;
    let who = body.email.map_or_else(Login::made, Login::Email);
    let name = body.name.unwrap_or_else(|| who.text().to_owned());
    let made = body.password.is_none().then(made_password);
    let password = body.password.or_else(|| made.clone()).unwrap_or_default();
    let new = store::NewAccount {
        login: who.clone(),
        name: name.clone(),
        role,
        regions: regions.clone(),
        password_hash: Some(password::hash(password).await),
    };
    let id = store::add(&mut *pool.get().await?, new).await?.ok_or_else(|| Problem::new(Kind::Taken))?;
    let account = Account::new(id, who, name, role, regions);
    let answer = NewAccountView { account: view(&account, &directory), password: made };
    Ok(HttpResponse::Created().insert_header(("Cache-Control", "no-store")).json(answer))
}

/// A password of 120 bits for people to copy.
pub fn made_password() -> String {
    use base64::Engine;
    base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 15]>())
}

/// Reads a role and its regions, of an input of which `faults` are known already.
///
/// # Errors
/// Unknown words, and a coordinator without a region.
pub fn check_role(
    role: Option<&str>,
    codes: &[String],
    directory: &Directory,
    mut faults: Faults,
) -> Result<(Role, Vec<RegionId>), Faults> {
    let role = faults.word::<Role>("/role", role);
    let mut regions = Vec::new();
    for (i, code) in codes.iter().enumerate() {
        match directory.region(code) {
            Some(region) if !regions.contains(&region.id) => regions.push(region.id),
            Some(_) => {}
            None => faults.add(format!("/regions/{i}"), "unknown_region"),
        }
    }
    if role == Some(Role::Coordinator) && codes.is_empty() {
        faults.add("/regions", "required");
    }
    faults.check(role.map(|role| (role, regions)))
}

/// Disables an account: it cannot sign in and its sessions end at once.
#[utoipa::path(tag = "accounts", path = "/api/v1/users/{id}/disable", security(("token" = [])), params(("id" = Uuid, Path)), responses((status = 204)))]
#[post("/users/{id}/disable")]
pub async fn disable(caller: Caller, id: Path<Uuid>, pool: Data<Pool>, accounts: Data<Accounts>) -> Answer {
    set_disabled(&caller, *id, true, &pool, &accounts).await
}

/// Lets a disabled account sign in again.
#[utoipa::path(tag = "accounts", path = "/api/v1/users/{id}/enable", security(("token" = [])), params(("id" = Uuid, Path)), responses((status = 204)))]
#[post("/users/{id}/enable")]
pub async fn enable(caller: Caller, id: Path<Uuid>, pool: Data<Pool>, accounts: Data<Accounts>) -> Answer {
    set_disabled(&caller, *id, false, &pool, &accounts).await
}

async fn set_disabled(caller: &Caller, id: Uuid, disabled: bool, pool: &Pool, accounts: &Accounts) -> Answer {
    caller.require_admin()?;
    if id == caller.id() {
        // Nobody locks themselves out, so one administrator always stays.
        return Err(Problem::new(Kind::State));
    }
    if id == super::DOCUMENTS || !store::set_disabled(&mut *pool.get().await?, id, disabled).await? {
        return Err(Problem::new(Kind::NotFound));
    }
    accounts.forget();
    Ok(HttpResponse::NoContent().finish())
}
