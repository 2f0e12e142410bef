//! Folders of a mailbox.

use serde::{Deserialize, Serialize};

/// A folder's id at the source. Opaque and case-sensitive.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct FolderId(pub String);

impl FolderId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A folder that every mailbox has, whatever its display name in the user's language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WellKnownFolder {
    /// The root of the visible tree.
    Root,
    /// Inbox.
    Inbox,
    /// Sent Items.
    SentItems,
    /// Drafts.
    Drafts,
    /// Deleted Items.
    DeletedItems,
    /// Junk Email.
    JunkEmail,
    /// Outbox.
    Outbox,
    /// The one-click Archive folder (not the In-Place Archive).
    Archive,
    /// Conversation History.
    ConversationHistory,
    /// Sync Issues.
    SyncIssues,
    /// Conflicts, below Sync Issues.
    Conflicts,
    /// Local Failures, below Sync Issues.
    LocalFailures,
    /// Server Failures, below Sync Issues.
    ServerFailures,
    /// Clutter.
    Clutter,
    /// Scheduled.
    Scheduled,
    /// Recoverable Items: Deletions.
    RecoverableItemsDeletions,
    /// The root of Recoverable Items.
    RecoverableItems,
    /// The root of the archive mailbox's visible tree.
    ArchiveMailbox,
    /// The root of the archive mailbox's Recoverable Items.
    ArchiveRecoverableItems,
    /// The first calendar.
    Calendar,
    /// The first folder of contacts.
    Contacts,
    /// The first folder of tasks.
    Tasks,
}

impl WellKnownFolder {
    /// Every well-known folder.
    pub const ALL: [Self; 22] = [
        Self::Root,
        Self::Inbox,
        Self::SentItems,
        Self::Drafts,
        Self::DeletedItems,
        Self::JunkEmail,
        Self::Outbox,
        Self::Archive,
        Self::ConversationHistory,
        Self::SyncIssues,
        Self::Conflicts,
        Self::LocalFailures,
        Self::ServerFailures,
        Self::Clutter,
        Self::Scheduled,
        Self::RecoverableItemsDeletions,
        Self::RecoverableItems,
        Self::ArchiveMailbox,
        Self::ArchiveRecoverableItems,
        Self::Calendar,
        Self::Contacts,
        Self::Tasks,
    ];

    /// Those that Microsoft Graph shows among mail folders.
    pub fn on_graph() -> impl Iterator<Item = Self> {
        let is_beside = |folder: &Self| {
            matches!(
                folder,
                Self::RecoverableItems
                    | Self::ArchiveMailbox
                    | Self::ArchiveRecoverableItems
                    | Self::Calendar
                    | Self::Contacts
                    | Self::Tasks
            )
        };
        Self::ALL
            .into_iter()
            .filter(move |folder| !is_beside(folder))
    }

    /// True for Recoverable Items: their roots, and Deletions where a source shows nothing else.
    #[must_use]
    pub fn is_recoverable(self) -> bool {
        matches!(
            self,
            Self::RecoverableItems
                | Self::RecoverableItemsDeletions
                | Self::ArchiveRecoverableItems
        )
    }

    /// The name that Microsoft Graph and EWS use.
    #[must_use]
    pub fn graph_name(self) -> &'static str {
        match self {
            Self::Root => "msgfolderroot",
            Self::Inbox => "inbox",
            Self::SentItems => "sentitems",
            Self::Drafts => "drafts",
            Self::DeletedItems => "deleteditems",
            Self::JunkEmail => "junkemail",
            Self::Outbox => "outbox",
            Self::Archive => "archive",
            Self::ConversationHistory => "conversationhistory",
            Self::SyncIssues => "syncissues",
            Self::Conflicts => "conflicts",
            Self::LocalFailures => "localfailures",
            Self::ServerFailures => "serverfailures",
            Self::Clutter => "clutter",
            Self::Scheduled => "scheduled",
            Self::RecoverableItemsDeletions => "recoverableitemsdeletions",
            Self::RecoverableItems => "recoverableitemsroot",
            Self::ArchiveMailbox => "archivemsgfolderroot",
            Self::ArchiveRecoverableItems => "archiverecoverableitemsroot",
            Self::Calendar => "calendar",
            Self::Contacts => "contacts",
            Self::Tasks => "tasks",
        }
    }

    /// The well-known folder with this Graph name, if any.
    #[must_use]
    pub fn from_graph_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|folder| folder.graph_name().eq_ignore_ascii_case(name))
    }
}

/// What a folder is for, by the class of its container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FolderKind {
    /// Mail, and everything else that has no kind of its own.
    Mail,
    /// Contacts.
    Contacts,
    /// A calendar.
    Calendar,
    /// Tasks.
    Tasks,
}

impl FolderKind {
    /// What folders of this class are for.
    #[must_use]
    pub fn from_class(class: &str) -> Self {
        let class = class.to_ascii_lowercase();
        let is = |prefix: &str| {
            let rest = class.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        if is("ipf.contact") {
            Self::Contacts
        } else if is("ipf.appointment") {
            Self::Calendar
        } else if is("ipf.task") {
            Self::Tasks
        } else {
            Self::Mail
        }
    }

    /// The folder of this kind that every mailbox has.
    #[must_use]
    pub fn first(self) -> WellKnownFolder {
        match self {
            Self::Mail => WellKnownFolder::Inbox,
            Self::Contacts => WellKnownFolder::Contacts,
            Self::Calendar => WellKnownFolder::Calendar,
            Self::Tasks => WellKnownFolder::Tasks,
        }
    }
}

/// One folder as the source describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// Id at the source.
    pub id: FolderId,
    /// The parent's id; `None` for the root.
    pub parent: Option<FolderId>,
    /// Display name in the user's language; not unique, may contain any character.
    pub name: String,
    /// Which well-known folder it is, if it is one.
    pub well_known: Option<WellKnownFolder>,
    /// Hidden from the user's mail client.
    pub is_hidden: bool,
    /// Container class, for example `IPF.Note`; empty when the source does not tell.
    pub class: String,
    /// Items that the source counts in it; used to prove completeness.
    pub total_items: Option<u64>,
}

/// A folder's display names from the top, for people. `/` inside a name is shown as `\/`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FolderPath(pub Vec<String>);

impl std::fmt::Display for FolderPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("/")?;
            }
            f.write_str(&name.replace('\\', "\\\\").replace('/', "\\/"))?;
        }
        Ok(())
    }
}

impl FolderPath {
    /// Reads a path as [`Display`](std::fmt::Display) writes it.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut names = vec![];
        let mut name = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => name.push(chars.next().unwrap_or('\\')),
                '/' => {
                    if !name.is_empty() {
                        names.push(std::mem::take(&mut name));
                    }
                }
                other => name.push(other),
            }
        }
        if !name.is_empty() {
            names.push(name);
        }
        Self(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn path_survives_writing_and_reading(names in proptest::collection::vec("[^\u{0}]{1,8}", 0..4)) {
            let path = FolderPath(names);
            prop_assert_eq!(FolderPath::parse(&path.to_string()), path);
        }
    }

    #[test]
    fn kinds_follow_from_classes() {
        for (class, kind) in [
            ("", FolderKind::Mail),
            ("IPF.Note", FolderKind::Mail),
            ("IPF.Contact", FolderKind::Contacts),
            ("ipf.contact.Custom", FolderKind::Contacts),
            ("IPF.Contacts", FolderKind::Mail),
            ("IPF.Appointment.Birthday", FolderKind::Calendar),
            ("IPF.Task", FolderKind::Tasks),
        ] {
            assert_eq!(FolderKind::from_class(class), kind, "{class}");
        }
    }

    #[test]
    fn graph_names_are_distinct() {
        for folder in WellKnownFolder::ALL {
            assert_eq!(
                WellKnownFolder::from_graph_name(folder.graph_name()),
                Some(folder)
            );
        }
    }
}
