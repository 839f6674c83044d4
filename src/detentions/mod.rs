//! People taken into custody.

pub mod custody;
pub mod custody_routes;
pub mod domain;
pub mod routes;
mod store;
