//! The envelope that violations, protocols and detentions share: submission, history, review, lists.

pub mod audit;
pub mod change;
pub mod domain;
pub mod filter;
pub mod fragment;
pub mod intake;
mod json;
pub mod lookup;
pub mod openapi;
pub mod request;
pub mod routes;
pub mod similar;
pub mod store;
pub mod versions;
pub mod view;

pub use domain::*;
