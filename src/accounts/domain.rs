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
    /// None for a pseudonymous person, who has a handle.
    pub email: Option<String>,
    pub handle: Option<String>,
    pub name: String,
    pub role: Role,
    pub regions: Vec<RegionId>,
    pub disabled: bool,
    /// A second factor is asked for when they sign in.
    pub second_factor: bool,
}

/// By what a person signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    Email(String),
    /// A name made here, for who gives no e-mail.
    Handle(String),
}

impl Login {
    /// A handle that tells nothing of its owner.
    pub fn made() -> Self {
        // No letters that are taken for others when read out.
        const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
        let random: [u8; 10] = rand::random();
        Self::Handle(random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
    }

    pub fn text(&self) -> &str {
        match self {
            Self::Email(text) | Self::Handle(text) => text,
        }
    }
}

impl Account {
    /// An account made just now.
    pub fn new(id: UserId, login: Login, name: String, role: Role, regions: Vec<RegionId>) -> Self {
        let (email, handle) = match login {
            Login::Email(email) => (Some(email), None),
            Login::Handle(handle) => (None, Some(handle)),
        };
        Self { id, email, handle, name, role, regions, disabled: false, second_factor: false }
    }

    /// By what they sign in.
    pub fn login(&self) -> &str {
        self.email.as_deref().or(self.handle.as_deref()).unwrap_or_default()
    }
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
