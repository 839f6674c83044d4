//! What a file is: told by its bytes, never by its name.

/// The forms of file that are taken as evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    Jpeg,
    Png,
    Webp,
    /// HEIC, HEIF and AVIF pictures.
    Heif,
    Pdf,
    /// MP4, MOV, 3GP and M4A.
    IsoMedia,
    Mp3,
    Wav,
    Flac,
    Amr,
    Ogg,
    /// Matroska and WebM.
    Matroska,
}

/// Bytes from which the kind is told.
pub const HEAD: u64 = 8192;

/// The kind and the media type of a file that begins with `head`; `None`: this is no evidence.
pub fn tell(head: &[u8]) -> Option<(FileKind, &'static str)> {
    let kind = match infer::get(head).map_or("", |kind| kind.mime_type()) {
        "image/jpeg" => (FileKind::Jpeg, "image/jpeg"),
        "image/png" => (FileKind::Png, "image/png"),
        "image/webp" => (FileKind::Webp, "image/webp"),
        "image/heif" => (FileKind::Heif, "image/heif"),
        "image/avif" => (FileKind::Heif, "image/avif"),
        "application/pdf" => (FileKind::Pdf, "application/pdf"),
        "video/mp4" => (FileKind::IsoMedia, "video/mp4"),
        "video/quicktime" => (FileKind::IsoMedia, "video/quicktime"),
        "video/x-m4v" => (FileKind::IsoMedia, "video/x-m4v"),
        "video/3gpp" => (FileKind::IsoMedia, "video/3gpp"),
        "audio/m4a" => (FileKind::IsoMedia, "audio/mp4"),
        "audio/mpeg" => (FileKind::Mp3, "audio/mpeg"),
        "audio/x-wav" => (FileKind::Wav, "audio/wav"),
        "audio/x-flac" => (FileKind::Flac, "audio/flac"),
        "audio/amr" => (FileKind::Amr, "audio/amr"),
        "audio/ogg" | "audio/opus" => (FileKind::Ogg, "audio/ogg"),
        "video/webm" => (FileKind::Matroska, "video/webm"),
        "video/x-matroska" => (FileKind::Matroska, "video/x-matroska"),
        _ => return iso_media(head),
    };
    Some(kind)
}

/// ISO media of brands that `infer` does not list.
fn iso_media(head: &[u8]) -> Option<(FileKind, &'static str)> {
    (head.get(4..8)? == b"ftyp" && head.get(8..11)? == b"3gp").then_some((FileKind::IsoMedia, "video/3gpp"))
}

/// The usual ending of a name.
pub fn extension(media_type: &str) -> &'static str {
    match media_type {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/webp" => "webp",
        "image/heif" => "heic",
        "image/avif" => "avif",
        "application/pdf" => "pdf",
        "video/quicktime" => "mov",
        "video/3gpp" => "3gp",
        "audio/mp4" => "m4a",
        "audio/mpeg" => "mp3",
        "audio/wav" => "wav",
        "audio/flac" => "flac",
        "audio/amr" => "amr",
        "audio/ogg" => "ogg",
        "video/webm" => "webm",
        "video/x-matroska" => "mkv",
        "video/x-m4v" => "m4v",
        _ => "mp4",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_tell_and_names_do_not() {
        assert_eq!(tell(&[0xff, 0xd8, 0xff, 0xe0, 0, 0]).unwrap().0, FileKind::Jpeg);
        assert_eq!(tell(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom").unwrap(), (FileKind::IsoMedia, "video/mp4"));
        assert_eq!(tell(b"\0\0\0\x14ftyp3gp5\0\0\0\0").unwrap().1, "video/3gpp");
        assert_eq!(tell(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic").unwrap().0, FileKind::Heif);
        for none in [b"MZ\x90\0".as_slice(), b"<html><script>", b"PK\x03\x04", b"#!/bin/sh", b""] {
            assert_eq!(tell(none), None);
        }
    }
}
