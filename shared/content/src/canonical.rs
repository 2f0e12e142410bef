//! A digest that is equal for two reads of the same message.
//!
//! Exchange builds MIME anew at each read: boundaries, the order of headers and transfer
//! encodings may differ although nothing changed.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use crate::decode::{Decoded, Stretch, decode_leaf, raw_pieces};
use crate::header::push_collapsed;
use crate::mime::{Content, Entity};
use crate::parameters::Parameterized;
use crate::placeholder::PlaceholderMime;

/// The hasher gets so much at once: it works on many blocks side by side.
const HASH_BYTES: usize = 64 << 10;

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
        pending: Vec::with_capacity(HASH_BYTES.min(message.bytes.len()) + 1024),
        hasher: blake3::Hasher::new_derive_key("mailkeep content canonical message v1"),
    };
    digest.entity(&Entity::parse(&message.bytes));
    digest.hasher.update(&digest.pending);
    *digest.hasher.finalize().as_bytes()
}

struct Digest<'a> {
    message: &'a PlaceholderMime,
    parts: HashMap<usize, &'a [u8]>,
    /// What the hasher did not get yet.
    pending: Vec<u8>,
    hasher: blake3::Hasher,
}

impl Digest<'_> {
    /// Adds a tagged value such that no two sequences of values give the same input.
    fn add(&mut self, tag: u8, bytes: &[u8]) {
        self.add_with(tag, |out| out.extend_from_slice(bytes));
    }

    /// The same for a value that `write` appends.
    fn add_with(&mut self, tag: u8, write: impl FnOnce(&mut Vec<u8>)) {
        self.pending.push(tag);
        let at = self.pending.len();
        self.pending.extend_from_slice(&[0; 8]);
        write(&mut self.pending);
        let length = self.pending.len() - at - 8;
        let length = u64::try_from(length).unwrap_or(u64::MAX).to_le_bytes();
        if let Some(place) = self.pending.get_mut(at..at + 8) {
            place.copy_from_slice(&length);
        }
        if self.pending.len() >= HASH_BYTES {
            self.hasher.update(&self.pending);
            self.pending.clear();
        }
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
        let bytes = self.message.bytes.as_slice();
        let mut fields: Vec<(&[u8], &[u8])> = entity
            .fields
            .iter()
            .filter_map(|field| {
                let name = bytes.get(field.name.clone())?;
                let value = bytes.get(field.value.clone())?;
                let is_encoding = name.eq_ignore_ascii_case(b"mime-version")
                    || name.eq_ignore_ascii_case(b"content-transfer-encoding");
                (!is_encoding).then_some((name, value))
            })
            .collect();
        // Stable: fields of one name keep their order.
        fields.sort_by(|one, other| lower(one.0).cmp(lower(other.0)));
        for (name, value) in fields {
            self.add_with(b'H', |out| out.extend(lower(name)));
            let has_parameters = name.eq_ignore_ascii_case(b"content-type")
                || name.eq_ignore_ascii_case(b"content-disposition");
            self.add_with(b'V', |out| {
                if has_parameters {
                    push_parameters(value, out);
                } else {
                    push_collapsed(value, out);
                }
            });
        }
    }

    /// Adds pieces; neighbouring bytes count as one.
    fn pieces(&mut self, pieces: &[Stretch<'_>], is_text: bool) {
        let mut bytes = Cow::Borrowed(&b""[..]);
        for piece in pieces {
            let (tag, index) = match piece {
                Stretch::Bytes(more) if bytes.is_empty() => {
                    bytes = Cow::Borrowed(more);
                    continue;
                }
                Stretch::Bytes(more) => {
                    bytes.to_mut().extend_from_slice(more);
                    continue;
                }
                Stretch::Part(index) => (b'P', index),
                Stretch::EncodedPart { index, .. } => (b'E', index),
            };
            self.body_bytes(&std::mem::take(&mut bytes), is_text);
            let digest = self.parts.get(index).copied().unwrap_or_default();
            self.add(tag, digest);
            if let (Stretch::EncodedPart { shape, .. }, false) = (piece, is_text) {
                let ending = [
                    shape.line_ending.as_bytes(),
                    &[u8::from(shape.ends_with_line_ending)],
                ];
                self.add(b'S', &shape.line_length.to_le_bytes());
                self.add(b'S', &ending.concat());
            }
        }
        self.body_bytes(&bytes, is_text);
    }

    fn body_bytes(&mut self, bytes: &[u8], is_text: bool) {
        self.add_with(b'B', |out| {
            if is_text {
                push_with_line_feeds(bytes, out);
            } else {
                out.extend_from_slice(bytes);
            }
        });
    }

    fn structure_text(&mut self, tag: u8, range: Range<usize>) {
        let pieces = raw_pieces(self.message, range);
        let blank = |piece: &Stretch<'_>| match piece {
            Stretch::Bytes(bytes) => bytes.trim_ascii().is_empty(),
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

fn push_with_line_feeds(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len());
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
}

fn lower(name: &[u8]) -> impl Iterator<Item = u8> {
    name.iter().map(u8::to_ascii_lowercase)
}

/// Type and parameters in one order, without the boundary.
fn push_parameters(value: &[u8], out: &mut Vec<u8>) {
    let mut parsed = Parameterized::parse(value);
    parsed.parameters.retain(|(name, _)| name != "boundary");
    parsed.parameters.sort();
    out.extend_from_slice(parsed.kind.as_bytes());
    for (name, value) in parsed.parameters {
        out.push(0);
        out.extend_from_slice(name.as_bytes());
        out.push(0);
        out.extend_from_slice(value.as_bytes());
    }
}

#[cfg(test)]
#[path = "canonical_tests.rs"]
mod tests;
