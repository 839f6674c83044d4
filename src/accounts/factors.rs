//! The second factor: time-based codes (RFC 6238) and recovery codes.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use chrono::Utc;
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use totp_rs::{Builder, Totp};

use super::{UserId, tokens};
use crate::{
    db::{
        DbError, DbResult,
        schema::{recovery_codes, second_factors},
    },
    http::{Kind, Problem},
};

/// Recovery codes that are made at one time.
const RECOVERY_CODES: usize = 10;

/// Encrypts the secrets of second factors. Its key comes from the service's own, so that a copy of the
/// database alone gives no codes.
pub struct Vault(XChaCha20Poly1305);

impl Vault {
    pub fn new(secret: &[u8]) -> Self {
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(secret).expect("any length will do");
        mac.update(b"baqylau second factors");
        Self(XChaCha20Poly1305::new(&mac.finalize().into_bytes()))
    }

    /// Bound to its owner: moved to another account it does not open.
    fn lock(&self, owner: UserId, secret: &[u8]) -> Vec<u8> {
        let nonce: [u8; 24] = rand::random();
        let payload = Payload { msg: secret, aad: owner.as_bytes() };
        let locked = self.0.encrypt(&XNonce::from(nonce), payload).expect("memory takes it");
        [nonce.as_slice(), &locked].concat()
    }

    fn open(&self, owner: UserId, locked: &[u8]) -> Option<Vec<u8>> {
        let (nonce, locked) = locked.split_first_chunk::<24>()?;
        let payload = Payload { msg: locked, aad: owner.as_bytes() };
        self.0.decrypt(&XNonce::from(*nonce), payload).ok()
    }
}

fn totp(secret: Vec<u8>, account: &str) -> Totp {
    let builder = Builder::new().with_secret(secret).with_issuer(Some("baqylau"));
    // A colon would end the name in the URL.
    builder.with_account_name(account.replace(':', " ")).build().expect("the secret is long enough")
}

/// What was handed in beside the password.
pub struct Given {
    pub code: Option<String>,
    pub recovery_code: Option<String>,
}

/// A new secret for an authenticator, not in force until it is confirmed.
pub struct Begun {
    /// In base32.
    pub secret: String,
    /// `otpauth://…`, for a QR code.
    pub url: String,
}

/// Begins to set up a second factor; `None` where one is in force already.
pub async fn begin(
    conn: &mut AsyncPgConnection,
    key: &tokens::TokenKey,
    owner: UserId,
    account: &str,
) -> DbResult<Option<Begun>> {
    let secret: [u8; 20] = rand::random();
    let locked = key.vault().lock(owner, &secret);
    let stored = diesel::sql_query(
        "INSERT INTO second_factors (user_id, secret) VALUES ($1, $2) ON CONFLICT (user_id) \
         DO UPDATE SET secret = excluded.secret, last_step = 0 WHERE second_factors.confirmed_at IS NULL",
    )
    .bind::<diesel::sql_types::Uuid, _>(owner)
    .bind::<diesel::sql_types::Bytea, _>(locked)
    .execute(conn)
    .await?;
    if stored == 0 {
        return Ok(None);
    }
    let totp = totp(secret.to_vec(), account);
    let url = totp.to_url().map_err(|error| DbError::Corrupt(format!("otpauth: {error}")))?;
    Ok(Some(Begun { secret: totp.secret().to_base32(), url }))
}

/// Uses up a code: `false` where it is wrong, or was used already.
async fn use_code(
    conn: &mut AsyncPgConnection,
    key: &tokens::TokenKey,
    owner: UserId,
    code: &str,
    confirmed: bool,
) -> DbResult<bool> {
    let row: Option<Vec<u8>> = second_factors::table
        .find(owner)
        .filter(second_factors::confirmed_at.is_not_null().eq(confirmed))
        .select(second_factors::secret)
        .first(conn)
        .await
        .optional()?;
    let Some(secret) = row.and_then(|locked| key.vault().open(owner, &locked)) else { return Ok(false) };
    let Some(step) = totp(secret, "x").check_current(code.trim()) else { return Ok(false) };
    // A code is good once (RFC 6238 §5.2): of two that come with it at one time one wins.
    let step = step as i64;
    let fresh = second_factors::table.find(owner).filter(second_factors::last_step.lt(step));
    Ok(diesel::update(fresh).set(second_factors::last_step.eq(step)).execute(conn).await? > 0)
}

/// Puts a second factor into force with a first code; answers the recovery codes, told this once. `None`: the
/// code is wrong.
pub async fn confirm(
    conn: &mut AsyncPgConnection,
    key: &tokens::TokenKey,
    owner: UserId,
    code: &str,
) -> DbResult<Option<Vec<String>>> {
    conn.transaction(async |conn| {
        if !use_code(conn, key, owner, code, false).await? {
            return Ok(None);
        }
        diesel::update(second_factors::table.find(owner))
            .set(second_factors::confirmed_at.eq(Utc::now()))
            .execute(conn)
            .await?;
        let codes: Vec<String> =
            (0..RECOVERY_CODES).map(|_| BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 15]>())).collect();
        let rows: Vec<_> = codes
            .iter()
            .map(|code| (recovery_codes::digest.eq(tokens::digest(code)), recovery_codes::user_id.eq(owner)))
            .collect();
        diesel::delete(recovery_codes::table.filter(recovery_codes::user_id.eq(owner))).execute(conn).await?;
        diesel::insert_into(recovery_codes::table).values(rows).execute(conn).await?;
        DbResult::Ok(Some(codes))
    })
    .await
}

/// Passes where the account has no second factor, or what was given is right; a recovery code is used up.
pub async fn check(
    conn: &mut AsyncPgConnection,
    key: &tokens::TokenKey,
    owner: UserId,
    given: Given,
) -> Result<(), Problem> {
    let set = second_factors::table.find(owner).filter(second_factors::confirmed_at.is_not_null());
    let set: bool = diesel::select(diesel::dsl::exists(set)).get_result(conn).await.map_err(DbError::from)?;
    let right = match given {
        _ if !set => true,
        Given { code: Some(code), .. } => use_code(conn, key, owner, &code, true).await?,
        Given { recovery_code: Some(code), .. } => {
            let its = recovery_codes::table
                .find(tokens::digest(code.trim()))
                .filter(recovery_codes::user_id.eq(owner));
            diesel::delete(its).execute(conn).await.map_err(DbError::from)? > 0
        }
        Given { code: None, recovery_code: None } => return Err(Problem::new(Kind::SecondFactor)),
    };
    if right { Ok(()) } else { Err(Problem::new(Kind::Credentials)) }
}

/// Takes the second factor away; `false`: there was none.
pub async fn remove(conn: &mut AsyncPgConnection, owner: UserId) -> DbResult<bool> {
    let removed = conn.transaction(async |conn| {
        diesel::delete(recovery_codes::table.filter(recovery_codes::user_id.eq(owner))).execute(conn).await?;
        diesel::delete(second_factors::table.find(owner)).execute(conn).await
    });
    Ok(removed.await? > 0)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_secret_opens_for_its_owner_and_under_its_key_alone() {
        let (vault, owner) = (Vault::new(&[1; 32]), Uuid::from_u128(1));
        let locked = vault.lock(owner, b"secret");
        assert_eq!(vault.open(owner, &locked).as_deref(), Some(b"secret".as_slice()));
        assert_eq!(vault.open(Uuid::from_u128(2), &locked), None);
        assert_eq!(Vault::new(&[2; 32]).open(owner, &locked), None);
        assert_eq!(vault.open(owner, b"short"), None);
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B, SHA-1, of which authenticators show the last six digits.
        let totp = totp(b"12345678901234567890".to_vec(), "a:b");
        for (time, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(totp.check(code, time), Some(time / 30));
        }
    }
}
