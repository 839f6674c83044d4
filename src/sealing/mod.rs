//! Sealed personal data: the coalition's keys, sealing at the edge, the blind index, and who read what.

pub mod domain;
pub mod routes;
pub mod store;

use std::{
    sync::{Arc, RwLock},
    time::{Duration, Instant},
};

use age::x25519;

pub use domain::{IndexKey, Person};

use crate::{
    db::{DbResult, Pool},
    faults::Faults,
};

/// A person who was sealed just now, on the way to the store.
#[derive(Clone, Debug, PartialEq)]
pub struct FreshSeal {
    pub armour: String,
    pub tokens: Vec<Vec<u8>>,
    pub sealed_to: Vec<String>,
}

/// The keys in force, as requests share them.
#[derive(Default)]
pub struct Keys {
    recipients: Vec<x25519::Recipient>,
    index: Option<IndexKey>,
}

impl Keys {
    pub fn new(recipients: Vec<x25519::Recipient>, index: Option<IndexKey>) -> Self {
        Self { recipients, index }
    }

    /// The key of the blind index, where the server was given one.
    pub fn index(&self) -> Option<&IndexKey> {
        self.index.as_ref()
    }

    pub fn recipients(&self) -> &[x25519::Recipient] {
        &self.recipients
    }

    /// Seals a person whom a plain client names; answers the commitment to them too. A fault at `pointer`
    /// where the server has no keys for it: an open name is never stored.
    pub fn seal(&self, person: &Person, pointer: &str, faults: &mut Faults) -> Option<(String, FreshSeal)> {
        let sealed = self.index.as_ref().and_then(|index| {
            let armour = domain::seal_person(person, &self.recipients).ok()?;
            let sealed_to = self.recipients.iter().map(ToString::to_string).collect();
            let seal = FreshSeal { armour, tokens: index.tokens(&person.name), sealed_to };
            Some((index.commitment(person), seal))
        });
        if sealed.is_none() {
            faults.add(pointer, "cannot_seal");
        }
        sealed
    }

    /// Takes armour that a client sealed itself.
    pub fn take(&self, armour: &str, pointer: &str, faults: &mut Faults) -> Option<(String, FreshSeal)> {
        let armour = armour.trim();
        if !domain::is_sealed(armour) {
            faults.add(pointer, "not_sealed");
            return None;
        }
        let seal = FreshSeal { armour: armour.to_owned(), tokens: Vec::new(), sealed_to: Vec::new() };
        Some((domain::armour_commitment(armour), seal))
    }
}

/// Another instance, or the command line, may have added or retired a key.
const MAX_AGE: Duration = Duration::from_secs(5);

/// The keys, read anew now and then, and after a change.
pub struct Sealer {
    current: RwLock<(Arc<Keys>, Option<Instant>)>,
    index: Option<IndexKey>,
    pool: Pool,
}

impl Sealer {
    pub fn new(pool: Pool, index: Option<IndexKey>) -> Self {
        Self { current: RwLock::new((Arc::default(), None)), index, pool }
    }

    /// The keys in force.
    ///
    /// # Errors
    /// When they are stale and the database is away: a name sealed to a retired key would be open to it.
    pub async fn keys(&self) -> DbResult<Arc<Keys>> {
        let (keys, read_at) = self.current.read().expect("not poisoned").clone();
        if read_at.is_some_and(|read_at| read_at.elapsed() < MAX_AGE) {
            return Ok(keys);
        }
        self.refresh().await
    }

    /// Reads the keys now.
    pub async fn refresh(&self) -> DbResult<Arc<Keys>> {
        let active = store::active(&mut *self.pool.get().await?).await?;
        let recipients = active.iter().filter_map(|it| domain::recipient(&it.public_key).ok()).collect();
        let keys = Arc::new(Keys::new(recipients, self.index.clone()));
        *self.current.write().expect("not poisoned") = (keys.clone(), Some(Instant::now()));
        Ok(keys)
    }
}
