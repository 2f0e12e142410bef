//! Encodings of MIME: encoded words, quoted-printable, parameters.

use super::people::Person;

/// Quoted-printable with soft line breaks; `text` has CRLF line ends.
pub(crate) fn quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 11 / 10);
    let mut column = 0_usize;
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'\r' && bytes.peek() == Some(&b'\n') {
            bytes.next();
            out.extend_from_slice(b"\r\n");
            column = 0;
            continue;
        }
        let ends_line = matches!(bytes.peek(), None | Some(b'\r'));
        let is_plain = (33..=126).contains(&byte) && byte != b'='
            || (byte == b' ' || byte == b'\t') && !ends_line;
        let width = if is_plain { 1 } else { 3 };
        if column + width > 75 {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        if is_plain {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("={byte:02X}").as_bytes());
        }
        column += width;
    }
    out
}

/// Header text, as encoded words where it is not ASCII.
pub(crate) fn header_text(text: &str) -> String {
    if text.bytes().all(|byte| (32..127).contains(&byte)) {
        return text.to_owned();
    }
    let mut words: Vec<String> = Vec::new();
    let mut piece = String::new();
    for letter in text.chars() {
        if piece.len() + letter.len_utf8() > 42 {
            words.push(encoded_word(&piece));
            piece.clear();
        }
        piece.push(letter);
    }
    words.push(encoded_word(&piece));
    words.join("\r\n ")
}

fn encoded_word(text: &str) -> String {
    format!(
        "=?utf-8?B?{}?=",
        base64_simd::STANDARD.encode_to_string(text.as_bytes())
    )
}

/// An address for a header.
pub(crate) fn mailbox(person: &Person) -> String {
    let name = &person.name;
    if name.is_empty() {
        return person.address.clone();
    }
    let is_simple = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b' ');
    if is_simple {
        format!("{name} <{}>", person.address)
    } else if name.is_ascii() {
        let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{quoted}\" <{}>", person.address)
    } else {
        format!("{} <{}>", header_text(name), person.address)
    }
}

/// A list of addresses, one per line.
pub(crate) fn mailboxes(people: &[Person]) -> String {
    people
        .iter()
        .map(mailbox)
        .collect::<Vec<_>>()
        .join(",\r\n\t")
}

/// A file name parameter: plain, or RFC 2231 where it is not ASCII.
pub(crate) fn file_name(parameter: &str, name: &str) -> String {
    if name.is_ascii() {
        let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
        return format!("{parameter}=\"{quoted}\"");
    }
    let mut coded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-' || byte == b'_' {
            coded.push(char::from(byte));
        } else {
            coded.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("{parameter}*=utf-8''{coded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_short_and_text_survives() {
        let text = "Größe = 5 \r\n".repeat(40);
        let coded = quoted_printable(text.as_bytes());
        let coded = String::from_utf8(coded).unwrap();
        assert!(coded.split("\r\n").all(|line| line.len() <= 76));
        let message = format!(
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{coded}"
        );
        let parsed = mail_parser::MessageParser::default()
            .parse(message.as_bytes())
            .unwrap();
        assert_eq!(parsed.body_text(0).unwrap(), text);
    }

    #[test]
    fn long_subjects_become_several_encoded_words() {
        let subject = "Überprüfung der Lieferung ".repeat(6);
        let message = format!("Subject: {}\r\n\r\n", header_text(subject.trim()));
        let parsed = mail_parser::MessageParser::default()
            .parse(message.as_bytes())
            .unwrap();
        assert_eq!(parsed.subject().unwrap(), subject.trim());
    }
}
