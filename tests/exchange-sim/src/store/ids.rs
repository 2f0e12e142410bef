//! Item and folder ids. They are computed, not stored, and come in pairs that differ in one letter's
//! case only, as ids of real mailboxes do.

use crate::numbers::{low32, mix};

/// Which kind of item id a caller sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdKind {
    /// Stays when the item moves.
    Immutable,
    /// Changes when the item moves.
    Ordinary,
}

const IMMUTABLE_HEAD: &str = "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A";
const ORDINARY_HEAD: &str = "AAMkAGI2";
const FOLDER_HEAD: &str = "AQMkADAwATM0";

fn letter(number: u32) -> char {
    if number.is_multiple_of(2) { 'q' } else { 'Q' }
}

fn coded(bytes: &[u8]) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// The id that an item keeps: 72 characters.
pub(crate) fn immutable(mailbox: u64, number: u32) -> String {
    let pair = number / 2;
    let mut bytes = Vec::with_capacity(24);
    bytes.extend_from_slice(&mailbox.to_be_bytes());
    bytes.extend_from_slice(&pair.to_be_bytes());
    bytes.extend_from_slice(&mix(&[mailbox, u64::from(pair), 1]).to_be_bytes());
    bytes.extend_from_slice(&[0, 0]);
    format!("{IMMUTABLE_HEAD}{}{}AAAA=", coded(&bytes), letter(number))
}

/// The id that an item has in one folder: more than 140 characters.
pub(crate) fn ordinary(mailbox: u64, number: u32, joined: u64) -> String {
    let pair = number / 2;
    let mut bytes = Vec::with_capacity(100);
    for salt in 2..9 {
        bytes.extend_from_slice(&mix(&[mailbox, salt]).to_be_bytes());
    }
    bytes.extend_from_slice(&pair.to_be_bytes());
    bytes.extend_from_slice(&joined.to_be_bytes());
    bytes.extend_from_slice(&mix(&[mailbox, u64::from(pair), joined, 3]).to_be_bytes());
    bytes.extend_from_slice(&[0; 21]);
    format!("{ORDINARY_HEAD}{}{}AAAA=", coded(&bytes), letter(number))
}

/// The id of a folder.
pub(crate) fn folder(mailbox: u64, number: u32) -> String {
    let pair = number / 2;
    let mut bytes = Vec::with_capacity(80);
    for salt in 12..19 {
        bytes.extend_from_slice(&mix(&[mailbox, salt]).to_be_bytes());
    }
    bytes.extend_from_slice(&mix(&[mailbox, u64::from(pair), 4]).to_be_bytes());
    bytes.extend_from_slice(&[0; 5]);
    format!("{FOLDER_HEAD}{}{}AAAA", coded(&bytes), letter(number))
}

/// The item number in an id, and where an ordinary id says the item lies.
pub(crate) fn parse(mailbox: u64, id: &str) -> Option<(u32, Option<u64>)> {
    if let Some(rest) = id.strip_prefix(IMMUTABLE_HEAD) {
        let bytes = decoded(rest.get(..30)?)?;
        let number = number_of(&bytes, 8, rest.get(30..31)?)?;
        return (immutable(mailbox, number) == id).then_some((number, None));
    }
    let rest = id.strip_prefix(ORDINARY_HEAD)?;
    let tail = rest.len().checked_sub(6)?;
    let bytes = decoded(rest.get(..tail)?)?;
    let number = number_of(&bytes, 56, rest.get(tail..=tail)?)?;
    let joined = u64::from_be_bytes(bytes.get(60..68)?.try_into().ok()?);
    (ordinary(mailbox, number, joined) == id).then_some((number, Some(joined)))
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    base64_simd::URL_SAFE_NO_PAD
        .decode_to_vec(text.as_bytes())
        .ok()
}

fn number_of(bytes: &[u8], at: usize, case: &str) -> Option<u32> {
    let pair = u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
    pair.checked_mul(2)?
        .checked_add(u32::from(case == letter(1).to_string()))
}

/// The change key of one state of an item.
pub(crate) fn change_key(mailbox: u64, number: u32, change: u64) -> String {
    let mut bytes = vec![9, 0, 0, 0, 0x16, 0, 0, 0];
    bytes.extend_from_slice(&mix(&[mailbox, 5]).to_be_bytes());
    bytes.extend_from_slice(&low32(mix(&[u64::from(number), change])).to_be_bytes());
    bytes.extend_from_slice(&low32(change).to_be_bytes());
    base64_simd::STANDARD.encode_to_string(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_back_to_their_item_only_in_their_mailbox() {
        for number in [0, 1, 2, 3, 999_999] {
            let id = immutable(7, number);
            assert_eq!(id.len(), 72);
            assert_eq!(parse(7, &id), Some((number, None)));
            assert_eq!(parse(8, &id), None);
            let long = ordinary(7, number, 44);
            assert!(long.len() >= 140);
            assert_eq!(parse(7, &long), Some((number, Some(44))));
            assert_eq!(parse(7, &long.replace("AAMkA", "AAMka")), None);
        }
        assert_eq!(parse(7, "nonsense"), None);
        assert_eq!(parse(7, "AAMkAGI2é"), None);
    }

    #[test]
    fn some_ids_differ_in_case_only() {
        assert_ne!(immutable(7, 4), immutable(7, 5));
        assert_eq!(
            immutable(7, 4).to_lowercase(),
            immutable(7, 5).to_lowercase()
        );
        assert_eq!(folder(7, 4).to_lowercase(), folder(7, 5).to_lowercase());
    }
}
