//! Values of the form `kind; name=value; name="value"`: media types and dispositions.
//!
//! Read as the wild writes them: continuations and charsets of RFC 2231 (also when a character is
//! cut between two pieces), encoded words, unquoted names with blanks, missing quotes.

use crate::header::{charset_text, decoded_text, to_utf8};

/// More parameters than this are ignored.
const MAX_PARAMETERS: usize = 1_000;

/// A media type or disposition with its parameters, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameterized {
    /// Lower case, for example `text/html` or `attachment`.
    pub(crate) kind: String,
    /// Lower-case names and values, in their order.
    pub(crate) parameters: Vec<(String, String)>,
}

impl Parameterized {
    pub(crate) fn parse(value: &[u8]) -> Self {
        let text = to_utf8(value).replace(['\r', '\n'], "");
        let (kind, rest) = text.split_once(';').unwrap_or((&text, ""));
        let kind = kind.replace(" /", "/").replace("/ ", "/");
        let (kind, more) = match kind.trim_start().split_once([' ', '\t', '(']) {
            Some((kind, more)) => (kind.to_owned(), more.to_owned()),
            None => (kind.trim().to_owned(), String::new()),
        };
        let mut raw = vec![];
        if more.contains('=') {
            // The semicolon after the kind is missing.
            raw = raw_parameters(&more);
        }
        raw.extend(raw_parameters(rest));
        Self {
            kind: kind.to_ascii_lowercase(),
            parameters: join(raw),
        }
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let mut all = self.parameters.iter();
        all.find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A parameter as it stands: `name*number*=value`.
struct Raw {
    name: String,
    /// Present if the parameter is a piece or has a charset.
    number: Option<u32>,
    /// Percent-encoded, the first piece led by a charset.
    is_encoded: bool,
    value: String,
}

fn raw_parameters(mut text: &str) -> Vec<Raw> {
    let mut found = vec![];
    while found.len() < MAX_PARAMETERS {
        text = text.trim_start_matches(|letter: char| letter == ';' || letter.is_whitespace());
        if text.is_empty() {
            break;
        }
        let Some(end) = text.find(['=', ';']) else {
            break;
        };
        let (name, rest) = text.split_at(end);
        let Some(rest) = rest.strip_prefix('=') else {
            text = rest;
            continue;
        };
        let mut stars = name.trim().split('*');
        let name = stars.next().unwrap_or_default().trim().to_ascii_lowercase();
        let stars: Vec<&str> = stars.collect();
        let (number, is_encoded) = match stars.as_slice() {
            [] => (None, false),
            [""] => (Some(0), true),
            [number, more @ ..] => (number.trim().parse().ok(), !more.is_empty()),
        };
        let (value, rest) = take_value(rest.trim_start(), &name);
        text = rest;
        if !name.is_empty() {
            found.push(Raw {
                name,
                number,
                is_encoded,
                value,
            });
        }
    }
    found
}

/// Takes a value and gives what follows it.
fn take_value<'a>(text: &'a str, name: &str) -> (String, &'a str) {
    if let Some(quoted) = text.strip_prefix('"') {
        let mut value = String::new();
        let mut letters = quoted.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => return (value, quoted.get(at + 1..).unwrap_or_default()),
                '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
                other => value.push(other),
            }
        }
        return (value, "");
    }
    let end = text.find(';').unwrap_or(text.len());
    let (value, rest) = text.split_at(end);
    let value = value.trim();
    // File names with blanks are often left unquoted; elsewhere a blank ends the value.
    let value = if matches!(name, "name" | "filename") {
        value
    } else {
        value.split_whitespace().next().unwrap_or_default()
    };
    (value.to_owned(), rest)
}

/// Joins the pieces of each parameter. A form with a charset or pieces wins over a plain one.
fn join(raw: Vec<Raw>) -> Vec<(String, String)> {
    let mut joined: Vec<(String, String)> = vec![];
    let mut pieces: Vec<(String, Vec<Raw>)> = vec![];
    for parameter in raw {
        if parameter.number.is_some() {
            match pieces.iter_mut().find(|(name, _)| *name == parameter.name) {
                Some((_, pieces)) => pieces.push(parameter),
                None => pieces.push((parameter.name.clone(), vec![parameter])),
            }
        } else if !joined.iter().any(|(name, _)| *name == parameter.name) {
            let value = if parameter.value.contains("=?") {
                decoded_text(parameter.value.as_bytes())
            } else {
                parameter.value
            };
            joined.push((parameter.name, value));
        }
    }
    for (name, mut pieces) in pieces {
        pieces.sort_by_key(|piece| piece.number);
        let mut charset = None;
        let mut bytes = vec![];
        for (at, piece) in pieces.iter().enumerate() {
            let mut value = piece.value.as_str();
            if at == 0 && piece.is_encoded {
                let mut head = value.splitn(3, '\'');
                if let (Some(set), Some(_), Some(rest)) = (head.next(), head.next(), head.next()) {
                    charset = Some(set);
                    value = rest;
                }
            }
            if piece.is_encoded {
                percent_decode(value.as_bytes(), &mut bytes);
            } else {
                bytes.extend_from_slice(value.as_bytes());
            }
        }
        let value = charset_text(&bytes, charset);
        match joined.iter_mut().find(|(found, _)| *found == name) {
            Some((_, plain)) => *plain = value,
            None => joined.push((name, value)),
        }
    }
    joined
}

fn percent_decode(mut text: &[u8], out: &mut Vec<u8>) {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    while let Some((first, rest)) = text.split_first() {
        text = rest;
        if let (b'%', [high, low, rest @ ..]) = (*first, rest)
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
            && let Ok(byte) = u8::try_from(high * 16 + low)
        {
            out.push(byte);
            text = rest;
        } else {
            out.push(*first);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parameter(value: &str, name: &str) -> String {
        let parsed = Parameterized::parse(value.as_bytes());
        parsed.parameter(name).unwrap_or("(none)").to_owned()
    }

    #[test]
    fn kinds_are_plain_lower_case() {
        for value in [
            "Text/HTML",
            " text/html ; a=b",
            "text / html",
            "text/html (x)",
            "text/html a=b",
        ] {
            assert_eq!(
                Parameterized::parse(value.as_bytes()).kind,
                "text/html",
                "{value}"
            );
        }
        assert_eq!(Parameterized::parse(b"").kind, "");
    }

    #[test]
    fn values_are_read_as_people_write_them() {
        for (value, name, expected) in [
            ("x; Charset=\"UTF-8\"", "charset", "UTF-8"),
            ("x; charset=us-ascii (Plain text)", "charset", "us-ascii"),
            (
                "x;; ;\r\n\tboundary=\"a;b=\\\"c\"; d=e",
                "boundary",
                "a;b=\"c",
            ),
            (
                "x; filename=my file (1).txt; a=b",
                "filename",
                "my file (1).txt",
            ),
            ("x; filename=\"open", "filename", "open"),
            (
                "x; filename=\"=?utf-8?B?5L2gLnR4dA==?=\"",
                "filename",
                "你.txt",
            ),
            ("x; filename==?iso-8859-1?Q?=FC?=", "filename", "ü"),
            ("x; nothing; a=b", "a", "b"),
            ("x; a=", "a", ""),
            ("x; b", "b", "(none)"),
            ("x\r\n\tboundary=\"a\"; c=d", "boundary", "a"),
            ("x (y); c=d", "c", "d"),
        ] {
            assert_eq!(parameter(value, name), expected, "{value}");
        }
    }

    #[test]
    fn pieces_and_charsets_are_joined() {
        for (value, expected) in [
            ("x; filename*=utf-8''%e4%bd%a0.txt", "你.txt"),
            ("x; filename=old; filename*=utf-8'en'%e4%bd%a0", "你"),
            ("x; filename*=utf-8''%e4%bd%a0; filename=old", "你"),
            (
                "x; filename*1*=%bd%a0; filename*0*=utf-8''%e4; filename*2=\"%.txt\"",
                "你%.txt",
            ),
            ("x; filename*0=a; filename*1=b", "ab"),
            ("x; filename*=iso-8859-1''%FC%zz", "ü%zz"),
            ("x; filename*=bare%20name", "bare name"),
        ] {
            assert_eq!(parameter(value, "filename"), expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn anything_can_be_parsed(value in "[ -~äあ\\r\\n]{0,80}", bytes in any::<Vec<u8>>()) {
            Parameterized::parse(value.as_bytes());
            Parameterized::parse(&bytes);
        }
    }
}
