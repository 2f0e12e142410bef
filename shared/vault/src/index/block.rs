//! Runs of sorted blocks: where they lie and how they are read.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::format::frame::{FrameInfo, FrameRef};
use crate::format::header::ObjectHeader;
use crate::format::parser::FrameOpener;
use crate::index::names::checkpoint_part;
use crate::index::table::{Entry, FolderNames, KeyOf, Table};
use crate::object::{self, ObjectReader};

/// Read ahead at most this much when blocks are read one after another.
const READ_AHEAD_BYTES: u64 = 2 << 20;

/// An object that holds blocks: `ckpt/<sequence>` (part 0) or `ckpt/<sequence>.<part>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockObject {
    /// The commit that the checkpoint covers.
    pub sequence: u64,
    /// Which of the checkpoint's objects.
    pub part: u32,
    /// Its header: blocks are then read with one request.
    pub header: ObjectHeader,
    /// Its size.
    pub size_bytes: u64,
}

/// Where a block lies.
#[derive(Clone, Debug)]
pub(crate) enum BlockPlace {
    /// In a checkpoint.
    Stored {
        /// The object.
        object: Arc<BlockObject>,
        /// The frame.
        frame: FrameRef,
    },
    /// In memory, because the log that was read is longer than its checkpoint allows. Compressed.
    Memory(Bytes),
}

/// A block of a table.
#[derive(Clone, Debug)]
pub(crate) struct Block<K> {
    /// Where it lies.
    pub place: BlockPlace,
    /// Entries in it.
    pub entries: u32,
    /// Key of its first entry.
    pub first: K,
    /// Key of its last entry.
    pub last: K,
}

/// Sorted blocks that do not overlap.
#[derive(Debug)]
pub(crate) struct Run<T: Table> {
    /// The blocks, in order.
    pub blocks: Vec<Block<KeyOf<T>>>,
}

impl<T: Table> Run<T> {
    /// Entries in all blocks.
    pub(crate) fn entries(&self) -> u64 {
        self.blocks
            .iter()
            .map(|block| u64::from(block.entries))
            .sum()
    }

    /// True when a block lies in memory only.
    pub(crate) fn is_in_memory(&self) -> bool {
        self.blocks
            .iter()
            .any(|block| matches!(block.place, BlockPlace::Memory(_)))
    }
}

/// Decoded blocks that were used last. One mutex for each: held for a look-up only, never while
/// something is awaited.
#[derive(Debug)]
struct Cache<E> {
    capacity: usize,
    blocks: Mutex<VecDeque<(BlockName, Arc<Vec<E>>)>>,
}

/// Sequence, part and frame number.
type BlockName = (u64, u32, u32);

impl<E> Cache<E> {
    fn new(capacity: usize) -> Self {
        Self {
            capacity,
            blocks: Mutex::default(),
        }
    }

    fn get(&self, name: BlockName) -> Option<Arc<Vec<E>>> {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let index = blocks.iter().position(|(known, _)| *known == name)?;
        let found = blocks.remove(index)?;
        let entries = found.1.clone();
        blocks.push_back(found);
        Some(entries)
    }

    fn put(&self, name: BlockName, entries: Arc<Vec<E>>) {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if blocks.len() >= self.capacity {
            blocks.pop_front();
        }
        blocks.push_back((name, entries));
    }
}

/// Reads blocks. Shared by everything that reads one mailbox's index.
pub(crate) struct BlockReader {
    /// The mailbox.
    pub core: MailboxCore,
    /// The checkpoint that was opened: its end is at hand, and with it the blocks of a small one.
    root: Option<(u64, ObjectReader)>,
    caches: Caches,
}

impl Debug for BlockReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockReader")
            .field("mailbox", &self.core.id)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Caches {
    rows: Cache<crate::index::rows::RowEntry>,
    lookup: Cache<crate::index::tables::lookup::LookupEntry>,
    parts: Cache<crate::index::tables::parts::PartEntry>,
    packs: Cache<crate::index::tables::packs::PackLine>,
    refs: Cache<crate::index::tables::refs::RefEntry>,
    snapshots: Cache<crate::index::commit_info::Snapshot>,
}

/// Finds the cache of a table's blocks.
pub(crate) trait Cached: Table + Sized {
    #[doc(hidden)]
    fn cache(reader: &BlockReader) -> CacheRef<'_, Self::Entry>;
}

/// A cache, seen from outside of this file.
pub(crate) struct CacheRef<'a, E>(&'a Cache<E>);

macro_rules! cached {
    ($($table:ident: $field:ident),*) => {$(
        impl Cached for crate::index::tables::$table {
            fn cache(reader: &BlockReader) -> CacheRef<'_, Self::Entry> {
                CacheRef(&reader.caches.$field)
            }
        }
    )*};
}
cached!(Rows: rows, Lookup: lookup, Parts: parts, Packs: packs, Refs: refs, Snapshots: snapshots);

/// Bytes that were read ahead.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    object: Option<(u64, u32)>,
    start: u64,
    bytes: Bytes,
    /// Blocks to read with the next request; doubles while blocks are read one after another.
    blocks: usize,
}

impl BlockReader {
    /// A reader that reads everything from the store but what `root` has at hand.
    pub(crate) fn new(core: MailboxCore, root: Option<(u64, ObjectReader)>) -> Self {
        Self {
            core,
            root,
            caches: Caches {
                rows: Cache::new(6),
                lookup: Cache::new(16),
                parts: Cache::new(16),
                packs: Cache::new(8),
                refs: Cache::new(4),
                snapshots: Cache::new(4),
            },
        }
    }

    /// One block.
    pub(crate) async fn block<T: Cached>(
        &self,
        folders: &FolderNames,
        block: &Block<KeyOf<T>>,
    ) -> Result<Arc<Vec<T::Entry>>, VaultError> {
        let (object, frame) = match &block.place {
            BlockPlace::Memory(bytes) => return self.memory_block::<T>(folders, bytes, block),
            BlockPlace::Stored { object, frame } => (object, frame),
        };
        let name = (object.sequence, object.part, frame.number);
        let CacheRef(cache) = T::cache(self);
        if let Some(entries) = cache.get(name) {
            return Ok(entries);
        }
        let plain = self.frame::<T>(object, frame).await?;
        let entries = Arc::new(self.decode::<T>(folders, object, &plain, block)?);
        cache.put(name, entries.clone());
        Ok(entries)
    }

    /// The block at `index` of a run that is read from front to back: neighbours come along.
    pub(crate) async fn block_ahead<T: Cached>(
        &self,
        folders: &FolderNames,
        run: &Run<T>,
        index: usize,
        ahead: &mut Ahead,
    ) -> Result<Option<Arc<Vec<T::Entry>>>, VaultError> {
        let Some(block) = run.blocks.get(index) else {
            return Ok(None);
        };
        let BlockPlace::Stored { object, frame } = &block.place else {
            return self.block::<T>(folders, block).await.map(Some);
        };
        let name = (object.sequence, object.part, frame.number);
        let CacheRef(cache) = T::cache(self);
        if let Some(entries) = cache.get(name) {
            return Ok(Some(entries));
        }
        if ahead.blocks == 0 || self.is_at_hand(object) {
            ahead.blocks = 1;
            return self.block::<T>(folders, block).await.map(Some);
        }
        let key = checkpoint_part(&self.core.id, object.sequence, object.part)?;
        if ahead.slice(object, frame).is_none() {
            ahead.blocks = (ahead.blocks * 2).min(64);
            let end = neighbours(run, index, ahead.blocks);
            ahead.bytes =
                object::get_range(&*self.core.ctx.store, &key, frame.offset.into(), end).await?;
            ahead.object = Some((object.sequence, object.part));
            ahead.start = frame.offset.into();
        }
        let stored = ahead
            .slice(object, frame)
            .ok_or_else(|| VaultError::bug("a block was not read ahead"))?;
        let opener = FrameOpener::new(self.core.keys.objects(), &object.header, &key)?;
        let plain = opener.open(T::FRAME, frame, stored)?;
        Ok(Some(Arc::new(
            self.decode::<T>(folders, object, &plain, block)?,
        )))
    }

    fn is_at_hand(&self, object: &BlockObject) -> bool {
        object.part == 0
            && self.root.as_ref().is_some_and(|(sequence, root)| {
                *sequence == object.sequence && root.size_bytes() <= object::SUFFIX_BYTES
            })
    }

    async fn frame<T: Table>(
        &self,
        object: &BlockObject,
        frame: &FrameRef,
    ) -> Result<Bytes, VaultError> {
        let store = &*self.core.ctx.store;
        if let Some((sequence, root)) = &self.root
            && *sequence == object.sequence
            && object.part == 0
        {
            let info = FrameInfo {
                place: *frame,
                kind: T::FRAME,
                content_id: None,
            };
            return root.frame(store, &info).await;
        }
        let key = checkpoint_part(&self.core.id, object.sequence, object.part)?;
        let keys = self.core.keys.objects();
        object::read_frame(store, keys, &object.header, &key, T::FRAME, frame).await
    }

    fn decode<T: Table>(
        &self,
        folders: &FolderNames,
        object: &BlockObject,
        plain: &[u8],
        block: &Block<KeyOf<T>>,
    ) -> Result<Vec<T::Entry>, VaultError> {
        let corrupt = |what: String| {
            checkpoint_part(&self.core.id, object.sequence, object.part)
                .map_or_else(|error| error, |key| VaultError::corrupt(key.as_str(), what))
        };
        let entries = T::decode(plain, folders)
            .map_err(|error| corrupt(format!("a block of {}: {error}", T::NAME)))?;
        check_block::<T>(&entries, block).map_err(|what| corrupt(what.into()))?;
        Ok(entries)
    }

    fn memory_block<T: Table>(
        &self,
        folders: &FolderNames,
        bytes: &Bytes,
        block: &Block<KeyOf<T>>,
    ) -> Result<Arc<Vec<T::Entry>>, VaultError> {
        let plain = zstd::decode_all(&**bytes)
            .map_err(|error| VaultError::bug(format!("a block in memory: {error}")))?;
        let entries = T::decode(&plain, folders)
            .map_err(|error| VaultError::bug(format!("a block in memory: {error}")))?;
        check_block::<T>(&entries, block).map_err(VaultError::bug)?;
        Ok(Arc::new(entries))
    }
}

/// A block must hold what the directory says, or a search in it would miss entries silently.
fn check_block<T: Table>(
    entries: &[T::Entry],
    block: &Block<KeyOf<T>>,
) -> Result<(), &'static str> {
    if u32::try_from(entries.len()) != Ok(block.entries)
        || entries.first().map(Entry::key) != Some(block.first)
        || entries.last().map(Entry::key) != Some(block.last)
    {
        return Err("a block differs from its directory");
    }
    if !entries.is_sorted_by(|a, b| a.key() < b.key()) {
        return Err("a block is not sorted");
    }
    Ok(())
}

impl Ahead {
    fn slice(&self, object: &BlockObject, frame: &FrameRef) -> Option<&[u8]> {
        if self.object != Some((object.sequence, object.part)) {
            return None;
        }
        let start = u64::from(frame.offset).checked_sub(self.start)?;
        let end = frame.end().checked_sub(self.start)?;
        self.bytes
            .get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }
}

/// Where the neighbours of a block end that lie right behind it in the same object.
fn neighbours<T: Table>(run: &Run<T>, index: usize, count: usize) -> u64 {
    let mut blocks = run.blocks.iter().skip(index).take(count.max(1));
    let stored = |block: &Block<KeyOf<T>>| match &block.place {
        BlockPlace::Stored { object, frame } => Some((object.sequence, object.part, *frame)),
        BlockPlace::Memory(_) => None,
    };
    let Some((sequence, part, first)) = blocks.next().and_then(stored) else {
        return 0;
    };
    let start = u64::from(first.offset);
    let mut end = first.end();
    for block in blocks {
        match stored(block) {
            Some((s, p, frame))
                if (s, p) == (sequence, part)
                    && u64::from(frame.offset) == end
                    && frame.end() - start <= READ_AHEAD_BYTES =>
            {
                end = frame.end();
            }
            _ => break,
        }
    }
    end
}
