//! The folders that mailboxes on Exchange have beside those of mail, and the tree of public folders.

use super::folders::{ROOT, column_of, new_folder};
use super::mailbox::Mailbox;
use crate::numbers::narrow;

/// Well-known name, class, and the display name in English, German, French and Japanese.
type Special = (&'static str, &'static str, [&'static str; 4]);

/// Folders of contacts, events and tasks, which every mailbox has.
const ORGANIZER: &[Special] = &[
    (
        "calendar",
        "IPF.Appointment",
        ["Calendar", "Kalender", "Calendrier", "予定表"],
    ),
    (
        "contacts",
        "IPF.Contact",
        ["Contacts", "Kontakte", "Contacts", "連絡先"],
    ),
    (
        "tasks",
        "IPF.Task",
        ["Tasks", "Aufgaben", "Tâches", "タスク"],
    ),
];

/// Others that mailboxes on Exchange show.
const SPECIAL: &[Special] = &[
    (
        "notes",
        "IPF.StickyNote",
        ["Notes", "Notizen", "Notes", "メモ"],
    ),
    (
        "journal",
        "IPF.Journal",
        ["Journal", "Journal", "Journal", "履歴"],
    ),
];

/// Roots beside the visible tree: well-known name, display name, children.
type Tree = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

const ARCHIVE: &[Tree] = &[
    ("archiveroot", "", &[]),
    (
        "archivemsgfolderroot",
        "Top of Information Store",
        &[
            ("archivedeleteditems", "Deleted Items"),
            ("archiveinbox", "Inbox"),
        ],
    ),
    (
        "archiverecoverableitemsroot",
        "Recoverable Items",
        &[
            ("archiverecoverableitemsdeletions", "Deletions"),
            ("archiverecoverableitemspurges", "Purges"),
            ("archiverecoverableitemsversions", "Versions"),
        ],
    ),
];

/// Public folders: path of the parent, name, class, whether access is denied, content mailbox.
type Public = (&'static str, &'static str, &'static str, bool, u32);

const PUBLIC: &[Public] = &[
    ("", "Company", "IPF.Note", false, 0),
    ("Company", "Announcements", "IPF.Note", false, 0),
    ("Company", "Sales / EMEA", "IPF.Note", false, 1),
    (
        "Company/Sales / EMEA",
        "Größere Kunden",
        "IPF.Note",
        false,
        1,
    ),
    ("Company", "Holidays", "IPF.Appointment", false, 1),
    ("Company", "Suppliers", "IPF.Contact", false, 0),
    ("Company", "Board", "IPF.Note", true, 0),
];

impl Mailbox {
    /// Adds the folders of contacts, events and tasks.
    pub(crate) fn add_organizer_folders(&mut self) {
        let column = column_of(self.number);
        for (known, class, names) in ORGANIZER {
            let name = names.get(column).copied().unwrap_or(known);
            self.add_special(name, Some(ROOT), known, class, false);
        }
    }

    /// Adds what a mailbox on Exchange has beside folders of mail.
    pub(crate) fn add_exchange_folders(&mut self) {
        let column = column_of(self.number);
        self.add_special("", None, "root", "", true);
        for (known, class, names) in SPECIAL {
            let name = names.get(column).copied().unwrap_or(known);
            self.add_special(name, Some(ROOT), known, class, false);
        }
        for (known, name, children) in ARCHIVE {
            let root = self.add_special(name, None, known, "", true);
            for (known, name) in *children {
                self.add_special(name, Some(root), known, "IPF.Note", false);
            }
        }
        if let Some(archive) = self.well_known("archiveinbox") {
            self.add_special("2019 – älter", Some(archive), "", "IPF.Note", false);
        }
    }

    /// Makes this mailbox the tree of public folders.
    pub(crate) fn make_public(&mut self, content_mailboxes: u32) {
        for folder in &mut self.folders {
            folder.is_deleted = true;
        }
        let root = self.add_special("", None, "publicfoldersroot", "", true);
        for (path, name, class, is_denied, content_mailbox) in PUBLIC {
            let parent = path.split_terminator('/').collect::<Vec<_>>().join("/");
            let parent = self.public_folder(root, &parent).unwrap_or(root);
            let number = self.add_special(name, Some(parent), "", class, false);
            if let Some(folder) = self.folders.last_mut() {
                folder.is_denied = *is_denied;
                folder.content_mailbox =
                    (*content_mailbox).min(content_mailboxes.saturating_sub(1));
            }
            debug_assert!(self.folder(number).is_some());
        }
    }

    /// A public folder by its path, whose names may hold slashes.
    fn public_folder(&self, parent: u32, path: &str) -> Option<u32> {
        if path.is_empty() {
            return Some(parent);
        }
        self.children(parent).find_map(|child| {
            let name = &self.folder(child)?.name;
            let rest = path.strip_prefix(name.as_str())?;
            match rest.strip_prefix('/') {
                Some(rest) => self.public_folder(child, rest),
                None if rest.is_empty() => Some(child),
                None => None,
            }
        })
    }

    fn add_special(
        &mut self,
        name: &str,
        parent: Option<u32>,
        known: &'static str,
        class: &str,
        is_hidden: bool,
    ) -> u32 {
        let number = narrow(self.folders.len());
        let mut folder = new_folder(self.key, number, name, parent);
        folder.well_known = (!known.is_empty()).then_some(known);
        folder.class = class.to_owned();
        folder.is_hidden = is_hidden;
        self.folder_numbers.insert(folder.id.clone(), number);
        self.folders.push(folder);
        number
    }
}
