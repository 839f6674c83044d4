//! baqylau: an election-observation incident tracker.
//!
//! Each slice (`violations`, `places`, …) has the same rooms: `domain` decides and knows no HTTP and no
//! SQL, `store` speaks diesel, `routes` speaks HTTP. `docs/ARCHITECTURE.md` tells the whole.

#![forbid(unsafe_code)]

pub mod accounts;
pub mod aggregates;
pub mod app;
pub mod charts;
pub mod commands;
pub mod config;
pub mod counting;
pub mod db;
pub mod detentions;
pub mod documents;
pub mod enquiries;
pub mod evidence;
pub mod exports;
pub mod faults;
pub mod forensics;
pub mod http;
pub mod i18n;
pub mod ledger;
pub mod pages;
pub mod places;
pub mod protocols;
pub mod records;
pub mod report;
pub mod results;
pub mod sealing;
pub mod secrets;
pub mod seeds;
pub mod submissions;
pub mod violations;
pub mod vitals;
