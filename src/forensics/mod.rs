//! Election forensics: what the figures of a table alone can say, each test with its paper, its assumptions and
//! its limits. A test that fails is a reason to look, never a proof.

pub mod analysis;
pub mod answer;
pub mod correction;
pub mod digits;
pub mod domain;
pub mod fingerprint;
pub mod integers;
pub mod plots;
pub mod routes;
pub mod runner;
#[cfg(test)]
mod simulation;
pub mod store;
