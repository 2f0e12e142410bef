//! From an item to its versions.

use prost::Message;

use crate::ids::ItemKey;
use crate::index::rows::column::{Malformed, NumberReader};
use crate::index::rows::{Life, RowEntry, SortKey};
use crate::index::table::Entry;

/// Marks of an entry.
const HAS_HASH: u32 = 1;
const IS_DROPPED: u32 = 1 << 1;

/// Where a version of an item is in the row table. Sorted by item, then version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LookupEntry {
    /// The version's place; its `key` and `from` sort this entry.
    pub place: SortKey,
    /// Its end.
    pub life: Life,
    /// Fingerprint of the metadata; absent in an entry that only brings the end of a version.
    pub hash: Option<u64>,
    /// Retention let go of the version.
    pub is_dropped: bool,
}

impl LookupEntry {
    /// The entry that belongs to a row entry; `None` for one that only says where the content is.
    pub(crate) fn of(
        entry: &RowEntry,
        hash: impl FnOnce(&crate::index::rows::Row) -> u64,
    ) -> Option<Self> {
        Some(match entry {
            RowEntry::Full(row) => Self {
                place: row.sort_key(),
                life: row.life,
                hash: Some(hash(row)),
                is_dropped: false,
            },
            RowEntry::Patch(_, patch) if patch.life == Life::default() && !patch.is_dropped => {
                return None;
            }
            RowEntry::Patch(place, patch) => Self {
                place: *place,
                life: patch.life,
                hash: None,
                is_dropped: patch.is_dropped,
            },
        })
    }

    /// The table's key of a version.
    pub(crate) fn key_of(key: ItemKey, from: u64) -> [u8; 16] {
        let mut bytes = [0; 16];
        let fields = key.0.to_be_bytes().into_iter().chain(from.to_be_bytes());
        for (slot, byte) in bytes.iter_mut().zip(fields) {
            *slot = byte;
        }
        bytes
    }
}

impl Entry for LookupEntry {
    type Key = [u8; 16];

    fn parse_key(bytes: &[u8]) -> Option<Self::Key> {
        bytes.try_into().ok()
    }

    fn key(&self) -> Self::Key {
        Self::key_of(self.place.key, self.place.from)
    }

    fn overlay(self, older: Self) -> Self {
        Self {
            place: self.place,
            life: older.life.overlay(self.life),
            hash: self.hash.or(older.hash),
            is_dropped: self.is_dropped || older.is_dropped,
        }
    }

    fn is_whole(&self) -> bool {
        self.hash.is_some() || self.is_dropped
    }

    fn is_dropped(&self) -> bool {
        self.is_dropped
    }

    fn weight_bytes(&self) -> usize {
        size_of::<Self>() + size_of::<Self::Key>()
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct LookupBatch {
    /// Differences to the entry before.
    #[prost(uint64, repeated, tag = "1")]
    keys: Vec<u64>,
    #[prost(uint64, repeated, tag = "2")]
    froms: Vec<u64>,
    #[prost(uint32, repeated, tag = "3")]
    folders: Vec<u32>,
    #[prost(sint64, repeated, tag = "4")]
    times: Vec<i64>,
    /// `end - from + 1`, or 0.
    #[prost(uint64, repeated, tag = "5")]
    ends: Vec<u64>,
    /// `next - from + 1`, or 0.
    #[prost(uint64, repeated, tag = "6")]
    nexts: Vec<u64>,
    /// 1 for an entry with a hash, 2 for a tombstone.
    #[prost(uint32, repeated, tag = "7")]
    marks: Vec<u32>,
    #[prost(fixed64, repeated, tag = "8")]
    hashes: Vec<u64>,
}

/// Encodes entries in their order.
pub(crate) fn encode(entries: &[LookupEntry]) -> Vec<u8> {
    let mut batch = LookupBatch::default();
    let mut before = 0;
    for LookupEntry {
        place,
        life,
        hash,
        is_dropped,
    } in entries
    {
        let age = |at: Option<u64>| at.map_or(0, |at| at.wrapping_sub(place.from).wrapping_add(1));
        batch.keys.push(place.key.0.wrapping_sub(before));
        before = place.key.0;
        batch.froms.push(place.from);
        batch.folders.push(place.folder);
        batch.times.push(place.time);
        batch.ends.push(age(life.end));
        batch.nexts.push(age(life.next));
        let mark = if hash.is_some() { HAS_HASH } else { 0 };
        batch
            .marks
            .push(if *is_dropped { mark | IS_DROPPED } else { mark });
        batch.hashes.extend(hash);
    }
    batch.encode_to_vec()
}

/// Decodes entries.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<LookupEntry>, Malformed> {
    let batch = LookupBatch::decode(bytes).map_err(|_| Malformed("lookups are not readable"))?;
    let mut froms = NumberReader::new(&batch.froms);
    let mut folders = NumberReader::new(&batch.folders);
    let mut times = NumberReader::new(&batch.times);
    let mut ends = NumberReader::new(&batch.ends);
    let mut nexts = NumberReader::new(&batch.nexts);
    let mut marks = NumberReader::new(&batch.marks);
    let mut hashes = NumberReader::new(&batch.hashes);
    let mut before = 0_u64;
    batch
        .keys
        .iter()
        .map(|difference| {
            before = before.wrapping_add(*difference);
            let from = froms.next()?;
            let at = |age: u64| (age != 0).then(|| age.wrapping_sub(1).wrapping_add(from));
            let mark = marks.next()?;
            Ok(LookupEntry {
                is_dropped: mark & IS_DROPPED != 0,
                place: SortKey {
                    folder: folders.next()?,
                    time: times.next()?,
                    key: ItemKey(before),
                    from,
                },
                life: Life {
                    end: at(ends.next()?),
                    next: at(nexts.next()?),
                },
                hash: (mark & HAS_HASH != 0).then(|| hashes.next()).transpose()?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry() -> impl Strategy<Value = LookupEntry> {
        (
            any::<(u32, i64, u64)>(),
            0..u64::MAX / 4,
            proptest::option::of(0..u64::MAX / 4),
            proptest::option::of(0..u64::MAX / 4),
            any::<(Option<u64>, bool)>(),
        )
            .prop_map(
                |((folder, time, key), from, end, next, (hash, is_dropped))| LookupEntry {
                    place: SortKey {
                        folder,
                        time,
                        key: ItemKey(key),
                        from,
                    },
                    life: Life {
                        end: end.map(|age| from + age),
                        next: next.map(|age| from + age),
                    },
                    hash,
                    is_dropped,
                },
            )
    }

    proptest! {
        #[test]
        fn entries_come_back(entries in proptest::collection::vec(entry(), 0..20)) {
            prop_assert_eq!(decode(&encode(&entries)).unwrap(), entries);
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }
    }
}
