//! The small ids of a vault: mailbox, item, content, pack; and ULIDs.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, Encoding, Specification};
use mailkeep_ports::{Clock, Rng};

use crate::error::VaultError;

/// A mailbox's name inside a vault: 26 characters that say nothing about whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MailboxId(String);

impl MailboxId {
    pub(crate) fn from_digest(digest: &[u8; 16]) -> Self {
        Self(BASE32_NOPAD.encode(digest).to_ascii_lowercase())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MailboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for MailboxId {
    type Err = VaultError;

    fn from_str(text: &str) -> Result<Self, VaultError> {
        let lower = text.trim().to_ascii_lowercase();
        match BASE32_NOPAD.decode(lower.to_ascii_uppercase().as_bytes()) {
            Ok(bytes) if bytes.len() == 16 => Ok(Self(lower)),
            _ => Err(VaultError::invalid(format!(
                "`{text}` is not a mailbox id; it has 26 letters and digits 2 to 7"
            ))),
        }
    }
}

/// A keyed hash of content: equal contents of one mailbox have equal ids.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentId(pub [u8; 16]);

impl ContentId {
    /// Length in bytes.
    pub(crate) const LEN: usize = 16;

    /// The id at the start of `bytes`, if there are enough of them.
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Debug for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

/// A keyed hash of an item's id at the source: the reference that people use, 13 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemKey(pub u64);

impl fmt::Display for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = BASE32_NOPAD.encode(&self.0.to_be_bytes());
        f.write_str(&text.to_ascii_lowercase())
    }
}

impl FromStr for ItemKey {
    type Err = VaultError;

    fn from_str(text: &str) -> Result<Self, VaultError> {
        let bytes = BASE32_NOPAD
            .decode(text.trim().to_ascii_uppercase().as_bytes())
            .ok()
            .and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
        match bytes {
            Some(bytes) => Ok(Self(u64::from_be_bytes(bytes))),
            None => Err(VaultError::invalid(format!(
                "`{text}` is not an item reference; it has 13 letters and digits 2 to 7"
            ))),
        }
    }
}

/// A pack's number inside its mailbox's index. A log segment that holds data is a pack too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackNumber(pub u32);

impl PackNumber {
    /// Stands for no pack: what lay there was lost to damage, and a repair has said so.
    pub const LOST: Self = Self(u32::MAX);
}

/// A 128-bit id that sorts by the time it was made; 26 characters of Crockford's base32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ulid(pub u128);

impl Ulid {
    /// A new id: 48 bits of time, 80 random bits.
    #[must_use]
    pub fn new(clock: &dyn Clock, rng: &dyn Rng) -> Self {
        let millis = u128::try_from(clock.now().timestamp_millis()).unwrap_or(0) & ((1 << 48) - 1);
        let mut random = [0; 16];
        rng.fill(&mut random);
        Self((millis << 80) | (u128::from_be_bytes(random) & ((1 << 80) - 1)))
    }
}

impl fmt::Display for Ulid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 26 characters hold 130 bits: two zero bits in front, so that texts sort like numbers.
        let mut text = [b'0'; 26];
        let mut rest = self.0;
        for slot in text.iter_mut().rev() {
            let digit = usize::try_from(rest & 31).unwrap_or(0);
            *slot = CROCKFORD.as_bytes().get(digit).copied().unwrap_or(b'0');
            rest >>= 5;
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl FromStr for Ulid {
    type Err = VaultError;

    fn from_str(text: &str) -> Result<Self, VaultError> {
        let bad = || VaultError::invalid(format!("`{text}` is not a ULID"));
        if text.len() != 26 || !text.starts_with(|c| ('0'..='7').contains(&c)) {
            return Err(bad());
        }
        text.bytes()
            .try_fold(0_u128, |value, byte| {
                let digit = CROCKFORD.bytes().position(|symbol| symbol == byte)?;
                Some((value << 5) | u128::try_from(digit).ok()?)
            })
            .map(Self)
            .ok_or_else(bad)
    }
}

const CROCKFORD: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Crockford's base32: no I, L, O, U; lower case and the look-alikes are read as what they look like.
pub(crate) fn crockford() -> Result<Encoding, VaultError> {
    let mut specification = Specification::new();
    specification.symbols.push_str(CROCKFORD);
    specification
        .translate
        .from
        .push_str("abcdefghjkmnpqrstvwxyzIiLlOo");
    specification
        .translate
        .to
        .push_str("ABCDEFGHJKMNPQRSTVWXYZ111100");
    specification
        .encoding()
        .map_err(|error| VaultError::bug(format!("base32 alphabet: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_being_written_and_read() {
        let key = ItemKey(0x0123_4567_89ab_cdef);
        assert_eq!(key.to_string().len(), 13);
        assert_eq!(
            key.to_string().to_uppercase().parse::<ItemKey>().unwrap(),
            key
        );
        assert!("short".parse::<ItemKey>().is_err());
        let mailbox = MailboxId::from_digest(&[7; 16]);
        assert_eq!(mailbox.as_str().len(), 26);
        assert_eq!(mailbox.to_string().parse::<MailboxId>().unwrap(), mailbox);
        let ulid = Ulid(u128::MAX);
        assert_eq!(ulid.to_string(), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
        assert_eq!(ulid.to_string().parse::<Ulid>().unwrap(), ulid);
        assert!("8ZZZZZZZZZZZZZZZZZZZZZZZZZ".parse::<Ulid>().is_err());
    }
}
