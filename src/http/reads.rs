//! Which database answers a read.
//!
//! `Baqylau-Position` in the answer to a write says where in the database's log it stands. A client that sends
//! the latest it was told sees its own writes at any instance; whoever writes and reads through one instance
//! does so without it.

use std::{future::Ready, ops::Deref, sync::Arc};

use actix_web::{
    FromRequest, HttpRequest,
    body::MessageBody,
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{HeaderName, HeaderValue},
    },
    middleware::Next,
    web::Data,
};

use crate::db::{
    Pool,
    replicas::{ReadPools, Reading, Replicas},
};

/// The header's name.
pub const POSITION: HeaderName = HeaderName::from_static("baqylau-position");

/// Connections for reading: a standby's where one has all that this client may have seen.
pub struct Reads(Reading);

impl Reads {
    /// All the kinds of connections there are: a list chooses among them.
    pub fn all(&self) -> &Reading {
        &self.0
    }
}

impl Deref for Reads {
    type Target = Pool;

    fn deref(&self) -> &Pool {
        &self.0.usual
    }
}

impl FromRequest for Reads {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let pools = request.app_data::<Data<ReadPools>>().expect("the app has pools for reading");
        let replicas = request.app_data::<Data<Replicas>>().expect("the app knows its standbys");
        std::future::ready(Ok(Self(choose(request, pools, replicas).clone())))
    }
}

fn choose<'a>(request: &HttpRequest, pools: &'a ReadPools, replicas: &Replicas) -> &'a Reading {
    if replicas.is_empty() {
        return pools.primary();
    }
    let told = match request.headers().get(POSITION).map(|value| value.to_str().unwrap_or_default().parse()) {
        None => None,
        Some(Ok(position)) => Some(position),
        // Whoever asks for a position that is none gets the freshest there is.
        Some(Err(())) => return pools.primary(),
    };
    let wrote = super::account(request).and_then(|account| replicas.wrote(account));
    pools.seeing(told.max(wrote).unwrap_or_default())
}

/// Tells whoever wrote something where it stands.
pub async fn tell_position(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let replicas: Arc<Replicas> =
        request.app_data::<Data<Replicas>>().expect("the app knows its standbys").clone().into_inner();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if reads || replicas.is_empty() {
        return next.call(request).await;
    }
    let account = super::account(request.request());
    let mut response = next.call(request).await?;
    if response.status().is_success()
        && let Some(position) = replicas.after_write(account).await
    {
        let value = HeaderValue::from_str(&position.to_string()).expect("plain text");
        response.headers_mut().insert(POSITION, value);
    }
    Ok(response)
}
