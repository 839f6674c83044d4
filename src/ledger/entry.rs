//! What the ledger commits to, and the receipts that prove it.
//!
//! A leaf is `SHA-256(salt || entry)`, the entry in RFC 8785 form. The salt has 256 bits, so a leaf reveals
//! nothing; who holds the entry and its salt (in a receipt) can show that it was there.

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    note::{Checkpoint, NoteError, NoteSigner, NoteVerifier},
    tree::{self, Hash},
};

/// The form of a receipt that this program writes.
pub const FORM: &str = "baqylau-receipt/1";

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// A version of a record: submitted, edited, withdrawn, reviewed.
    RecordVersion(VersionEntry),
    /// A file that belongs to a record.
    Evidence(EvidenceEntry),
}

/// A version of a record, as the history keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionEntry {
    pub record: String,
    pub id: Uuid,
    pub version: i32,
    pub action: String,
    pub status: String,
    pub by: Uuid,
    /// RFC 3339, UTC, microseconds.
    pub at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate_of: Option<Uuid>,
    /// SHA-256 of the content in RFC 8785 form, where the action changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_sha256: Option<String>,
}

/// A file that belongs to a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceEntry {
    pub id: Uuid,
    pub record_id: Uuid,
    /// SHA-256 of the file's bytes.
    pub sha256: String,
    pub size: i64,
    pub media_type: String,
    pub by: Uuid,
    pub at: String,
}

/// A moment as entries state it.
pub fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// A fresh salt.
pub fn new_salt() -> [u8; 32] {
    rand::random()
}

/// SHA-256 of a value's RFC 8785 form.
pub fn canonical_hash(value: &impl Serialize) -> Hash {
    Sha256::digest(serde_json_canonicalizer::to_vec(value).expect("JSON has a canonical form")).into()
}

impl Entry {
    /// The leaf that commits to this entry.
    pub fn commit(&self, salt: &[u8]) -> Hash {
        let canonical = serde_json_canonicalizer::to_vec(self).expect("an entry is JSON");
        Sha256::new().chain_update(salt).chain_update(canonical).finalize().into()
    }
}

/// Where an entry lies in the tree of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Inclusion {
    pub index: u64,
    /// Hashes in base64, from the leaf upward (RFC 9162 §2.1.3).
    pub proof: Vec<String>,
    /// The signed checkpoint (C2SP tlog-checkpoint).
    pub checkpoint: String,
}

/// Proof for who handed something in. It verifies offline, with the ledger's public key alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// Always `baqylau-receipt/1`.
    pub receipt: String,
    pub entry: Entry,
    /// In base64.
    pub salt: String,
    /// The content whose hash the entry states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub content: Option<Value>,
    /// The ledger's signed promise to log the entry (C2SP signed note); made before there is a proof.
    pub promise: String,
    /// Absent until the entry is in the tree, some moments after the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inclusion: Option<Inclusion>,
}

/// Why a receipt does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    #[error("the receipt is of a form that this program does not know")]
    Form,
    #[error("the content is not the one that was logged")]
    Content,
    #[error("the promise is not for this entry")]
    Promise,
    #[error("the entry is not in the tree of the checkpoint")]
    Inclusion,
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// What a receipt that holds has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The content was there and is the one logged.
    pub content: bool,
    /// The checkpoint whose tree holds the entry; without one there is the promise alone.
    pub checkpoint: Option<Checkpoint>,
}

fn promise_text(name: &str, commitment: &Hash) -> String {
    format!("{name} receipt\n{}\n", BASE64_STANDARD.encode(commitment))
}

impl Receipt {
    /// The receipt of an entry on its way into the tree.
    pub fn promise(entry: Entry, salt: &[u8], signer: &NoteSigner) -> Self {
        let promise = signer.sign(&promise_text(signer.name(), &entry.commit(salt)));
        Self {
            receipt: FORM.to_owned(),
            entry,
            salt: BASE64_STANDARD.encode(salt),
            content: None,
            promise,
            inclusion: None,
        }
    }

    /// Checks all that the receipt claims.
    pub fn verify(&self, verifier: &NoteVerifier) -> Result<Shown, ReceiptError> {
        if self.receipt != FORM {
            return Err(ReceiptError::Form);
        }
        let salt = BASE64_STANDARD.decode(&self.salt).map_err(|_| ReceiptError::Form)?;
        let commitment = self.entry.commit(&salt);
        let stated = match &self.entry {
            Entry::RecordVersion(version) => version.content_sha256.as_deref(),
            Entry::Evidence(_) => None,
        };
        if let Some(content) = &self.content
            && stated != Some(&hex::encode(canonical_hash(content)))
        {
            return Err(ReceiptError::Content);
        }
        if verifier.open(&self.promise)? != promise_text(verifier.name(), &commitment) {
            return Err(ReceiptError::Promise);
        }
        let checkpoint = match &self.inclusion {
            None => None,
            Some(inclusion) => {
                let checkpoint = Checkpoint::open(&inclusion.checkpoint, verifier)?;
                let leaf = tree::leaf_hash(&commitment);
                let proof = decode_hashes(&inclusion.proof).ok_or(ReceiptError::Form)?;
                if !tree::includes(leaf, inclusion.index, checkpoint.size, &proof, &checkpoint.root) {
                    return Err(ReceiptError::Inclusion);
                }
                Some(checkpoint)
            }
        };
        Ok(Shown { content: self.content.is_some(), checkpoint })
    }
}

/// Hashes as JSON states them.
pub fn encode_hashes(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| BASE64_STANDARD.encode(hash)).collect()
}

/// Reads what [`encode_hashes`] wrote.
pub fn decode_hashes(texts: &[String]) -> Option<Vec<Hash>> {
    texts.iter().map(|text| BASE64_STANDARD.decode(text).ok()?.try_into().ok()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn receipt() -> (Receipt, NoteVerifier) {
        let signer = NoteSigner::new("test/ledger", &[3; 32]);
        let content = json!({ "description": "Бақылаушы", "b": 1 });
        let entry = Entry::RecordVersion(VersionEntry {
            record: "violation".into(),
            id: Uuid::from_u128(1),
            version: 1,
            action: "submitted".into(),
            status: "submitted".into(),
            by: Uuid::from_u128(2),
            at: moment(DateTime::UNIX_EPOCH),
            note: None,
            duplicate_of: None,
            content_sha256: Some(hex::encode(canonical_hash(&content))),
        });
        let leaf = tree::leaf_hash(&entry.commit(&[4; 32]));
        let sibling = tree::leaf_hash(b"another");
        let root = tree::node_hash(&sibling, &leaf);
        let checkpoint = Checkpoint { origin: "test/ledger".into(), size: 2, root };
        let mut receipt = Receipt::promise(entry, &[4; 32], &signer);
        receipt.content = Some(content);
        receipt.inclusion = Some(Inclusion {
            index: 1,
            proof: encode_hashes(&[sibling]),
            checkpoint: checkpoint.sign(&signer),
        });
        (receipt, signer.verifier())
    }

    #[test]
    fn a_receipt_holds_as_it_is_and_after_a_trip_through_json() {
        let (receipt, verifier) = receipt();
        let shown = receipt.verify(&verifier).unwrap();
        assert!(shown.content);
        assert_eq!(shown.checkpoint.unwrap().size, 2);
        let text = serde_json::to_string(&receipt).unwrap();
        assert_eq!(serde_json::from_str::<Receipt>(&text).unwrap(), receipt);
    }

    #[test]
    fn whatever_is_changed_is_seen() {
        let (good, verifier) = receipt();
        let broken = |change: &dyn Fn(&mut Receipt)| {
            let mut receipt = good.clone();
            change(&mut receipt);
            receipt.verify(&verifier).unwrap_err()
        };
        let version = |change: fn(&mut VersionEntry)| {
            broken(&move |receipt| match &mut receipt.entry {
                Entry::RecordVersion(version) => change(version),
                Entry::Evidence(_) => unreachable!(),
            })
        };
        assert_eq!(version(|it| it.at = moment(Utc::now())), ReceiptError::Promise);
        assert_eq!(version(|it| it.status = "verified".into()), ReceiptError::Promise);
        assert_eq!(version(|it| it.content_sha256 = None), ReceiptError::Content);
        assert_eq!(broken(&|it| it.content = Some(json!({}))), ReceiptError::Content);
        assert_eq!(broken(&|it| it.salt = BASE64_STANDARD.encode([0; 32])), ReceiptError::Promise);
        let inclusion = |change: fn(&mut Inclusion)| {
            broken(&move |receipt| change(receipt.inclusion.as_mut().expect("there is one")))
        };
        assert_eq!(inclusion(|it| it.index = 0), ReceiptError::Inclusion);
        assert_eq!(inclusion(|it| it.proof.clear()), ReceiptError::Inclusion);
        assert!(matches!(
            inclusion(|it| it.checkpoint = it.checkpoint.replace("\n2\n", "\n3\n")),
            ReceiptError::Note(_)
        ));
        let other = NoteSigner::new("test/ledger", &[8; 32]).verifier();
        assert_eq!(good.verify(&other), Err(ReceiptError::Note(NoteError::Unsigned)));
    }
}
