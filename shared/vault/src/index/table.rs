//! Sorted tables: what all parts of the index have in common.
//!
//! A table is a memory part (commits since the last checkpoint) over runs of sorted blocks (from
//! checkpoints), newest last. An entry of a newer part is laid over an older entry of the same key.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use mailkeep_model::FolderId;

use crate::format::frame::FrameKind;
use crate::index::block::Run;
use crate::index::rows::column::Malformed;

/// Entries per block. Few in tests, so that small mailboxes have many blocks.
pub(crate) const BLOCK_ENTRIES: usize = if cfg!(test) { 8 } else { 2048 };

/// A block is closed earlier when its entries take this much memory.
pub(crate) const BLOCK_WEIGHT_BYTES: usize = 2 << 20;

/// Gives the id of a folder's number.
pub(crate) type FolderNames = Arc<BTreeMap<u32, FolderId>>;

/// An entry of a table.
pub(crate) trait Entry: Clone + Debug + Send + Sync + 'static {
    /// What sorts it: bytes, compared bytewise.
    type Key: Copy + Ord + Debug + AsRef<[u8]> + Send + Sync + 'static;

    /// Reads a key back.
    fn parse_key(bytes: &[u8]) -> Option<Self::Key>;

    /// Its key.
    fn key(&self) -> Self::Key;

    /// This entry laid over an older one of the same key.
    #[must_use]
    fn overlay(self, older: Self) -> Self;

    /// True when older entries of the same key add nothing.
    fn is_whole(&self) -> bool {
        true
    }

    /// True for a tombstone: the table has nothing at this key any more. Readers never see one; it is
    /// kept as long as older runs lie below it.
    fn is_dropped(&self) -> bool {
        false
    }

    /// Memory that it takes, roughly.
    fn weight_bytes(&self) -> usize;
}

/// A kind of table.
pub(crate) trait Table: 'static {
    /// Its entries.
    type Entry: Entry;
    /// The kind of its blocks' frames.
    const FRAME: FrameKind;
    /// What it holds, for error messages.
    const NAME: &'static str;

    /// A block's bytes.
    fn encode(entries: &[Self::Entry]) -> Vec<u8>;

    /// A block's entries.
    fn decode(bytes: &[u8], folders: &FolderNames) -> Result<Vec<Self::Entry>, Malformed>;
}

/// The key of a table's entries.
pub(crate) type KeyOf<T> = <<T as Table>::Entry as Entry>::Key;

/// A table as it is right now.
#[derive(Debug)]
pub(crate) struct Lsm<T: Table> {
    /// What is in no run yet.
    pub memory: BTreeMap<KeyOf<T>, T::Entry>,
    /// Memory that `memory` takes, roughly.
    pub memory_bytes: usize,
    /// Runs, oldest first.
    pub runs: Vec<Arc<Run<T>>>,
}

impl<T: Table> Default for Lsm<T> {
    fn default() -> Self {
        Self {
            memory: BTreeMap::new(),
            memory_bytes: 0,
            runs: vec![],
        }
    }
}

impl<T: Table> Lsm<T> {
    /// Adds an entry that is newer than everything in the table.
    pub(crate) fn insert(&mut self, entry: T::Entry) {
        let key = entry.key();
        let entry = match self.memory.remove(&key) {
            None => entry,
            Some(older) => {
                self.memory_bytes = self.memory_bytes.saturating_sub(older.weight_bytes());
                entry.overlay(older)
            }
        };
        self.memory_bytes += entry.weight_bytes();
        self.memory.insert(key, entry);
    }
}
