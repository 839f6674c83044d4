//! What all routes share: problem details, bodies, queries, preconditions, limits, health and metrics.

pub mod body;
pub mod health;
pub mod limits;
pub mod middleware;
pub mod preconditions;
pub mod problem;
pub mod query;

pub use problem::{Kind, Problem};

/// The result of a route.
pub type Answer = Result<actix_web::HttpResponse, Problem>;
