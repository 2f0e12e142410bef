//! Checkpoints: the fold so far as sorted blocks, so that nobody has to read the whole log.
//!
//! A checkpoint is a cache. It is written after a commit, its failure never fails the commit, and
//! deleting all of them loses nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use mailkeep_ports::{Condition, StorageClass};

use crate::compress::Compression;
use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::format::builder::ObjectBuilder;
use crate::format::frame::{FrameKind, FrameRef, FrameSpec};
use crate::format::header::{ObjectHeader, ObjectKind};
use crate::index::block::{Block, BlockObject, BlockPlace, BlockReader, Cached, Run};
use crate::index::fold::{BlockCutter, Index};
use crate::index::names::checkpoint_part;
use crate::index::root::{encode_root, encode_writer_state};
use crate::index::scan::Scan;
use crate::index::table::{Entry, FolderNames, KeyOf, Lsm, Table};
use crate::object::put_options;

/// When a checkpoint is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckpointLimits {
    /// When so many commits follow the last one.
    pub segments: u64,
    /// Or so many row entries.
    pub row_entries: u64,
}

impl Default for CheckpointLimits {
    fn default() -> Self {
        Self {
            segments: 32,
            row_entries: 32_768,
        }
    }
}

/// An object of blocks is closed at this size.
const OBJECT_BYTES: usize = if cfg!(test) { 4 << 10 } else { 8 << 20 };
/// A run is merged into a newer one that has at least this fraction of its entries.
const GROWTH: u64 = 3;
/// Everything is written anew when blocks of more checkpoints than this are in use.
const MAX_CHECKPOINTS: usize = 16;

/// True when a checkpoint is due.
pub(crate) fn is_due(index: &Index, limits: CheckpointLimits) -> bool {
    index.state.sequence.saturating_sub(index.checkpoint) >= limits.segments
        || index.rows_since_checkpoint >= limits.row_entries
}

/// The tables of an index once its checkpoint is written.
#[derive(Debug)]
pub(crate) struct Written {
    sequence: u64,
    tables: Index,
    /// Bytes that were written.
    pub bytes: u64,
    /// Requests that it took.
    pub requests: u64,
}

impl Written {
    /// Lets an index, unchanged since, use the new blocks.
    pub(crate) fn install(self, index: &mut Index) {
        if index.state.sequence != self.sequence {
            return;
        }
        index.rows = self.tables.rows;
        index.lookup = self.tables.lookup;
        index.parts = self.tables.parts;
        index.packs = self.tables.packs;
        index.refs = self.tables.refs;
        index.snapshots = self.tables.snapshots;
        index.checkpoint = self.sequence;
        index.rows_since_checkpoint = 0;
        index.tail.clear();
    }
}

/// A block of the new checkpoint.
enum NewBlock<K> {
    /// One of an older checkpoint, as it is.
    Kept(Block<K>),
    /// A new one in this checkpoint's object `part`.
    Written {
        part: u32,
        frame: FrameRef,
        entries: u32,
        first: K,
        last: K,
    },
}

/// A table of the new checkpoint.
struct NewTable<T: Table> {
    kept: Vec<Arc<Run<T>>>,
    merged: Vec<NewBlock<KeyOf<T>>>,
}

impl<T: Table> NewTable<T> {
    fn table(&self, objects: &BTreeMap<u32, Arc<BlockObject>>) -> Result<Lsm<T>, VaultError> {
        let mut runs = self.kept.clone();
        let blocks = self
            .merged
            .iter()
            .map(|block| match block {
                NewBlock::Kept(block) => Ok(block.clone()),
                NewBlock::Written {
                    part,
                    frame,
                    entries,
                    first,
                    last,
                } => Ok(Block {
                    place: BlockPlace::Stored {
                        object: objects
                            .get(part)
                            .cloned()
                            .ok_or_else(|| VaultError::bug("a block without an object"))?,
                        frame: *frame,
                    },
                    entries: *entries,
                    first: *first,
                    last: *last,
                }),
            })
            .collect::<Result<Vec<_>, VaultError>>()?;
        if !blocks.is_empty() {
            runs.push(Arc::new(Run { blocks }));
        }
        Ok(Lsm {
            runs,
            ..Lsm::default()
        })
    }
}

/// Writes blocks into objects of bounded size. The object with the root is kept back and written last,
/// so that a root never names an object that is not there.
struct BlockWriter<'a> {
    core: &'a MailboxCore,
    sequence: u64,
    root: ObjectBuilder,
    open: Option<(u32, ObjectBuilder)>,
    next_part: u32,
    objects: BTreeMap<u32, Arc<BlockObject>>,
    bytes: u64,
    requests: u64,
}

impl BlockWriter<'_> {
    async fn push(&mut self, kind: FrameKind, plain: &[u8]) -> Result<(u32, FrameRef), VaultError> {
        let spec = FrameSpec::new(kind, Compression::Zstd);
        if self.root.len() < OBJECT_BYTES {
            return Ok((0, self.root.push(&spec, plain)?));
        }
        if self
            .open
            .as_ref()
            .is_some_and(|(_, it)| it.len() >= OBJECT_BYTES)
        {
            self.close().await?;
        }
        let (part, builder) = self.open.get_or_insert_with(|| {
            let part = self.next_part;
            self.next_part += 1;
            (part, ObjectBuilder::big(ObjectKind::Checkpoint))
        });
        Ok((*part, builder.push(&spec, plain)?))
    }

    async fn close(&mut self) -> Result<(), VaultError> {
        if let Some((part, builder)) = self.open.take() {
            let (header, size_bytes) = self.put(part, builder).await?;
            self.objects
                .insert(part, Arc::new(self.object(part, header, size_bytes)));
        }
        Ok(())
    }

    fn object(&self, part: u32, header: ObjectHeader, size_bytes: u64) -> BlockObject {
        BlockObject {
            sequence: self.sequence,
            part,
            header,
            size_bytes,
        }
    }

    /// Another writer may write a checkpoint of the same commit: who comes second gives up, because
    /// the objects of two checkpoints must not be mixed.
    async fn put(
        &mut self,
        part: u32,
        builder: ObjectBuilder,
    ) -> Result<(ObjectHeader, u64), VaultError> {
        let key = checkpoint_part(&self.core.id, self.sequence, part)?;
        let object = builder.finish(self.core.keys.objects(), &key, &*self.core.ctx.rng)?;
        let mut options = put_options(&object, StorageClass::Hot);
        options.condition = Condition::IfAbsent;
        let size_bytes = u64::try_from(object.bytes.len()).unwrap_or(u64::MAX);
        self.requests += 1;
        self.bytes += size_bytes;
        self.core
            .ctx
            .store
            .put(&key, object.bytes.clone(), options)
            .await?;
        Ok((object.header, size_bytes))
    }
}

/// Writes a checkpoint of `index` that uses blocks of older ones.
pub(crate) async fn write(
    core: &MailboxCore,
    reader: &BlockReader,
    index: &Index,
) -> Result<Written, VaultError> {
    write_as(core, reader, index, is_worn(index)).await
}

/// Writes a checkpoint that needs no other one.
pub(crate) async fn write_whole(
    core: &MailboxCore,
    reader: &BlockReader,
    index: &Index,
) -> Result<Written, VaultError> {
    write_as(core, reader, index, true).await
}

/// The objects that the blocks of an index lie in: sequence and part.
pub(crate) fn objects_of(index: &Index) -> BTreeSet<(u64, u32)> {
    use_of(index).objects.into_keys().collect()
}

async fn write_as(
    core: &MailboxCore,
    reader: &BlockReader,
    index: &Index,
    anew: bool,
) -> Result<Written, VaultError> {
    let mut writer = BlockWriter {
        core,
        sequence: index.state.sequence,
        root: ObjectBuilder::big(ObjectKind::Checkpoint),
        open: None,
        next_part: 1,
        objects: BTreeMap::new(),
        bytes: 0,
        requests: 0,
    };
    let folders = &index.state.folder_names;
    let rows = merge(&mut writer, reader, folders, &index.rows, anew).await?;
    let lookup = merge(&mut writer, reader, folders, &index.lookup, anew).await?;
    let parts = merge(&mut writer, reader, folders, &index.parts, anew).await?;
    let packs = merge(&mut writer, reader, folders, &index.packs, anew).await?;
    let refs = merge(&mut writer, reader, folders, &index.refs, anew).await?;
    let snapshots = merge(&mut writer, reader, folders, &index.snapshots, anew).await?;
    writer.close().await?;

    let tables = |objects: &BTreeMap<u32, Arc<BlockObject>>| {
        Ok::<_, VaultError>(Index {
            state: index.state.clone(),
            rows: rows.table(objects)?,
            lookup: lookup.table(objects)?,
            parts: parts.table(objects)?,
            packs: packs.table(objects)?,
            refs: refs.table(objects)?,
            snapshots: snapshots.table(objects)?,
            ..Index::default()
        })
    };
    // The root does not hold the header of its own object, which does not exist yet.
    let unsealed = ObjectHeader::new(ObjectKind::Checkpoint, 0, [0; 32]);
    let own = writer.object(0, unsealed, 0);
    writer.objects.insert(0, Arc::new(own));
    let root = encode_root(&tables(&writer.objects)?);
    let state = encode_writer_state(&index.state);
    let spec = |kind| FrameSpec::new(kind, Compression::Zstd);
    let mut builder =
        std::mem::replace(&mut writer.root, ObjectBuilder::new(ObjectKind::Checkpoint));
    builder.push(&spec(FrameKind::WriterState), &state)?;
    builder.push(&spec(FrameKind::CheckpointRoot), &root)?;
    let (header, size_bytes) = writer.put(0, builder).await?;
    let own = writer.object(0, header, size_bytes);
    writer.objects.insert(0, Arc::new(own));
    Ok(Written {
        sequence: index.state.sequence,
        tables: tables(&writer.objects)?,
        bytes: writer.bytes,
        requests: writer.requests,
    })
}

/// True when so little of the older checkpoints is in use, or so many of them are, that everything
/// should be written anew.
fn is_worn(index: &Index) -> bool {
    let use_of = use_of(index);
    let held: u64 = use_of.objects.values().sum();
    let checkpoints: BTreeSet<u64> = use_of
        .objects
        .keys()
        .map(|(sequence, _)| *sequence)
        .collect();
    use_of.live < held / 2 || checkpoints.len() > MAX_CHECKPOINTS
}

fn use_of(index: &Index) -> Use {
    let mut use_of = Use::default();
    use_of.add(&index.rows);
    use_of.add(&index.lookup);
    use_of.add(&index.parts);
    use_of.add(&index.packs);
    use_of.add(&index.refs);
    use_of.add(&index.snapshots);
    use_of
}

#[derive(Default)]
struct Use {
    live: u64,
    objects: BTreeMap<(u64, u32), u64>,
}

impl Use {
    fn add<T: Table>(&mut self, table: &Lsm<T>) {
        for block in table.runs.iter().flat_map(|run| &run.blocks) {
            if let BlockPlace::Stored { object, frame } = &block.place {
                self.live += u64::from(frame.stored_bytes);
                self.objects
                    .insert((object.sequence, object.part), object.size_bytes);
            }
        }
    }
}

/// Merges what is in memory with as many of the newest runs as keeps the number of runs small: each run
/// that stays has several times the entries of all newer ones together.
async fn merge<T: Cached>(
    writer: &mut BlockWriter<'_>,
    reader: &BlockReader,
    folders: &FolderNames,
    table: &Lsm<T>,
    anew: bool,
) -> Result<NewTable<T>, VaultError> {
    let mut keep = table.runs.len();
    let mut entries = u64::try_from(table.memory.len()).unwrap_or(u64::MAX);
    while let Some(run) = keep.checked_sub(1).and_then(|index| table.runs.get(index)) {
        if !anew && !run.is_in_memory() && run.entries() >= GROWTH.saturating_mul(entries) {
            break;
        }
        entries = entries.saturating_add(run.entries());
        keep -= 1;
    }
    let (kept, merged) = table.runs.split_at(keep);
    let mut new = NewTable {
        kept: kept.to_vec(),
        merged: vec![],
    };
    let mut scan = Scan::of_runs(
        reader,
        folders,
        &table.memory,
        merged,
        Bound::Unbounded,
        None,
    )
    .await?;
    let mut cutter = BlockCutter::new();
    loop {
        if !anew
            && cutter.is_empty_or_half_full()
            && let Some(block) = scan.next_untouched(is_worth_keeping)
        {
            write_block::<T>(writer, &mut new, cutter.finish()).await?;
            new.merged.push(NewBlock::Kept(block));
            continue;
        }
        let Some(entry) = scan.next_raw().await? else {
            break;
        };
        // With nothing below it a tombstone has done its work.
        if entry.is_dropped() && kept.is_empty() {
            continue;
        }
        if let Some(full) = cutter.push(entry) {
            write_block::<T>(writer, &mut new, full).await?;
        }
    }
    write_block::<T>(writer, &mut new, cutter.finish()).await?;
    Ok(new)
}

/// Blocks that are only in memory, or small, are written anew.
fn is_worth_keeping<K>(block: &Block<K>) -> bool {
    matches!(&block.place, BlockPlace::Stored { frame, .. }
        if usize::try_from(block.entries).is_ok_and(|entries| entries >= crate::index::table::BLOCK_ENTRIES / 2)
            || usize::try_from(frame.plain_bytes).is_ok_and(|bytes| bytes >= crate::index::table::BLOCK_WEIGHT_BYTES / 4))
}

async fn write_block<T: Table>(
    writer: &mut BlockWriter<'_>,
    new: &mut NewTable<T>,
    entries: Vec<T::Entry>,
) -> Result<(), VaultError> {
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
        return Ok(());
    };
    let (part, frame) = writer.push(T::FRAME, &T::encode(&entries)).await?;
    new.merged.push(NewBlock::Written {
        part,
        frame,
        entries: u32::try_from(entries.len())
            .map_err(|_| VaultError::bug("too many entries in a block"))?,
        first: first.key(),
        last: last.key(),
    });
    Ok(())
}
