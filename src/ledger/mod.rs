//! The tamper-evident ledger: an RFC 9162 tree over every version of a record, every review and every
//! file, with signed checkpoints and receipts that verify offline.

pub mod audit;
pub mod entry;
pub mod growth;
pub mod mirror;
pub mod note;
pub mod routes;
pub mod sequencer;
pub mod store;
pub mod tiles;
pub mod tree;

pub use entry::{Entry, EvidenceEntry, Receipt, VersionEntry, canonical_hash, moment, new_salt};

use std::path::Path;

use anyhow::{Context, ensure};

use note::{NoteSigner, is_key_name};

/// The ledger of this installation.
pub struct Ledger {
    pub signer: NoteSigner,
}

impl Ledger {
    /// The ledger under `name`, signed with the key given (base64) or kept in `ledger.key` of the data
    /// directory.
    ///
    /// # Errors
    /// When the name or the key is of no use.
    pub fn load(name: &str, given: Option<&str>, data_dir: &Path) -> anyhow::Result<Self> {
        ensure!(is_key_name(name), "the ledger's name {name:?} is empty or holds a space or a plus sign");
        let secret = crate::secrets::load(given, data_dir, "ledger.key")?;
        let seed = secret.as_slice().try_into().context("the ledger's key has 32 bytes")?;
        Ok(Self { signer: NoteSigner::new(name, seed) })
    }
}
