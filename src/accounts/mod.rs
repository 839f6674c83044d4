//! People, what they may do, and how they sign in.

pub mod caller;
pub mod domain;
pub mod factors;
pub mod invitation_routes;
pub mod invitations;
pub mod password;
pub mod routes;
pub mod safety;
pub mod store;
pub mod tokens;

pub use caller::{Accounts, Caller};
pub use domain::*;
