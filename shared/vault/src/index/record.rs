//! The commit record: what one commit says besides its rows.

use chrono::{DateTime, Utc};
use mailkeep_model::{Folder, FolderId, Gap, ItemId, RunId};
use prost::Message;

use crate::format::FORMAT;
use crate::format::header::ObjectHeader;
use crate::ids::PackNumber;
use crate::index::commit_info::EndOfRun;
use crate::index::left_out::LeftOut;
use crate::index::release::{Release, ReleaseMessage};
use crate::index::rows::column::Malformed;
use crate::index::tables::packs::PackMessage;
use crate::index::tables::parts::{PartBatch, PartEntry};
use crate::index::tables::refs::{RefBatch, RefEntry};
use crate::index::tables::snapshots::EndMessage;
use crate::index::wire::{FolderMessage, GapMessage, PlaceMessage, commit_id, time};
use crate::pack_table::PackEntry;

/// The data that a segment holds itself: a pack without an object of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InlineData {
    /// Its pack number.
    pub number: PackNumber,
    /// Frames of items and parts.
    pub frames: u32,
}

/// A pack that nothing refers to any more, or that was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DroppedPack {
    /// Its number.
    pub number: PackNumber,
    /// Size of its object; 0 for the data of a segment, which stays.
    pub size_bytes: u64,
}

/// What happened to a folder.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FolderChange {
    /// Its number.
    pub number: u32,
    /// Its id.
    pub id: FolderId,
    /// Its description; `None` when it was removed, or when only its number is introduced because
    /// an item is in it.
    pub folder: Option<Folder>,
    /// It was removed.
    pub is_removed: bool,
}

/// What one commit says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CommitRecord {
    /// Its number.
    pub sequence: u64,
    /// Its id, random.
    pub commit_id: [u8; 16],
    /// The id of the commit before it; zero for the first.
    pub parent: [u8; 16],
    /// When, by the writer's clock.
    pub committed_at: DateTime<Utc>,
    /// The run that made it.
    pub run: RunId,
    /// Set on the last commit of a run.
    pub end: Option<EndOfRun>,
    /// Folders.
    pub folders: Vec<FolderChange>,
    /// Changed cursors by folder number; `None` drops one.
    pub cursors: Vec<(u32, Option<String>)>,
    /// The changed tree cursor.
    pub tree_cursor: Option<Option<String>>,
    /// Gaps that were recorded.
    pub gaps: Vec<Gap>,
    /// Gaps that were resolved.
    pub resolved_gaps: Vec<ItemId>,
    /// Removals to verify later.
    pub pending_removals: Vec<(ItemId, FolderId)>,
    /// Removals that were verified or withdrawn.
    pub resolved_removals: Vec<ItemId>,
    /// Items that a filter left out and that may qualify later.
    pub left_out: Vec<LeftOut>,
    /// Items that are left out no longer, or that are not to be asked about again.
    pub no_longer_left_out: Vec<ItemId>,
    /// The changed mark of the filter that runs went by.
    pub filter_mark: Option<Option<String>>,
    /// New packs of their own.
    pub packs: Vec<PackEntry>,
    /// Data inside the segment.
    pub inline: Option<InlineData>,
    /// Where new parts lie.
    pub parts: Vec<PartEntry>,
    /// Bytes of the messages that this commit stores, before compression.
    pub content_bytes: u64,
    /// Row entries in the segment's row frames.
    pub row_entries: u64,
    /// The parts of the contents in the new packs.
    pub refs: Vec<RefEntry>,
    /// What retention takes out; only in its own commits.
    pub release: Option<Release>,
    /// Packs whose frames lie in another object now, at the same places.
    pub replaced_packs: Vec<PackEntry>,
    /// Packs that are not used any more.
    pub dropped_packs: Vec<DroppedPack>,
    /// The commit was lost, and this is what could be found out about it.
    pub is_rebuilt: bool,
    /// All cursors are dropped, because commits were rebuilt that they count on.
    pub drops_cursors: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct FolderChangeMessage {
    #[prost(uint32, tag = "1")]
    number: u32,
    #[prost(string, tag = "2")]
    id: String,
    #[prost(message, optional, tag = "3")]
    folder: Option<FolderMessage>,
    #[prost(bool, tag = "4")]
    is_removed: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct DroppedPackMessage {
    #[prost(uint32, tag = "1")]
    number: u32,
    #[prost(uint64, tag = "2")]
    size_bytes: u64,
}

/// A cursor of a folder, or of the tree.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct CursorMessage {
    #[prost(uint32, tag = "1")]
    pub folder: u32,
    /// Absent: there is none any more.
    #[prost(string, optional, tag = "2")]
    pub cursor: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RecordMessage {
    #[prost(uint32, tag = "1")]
    min_reader: u32,
    #[prost(uint64, tag = "2")]
    sequence: u64,
    #[prost(bytes = "vec", tag = "3")]
    commit_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent: Vec<u8>,
    #[prost(sint64, tag = "5")]
    committed_at_ms: i64,
    #[prost(string, tag = "6")]
    run: String,
    #[prost(message, optional, tag = "7")]
    end: Option<EndMessage>,
    #[prost(message, repeated, tag = "8")]
    folders: Vec<FolderChangeMessage>,
    #[prost(message, repeated, tag = "9")]
    cursors: Vec<CursorMessage>,
    #[prost(message, optional, tag = "10")]
    tree_cursor: Option<CursorMessage>,
    #[prost(message, repeated, tag = "11")]
    gaps: Vec<GapMessage>,
    #[prost(string, repeated, tag = "12")]
    resolved_gaps: Vec<String>,
    #[prost(message, repeated, tag = "13")]
    pending_removals: Vec<PlaceMessage>,
    #[prost(string, repeated, tag = "14")]
    resolved_removals: Vec<String>,
    #[prost(message, repeated, tag = "15")]
    packs: Vec<PackMessage>,
    #[prost(uint32, optional, tag = "16")]
    inline_number: Option<u32>,
    #[prost(uint32, tag = "17")]
    inline_frames: u32,
    #[prost(message, required, tag = "18")]
    parts: PartBatch,
    #[prost(uint64, tag = "19")]
    content_bytes: u64,
    #[prost(uint64, tag = "20")]
    row_entries: u64,
    #[prost(message, repeated, tag = "21")]
    left_out: Vec<LeftOutMessage>,
    #[prost(string, repeated, tag = "22")]
    no_longer_left_out: Vec<String>,
    #[prost(message, optional, tag = "23")]
    filter_mark: Option<CursorMessage>,
    #[prost(message, optional, tag = "24")]
    refs: Option<RefBatch>,
    #[prost(message, optional, tag = "25")]
    release: Option<ReleaseMessage>,
    #[prost(message, repeated, tag = "26")]
    replaced_packs: Vec<PackMessage>,
    #[prost(message, repeated, tag = "27")]
    dropped_packs: Vec<DroppedPackMessage>,
    #[prost(bool, tag = "28")]
    is_rebuilt: bool,
    #[prost(bool, tag = "29")]
    drops_cursors: bool,
}

/// An item that a filter left out.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct LeftOutMessage {
    #[prost(string, tag = "1")]
    item: String,
    #[prost(string, tag = "2")]
    folder: String,
    #[prost(sint64, tag = "3")]
    recheck_at_ms: i64,
}

impl LeftOutMessage {
    pub(crate) fn of(left_out: &LeftOut) -> Self {
        Self {
            item: left_out.item.0.clone(),
            folder: left_out.folder.0.clone(),
            recheck_at_ms: left_out.recheck_at.timestamp_millis(),
        }
    }

    pub(crate) fn left_out(self) -> Result<LeftOut, Malformed> {
        Ok(LeftOut {
            item: ItemId(self.item),
            folder: FolderId(self.folder),
            recheck_at: time(self.recheck_at_ms)?,
        })
    }
}

impl CommitRecord {
    /// The record's bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let texts = |ids: &[ItemId]| ids.iter().map(|id| id.0.clone()).collect();
        RecordMessage {
            min_reader: FORMAT.into(),
            sequence: self.sequence,
            commit_id: self.commit_id.to_vec(),
            parent: self.parent.to_vec(),
            committed_at_ms: self.committed_at.timestamp_millis(),
            run: self.run.0.clone(),
            end: self.end.as_ref().map(EndMessage::of),
            folders: self
                .folders
                .iter()
                .map(|change| FolderChangeMessage {
                    number: change.number,
                    id: change.id.0.clone(),
                    folder: change.folder.as_ref().map(FolderMessage::of),
                    is_removed: change.is_removed,
                })
                .collect(),
            cursors: self
                .cursors
                .iter()
                .map(|(folder, cursor)| CursorMessage {
                    folder: *folder,
                    cursor: cursor.clone(),
                })
                .collect(),
            tree_cursor: self.tree_cursor.as_ref().map(|cursor| CursorMessage {
                folder: 0,
                cursor: cursor.clone(),
            }),
            gaps: self.gaps.iter().map(GapMessage::of).collect(),
            resolved_gaps: texts(&self.resolved_gaps),
            pending_removals: self
                .pending_removals
                .iter()
                .map(|(item, folder)| PlaceMessage {
                    item: item.0.clone(),
                    folder: folder.0.clone(),
                })
                .collect(),
            resolved_removals: texts(&self.resolved_removals),
            left_out: self.left_out.iter().map(LeftOutMessage::of).collect(),
            no_longer_left_out: texts(&self.no_longer_left_out),
            filter_mark: self.filter_mark.as_ref().map(|mark| CursorMessage {
                folder: 0,
                cursor: mark.clone(),
            }),
            packs: self.packs.iter().map(PackMessage::of).collect(),
            inline_number: self.inline.map(|inline| inline.number.0),
            inline_frames: self.inline.map_or(0, |inline| inline.frames),
            parts: PartBatch::of(&self.parts),
            content_bytes: self.content_bytes,
            row_entries: self.row_entries,
            refs: (!self.refs.is_empty()).then(|| RefBatch::of(&self.refs)),
            release: self.release.as_ref().map(ReleaseMessage::of),
            replaced_packs: self.replaced_packs.iter().map(PackMessage::of).collect(),
            dropped_packs: self
                .dropped_packs
                .iter()
                .map(|pack| DroppedPackMessage {
                    number: pack.number.0,
                    size_bytes: pack.size_bytes,
                })
                .collect(),
            is_rebuilt: self.is_rebuilt,
            drops_cursors: self.drops_cursors,
        }
        .encode_to_vec()
    }

    /// Reads a record.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let message = RecordMessage::decode(bytes)
            .map_err(|_| Malformed("the commit record is not readable"))?;
        let ids = |texts: Vec<String>| texts.into_iter().map(ItemId).collect();
        let cursor = |message: CursorMessage| (message.folder, message.cursor);
        Ok(Self {
            sequence: message.sequence,
            commit_id: commit_id(&message.commit_id)?,
            parent: commit_id(&message.parent)?,
            committed_at: time(message.committed_at_ms)?,
            run: RunId(message.run),
            end: message.end.as_ref().map(EndMessage::end),
            folders: message
                .folders
                .into_iter()
                .map(|change| FolderChange {
                    number: change.number,
                    id: FolderId(change.id),
                    folder: change.folder.map(FolderMessage::folder),
                    is_removed: change.is_removed,
                })
                .collect(),
            cursors: message.cursors.into_iter().map(cursor).collect(),
            tree_cursor: message.tree_cursor.map(|message| message.cursor),
            gaps: message
                .gaps
                .into_iter()
                .map(GapMessage::gap)
                .collect::<Result<_, _>>()?,
            resolved_gaps: ids(message.resolved_gaps),
            pending_removals: message
                .pending_removals
                .into_iter()
                .map(|place| (ItemId(place.item), FolderId(place.folder)))
                .collect(),
            resolved_removals: ids(message.resolved_removals),
            left_out: message
                .left_out
                .into_iter()
                .map(LeftOutMessage::left_out)
                .collect::<Result<_, _>>()?,
            no_longer_left_out: ids(message.no_longer_left_out),
            filter_mark: message.filter_mark.map(|message| message.cursor),
            packs: message
                .packs
                .iter()
                .map(PackMessage::entry)
                .collect::<Result<_, _>>()?,
            inline: message.inline_number.map(|number| InlineData {
                number: PackNumber(number),
                frames: message.inline_frames,
            }),
            parts: message.parts.entries()?,
            content_bytes: message.content_bytes,
            row_entries: message.row_entries,
            refs: message
                .refs
                .map_or_else(|| Ok(vec![]), |refs| refs.entries())?,
            release: message
                .release
                .map(|release| release.release())
                .transpose()?,
            replaced_packs: message
                .replaced_packs
                .iter()
                .map(PackMessage::entry)
                .collect::<Result<_, _>>()?,
            dropped_packs: message
                .dropped_packs
                .iter()
                .map(|pack| DroppedPack {
                    number: PackNumber(pack.number),
                    size_bytes: pack.size_bytes,
                })
                .collect(),
            is_rebuilt: message.is_rebuilt,
            drops_cursors: message.drops_cursors,
        })
    }

    /// The pack-table line for the segment's own data.
    pub(crate) fn inline_pack(&self, header: ObjectHeader, size_bytes: u64) -> Option<PackEntry> {
        self.inline.map(|inline| PackEntry {
            number: inline.number,
            id: crate::pack_table::PackId::Segment(self.sequence),
            size_bytes,
            sha256: [0; 32],
            header,
            frames: inline.frames,
        })
    }
}
