//! File names for attachments: as given where possible, safe, never empty.

/// Longest name, in characters. Exchange takes 255.
const MAX_NAME: usize = 200;
/// Longest extension that is kept when a name is cut.
const MAX_EXTENSION: usize = 20;

/// Removes what no file name may have and cuts it to size. An empty result becomes `fallback`.
pub(crate) fn clean(name: &str, fallback: &str) -> String {
    let name: String = name
        .chars()
        .map(|character| match character {
            '/' | '\\' => '_',
            other => other,
        })
        .filter(|character| !character.is_control())
        .collect();
    let name = name.trim();
    if name.trim_matches(['.', ' ']).is_empty() {
        return fallback.to_owned();
    }
    let length = name.chars().count();
    if length <= MAX_NAME {
        return name.to_owned();
    }
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if extension.chars().count() <= MAX_EXTENSION => (stem, extension),
        _ => (name, ""),
    };
    let room = MAX_NAME.saturating_sub(extension.chars().count() + 1);
    let mut cut: String = stem.chars().take(room).collect();
    if !extension.is_empty() {
        cut.push('.');
        cut.push_str(extension);
    }
    cut
}

/// The extension that fits a media type, with its dot.
pub(crate) fn extension(media_type: &str) -> &'static str {
    match media_type {
        "text/plain" => ".txt",
        "text/html" => ".html",
        "text/calendar" | "application/ics" => ".ics",
        "text/csv" => ".csv",
        "text/vcard" | "text/x-vcard" | "text/directory" => ".vcf",
        "text/xml" | "application/xml" => ".xml",
        "text/rtf" | "application/rtf" => ".rtf",
        "text/rfc822-headers" | "message/delivery-status" | "message/disposition-notification" => {
            ".txt"
        }
        "image/png" => ".png",
        "image/jpeg" | "image/jpg" => ".jpg",
        "image/gif" => ".gif",
        "image/bmp" => ".bmp",
        "image/tiff" => ".tif",
        "image/webp" => ".webp",
        "image/svg+xml" => ".svg",
        "audio/mpeg" => ".mp3",
        "audio/wav" | "audio/x-wav" => ".wav",
        "video/mp4" => ".mp4",
        "application/pdf" => ".pdf",
        "application/zip" => ".zip",
        "application/json" => ".json",
        "application/pgp-signature" => ".asc",
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => ".p7m",
        "application/pkcs7-signature" | "application/x-pkcs7-signature" => ".p7s",
        "application/ms-tnef" => ".dat",
        "message/rfc822" | "message/global" => ".eml",
        _ => ".bin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_and_never_empty() {
        assert_eq!(clean(" a\r\nb\t.txt ", "x"), "ab.txt");
        assert_eq!(clean("../c/d\\e", "x"), ".._c_d_e");
        for empty in ["", "  ", "..", "\0"] {
            assert_eq!(clean(empty, "x"), "x");
        }
        let long = clean(&("ä".repeat(300) + ".docx"), "x");
        assert_eq!(long.chars().count(), MAX_NAME);
        assert!(long.ends_with("ä.docx"));
        assert_eq!(clean(&".".repeat(300), "x"), "x");
        assert!(clean(&"b".repeat(300), "x").chars().count() <= MAX_NAME);
    }
}
