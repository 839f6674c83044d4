//! C2SP signed notes and checkpoints (c2sp.org/signed-note, c2sp.org/tlog-checkpoint) with Ed25519.

use base64::{Engine, prelude::BASE64_STANDARD};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use super::tree::Hash;

/// The signature type of Ed25519 in a signed note.
const ED25519: u8 = 1;

/// What is wrong with a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("this is no verification key")]
    Key,
    #[error("this is no signed note")]
    Form,
    #[error("the note is not signed by this key")]
    Unsigned,
    #[error("this is no checkpoint")]
    Checkpoint,
}

fn key_id(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let digest = Sha256::new().chain_update(name).chain_update([b'\n', ED25519]).chain_update(key).finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

/// A key that signs, under a name.
pub struct NoteSigner {
    name: String,
    key: SigningKey,
}

impl NoteSigner {
    pub fn new(name: &str, seed: &[u8; 32]) -> Self {
        Self { name: name.to_owned(), key: SigningKey::from_bytes(seed) }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key with which others verify.
    pub fn verifier(&self) -> NoteVerifier {
        NoteVerifier { name: self.name.clone(), key: self.key.verifying_key() }
    }

    /// The signed note of `text`, which ends in a newline.
    pub fn sign(&self, text: &str) -> String {
        let mut signature = key_id(&self.name, &self.key.verifying_key()).to_vec();
        signature.extend(self.key.sign(text.as_bytes()).to_bytes());
        format!("{text}\n\u{2014} {} {}\n", self.name, BASE64_STANDARD.encode(signature))
    }
}

/// A public key with its name: `name+id+key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteVerifier {
    name: String,
    key: VerifyingKey,
}

impl std::fmt::Display for NoteVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut key = vec![ED25519];
        key.extend(self.key.as_bytes());
        write!(
            f,
            "{}+{}+{}",
            self.name,
            hex::encode(key_id(&self.name, &self.key)),
            BASE64_STANDARD.encode(key)
        )
    }
}

impl std::str::FromStr for NoteVerifier {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        // The base64 of the key may hold a plus sign, the name may not.
        let mut parts = text.trim().splitn(3, '+');
        let (name, id, key) =
            (|| Some((parts.next()?, parts.next()?, parts.next()?)))().ok_or(NoteError::Key)?;
        let key = BASE64_STANDARD.decode(key).map_err(|_| NoteError::Key)?;
        let Some((&ED25519, key)) = key.split_first() else { return Err(NoteError::Key) };
        let key = key.try_into().map_err(|_| NoteError::Key)?;
        let key = VerifyingKey::from_bytes(key).map_err(|_| NoteError::Key)?;
        if !is_key_name(name) || hex::decode(id).ok().as_deref() != Some(&key_id(name, &key)) {
            return Err(NoteError::Key);
        }
        Ok(Self { name: name.to_owned(), key })
    }
}

/// Whether a name may stand in a note: not empty, no spaces and no plus sign.
pub fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+')
}

impl NoteVerifier {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text of a note that this key signed; other signatures are passed over.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, NoteError> {
        let at = note.rfind("\n\n").ok_or(NoteError::Form)?;
        let (text, signatures) = (&note[..=at], &note[at + 2..]);
        if signatures.is_empty() || !signatures.ends_with('\n') {
            return Err(NoteError::Form);
        }
        for line in signatures.lines() {
            let line = line.strip_prefix("\u{2014} ").ok_or(NoteError::Form)?;
            let (name, signature) = line.split_once(' ').ok_or(NoteError::Form)?;
            let signature = BASE64_STANDARD.decode(signature).map_err(|_| NoteError::Form)?;
            let Some((id, signature)) = signature.split_first_chunk::<4>() else {
                return Err(NoteError::Form);
            };
            if name != self.name || *id != key_id(name, &self.key) {
                continue;
            }
            let signature = Signature::from_slice(signature).map_err(|_| NoteError::Form)?;
            return match self.key.verify_strict(text.as_bytes(), &signature) {
                Ok(()) => Ok(text),
                Err(_) => Err(NoteError::Unsigned),
            };
        }
        Err(NoteError::Unsigned)
    }
}

/// What a log says of itself at one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub origin: String,
    pub size: u64,
    pub root: Hash,
}

impl Checkpoint {
    /// The signed note.
    pub fn sign(&self, signer: &NoteSigner) -> String {
        signer.sign(&format!("{}\n{}\n{}\n", self.origin, self.size, BASE64_STANDARD.encode(self.root)))
    }

    /// Reads a note that `verifier` signed. Lines after the third are extensions and left alone.
    pub fn open(note: &str, verifier: &NoteVerifier) -> Result<Self, NoteError> {
        let mut lines = verifier.open(note)?.lines();
        let mut next = || lines.next().ok_or(NoteError::Checkpoint);
        let (origin, size, root) = (next()?, next()?, next()?);
        let number: u64 = size.parse().map_err(|_| NoteError::Checkpoint)?;
        let root = BASE64_STANDARD.decode(root).map_err(|_| NoteError::Checkpoint)?;
        let root = root.try_into().map_err(|_| NoteError::Checkpoint)?;
        if origin != verifier.name || number.to_string() != size {
            return Err(NoteError::Checkpoint);
        }
        Ok(Self { origin: origin.to_owned(), size: number, root })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of the Go implementation, sumdb/note: its signer key, text and signature.
    #[test]
    fn a_note_of_another_implementation_verifies() {
        let verifier: NoteVerifier =
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse().unwrap();
        let text = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
        let note = format!(
            "{text}\n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
        );
        assert_eq!(verifier.open(&note), Ok(text));
        assert_eq!(verifier.open(&note.replace("answer", "ANSWER")), Err(NoteError::Unsigned));
        assert_eq!(
            verifier.to_string(),
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
        );
    }

    #[test]
    fn a_checkpoint_is_read_back_by_its_own_key_alone() {
        let signer = NoteSigner::new("baqylau.local/ledger", &[5; 32]);
        let checkpoint = Checkpoint { origin: "baqylau.local/ledger".into(), size: 7, root: [9; 32] };
        let note = checkpoint.sign(&signer);
        let verifier: NoteVerifier = signer.verifier().to_string().parse().unwrap();
        assert_eq!(Checkpoint::open(&note, &verifier), Ok(checkpoint));
        let other = NoteSigner::new("baqylau.local/ledger", &[6; 32]).verifier();
        assert_eq!(Checkpoint::open(&note, &other), Err(NoteError::Unsigned));
        assert!(Checkpoint::open(&note.replace("\n7\n", "\n8\n"), &verifier).is_err());
        assert_eq!(
            Checkpoint::open(&signer.sign("baqylau.local/ledger\n07\nAAAA\n"), &verifier),
            Err(NoteError::Checkpoint)
        );
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in "\\PC{0,80}", note in "[\\PC\n—]{0,120}") {
            let verifier = NoteSigner::new("a", &[1; 32]).verifier();
            let _ = text.parse::<NoteVerifier>();
            prop_assert!(Checkpoint::open(&note, &verifier).is_err());
        }
    }
}
