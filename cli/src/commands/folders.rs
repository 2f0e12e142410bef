//! Folder paths by id.

use std::collections::HashMap;

use mailkeep_model::FolderId;
use mailkeep_vault::MailboxView;

/// The folders of a mailbox at one time, by id.
pub(super) struct FolderNames(HashMap<FolderId, String>);

impl FolderNames {
    /// The folders of this view, removed ones included.
    pub(super) fn of(view: &MailboxView) -> Self {
        let folders = view.folders().iter();
        let named = folders.map(|stored| (stored.folder.id.clone(), stored.path.to_string()));
        Self(named.collect())
    }

    /// The path, or `?` for a folder that is not known.
    pub(super) fn path(&self, id: &FolderId) -> String {
        self.0.get(id).cloned().unwrap_or_else(|| "?".to_owned())
    }
}
