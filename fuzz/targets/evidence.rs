//! Files of evidence: the copy without metadata is made of the original's own bytes, and has none to leave out.
#![no_main]

use baqylau::evidence::{
    kinds::{self, FileKind},
    scrub::{Scrub, Segment, length, segments, within},
};
use baqylau_fuzz::planned;
use libfuzzer_sys::fuzz_target;

/// How the copy is made, where it can be.
fn edits(bytes: &[u8], kind: FileKind) -> Option<Vec<Segment>> {
    match planned(bytes, kind) {
        Scrub::Edits(edits) => Some(segments(&edits, bytes.len() as u64)),
        Scrub::Rewritten { .. } | Scrub::Impossible => None,
    }
}

fn copy(bytes: &[u8], segments: &[Segment]) -> Vec<u8> {
    let mut copy = Vec::new();
    for segment in segments {
        match segment {
            Segment::Original(range) => copy.extend(&bytes[range.start as usize..range.end as usize]),
            Segment::Bytes(bytes) => copy.extend(bytes),
            Segment::Zeros(n) => copy.resize(copy.len() + usize::try_from(*n).expect("it fits"), 0),
        }
    }
    copy
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, _)) = kinds::tell(&input[..input.len().min(kinds::HEAD as usize)]) else { return };
    if kind == FileKind::Pdf {
        return;
    }
    let Some(segments) = edits(input, kind) else { return };
    let clean = copy(input, &segments);
    assert_eq!(clean.len() as u64, length(&segments));
    let half = length(&segments) / 2;
    assert_eq!(length(&within(&segments, 0..half)), half);
    let again = edits(&clean, kind).expect("a copy is of the same form");
    assert!(copy(&clean, &again) == clean, "{kind:?}: the copy still has something to leave out");
});
