//! Sources, and what they state (claims) and tell (events): kept apart from what the tracker counts.

pub mod compare;
pub mod domain;
pub mod routes;
pub mod store;
