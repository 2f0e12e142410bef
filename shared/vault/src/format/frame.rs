//! Frames: the separately sealed pieces of an object, and how their content is encoded.

use crate::compress::{self, Compression, Method};
use crate::error::VaultError;
use crate::format::MAX_FRAME_BYTES;
use crate::ids::ContentId;

/// Bytes of the authentication tag at the end of every stored frame.
pub(crate) const TAG_BYTES: usize = 16;

/// What a frame holds. Unknown kinds are kept, not refused: a newer writer may add some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FrameKind {
    /// An item's content: text, references to parts, properties.
    Item,
    /// A part, a chunk of a big part, or a chunk of a big text. Has a content id.
    Part,
    /// A commit record, a run, a document.
    Record,
    /// A sorted block of index rows.
    RowBlock,
    /// A sorted block of lookup entries.
    LookupBlock,
    /// A sorted block of part locations.
    PartBlock,
    /// The root of a checkpoint.
    CheckpointRoot,
    /// A copy of the dictionary that frames of this object use.
    Dictionary,
    /// A sorted block of pack-table lines.
    PackBlock,
    /// A sorted block of snapshots.
    SnapshotBlock,
    /// What only writers need of a checkpoint: cursors and pending removals.
    WriterState,
    /// A sorted block of references from contents to parts.
    RefBlock,
    /// What a pack says about the items in it.
    PackRows,
    /// Copies of the commits right before this one.
    EarlierCommits,
    /// A kind that this version does not know.
    Unknown(u8),
}

impl FrameKind {
    /// The tag in the frame table.
    pub(crate) fn tag(self) -> u8 {
        match self {
            Self::Item => 1,
            Self::Part => 2,
            Self::Record => 3,
            Self::RowBlock => 4,
            Self::LookupBlock => 5,
            Self::PartBlock => 6,
            Self::CheckpointRoot => 7,
            Self::Dictionary => 8,
            Self::PackBlock => 9,
            Self::SnapshotBlock => 10,
            Self::WriterState => 11,
            Self::RefBlock => 12,
            Self::PackRows => 13,
            Self::EarlierCommits => 14,
            Self::Unknown(tag) => tag,
        }
    }

    /// The kind with this tag.
    pub(crate) fn from_tag(tag: u8) -> Self {
        match tag {
            1 => Self::Item,
            2 => Self::Part,
            3 => Self::Record,
            4 => Self::RowBlock,
            5 => Self::LookupBlock,
            6 => Self::PartBlock,
            7 => Self::CheckpointRoot,
            8 => Self::Dictionary,
            9 => Self::PackBlock,
            10 => Self::SnapshotBlock,
            11 => Self::WriterState,
            12 => Self::RefBlock,
            13 => Self::PackRows,
            14 => Self::EarlierCommits,
            other => Self::Unknown(other),
        }
    }
}

/// Where a frame lies in its object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FrameRef {
    /// Its number, from 0; also the nonce.
    pub number: u32,
    /// Its first byte in the object.
    pub offset: u32,
    /// Bytes in the object.
    pub stored_bytes: u32,
    /// Bytes of its content.
    pub plain_bytes: u32,
}

impl FrameRef {
    /// The first byte after the frame.
    #[must_use]
    pub fn end(&self) -> u64 {
        u64::from(self.offset) + u64::from(self.stored_bytes)
    }
}

/// A line of the frame table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameInfo {
    /// Where it lies.
    pub place: FrameRef,
    /// What it holds.
    pub kind: FrameKind,
    /// Its content id, where it has one.
    pub content_id: Option<ContentId>,
}

/// How to make a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameSpec {
    /// What it holds.
    pub kind: FrameKind,
    /// How to compress it.
    pub compression: Compression,
    /// Its content id, where it has one.
    pub content_id: Option<ContentId>,
}

impl FrameSpec {
    /// A frame without a content id.
    pub(crate) fn new(kind: FrameKind, compression: Compression) -> Self {
        Self {
            kind,
            compression,
            content_id: None,
        }
    }
}

/// A frame's content after compression, not yet sealed. Made outside of any lock.
pub(crate) struct EncodedFrame {
    /// What it holds.
    pub kind: FrameKind,
    /// Its content id.
    pub content_id: Option<ContentId>,
    /// Payload, then the method byte.
    pub bytes: Vec<u8>,
    /// Bytes before compression.
    pub plain_bytes: u32,
    /// CRC-32C of the bytes before compression; compared again before an upload.
    pub plain_crc: u32,
    /// How the payload is compressed.
    pub method: Method,
    /// Of an item frame: the parts that it refers to, each once.
    pub refs: Vec<ContentId>,
}

impl EncodedFrame {
    /// Compresses `plain`.
    pub(crate) fn encode(spec: &FrameSpec, plain: &[u8]) -> Result<Self, VaultError> {
        let plain_bytes = u32::try_from(plain.len())
            .ok()
            .filter(|bytes| *bytes <= MAX_FRAME_BYTES)
            .ok_or_else(|| VaultError::bug(format!("a frame of {} bytes", plain.len())))?;
        let (bytes, method) = compress::encode(plain, spec.compression)?;
        Ok(Self {
            kind: spec.kind,
            content_id: spec.content_id,
            bytes,
            plain_bytes,
            plain_crc: crc32c::crc32c(plain),
            method,
            refs: vec![],
        })
    }

    /// Bytes that it takes in an object.
    pub(crate) fn stored_bytes(&self) -> usize {
        self.bytes.len() + TAG_BYTES
    }
}
