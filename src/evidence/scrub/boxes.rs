//! MP4, MOV, 3GP and M4A (ISO/IEC 14496-12): boxes that say who, where and when become free space of the same
//! length, so that nothing in the file moves.

use std::ops::Range;

use super::{Edit, Edits, ScrubError, Source, be16, be32};

/// Edits of one file past which it is not worth taking apart.
const MOST_EDITS: usize = 200_000;

/// A box: its type, the whole of it, and what it holds.
#[derive(Clone, Debug)]
pub struct Found {
    pub kind: [u8; 4],
    pub whole: Range<u64>,
    pub inside: Range<u64>,
}

impl Found {
    /// Turns the box into free space.
    pub fn blank(&self, edits: &mut Vec<Edit>) {
        edits.push(Edit::replace(self.whole.start + 4, b"free".to_vec()));
        if !self.inside.is_empty() {
            edits.push(Edit::blank(self.inside.clone()));
        }
    }
}

/// The boxes at the top of a file.
pub async fn top(source: &Source<'_>) -> Result<Vec<Found>, ScrubError> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < source.size {
        let head = source.bytes(at..(at + 16).min(source.size)).await?;
        let it = read(&head, at, source.size)?;
        at = it.whole.end;
        found.push(it);
        if found.len() > 100_000 {
            return Err(ScrubError::Form);
        }
    }
    Ok(found)
}

fn read(head: &[u8], at: u64, end: u64) -> Result<Found, ScrubError> {
    let kind: [u8; 4] = head.get(4..8).ok_or(ScrubError::Form)?.try_into().expect("four bytes");
    let (size, header) = match be32(head, 0)? {
        0 => (end - at, 8),
        1 => ((u64::from(be32(head, 8)?) << 32) | u64::from(be32(head, 12)?), 16),
        size => (u64::from(size), 8),
    };
    let whole = at..at.checked_add(size).ok_or(ScrubError::Form)?;
    if size < header || whole.end > end {
        return Err(ScrubError::Form);
    }
    Ok(Found { kind, inside: at + header..whole.end, whole })
}

/// The boxes in `range` of `bytes`, which begin at `base` of the file.
pub fn children(bytes: &[u8], base: u64, range: Range<u64>) -> Result<Vec<Found>, ScrubError> {
    let (mut found, mut at) = (Vec::new(), range.start);
    while at < range.end {
        // QuickTime ends a list with a zero.
        if range.end - at < 8 {
            break;
        }
        let head = &bytes[(at - base) as usize..((at - base + 16) as usize).min(bytes.len())];
        let it = read(head, at, range.end)?;
        at = it.whole.end;
        found.push(it);
    }
    Ok(found)
}

pub async fn edits(source: &Source<'_>) -> Edits {
    let mut edits = Vec::new();
    let (mut fragments, mut dropped) = (false, false);
    for it in top(source).await? {
        match &it.kind {
            b"ftyp" | b"styp" | b"mdat" | b"sidx" | b"ssix" | b"mfra" => {}
            b"moov" | b"moof" => {
                fragments |= &it.kind == b"moof";
                let bytes = source.bytes(it.whole.clone()).await?;
                dropped |= movie(&bytes, it.whole.start, it.inside, source.size, &mut edits)?;
            }
            _ => it.blank(&mut edits),
        }
        if edits.len() > MOST_EDITS {
            return Err(ScrubError::Form);
        }
    }
    // The pieces of a track that is left out would lie in the fragments.
    if fragments && dropped { Err(ScrubError::Form) } else { Ok(edits) }
}

/// Walks a movie box; answers whether a track was left out.
fn movie(
    bytes: &[u8],
    base: u64,
    range: Range<u64>,
    size: u64,
    edits: &mut Vec<Edit>,
) -> Result<bool, ScrubError> {
    let mut dropped = false;
    for it in children(bytes, base, range)? {
        match &it.kind {
            b"trak" if !is_picture_or_sound(bytes, base, &it)? => {
                samples(bytes, base, &it, size, edits)?;
                it.blank(edits);
                dropped = true;
            }
            b"trak" | b"mdia" | b"minf" | b"stbl" | b"mvex" | b"traf" => {
                dropped |= movie(bytes, base, it.inside, size, edits)?;
            }
            b"udta" | b"meta" | b"uuid" | b"free" | b"skip" | b"wide" => it.blank(edits),
            b"mvhd" | b"tkhd" | b"mdhd" => {
                // When it was made and changed: after version and flags, in four bytes or eight.
                let version = bytes.get((it.inside.start - base) as usize).ok_or(ScrubError::Form)?;
                let length = if *version == 1 { 16 } else { 8 };
                let times = it.inside.start + 4..it.inside.start + 4 + length;
                if times.end > it.inside.end {
                    return Err(ScrubError::Form);
                }
                edits.push(Edit::blank(times));
            }
            _ => {}
        }
    }
    Ok(dropped)
}

fn find(bytes: &[u8], base: u64, within: &Found, path: &[&[u8; 4]]) -> Result<Option<Found>, ScrubError> {
    let Some((first, rest)) = path.split_first() else { return Ok(Some(within.clone())) };
    match children(bytes, base, within.inside.clone())?.into_iter().find(|it| it.kind == **first) {
        Some(it) => find(bytes, base, &it, rest),
        None => Ok(None),
    }
}

fn is_picture_or_sound(bytes: &[u8], base: u64, track: &Found) -> Result<bool, ScrubError> {
    let handler = find(bytes, base, track, &[b"mdia", b"hdlr"])?.ok_or(ScrubError::Form)?;
    let at = (handler.inside.start - base) as usize + 8;
    Ok(matches!(bytes.get(at..at + 4), Some(b"vide" | b"soun")))
}

/// Blanks the samples of a track that is left out: positions, for example, lie beside the picture.
fn samples(
    bytes: &[u8],
    base: u64,
    track: &Found,
    size: u64,
    edits: &mut Vec<Edit>,
) -> Result<(), ScrubError> {
    let table = find(bytes, base, track, &[b"mdia", b"minf", b"stbl"])?.ok_or(ScrubError::Form)?;
    let child = |kind: &[u8; 4]| -> Result<Option<&[u8]>, ScrubError> {
        let found = find(bytes, base, &table, &[kind])?;
        Ok(found.map(|it| &bytes[(it.inside.start - base) as usize..(it.inside.end - base) as usize]))
    };
    let (offsets, wide) = match child(b"stco")? {
        Some(offsets) => (offsets, false),
        None => (child(b"co64")?.ok_or(ScrubError::Form)?, true),
    };
    let sizes = child(b"stsz")?.ok_or(ScrubError::Form)?;
    let runs = child(b"stsc")?.ok_or(ScrubError::Form)?;
    let chunks = be32(offsets, 4)? as usize;
    let (fixed, count) = (be32(sizes, 4)?, be32(sizes, 8)? as usize);
    let entries = be32(runs, 4)? as usize;
    let (mut sample, mut run) = (0, 0);
    for chunk in 0..chunks {
        let offset = if wide {
            (u64::from(be32(offsets, 8 + chunk * 8)?) << 32) | u64::from(be32(offsets, 12 + chunk * 8)?)
        } else {
            u64::from(be32(offsets, 8 + chunk * 4)?)
        };
        while run + 1 < entries && be32(runs, 8 + (run + 1) * 12)? as usize <= chunk + 1 {
            run += 1;
        }
        let in_chunk = be32(runs, 8 + run * 12 + 4)? as usize;
        let here = in_chunk.min(count - sample);
        let length = match fixed {
            0 => {
                let size_of = |at: usize| be32(sizes, 12 + at * 4).map(u64::from);
                (sample..sample + here).map(size_of).sum::<Result<u64, ScrubError>>()?
            }
            fixed => u64::from(fixed) * here as u64,
        };
        sample += here;
        let end = offset.checked_add(length).filter(|end| *end <= size).ok_or(ScrubError::Form)?;
        if length > 0 {
            edits.push(Edit::blank(offset..end));
        }
        if edits.len() > MOST_EDITS {
            return Err(ScrubError::Form);
        }
    }
    Ok(())
}

/// A number of `width` bytes (0, 2, 4 or 8) at `at`, which moves on.
pub fn number(bytes: &[u8], at: &mut usize, width: u8) -> Result<u64, ScrubError> {
    let value = match width {
        0 => 0,
        2 => u64::from(be16(bytes, *at)?),
        4 => u64::from(be32(bytes, *at)?),
        8 => (u64::from(be32(bytes, *at)?) << 32) | u64::from(be32(bytes, *at + 4)?),
        _ => return Err(ScrubError::Form),
    };
    *at += usize::from(width);
    Ok(value)
}

#[cfg(test)]
pub mod tests {
    use super::{super::applied, *};
    use crate::evidence::objects::temporary;

    pub fn make(kind: &[u8; 4], inside: &[Vec<u8>]) -> Vec<u8> {
        let inside = inside.concat();
        [&(inside.len() as u32 + 8).to_be_bytes(), kind.as_slice(), &inside].concat()
    }

    fn numbers(of: &[u32]) -> Vec<u8> {
        of.iter().flat_map(|n| n.to_be_bytes()).collect()
    }

    fn track(handler: &[u8; 4], offset: u32) -> Vec<u8> {
        let hdlr = make(b"hdlr", &[vec![0; 8], handler.to_vec(), vec![0; 12]]);
        let table = make(
            b"stbl",
            &[
                make(b"stsz", &[numbers(&[0, 0, 2, 3, 5])]),
                make(b"stsc", &[numbers(&[0, 1, 1, 2, 1])]),
                make(b"stco", &[numbers(&[0, 1, offset])]),
            ],
        );
        make(
            b"trak",
            &[
                make(b"tkhd", &[vec![0; 4], vec![7; 8], vec![1; 12]]),
                make(b"mdia", &[hdlr, make(b"minf", &[table])]),
            ],
        )
    }

    #[tokio::test]
    async fn place_time_and_positions_become_free_space() {
        let ftyp = make(b"ftyp", &[b"isom\0\0\0\0".to_vec()]);
        let film = b"filmfilm".to_vec();
        let positions = b"+43.2+76".to_vec();
        let mdat = make(b"mdat", &[film.clone(), positions.clone()]);
        let at = (ftyp.len() + 8) as u32;
        let moov = make(
            b"moov",
            &[
                make(b"mvhd", &[vec![0; 4], vec![9; 8], vec![2; 12]]),
                track(b"vide", at),
                track(b"meta", at + 8),
                make(b"udta", &[make(b"\xa9xyz", &[b"+43.2389+076.8897/".to_vec()])]),
                make(b"meta", &[b"com.apple.quicktime.make".to_vec()]),
            ],
        );
        let more = make(b"uuid", &[b"Samsung camera".to_vec()]);
        let bytes = [ftyp, mdat, moov, more].concat();
        let (_dir, objects) = temporary();
        objects.put("x", bytes.clone().into()).await.unwrap();
        let source = Source { objects: &objects, key: "x", size: bytes.len() as u64 };
        let mut found = edits(&source).await.unwrap();
        found.sort_by_key(|edit| edit.at);
        let copy = applied(&bytes, &found);
        assert_eq!(copy.len(), bytes.len(), "nothing moves");
        for gone in [b"+43.2".as_slice(), b"quicktime", b"Samsung", &[9; 8], &[7; 8]] {
            assert!(memchr::memmem::find(&copy, gone).is_none(), "{}", String::from_utf8_lossy(gone));
        }
        assert!(memchr::memmem::find(&copy, b"filmfilm").is_some());
        assert_eq!(memchr::memmem::find_iter(&copy, b"trak").count(), 1);
        // A file that says it is longer than it is has no copy.
        let source = Source { size: bytes.len() as u64 - 3, ..source };
        assert!(edits(&source).await.is_err());
    }
}
