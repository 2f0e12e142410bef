//! What to restore, and where to.

/// Where restored items go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Below one folder at the top of the mailbox, with the original folders inside. Without a name
    /// it is called after the time, for example `Restored 2026-11-22 10.15`. Giving the name of an
    /// earlier restore's folder goes on with that restore.
    NewFolder {
        /// Its name.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConflictPolicy {
    /// Leave the existing one alone and restore nothing.
    #[default]
    Skip,
    /// Restore beside it.
    Copy,
    /// Restore, and when the new one is complete, move the old one to Deleted Items.
    Replace,
}
