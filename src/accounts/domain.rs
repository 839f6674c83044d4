//! Roles and what they reach.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::places::{RegionId, RegionReach};

pub type UserId = Uuid;

/// The account that owns what was seeded from documents; nobody signs in with it.
pub const DOCUMENTS: UserId = Uuid::from_u128(0x0197_0000_0000_7000_8000_0000_0000_0001);

/// What a person does in the coalition.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, VariantNames, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Role {
    /// Submits; sees their own records.
    Observer,
    /// Sees and reviews the records of the regions they are given.
    Coordinator,
    /// Sees all, and keeps the accounts.
    Admin,
}

/// A person's account.
#[derive(Clone, Debug)]
pub struct Account {
    pub id: UserId,
    pub email: String,
    pub name: String,
    pub role: Role,
    pub regions: Vec<RegionId>,
    pub disabled: bool,
}

/// Which records a person reaches. Every lookup of a record takes one: what lies outside is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    All,
    /// Records of these places, and the person's own.
    Regions(RegionReach, UserId),
    Own(UserId),
    /// Records of these places alone: for counts.
    Places(RegionReach),
}
