//! What retention takes out of an index with a commit.

use chrono::{DateTime, Utc};

use crate::ids::{ContentId, PackNumber, Ulid};
use crate::index::ranges::Ranges;
use crate::index::rows::column::Malformed;
use crate::index::tables::refs::{ContentPlace, RefBatch, RefEntry};
use crate::index::wire::time;
use crate::pack_table::PackId;

/// A pack that no commit from now on may refer to. Its object is deleted after the grace period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Condemned {
    /// Which object it is.
    pub id: PackId,
    /// Its number; `None` for a pack that no commit ever named.
    pub number: Option<PackNumber>,
    /// Its size.
    pub size_bytes: u64,
    /// When the grace period began.
    pub at: DateTime<Utc>,
}

/// What retention takes out of an index with a commit, besides the versions among its rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Release {
    /// Commits that do not show everything any more that they once showed.
    pub thinned: Ranges,
    /// Bytes of messages that no version refers to any more.
    pub content_bytes: u64,
    /// Contents that are gone or lie elsewhere now.
    pub contents: Vec<ContentPlace>,
    /// Parts that are gone.
    pub parts: Vec<ContentId>,
    /// Packs that nothing refers to any more.
    pub condemned: Vec<Condemned>,
    /// Condemned packs whose objects are deleted.
    pub deleted: Vec<PackId>,
    /// Everything that versions let go of until now was looked for, also in the segments up to this
    /// commit.
    pub collected: Option<u64>,
}

/// [`Condemned`] as records and roots keep it.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct CondemnedMessage {
    #[prost(uint32, optional, tag = "1")]
    number: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "2")]
    ulid: Option<Vec<u8>>,
    #[prost(uint64, optional, tag = "3")]
    segment: Option<u64>,
    #[prost(uint64, tag = "4")]
    size_bytes: u64,
    #[prost(sint64, tag = "5")]
    at_ms: i64,
}

/// [`Release`] as commit records keep it.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ReleaseMessage {
    /// First commit and the one behind the last, in turn.
    #[prost(uint64, repeated, tag = "1")]
    thinned: Vec<u64>,
    #[prost(uint64, tag = "2")]
    content_bytes: u64,
    /// Tombstones only.
    #[prost(message, required, tag = "3")]
    contents: RefBatch,
    /// 16 bytes each.
    #[prost(bytes = "vec", tag = "4")]
    parts: Vec<u8>,
    #[prost(message, repeated, tag = "5")]
    condemned: Vec<CondemnedMessage>,
    /// With a name only.
    #[prost(message, repeated, tag = "6")]
    deleted: Vec<CondemnedMessage>,
    #[prost(uint64, optional, tag = "7")]
    collected: Option<u64>,
}

impl CondemnedMessage {
    fn of_id(id: PackId) -> Self {
        match id {
            PackId::Pack(ulid) => Self {
                ulid: Some(ulid.0.to_be_bytes().to_vec()),
                ..Self::default()
            },
            PackId::Segment(sequence) => Self {
                segment: Some(sequence),
                ..Self::default()
            },
        }
    }

    /// The message for a pack.
    pub(crate) fn of(pack: &Condemned) -> Self {
        Self {
            number: pack.number.map(|number| number.0),
            size_bytes: pack.size_bytes,
            at_ms: pack.at.timestamp_millis(),
            ..Self::of_id(pack.id)
        }
    }

    fn id(&self) -> Result<PackId, Malformed> {
        let bad = Malformed("a condemned pack has no name, or two");
        match (&self.ulid, self.segment) {
            (Some(bytes), None) => bytes
                .as_slice()
                .try_into()
                .map(|bytes| PackId::Pack(Ulid(u128::from_be_bytes(bytes))))
                .map_err(|_| bad),
            (None, Some(sequence)) => Ok(PackId::Segment(sequence)),
            _ => Err(bad),
        }
    }

    /// The pack.
    pub(crate) fn condemned(&self) -> Result<Condemned, Malformed> {
        Ok(Condemned {
            id: self.id()?,
            number: self.number.map(PackNumber),
            size_bytes: self.size_bytes,
            at: time(self.at_ms)?,
        })
    }
}

impl ReleaseMessage {
    /// The message for a release.
    pub(crate) fn of(release: &Release) -> Self {
        let tombstone = |content: &ContentPlace| RefEntry {
            content: *content,
            parts: None,
        };
        let contents: Vec<RefEntry> = release.contents.iter().map(tombstone).collect();
        Self {
            thinned: release.thinned.to_numbers(),
            content_bytes: release.content_bytes,
            contents: RefBatch::of(&contents),
            parts: release.parts.iter().flat_map(|id| id.0).collect(),
            condemned: release.condemned.iter().map(CondemnedMessage::of).collect(),
            deleted: release
                .deleted
                .iter()
                .map(|id| CondemnedMessage::of_id(*id))
                .collect(),
            collected: release.collected,
        }
    }

    /// The release.
    pub(crate) fn release(&self) -> Result<Release, Malformed> {
        let contents = self.contents.entries()?;
        Ok(Release {
            thinned: Ranges::from_numbers(&self.thinned)?,
            content_bytes: self.content_bytes,
            contents: contents.into_iter().map(|entry| entry.content).collect(),
            parts: self
                .parts
                .chunks(16)
                .map(|id| ContentId::from_slice(id).ok_or(Malformed("a content id is cut off")))
                .collect::<Result<_, _>>()?,
            condemned: self
                .condemned
                .iter()
                .map(CondemnedMessage::condemned)
                .collect::<Result<_, _>>()?,
            deleted: self
                .deleted
                .iter()
                .map(CondemnedMessage::id)
                .collect::<Result<_, _>>()?,
            collected: self.collected,
        })
    }
}
