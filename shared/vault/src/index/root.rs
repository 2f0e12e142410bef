//! The root of a checkpoint: small state, and the directories of all blocks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use mailkeep_model::{FolderId, ItemId};
use prost::Message;

use crate::format::FORMAT;
use crate::format::frame::FrameRef;
use crate::format::header::ObjectHeader;
use crate::index::block::{Block, BlockObject, BlockPlace, Run};
use crate::index::fold::Index;
use crate::index::ranges::Ranges;
use crate::index::record::{CursorMessage, LeftOutMessage};
use crate::index::release::CondemnedMessage;
use crate::index::rows::column::{Malformed, NumberReader};
use crate::index::state::{FolderVersion, GapVersion, State};
use crate::index::table::{Entry, Lsm, Table};
use crate::index::tables::snapshots::CountsMessage;
use crate::index::tail::Tail;
use crate::index::wire::{FolderMessage, GapMessage, PlaceMessage, commit_id};

#[derive(Clone, PartialEq, prost::Message)]
struct ObjectMessage {
    #[prost(uint64, tag = "1")]
    sequence: u64,
    #[prost(uint32, tag = "2")]
    part: u32,
    /// Empty for the object that holds this root.
    #[prost(bytes = "vec", tag = "3")]
    header: Vec<u8>,
    #[prost(uint64, tag = "4")]
    size_bytes: u64,
}

/// The directory of one run, in columns.
#[derive(Clone, PartialEq, prost::Message)]
struct RunMessage {
    /// Index into the root's objects.
    #[prost(uint32, repeated, tag = "1")]
    objects: Vec<u32>,
    #[prost(uint32, repeated, tag = "2")]
    frames: Vec<u32>,
    #[prost(uint32, repeated, tag = "3")]
    offsets: Vec<u32>,
    #[prost(uint32, repeated, tag = "4")]
    stored_bytes: Vec<u32>,
    #[prost(uint32, repeated, tag = "5")]
    plain_bytes: Vec<u32>,
    #[prost(uint32, repeated, tag = "6")]
    entries: Vec<u32>,
    /// First keys, all of one length, one after another.
    #[prost(bytes = "vec", tag = "7")]
    first: Vec<u8>,
    /// Last keys.
    #[prost(bytes = "vec", tag = "8")]
    last: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TableMessage {
    /// Oldest first.
    #[prost(message, repeated, tag = "1")]
    runs: Vec<RunMessage>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct FolderVersionMessage {
    #[prost(uint32, tag = "1")]
    number: u32,
    #[prost(message, required, tag = "2")]
    folder: FolderMessage,
    #[prost(uint64, tag = "3")]
    from: u64,
    #[prost(uint64, optional, tag = "4")]
    to: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct GapVersionMessage {
    #[prost(message, required, tag = "1")]
    gap: GapMessage,
    #[prost(uint64, tag = "2")]
    from: u64,
    #[prost(uint64, optional, tag = "3")]
    to: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct FolderNumberMessage {
    #[prost(uint32, tag = "1")]
    number: u32,
    #[prost(string, tag = "2")]
    id: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RootMessage {
    #[prost(uint32, tag = "1")]
    min_reader: u32,
    #[prost(uint64, tag = "2")]
    sequence: u64,
    #[prost(bytes = "vec", tag = "3")]
    commit_id: Vec<u8>,
    #[prost(message, repeated, tag = "4")]
    objects: Vec<ObjectMessage>,
    #[prost(message, required, tag = "5")]
    rows: TableMessage,
    #[prost(message, required, tag = "6")]
    lookup: TableMessage,
    #[prost(message, required, tag = "7")]
    parts: TableMessage,
    #[prost(message, required, tag = "8")]
    packs: TableMessage,
    #[prost(message, required, tag = "9")]
    snapshots: TableMessage,
    #[prost(message, repeated, tag = "10")]
    folder_numbers: Vec<FolderNumberMessage>,
    #[prost(message, repeated, tag = "11")]
    folders: Vec<FolderVersionMessage>,
    #[prost(message, repeated, tag = "12")]
    gaps: Vec<GapVersionMessage>,
    #[prost(uint32, tag = "13")]
    next_pack: u32,
    #[prost(message, required, tag = "14")]
    counts: CountsMessage,
    #[prost(message, optional, tag = "15")]
    refs: Option<TableMessage>,
    #[prost(message, repeated, tag = "16")]
    condemned: Vec<CondemnedMessage>,
    /// Starts and ends in turn.
    #[prost(uint64, repeated, tag = "17")]
    thinned: Vec<u64>,
    #[prost(bool, tag = "18")]
    is_uncollected: bool,
    #[prost(uint64, tag = "19")]
    collected: u64,
    #[prost(uint64, repeated, tag = "20")]
    rebuilt: Vec<u64>,
    #[prost(bool, tag = "21")]
    is_unlisted: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WriterStateMessage {
    #[prost(message, repeated, tag = "1")]
    cursors: Vec<CursorMessage>,
    #[prost(string, optional, tag = "2")]
    tree_cursor: Option<String>,
    #[prost(message, repeated, tag = "3")]
    pending_removals: Vec<PlaceMessage>,
    #[prost(message, repeated, tag = "4")]
    left_out: Vec<LeftOutMessage>,
    #[prost(string, optional, tag = "5")]
    filter_mark: Option<String>,
}

/// Gives each object that blocks refer to a number.
#[derive(Default)]
struct Objects {
    messages: Vec<ObjectMessage>,
    numbers: BTreeMap<(u64, u32), u32>,
}

impl Objects {
    fn number(&mut self, object: &BlockObject, own: u64) -> u32 {
        let next = u32::try_from(self.messages.len()).unwrap_or(u32::MAX);
        let name = (object.sequence, object.part);
        *self.numbers.entry(name).or_insert_with(|| {
            let is_own = name == (own, 0);
            self.messages.push(ObjectMessage {
                sequence: object.sequence,
                part: object.part,
                header: if is_own {
                    vec![]
                } else {
                    object.header.to_bytes().to_vec()
                },
                size_bytes: if is_own { 0 } else { object.size_bytes },
            });
            next
        })
    }
}

fn table<T: Table>(table: &Lsm<T>, objects: &mut Objects, own: u64) -> TableMessage {
    let runs = table
        .runs
        .iter()
        .map(|run| {
            let mut message = RunMessage::default();
            for block in &run.blocks {
                // A checkpoint writes blocks that were in memory before it writes the root.
                let BlockPlace::Stored { object, frame } = &block.place else {
                    continue;
                };
                message.objects.push(objects.number(object, own));
                message.frames.push(frame.number);
                message.offsets.push(frame.offset);
                message.stored_bytes.push(frame.stored_bytes);
                message.plain_bytes.push(frame.plain_bytes);
                message.entries.push(block.entries);
                message.first.extend_from_slice(block.first.as_ref());
                message.last.extend_from_slice(block.last.as_ref());
            }
            message
        })
        .collect();
    TableMessage { runs }
}

/// The root frame of an index whose entries all lie in blocks.
pub(crate) fn encode_root(index: &Index) -> Vec<u8> {
    let state = &index.state;
    let own = state.sequence;
    let mut objects = Objects::default();
    let mut message = RootMessage {
        min_reader: FORMAT.into(),
        sequence: state.sequence,
        commit_id: state.commit_id.to_vec(),
        objects: vec![],
        rows: table(&index.rows, &mut objects, own),
        lookup: table(&index.lookup, &mut objects, own),
        parts: table(&index.parts, &mut objects, own),
        packs: table(&index.packs, &mut objects, own),
        snapshots: table(&index.snapshots, &mut objects, own),
        folder_numbers: state
            .folder_names
            .iter()
            .map(|(number, id)| FolderNumberMessage {
                number: *number,
                id: id.0.clone(),
            })
            .collect(),
        folders: state
            .folders
            .iter()
            .map(|version| FolderVersionMessage {
                number: version.number,
                folder: FolderMessage::of(&version.folder),
                from: version.from,
                to: version.to,
            })
            .collect(),
        gaps: state
            .gaps
            .values()
            .chain(&state.resolved_gaps)
            .map(|version| GapVersionMessage {
                gap: GapMessage::of(&version.gap),
                from: version.from,
                to: version.to,
            })
            .collect(),
        next_pack: state.next_pack,
        counts: state.counts.into(),
        refs: Some(table(&index.refs, &mut objects, own)),
        condemned: state.condemned.values().map(CondemnedMessage::of).collect(),
        thinned: state.thinned.to_numbers(),
        is_uncollected: state.is_uncollected,
        collected: state.collected,
        rebuilt: state.rebuilt.clone(),
        is_unlisted: state.is_unlisted,
    };
    message.objects = objects.messages;
    message.encode_to_vec()
}

/// The frame that only writers read.
pub(crate) fn encode_writer_state(state: &State) -> Vec<u8> {
    WriterStateMessage {
        cursors: state
            .cursors
            .iter()
            .map(|(folder, cursor)| CursorMessage {
                folder: *folder,
                cursor: Some(cursor.clone()),
            })
            .collect(),
        tree_cursor: state.tree_cursor.clone(),
        pending_removals: state
            .pending_removals
            .iter()
            .map(|(item, folder)| PlaceMessage {
                item: item.0.clone(),
                folder: folder.0.clone(),
            })
            .collect(),
        left_out: state.left_out.values().map(LeftOutMessage::of).collect(),
        filter_mark: state.filter_mark.clone(),
    }
    .encode_to_vec()
}

/// Adds what [`encode_writer_state`] wrote to a state.
pub(crate) fn decode_writer_state(bytes: &[u8], state: &mut State) -> Result<(), Malformed> {
    let message = WriterStateMessage::decode(bytes)
        .map_err(|_| Malformed("the writer's state is not readable"))?;
    state.cursors = message
        .cursors
        .into_iter()
        .filter_map(|it| Some((it.folder, it.cursor?)))
        .collect();
    state.tree_cursor = message.tree_cursor;
    state.pending_removals = message
        .pending_removals
        .into_iter()
        .map(|place| (ItemId(place.item), FolderId(place.folder)))
        .collect();
    state.left_out = message
        .left_out
        .into_iter()
        .map(|message| message.left_out().map(|it| (it.item.clone(), it)))
        .collect::<Result<_, _>>()?;
    state.filter_mark = message.filter_mark;
    Ok(())
}

/// Reads a root. `header` and `size_bytes` are those of the object that holds it.
pub(crate) fn decode_root(
    bytes: &[u8],
    header: &ObjectHeader,
    size_bytes: u64,
) -> Result<Index, Malformed> {
    let message = RootMessage::decode(bytes).map_err(|_| Malformed("its root is not readable"))?;
    let objects = message
        .objects
        .iter()
        .map(|object| read_object(object, header, size_bytes))
        .collect::<Result<Vec<_>, _>>()?;
    let mut state = State {
        sequence: message.sequence,
        commit_id: commit_id(&message.commit_id)?,
        next_pack: message.next_pack,
        counts: message.counts.into(),
        thinned: Ranges::from_numbers(&message.thinned)?,
        is_uncollected: message.is_uncollected,
        collected: message.collected,
        rebuilt: message.rebuilt,
        is_unlisted: message.is_unlisted,
        ..State::default()
    };
    for pack in &message.condemned {
        let pack = pack.condemned()?;
        state.condemned.insert(pack.id, pack);
    }
    for folder in message.folder_numbers {
        state.name_folder(folder.number, &FolderId(folder.id));
    }
    for version in message.folders {
        let folder = version.folder.folder();
        if version.to.is_none() {
            let index = state.folders.len();
            state.current_folders.insert(folder.id.clone(), index);
        }
        state.folders.push(FolderVersion {
            number: version.number,
            folder,
            from: version.from,
            to: version.to,
        });
    }
    let mut resolved = VecDeque::new();
    for version in message.gaps {
        let gap = GapVersion {
            gap: version.gap.gap()?,
            from: version.from,
            to: version.to,
        };
        if gap.to.is_some() {
            resolved.push_back(gap);
        } else {
            state.gaps.insert(gap.gap.item.clone(), gap);
        }
    }
    state.resolved_gaps = resolved;
    Ok(Index {
        checkpoint: message.sequence,
        rows: read_table(&message.rows, &objects)?,
        lookup: read_table(&message.lookup, &objects)?,
        parts: read_table(&message.parts, &objects)?,
        packs: read_table(&message.packs, &objects)?,
        refs: match &message.refs {
            Some(refs) => read_table(refs, &objects)?,
            None => Lsm::default(),
        },
        snapshots: read_table(&message.snapshots, &objects)?,
        state,
        rows_since_checkpoint: 0,
        tail: Tail::default(),
    })
}

fn read_object(
    message: &ObjectMessage,
    header: &ObjectHeader,
    size_bytes: u64,
) -> Result<Arc<BlockObject>, Malformed> {
    let own = message.header.is_empty();
    Ok(Arc::new(BlockObject {
        sequence: message.sequence,
        part: message.part,
        header: if own {
            *header
        } else {
            ObjectHeader::parse("a checkpoint in the index", &message.header)
                .map_err(|_| Malformed("the header of one of its objects is not readable"))?
        },
        size_bytes: if own { size_bytes } else { message.size_bytes },
    }))
}

fn read_table<T: Table>(
    message: &TableMessage,
    objects: &[Arc<BlockObject>],
) -> Result<Lsm<T>, Malformed> {
    let runs = message
        .runs
        .iter()
        .map(|run| read_run::<T>(run, objects).map(Arc::new))
        .collect::<Result<_, _>>()?;
    Ok(Lsm {
        runs,
        ..Lsm::default()
    })
}

fn read_run<T: Table>(run: &RunMessage, objects: &[Arc<BlockObject>]) -> Result<Run<T>, Malformed> {
    let mut frames = NumberReader::new(&run.frames);
    let mut offsets = NumberReader::new(&run.offsets);
    let mut stored_bytes = NumberReader::new(&run.stored_bytes);
    let mut plain_bytes = NumberReader::new(&run.plain_bytes);
    let mut entries = NumberReader::new(&run.entries);
    let width = run
        .first
        .len()
        .checked_div(run.objects.len())
        .unwrap_or(1)
        .max(1);
    let mut first = run.first.chunks(width);
    let mut last = run.last.chunks(width);
    let key = |bytes: Option<&[u8]>| {
        bytes
            .and_then(T::Entry::parse_key)
            .ok_or(Malformed("a key in a directory is cut off"))
    };
    let mut blocks = Vec::with_capacity(run.objects.len());
    for object in &run.objects {
        let object = usize::try_from(*object)
            .ok()
            .and_then(|index| objects.get(index))
            .ok_or(Malformed("a directory names an unknown object"))?;
        blocks.push(Block {
            place: BlockPlace::Stored {
                object: object.clone(),
                frame: FrameRef {
                    number: frames.next()?,
                    offset: offsets.next()?,
                    stored_bytes: stored_bytes.next()?,
                    plain_bytes: plain_bytes.next()?,
                },
            },
            entries: entries.next()?,
            first: key(first.next())?,
            last: key(last.next())?,
        });
    }
    let ordered = blocks.iter().all(|block| block.first <= block.last)
        && blocks.is_sorted_by(|a, b| a.last < b.first);
    if !ordered {
        return Err(Malformed("a directory is not sorted"));
    }
    Ok(Run { blocks })
}
