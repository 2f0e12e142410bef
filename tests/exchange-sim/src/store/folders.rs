//! The folders that a mailbox starts with.

use super::ids;
use crate::content::draw::Draw;
use crate::content::plan::home_language;
use crate::content::words::{DEPARTMENTS, Language, subject};

/// A mail folder.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Number of the parent; `None` for a root.
    pub(crate) parent: Option<u32>,
    pub(crate) well_known: Option<&'static str>,
    pub(crate) is_hidden: bool,
    pub(crate) is_search: bool,
    pub(crate) is_deleted: bool,
    /// Number of the last change.
    pub(crate) change: u64,
    pub(crate) total: u32,
    pub(crate) unread: u32,
    /// Rises when the delta tokens of this folder are made useless.
    pub(crate) token_epoch: u32,
    /// Class of its container, for example `IPF.Note`.
    pub(crate) class: String,
    /// Number of the change that made it.
    pub(crate) created: u64,
    /// Nobody but administrators may open it.
    pub(crate) is_denied: bool,
    /// Which of the public folder mailboxes holds its items.
    pub(crate) content_mailbox: u32,
}

/// Well-known name, hidden, and the display name in English, German, French and Japanese.
type WellKnown = (&'static str, bool, [&'static str; 4]);

const WELL_KNOWN: &[WellKnown] = &[
    (
        "inbox",
        false,
        ["Inbox", "Posteingang", "Boîte de réception", "受信トレイ"],
    ),
    (
        "sentitems",
        false,
        [
            "Sent Items",
            "Gesendete Elemente",
            "Éléments envoyés",
            "送信済みアイテム",
        ],
    ),
    (
        "drafts",
        false,
        ["Drafts", "Entwürfe", "Brouillons", "下書き"],
    ),
    (
        "deleteditems",
        false,
        [
            "Deleted Items",
            "Gelöschte Elemente",
            "Éléments supprimés",
            "削除済みアイテム",
        ],
    ),
    (
        "junkemail",
        false,
        [
            "Junk Email",
            "Junk-E-Mail",
            "Courrier indésirable",
            "迷惑メール",
        ],
    ),
    (
        "archive",
        false,
        ["Archive", "Archiv", "Archive", "アーカイブ"],
    ),
    (
        "outbox",
        false,
        ["Outbox", "Postausgang", "Boîte d'envoi", "送信トレイ"],
    ),
    (
        "conversationhistory",
        false,
        [
            "Conversation History",
            "Unterhaltungsverlauf",
            "Historique des conversations",
            "会話の履歴",
        ],
    ),
    (
        "scheduled",
        true,
        ["Scheduled", "Geplant", "Planifié", "スケジュール済み"],
    ),
    (
        "syncissues",
        true,
        [
            "Sync Issues",
            "Synchronisierungsprobleme",
            "Problèmes de synchronisation",
            "同期の失敗",
        ],
    ),
    (
        "clutter",
        true,
        ["Clutter", "Clutter", "Courrier pêle-mêle", "低優先メール"],
    ),
];

/// Children of the hidden sync issues folder.
const SYNC_ISSUES: &[WellKnown] = &[
    (
        "conflicts",
        true,
        ["Conflicts", "Konflikte", "Conflits", "競合"],
    ),
    (
        "localfailures",
        true,
        [
            "Local Failures",
            "Lokale Fehler",
            "Défaillances locales",
            "ローカルの失敗",
        ],
    ),
    (
        "serverfailures",
        true,
        [
            "Server Failures",
            "Serverfehler",
            "Défaillances du serveur",
            "サーバーの失敗",
        ],
    ),
];

/// Names that folders of people have, plain and awkward.
const NAMES: &[&str] = &[
    "Projekte / 2026",
    "O'Brien \"quoted\"",
    "🚀 Launch",
    "Kunden",
    "Ünïcode – Größe",
    "日本の顧客",
    "a",
    "CON",
    "..",
    " leading space",
    "100% (done)",
    "very long folder name that goes on and on until it reaches a length that few people would choose",
    "back\\slash",
    "Faktury",
    "<tags> & co",
    "Inbox",
];

/// Number of the root of the visible tree.
pub(crate) const ROOT: u32 = 0;

/// The column of the language that a mailbox's own folders are named in.
pub(super) fn column_of(number: u32) -> usize {
    match home_language(number) {
        Language::German => 1,
        Language::French => 2,
        Language::Japanese => 3,
        _ => 0,
    }
}

/// The folders of a fresh mailbox; `extra` ones are added below them.
pub(crate) fn initial(mailbox: u64, number: u32, seed: u64, extra: u32) -> Vec<Folder> {
    let column = column_of(number);
    let mut all = Builder {
        mailbox,
        folders: Vec::new(),
    };
    all.add(
        "Top of Information Store",
        None,
        Some("msgfolderroot"),
        true,
    );
    let mut sync_issues = ROOT;
    let mut inbox = ROOT;
    for (name, hidden, display) in WELL_KNOWN {
        let display = display.get(column).copied().unwrap_or(name);
        let added = all.add(display, Some(ROOT), Some(name), *hidden);
        match *name {
            "syncissues" => sync_issues = added,
            "inbox" => inbox = added,
            _ => {}
        }
    }
    for (name, hidden, display) in SYNC_ISSUES {
        let display = display.get(column).copied().unwrap_or(name);
        all.add(display, Some(sync_issues), Some(name), *hidden);
    }
    let recoverable = all.add(
        "Recoverable Items",
        None,
        Some("recoverableitemsroot"),
        true,
    );
    for (name, known) in [
        ("Deletions", "recoverableitemsdeletions"),
        ("Purges", "recoverableitemspurges"),
        ("Versions", "recoverableitemsversions"),
        ("DiscoveryHolds", "recoverableitemsdiscoveryholds"),
    ] {
        all.add(name, Some(recoverable), Some(known), true);
    }
    let finder = all.add("Finder", None, Some("searchfolders"), true);
    all.add("All unread", Some(finder), None, true);
    let search = all.add("Wichtige Suche", Some(ROOT), None, false);
    if let Some(folder) = all.folders.last_mut() {
        folder.is_search = true;
    }
    let _ = search;
    all.add_user_folders(inbox, seed, number, extra);
    all.folders
}

struct Builder {
    mailbox: u64,
    folders: Vec<Folder>,
}

impl Builder {
    fn add(
        &mut self,
        name: &str,
        parent: Option<u32>,
        well_known: Option<&'static str>,
        is_hidden: bool,
    ) -> u32 {
        let number = crate::numbers::narrow(self.folders.len());
        let mut folder = new_folder(self.mailbox, number, name, parent);
        folder.well_known = well_known;
        folder.is_hidden = is_hidden;
        self.folders.push(folder);
        number
    }

    fn add_user_folders(&mut self, inbox: u32, seed: u64, number: u32, extra: u32) {
        let mut draw = Draw::new(&[seed, u64::from(number), 0x666f_6c64]);
        let mut parents = vec![ROOT, inbox];
        for n in 0..extra {
            let parent = if n > 2 && n < 12 && n % 4 != 0 {
                // A chain of folders, to have some depth.
                parents.last().copied().unwrap_or(ROOT)
            } else {
                let choice = draw.below(crate::numbers::wide(parents.len()));
                parents
                    .get(crate::numbers::index(choice))
                    .copied()
                    .unwrap_or(ROOT)
            };
            let base = match NAMES.get(crate::numbers::index(u64::from(n))) {
                Some(name) => (*name).to_owned(),
                None if draw.one_in(4) => draw.word(DEPARTMENTS).to_owned(),
                None => subject(&mut draw, home_language(number)),
            };
            let name = self.free_name(parent, base, n);
            parents.push(self.add(&name, Some(parent), None, false));
        }
    }

    fn free_name(&self, parent: u32, name: String, n: u32) -> String {
        let is_taken = self.folders.iter().any(|folder| {
            folder.parent == Some(parent) && folder.name.to_lowercase() == name.to_lowercase()
        });
        if is_taken {
            format!("{name} {n}")
        } else {
            name
        }
    }
}

/// A folder as it is just after creation.
pub(crate) fn new_folder(mailbox: u64, number: u32, name: &str, parent: Option<u32>) -> Folder {
    Folder {
        id: ids::folder(mailbox, number),
        name: name.to_owned(),
        parent,
        well_known: None,
        is_hidden: false,
        is_search: false,
        is_deleted: false,
        change: 1,
        total: 0,
        unread: 0,
        token_epoch: 0,
        class: "IPF.Note".to_owned(),
        created: 1,
        is_denied: false,
        content_mailbox: 0,
    }
}
