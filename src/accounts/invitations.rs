//! Invitations in PostgreSQL: each makes one account, once, before it expires.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{pg::Pg, prelude::*};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    Account, Login, Role, UserId,
    store::{self, NewAccount},
};
use crate::{
    db::{DbResult, schema::invitations, stored},
    places::RegionId,
};

/// An invitation; its token is kept as a digest alone.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = invitations, check_for_backend(Pg))]
pub struct Invitation {
    pub id: Uuid,
    pub role: String,
    pub regions: Vec<RegionId>,
    pub invited_by: UserId,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    used_by: Option<UserId>,
    revoked_at: Option<DateTime<Utc>>,
}

impl Invitation {
    /// `open`, `used`, `revoked` or `expired`.
    pub fn state(&self) -> &'static str {
        match self {
            Self { used_by: Some(_), .. } => "used",
            Self { revoked_at: Some(_), .. } => "revoked",
            _ if self.expires_at <= Utc::now() => "expired",
            _ => "open",
        }
    }
}

/// Stores an invitation that is good for `life`.
pub async fn add(
    conn: &mut AsyncPgConnection,
    by: UserId,
    role: Role,
    regions: &[RegionId],
    life: TimeDelta,
    digest: Vec<u8>,
) -> DbResult<Invitation> {
    Ok(diesel::insert_into(invitations::table)
        .values((
            invitations::id.eq(Uuid::now_v7()),
            invitations::digest.eq(digest),
            invitations::role.eq(role.to_string()),
            invitations::regions.eq(regions),
            invitations::invited_by.eq(by),
            invitations::expires_at.eq(Utc::now() + life),
        ))
        .returning(Invitation::as_returning())
        .get_result(conn)
        .await?)
}

/// The invitations that `by` made, or all; the latest first.
pub async fn list(conn: &mut AsyncPgConnection, by: Option<UserId>) -> DbResult<Vec<Invitation>> {
    let mut query = invitations::table
        .order(invitations::id.desc())
        .limit(500)
        .select(Invitation::as_select())
        .into_boxed();
    if let Some(by) = by {
        query = query.filter(invitations::invited_by.eq(by));
    }
    Ok(query.load(conn).await?)
}

/// Takes back an invitation that was not used; `by` its maker, or nobody for any.
pub async fn revoke(conn: &mut AsyncPgConnection, by: Option<UserId>, id: Uuid) -> DbResult<bool> {
    let any = by.is_none().into_sql::<diesel::sql_types::Bool>();
    let its = invitations::table
        .find(id)
        .filter(invitations::used_by.is_null().and(invitations::revoked_at.is_null()))
        .filter(invitations::invited_by.eq(by.unwrap_or_default()).or(any));
    Ok(diesel::update(its).set(invitations::revoked_at.eq(Utc::now())).execute(conn).await? > 0)
}

/// The open invitation of a token, held until the transaction ends.
pub async fn open(conn: &mut AsyncPgConnection, digest: &[u8]) -> DbResult<Option<Invitation>> {
    let found = invitations::table
        .filter(invitations::digest.eq(digest))
        .select(Invitation::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()?;
    Ok(found.filter(|invitation: &Invitation| invitation.state() == "open"))
}

/// What came of accepting an invitation.
pub enum Accepted {
    Account(Box<Account>),
    /// Used, expired, revoked, or never made.
    Gone,
    /// The e-mail has an account.
    Taken,
}

/// Makes the account of an invitation and uses it up.
pub async fn accept(
    conn: &mut AsyncPgConnection,
    digest: &[u8],
    login: Login,
    name: String,
    password_hash: String,
) -> DbResult<Accepted> {
    let accepted = conn.transaction(async |conn| {
        let Some(invitation) = open(conn, digest).await? else { return Ok(Accepted::Gone) };
        let role: Role = stored(&invitation.role)?;
        let new = NewAccount {
            login: login.clone(),
            name: name.clone(),
            role,
            regions: invitation.regions.clone(),
            password_hash: Some(password_hash),
        };
        let Some(id) = store::add(conn, new).await? else { return Ok(Accepted::Taken) };
        diesel::update(invitations::table.find(invitation.id))
            .set(invitations::used_by.eq(id))
            .execute(conn)
            .await?;
        let account = Account::new(id, login, name, role, invitation.regions);
        DbResult::Ok(Accepted::Account(Box::new(account)))
    });
    accepted.await
}
