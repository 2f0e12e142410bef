//! A message whose big parts are replaced by short tokens, so that it can be parsed in little
//! memory.

use std::ops::Range;

use memchr::memmem;

use crate::base64::encode_into;
use crate::join::PartEncoder;
use crate::split::{PartShape, SplitEvent, Splitter};

/// Length of a token before its encoding. A multiple of 3, so that its base64 has no padding and
/// whatever base64 follows it still decodes.
const TOKEN_BYTES: usize = 48;
/// Length of a token in the text.
const TOKEN_TEXT: usize = 64;
/// Leading bytes of a token that all tokens of a message share; must not occur in its text.
const PREFIX_BYTES: usize = 36;

/// A stretch of a split message.
#[derive(Clone, Copy, Debug)]
pub enum Segment<'a> {
    /// Bytes as they were.
    Text(&'a [u8]),
    /// A part that is kept elsewhere.
    Part {
        /// Number of the part; the caller chooses it and gets it back.
        index: usize,
        /// How the part was laid out.
        shape: &'a PartShape,
        /// Identifies the part's decoded bytes.
        digest: &'a [u8],
    },
}

/// A part's place in a [`PlaceholderMime`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedPart {
    /// Where the part stands in the bytes, with its last line ending if it has one.
    pub range: Range<usize>,
    /// Number of the part, as the caller gave it.
    pub index: usize,
    /// How the part was laid out.
    pub shape: PartShape,
    /// Identifies the part's decoded bytes.
    pub digest: Vec<u8>,
}

/// A message in which each part is one line of base64: a token that does not occur elsewhere in
/// the message. Nobody has to search for tokens, because the places are known.
#[derive(Clone, Debug, Default)]
pub struct PlaceholderMime {
    /// The message with tokens in place of its parts.
    pub bytes: Vec<u8>,
    parts: Vec<PlacedPart>,
}

impl PlaceholderMime {
    /// Puts the segments of a split message together.
    #[must_use]
    pub fn build<'a>(segments: impl IntoIterator<Item = Segment<'a>>) -> Self {
        let mut bytes = Vec::new();
        let mut parts = Vec::new();
        for segment in segments {
            match segment {
                Segment::Text(text) => bytes.extend_from_slice(text),
                Segment::Part {
                    index,
                    shape,
                    digest,
                } => {
                    let start = bytes.len();
                    bytes.resize(start + TOKEN_TEXT, b'A');
                    if shape.ends_with_line_ending {
                        bytes.extend_from_slice(shape.line_ending.as_bytes());
                    }
                    parts.push(PlacedPart {
                        range: start..bytes.len(),
                        index,
                        shape: *shape,
                        digest: digest.to_vec(),
                    });
                }
            }
        }
        let mut message = Self { bytes, parts };
        message.write_tokens();
        message
    }

    /// A message without parts: nothing is replaced.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            parts: vec![],
        }
    }

    /// Splits a whole message that is in memory. Returns the parts' decoded bytes beside it, in
    /// the order of their numbers; each digest is the BLAKE3 of them.
    #[must_use]
    pub fn split(message: &[u8]) -> (Self, Vec<Vec<u8>>) {
        enum Found {
            Text(Vec<u8>),
            Part(usize, PartShape, [u8; 32]),
        }
        let mut found: Vec<Found> = vec![];
        let mut parts: Vec<Vec<u8>> = vec![];
        let mut sink = |event: SplitEvent<'_>| match event {
            SplitEvent::Text(text) => match found.last_mut() {
                Some(Found::Text(before)) => before.extend_from_slice(text),
                _ => found.push(Found::Text(text.to_vec())),
            },
            SplitEvent::PartStart => parts.push(vec![]),
            SplitEvent::PartData(data) => {
                if let Some(part) = parts.last_mut() {
                    part.extend_from_slice(data);
                }
            }
            SplitEvent::PartEnd(shape) => {
                let part = parts.last().map(Vec::as_slice).unwrap_or_default();
                let digest = *blake3::hash(part).as_bytes();
                found.push(Found::Part(parts.len().saturating_sub(1), shape, digest));
            }
        };
        let mut splitter = Splitter::new();
        splitter.push(message, &mut sink);
        splitter.finish(&mut sink);
        let placeholder = Self::build(found.iter().map(|found| match found {
            Found::Text(text) => Segment::Text(text),
            Found::Part(index, shape, digest) => Segment::Part {
                index: *index,
                shape,
                digest,
            },
        }));
        (placeholder, parts)
    }

    /// The parts in the order of the message.
    #[must_use]
    pub fn parts(&self) -> &[PlacedPart] {
        &self.parts
    }

    /// Puts the base64 text of part `index` back in its place. Needed for a part that holds the
    /// body text (see [`crate::body_parts`]). Unknown numbers are ignored.
    pub fn inline(&mut self, index: usize, decoded: &[u8]) {
        while let Some(at) = self.parts.iter().position(|part| part.index == index) {
            let part = self.parts.remove(at);
            let mut text = Vec::new();
            let mut encoder = PartEncoder::new(&part.shape);
            encoder.push(decoded, &mut text);
            encoder.finish(&mut text);
            let (before, after) = (part.range.len(), text.len());
            self.bytes.splice(part.range, text);
            for later in self.parts.iter_mut().skip(at) {
                later.range.start = later.range.start - before + after;
                later.range.end = later.range.end - before + after;
            }
        }
    }

    /// Overwrites the reserved places with tokens.
    fn write_tokens(&mut self) {
        if self.parts.is_empty() {
            return;
        }
        let mut prefix = [0; PREFIX_BYTES];
        let mut prefix_text = Vec::new();
        let mut attempt = 0_u64;
        let text_hash = blake3::hash(&self.bytes);
        loop {
            blake3::Hasher::new_derive_key("mailkeep content placeholder token")
                .update(text_hash.as_bytes())
                .update(&attempt.to_le_bytes())
                .finalize_xof()
                .fill(&mut prefix);
            prefix_text.clear();
            encode_into(&prefix, &mut prefix_text);
            if memmem::find(&self.bytes, &prefix_text).is_none() {
                break;
            }
            attempt += 1;
        }
        for (number, part) in (0_u64..).zip(&self.parts) {
            let mut token = [0; TOKEN_BYTES];
            let (head, tail) = token.split_at_mut(PREFIX_BYTES);
            head.copy_from_slice(&prefix);
            for (to, from) in tail.iter_mut().rev().zip(number.to_le_bytes()) {
                *to = from;
            }
            let mut text = Vec::with_capacity(TOKEN_TEXT);
            encode_into(&token, &mut text);
            let place = part.range.start..part.range.start + TOKEN_TEXT;
            if let Some(place) = self.bytes.get_mut(place) {
                place.copy_from_slice(&text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment(seed: u8) -> (Vec<u8>, String) {
        let bytes: Vec<u8> = (0..2_000_u32)
            .map(|n| u8::try_from(n * 7 % 251).unwrap() ^ seed)
            .collect();
        let text: String = bytes
            .chunks(57)
            .map(|line| base64_simd::STANDARD.encode_to_string(line) + "\r\n")
            .collect();
        (bytes, text)
    }

    #[test]
    fn tokens_stand_where_the_parts_stood() {
        let (one, one_text) = attachment(1);
        let (two, two_text) = attachment(2);
        let message = format!("A: b\r\n\r\n{one_text}\r\n--x\r\n\r\n{two_text}--x--\r\n");
        let (placeholder, parts) = PlaceholderMime::split(message.as_bytes());
        assert_eq!(parts, [one, two]);
        let places = placeholder.parts();
        let tokens: Vec<&[u8]> = places
            .iter()
            .map(|part| &placeholder.bytes[part.range.clone()])
            .collect();
        assert_ne!(tokens[0], tokens[1]);
        for token in &tokens {
            assert_eq!(token.len(), 66);
            assert_eq!(memmem::find_iter(&placeholder.bytes, token).count(), 1);
            let raw = base64_simd::STANDARD.decode_to_vec(&token[..64]).unwrap();
            assert_eq!(raw.len(), TOKEN_BYTES);
        }
        assert!(placeholder.bytes.starts_with(b"A: b\r\n\r\n"));
        assert!(placeholder.bytes.ends_with(b"--x--\r\n"));
    }

    #[test]
    fn inlining_every_part_gives_the_message_again() {
        let (_, one) = attachment(1);
        let (_, two) = attachment(2);
        let message = format!("A: b\r\n\r\n{one}\r\n--x\r\n\r\n{two}--x--\r\n");
        for order in [[0, 1], [1, 0]] {
            let (mut placeholder, parts) = PlaceholderMime::split(message.as_bytes());
            for index in order {
                placeholder.inline(index, &parts[index]);
            }
            assert_eq!(placeholder.bytes, message.as_bytes());
            assert!(placeholder.parts().is_empty());
        }
    }
}
