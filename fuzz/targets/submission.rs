//! A submission of any kind: whatever was read is read again from its own content as the same.
#![no_main]

use baqylau::{
    detentions::domain::Detention,
    faults::Faults,
    http::body,
    protocols::domain::Protocol,
    records::request::{Reading, Submittable, read},
    sealing::Keys,
    violations::domain::Violation,
};
use baqylau_fuzz::PLACES;
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

fn submit<D: Submittable>(input: &[u8]) {
    let Ok((value, faults)) = body::parse(input) else { return };
    let keys = Keys::new(Vec::new(), None);
    let reading = Reading::<D> { directory: &PLACES, keys: &keys, before: None };
    let Ok((record, _)) = read::<D>(&value, faults, Uuid::nil(), &reading) else { return };
    let (again, _) =
        read::<D>(&record.content, Faults::default(), Uuid::nil(), &reading).expect("it was read before");
    assert_eq!((record.hash, record.content), (again.hash, again.content));
}

fuzz_target!(|input: &[u8]| {
    submit::<Violation>(input);
    submit::<Protocol>(input);
    submit::<Detention>(input);
});
