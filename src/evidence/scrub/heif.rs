//! HEIC, HEIF and AVIF (ISO/IEC 23008-12): items that are no picture are blanked where they lie.

use std::ops::Range;

use super::{
    Edit, Edits, ScrubError, Source,
    boxes::{self, Found, number},
};

/// Pieces of items past which a file is not worth taking apart.
const MOST_EXTENTS: usize = 100_000;

pub async fn edits(source: &Source<'_>) -> Edits {
    let mut edits = Vec::new();
    for it in boxes::top(source).await? {
        match &it.kind {
            b"ftyp" | b"mdat" | b"styp" => {}
            b"meta" => {
                let bytes = source.bytes(it.whole.clone()).await?;
                items(&bytes, &it, source.size, &mut edits)?;
            }
            // A film beside the picture is not taken apart here.
            b"moov" => return Err(ScrubError::Form),
            _ => it.blank(&mut edits),
        }
    }
    // Two items may share bytes.
    edits.sort_by_key(|edit| edit.at);
    edits.dedup();
    Ok(edits)
}

fn items(bytes: &[u8], meta: &Found, size: u64, edits: &mut Vec<Edit>) -> Result<(), ScrubError> {
    let base = meta.whole.start;
    let children = boxes::children(bytes, base, meta.inside.start + 4..meta.inside.end)?;
    let inside = |kind: &[u8; 4]| {
        let found = children.iter().find(|it| it.kind == *kind)?;
        Some((&bytes[(found.inside.start - base) as usize..(found.inside.end - base) as usize], found))
    };
    let (info, info_box) = inside(b"iinf").ok_or(ScrubError::Form)?;
    let strange = strange_items(info, bytes, base, info_box)?;
    let (places, _) = inside(b"iloc").ok_or(ScrubError::Form)?;
    let data = inside(b"idat").map(|(_, found)| found.inside.clone());
    for (item, extents) in locations(places, data.as_ref())? {
        let Some((_, is_exif)) = strange.iter().find(|(id, _)| *id == item) else { continue };
        for (i, extent) in extents.into_iter().enumerate() {
            let length = extent.end - extent.start;
            if extent.end > size {
                return Err(ScrubError::Form);
            }
            if *is_exif && i == 0 && length >= NO_EXIF.len() as u64 {
                let zeros = length - NO_EXIF.len() as u64;
                edits.push(Edit { at: extent.start, remove: length, insert: NO_EXIF.to_vec(), zeros });
            } else if length > 0 {
                edits.push(Edit::blank(extent));
            }
        }
    }
    for it in children.iter().filter(|it| matches!(&it.kind, b"uuid" | b"free" | b"skip" | b"udta")) {
        it.blank(edits);
    }
    Ok(())
}

/// An Exif item that says nothing: some viewers refuse a picture whose Exif is none at all.
const NO_EXIF: &[u8; 18] = b"\0\0\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0";

/// The items that are no picture and no part of one, and whether each is Exif.
fn strange_items(info: &[u8], bytes: &[u8], base: u64, of: &Found) -> Result<Vec<(u64, bool)>, ScrubError> {
    let version = *info.first().ok_or(ScrubError::Form)?;
    let head = 4 + if version == 0 { 2 } else { 4 };
    let mut strange = Vec::new();
    for entry in boxes::children(bytes, base, of.inside.start + head..of.inside.end)? {
        let inside = &bytes[(entry.inside.start - base) as usize..(entry.inside.end - base) as usize];
        let version = *inside.first().ok_or(ScrubError::Form)?;
        let mut at = 4;
        let item = match version {
            2 => number(inside, &mut at, 2)?,
            3 => number(inside, &mut at, 4)?,
            _ => return Err(ScrubError::Form),
        };
        let kind = inside.get(at + 2..at + 6).ok_or(ScrubError::Form)?;
        let picture: &[&[u8]] =
            &[b"hvc1", b"hev1", b"lhv1", b"av01", b"avc1", b"jpeg", b"grid", b"iden", b"iovl", b"tmap"];
        if !picture.contains(&kind) {
            strange.push((item, kind == b"Exif"));
        }
    }
    Ok(strange)
}

type Place = (u64, Vec<Range<u64>>);

/// Where items lie in the file.
fn locations(iloc: &[u8], data: Option<&Range<u64>>) -> Result<Vec<Place>, ScrubError> {
    let version = *iloc.first().ok_or(ScrubError::Form)?;
    let widths = iloc.get(4..6).ok_or(ScrubError::Form)?;
    let (offset_width, length_width) = (widths[0] >> 4, widths[0] & 15);
    let (base_width, index_width) = (widths[1] >> 4, if version == 0 { 0 } else { widths[1] & 15 });
    let mut at = 6;
    let wide = if version < 2 { 2 } else { 4 };
    let count = number(iloc, &mut at, wide)?;
    let (mut places, mut total) = (Vec::new(), 0);
    for _ in 0..count {
        let item = number(iloc, &mut at, wide)?;
        let method = if version == 0 { 0 } else { number(iloc, &mut at, 2)? & 15 };
        at += 2;
        let start = number(iloc, &mut at, base_width)?;
        let extents = number(iloc, &mut at, 2)?;
        let mut ranges = Vec::new();
        for _ in 0..extents {
            number(iloc, &mut at, index_width)?;
            let offset = start.checked_add(number(iloc, &mut at, offset_width)?).ok_or(ScrubError::Form)?;
            let length = number(iloc, &mut at, length_width)?;
            let origin = match (method, data) {
                (0, _) => 0,
                (1, Some(data)) => data.start,
                _ => return Err(ScrubError::Form),
            };
            let from = origin.checked_add(offset).ok_or(ScrubError::Form)?;
            total += 1;
            if total > MOST_EXTENTS {
                return Err(ScrubError::Form);
            }
            ranges.push(from..from.checked_add(length).ok_or(ScrubError::Form)?);
        }
        places.push((item, ranges));
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{applied, boxes::tests::make},
        *,
    };
    use crate::evidence::objects::temporary;

    #[tokio::test]
    async fn what_is_no_picture_is_blanked_in_place() {
        let entry = |id: u16, kind: &[u8; 4]| {
            make(b"infe", &[vec![2, 0, 0, 0], id.to_be_bytes().to_vec(), vec![0, 0], kind.to_vec(), vec![0]])
        };
        let ftyp = make(b"ftyp", &[b"heic\0\0\0\0mif1heic".to_vec()]);
        let place = |id: u16, offset: u32, length: u32| {
            [&id.to_be_bytes()[..], &[0, 0, 0, 1], &offset.to_be_bytes(), &length.to_be_bytes()].concat()
        };
        let build = |at: u32| {
            let iinf = make(b"iinf", &[vec![0, 0, 0, 0, 0, 2], entry(1, b"hvc1"), entry(2, b"Exif")]);
            let iloc =
                make(b"iloc", &[vec![0, 0, 0, 0, 0x44, 0, 0, 2], place(1, at, 6), place(2, at + 6, 22)]);
            make(b"meta", &[vec![0; 4], make(b"hdlr", &[vec![0; 24]]), iinf, iloc])
        };
        let at = (ftyp.len() + build(0).len() + 8) as u32;
        let bytes =
            [ftyp, build(at), make(b"mdat", &[b"pixels".to_vec(), b"GPS 43.238949 76.8897 ".to_vec()])]
                .concat();
        let (_dir, objects) = temporary();
        objects.put("x", bytes.clone().into()).await.unwrap();
        let source = Source { objects: &objects, key: "x", size: bytes.len() as u64 };
        let copy = applied(&bytes, &edits(&source).await.unwrap());
        assert_eq!(copy[..bytes.len() - 22], bytes[..bytes.len() - 22]);
        assert!(copy.ends_with(&[b"pixels".as_slice(), NO_EXIF, &[0; 4]].concat()));
    }
}
