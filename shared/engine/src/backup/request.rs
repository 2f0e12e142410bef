//! What to back up.

use std::time::Duration;

use chrono::{DateTime, Utc};
use mailkeep_model::filter::{FolderFilter, ItemFilter};
use mailkeep_model::job::ChangeTracking;
use mailkeep_model::{Extent, FolderId, FolderPath, MailboxKind};

/// Which mailboxes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MailboxScope {
    /// Every mailbox that the source lists.
    #[default]
    All,
    /// These, by address (letter case does not matter) or by the source's id.
    Only(Vec<String>),
}

/// A folder that a person chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderPathChoice {
    /// By path from the top; letter case does not matter.
    pub path: FolderPath,
    /// With all folders below it, those that will be made included.
    pub with_subfolders: bool,
}

/// Which folders of each mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FolderScope {
    /// Every visible folder.
    #[default]
    All,
    /// These with all below them, by path from the top (letter case does not matter) or by id. Naming
    /// a hidden folder includes it.
    Only {
        /// By path.
        paths: Vec<FolderPath>,
        /// By the source's id.
        ids: Vec<FolderId>,
    },
    /// These, each with what is below it or without.
    Each(Vec<FolderPathChoice>),
}

/// What a job says about what is taken. A filter governs what is captured, never what is kept.
#[derive(Clone, Debug)]
pub struct CycleRules {
    /// Which folders.
    pub folders: FolderFilter,
    /// Which items.
    pub items: ItemFilter,
    /// How changes are found.
    pub tracking: ChangeTracking,
    /// When the cycle began: ages are counted from it.
    pub cycle_at: DateTime<Utc>,
}

/// One run.
#[derive(Clone, Debug)]
pub struct BackupRequest {
    /// The tenant or server that mailbox ids are unique in.
    pub realm: String,
    /// The connection's name, for the record.
    pub connection: String,
    /// Which mailboxes.
    pub mailboxes: MailboxScope,
    /// Which folders.
    pub folders: FolderScope,
    /// Which public folders, where they are among the mailboxes.
    pub public_folders: FolderScope,
    /// The rules of a job; without them everything in these folders is taken.
    pub rules: Option<CycleRules>,
    /// Folders that the source hides from mail clients are included too. Recoverable Items are
    /// only included when named or in the extent.
    pub include_hidden: bool,
    /// What is taken beside visible folders and the portable form of items.
    pub extent: Extent,
    /// Mailboxes worked on at once.
    pub concurrent_mailboxes: usize,
    /// Items of one mailbox fetched at once.
    pub concurrent_items: usize,
    /// Commit when so many bytes wait.
    pub commit_bytes: u64,
    /// Commit when so much time has passed.
    pub commit_interval: Duration,
}

impl BackupRequest {
    /// Everything of every mailbox, with the usual limits.
    #[must_use]
    pub fn new(realm: impl Into<String>, connection: impl Into<String>) -> Self {
        Self {
            realm: realm.into(),
            connection: connection.into(),
            mailboxes: MailboxScope::All,
            folders: FolderScope::All,
            public_folders: FolderScope::All,
            rules: None,
            include_hidden: false,
            extent: Extent::default(),
            concurrent_mailboxes: 3,
            concurrent_items: 4,
            commit_bytes: 64 * 1024 * 1024,
            commit_interval: Duration::from_secs(60),
        }
    }

    /// What this asks of a mailbox of this kind. Public folders are chosen by themselves; what a job
    /// says about folders of mailboxes does not concern them.
    pub(super) fn for_kind(&self, kind: MailboxKind) -> Self {
        let mut request = self.clone();
        if kind == MailboxKind::PublicFolders {
            request.folders = self.public_folders.clone();
            if let Some(rules) = &mut request.rules {
                rules.folders = FolderFilter::default();
            }
        }
        request
    }
}
