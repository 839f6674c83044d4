//! Names and contacts: sealed with age to the coalition's keys, found again by a keyed blind index.

use std::io::{Read, Write};

use age::{
    Decryptor, Encryptor, Identity, Recipient,
    armor::{ArmoredReader, ArmoredWriter, Format},
    secrecy::ExposeSecret,
    x25519,
};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use validator::Validate;

use crate::places::fold;

/// Sealed text is a multiple of this long, so that its length tells little of a name's.
const PADDED_TO: usize = 512;
/// Bytes of a token. Short enough to keep the index small, long enough that strangers never meet.
const TOKEN_BYTES: usize = 16;

/// A person and how to reach those close to them. It exists in memory only, until it is sealed.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Person {
    #[validate(length(min = 2, max = 300))]
    pub name: String,
    /// How to reach the person, or those who ask for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(min = 1, max = 1000))]
    pub contacts: Option<String>,
    /// Whatever else is known and must not be open: year of birth, address, health.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(min = 1, max = 2000))]
    pub note: Option<String>,
}

/// Never shows what it holds: a log that prints a request prints no name.
impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Person(…)")
    }
}

/// Why something could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("there is no key to seal to")]
    NoRecipient,
    #[error("{0} is no age key")]
    Key(String),
    #[error("this is no age armour")]
    Armour,
    #[error("none of the keys opens this")]
    Locked,
    #[error("what was sealed is not a person")]
    Content,
    #[error("sealing: {0}")]
    Io(#[from] std::io::Error),
}

/// The key of the blind index. Who holds it and the index can test guesses of names, so it is kept apart
/// from the database.
#[derive(Clone)]
pub struct IndexKey {
    tokens: Hmac<Sha256>,
    commitments: Hmac<Sha256>,
}

impl IndexKey {
    /// Derives the keys from a secret of 32 bytes or more.
    pub fn new(secret: &[u8]) -> Self {
        let derive = |purpose: &str| {
            let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret).expect("any length will do");
            mac.update(purpose.as_bytes());
            <Hmac<Sha256> as KeyInit>::new_from_slice(&mac.finalize().into_bytes())
                .expect("any length will do")
        };
        Self { tokens: derive("baqylau index tokens"), commitments: derive("baqylau index commitments") }
    }

    /// Commits to a person: the same for the same person, and nothing to who lacks the key.
    pub fn commitment(&self, person: &Person) -> String {
        let canonical = serde_json_canonicalizer::to_vec(person).expect("a person is JSON");
        format!(
            "hmac-sha256:{}",
            hex::encode(self.commitments.clone().chain_update(canonical).finalize().into_bytes())
        )
    }

    /// Keyed hashes of each pair of words of a name, in any order and spelling that [`fold`] levels; of the
    /// word itself where there is but one. Pairs, because single first names are common enough to be
    /// guessed by how often they occur.
    pub fn tokens(&self, name: &str) -> Vec<Vec<u8>> {
        let folded = fold(name);
        let mut words: Vec<&str> =
            folded.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 1).collect();
        words.sort_unstable();
        words.dedup();
        let token = |text: &str| {
            let digest = self.tokens.clone().chain_update(text.as_bytes()).finalize().into_bytes();
            digest[..TOKEN_BYTES].to_vec()
        };
        match words.as_slice() {
            [] => Vec::new(),
            [only] => vec![token(only)],
            _ => {
                let pairs =
                    words.iter().enumerate().flat_map(|(i, a)| words[i + 1..].iter().map(move |b| (a, b)));
                pairs.take(45).map(|(a, b)| token(&format!("{a} {b}"))).collect()
            }
        }
    }
}

/// Reads a public key (`age1…`).
pub fn recipient(text: &str) -> Result<x25519::Recipient, SealError> {
    text.trim().parse().map_err(|_| SealError::Key(text.trim().to_owned()))
}

/// Seals text to all of the keys; each alone opens it.
pub fn seal(text: &[u8], recipients: &[x25519::Recipient]) -> Result<String, SealError> {
    let to = recipients.iter().map(|recipient| recipient as &dyn Recipient);
    let encryptor = Encryptor::with_recipients(to).map_err(|_| SealError::NoRecipient)?;
    let mut armour = Vec::new();
    let mut writer = encryptor.wrap_output(ArmoredWriter::wrap_output(&mut armour, Format::AsciiArmor)?)?;
    writer.write_all(text)?;
    writer.finish()?.finish()?;
    Ok(String::from_utf8(armour).expect("armour is ASCII").trim().to_owned())
}

/// Opens what [`seal`] sealed.
pub fn open(armour: &str, identities: &[x25519::Identity]) -> Result<Vec<u8>, SealError> {
    let decryptor =
        Decryptor::new_buffered(ArmoredReader::new(armour.as_bytes())).map_err(|_| SealError::Armour)?;
    let keys = identities.iter().map(|identity| identity as &dyn Identity);
    let mut text = Vec::new();
    decryptor.decrypt(keys).map_err(|_| SealError::Locked)?.read_to_end(&mut text)?;
    Ok(text)
}

/// Seals a person, padded.
pub fn seal_person(person: &Person, recipients: &[x25519::Recipient]) -> Result<String, SealError> {
    let mut text = serde_json::to_vec(person).expect("a person is JSON");
    text.resize(text.len().next_multiple_of(PADDED_TO), b' ');
    let sealed = seal(&text, recipients);
    text.fill(0);
    sealed
}

/// Opens a person.
pub fn open_person(armour: &str, identities: &[x25519::Identity]) -> Result<Person, SealError> {
    serde_json::from_slice(&open(armour, identities)?).map_err(|_| SealError::Content)
}

/// Whether this is age armour, sealed to keys and not to a passphrase.
pub fn is_sealed(armour: &str) -> bool {
    let decryptor = Decryptor::new_buffered(ArmoredReader::new(armour.as_bytes()));
    decryptor.is_ok_and(|decryptor| !decryptor.is_scrypt())
}

/// Commits to armour that a client sealed itself.
pub fn armour_commitment(armour: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(armour)))
}

/// The text of a new key file, in age's own form, and its public key.
pub fn new_identity() -> (String, String) {
    let identity = x25519::Identity::generate();
    let public = identity.to_public().to_string();
    let secret = identity.to_string();
    (format!("# public key: {public}\n{}\n", secret.expose_secret()), public)
}

/// The keys in a key file: lines that begin with `#` are remarks.
pub fn identities(text: &str) -> Result<Vec<x25519::Identity>, SealError> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let read = |line: &str| line.parse().map_err(|_| SealError::Key("a line of the key file".to_owned()));
    lines.map(read).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> (Vec<x25519::Identity>, x25519::Recipient) {
        let (file, public) = new_identity();
        (identities(&file).unwrap(), recipient(&public).unwrap())
    }

    fn person(name: &str) -> Person {
        Person { name: name.to_owned(), contacts: Some("+7 700 000 00 00".to_owned()), note: None }
    }

    #[test]
    fn any_one_key_opens_and_no_other() {
        let ((a, to_a), (b, to_b), (c, _)) = (key(), key(), key());
        let armour = seal_person(&person("Айгүл Серікқызы"), &[to_a, to_b]).unwrap();
        assert!(is_sealed(&armour) && !armour.contains("Айгүл"));
        assert_eq!(open_person(&armour, &a).unwrap(), person("Айгүл Серікқызы"));
        assert_eq!(open_person(&armour, &b).unwrap(), person("Айгүл Серікқызы"));
        assert!(matches!(open_person(&armour, &c), Err(SealError::Locked)));
        assert!(matches!(seal_person(&person("x y"), &[]), Err(SealError::NoRecipient)));
    }

    #[test]
    fn length_tells_little_and_names_are_never_printed() {
        let (keys, to) = key();
        let (short, long) = (person("Ян Ли"), person("Нұрсұлтанбек Әбілқайырханұлы Жұмағалиев-Тоқтарбаев"));
        // age adds to its header what changes from seal to seal; what is sealed is of one length.
        let length = |person: &Person| {
            let armour = seal_person(person, std::slice::from_ref(&to)).unwrap();
            open(&armour, &keys).unwrap().len()
        };
        assert_eq!(length(&short), length(&long));
        assert_eq!(format!("{short:?}"), "Person(…)");
    }

    #[test]
    fn what_is_no_armour_is_known_as_such() {
        assert!(!is_sealed("Айгүл Серікқызы"));
        let ends = "-----BEGIN AGE ENCRYPTED FILE-----\nQWlndWw=\n-----END AGE ENCRYPTED FILE-----";
        assert!(!is_sealed(ends));
    }

    #[test]
    fn a_name_is_found_in_any_order_and_by_two_of_its_words() {
        let key = IndexKey::new(&[1; 32]);
        let listed = key.tokens("Ахметов Серік Болатұлы");
        let meets = |name: &str| key.tokens(name).iter().any(|token| listed.contains(token));
        assert!(meets("Серик АХМЕТОВ") && meets("Болатулы Серік") && meets("Ахметов  Серік, Болатұлы"));
        assert!(!meets("Серік") && !meets("Серік Иванов") && !meets(""));
        assert_eq!(listed.len(), 3);
        assert_ne!(listed, IndexKey::new(&[2; 32]).tokens("Ахметов Серік Болатұлы"));
        assert_eq!(key.commitment(&person("a b")), key.commitment(&person("a b")));
        assert_ne!(key.commitment(&person("a b")), key.commitment(&person("a c")));
    }

    proptest! {
        #[test]
        fn whatever_is_sealed_comes_back(name in "\\PC{2,300}", note in proptest::option::of("\\PC{1,200}")) {
            let (identity, to) = key();
            let person = Person { name, contacts: None, note };
            prop_assert_eq!(open_person(&seal_person(&person, &[to]).unwrap(), &identity).unwrap(), person);
        }

        #[test]
        fn no_text_breaks_the_readers(text in "\\PC{0,200}") {
            let _ = (is_sealed(&text), identities(&text), recipient(&text), IndexKey::new(b"k").tokens(&text));
        }
    }
}
