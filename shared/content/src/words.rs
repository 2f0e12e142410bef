//! Header values and bodies in ASCII: encoded words (RFC 2047), parameters (RFC 2231),
//! quoted-printable, and folding.

use mailkeep_model::Address;

use crate::base64::encode_into;

/// Header lines are folded to stay below this.
const LINE: usize = 76;
/// Decoded bytes of one encoded word, so that it stays below 75 characters.
const WORD_BYTES: usize = 42;
/// A longer stretch without a blank is encoded, because it could not be folded.
const MAX_STRETCH: usize = 500;
/// Domain of addresses that are no internet addresses.
const NO_DOMAIN: &str = "exchange.invalid";

/// A header field, folded, with its line ending. The name loses what no name may have.
pub(crate) fn field(name: &str, value: &str) -> String {
    let mut line: String = name
        .chars()
        .filter(|character| character.is_ascii_graphic() && *character != ':')
        .collect();
    line.push(':');
    let mut out = String::new();
    for word in value.split(' ').filter(|word| !word.is_empty()) {
        let has_value = !line.trim().is_empty() && !line.ends_with(':');
        if has_value && line.len() + 1 + word.len() > LINE {
            out.push_str(&line);
            out.push_str("\r\n");
            line.clear();
        }
        line.push(' ');
        line.push_str(word);
    }
    out + &line + "\r\n"
}

/// Unstructured text for a field: as it is where possible, else as encoded words.
pub(crate) fn text(value: &str) -> String {
    let value = without_controls(value);
    let plain = value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && !value.contains("=?")
        && !value.contains("  ")
        && value.trim() == value
        && value.split(' ').all(|word| word.len() <= MAX_STRETCH);
    if plain { value } else { encoded_words(&value) }
}

/// Encoded words, separated by blanks, whose text together is `value`.
fn encoded_words(value: &str) -> String {
    let mut words = vec![];
    let mut word = String::new();
    let mut flush = |word: &mut String| {
        let mut encoded = b"=?utf-8?B?".to_vec();
        encode_into(word.as_bytes(), &mut encoded);
        encoded.extend_from_slice(b"?=");
        words.push(String::from_utf8_lossy(&encoded).into_owned());
        word.clear();
    };
    for character in value.chars() {
        if word.len() + character.len_utf8() > WORD_BYTES {
            flush(&mut word);
        }
        word.push(character);
    }
    if !word.is_empty() {
        flush(&mut word);
    }
    words.join(" ")
}

/// An address list.
pub(crate) fn address_list(addresses: &[Address]) -> String {
    let list: Vec<String> = addresses
        .iter()
        .filter(|address| !(address.name.is_empty() && address.address.is_empty()))
        .map(address)
        .collect();
    list.join(", ")
}

fn address(address: &Address) -> String {
    let bare = internet_address(&address.address);
    match (phrase(&address.name), bare) {
        (name, None) => format!("{name}:;"),
        (name, Some(bare)) if name.is_empty() => format!("<{bare}>"),
        (name, Some(bare)) => format!("{name} <{bare}>"),
    }
}

/// The address, wrapped like Exchange does (`IMCEAEX-`) where it is no internet address.
fn internet_address(address: &str) -> Option<String> {
    let address = address.trim();
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"<>()[],;:\\\"".contains(&byte);
    let (local, domain) = address.rsplit_once('@').unwrap_or(("", ""));
    let is_domain = |byte: u8| is_plain(byte) || byte >= 0x80;
    if !local.is_empty()
        && !domain.is_empty()
        && local.bytes().all(is_domain)
        && domain.bytes().all(is_domain)
        && !address.starts_with('/')
    {
        return Some(without_controls(address));
    }
    if address.is_empty() {
        return None;
    }
    let mut wrapped = String::from("IMCEAEX-");
    for byte in address.bytes() {
        match byte {
            b'/' => wrapped.push('_'),
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'=' | b'-' | b'.' => {
                wrapped.push(char::from(byte));
            }
            other => wrapped.push_str(&format!("+{other:02X}")),
        }
    }
    Some(format!("{wrapped}@{NO_DOMAIN}"))
}

/// A display name: quoted where ASCII, else as encoded words.
fn phrase(name: &str) -> String {
    let name = without_controls(name);
    let name = name.trim();
    if name.is_empty() {
        return String::new();
    }
    let ascii = name.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if !ascii || name.contains("=?") || name.contains("  ") || name.len() > MAX_STRETCH {
        return encoded_words(name);
    }
    let simple = |byte: u8| byte.is_ascii_alphanumeric() || b" -_'".contains(&byte);
    if name.bytes().all(simple) {
        return name.to_owned();
    }
    quoted(name)
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
    out
}

/// A parameter of a field, each piece led by `;` and a fold.
pub(crate) fn parameter(name: &str, value: &str) -> String {
    /// Characters of one piece.
    const PIECE: usize = 55;
    let value = without_controls(value);
    let ascii = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if ascii && value.len() <= PIECE {
        return format!(";\r\n {name}={}", quoted(&value));
    }
    let mut pieces = vec![];
    let mut piece = String::from("utf-8''");
    for character in value.chars() {
        // Some readers decode piece by piece, so characters are not cut.
        if piece.len() + 3 * character.len_utf8() > PIECE {
            pieces.push(std::mem::take(&mut piece));
        }
        if character.is_ascii_alphanumeric() || "-._".contains(character) {
            piece.push(character);
            continue;
        }
        for byte in character.encode_utf8(&mut [0; 4]).bytes() {
            piece.push_str(&format!("%{byte:02X}"));
        }
    }
    pieces.push(piece);
    if let [only] = pieces.as_slice() {
        return format!(";\r\n {name}*={only}");
    }
    let numbered = pieces.iter().enumerate();
    numbered
        .map(|(number, piece)| format!(";\r\n {name}*{number}*={piece}"))
        .collect()
}

/// Text in quoted-printable with CRLF line endings.
pub(crate) fn quoted_printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut lines = text.split('\n').peekable();
    while let Some(line) = lines.next() {
        let is_last = lines.peek().is_none();
        let line = if is_last {
            line
        } else {
            line.strip_suffix('\r').unwrap_or(line)
        };
        quoted_printable_line(line.as_bytes(), &mut out);
        if !is_last {
            out.push_str("\r\n");
        }
    }
    out
}

fn quoted_printable_line(line: &[u8], out: &mut String) {
    let mut width = 0;
    for (at, byte) in line.iter().enumerate() {
        let ends_line = at + 1 == line.len();
        let plain = match byte {
            b'=' => false,
            b' ' | b'\t' => !ends_line,
            // Mail programs and mbox files treat these lines specially.
            b'.' | b'F' if at == 0 => false,
            other => other.is_ascii_graphic(),
        };
        let length = if plain { 1 } else { 3 };
        if width + length > LINE - 1 {
            out.push_str("=\r\n");
            width = 0;
        }
        width += length;
        if plain {
            out.push(char::from(*byte));
        } else {
            out.push_str(&format!("={byte:02X}"));
        }
    }
}

/// Header values must not contain line endings or other controls.
fn without_controls(value: &str) -> String {
    value
        .chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect()
}
