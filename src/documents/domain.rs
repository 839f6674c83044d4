//! A source document, a claim and an event.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::{Validate, ValidationError};

use crate::places::Names;

/// A document.
#[derive(Clone, Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Slug: lower-case letters, digits, hyphens.
    #[validate(length(min = 1, max = 100))]
    pub id: String,
    #[validate(length(min = 1, max = 500))]
    pub title: String,
    pub publisher: Option<String>,
    /// ISO 639-1.
    #[validate(length(min = 2, max = 3))]
    pub language: String,
    pub published_on: Option<NaiveDate>,
    #[validate(length(max = 2000), custom(function = "web_address"))]
    pub url: Option<String>,
}

/// Pages make links of it, so no other scheme may be in it.
fn web_address(text: &str) -> Result<(), ValidationError> {
    let web = ["https://", "http://"].iter().any(|scheme| text.starts_with(scheme));
    if web { Ok(()) } else { Err(ValidationError::new("web_address")) }
}

/// A figure or statement of a source. It never becomes a count.
#[derive(Clone, Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// UUID; made when left out.
    pub id: Option<Uuid>,
    pub election: String,
    /// What it is about: `detained`, `result`, `legitimacy`, …
    #[validate(length(min = 1, max = 100))]
    pub topic: String,
    /// Who states it.
    #[validate(length(min = 1, max = 300))]
    pub claimant: String,
    pub value: Option<f64>,
    /// `exact`, `approximate`, `at_least`, `disputed` or `none` (no figure).
    pub value_is: String,
    /// `people`, `percent`, …
    pub unit: Option<String>,
    /// The day it was stated, where known.
    pub stated_on: Option<NaiveDate>,
    pub text: Names,
    /// The claim that this one disputes.
    pub disputes: Option<Uuid>,
    pub source: String,
    /// The number of the passage in the source.
    pub passage: Option<i32>,
}

/// A dated thing on the timeline that is no incident.
#[derive(Clone, Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// UUID; made when left out.
    pub id: Option<Uuid>,
    pub election: String,
    pub starts_on: NaiveDate,
    pub ends_on: Option<NaiveDate>,
    /// `day`, or `period` where it is not known how long.
    pub precision: String,
    /// Ids of cities, where known.
    #[serde(default)]
    pub cities: Vec<String>,
    pub text: Names,
    pub source: String,
    pub passage: Option<i32>,
}
