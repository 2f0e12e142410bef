//! Which parts a stored content refers to: what garbage collection must know without reading contents.

use prost::Message;

use crate::ids::{ContentId, PackNumber};
use crate::index::rows::column::{Malformed, NumberReader};
use crate::index::table::Entry;

/// A stored content by the place of its item frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ContentPlace {
    /// The pack.
    pub pack: PackNumber,
    /// Number of the item frame.
    pub frame: u32,
}

/// The parts of a stored content, or a tombstone. A content without an entry has unknown parts; one
/// without parts has an empty entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefEntry {
    /// The content.
    pub content: ContentPlace,
    /// The parts, each once; `None` when retention let go of the content, or moved it.
    pub parts: Option<Vec<ContentId>>,
}

impl Entry for RefEntry {
    type Key = [u8; 8];

    fn parse_key(bytes: &[u8]) -> Option<Self::Key> {
        bytes.try_into().ok()
    }

    fn key(&self) -> Self::Key {
        let pack = u64::from(self.content.pack.0) << 32;
        (pack | u64::from(self.content.frame)).to_be_bytes()
    }

    fn overlay(self, _older: Self) -> Self {
        self
    }

    fn is_dropped(&self) -> bool {
        self.parts.is_none()
    }

    fn weight_bytes(&self) -> usize {
        let parts = self.parts.as_ref().map_or(0, Vec::len);
        size_of::<Self>() + size_of::<Self::Key>() + parts * size_of::<ContentId>()
    }
}

/// Entries in columns.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RefBatch {
    /// Differences to the pack before.
    #[prost(sint64, repeated, tag = "1")]
    packs: Vec<i64>,
    /// Differences to the frame number before.
    #[prost(sint64, repeated, tag = "2")]
    frames: Vec<i64>,
    /// 0 for a tombstone, else one more than there are parts.
    #[prost(uint32, repeated, tag = "3")]
    counts: Vec<u32>,
    /// 16 bytes each.
    #[prost(bytes = "vec", tag = "4")]
    ids: Vec<u8>,
}

impl RefBatch {
    /// Columns of these entries.
    pub(crate) fn of(entries: &[RefEntry]) -> Self {
        let mut batch = Self::default();
        let (mut pack, mut frame) = (0_i64, 0_i64);
        for RefEntry { content, parts } in entries {
            batch.packs.push(i64::from(content.pack.0) - pack);
            batch.frames.push(i64::from(content.frame) - frame);
            (pack, frame) = (content.pack.0.into(), content.frame.into());
            let count = parts.as_ref().map_or(0, |parts| parts.len() + 1);
            batch.counts.push(u32::try_from(count).unwrap_or(u32::MAX));
            for id in parts.iter().flatten() {
                batch.ids.extend_from_slice(&id.0);
            }
        }
        batch
    }

    /// The entries.
    pub(crate) fn entries(&self) -> Result<Vec<RefEntry>, Malformed> {
        let mut frames = NumberReader::new(&self.frames);
        let mut counts = NumberReader::new(&self.counts);
        let mut ids = self.ids.chunks(16);
        let (mut pack, mut frame) = (0_i64, 0_i64);
        let narrow = |value: i64| {
            u32::try_from(value).map_err(|_| Malformed("a content's place is out of range"))
        };
        self.packs
            .iter()
            .map(|difference| {
                pack = pack.wrapping_add(*difference);
                frame = frame.wrapping_add(frames.next()?);
                let content = ContentPlace {
                    pack: PackNumber(narrow(pack)?),
                    frame: narrow(frame)?,
                };
                let parts = match counts.next()? {
                    0 => None,
                    count => Some(
                        (1..count)
                            .map(|_| ids.next().and_then(ContentId::from_slice))
                            .collect::<Option<Vec<_>>>()
                            .ok_or(Malformed("a content id is cut off"))?,
                    ),
                };
                Ok(RefEntry { content, parts })
            })
            .collect()
    }
}

/// Encodes entries in their order.
pub(crate) fn encode(entries: &[RefEntry]) -> Vec<u8> {
    RefBatch::of(entries).encode_to_vec()
}

/// Decodes entries.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<RefEntry>, Malformed> {
    RefBatch::decode(bytes)
        .map_err(|_| Malformed("references are not readable"))?
        .entries()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry() -> impl Strategy<Value = RefEntry> {
        let parts = proptest::collection::vec(any::<[u8; 16]>().prop_map(ContentId), 0..4);
        (any::<(u32, u32)>(), proptest::option::of(parts)).prop_map(|((pack, frame), parts)| {
            RefEntry {
                content: ContentPlace {
                    pack: PackNumber(pack),
                    frame,
                },
                parts,
            }
        })
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
