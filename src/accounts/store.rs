//! Accounts, sessions and refresh tokens in PostgreSQL.

use chrono::{DateTime, Duration, Utc};
use diesel::{
    prelude::*,
    result::{DatabaseErrorKind, Error},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{Account, Login, Role, UserId, tokens::REFRESH_LIFE};
use crate::{
    db::{
        DbResult,
        schema::{refresh_tokens, second_factors, sessions, user_regions, users},
        stored,
    },
    places::RegionId,
};

type AccountRow =
    (UserId, (Option<String>, Option<String>), String, String, Option<DateTime<Utc>>, Option<DateTime<Utc>>);

async fn with_regions(conn: &mut AsyncPgConnection, rows: Vec<AccountRow>) -> DbResult<Vec<Account>> {
    let ids: Vec<UserId> = rows.iter().map(|row| row.0).collect();
    let regions: Vec<(UserId, RegionId)> = user_regions::table
        .filter(user_regions::user_id.eq_any(ids))
        .order(user_regions::region_id)
        .load(conn)
        .await?;
    rows.into_iter()
        .map(|(id, (email, handle), name, role, disabled_at, factor)| {
            let of = regions.iter().filter(|(user, _)| *user == id).map(|(_, region)| *region);
            let role = stored(&role)?;
            Ok(Account {
                id,
                email,
                handle,
                name,
                role,
                regions: of.collect(),
                disabled: disabled_at.is_some(),
                second_factor: factor.is_some(),
            })
        })
        .collect()
}

type AccountColumns = (
    users::id,
    (users::email, users::handle),
    users::name,
    users::role,
    users::disabled_at,
    diesel::dsl::Nullable<second_factors::confirmed_at>,
);

fn columns() -> AccountColumns {
    let factor = second_factors::confirmed_at.nullable();
    (users::id, (users::email, users::handle), users::name, users::role, users::disabled_at, factor)
}

/// The account of a session that has not been revoked.
pub async fn of_session(conn: &mut AsyncPgConnection, session: Uuid) -> DbResult<Option<Account>> {
    let rows = users::table
        .inner_join(sessions::table.on(sessions::user_id.eq(users::id)))
        .left_join(second_factors::table.on(second_factors::user_id.eq(users::id)))
        .filter(sessions::id.eq(session).and(sessions::revoked_at.is_null()))
        .select(columns())
        .load(conn)
        .await?;
    Ok(with_regions(conn, rows).await?.pop())
}

/// All accounts that people have, by e-mail.
pub async fn list(conn: &mut AsyncPgConnection) -> DbResult<Vec<Account>> {
    let people = users::table
        .left_join(second_factors::table.on(second_factors::user_id.eq(users::id)))
        .filter(users::id.ne(super::DOCUMENTS));
    let rows = people.select(columns()).order((users::email, users::handle)).load(conn).await?;
    with_regions(conn, rows).await
}

/// The account and its password hash by e-mail, in any case of letters, or by handle.
pub async fn by_login(
    conn: &mut AsyncPgConnection,
    login: &Login,
) -> DbResult<Option<(UserId, Option<String>)>> {
    let active = users::table.filter(users::disabled_at.is_null()).select((users::id, users::password_hash));
    let text = login.text().to_lowercase();
    Ok(match login {
        Login::Email(_) => active.filter(lower(users::email).eq(text)).first(conn).await.optional()?,
        Login::Handle(_) => active.filter(users::handle.eq(text)).first(conn).await.optional()?,
    })
}

#[diesel::declare_sql_function]
extern "SQL" {
    fn lower(
        text: diesel::sql_types::Nullable<diesel::sql_types::Text>,
    ) -> diesel::sql_types::Nullable<diesel::sql_types::Text>;
}

/// The password hash of an account.
pub async fn password_hash(conn: &mut AsyncPgConnection, user: UserId) -> DbResult<Option<String>> {
    Ok(users::table.find(user).select(users::password_hash).first(conn).await.optional()?.flatten())
}

/// A new account.
pub struct NewAccount {
    pub login: Login,
    pub name: String,
    pub role: Role,
    pub regions: Vec<RegionId>,
    pub password_hash: Option<String>,
}

/// Stores an account; `None` when the e-mail or handle is taken.
pub async fn add(conn: &mut AsyncPgConnection, new: NewAccount) -> DbResult<Option<UserId>> {
    let id = Uuid::now_v7();
    let (email, handle) = match &new.login {
        Login::Email(email) => (Some(email), None),
        Login::Handle(handle) => (None, Some(handle)),
    };
    let added = conn.transaction(async |conn| {
        diesel::insert_into(users::table)
            .values((
                users::id.eq(id),
                users::email.eq(email),
                users::handle.eq(handle),
                users::name.eq(&new.name),
                users::role.eq(new.role.to_string()),
                users::password_hash.eq(&new.password_hash),
            ))
            .execute(conn)
            .await?;
        let regions: Vec<_> = (new.regions.iter())
            .map(|region| (user_regions::user_id.eq(id), user_regions::region_id.eq(*region)))
            .collect();
        diesel::insert_into(user_regions::table).values(regions).execute(conn).await
    });
    match added.await {
        Ok(_) => Ok(Some(id)),
        Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Makes the account that owns seeded records.
pub async fn ensure_documents(conn: &mut AsyncPgConnection) -> DbResult<()> {
    diesel::insert_into(users::table)
        .values((
            users::id.eq(super::DOCUMENTS),
            users::email.eq("documents@baqylau.invalid"),
            users::name.eq("Documents"),
            users::role.eq(Role::Observer.to_string()),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(())
}

/// Whether there is an administrator who can sign in.
pub async fn has_admin(conn: &mut AsyncPgConnection) -> DbResult<bool> {
    let admins = users::table.filter(users::role.eq(Role::Admin.to_string()));
    Ok(diesel::select(diesel::dsl::exists(admins)).get_result(conn).await?)
}

/// Disables or enables an account; its sessions end. `false`: there is no such account.
pub async fn set_disabled(conn: &mut AsyncPgConnection, user: UserId, disabled: bool) -> DbResult<bool> {
    let at = disabled.then(Utc::now);
    let found = conn
        .transaction(async |conn| {
            let found =
                diesel::update(users::table.find(user)).set(users::disabled_at.eq(at)).execute(conn).await?;
            revoke_all(conn, user).await.map(|()| found)
        })
        .await;
    Ok(found? > 0)
}

/// Stores a new password; every session ends.
pub async fn set_password(conn: &mut AsyncPgConnection, user: UserId, hash: String) -> DbResult<()> {
    let stored = conn.transaction(async |conn| {
        diesel::update(users::table.find(user)).set(users::password_hash.eq(hash)).execute(conn).await?;
        revoke_all(conn, user).await
    });
    Ok(stored.await?)
}

/// Ends all sessions of a person.
pub async fn revoke_all(conn: &mut AsyncPgConnection, user: UserId) -> QueryResult<()> {
    diesel::update(sessions::table.filter(sessions::user_id.eq(user).and(sessions::revoked_at.is_null())))
        .set(sessions::revoked_at.eq(Utc::now()))
        .execute(conn)
        .await?;
    Ok(())
}

/// Opens a session with its first refresh token.
pub async fn open_session(
    conn: &mut AsyncPgConnection,
    user: UserId,
    label: Option<&str>,
    digest: Vec<u8>,
) -> DbResult<Uuid> {
    let id = Uuid::now_v7();
    let opened = conn.transaction(async |conn| {
        diesel::insert_into(sessions::table)
            .values((sessions::id.eq(id), sessions::user_id.eq(user), sessions::label.eq(label)))
            .execute(conn)
            .await?;
        add_token(conn, id, digest).await
    });
    opened.await?;
    Ok(id)
}

async fn add_token(conn: &mut AsyncPgConnection, session: Uuid, digest: Vec<u8>) -> QueryResult<()> {
    diesel::insert_into(refresh_tokens::table)
        .values((
            refresh_tokens::digest.eq(digest),
            refresh_tokens::session_id.eq(session),
            refresh_tokens::expires_at.eq(Utc::now() + REFRESH_LIFE),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// What came of handing in a refresh token.
#[derive(Debug, PartialEq, Eq)]
pub enum Rotation {
    Rotated {
        user: UserId,
        session: Uuid,
    },
    Unknown,
    /// It had been used: somebody has a copy, so the session is ended.
    Reused,
}

/// How long after its first use a token may be handed in again because the answer was lost.
const LOST: Duration = Duration::days(7);

/// How long a session lasts at most, however often it is refreshed (ASVS 5.0, 7.3.2).
const SESSION_LIFE: Duration = Duration::days(90);

/// Exchanges a refresh token for the next one (RFC 9700 §4.14). The last token that was used may be handed in again
/// while the one that followed it was not: its answer was lost on the way. If a thief does so, the token that the owner
/// has is replaced, and showing it ends the session.
pub async fn rotate(conn: &mut AsyncPgConnection, old: Vec<u8>, new: Vec<u8>) -> DbResult<Rotation> {
    type Row = (
        Uuid,
        UserId,
        DateTime<Utc>,
        Option<DateTime<Utc>>,
        bool,
        DateTime<Utc>,
        Option<DateTime<Utc>>,
        Option<DateTime<Utc>>,
    );
    let rotation = conn.transaction(async |conn| {
        let row: Option<Row> = refresh_tokens::table
            .inner_join(sessions::table.on(sessions::id.eq(refresh_tokens::session_id)))
            .inner_join(users::table.on(users::id.eq(sessions::user_id)))
            .filter(refresh_tokens::digest.eq(&old))
            .select((
                sessions::id,
                users::id,
                refresh_tokens::expires_at,
                refresh_tokens::used_at,
                refresh_tokens::replaced,
                sessions::created_at,
                sessions::revoked_at,
                users::disabled_at,
            ))
            .for_update()
            .first(conn)
            .await
            .optional()?;
        let Some((session, user, expires_at, used_at, replaced, signed_in_at, revoked_at, disabled_at)) = row
        else {
            return Ok(Rotation::Unknown);
        };
        let over = expires_at < Utc::now() || signed_in_at + SESSION_LIFE < Utc::now();
        if over || revoked_at.is_some() || disabled_at.is_some() {
            return Ok(Rotation::Unknown);
        }
        let theft = match used_at {
            _ if replaced => true,
            None => false,
            Some(used_at) => {
                let of_session = refresh_tokens::table.filter(refresh_tokens::session_id.eq(session));
                let last: Option<DateTime<Utc>> =
                    of_session.select(diesel::dsl::max(refresh_tokens::used_at)).first(conn).await?;
                let lost = last == Some(used_at) && used_at > Utc::now() - LOST;
                if lost {
                    diesel::update(of_session.filter(refresh_tokens::used_at.is_null()))
                        .set(refresh_tokens::replaced.eq(true))
                        .execute(conn)
                        .await?;
                }
                !lost
            }
        };
        if theft {
            revoke(conn, session).await?;
            return Ok(Rotation::Reused);
        }
        diesel::update(refresh_tokens::table.find(&old))
            .set(refresh_tokens::used_at.eq(Utc::now()))
            .execute(conn)
            .await?;
        add_token(conn, session, new).await?;
        diesel::update(sessions::table.find(session))
            .set(sessions::last_used_at.eq(Utc::now()))
            .execute(conn)
            .await?;
        Ok::<_, Error>(Rotation::Rotated { user, session })
    });
    Ok(rotation.await?)
}

async fn revoke(conn: &mut AsyncPgConnection, session: Uuid) -> QueryResult<()> {
    diesel::update(sessions::table.find(session))
        .set(sessions::revoked_at.eq(Utc::now()))
        .execute(conn)
        .await?;
    Ok(())
}

/// Ends a session.
pub async fn close_session(conn: &mut AsyncPgConnection, session: Uuid) -> DbResult<()> {
    Ok(revoke(conn, session).await?)
}

/// Ends one of a person's own sessions; `false`: it is not theirs, or ended already.
pub async fn close_own_session(conn: &mut AsyncPgConnection, user: UserId, session: Uuid) -> DbResult<bool> {
    let own =
        sessions::table.find(session).filter(sessions::user_id.eq(user).and(sessions::revoked_at.is_null()));
    Ok(diesel::update(own).set(sessions::revoked_at.eq(Utc::now())).execute(conn).await? > 0)
}

/// A session: id, what the device calls itself, when it was opened and used last.
pub type SessionRow = (Uuid, Option<String>, DateTime<Utc>, DateTime<Utc>);

/// A person's sessions, the one used last first.
pub async fn sessions(conn: &mut AsyncPgConnection, user: UserId) -> DbResult<Vec<SessionRow>> {
    Ok(sessions::table
        .filter(sessions::user_id.eq(user).and(sessions::revoked_at.is_null()))
        .order((sessions::last_used_at.desc(), sessions::id))
        .select((sessions::id, sessions::label, sessions::created_at, sessions::last_used_at))
        .limit(200)
        .load(conn)
        .await?)
}
