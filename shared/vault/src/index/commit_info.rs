//! What a commit is told and what it answers.

use mailkeep_model::{FolderId, Item, RunId};

use crate::index::rows::hash::item_hash;
pub use crate::index::tables::snapshots::{EndOfRun, IndexCounts, Snapshot};

/// What a commit says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitInfo {
    /// The run that makes it.
    pub run: RunId,
    /// Set on the last commit of a run in this mailbox.
    pub end: Option<EndOfRun>,
}

/// A commit that is durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Its number; 0 when there was nothing to commit and the mailbox is empty.
    pub sequence: u64,
    /// Bytes that were written since the commit before: packs, segment, checkpoint.
    pub bytes_stored: u64,
    /// Requests that writing them took.
    pub requests: u64,
}

/// What a writer knows of an item without reading its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The folder that it is in.
    pub folder: FolderId,
    /// Fingerprint of its metadata.
    pub(crate) hash: u64,
}

impl Known {
    /// True when the stored metadata equals that of `item` in every field.
    #[must_use]
    pub fn is_same_version(&self, item: &Item) -> bool {
        self.hash == item_hash(item)
    }
}
