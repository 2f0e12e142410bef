//! What to restore, and where to.

use mailkeep_model::{FolderPath, SourceMailboxId};
use mailkeep_vault::MailboxId;
use serde::{Deserialize, Serialize};

use crate::Selection;

/// Where restored items go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "place", rename_all = "snake_case")]
pub enum Placement {
    /// Below one folder at the top of the mailbox, with the original folders inside. Without a name
    /// it is called after the time, for example `Restored 2026-11-22 10.15`. Giving the name of an
    /// earlier restore's folder goes on with that restore.
    NewFolder {
        /// Its name.
        #[serde(default)]
        name: Option<String>,
    },
    /// Into the folders that the items came from; missing ones are created.
    Original,
}

impl Default for Placement {
    fn default() -> Self {
        Self::NewFolder { name: None }
    }
}

/// What to do with an item that the target folder holds already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictPolicy {
    /// Leave the existing one alone and restore nothing.
    #[default]
    Skip,
    /// Restore beside it.
    Copy,
    /// Restore, and when the new one is complete, move the old one to Deleted Items.
    Replace,
}

/// One restore.
#[derive(Clone, Debug)]
pub struct RestoreRequest {
    /// The mailbox in the vault to restore from.
    pub mailbox: MailboxId,
    /// The restore point: `latest`, a run's id, a commit's number or a time
    /// (see [`browse::open`](crate::browse::open)).
    pub snapshot: String,
    /// Which items.
    pub selection: Selection,
    /// The mailbox at the target.
    pub target: SourceMailboxId,
    /// Where in it.
    pub placement: Placement,
    /// Below this folder of the target instead of at the top; missing folders are created. For
    /// [`Placement::NewFolder`].
    pub below: FolderPath,
    /// What to do about items that are there.
    pub on_conflict: ConflictPolicy,
    /// Items created at once.
    pub concurrent_items: usize,
    /// Whether items are made from Exchange's own lossless form, where it was kept and the target
    /// takes it.
    pub use_export_streams: bool,
}

impl RestoreRequest {
    /// The whole mailbox as it is now, into a new folder.
    #[must_use]
    pub fn new(mailbox: MailboxId, target: SourceMailboxId) -> Self {
        Self {
            mailbox,
            snapshot: "latest".into(),
            selection: Selection::default(),
            target,
            placement: Placement::default(),
            below: FolderPath::default(),
            on_conflict: ConflictPolicy::default(),
            concurrent_items: 4,
            use_export_streams: true,
        }
    }
}
