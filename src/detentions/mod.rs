//! People taken into custody.

pub mod domain;
pub mod routes;
mod store;
