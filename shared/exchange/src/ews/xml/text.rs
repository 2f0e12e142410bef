//! Text with character references, read leniently.

/// Text with its references resolved. A reference that XML forbids becomes U+FFFD; one that is
/// unknown stays as it is. Bytes that are no UTF-8 become U+FFFD.
pub(crate) fn resolve(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if !text.contains('&') {
        return text.into_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest: &str = &text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        match after
            .split_once(';')
            .and_then(|(name, rest)| Some((reference(name)?, rest)))
        {
            Some((character, after)) => {
                out.push(character);
                rest = after;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn reference(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let digits = number.strip_prefix(['x', 'X']);
        let is_number = !digits.unwrap_or(number).is_empty()
            && digits.unwrap_or(number).bytes().all(|b| match digits {
                Some(_) => b.is_ascii_hexdigit(),
                None => b.is_ascii_digit(),
            });
        if !is_number {
            return None;
        }
        let code = match digits {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => number.parse(),
        };
        let character = code.ok().and_then(char::from_u32);
        return Some(
            character
                .filter(|c| super::is_xml_char(*c))
                .unwrap_or(char::REPLACEMENT_CHARACTER),
        );
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_and_bad_references() {
        for (raw, text) in [
            ("a&amp;&lt;&gt;&quot;&apos;b", "a&<>\"'b"),
            ("&#65;&#x42;&#X1F600;&#13;", "AB😀\r"),
            (
                "&#x1F;&#x0;&#xD800;&#xFFFF;&#99999999999;",
                "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}",
            ),
            ("&nbsp; & &; &#; &#x; &#zz;", "&nbsp; & &; &#; &#x; &#zz;"),
            ("&amp;lt;", "&lt;"),
        ] {
            assert_eq!(resolve(raw.as_bytes()), text);
        }
        assert_eq!(resolve(b"\xFFa"), "\u{FFFD}a");
    }
}
