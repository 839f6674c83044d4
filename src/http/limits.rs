//! Rate limits: a client is an account, or an address when nobody is signed in.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web::Data,
};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};

use super::problem::{Kind, Problem};

/// The limits in force. Kept in memory: each instance allows its own share.
pub struct Limits {
    requests: Option<DefaultKeyedRateLimiter<String>>,
    logins: Option<(DefaultKeyedRateLimiter<String>, DefaultKeyedRateLimiter<String>)>,
    trust_proxy: bool,
}

impl Limits {
    /// `requests` a minute, `logins` an hour an account and ten times that an address; 0: no limit.
    pub fn new(requests: u32, logins: u32, trust_proxy: bool) -> Self {
        let limiter =
            |quota: fn(NonZeroU32) -> Quota, n: u32| NonZeroU32::new(n).map(|n| RateLimiter::keyed(quota(n)));
        let accounts = limiter(Quota::per_hour, logins);
        let addresses = limiter(Quota::per_hour, logins.saturating_mul(10));
        Self { requests: limiter(Quota::per_minute, requests), logins: accounts.zip(addresses), trust_proxy }
    }

    /// Counts one sign-in attempt for the account `email` from this client.
    pub fn check_login(&self, request: &HttpRequest, email: &str) -> Result<(), Problem> {
        let Some((accounts, addresses)) = &self.logins else { return Ok(()) };
        check(addresses, &self.address(request))?;
        check(accounts, &email.to_lowercase())
    }

    /// Counts one question of somebody without an account, from this client's address.
    pub fn check_enquiry(&self, request: &HttpRequest) -> Result<(), Problem> {
        let Some((_, addresses)) = &self.logins else { return Ok(()) };
        check(addresses, &format!("enquiry {}", self.address(request)))
    }

    /// Forgets clients that have not been seen for a while.
    pub async fn sweep(&self) {
        loop {
            tokio::time::sleep(Duration::from_secs(60)).await;
            self.requests.iter().for_each(RateLimiter::retain_recent);
            if let Some((accounts, addresses)) = &self.logins {
                accounts.retain_recent();
                addresses.retain_recent();
            }
        }
    }

    /// The client's address; the network (/64) for IPv6, where one client has them all.
    fn address(&self, request: &HttpRequest) -> String {
        let forwarded = || {
            let header = request.headers().get("x-forwarded-for")?.to_str().ok()?;
            header.rsplit(',').next()?.trim().parse::<IpAddr>().ok()
        };
        let peer = || request.peer_addr().map(|address| address.ip());
        match self.trust_proxy.then(forwarded).flatten().or_else(peer) {
            Some(IpAddr::V6(address)) => format!("{:?}", &address.segments()[..4]),
            Some(IpAddr::V4(address)) => address.to_string(),
            None => "unknown".to_owned(),
        }
    }
}

fn check(limiter: &DefaultKeyedRateLimiter<String>, key: &String) -> Result<(), Problem> {
    limiter.check_key(key).map_err(|until| {
        let wait = until.wait_time_from(limiter.clock().now());
        Problem::later(Kind::RateLimited, wait.as_secs() + 1)
    })
}

/// Who a request counts for: an account, or an address where nobody is signed in.
#[derive(Clone, Debug, Default)]
pub struct Client {
    pub key: String,
    pub signed_in: bool,
}

/// Refuses a client that asks too often (429); those within know the client from here on.
pub async fn limit(
    limits: Data<Limits>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let account = super::account(request.request()).map(|id| id.to_string());
    let signed_in = account.is_some();
    let client = account.unwrap_or_else(|| limits.address(request.request()));
    if let Some(limiter) = &limits.requests
        && let Err(problem) = check(limiter, &client)
    {
        return Ok(request.into_response(HttpResponse::from_error(problem)).map_into_right_body());
    }
    request.extensions_mut().insert(Client { key: client, signed_in });
    Ok(next.call(request).await?.map_into_left_body())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_the_last_address_of_a_proxy_that_is_believed_counts() {
        let request = TestRequest::default()
            .peer_addr("10.0.0.1:9".parse().unwrap())
            .insert_header(("x-forwarded-for", "203.0.113.7, 198.51.100.4"))
            .to_http_request();
        assert_eq!(Limits::new(0, 0, false).address(&request), "10.0.0.1", "anybody can send the header");
        assert_eq!(
            Limits::new(0, 0, true).address(&request),
            "198.51.100.4",
            "what the client wrote comes first"
        );
    }
}
