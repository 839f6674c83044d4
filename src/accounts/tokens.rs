//! Access tokens (JWT, HS256, fifteen minutes) and refresh tokens (random, thirty days, used once).

use std::{path::Path, time::Duration};

use actix_web::{HttpMessage, HttpRequest, http::header};
use anyhow::ensure;
use base64::{Engine, prelude::*};
use chrono::{TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{UserId, factors::Vault};
use crate::secrets;

/// Seconds that an access token is good for.
pub const ACCESS_SECONDS: i64 = 15 * 60;
/// How long a refresh token is good for.
pub const REFRESH_LIFE: TimeDelta = TimeDelta::days(30);
const ISSUER: &str = "baqylau";
/// Seconds by which clocks may differ.
const LEEWAY: u64 = 5;
/// Good tokens that are remembered; some 500 bytes each.
const REMEMBERED: u64 = 20_000;

/// What an access token says (RFC 7519). The account itself is looked up, so a token never outlives a
/// change of role.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccessToken {
    pub sub: UserId,
    /// The session: one sign-in on one device.
    pub sid: Uuid,
    jti: Uuid,
    iss: String,
    aud: String,
    iat: i64,
    exp: i64,
}

/// The key that signs access tokens.
pub struct TokenKey {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    /// Until when tokens seen lately are good: to look at a signature takes ten times as long as to find one here.
    good: Cache<String, (Bearer, i64)>,
    vault: Vault,
}

impl TokenKey {
    /// A key from 32 bytes or more.
    pub fn new(secret: &[u8]) -> anyhow::Result<Self> {
        ensure!(secret.len() >= 32, "the token key is shorter than 32 bytes");
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[ISSUER]);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.leeway = LEEWAY;
        Ok(Self {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            validation,
            good: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(Duration::from_secs(ACCESS_SECONDS as u64))
                .build(),
            vault: Vault::new(secret),
        })
    }

    /// The key given (base64), or the one kept in `token.key` of the data directory, made when missing.
    pub fn load(given: Option<&str>, data_dir: &Path) -> anyhow::Result<Self> {
        Self::new(&secrets::load(given, data_dir, "token.key")?)
    }

    /// What keeps the secrets of second factors from who has the database alone.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Signs an access token.
    pub fn sign(&self, user: UserId, session: Uuid) -> String {
        let now = Utc::now().timestamp();
        let claims = AccessToken {
            sub: user,
            sid: session,
            jti: Uuid::new_v4(),
            iss: ISSUER.to_owned(),
            aud: ISSUER.to_owned(),
            iat: now,
            exp: now + ACCESS_SECONDS,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .expect("claims are JSON")
    }

    /// What the token says, if it is one of ours and still good.
    pub fn verify(&self, token: &str) -> Option<AccessToken> {
        let data = jsonwebtoken::decode::<AccessToken>(token, &self.decoding, &self.validation).ok()?;
        Some(data.claims)
    }

    /// Who bears a good token at the moment `now` (Unix seconds).
    fn bearer_of(&self, token: &str, now: i64) -> Option<Bearer> {
        if let Some((bearer, end)) = self.good.get(token) {
            return (now <= end).then_some(bearer);
        }
        let said = self.verify(token)?;
        let bearer = Bearer { user: said.sub, session: said.sid };
        self.good.insert(token.to_owned(), (bearer, said.exp.saturating_add_unsigned(LEEWAY)));
        Some(bearer)
    }

    /// Who bears the token of a request's `Authorization: Bearer` header (RFC 6750). It is looked at once a request.
    pub fn bearer(&self, request: &HttpRequest) -> Option<Bearer> {
        if let Some(Seen(bearer)) = request.extensions().get() {
            return *bearer;
        }
        let read = || {
            let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
            let (scheme, token) = value.split_once(' ')?;
            let token = scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())?;
            self.bearer_of(token, Utc::now().timestamp())
        };
        let bearer = read();
        request.extensions_mut().insert(Seen(bearer));
        bearer
    }
}

/// Who a good token was given to; whether the account and its session still are is not asked.
#[derive(Clone, Copy, Debug)]
pub struct Bearer {
    pub user: UserId,
    pub session: Uuid,
}

struct Seen(Option<Bearer>);

/// A fresh refresh token and the digest that is stored of it.
pub fn new_refresh_token() -> (String, Vec<u8>) {
    let token = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let digest = digest(&token);
    (token, digest)
}

/// What the database keeps of a refresh token.
pub fn digest(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_tokens_are_good() {
        let key = TokenKey::new(&[1; 32]).unwrap();
        let (user, session) = (Uuid::new_v4(), Uuid::new_v4());
        let token = key.sign(user, session);
        let read = key.verify(&token).unwrap();
        assert_eq!((read.sub, read.sid), (user, session));
        assert!(TokenKey::new(&[2; 32]).unwrap().verify(&token).is_none());
        let (head, signature) = token.rsplit_once('.').unwrap();
        let (_, body) = head.split_once('.').unwrap();
        let unsigned = format!("{}.{body}.", BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#));
        assert!(key.verify(&unsigned).is_none());
        let other = format!("{}.{body}.{signature}", BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"HS512"}"#));
        assert!(key.verify(&other).is_none());
        assert!(TokenKey::new(&[1; 31]).is_err());
    }

    #[test]
    fn a_token_that_is_remembered_ends_when_it_should() {
        let key = TokenKey::new(&[1; 32]).unwrap();
        let token = key.sign(Uuid::new_v4(), Uuid::new_v4());
        let said = key.verify(&token).unwrap();
        let bearer = |seconds: i64| key.bearer_of(&token, said.exp + seconds).map(|bearer| bearer.session);
        assert!(key.good.get(&token).is_none());
        assert_eq!(bearer(-ACCESS_SECONDS), Some(said.sid), "not seen before");
        assert!(key.good.get(&token).is_some());
        assert_eq!((bearer(0), bearer(5), bearer(6)), (Some(said.sid), Some(said.sid), None));
    }
}
