//! `/invitations`: a link that expires makes one account. Who is invited may give no e-mail.

use actix_web::{
    HttpRequest, HttpResponse, get, post,
    web::{Data, Path},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::{
    Caller, Login, Role, UserId,
    invitations::{self, Accepted, Invitation},
    password,
    routes::{AccountView, check_role, view},
    tokens,
};
use crate::{
    db::{DbResult, Pool, stored},
    http::{
        Answer, Kind, Problem,
        body::{self, Json, RawJson},
        limits::Limits,
    },
    places::{Directory, RegionId, directory::Places},
};

#[derive(Default, Deserialize, Validate, ToSchema)]
pub struct InvitationRequest {
    /// `observer`, `coordinator` or `admin`; coordinators invite observers.
    #[validate(required)]
    role: Option<String>,
    /// Region codes; a coordinator needs one at least.
    #[validate(length(max = 50))]
    regions: Option<Vec<String>>,
    /// Hours until it expires, 48 unless told.
    #[validate(range(min = 1, max = 720))]
    hours: Option<i64>,
}

#[derive(Serialize, ToSchema)]
pub struct InvitationView {
    id: Uuid,
    role: Role,
    regions: Vec<String>,
    invited_by: Uuid,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    /// `open`, `used`, `revoked` or `expired`.
    state: &'static str,
}

#[derive(Serialize, ToSchema)]
pub struct NewInvitationView {
    #[serde(flatten)]
    invitation: InvitationView,
    /// Told this once. In a link it goes behind the `#`, which browsers send to nobody.
    token: String,
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct AcceptRequest {
    #[validate(required, length(max = 100))]
    token: Option<String>,
    /// May be left out: the account is pseudonymous then, and signs in by the handle in the answer.
    #[validate(email, length(min = 3, max = 254))]
    email: Option<String>,
    #[validate(length(min = 1, max = 200))]
    name: Option<String>,
    #[validate(required, length(min = 12, max = 1024), custom(function = "password::hard_to_guess"))]
    password: Option<String>,
}

fn shown(invitation: &Invitation, directory: &Directory) -> DbResult<InvitationView> {
    let code = |id: &RegionId| directory.region_by_id(*id).map(|region| region.code.clone());
    Ok(InvitationView {
        id: invitation.id,
        role: stored(&invitation.role)?,
        regions: invitation.regions.iter().filter_map(code).collect(),
        invited_by: invitation.invited_by,
        created_at: invitation.created_at,
        expires_at: invitation.expires_at,
        state: invitation.state(),
    })
}

/// The caller where they see their own alone, nobody where they see all.
fn maker(caller: &Caller) -> Option<UserId> {
    (caller.account.role != Role::Admin).then(|| caller.id())
}

/// Invites somebody.
#[utoipa::path(tag = "accounts", path = "/api/v1/invitations", security(("token" = [])), request_body = InvitationRequest,
    responses((status = 201, body = NewInvitationView), (status = 403, description = "Coordinators invite observers alone")))]
#[post("/invitations")]
pub async fn invite(caller: Caller, body: RawJson, pool: Data<Pool>, places: Data<Places>) -> Answer {
    caller.require_coordinator()?;
    let directory = places.get().await;
    let (value, mut faults) = body::parse(&body.0)?;
    let body = body::read::<InvitationRequest>(&value, &[], &mut faults).unwrap_or_default();
    let codes = body.regions.as_deref().unwrap_or_default();
    let (role, regions) = check_role(body.role.as_deref(), codes, &directory, faults)?;
    if role != Role::Observer {
        caller.require_admin()?;
    }
    let (token, digest) = tokens::new_refresh_token();
    let life = TimeDelta::hours(body.hours.unwrap_or(48));
    let mut conn = pool.get().await?;
    let invitation = invitations::add(&mut conn, caller.id(), role, &regions, life, digest).await?;
    let view = NewInvitationView { invitation: shown(&invitation, &directory)?, token };
    Ok(HttpResponse::Created().insert_header(("Cache-Control", "no-store")).json(view))
}

/// The invitations that the caller made; for admins all. The latest first.
#[utoipa::path(tag = "accounts", path = "/api/v1/invitations", security(("token" = [])), responses((status = 200, body = Vec<InvitationView>)))]
#[get("/invitations")]
pub async fn list(caller: Caller, pool: Data<Pool>, places: Data<Places>) -> Answer {
    caller.require_coordinator()?;
    let directory = places.get().await;
    let found = invitations::list(&mut *pool.get().await?, maker(&caller)).await?;
    let views = found.iter().map(|it| shown(it, &directory)).collect::<DbResult<Vec<_>>>()?;
    Ok(HttpResponse::Ok().json(views))
}

/// Takes an invitation back that was not used.
#[utoipa::path(tag = "accounts", path = "/api/v1/invitations/{id}/revoke", security(("token" = [])), params(("id" = Uuid, Path)),
    responses((status = 204), (status = 404, description = "Not there, another's, or used")))]
#[post("/invitations/{id}/revoke")]
pub async fn revoke(caller: Caller, id: Path<Uuid>, pool: Data<Pool>) -> Answer {
    caller.require_coordinator()?;
    if !invitations::revoke(&mut *pool.get().await?, maker(&caller), *id).await? {
        return Err(Problem::new(Kind::NotFound));
    }
    Ok(HttpResponse::NoContent().finish())
}

/// Makes the account that an invitation is for.
#[utoipa::path(tag = "accounts", path = "/api/v1/invitations/accept", request_body = AcceptRequest,
    responses((status = 201, body = AccountView), (status = 409, description = "The e-mail is taken"), (status = 410, description = "Used, expired, revoked or none")))]
#[post("/invitations/accept")]
pub async fn accept(
    request: HttpRequest,
    body: Json<AcceptRequest>,
    pool: Data<Pool>,
    places: Data<Places>,
    limits: Data<Limits>,
) -> Answer {
    limits.check_enquiry(&request)?;
    let digest = tokens::digest(&body.0.token.unwrap_or_default());
    let gone = || Problem::new(Kind::Invitation);
    // A password is hashed for good invitations alone.
    invitations::open(&mut *pool.get().await?, &digest).await?.ok_or_else(gone)?;
    let hash = password::hash(body.0.password.unwrap_or_default()).await;
    let login = body.0.email.map_or_else(Login::made, Login::Email);
    let name = body.0.name.unwrap_or_else(|| login.text().to_owned());
    let account = match invitations::accept(&mut *pool.get().await?, &digest, login, name, hash).await? {
        Accepted::Account(account) => account,
        Accepted::Gone => return Err(gone()),
        Accepted::Taken => return Err(Problem::new(Kind::Taken)),
    };
    Ok(HttpResponse::Created()
        .insert_header(("Cache-Control", "no-store"))
        .json(view(&account, &*places.get().await)))
}
