//! How an index refers to packs and to frames in them.

use mailkeep_ports::Key;

use crate::error::VaultError;
use crate::format::frame::FrameRef;
use crate::format::header::ObjectHeader;
use crate::ids::{MailboxId, PackNumber, Ulid};
use crate::names;

/// Where a frame lies in a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PartLocation {
    /// The pack.
    pub pack: PackNumber,
    /// The frame in it.
    pub frame: FrameRef,
}

/// Which object a pack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PackId {
    /// `m/<mbx>/pack/<ulid>`
    Pack(Ulid),
    /// The data in `m/<mbx>/log/<seq>`.
    Segment(u64),
}

impl PackId {
    /// The object's name.
    pub(crate) fn key(&self, mailbox: &MailboxId) -> Result<Key, VaultError> {
        match self {
            Self::Pack(ulid) => names::pack(mailbox, *ulid),
            Self::Segment(sequence) => names::log(mailbox, *sequence),
        }
    }
}

/// A line of the pack table: enough to open any frame of the pack with one range request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackEntry {
    /// Its number in the index.
    pub number: PackNumber,
    /// Which object it is.
    pub id: PackId,
    /// Size of the object.
    pub size_bytes: u64,
    /// SHA-256 of the object; zero for a segment, which cannot hold its own.
    pub sha256: [u8; 32],
    /// Header of the object.
    pub header: ObjectHeader,
    /// Frames in it.
    pub frames: u32,
}

impl PartLocation {
    /// The place of what was lost to damage.
    pub(crate) const LOST: Self = Self {
        pack: PackNumber::LOST,
        frame: FrameRef {
            number: 0,
            offset: 0,
            // Not 0, which stands for what retention let go of.
            stored_bytes: 1,
            plain_bytes: 0,
        },
    };

    /// True for what was lost to damage.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.pack == PackNumber::LOST
    }
}

/// What an index row keeps of an item's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContentRef {
    /// Where the item frame lies.
    pub place: PartLocation,
    /// Bytes of the message.
    pub size_bytes: u64,
    /// Keyed hash over message and properties: equal for contents that need not be stored again.
    pub fingerprint: u64,
}

impl ContentRef {
    /// What stays known of a content that was lost to damage.
    pub(crate) fn lost(self) -> Self {
        Self {
            place: PartLocation::LOST,
            ..self
        }
    }

    /// True for a content that was lost to damage.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.place.is_lost()
    }
}
