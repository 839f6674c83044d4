//! The headers of resumable uploads.
#![no_main]

use baqylau::evidence::tus;
use baqylau_fuzz::text;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some(text) = text(input) else { return };
    tus::metadata(text);
    tus::concat(text);
    if let Some(mut checksum) = tus::Checksum::read(text) {
        checksum.update(input);
        checksum.holds();
    }
});
