//! Secrets of the installation: given by a setting, or made once and kept in the data directory.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};

/// The secret given (base64), or the 32 bytes kept in the file `name` of the data directory, made when
/// missing.
///
/// # Errors
/// When what is given or kept is no base64 of 32 bytes or more, or the directory cannot be written.
pub fn load(given: Option<&str>, data_dir: &Path, name: &str) -> anyhow::Result<Vec<u8>> {
    if let Some(given) = given {
        return decode(given).with_context(|| format!("the setting for {name}"));
    }
    let path = data_dir.join(name);
    if !path.exists() {
        fs::create_dir_all(data_dir)?;
        // Whole or not at all, and never readable by others.
        let fresh = data_dir.join(format!("{name}.new"));
        let _ = fs::remove_file(&fresh);
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&fresh)?;
        file.write_all(BASE64_STANDARD.encode(rand::random::<[u8; 32]>()).as_bytes())?;
        file.sync_all()?;
        fs::rename(fresh, &path)?;
    }
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    decode(&text).with_context(|| path.display().to_string())
}

/// Reads a secret of 32 bytes or more from base64.
pub fn decode(text: &str) -> anyhow::Result<Vec<u8>> {
    let secret = BASE64_STANDARD.decode(text.trim()).context("no base64")?;
    ensure!(secret.len() >= 32, "shorter than 32 bytes");
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_kept_from_others() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let made = load(None, dir.path(), "a.key").unwrap();
        assert_eq!(made, load(None, dir.path(), "a.key").unwrap());
        assert_ne!(made, load(None, dir.path(), "b.key").unwrap());
        let mode = fs::metadata(dir.path().join("a.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(load(Some("c2hvcnQ="), dir.path(), "a.key").is_err());
        assert_eq!(load(Some(&BASE64_STANDARD.encode([1; 32])), dir.path(), "a.key").unwrap(), [1; 32]);
    }
}
