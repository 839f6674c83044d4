//! Breaches of the rules that observers saw.

pub mod domain;
mod store;
