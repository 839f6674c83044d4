//! PDF files, which are written anew.
#![no_main]

use baqylau::evidence::kinds::FileKind;
use baqylau_fuzz::planned;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    planned(input, FileKind::Pdf);
});
