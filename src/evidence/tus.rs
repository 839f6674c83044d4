//! The headers of tus 1.0 (tus.io/protocols/resumable-upload).

use std::collections::HashMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use sha1::{Digest, Sha1};
use sha2::Sha256;

pub const VERSION: &str = "1.0.0";
pub const EXTENSIONS: &str = "creation,creation-with-upload,expiration,checksum,termination,concatenation";
pub const ALGORITHMS: &str = "sha1,sha256";
/// The content type of a piece of an upload.
pub const OFFSET_STREAM: &str = "application/offset+octet-stream";

/// Reads `Upload-Metadata`: keys with values in base64. `None` where it is not of that form.
pub fn metadata(header: &str) -> Option<HashMap<String, String>> {
    let mut pairs = HashMap::new();
    for pair in header.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
        let value = BASE64_STANDARD.decode(value.trim()).ok()?;
        if key.is_empty() || pairs.insert(key.to_owned(), String::from_utf8(value).ok()?).is_some() {
            return None;
        }
    }
    Some(pairs)
}

/// What `Upload-Concat` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Concat {
    Partial,
    /// The last parts of the paths of the partial uploads.
    Final(Vec<String>),
}

/// Reads `Upload-Concat`.
pub fn concat(header: &str) -> Option<Concat> {
    if header == "partial" {
        return Some(Concat::Partial);
    }
    let paths = header.strip_prefix("final;")?.split_whitespace();
    let ids: Vec<String> = paths.filter_map(|path| path.rsplit('/').next().map(str::to_owned)).collect();
    (!ids.is_empty()).then_some(Concat::Final(ids))
}

/// A checksum that is computed while bytes arrive.
#[derive(Clone)]
pub enum Checksum {
    Sha1(Sha1, Vec<u8>),
    Sha256(Sha256, Vec<u8>),
}

impl Checksum {
    /// Reads `Upload-Checksum`.
    pub fn read(header: &str) -> Option<Self> {
        let (algorithm, sum) = header.split_once(' ')?;
        let sum = BASE64_STANDARD.decode(sum.trim()).ok()?;
        match algorithm {
            "sha1" => Some(Self::Sha1(Sha1::new(), sum)),
            "sha256" => Some(Self::Sha256(Sha256::new(), sum)),
            _ => None,
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(hash, _) => hash.update(bytes),
            Self::Sha256(hash, _) => hash.update(bytes),
        }
    }

    /// Whether what arrived is what was meant.
    pub fn holds(self) -> bool {
        match self {
            Self::Sha1(hash, sum) => hash.finalize().as_slice() == sum,
            Self::Sha256(hash, sum) => hash.finalize().as_slice() == sum,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn headers_are_read_as_the_protocol_has_them() {
        let read = metadata("filename d29ybGRfZG9taW5hdGlvbl9wbGFuLnBkZg==,is_confidential").unwrap();
        assert_eq!(read["filename"], "world_domination_plan.pdf");
        assert_eq!(read["is_confidential"], "");
        assert_eq!(metadata("a !!!"), None);
        assert_eq!(metadata("a YQ==,a YQ=="), None);
        assert_eq!(concat("partial"), Some(Concat::Partial));
        assert_eq!(
            concat("final;/files/a https://x/files/b"),
            Some(Concat::Final(vec!["a".into(), "b".into()]))
        );
        assert_eq!(concat("final;"), None);
        let mut sum = Checksum::read("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=").unwrap();
        sum.update(b"hello ");
        sum.update(b"world");
        assert!(sum.holds());
        assert!(!Checksum::read("sha256 AAAA").unwrap().holds());
        assert!(Checksum::read("crc32 AAAA").is_none());
    }

    proptest! {
        #[test]
        fn no_header_breaks_the_readers(text in "\\PC{0,100}") {
            let _ = (metadata(&text), concat(&text), Checksum::read(&text).map(Checksum::holds));
        }
    }
}
