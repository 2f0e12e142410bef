//! File names that are safe on common systems.

use mailkeep_model::FolderPath;
use mailkeep_vault::ItemVersion;

/// Longest part of a name, in bytes; with date, reference and suffix well below 255.
const MAX_BYTES: usize = 120;

/// A folder path whose every part is a safe file name.
pub(super) fn safe_path(path: &FolderPath) -> FolderPath {
    FolderPath(path.0.iter().map(|name| safe(name, "folder")).collect())
}

/// The name of an item's file: time, subject, reference. Unique, because the reference is.
pub(super) fn eml_name(version: &ItemVersion) -> String {
    let time = version.item.sort_time().format("%Y-%m-%d %H.%M.%S");
    let subject = safe(&version.item.subject, "no subject");
    format!("{time} {subject} [{}].eml", version.key)
}

/// Makes a text a safe file name: no separators, no characters that Windows forbids, no reserved
/// names, no dot or space at the ends, not too long, never empty.
pub(super) fn safe(text: &str, fallback: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        let c = match c {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
            c if c.is_control() || is_invisible(c) => continue,
            c if c.is_whitespace() => ' ',
            c => c,
        };
        if name.len() + c.len_utf8() > MAX_BYTES {
            break;
        }
        name.push(c);
    }
    let name = name.trim_matches(|c: char| c == '.' || c.is_whitespace());
    if name.is_empty() {
        fallback.to_owned()
    } else if is_reserved(name) {
        format!("_{name}")
    } else {
        name.to_owned()
    }
}

/// Marks that turn the reading direction or cannot be seen; they can make a name look like another.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn is_reserved(name: &str) -> bool {
    let stem = name
        .split('.')
        .next()
        .unwrap_or(name)
        .trim()
        .to_ascii_uppercase();
    let is_port = |prefix: &str| {
        stem.strip_prefix(prefix)
            .is_some_and(|n| n.len() == 1 && n.chars().all(|c| c.is_ascii_digit()))
    };
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL") || is_port("COM") || is_port("LPT")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dangerous_names_become_harmless() {
        for (text, expected) in [
            ("../../etc/passwd", "_.._etc_passwd"),
            ("C:\\x", "C__x"),
            ("", "none"),
            ("...", "none"),
            ("con.txt", "_con.txt"),
            ("COM1", "_COM1"),
            ("Company", "Company"),
            ("a\u{202e}gpj.exe\r\n", "agpj.exe"),
        ] {
            assert_eq!(safe(text, "none"), expected);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_an_unsafe_name(text in "\\PC{0,200}|[\\x00-\\x7f]{0,200}") {
            let name = safe(&text, "none");
            prop_assert!(!name.is_empty() && name.len() <= MAX_BYTES + 1);
            prop_assert!(!name.contains(['/', '\\', '\0', ':', '\n']));
            prop_assert!(!name.starts_with('.') && !name.ends_with(['.', ' ']));
        }
    }
}
