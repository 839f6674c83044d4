//! Sealed names and keys for them.
#![no_main]

use std::sync::LazyLock;

use baqylau::sealing::domain::{identities, is_sealed, new_identity, open_person, recipient};
use baqylau_fuzz::text;
use libfuzzer_sys::fuzz_target;

static KEY: LazyLock<String> = LazyLock::new(|| new_identity().0);

fuzz_target!(|input: &[u8]| {
    let Some(text) = text(input) else { return };
    let _ = recipient(text);
    let _ = identities(text);
    if is_sealed(text) {
        let keys = identities(&KEY).expect("a key of ours");
        assert!(open_person(text, &keys).is_err(), "it was not sealed to this key");
    }
});
