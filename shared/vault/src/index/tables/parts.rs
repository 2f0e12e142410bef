//! Where parts lie, by content id.

use prost::Message;

use crate::format::frame::FrameRef;
use crate::ids::{ContentId, PackNumber};
use crate::index::rows::column::{Malformed, NumberReader};
use crate::index::table::Entry;
use crate::pack_table::PartLocation;

/// A part that is stored, or a tombstone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartEntry {
    /// Its content id.
    pub id: ContentId,
    /// Where it lies; `None` when retention let go of it.
    pub place: Option<PartLocation>,
}

impl Entry for PartEntry {
    type Key = [u8; 16];

    fn parse_key(bytes: &[u8]) -> Option<Self::Key> {
        bytes.try_into().ok()
    }

    fn key(&self) -> Self::Key {
        self.id.0
    }

    fn overlay(self, _older: Self) -> Self {
        self
    }

    fn is_dropped(&self) -> bool {
        self.place.is_none()
    }

    fn weight_bytes(&self) -> usize {
        size_of::<Self>() + size_of::<Self::Key>()
    }
}

/// Part locations in columns.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PartBatch {
    /// 16 bytes each.
    #[prost(bytes = "vec", tag = "1")]
    ids: Vec<u8>,
    #[prost(uint32, repeated, tag = "2")]
    packs: Vec<u32>,
    #[prost(uint32, repeated, tag = "3")]
    frames: Vec<u32>,
    #[prost(uint32, repeated, tag = "4")]
    offsets: Vec<u32>,
    /// No frame has 0 bytes: that is a tombstone, whose other columns are 0, too.
    #[prost(uint32, repeated, tag = "5")]
    stored_bytes: Vec<u32>,
    #[prost(uint32, repeated, tag = "6")]
    plain_bytes: Vec<u32>,
}

impl PartBatch {
    /// Columns of these entries.
    pub(crate) fn of(entries: &[PartEntry]) -> Self {
        let mut batch = Self::default();
        for PartEntry { id, place } in entries {
            let place = place.unwrap_or(PartLocation {
                pack: PackNumber(0),
                frame: FrameRef::default(),
            });
            batch.ids.extend_from_slice(&id.0);
            batch.packs.push(place.pack.0);
            batch.frames.push(place.frame.number);
            batch.offsets.push(place.frame.offset);
            batch.stored_bytes.push(place.frame.stored_bytes);
            batch.plain_bytes.push(place.frame.plain_bytes);
        }
        batch
    }

    /// The entries.
    pub(crate) fn entries(&self) -> Result<Vec<PartEntry>, Malformed> {
        let mut packs = NumberReader::new(&self.packs);
        let mut frames = NumberReader::new(&self.frames);
        let mut offsets = NumberReader::new(&self.offsets);
        let mut stored_bytes = NumberReader::new(&self.stored_bytes);
        let mut plain_bytes = NumberReader::new(&self.plain_bytes);
        self.ids
            .chunks(16)
            .map(|id| {
                let place = PartLocation {
                    pack: PackNumber(packs.next()?),
                    frame: FrameRef {
                        number: frames.next()?,
                        offset: offsets.next()?,
                        stored_bytes: stored_bytes.next()?,
                        plain_bytes: plain_bytes.next()?,
                    },
                };
                Ok(PartEntry {
                    id: ContentId::from_slice(id).ok_or(Malformed("a content id is cut off"))?,
                    place: (place.frame.stored_bytes != 0).then_some(place),
                })
            })
            .collect()
    }
}

/// Encodes entries in their order.
pub(crate) fn encode(entries: &[PartEntry]) -> Vec<u8> {
    PartBatch::of(entries).encode_to_vec()
}

/// Decodes entries.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<PartEntry>, Malformed> {
    PartBatch::decode(bytes)
        .map_err(|_| Malformed("part locations are not readable"))?
        .entries()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back() {
        let entries: Vec<_> = (0..5_u8)
            .map(|n| PartEntry {
                id: ContentId([n; 16]),
                place: (n != 3).then_some(PartLocation {
                    pack: PackNumber(n.into()),
                    frame: FrameRef {
                        number: 1,
                        offset: u32::MAX,
                        stored_bytes: 3,
                        plain_bytes: n.into(),
                    },
                }),
            })
            .collect();
        assert_eq!(decode(&encode(&entries)).unwrap(), entries);
        let mut cut = PartBatch::of(&entries);
        cut.ids.pop();
        assert!(cut.entries().is_err());
    }
}
