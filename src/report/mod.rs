//! A report on one region that a coalition can publish: what was seen, verified and compared, with charts and
//! sources.

mod compared;
mod content;
mod days;
mod render;
pub mod routes;
mod seen;

pub use content::{Asked, Report, gather};
pub use render::{Form, Rendered, render};
