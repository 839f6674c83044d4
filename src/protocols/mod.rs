//! Tally sheets of polling stations.

pub mod domain;
pub mod figures;
pub mod reading;
pub mod reading_routes;
pub mod reading_store;
pub mod sheets;
mod store;
