//! Leaf bodies: undoes the transfer encoding around the parts that are kept elsewhere.

use std::borrow::Cow;
use std::ops::Range;

use crate::base64::is_letter;
use crate::header::line_at;
use crate::mime::{Encoding, Entity};
use crate::placeholder::{PlacedPart, PlaceholderMime};
use crate::split::PartShape;

/// A stretch of a body or of raw MIME.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes.
    Bytes(Vec<u8>),
    /// The decoded bytes of the part of this number.
    Part(usize),
    /// The base64 text of a part, as [`crate::PartEncoder`] writes it for this shape. Occurs in
    /// raw MIME, such as a nested message.
    EncodedPart {
        /// Number of the part.
        index: usize,
        /// Layout to write.
        shape: PartShape,
    },
}

impl Piece {
    /// Length of what the piece stands for; `part_bytes` tells the decoded length of a part.
    #[must_use]
    pub fn len(&self, part_bytes: impl FnOnce(usize) -> u64) -> u64 {
        match self {
            Self::Bytes(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::Part(index) => part_bytes(*index),
            Self::EncodedPart { shape, .. } => shape.encoded_bytes(),
        }
    }
}

/// A [`Piece`] whose bytes stay in the message where they can.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stretch<'a> {
    Bytes(Cow<'a, [u8]>),
    Part(usize),
    EncodedPart { index: usize, shape: PartShape },
}

impl From<Stretch<'_>> for Piece {
    fn from(stretch: Stretch<'_>) -> Self {
        match stretch {
            Stretch::Bytes(bytes) => Self::Bytes(bytes.into_owned()),
            Stretch::Part(index) => Self::Part(index),
            Stretch::EncodedPart { index, shape } => Self::EncodedPart { index, shape },
        }
    }
}

/// Pieces with bytes of their own.
pub(crate) fn owned(stretches: Vec<Stretch<'_>>) -> Vec<Piece> {
    stretches.into_iter().map(Piece::from).collect()
}

/// A leaf body as far as it could be decoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decoded<'a> {
    pub(crate) pieces: Vec<Stretch<'a>>,
    /// The end of the body that is not in the encoding it claims to be in; usually empty.
    pub(crate) rest: Range<usize>,
}

enum Span<'a> {
    Text(Range<usize>),
    Part {
        part: &'a PlacedPart,
        shape: PartShape,
    },
}

/// Text and parts inside `range`, in order.
fn spans(message: &PlaceholderMime, range: Range<usize>) -> Vec<Span<'_>> {
    let mut spans = vec![];
    let mut at = range.start;
    let parts = message.parts();
    let first = parts.partition_point(|part| part.range.start < range.start);
    for part in parts.get(first..).unwrap_or_default() {
        if part.range.start >= range.end {
            break;
        }
        if part.range.start > at {
            spans.push(Span::Text(at..part.range.start));
        }
        let mut shape = part.shape;
        if part.range.end > range.end {
            // The last line ending belongs to the delimiter that follows.
            shape.ends_with_line_ending = false;
        }
        spans.push(Span::Part { part, shape });
        at = part.range.end;
    }
    if at < range.end {
        spans.push(Span::Text(at..range.end));
    }
    spans
}

/// The bytes of `range` as they stood in the message.
pub(crate) fn raw_pieces(message: &PlaceholderMime, range: Range<usize>) -> Vec<Stretch<'_>> {
    spans(message, range)
        .into_iter()
        .map(|span| match span {
            Span::Text(range) => {
                let bytes = message.bytes.get(range).unwrap_or_default();
                Stretch::Bytes(Cow::Borrowed(bytes))
            }
            Span::Part { part, shape } => Stretch::EncodedPart {
                index: part.index,
                shape,
            },
        })
        .collect()
}

/// The decoded body of a leaf.
pub(crate) fn decode_leaf<'a>(message: &'a PlaceholderMime, entity: &Entity) -> Decoded<'a> {
    let end = entity.body.end;
    let clean = |pieces| Decoded {
        pieces,
        rest: end..end,
    };
    match entity.encoding(&message.bytes) {
        Encoding::Identity => clean(raw_pieces(message, entity.body.clone())),
        Encoding::QuotedPrintable => {
            let mut pieces = raw_pieces(message, entity.body.clone());
            for piece in &mut pieces {
                if let Stretch::Bytes(bytes) = piece {
                    *bytes = Cow::Owned(decode_quoted_printable(bytes));
                }
            }
            clean(pieces)
        }
        Encoding::Base64 => decode_base64(message, entity.body.clone()),
    }
}

/// Decodes base64 line by line up to the first line that is none. If a part does not begin at a
/// whole group of characters, nothing can be said about it without its bytes: then the whole
/// body is the rest.
fn decode_base64(message: &PlaceholderMime, body: Range<usize>) -> Decoded<'_> {
    let mut decoder = Base64Decoder::default();
    let mut pieces = vec![];
    for span in spans(message, body.clone()) {
        let range = match span {
            Span::Text(range) => range,
            Span::Part { part, .. } => {
                if decoder.count != 0 {
                    return Decoded {
                        pieces: vec![],
                        rest: body,
                    };
                }
                push_bytes(&mut pieces, std::mem::take(&mut decoder.out));
                pieces.push(Stretch::Part(part.index));
                continue;
            }
        };
        let mut at = range.start;
        while let Some(line) = line_at(&message.bytes, at, range.end) {
            let text = message.bytes.get(line.text).unwrap_or_default();
            let valid = |byte: &u8| is_letter(*byte) || *byte == b'=' || byte.is_ascii_whitespace();
            if !text.iter().all(valid) {
                push_bytes(&mut pieces, decoder.finish());
                return Decoded {
                    pieces,
                    rest: at..body.end,
                };
            }
            text.iter().for_each(|byte| decoder.push(*byte));
            at = line.next;
        }
    }
    push_bytes(&mut pieces, decoder.finish());
    Decoded {
        pieces,
        rest: body.end..body.end,
    }
}

fn push_bytes(pieces: &mut Vec<Stretch<'_>>, bytes: Vec<u8>) {
    if !bytes.is_empty() {
        pieces.push(Stretch::Bytes(Cow::Owned(bytes)));
    }
}

/// Lenient decoder: padding ends a group, not the data, and missing padding is fine.
#[derive(Default)]
struct Base64Decoder {
    group: u32,
    count: u8,
    out: Vec<u8>,
}

impl Base64Decoder {
    fn push(&mut self, byte: u8) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => return self.end_group(),
            _ => return,
        };
        self.group = self.group << 6 | u32::from(value);
        self.count += 1;
        if self.count == 4 {
            self.end_group();
        }
    }

    fn end_group(&mut self) {
        let missing = 4_u32.saturating_sub(u32::from(self.count));
        let [_, one, two, three] = (self.group << (6 * missing)).to_be_bytes();
        let bytes = [one, two, three];
        let length = usize::from(self.count).saturating_sub(1);
        self.out
            .extend_from_slice(bytes.get(..length).unwrap_or_default());
        self.group = 0;
        self.count = 0;
    }

    fn finish(mut self) -> Vec<u8> {
        self.end_group();
        self.out
    }
}

/// Decodes quoted-printable. What is no valid escape stays as it is; white space at the end of a line
/// does not count.
fn decode_quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    // Where the line begins in `out`; what an escape stands for is no white space to be removed.
    let mut kept = 0;
    while let Some(at) = memchr::memchr2(b'=', b'\n', rest) {
        let (before, after) = rest.split_at(at);
        if after.starts_with(b"\n") {
            let (before, ending) = match before.strip_suffix(b"\r") {
                Some(before) => (before, &b"\r\n"[..]),
                None => (before, &b"\n"[..]),
            };
            out.extend_from_slice(before);
            while out.len() > kept && out.last().is_some_and(u8::is_ascii_whitespace) {
                out.pop();
            }
            out.extend_from_slice(ending);
            rest = after.get(1..).unwrap_or_default();
        } else {
            out.extend_from_slice(before);
            rest = match after {
                [b'=', high, low, rest @ ..] if hex(*high) < 16 && hex(*low) < 16 => {
                    out.push(hex(*high) << 4 | hex(*low));
                    rest
                }
                [b'=', rest @ ..] => match soft_break(rest) {
                    Some(rest) => rest,
                    None => {
                        out.push(b'=');
                        rest
                    }
                },
                rest => rest,
            };
        }
        kept = out.len();
    }
    out.extend_from_slice(rest);
    out
}

/// What follows a line that ends here, but for white space; `None` if it does not end here.
fn soft_break(rest: &[u8]) -> Option<&[u8]> {
    let end = rest
        .iter()
        .position(|byte| *byte == b'\n' || !byte.is_ascii_whitespace());
    match end {
        // White space up to the end of the text has no line ending to be joined.
        None => rest.is_empty().then_some(rest),
        Some(end) => rest.get(end..)?.strip_prefix(b"\n"),
    }
}

/// The value of a hexadecimal digit; 16 for anything else.
fn hex(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        b'A'..=b'F' => byte - b'A' + 10,
        _ => 16,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn base64(text: &str) -> (Vec<u8>, String) {
        let message = PlaceholderMime::from_bytes(text.as_bytes().to_vec());
        let decoded = decode_base64(&message, 0..text.len());
        let bytes = owned(decoded.pieces)
            .into_iter()
            .flat_map(|piece| match piece {
                Piece::Bytes(bytes) => bytes,
                other => panic!("{other:?}"),
            });
        (bytes.collect(), text[decoded.rest].to_owned())
    }

    #[test]
    fn base64_is_read_leniently() {
        assert_eq!(
            base64("QUJD\r\nREVG\r\n"),
            (b"ABCDEF".to_vec(), String::new())
        );
        assert_eq!(base64("QUJDRA==").0, b"ABCD");
        assert_eq!(base64("QUJDRA").0, b"ABCD");
        assert_eq!(base64("QUJDRB==").0, b"ABCD", "padding bits do not matter");
        assert_eq!(base64("QQ==\r\nQUI=").0, b"AAB");
        assert_eq!(base64("Q U\tJ D\n").0, b"ABC");
        assert_eq!(base64("").0, b"");
    }

    #[test]
    fn a_footer_after_base64_is_not_lost() {
        let (bytes, rest) = base64("QUJD\r\n____\r\nlist footer\r\n");
        assert_eq!(bytes, b"ABC");
        assert_eq!(rest, "____\r\nlist footer\r\n");
    }

    #[test]
    fn quoted_printable_is_read_leniently() {
        let decode = |text: &str| decode_quoted_printable(text.as_bytes());
        assert_eq!(decode("a=3Db=\r\nc  \r\nd=e=g0=FF"), b"a=bc\r\nd=e=g0\xff");
        assert_eq!(decode("tail= \nx="), b"tailx");
        assert_eq!(decode("=3d=c3=a4"), "=ä".as_bytes());
    }

    /// The same, line by line and slowly.
    fn decode_by_lines(text: &[u8]) -> Vec<u8> {
        let (mut out, mut at) = (vec![], 0);
        while let Some(line) = line_at(text, at, text.len()) {
            let mut ending = &text[line.text.end..line.next];
            let mut content = &text[line.text];
            if !ending.is_empty() {
                content = content.trim_ascii_end();
            }
            if let Some(joined) = content.strip_suffix(b"=") {
                (content, ending) = (joined, b"");
            }
            while let Some((first, rest)) = content.split_first() {
                let digits = rest.get(..2).and_then(|two| std::str::from_utf8(two).ok());
                let is_hex = |two: &&str| two.bytes().all(|byte| byte.is_ascii_hexdigit());
                match digits.filter(is_hex) {
                    Some(two) if *first == b'=' => {
                        out.push(u8::from_str_radix(two, 16).unwrap());
                        content = &rest[2..];
                    }
                    _ => {
                        out.push(*first);
                        content = rest;
                    }
                }
            }
            out.extend_from_slice(ending);
            at = line.next;
        }
        out
    }

    proptest! {
        #[test]
        fn quoted_printable_is_read_like_line_by_line(
            pieces in proptest::collection::vec(
                prop::sample::select(vec![
                    "=", "=\r\n", "=\n", "=4", "1", "=E4", "=e4", "=20", " ", "\t", "\r", "\n", "\r\n", "a", "x\u{c}",
                ]),
                0..24,
            ),
        ) {
            let text = pieces.concat();
            prop_assert_eq!(
                decode_quoted_printable(text.as_bytes()),
                decode_by_lines(text.as_bytes()),
                "{:?}", text
            );
        }
    }

    #[test]
    fn parts_stay_in_their_places() {
        let bytes: Vec<u8> = (0..3_000_u32)
            .map(|n| u8::try_from(n % 251).unwrap())
            .collect();
        let mut text = String::from("QUJD\r\n");
        for line in bytes.chunks(57) {
            text += &(base64_simd::STANDARD.encode_to_string(line) + "\r\n");
        }
        text += "QUI=\r\n";
        let (message, parts) = PlaceholderMime::split(text.as_bytes());
        assert_eq!(parts, [bytes]);
        let all = 0..message.bytes.len();
        let decoded = decode_base64(&message, all.clone());
        let (before, after) = (b"ABC".to_vec(), b"AB".to_vec());
        assert_eq!(
            owned(decoded.pieces),
            [Piece::Bytes(before), Piece::Part(0), Piece::Bytes(after)]
        );
        assert!(matches!(
            &raw_pieces(&message, all)[1],
            Stretch::EncodedPart { index: 0, shape } if shape.ends_with_line_ending
        ));
        let (message, _) = PlaceholderMime::split(format!("QU\r\n{text}").as_bytes());
        let decoded = decode_base64(&message, 0..message.bytes.len());
        assert_eq!(decoded.pieces, []);
        assert_eq!(decoded.rest, 0..message.bytes.len());
    }
}
