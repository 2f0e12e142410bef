//! Header fields: where they are, and what their values mean.

use std::ops::Range;

use mail_parser::Address as ParsedAddress;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::parsers::MessageStream;
use mailkeep_model::Address;

/// More fields than this in one block are kept as part of the last one.
const MAX_FIELDS: usize = 10_000;
/// Longer names are not taken for header names.
const MAX_NAME: usize = 256;

/// One header field, as places in the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// The name; empty for an mbox separator line before the first field.
    pub(crate) name: Range<usize>,
    /// The value as it stands, with folds and without the last line ending.
    pub(crate) value: Range<usize>,
}

/// Reads the header block at the start of `range` and returns its fields and where the body
/// begins. A block that begins with anything but a field or the empty line has no fields: all of it
/// is body.
pub(crate) fn read_fields(bytes: &[u8], range: Range<usize>) -> (Vec<Field>, usize) {
    let mut fields: Vec<Field> = vec![];
    let mut at = range.start;
    while let Some(line) = line_at(bytes, at, range.end) {
        let text = bytes.get(line.text.clone()).unwrap_or_default();
        if text.is_empty() {
            if is_only_separator(&fields) {
                return (vec![], range.start);
            }
            return (fields, line.next);
        }
        let continues = text.starts_with(b" ") || text.starts_with(b"\t");
        let name = name_length(text).filter(|_| !continues);
        let room = fields.len() < MAX_FIELDS;
        match (name, fields.last_mut()) {
            (Some(length), _) if room => {
                let name_end = line.text.start + length;
                let colon = bytes.get(name_end..line.text.end).unwrap_or_default();
                let colon = colon.iter().position(|byte| *byte == b':').unwrap_or(0);
                fields.push(Field {
                    name: line.text.start..name_end,
                    value: (name_end + colon + 1).min(line.text.end)..line.text.end,
                });
            }
            (None, None) if text.starts_with(b"From ") || text.starts_with(b">From ") => {
                fields.push(Field {
                    name: line.text.start..line.text.start,
                    value: line.text.clone(),
                });
            }
            (_, None) => return (vec![], range.start),
            (name, Some(last)) => {
                // A line that is no field: damage inside the header if fields go on after it,
                // else a body without the empty line before it.
                if name.is_none() && !continues && !field_follows(bytes, line.next, range.end) {
                    return (fields, at);
                }
                last.value.end = line.text.end;
            }
        }
        at = line.next;
    }
    if is_only_separator(&fields) {
        return (vec![], range.start);
    }
    (fields, range.end)
}

/// An mbox separator line alone is no header.
fn is_only_separator(fields: &[Field]) -> bool {
    !fields.is_empty() && fields.iter().all(|field| field.name.is_empty())
}

pub(crate) struct LinePlace {
    /// The line without its ending.
    pub(crate) text: Range<usize>,
    /// Where the next line begins.
    pub(crate) next: usize,
}

/// The line that begins at `at`; `None` at the end.
pub(crate) fn line_at(bytes: &[u8], at: usize, end: usize) -> Option<LinePlace> {
    let rest = bytes.get(at..end).filter(|rest| !rest.is_empty())?;
    Some(match memchr::memchr(b'\n', rest) {
        Some(0) => LinePlace {
            text: at..at,
            next: at + 1,
        },
        Some(length) => {
            let carriage_return = usize::from(rest.get(length - 1) == Some(&b'\r'));
            LinePlace {
                text: at..at + length - carriage_return,
                next: at + length + 1,
            }
        }
        None => LinePlace {
            text: at..end,
            next: end,
        },
    })
}

/// The length of the field name that `line` begins with.
fn name_length(line: &[u8]) -> Option<usize> {
    let window = line.get(..MAX_NAME).unwrap_or(line);
    let colon = memchr::memchr(b':', window)?;
    let name = window.get(..colon)?.trim_ascii_end();
    (!name.is_empty() && name.iter().all(u8::is_ascii_graphic)).then_some(name.len())
}

/// Whether the next line that is no continuation is a field.
fn field_follows(bytes: &[u8], mut at: usize, end: usize) -> bool {
    while let Some(line) = line_at(bytes, at, end) {
        let text = bytes.get(line.text).unwrap_or_default();
        if !(text.starts_with(b" ") || text.starts_with(b"\t")) {
            return name_length(text).is_some();
        }
        at = line.next;
    }
    false
}

/// A header value as people read it: unfolded, encoded words decoded.
pub(crate) fn decoded_text(value: &[u8]) -> String {
    let text = ended(&to_utf8(value));
    let parsed = MessageStream::new(text.as_bytes()).parse_unstructured();
    parsed
        .as_text()
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

/// The addresses of a header value; groups are flattened.
pub(crate) fn addresses(value: &[u8]) -> Vec<Address> {
    let text = ended(&to_utf8(value));
    let parsed = MessageStream::new(text.as_bytes()).parse_address();
    let found = match parsed.into_address() {
        None => vec![],
        Some(ParsedAddress::List(list)) => list,
        Some(ParsedAddress::Group(groups)) => groups
            .into_iter()
            .flat_map(|group| group.addresses)
            .collect(),
    };
    found
        .into_iter()
        .map(|address| Address {
            name: address.name.unwrap_or_default().trim().to_owned(),
            address: address.address.unwrap_or_default().trim().to_owned(),
        })
        .filter(|address| !(address.name.is_empty() && address.address.is_empty()))
        .collect()
}

/// Appends the value on one line, with each run of white space as one blank.
pub(crate) fn push_collapsed(value: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    for word in value
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
    {
        if out.len() > start {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

/// Bytes in a charset as text. An unknown charset is read as UTF-8, and what is not UTF-8 as
/// Windows-1252, in which every byte means something.
pub(crate) fn charset_text(bytes: &[u8], charset: Option<&str>) -> String {
    // The decoders of single-byte sets say nothing about bytes above ASCII in "us-ascii".
    let declared = charset.map(str::trim).filter(|charset| {
        !charset.is_empty()
            && !["utf-8", "utf8", "us-ascii"]
                .iter()
                .any(|utf8| charset.eq_ignore_ascii_case(utf8))
    });
    match declared.and_then(|charset| charset_decoder(charset.as_bytes())) {
        Some(decode) => decode(bytes),
        None => to_utf8(bytes),
    }
}

/// UTF-8, or Windows-1252 where it is not.
pub(crate) fn to_utf8(bytes: &[u8]) -> String {
    match (std::str::from_utf8(bytes), charset_decoder(b"windows-1252")) {
        (Ok(text), _) => text.to_owned(),
        (Err(_), Some(decode)) => decode(bytes),
        (Err(_), None) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// The field parsers want the line ending.
fn ended(text: &str) -> String {
    let mut text = text.trim_end().to_owned();
    text.push_str("\r\n");
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(message: &[u8]) -> (Vec<String>, usize) {
        let (fields, body) = read_fields(message, 0..message.len());
        let name = |field: Field| String::from_utf8_lossy(&message[field.name]).into_owned();
        (fields.into_iter().map(name).collect(), body)
    }

    #[test]
    fn fields_end_at_the_empty_line() {
        let message = b"A: 1\r\nB : 2\r\n folded\r\n\r\nC: 3\r\n";
        let (fields, body) = read_fields(message, 0..message.len());
        assert_eq!(body, message.len() - 6);
        assert_eq!(&message[fields[1].name.clone()], b"B");
        assert_eq!(&message[fields[1].value.clone()], b" 2\r\n folded");
    }

    #[test]
    fn damaged_lines_do_not_hide_the_fields_after_them() {
        let (found, body) = names(b"A: 1\ngarbage here\nB: 2\n\nbody");
        assert_eq!(
            (found.as_slice(), body),
            (&["A".into(), "B".into()][..], 24)
        );
    }

    #[test]
    fn a_body_may_begin_without_an_empty_line() {
        let (found, body) = names(b"A: 1\nHello there\nhow are you\n\nBye");
        assert_eq!((found.as_slice(), body), (&["A".into()][..], 5));
    }

    #[test]
    fn text_without_fields_is_body() {
        for message in ["Hello\n\nA: b\n", " A: b\r\n", "From me\n\nx", ""] {
            assert_eq!(names(message.as_bytes()), (vec![], 0), "{message:?}");
        }
        assert_eq!(names(b"From me\nA: b\n\nx").0, ["", "A"]);
    }

    #[test]
    fn words_and_addresses_are_decoded() {
        assert_eq!(
            decoded_text(b" =?iso-8859-1?Q?Gr=FC=DFe?=\r\n =?utf-8?B?IQ==?= x"),
            "Grüße! x"
        );
        assert_eq!(decoded_text(b" Gr\xfc\xdfe"), "Grüße");
        let found = addresses(
            b" =?utf-8?Q?J=C3=B6?= <jo@a.example>, team: x@b.example, \"Y, Z\" <y@b.example>;",
        );
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].name, "Jö");
        assert_eq!(
            found[2],
            Address {
                name: "Y, Z".into(),
                address: "y@b.example".into()
            }
        );
    }

    proptest! {
        #[test]
        fn any_value_can_be_read(
            pieces in proptest::collection::vec(
                prop_oneof![
                    prop::sample::select(vec![
                        "=?", "?=", "?q?", "?B?", "utf-8", "utf-7", "iso-2022-jp", "utf-16", "gb18030",
                        "(", ")", "<", ">", "\"", "\\", ":", ";", ",", "@", "=", "=E4", "////", "\r\n ",
                        "\r\n", " ",
                    ])
                    .prop_map(|text| text.as_bytes().to_vec()),
                    proptest::collection::vec(any::<u8>(), 0..4),
                ],
                0..30,
            ),
        ) {
            let value = pieces.concat();
            decoded_text(&value);
            addresses(&value);
            for charset in ["utf-7", "utf-16", "iso-2022-jp", "gb18030", "shift_jis", "big5", ""] {
                charset_text(&value, Some(charset));
            }
        }
    }

    #[test]
    fn wrong_charsets_lose_nothing() {
        assert_eq!(charset_text(b"Gr\xfc\xdfe", Some("utf-8")), "Grüße");
        assert_eq!(charset_text(b"Gr\xfc\xdfe", Some("no-such-set")), "Grüße");
        assert_eq!(charset_text("Grüße".as_bytes(), None), "Grüße");
        assert_eq!(charset_text(b"\xa4", Some("iso-8859-15")), "€");
    }
}
