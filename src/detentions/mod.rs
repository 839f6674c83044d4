//! People taken into custody.

pub mod domain;
mod store;
