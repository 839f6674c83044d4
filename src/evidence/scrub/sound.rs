//! MP3, WAV and FLAC.

use super::{Edit, Edits, ScrubError, Source, be32, le32};

/// MP3: the ID3v2 tag in front and the ID3v1 tag behind go (id3.org).
pub async fn mp3(source: &Source<'_>) -> Edits {
    let mut edits = Vec::new();
    let mut at = 0;
    // Tags may follow one another.
    while at + 10 < source.size {
        let head = source.bytes(at..at + 10).await?;
        if &head[..3] != b"ID3" {
            break;
        }
        let size = head[6..10].iter().fold(0u64, |size, byte| size << 7 | u64::from(byte & 0x7f));
        let footer = if head[5] & 0x10 == 0 { 0 } else { 10 };
        at += 10 + size + footer;
    }
    if at > source.size {
        return Err(ScrubError::Form);
    }
    if at > 0 {
        edits.push(Edit::cut(0..at));
    }
    if source.size >= at + 128
        && source.bytes(source.size - 128..source.size - 125).await? == b"TAG".as_slice()
    {
        edits.push(Edit::cut(source.size - 128..source.size));
    }
    // An APE tag is reached from behind in more ways than one: such a file has no copy.
    let end = edits.last().filter(|edit| edit.at > 0).map_or(source.size, |edit| edit.at);
    if end >= at + 32 && source.bytes(end - 32..end - 24).await? == b"APETAGEX".as_slice() {
        return Err(ScrubError::Form);
    }
    Ok(edits)
}

/// WAV: of the chunks only form and sound stay, and the header says how long the file is then.
pub async fn wav(source: &Source<'_>) -> Edits {
    let head = source.bytes(0..12).await?;
    let end = u64::from(le32(&head, 4)?) + 8;
    if end > source.size {
        return Err(ScrubError::Form);
    }
    let (mut edits, mut at, mut left_out) = (Vec::new(), 12, 0);
    while at + 8 <= end {
        let head = source.bytes(at..at + 8).await?;
        let length = u64::from(le32(&head, 4)?);
        let next = (at + 8 + length + length % 2).min(source.size);
        if at + 8 + length > end {
            return Err(ScrubError::Form);
        }
        if !matches!(&head[..4], b"fmt " | b"data" | b"fact") {
            edits.push(Edit::cut(at..next));
            left_out += next - at;
        }
        at = next;
    }
    if at < source.size {
        edits.push(Edit::cut(at..source.size));
    }
    if left_out > 0 {
        edits.push(Edit::replace(4, ((at - 8 - left_out) as u32).to_le_bytes().to_vec()));
    }
    Ok(edits)
}

/// FLAC (RFC 9639): what is not the stream's own description becomes padding.
pub async fn flac(source: &Source<'_>) -> Edits {
    const STREAM_INFO: u8 = 0;
    const PADDING: u8 = 1;
    const SEEK_TABLE: u8 = 3;
    let (mut edits, mut at) = (Vec::new(), 4);
    loop {
        let head = source.bytes(at..at + 4).await?;
        let (last, kind) = (head[0] & 0x80, head[0] & 0x7f);
        let length = u64::from(be32(&head, 0)? & 0x00ff_ffff);
        let end = at + 4 + length;
        if end > source.size {
            return Err(ScrubError::Form);
        }
        if kind != STREAM_INFO && kind != SEEK_TABLE {
            edits.push(Edit { at, remove: 1, insert: vec![last | PADDING], zeros: 0 });
            if length > 0 {
                edits.push(Edit::blank(at + 4..end));
            }
        }
        at = end;
        if last != 0 {
            return Ok(edits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::applied, *};
    use crate::evidence::objects::{Objects, temporary};

    async fn source<'a>(objects: &'a Objects, bytes: &[u8]) -> Source<'a> {
        objects.put("x", bytes.to_vec().into()).await.unwrap();
        Source { objects, key: "x", size: bytes.len() as u64 }
    }

    #[tokio::test]
    async fn tags_go_and_sound_stays() {
        let (_dir, objects) = temporary();
        let tag = [b"ID3\x04\0\0\0\0\0\x05".as_slice(), b"place"].concat();
        let sound = [0xff, 0xfb, 0x90, 0x00].repeat(50);
        let old = [b"TAG".as_slice(), &[b'n'; 125]].concat();
        let bytes = [tag.clone(), tag, sound.clone(), old].concat();
        assert_eq!(applied(&bytes, &mp3(&source(&objects, &bytes).await).await.unwrap()), sound);

        let chunk = |kind: &[u8], content: &[u8]| {
            let pad = vec![0; content.len() % 2];
            [kind, &(content.len() as u32).to_le_bytes(), content, &pad].concat()
        };
        let make = |more: &[Vec<u8>]| {
            let body = [b"WAVE".to_vec(), chunk(b"fmt ", &[1; 16]), more.concat(), chunk(b"data", b"sound")]
                .concat();
            [b"RIFF".to_vec(), (body.len() as u32).to_le_bytes().to_vec(), body].concat()
        };
        let bytes = make(&[chunk(b"LIST", b"INFOwho"), chunk(b"bext", b"where")]);
        assert_eq!(applied(&bytes, &wav(&source(&objects, &bytes).await).await.unwrap()), make(&[]));

        let bytes = [b"fLaC".as_slice(), &[0, 0, 0, 2, 7, 7], &[0x84, 0, 0, 4], b"name", b"sound"].concat();
        let copy = applied(&bytes, &flac(&source(&objects, &bytes).await).await.unwrap());
        assert_eq!(
            copy,
            [b"fLaC".as_slice(), &[0, 0, 0, 2, 7, 7], &[0x81, 0, 0, 4], &[0; 4], b"sound"].concat()
        );
    }
}
