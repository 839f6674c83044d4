//! What anybody may hand in as proof: notes, keys, checkpoints, tiles' names, receipts.
#![no_main]

use baqylau::ledger::{
    Receipt,
    entry::decode_hashes,
    note::{Checkpoint, NoteSigner, NoteVerifier},
    tiles::TilePath,
};
use baqylau_fuzz::text;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some(text) = text(input) else { return };
    let signer = NoteSigner::new("fuzz.example/ledger", &[7; 32]);
    let verifier = signer.verifier();
    assert!(Checkpoint::open(text, &verifier).is_err(), "nobody else can sign");
    if let Ok(other) = text.parse::<NoteVerifier>() {
        assert_eq!(other.to_string().parse::<NoteVerifier>().map(|it| it.to_string()), Ok(other.to_string()));
        let _ = other.open(text);
    }
    if let Ok(path) = text.parse::<TilePath>() {
        assert_eq!(path.to_string(), text);
    }
    // A text of our own signing opens as what it was, or not at all.
    if let Ok(opened) = verifier.open(&signer.sign(text)) {
        assert_eq!(opened.trim_end_matches('\n'), text.trim_end_matches('\n'));
    }
    if let Ok(receipt) = serde_json::from_str::<Receipt>(text) {
        assert!(receipt.verify(&verifier).is_err(), "nobody else can promise");
    }
    decode_hashes(&[text.to_owned()]);
});
