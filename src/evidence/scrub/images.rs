//! JPEG, PNG, WebP and PDF.

use actix_web::web::Bytes;

use super::{Edit, Edits, ScrubError, be16, be32, le32};

/// JPEG (ITU-T T.81): of the application segments only those that the picture needs stay (JFIF, the colour
/// profile, Adobe's colour transform), comments and what follows the picture go. Which way up it is held
/// is said anew, since viewers need it.
pub fn jpeg(bytes: &[u8]) -> Edits {
    let mut edits = Vec::new();
    let mut orientation = None;
    let mut at = 2;
    loop {
        if bytes.get(at) != Some(&0xff) {
            return Err(ScrubError::Form);
        }
        let marker = *bytes.get(at + 1).ok_or(ScrubError::Form)?;
        match marker {
            // Fill bytes.
            0xff => {
                at += 1;
                continue;
            }
            0xd9 => {
                at += 2;
                break;
            }
            0xd8 | 0x01 | 0xd0..=0xd7 => {
                at += 2;
                continue;
            }
            _ => {}
        }
        let length = be16(bytes, at + 2)? as usize;
        let end = at + 2 + length;
        let segment = bytes.get(at + 4..end).ok_or(ScrubError::Form)?;
        let needed = match marker {
            0xe0 => segment.starts_with(b"JFIF\0"),
            0xe2 => segment.starts_with(b"ICC_PROFILE\0"),
            0xee => segment.starts_with(b"Adobe"),
            0xe1..=0xef | 0xfe => false,
            _ => true,
        };
        if !needed {
            if let Some(exif) = segment.strip_prefix(b"Exif\0\0") {
                orientation = orientation.or(exif_orientation(exif));
            }
            edits.push(Edit::cut(at as u64..end as u64));
        }
        at = end;
        if marker == 0xda {
            // The scan lasts until a marker that is neither a stuffed zero nor a restart.
            loop {
                let found = memchr::memchr(0xff, bytes.get(at..).ok_or(ScrubError::Form)?);
                at += found.ok_or(ScrubError::Form)?;
                match bytes.get(at + 1) {
                    Some(0x00 | 0xd0..=0xd7) => at += 2,
                    Some(0xff) => at += 1,
                    Some(_) => break,
                    None => return Err(ScrubError::Form),
                }
            }
        }
    }
    if at < bytes.len() {
        edits.push(Edit::cut(at as u64..bytes.len() as u64));
    }
    if let Some(orientation @ 2..=8) = orientation {
        // The first edit is at or after the start of the picture; this one goes before it.
        edits.insert(0, Edit { at: 2, remove: 0, insert: exif_with(orientation), zeros: 0 });
    }
    Ok(edits)
}

/// Tag 0x0112 of the first directory of TIFF data.
fn exif_orientation(tiff: &[u8]) -> Option<u16> {
    let big = match tiff.get(..4)? {
        b"MM\0*" => true,
        b"II*\0" => false,
        _ => return None,
    };
    let two = |at: usize| be16(tiff, at).ok().map(|n| if big { n } else { n.swap_bytes() });
    let four = |at: usize| be32(tiff, at).ok().map(|n| if big { n } else { n.swap_bytes() });
    let directory = four(4)? as usize;
    let entries = two(directory)? as usize;
    let entry = |i: usize| directory + 2 + i * 12;
    (0..entries).map(entry).find(|at| two(*at) == Some(0x0112)).and_then(|at| two(at + 8))
}

/// An Exif segment that says how the picture is held, and nothing else.
fn exif_with(orientation: u16) -> Vec<u8> {
    let mut segment = vec![0xff, 0xe1, 0x00, 0x22];
    segment.extend(b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01");
    segment.extend(orientation.to_be_bytes());
    segment.extend([0; 6]);
    segment
}

/// PNG (W3C PNG, third edition): the chunks that the picture is made of stay.
pub fn png(bytes: &[u8]) -> Edits {
    const NEEDED: [&[u8; 4]; 18] = [
        b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT",
        b"pHYs", b"bKGD", b"acTL", b"fcTL", b"fdAT", b"mDCV", b"cLLI",
    ];
    let mut edits = Vec::new();
    let mut at = 8;
    loop {
        let length = be32(bytes, at)? as usize;
        let end = at.checked_add(length).and_then(|end| end.checked_add(12)).ok_or(ScrubError::Form)?;
        let kind = bytes.get(at + 4..at + 8).ok_or(ScrubError::Form)?;
        if end > bytes.len() {
            return Err(ScrubError::Form);
        }
        if !NEEDED.iter().any(|needed| needed.as_slice() == kind) {
            edits.push(Edit::cut(at as u64..end as u64));
        }
        at = end;
        if kind == b"IEND" {
            break;
        }
    }
    if at < bytes.len() {
        edits.push(Edit::cut(at as u64..bytes.len() as u64));
    }
    Ok(edits)
}

/// WebP (RFC 9649): Exif, XMP and unknown chunks go, and the header says so.
pub fn webp(bytes: &[u8]) -> Edits {
    const NEEDED: [&[u8; 4]; 7] = [b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"];
    /// Flags of VP8X that say that there are Exif and XMP.
    const METADATA: u8 = 0x08 | 0x04;
    let end = (le32(bytes, 4)? as usize).checked_add(8).ok_or(ScrubError::Form)?;
    if bytes.get(8..12) != Some(b"WEBP") || end <= 12 || end > bytes.len() {
        return Err(ScrubError::Form);
    }
    let (mut edits, mut flags) = (Vec::new(), None);
    let (mut at, mut left_out, mut picture) = (12, 0, false);
    while at < end {
        let length = le32(bytes, at + 4)? as usize;
        let next = at.checked_add(8 + length + length % 2).ok_or(ScrubError::Form)?;
        let kind = bytes.get(at..at + 4).ok_or(ScrubError::Form)?;
        if next > end {
            return Err(ScrubError::Form);
        }
        picture |= matches!(kind, b"VP8 " | b"VP8L" | b"ANMF");
        if kind == b"VP8X" {
            let byte = *bytes.get(at + 8).ok_or(ScrubError::Form)?;
            flags = Some((at + 8, byte));
        }
        if !NEEDED.iter().any(|needed| needed.as_slice() == kind) {
            edits.push(Edit::cut(at as u64..next as u64));
            left_out += next - at;
        }
        at = next;
    }
    if end < bytes.len() {
        edits.push(Edit::cut(end as u64..bytes.len() as u64));
    }
    if !picture {
        return Err(ScrubError::Form);
    }
    if left_out > 0 {
        let size = (end - 8 - left_out) as u32;
        edits.push(Edit::replace(4, size.to_le_bytes().to_vec()));
    }
    if let Some((at, byte)) = flags.filter(|(_, byte)| byte & METADATA != 0) {
        edits.push(Edit::replace(at as u64, vec![byte & !METADATA]));
    }
    Ok(edits)
}

/// PDF (ISO 32000): the document's information and metadata streams go, and so does what scanned pictures
/// in it carry. `None` where it cannot be read, or is encrypted.
pub async fn pdf(bytes: Bytes) -> Option<Bytes> {
    tokio::task::spawn_blocking(move || {
        use lopdf::{Document, Object};
        let mut document = Document::load_mem(&bytes).ok()?;
        if document.is_encrypted() {
            return None;
        }
        document.trailer.remove(b"Info");
        document.trailer.remove(b"ID");
        for object in document.objects.values_mut() {
            match object {
                Object::Dictionary(dictionary) => {
                    [b"Metadata".as_slice(), b"PieceInfo", b"LastModified"].iter().for_each(|key| {
                        dictionary.remove(key);
                    });
                }
                Object::Stream(stream) => {
                    [b"Metadata".as_slice(), b"PieceInfo", b"LastModified"].iter().for_each(|key| {
                        stream.dict.remove(key);
                    });
                    let filter = stream.dict.get(b"Filter").and_then(Object::as_name);
                    if filter.is_ok_and(|name| name == b"DCTDecode") {
                        let edits = jpeg(&stream.content).ok()?;
                        stream.set_content(apply(&stream.content, &edits));
                    }
                }
                _ => {}
            }
        }
        // What nothing refers to any more goes too: the information and the metadata themselves.
        document.prune_objects();
        let mut copy = Vec::new();
        document.save_to(&mut copy).ok()?;
        Some(Bytes::from(copy))
    })
    .await
    .ok()
    .flatten()
}

fn apply(bytes: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut copy = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for edit in edits {
        copy.extend_from_slice(&bytes[at..edit.at as usize]);
        copy.extend_from_slice(&edit.insert);
        copy.resize(copy.len() + edit.zeros as usize, 0);
        at = (edit.at + edit.remove) as usize;
    }
    copy.extend_from_slice(&bytes[at..]);
    copy
}

#[cfg(test)]
mod tests {
    use super::{super::applied, *};

    /// A JPEG that holds `segments` (marker and content) before its picture.
    fn jpeg_with(segments: &[(u8, &[u8])], after: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xff, 0xd8];
        for (marker, content) in segments {
            bytes.extend([0xff, *marker]);
            bytes.extend((content.len() as u16 + 2).to_be_bytes());
            bytes.extend(*content);
        }
        bytes.extend([0xff, 0xda, 0x00, 0x02, 0x11, 0xff, 0x00, 0x22, 0xff, 0xd0, 0x33, 0xff, 0xd9]);
        bytes.extend(after);
        bytes
    }

    fn exif(orientation: u16) -> Vec<u8> {
        let mut content = b"Exif\0\0II*\0\x08\0\0\0\x02\0".to_vec();
        content.extend([0x12, 0x01, 3, 0, 1, 0, 0, 0]);
        content.extend(orientation.to_le_bytes());
        content.extend([0, 0]);
        content.extend([0x25, 0x88, 4, 0, 1, 0, 0, 0, 0x26, 0, 0, 0]);
        content.extend(b"\0\0\0\0 N 43.238949 E 76.889709");
        content
    }

    #[test]
    fn a_jpeg_keeps_its_picture_and_its_orientation_alone() {
        let place = exif(6);
        let bytes = jpeg_with(
            &[
                (0xe0, b"JFIF\0\x01\x01"),
                (0xe1, &place),
                (0xe1, b"http://ns.adobe.com/xap/1.0/\0GPS"),
                (0xe2, b"ICC_PROFILE\0\x01\x01colour"),
                (0xed, b"Photoshop 3.0\0"),
                (0xfe, b"who took it"),
                (0xdb, &[0; 65]),
            ],
            b"a film with GPS hidden behind the picture",
        );
        let copy = applied(&bytes, &jpeg(&bytes).unwrap());
        for gone in [b"GPS".as_slice(), b"43.2389", b"Photoshop", b"who took", b"hidden"] {
            assert!(memchr::memmem::find(&copy, gone).is_none(), "{}", String::from_utf8_lossy(gone));
        }
        for there in
            [b"JFIF".as_slice(), b"ICC_PROFILE", &[0x11, 0xff, 0x00, 0x22, 0xff, 0xd0, 0x33, 0xff, 0xd9]]
        {
            assert!(memchr::memmem::find(&copy, there).is_some());
        }
        let at = memchr::memmem::find(&copy, b"Exif\0\0").unwrap();
        assert_eq!(exif_orientation(&copy[at + 6..]), Some(6));
        assert_eq!(be16(&copy, at - 2).unwrap() as usize, 34);
        assert_eq!(&copy[at - 2 + 34..at + 34], &[0xff, 0xe0], "the segment is as long as it says");
        // The copy of a copy is the same.
        assert_eq!(applied(&copy, &jpeg(&copy).unwrap()), copy);
        assert!(jpeg(&bytes[..40]).is_err(), "a cut-off picture has no copy");
    }

    #[test]
    fn a_png_keeps_the_chunks_of_its_picture() {
        let chunk = |kind: &[u8], content: &[u8]| {
            [&(content.len() as u32).to_be_bytes(), kind, content, &[0; 4]].concat()
        };
        let parts = [
            b"\x89PNG\r\n\x1a\n".to_vec(),
            chunk(b"IHDR", &[1; 13]),
            chunk(b"eXIf", b"GPS"),
            chunk(b"tEXt", b"Author\0X"),
            chunk(b"zzZz", b"who knows"),
            chunk(b"IDAT", b"pixels"),
            chunk(b"IEND", b""),
            b"after the end".to_vec(),
        ];
        let copy = applied(&parts.concat(), &png(&parts.concat()).unwrap());
        assert_eq!(copy, [&parts[0], &parts[1], &parts[5], &parts[6]].map(Vec::as_slice).concat());
    }

    #[test]
    fn a_webp_without_a_picture_has_no_copy() {
        for size in [0u32, 1, 4] {
            let bytes = [b"RIFF".as_slice(), &size.to_le_bytes(), b"WEBPVP8X", &[0; 18]].concat();
            assert!(matches!(webp(&bytes), Err(ScrubError::Form)), "{size}");
        }
        let no_picture =
            [b"RIFF".as_slice(), &16u32.to_le_bytes(), b"WEBPEXIF", &4u32.to_le_bytes(), b"GPS!"].concat();
        assert!(matches!(webp(&no_picture), Err(ScrubError::Form)));
    }

    #[test]
    fn a_webp_keeps_its_picture_and_says_that_nothing_else_is_there() {
        let chunk = |kind: &[u8], content: &[u8]| {
            let pad = vec![0; content.len() % 2];
            [kind, &(content.len() as u32).to_le_bytes(), content, &pad].concat()
        };
        let make = |flags: u8, metadata: &[Vec<u8>]| {
            let body = [
                b"WEBP".to_vec(),
                chunk(b"VP8X", &[flags, 0, 0, 0, 1, 0, 0, 1, 0, 0]),
                chunk(b"VP8 ", b"pixel"),
                metadata.concat(),
            ]
            .concat();
            [b"RIFF".to_vec(), (body.len() as u32).to_le_bytes().to_vec(), body].concat()
        };
        let bytes = make(0x1c, &[chunk(b"EXIF", b"GPS"), chunk(b"XMP ", b"name")]);
        assert_eq!(applied(&bytes, &webp(&bytes).unwrap()), make(0x10, &[]));
    }

    #[tokio::test]
    async fn a_pdf_loses_its_author_and_what_its_scans_carry() {
        use lopdf::{Document, Object, Stream, dictionary};
        let mut document = Document::with_version("1.5");
        let picture = jpeg_with(&[(0xe1, &exif(1))], b"");
        let scan = dictionary! { "Type" => "XObject", "Subtype" => "Image", "Filter" => "DCTDecode" };
        let scan = document.add_object(Stream::new(scan, picture));
        let xmp =
            document.add_object(Stream::new(dictionary! { "Type" => "Metadata" }, b"<x>author</x>".to_vec()));
        let info = document.add_object(dictionary! { "Author" => Object::string_literal("Observer Name") });
        let root =
            document.add_object(dictionary! { "Type" => "Catalog", "Metadata" => xmp, "Scan" => scan });
        document.trailer.set("Root", root);
        document.trailer.set("Info", info);
        let mut bytes = Vec::new();
        document.save_to(&mut bytes).unwrap();
        assert!(memchr::memmem::find(&bytes, b"Observer Name").is_some());
        let copy = pdf(bytes.into()).await.unwrap();
        for gone in [b"Observer Name".as_slice(), b"author", b"43.2389"] {
            assert!(memchr::memmem::find(&copy, gone).is_none(), "{}", String::from_utf8_lossy(gone));
        }
        assert!(Document::load_mem(&copy).unwrap().get_object(scan).is_ok(), "the scan is there still");
        assert!(pdf(Bytes::from_static(b"%PDF-1.4 broken")).await.is_none());
    }
}
