//! The copy without metadata: who took a picture, where and with what stays in the original.
//!
//! A copy is not stored. What is kept is how it is made from the original: which bytes are left out, and
//! what stands in their place. It streams in flat memory however long the file is. What is copied are the
//! picture, film and sound alone; a form of file that cannot be taken apart safely has no copy.

mod boxes;
mod heif;
mod images;
mod sound;

use std::ops::Range;

use actix_web::web::Bytes;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

use super::{kinds::FileKind, objects::Objects};

/// The longest file that is looked at whole.
const WHOLE: u64 = 64 * 1024 * 1024;

/// Bytes left out, and what stands in their place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    pub at: u64,
    pub remove: u64,
    #[serde(default, with = "base64_bytes", skip_serializing_if = "Vec::is_empty")]
    pub insert: Vec<u8>,
    /// Zeros after `insert`.
    #[serde(default)]
    pub zeros: u64,
}

mod base64_bytes {
    use super::*;

    pub fn serialize<S: serde::Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        BASE64_STANDARD.decode(text.as_bytes()).map_err(serde::de::Error::custom)
    }
}

impl Edit {
    pub fn cut(range: Range<u64>) -> Self {
        Self { at: range.start, remove: range.end - range.start, ..Self::default() }
    }

    pub fn replace(at: u64, insert: Vec<u8>) -> Self {
        Self { at, remove: insert.len() as u64, insert, zeros: 0 }
    }

    pub fn blank(range: Range<u64>) -> Self {
        let length = range.end - range.start;
        Self { at: range.start, remove: length, insert: Vec::new(), zeros: length }
    }
}

/// How the copy is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scrub {
    /// By these changes, in order and apart from one another; none: the original has no metadata.
    Edits(Vec<Edit>),
    /// It is an object of its own.
    Rewritten { object_key: String, size: u64 },
    /// It cannot be made: nobody but who sent the file and admins gets it.
    Impossible,
}

/// A stretch of the copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Bytes of the original.
    Original(Range<u64>),
    Bytes(Bytes),
    Zeros(u64),
}

impl Segment {
    fn len(&self) -> u64 {
        match self {
            Self::Original(range) => range.end - range.start,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Zeros(n) => *n,
        }
    }

    fn part(&self, range: Range<u64>) -> Self {
        match self {
            Self::Original(whole) => Self::Original(whole.start + range.start..whole.start + range.end),
            Self::Bytes(bytes) => Self::Bytes(bytes.slice(range.start as usize..range.end as usize)),
            Self::Zeros(_) => Self::Zeros(range.end - range.start),
        }
    }
}

/// The copy of a file of `size` bytes, stretch by stretch.
pub fn segments(edits: &[Edit], size: u64) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut at = 0;
    for edit in edits {
        segments.push(Segment::Original(at..edit.at));
        segments.push(Segment::Bytes(edit.insert.clone().into()));
        segments.push(Segment::Zeros(edit.zeros));
        at = edit.at + edit.remove;
    }
    segments.push(Segment::Original(at..size));
    segments.retain(|segment| segment.len() > 0);
    segments
}

/// How long the copy is.
pub fn length(segments: &[Segment]) -> u64 {
    segments.iter().map(Segment::len).sum()
}

/// The stretches that make up a range of the copy.
pub fn within(segments: &[Segment], range: Range<u64>) -> Vec<Segment> {
    let mut found = Vec::new();
    let mut at = 0;
    for segment in segments {
        let (from, to) = (range.start.max(at), range.end.min(at + segment.len()));
        if from < to {
            found.push(segment.part(from - at..to - at));
        }
        at += segment.len();
    }
    found
}

/// A file to be taken apart.
pub struct Source<'a> {
    pub objects: &'a Objects,
    pub key: &'a str,
    pub size: u64,
}

/// Why a copy cannot be made, or could not be now.
#[derive(Debug, thiserror::Error)]
pub enum ScrubError {
    /// The file is not what its form demands, or hides things where they cannot be reached.
    #[error("the file cannot be taken apart")]
    Form,
    #[error(transparent)]
    Store(#[from] object_store::Error),
}

type Edits = Result<Vec<Edit>, ScrubError>;

impl Source<'_> {
    /// The bytes of a range that lies in the file.
    async fn bytes(&self, range: Range<u64>) -> Result<Bytes, ScrubError> {
        if range.start >= range.end || range.end > self.size || range.end - range.start > WHOLE {
            return Err(ScrubError::Form);
        }
        Ok(self.objects.range(self.key, range).await?)
    }

    async fn whole(&self) -> Result<Bytes, ScrubError> {
        self.bytes(0..self.size).await
    }
}

/// Finds how the copy of a file is made. `rewritten` is where a copy goes that must be an object.
pub async fn plan(
    source: &Source<'_>,
    kind: FileKind,
    rewritten: &str,
) -> Result<Scrub, object_store::Error> {
    let edits = match kind {
        FileKind::Jpeg => source.whole().await.and_then(|bytes| images::jpeg(&bytes)),
        FileKind::Png => source.whole().await.and_then(|bytes| images::png(&bytes)),
        FileKind::Webp => source.whole().await.and_then(|bytes| images::webp(&bytes)),
        FileKind::Heif => heif::edits(source).await,
        FileKind::IsoMedia => boxes::edits(source).await,
        FileKind::Mp3 => sound::mp3(source).await,
        FileKind::Wav => sound::wav(source).await,
        FileKind::Flac => sound::flac(source).await,
        FileKind::Amr => Ok(Vec::new()),
        FileKind::Pdf => {
            return match source.whole().await {
                Ok(bytes) => match images::pdf(bytes).await {
                    Some(copy) => {
                        let size = copy.len() as u64;
                        source.objects.put(rewritten, copy).await?;
                        Ok(Scrub::Rewritten { object_key: rewritten.to_owned(), size })
                    }
                    None => Ok(Scrub::Impossible),
                },
                Err(ScrubError::Store(error)) => Err(error),
                Err(ScrubError::Form) => Ok(Scrub::Impossible),
            };
        }
        FileKind::Ogg | FileKind::Matroska => Err(ScrubError::Form),
    };
    match edits {
        Ok(mut edits) => {
            edits.sort_by_key(|edit| edit.at);
            let apart = edits.windows(2).all(|pair| pair[0].at + pair[0].remove <= pair[1].at);
            let inside = edits.iter().all(|edit| edit.at + edit.remove <= source.size);
            Ok(if apart && inside { Scrub::Edits(edits) } else { Scrub::Impossible })
        }
        Err(ScrubError::Form) => Ok(Scrub::Impossible),
        Err(ScrubError::Store(error)) => Err(error),
    }
}

/// A big-endian number of two or four bytes at a place.
fn be16(bytes: &[u8], at: usize) -> Result<u16, ScrubError> {
    let bytes = bytes.get(at..at + 2).ok_or(ScrubError::Form)?;
    Ok(u16::from_be_bytes(bytes.try_into().expect("two bytes")))
}

fn be32(bytes: &[u8], at: usize) -> Result<u32, ScrubError> {
    let bytes = bytes.get(at..at + 4).ok_or(ScrubError::Form)?;
    Ok(u32::from_be_bytes(bytes.try_into().expect("four bytes")))
}

fn le32(bytes: &[u8], at: usize) -> Result<u32, ScrubError> {
    Ok(be32(bytes, at)?.swap_bytes())
}

/// The copy in memory, for tests.
#[cfg(test)]
fn applied(bytes: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut edits = edits.to_vec();
    edits.sort_by_key(|edit| edit.at);
    segments(&edits, bytes.len() as u64)
        .iter()
        .flat_map(|segment| match segment {
            Segment::Original(range) => bytes[range.start as usize..range.end as usize].to_vec(),
            Segment::Bytes(bytes) => bytes.to_vec(),
            Segment::Zeros(n) => vec![0; *n as usize],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_range_of_the_copy_is_that_range_of_it(
            bytes in proptest::collection::vec(any::<u8>(), 1..200),
            cuts in proptest::collection::vec((0u64..20, 0u64..20, proptest::collection::vec(any::<u8>(), 0..9), 0u64..9), 0..6),
            (a, b) in (0u64..300, 0u64..300),
        ) {
            let mut edits = Vec::new();
            let mut at = 0;
            for (skip, remove, insert, zeros) in cuts {
                if at + skip + remove <= bytes.len() as u64 {
                    edits.push(Edit { at: at + skip, remove, insert, zeros });
                    at += skip + remove;
                }
            }
            let copy = applied(&bytes, &edits);
            let segments = segments(&edits, bytes.len() as u64);
            prop_assert_eq!(length(&segments), copy.len() as u64);
            let (a, b) = (a.min(copy.len() as u64), b.min(copy.len() as u64));
            let (from, to) = (a.min(b), a.max(b));
            let part: u64 = within(&segments, from..to).iter().map(Segment::len).sum();
            prop_assert_eq!(part, to - from);
            let text = serde_json::to_string(&Scrub::Edits(edits.clone())).unwrap();
            prop_assert_eq!(serde_json::from_str::<Scrub>(&text).unwrap(), Scrub::Edits(edits));
        }

        #[test]
        fn no_bytes_break_the_image_readers(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), head in 0usize..3) {
            let heads: [&[u8]; 3] = [&[0xff, 0xd8, 0xff, 0xe1], b"\x89PNG\r\n\x1a\n", b"RIFF\x40\0\0\0WEBPVP8X"];
            bytes.splice(0..0, heads[head].iter().copied());
            let _ = (images::jpeg(&bytes), images::png(&bytes), images::webp(&bytes));
        }
    }
}
