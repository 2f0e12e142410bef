//! The few base64 operations that the crate needs, on top of the SIMD coder.

use base64_simd::{Out, STANDARD};

/// Value-independent class of each byte: true for the 64 letters, digits and signs of base64.
const ALPHABET: [bool; 256] = alphabet();

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which would reject an index out of bounds"
)]
const fn alphabet() -> [bool; 256] {
    let mut table = [false; 256];
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut at = 0;
    while at < letters.len() {
        table[letters[at] as usize] = true;
        at += 1;
    }
    table
}

/// Whether `byte` is one of the 64 characters (`=` is not).
pub(crate) fn is_letter(byte: u8) -> bool {
    ALPHABET.get(usize::from(byte)).copied().unwrap_or(false)
}

/// Whether `text` consists of base64 characters only, without padding.
pub(crate) fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| is_letter(*byte))
}

/// Decodes `text` into `decoded` (replacing it) if, and only if, encoding the result again gives
/// exactly `text`. `again` is scratch space.
pub(crate) fn decode_exact(text: &[u8], decoded: &mut Vec<u8>, again: &mut Vec<u8>) -> bool {
    if !text.len().is_multiple_of(4) {
        return false;
    }
    decoded.resize(STANDARD.estimated_decoded_length(text.len()), 0);
    let Ok(bytes) = STANDARD.decode(text, Out::from_slice(decoded)) else {
        return false;
    };
    let length = bytes.len();
    decoded.truncate(length);
    again.resize(STANDARD.encoded_length(length), 0);
    STANDARD.encode(decoded, Out::from_slice(again)) == text
}

/// Appends the base64 of `bytes` to `out`.
pub(crate) fn encode_into(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + STANDARD.encoded_length(bytes.len()), 0);
    if let Some(target) = out.get_mut(start..) {
        let _ = STANDARD.encode(bytes, Out::from_slice(target));
    }
}
