//! Parallel vote tabulation (quick count): a stratified random sample of polling stations, and what their
//! sheets let one say of all.

pub mod answer;
pub mod estimate;
pub mod routes;
pub mod sample;
pub mod store;
