//! Tally sheets of polling stations.

pub mod domain;
mod store;
