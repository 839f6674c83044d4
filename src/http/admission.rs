//! How much the service takes on at one time.
//!
//! Each kind of work has a lane of its own, so that a flood in one leaves the others free: coordinators read while
//! submissions are turned away, and nobody's sign-in costs anybody a submission. What a lane cannot take is refused
//! at once (503 with `Retry-After`), before its body is read: waiting in a queue that does not end helps nobody.

use std::sync::Arc;

use actix_web::{
    HttpMessage, HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, header::CONTENT_LENGTH},
    middleware::Next,
    web::Data,
};
use moka::sync::Cache;
use strum::{EnumIter, IntoEnumIterator, IntoStaticStr};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    body,
    limits::Client,
    problem::{Kind, Problem},
};

/// Kinds of work that do not take one another's places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
enum Lane {
    /// Whoever is signed in writes.
    Write,
    /// Whoever is signed in reads.
    Read,
    /// Nobody is signed in.
    Public,
    /// Passwords are hashed.
    SignIn,
    /// Whole tables are read and computed with.
    Compute,
}

impl Lane {
    /// Requests that may be under way.
    const fn places(self) -> usize {
        match self {
            Self::Write => 1024,
            Self::Read | Self::Public => 256,
            // Half a second of hashing to some seconds, by how much else there is to do.
            Self::SignIn => 32,
            Self::Compute => 8,
        }
    }

    /// Of these, the most that one client may have: a quarter, so that one slow sender does not fill a lane.
    const fn share(self) -> usize {
        self.places() / 4
    }

    /// The lane of a request; none for what costs next to nothing (pages, health).
    fn of(request: &ServiceRequest, signed_in: bool) -> Option<Self> {
        let path = request.path().strip_prefix("/api/v1/")?;
        let first = path.split('/').next().unwrap_or_default();
        let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        Some(match (first, path) {
            (_, "auth/login" | "auth/panic" | "invitations/accept" | "me/password") => Self::SignIn,
            ("forensics" | "report" | "results" | "estimate", _) if reads => Self::Compute,
            // What never changes, and streams that have limits of their own.
            ("ledger" | "exports" | "openapi.json", _) if reads => return None,
            _ if !signed_in => Self::Public,
            _ if reads => Self::Read,
            _ => Self::Write,
        })
    }
}

/// Kibibytes of JSON bodies that may be in memory.
const BODIES: usize = 64 * 1024;

/// The places that are free.
pub struct Admission {
    lanes: Vec<(Lane, Arc<Semaphore>)>,
    bodies: Arc<Semaphore>,
    shares: Cache<(&'static str, String), Arc<Semaphore>>,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            lanes: Lane::iter().map(|lane| (lane, Arc::new(Semaphore::new(lane.places())))).collect(),
            bodies: Arc::new(Semaphore::new(BODIES)),
            shares: Cache::builder()
                .max_capacity(100_000)
                .time_to_idle(std::time::Duration::from_secs(120))
                .build(),
        }
    }
}

impl Admission {
    /// Places for a request; they are given back when dropped.
    fn enter(&self, lane: Lane, client: &Client, kibibytes: u32) -> Option<[OwnedSemaphorePermit; 3]> {
        let word: &'static str = lane.into();
        let share = self
            .shares
            .get_with((word, client.key.clone()), || Arc::new(Semaphore::new(lane.share())))
            .try_acquire_owned()
            .ok()?;
        let (_, places) = self.lanes.iter().find(|(of, _)| *of == lane)?;
        let place = places.clone().try_acquire_owned().ok()?;
        let body = self.bodies.clone().try_acquire_many_owned(kibibytes).ok()?;
        Some([share, place, body])
    }

    /// Tells the metrics how full the lanes are.
    pub fn measure(&self) {
        for (lane, places) in &self.lanes {
            let word: &'static str = lane.into();
            let taken = lane.places() - places.available_permits();
            metrics::gauge!("baqylau_requests_in_flight", "lane" => word).set(taken as f64);
        }
    }
}

/// What a request's body may take of memory, in kibibytes: what it says, or the most that one may have.
fn weight(request: &ServiceRequest) -> u32 {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return 0;
    }
    let said =
        request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    (said.unwrap_or(body::LIMIT).min(body::LIMIT).div_ceil(1024)) as u32
}

/// Lets a request in, or tells its sender to come back.
pub async fn admit(
    admission: Data<Admission>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let client = request.extensions().get::<Client>().cloned().unwrap_or_default();
    let Some(lane) = Lane::of(&request, client.signed_in) else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    let Some(_places) = admission.enter(lane, &client, weight(&request)) else {
        let word: &'static str = lane.into();
        metrics::counter!("baqylau_requests_refused_total", "lane" => word).increment(1);
        // Not all at the same moment.
        let problem = Problem::later(Kind::Unavailable, rand::random_range(1..=5));
        return Ok(request.into_response(HttpResponse::from_error(problem)).map_into_right_body());
    };
    Ok(next.call(request).await?.map_into_left_body())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn client(key: &str) -> Client {
        Client { key: key.to_owned(), signed_in: true }
    }

    #[test]
    fn a_full_lane_refuses_and_leaves_the_others_free() {
        let admission = Admission::default();
        let mut inside = Vec::new();
        for n in 0..Lane::SignIn.places() {
            inside.push(admission.enter(Lane::SignIn, &client(&n.to_string()), 1).expect("there is room"));
        }
        assert!(admission.enter(Lane::SignIn, &client("late"), 1).is_none());
        assert!(admission.enter(Lane::Read, &client("late"), 0).is_some());
        inside.pop();
        assert!(admission.enter(Lane::SignIn, &client("late"), 1).is_some());
    }

    #[test]
    fn one_client_does_not_fill_a_lane_and_bodies_do_not_fill_the_memory() {
        let admission = Admission::default();
        let greedy: Vec<_> = (0..Lane::Write.places())
            .map_while(|_| admission.enter(Lane::Write, &client("greedy"), 1))
            .collect();
        assert_eq!(greedy.len(), Lane::Write.share());
        assert!(admission.enter(Lane::Write, &client("modest"), 1).is_some());

        let large = (body::LIMIT / 1024) as u32;
        let bodies: Vec<_> = (0..Lane::Write.places())
            .map_while(|n| admission.enter(Lane::Write, &client(&n.to_string()), large))
            .collect();
        assert_eq!(bodies.len(), (BODIES - greedy.len()) / large as usize);
    }

    #[test]
    fn every_request_has_its_lane() {
        let lane = |method: Method, path: &str, signed_in| {
            Lane::of(&TestRequest::default().method(method).uri(path).to_srv_request(), signed_in)
        };
        assert_eq!(lane(Method::POST, "/api/v1/violations", true), Some(Lane::Write));
        assert_eq!(lane(Method::POST, "/api/v1/violations", false), Some(Lane::Public));
        assert_eq!(lane(Method::GET, "/api/v1/violations?q=x", true), Some(Lane::Read));
        assert_eq!(lane(Method::POST, "/api/v1/auth/login", false), Some(Lane::SignIn));
        assert_eq!(lane(Method::POST, "/api/v1/auth/refresh", false), Some(Lane::Public));
        assert_eq!(lane(Method::GET, "/api/v1/report", true), Some(Lane::Compute));
        assert_eq!(lane(Method::GET, "/healthz", false), None);
    }

    #[test]
    fn a_body_of_unknown_length_weighs_the_most() {
        let request = |said: Option<&str>| {
            let request = TestRequest::default().method(Method::POST);
            let request = match said {
                Some(length) => request.insert_header((CONTENT_LENGTH, length)),
                None => request,
            };
            weight(&request.to_srv_request())
        };
        assert_eq!((request(Some("1")), request(Some("2049")), request(Some("99999999999"))), (1, 3, 256));
        assert_eq!((request(None), request(Some("nonsense"))), (256, 256));
    }
}
