//! A digest that is equal for two reads of the same message.
//!
//! Exchange builds MIME anew at each read: boundaries, the order of headers and transfer
//! encodings may differ although nothing changed.

use std::collections::HashMap;
use std::ops::Range;

use crate::decode::{Decoded, Piece, decode_leaf, raw_pieces};
use crate::header::collapsed;
use crate::mime::{Content, Entity};
use crate::parameters::Parameterized;
use crate::placeholder::PlaceholderMime;

/// Digests what a message says, whatever its MIME looks like.
///
/// Covered: all header fields of all levels (fields of one name keep their order, the order of
/// different names does not count, folding does not count), the structure of the multiparts,
/// leaf bodies after decoding, and text between the parts. Line endings inside text bodies and
/// in structure text do not count. Not covered: `MIME-Version`, `Content-Transfer-Encoding`
/// and boundaries.
///
/// Signed content (the first part of `multipart/signed`) is covered byte for byte, because its
/// signature is. Bytes without a recognisable header are digested as one text.
///
/// A part counts by the digest it was placed with, so only digests of messages that were split
/// and identified in the same way may be compared.
#[must_use]
pub fn canonical_digest(message: &PlaceholderMime) -> [u8; 32] {
    let mut digest = Digest {
        message,
        parts: message
            .parts()
            .iter()
            .map(|part| (part.index, part.digest.as_slice()))
            .collect(),
        hasher: blake3::Hasher::new_derive_key("mailkeep content canonical message v1"),
    };
    digest.entity(&Entity::parse(&message.bytes));
    *digest.hasher.finalize().as_bytes()
}

struct Digest<'a> {
    message: &'a PlaceholderMime,
    parts: HashMap<usize, &'a [u8]>,
    hasher: blake3::Hasher,
}

impl Digest<'_> {
    /// Adds a tagged value such that no two sequences of values give the same input.
    fn add(&mut self, tag: u8, bytes: &[u8]) {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.hasher.update(&[tag]).update(&length.to_le_bytes());
        self.hasher.update(bytes);
    }

    fn entity(&mut self, entity: &Entity) {
        self.fields(entity);
        match &entity.content {
            Content::Leaf => {
                let is_text = is_text(&entity.media);
                let Decoded { pieces, rest } = decode_leaf(self.message, entity);
                self.add(b'L', b"");
                self.pieces(&pieces, is_text);
                self.structure_text(b'R', rest);
            }
            Content::Message(nested) => {
                self.add(b'N', b"");
                self.entity(nested);
            }
            Content::Multipart {
                preamble,
                children,
                epilogue,
            } => {
                let count = u64::try_from(children.len()).unwrap_or(u64::MAX);
                self.add(b'M', &count.to_le_bytes());
                self.structure_text(b'(', preamble.clone());
                let signed = entity.media.kind == "multipart/signed";
                for (number, child) in children.iter().enumerate() {
                    if signed && number == 0 {
                        let pieces = raw_pieces(self.message, child.whole.clone());
                        self.pieces(&pieces, false);
                    } else {
                        self.entity(child);
                    }
                }
                self.structure_text(b')', epilogue.clone());
            }
        }
    }

    fn fields(&mut self, entity: &Entity) {
        let bytes = &self.message.bytes;
        let mut fields: Vec<(Vec<u8>, Vec<u8>)> = entity
            .fields
            .iter()
            .filter_map(|field| {
                let name = bytes.get(field.name.clone())?.to_ascii_lowercase();
                let value = bytes.get(field.value.clone())?;
                let value = match name.as_slice() {
                    b"mime-version" | b"content-transfer-encoding" => return None,
                    b"content-type" | b"content-disposition" => parameters(value),
                    _ => collapsed(value),
                };
                Some((name, value))
            })
            .collect();
        // Stable: fields of one name keep their order.
        fields.sort_by(|one, other| one.0.cmp(&other.0));
        for (name, value) in fields {
            self.add(b'H', &name);
            self.add(b'V', &value);
        }
    }

    /// Adds pieces; neighbouring bytes count as one.
    fn pieces(&mut self, pieces: &[Piece], is_text: bool) {
        let mut pending = vec![];
        for piece in pieces {
            let (tag, index) = match piece {
                Piece::Bytes(bytes) => {
                    pending.extend_from_slice(bytes);
                    continue;
                }
                Piece::Part(index) => (b'P', index),
                Piece::EncodedPart { index, .. } => (b'E', index),
            };
            self.body_bytes(&pending, is_text);
            pending.clear();
            let digest = self.parts.get(index).copied().unwrap_or_default();
            self.add(tag, digest);
            if let (Piece::EncodedPart { shape, .. }, false) = (piece, is_text) {
                let ending = [
                    shape.line_ending.as_bytes(),
                    &[u8::from(shape.ends_with_line_ending)],
                ];
                self.add(b'S', &shape.line_length.to_le_bytes());
                self.add(b'S', &ending.concat());
            }
        }
        self.body_bytes(&pending, is_text);
    }

    fn body_bytes(&mut self, bytes: &[u8], is_text: bool) {
        if is_text {
            self.add(b'B', &with_line_feeds(bytes));
        } else {
            self.add(b'B', bytes);
        }
    }

    fn structure_text(&mut self, tag: u8, range: Range<usize>) {
        let pieces = raw_pieces(self.message, range);
        let blank = |piece: &Piece| match piece {
            Piece::Bytes(bytes) => bytes.trim_ascii().is_empty(),
            _ => false,
        };
        if !pieces.iter().all(blank) {
            self.add(tag, b"");
            self.pieces(&pieces, true);
        }
    }
}

fn is_text(media: &Parameterized) -> bool {
    // A multipart that could not be cut is text as well.
    media.kind.starts_with("text/") || media.kind.starts_with("multipart/")
}

fn with_line_feeds(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = memchr::memchr(b'\r', rest) {
        let (before, after) = rest.split_at(at);
        out.extend_from_slice(before);
        if !after.starts_with(b"\r\n") {
            out.push(b'\r');
        }
        rest = after.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

/// Type and parameters in one order, without the boundary.
fn parameters(value: &[u8]) -> Vec<u8> {
    let mut parsed = Parameterized::parse(value);
    parsed.parameters.retain(|(name, _)| name != "boundary");
    parsed.parameters.sort();
    let mut out = parsed.kind.into_bytes();
    for (name, value) in parsed.parameters {
        out.push(0);
        out.extend_from_slice(name.as_bytes());
        out.push(0);
        out.extend_from_slice(value.as_bytes());
    }
    out
}

#[cfg(test)]
#[path = "canonical_tests.rs"]
mod tests;
