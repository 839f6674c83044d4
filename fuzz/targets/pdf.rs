//! PDF files, which are written anew.
#![no_main]

use baqylau::evidence::{
    kinds::FileKind,
    objects::Objects,
    scrub::{Source, plan},
};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let objects = Objects::in_memory();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        objects.put("it", Bytes::copy_from_slice(input)).await.expect("memory takes it");
        let source = Source { objects: &objects, key: "it", size: input.len() as u64 };
        plan(&source, FileKind::Pdf, "copy").await.expect("memory gives it");
    });
});
