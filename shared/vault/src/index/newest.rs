//! The newest commit, for whoever writes the next one.

use crate::error::VaultError;
use crate::index::commit_info::Snapshot;
use crate::index::scan;
use crate::index::tables::Snapshots;
use crate::index::writer::MailboxWriter;

impl MailboxWriter {
    /// The newest commit that this writer knows: when it was made, and how its run ended. `None` in
    /// an empty mailbox.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn newest_snapshot(&self) -> Result<Option<Snapshot>, VaultError> {
        let opened = self.opened.read().await;
        let key = opened.index.state.sequence.to_be_bytes();
        let index = &opened.index;
        let newest = index.snapshots.memory.get(&key).cloned();
        let (folders, runs) = (&index.state.folder_names, &index.snapshots.runs);
        scan::get::<Snapshots>(&opened.blocks, folders, newest, runs, &key).await
    }
}
