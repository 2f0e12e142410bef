//! Items that a filter left out.

use chrono::{DateTime, Utc};
use mailkeep_model::{FolderId, ItemId};

/// An item that a filter left out and that may qualify later although it does not change: a source
/// names an item only when it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The item at the source.
    pub item: ItemId,
    /// Its folder.
    pub folder: FolderId,
    /// From then on it is asked about again.
    pub recheck_at: DateTime<Utc>,
}
