//! Photos, films, scans and recordings: resumable uploads, originals kept bit for bit, copies without
//! metadata.

pub mod audit;
pub mod kinds;
pub mod objects;
pub mod routes;
pub mod scrub;
pub mod store;
pub mod tus;
pub mod upload_routes;
pub mod uploads;
