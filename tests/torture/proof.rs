//! The ledger of a run, held against everything that its clients were served.

use std::{collections::BTreeSet, path::Path, process::Command};

use baqylau::{ledger::note::NoteSigner, secrets};

/// The ledger against every checkpoint that any client was served, and every record and byte against the ledger;
/// answers what is wrong.
pub fn verify(
    mut program: Command,
    data: &Path,
    checkpoints: &BTreeSet<String>,
    dir: &Path,
) -> Option<String> {
    let key = secrets::decode(&std::fs::read_to_string(data.join("ledger.key")).unwrap()).unwrap();
    let signer = NoteSigner::new("baqylau.local/ledger", &key.try_into().unwrap());
    program.args(["verify", "database", "--bytes", "--key", &signer.verifier().to_string()]);
    for (n, note) in checkpoints.iter().enumerate() {
        let file = dir.join(format!("checkpoint-{n}"));
        std::fs::write(&file, note).unwrap();
        program.arg("--checkpoint").arg(file);
    }
    let output = tokio::task::block_in_place(|| program.output().unwrap());
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (!output.status.success()).then_some(text)
}
