//! HTTP tests: the real application on a real PostgreSQL, a fresh database for each test.

#[path = "../servers/mod.rs"]
mod servers;

mod accounts;
mod authorisation;
mod backup;
mod counting;
mod counts;
mod detentions;
mod evidence;
mod exports;
mod forensics;
mod inputs;
mod ledger;
mod machines;
mod operations;
mod overload;
mod places;
mod records;
mod results;
mod safety;
mod scaling;
mod sealing;
mod sheets;
mod submissions;
mod support;
mod tus_client;
mod web;
