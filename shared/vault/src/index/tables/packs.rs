//! The pack table, by pack number.

use prost::Message;

use crate::format::header::ObjectHeader;
use crate::ids::{PackNumber, Ulid};
use crate::index::rows::column::Malformed;
use crate::index::table::Entry;
use crate::pack_table::{PackEntry, PackId};

/// A line of the pack table, or a tombstone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PackLine {
    /// The pack.
    There(PackEntry),
    /// Retention let go of the pack with this number.
    Dropped(PackNumber),
}

impl PackLine {
    /// The pack.
    pub(crate) fn entry(self) -> Option<PackEntry> {
        match self {
            Self::There(entry) => Some(entry),
            Self::Dropped(_) => None,
        }
    }
}

impl Entry for PackLine {
    type Key = [u8; 4];

    fn parse_key(bytes: &[u8]) -> Option<Self::Key> {
        bytes.try_into().ok()
    }

    fn key(&self) -> Self::Key {
        match self {
            Self::There(entry) => entry.number,
            Self::Dropped(number) => *number,
        }
        .0
        .to_be_bytes()
    }

    fn overlay(self, _older: Self) -> Self {
        self
    }

    fn is_dropped(&self) -> bool {
        matches!(self, Self::Dropped(_))
    }

    fn weight_bytes(&self) -> usize {
        size_of::<Self>() + size_of::<Self::Key>()
    }
}

/// A pack as records and blocks keep it.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PackMessage {
    #[prost(uint32, tag = "1")]
    pub number: u32,
    /// 16 bytes, big endian, for a pack of its own.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub ulid: Option<Vec<u8>>,
    /// For the data inside a log segment.
    #[prost(uint64, optional, tag = "3")]
    pub segment: Option<u64>,
    #[prost(uint64, tag = "4")]
    pub size_bytes: u64,
    /// Empty for a segment.
    #[prost(bytes = "vec", tag = "5")]
    pub sha256: Vec<u8>,
    /// The first 48 bytes of the object.
    #[prost(bytes = "vec", tag = "6")]
    pub header: Vec<u8>,
    #[prost(uint32, tag = "7")]
    pub frames: u32,
}

impl PackMessage {
    /// The message for an entry.
    pub(crate) fn of(entry: &PackEntry) -> Self {
        let (ulid, segment) = match entry.id {
            PackId::Pack(ulid) => (Some(ulid.0.to_be_bytes().to_vec()), None),
            PackId::Segment(sequence) => (None, Some(sequence)),
        };
        let sha256 = match entry.id {
            PackId::Pack(_) => entry.sha256.to_vec(),
            PackId::Segment(_) => vec![],
        };
        Self {
            number: entry.number.0,
            ulid,
            segment,
            size_bytes: entry.size_bytes,
            sha256,
            header: entry.header.to_bytes().to_vec(),
            frames: entry.frames,
        }
    }

    /// The entry.
    pub(crate) fn entry(&self) -> Result<PackEntry, Malformed> {
        let id = match (&self.ulid, self.segment) {
            (Some(bytes), None) => PackId::Pack(Ulid(u128::from_be_bytes(
                bytes
                    .as_slice()
                    .try_into()
                    .map_err(|_| Malformed("a pack's id is cut off"))?,
            ))),
            (None, Some(sequence)) => PackId::Segment(sequence),
            _ => return Err(Malformed("a pack has no name, or two")),
        };
        let sha256 = match id {
            PackId::Segment(_) => [0; 32],
            PackId::Pack(_) => self
                .sha256
                .as_slice()
                .try_into()
                .map_err(|_| Malformed("a pack's checksum is cut off"))?,
        };
        Ok(PackEntry {
            number: PackNumber(self.number),
            id,
            size_bytes: self.size_bytes,
            sha256,
            header: ObjectHeader::parse("a pack in the index", &self.header)
                .map_err(|_| Malformed("a pack's header is not readable"))?,
            frames: self.frames,
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct PackBatch {
    #[prost(message, repeated, tag = "1")]
    packs: Vec<PackMessage>,
}

/// Encodes entries in their order. A tombstone is a line with its number and no name.
pub(crate) fn encode(entries: &[PackLine]) -> Vec<u8> {
    let message = |line: &PackLine| match line {
        PackLine::There(entry) => PackMessage::of(entry),
        PackLine::Dropped(number) => PackMessage {
            number: number.0,
            ..PackMessage::default()
        },
    };
    let packs = entries.iter().map(message).collect();
    PackBatch { packs }.encode_to_vec()
}

/// Decodes entries.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<PackLine>, Malformed> {
    PackBatch::decode(bytes)
        .map_err(|_| Malformed("packs are not readable"))?
        .packs
        .iter()
        .map(|message| {
            if message.ulid.is_none() && message.segment.is_none() {
                return Ok(PackLine::Dropped(PackNumber(message.number)));
            }
            message.entry().map(PackLine::There)
        })
        .collect()
}
