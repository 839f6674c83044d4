//! Counts of records, kept as records change.

pub mod deltas;
pub mod domain;
pub mod fold;
pub mod routes;
pub mod store;
