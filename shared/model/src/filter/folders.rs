//! Folders that a job takes. Folders are known by their ids, special ones by what they are, never by
//! names, which are in the user's language.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::{FieldErrors, Folder, FolderId, WellKnownFolder};

/// A folder that a person did not make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum SpecialFolder {
    Inbox,
    SentItems,
    Drafts,
    DeletedItems,
    JunkEmail,
    Outbox,
    Archive,
    ConversationHistory,
    SyncIssues,
    Clutter,
    Scheduled,
    RecoverableItems,
    /// The archive mailbox, all of it.
    ArchiveMailbox,
    /// RSS feeds. The source has no name for it; it is known by its container class.
    RssFeeds,
}

/// The container class of RSS folders.
const RSS_CLASS: &str = "IPF.Note.OutlookHomepage";

impl SpecialFolder {
    /// Every special folder.
    pub const ALL: [Self; 14] = [
        Self::Inbox,
        Self::SentItems,
        Self::Drafts,
        Self::DeletedItems,
        Self::JunkEmail,
        Self::Outbox,
        Self::Archive,
        Self::ConversationHistory,
        Self::SyncIssues,
        Self::Clutter,
        Self::Scheduled,
        Self::RecoverableItems,
        Self::ArchiveMailbox,
        Self::RssFeeds,
    ];

    /// True when that is what the folder is.
    #[must_use]
    pub fn is(self, folder: &Folder) -> bool {
        use WellKnownFolder as W;
        let known: &[W] = match self {
            Self::Inbox => &[W::Inbox],
            Self::SentItems => &[W::SentItems],
            Self::Drafts => &[W::Drafts],
            Self::DeletedItems => &[W::DeletedItems],
            Self::JunkEmail => &[W::JunkEmail],
            Self::Outbox => &[W::Outbox],
            Self::Archive => &[W::Archive],
            Self::ConversationHistory => &[W::ConversationHistory],
            Self::SyncIssues => &[
                W::SyncIssues,
                W::Conflicts,
                W::LocalFailures,
                W::ServerFailures,
            ],
            Self::Clutter => &[W::Clutter],
            Self::Scheduled => &[W::Scheduled],
            Self::RecoverableItems => &[
                W::RecoverableItems,
                W::RecoverableItemsDeletions,
                W::ArchiveRecoverableItems,
            ],
            Self::ArchiveMailbox => &[W::ArchiveMailbox, W::ArchiveRecoverableItems],
            Self::RssFeeds => return folder.class.eq_ignore_ascii_case(RSS_CLASS),
        };
        folder.well_known.is_some_and(|is| known.contains(&is))
    }
}

/// One folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FolderRef {
    /// By its id, in the one mailbox that has it.
    Id(FolderId),
    /// By what it is, in every mailbox.
    Special(SpecialFolder),
}

impl FolderRef {
    fn is(&self, folder: &Folder) -> bool {
        match self {
            Self::Id(id) => *id == folder.id,
            Self::Special(special) => special.is(folder),
        }
    }
}

/// A folder that a person chose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FolderChoice {
    /// Which one.
    pub folder: FolderRef,
    /// Also all folders below it, those that there are and those that will be.
    #[serde(default)]
    pub with_subfolders: bool,
}

/// The folders that a job takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct FolderFilter {
    /// Left out with all that is below them, also when chosen.
    pub exclude: BTreeSet<SpecialFolder>,
    /// Only these; everything when missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<FolderChoice>>,
}

impl FolderFilter {
    /// What is wrong with it.
    #[must_use]
    pub fn problems(&self) -> FieldErrors {
        let mut errors = FieldErrors::default();
        let choices = self.only.as_deref().unwrap_or_default();
        errors.require(
            self.only.is_none() || !choices.is_empty(),
            "only",
            "empty, so nothing would be backed up; name folders or leave it out",
        );
        for (index, choice) in choices.iter().enumerate() {
            if let FolderRef::Special(special) = &choice.folder {
                errors.require(
                    !self.exclude.contains(special),
                    &format!("only[{index}].folder"),
                    "also listed in exclude",
                );
            }
        }
        errors
    }

    /// The folders of a mailbox that the job takes, in the order of the tree.
    ///
    /// Asked anew with the tree of each cycle, so that folders made meanwhile are in it.
    #[must_use]
    pub fn chosen<'a>(&self, tree: &'a [Folder]) -> Vec<&'a FolderId> {
        let by_id: HashMap<_, _> = tree.iter().map(|folder| (&folder.id, folder)).collect();
        let mut verdicts = HashMap::with_capacity(tree.len());
        for folder in tree {
            self.judge(folder, &by_id, &mut verdicts);
        }
        let is_taken = |id| {
            verdicts
                .get(id)
                .is_some_and(|verdict: &Verdict| verdict.is_taken)
        };
        tree.iter()
            .map(|folder| &folder.id)
            .filter(|id| is_taken(*id))
            .collect()
    }

    /// Notes the verdicts of a folder and those above it. Each folder is judged once; a circle of
    /// parents, which no sound tree has, ends where it meets itself.
    fn judge<'a>(
        &self,
        folder: &'a Folder,
        by_id: &HashMap<&'a FolderId, &'a Folder>,
        verdicts: &mut HashMap<&'a FolderId, Verdict>,
    ) {
        let mut chain = vec![];
        let mut next = Some(folder);
        while let Some(folder) = next {
            if verdicts.contains_key(&folder.id) || chain.len() > by_id.len() {
                break;
            }
            chain.push(folder);
            next = folder
                .parent
                .as_ref()
                .and_then(|parent| by_id.get(parent).copied());
        }
        for folder in chain.into_iter().rev() {
            let parent = folder
                .parent
                .as_ref()
                .and_then(|parent| verdicts.get(parent))
                .copied();
            let verdict = self.verdict(folder, parent.unwrap_or_default());
            verdicts.insert(&folder.id, verdict);
        }
    }

    fn verdict(&self, folder: &Folder, parent: Verdict) -> Verdict {
        let is_excluded =
            parent.is_excluded || self.exclude.iter().any(|special| special.is(folder));
        let choices = self.only.as_deref().unwrap_or_default();
        let mut fitting = choices
            .iter()
            .filter(|choice| choice.folder.is(folder))
            .peekable();
        let is_chosen = self.only.is_none() || parent.takes_below || fitting.peek().is_some();
        Verdict {
            is_taken: is_chosen && !is_excluded,
            is_excluded,
            takes_below: parent.takes_below || fitting.any(|choice| choice.with_subfolders),
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Verdict {
    is_taken: bool,
    is_excluded: bool,
    takes_below: bool,
}
