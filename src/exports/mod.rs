//! Downloads that stream: CSV, NDJSON, XLSX and GeoJSON, in flat memory whatever their length.

pub mod comparisons;
pub mod delivery;
pub mod domain;
pub mod receipts;
pub mod routes;
pub mod sheet;
pub mod store;
pub mod table;
