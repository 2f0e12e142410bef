//! The order of rows: folder, newest first, item, version.

use crate::ids::ItemKey;

/// Bytes of [`SortKey::to_bytes`].
pub(crate) const ROW_KEY_BYTES: usize = 28;

/// A version's place in the index. Never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SortKey {
    /// Number of the folder.
    pub folder: u32,
    /// The item's sort time in microseconds since 1970.
    pub time: i64,
    /// The item.
    pub key: ItemKey,
    /// The commit that brought the version.
    pub from: u64,
}

impl SortKey {
    /// The key as bytes whose order is the order of rows.
    pub(crate) fn to_bytes(self) -> [u8; ROW_KEY_BYTES] {
        // The sign bit is flipped so that negative times come first, then all bits, so that the
        // newest comes first.
        let time = !(self.time.cast_unsigned() ^ (1 << 63));
        let mut bytes = [0; ROW_KEY_BYTES];
        let fields = self
            .folder
            .to_be_bytes()
            .into_iter()
            .chain(time.to_be_bytes())
            .chain(self.key.0.to_be_bytes())
            .chain(self.from.to_be_bytes());
        for (slot, byte) in bytes.iter_mut().zip(fields) {
            *slot = byte;
        }
        bytes
    }

    /// Reads the key back.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (folder, rest) = bytes.split_first_chunk()?;
        let (time, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_first_chunk()?;
        let (from, rest) = rest.split_first_chunk()?;
        rest.is_empty().then(|| Self {
            folder: u32::from_be_bytes(*folder),
            time: ((!u64::from_be_bytes(*time)) ^ (1 << 63)).cast_signed(),
            key: ItemKey(u64::from_be_bytes(*key)),
            from: u64::from_be_bytes(*from),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_keep_value_and_order(
            a in any::<(u32, i64, u64, u64)>(),
            b in any::<(u32, i64, u64, u64)>(),
        ) {
            let key = |(folder, time, key, from)| SortKey { folder, time, key: ItemKey(key), from };
            let order = |(folder, time, key, from): (u32, i64, u64, u64)| {
                (folder, std::cmp::Reverse(time), key, from)
            };
            prop_assert_eq!(SortKey::from_bytes(&key(a).to_bytes()), Some(key(a)));
            prop_assert_eq!(key(a).to_bytes().cmp(&key(b).to_bytes()), order(a).cmp(&order(b)));
        }
    }
}
