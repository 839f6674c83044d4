//! Elections, regions, cities and polling stations.

pub mod directory;
pub mod domain;
pub mod query;
pub mod routes;
pub mod store;

pub use directory::Directory;
pub use domain::*;
