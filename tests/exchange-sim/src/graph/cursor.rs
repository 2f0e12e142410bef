//! Opaque tokens for links: everything that a later page needs, sealed so that nobody relies on it.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::store::changes::Place;
use crate::store::ids::IdKind;

/// What a message delta token carries.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DeltaToken {
    pub(crate) account: u32,
    /// `None` for the token of the folder tree.
    pub(crate) folder: Option<u32>,
    pub(crate) since: u64,
    pub(crate) until: u64,
    pub(crate) position: u64,
    /// It belongs to a deltaLink.
    pub(crate) is_end: bool,
    pub(crate) select: Option<Vec<String>>,
    pub(crate) properties: Vec<String>,
    /// Only this kind of change.
    pub(crate) change_type: Option<String>,
    pub(crate) is_immutable: bool,
    /// The mailbox's and the folder's token epochs.
    pub(crate) epochs: (u32, u32),
    /// Counts pages.
    pub(crate) page: u32,
}

impl DeltaToken {
    /// The place in the feed.
    pub(crate) fn place(&self) -> Place {
        Place {
            since: self.since,
            until: self.until,
            position: self.position,
        }
    }

    /// The kind of ids that the token was made for.
    pub(crate) fn ids(&self) -> IdKind {
        if self.is_immutable {
            IdKind::Immutable
        } else {
            IdKind::Ordinary
        }
    }
}

/// Makes a token.
pub(crate) fn seal<T: Serialize>(key: &[u8; 32], value: &T) -> String {
    let mut bytes = serde_json::to_vec(value).unwrap_or_default();
    let tag = blake3::keyed_hash(key, &bytes);
    let tag = tag.as_bytes().get(..16).unwrap_or_default().to_vec();
    apply_stream(key, &tag, &mut bytes);
    let mut all = tag;
    all.extend_from_slice(&bytes);
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(all)
}

/// Opens a token that this tenant made.
pub(crate) fn open<T: DeserializeOwned>(key: &[u8; 32], text: &str) -> Option<T> {
    let all = base64_simd::URL_SAFE_NO_PAD
        .decode_to_vec(text.as_bytes())
        .ok()?;
    let (tag, body) = all.split_at_checked(16)?;
    let mut bytes = body.to_vec();
    apply_stream(key, tag, &mut bytes);
    if blake3::keyed_hash(key, &bytes).as_bytes().get(..16)? != tag {
        return None;
    }
    serde_json::from_slice(&bytes).ok()
}

fn apply_stream(key: &[u8; 32], tag: &[u8], bytes: &mut [u8]) {
    let mut stream = vec![0; bytes.len()];
    blake3::Hasher::new_keyed(key)
        .update(tag)
        .finalize_xof()
        .fill(&mut stream);
    for (byte, mask) in bytes.iter_mut().zip(stream) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_only_untouched_and_with_its_key() {
        let token = seal(&[1; 32], &vec![1_u32, 2, 3]);
        assert_eq!(open::<Vec<u32>>(&[1; 32], &token), Some(vec![1, 2, 3]));
        assert_eq!(open::<Vec<u32>>(&[2; 32], &token), None);
        let mut other = token.clone().into_bytes();
        other[20] = if other[20] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(other).unwrap();
        assert_eq!(open::<Vec<u32>>(&[1; 32], &other), None);
        assert_eq!(open::<Vec<u32>>(&[1; 32], "%"), None);
    }
}
