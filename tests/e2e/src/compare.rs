//! What the tenant holds and what the vault holds, in one form that can be compared.

use std::collections::BTreeMap;

use exchange_sim::Admin;
use futures::TryStreamExt;
use mailkeep_content::{PlaceholderMime, canonical_digest};
use mailkeep_model::{FlagStatus, WellKnownFolder};
use mailkeep_vault::{ItemFilter, ItemVersion, MailboxView};

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailFacts {
    /// The folder's id.
    pub folder: String,
    /// The subject.
    pub subject: String,
    /// `Message-ID`.
    pub message_id: String,
    /// Received.
    pub received: String,
    /// Read.
    pub is_read: bool,
    /// Flagged.
    pub is_flagged: bool,
    /// A draft.
    pub is_draft: bool,
    /// Categories.
    pub categories: Vec<String>,
    /// Digest of the bytes.
    pub exact: [u8; 32],
    /// Digest of what the message says.
    pub canonical: [u8; 32],
}

/// One mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailboxFacts {
    /// Path by folder id.
    pub folders: BTreeMap<String, String>,
    /// Items by id.
    pub items: BTreeMap<String, MailFacts>,
}

impl MailboxFacts {
    /// Fails at the first difference from the truth. Bytes are compared where the tenant gives the
    /// same ones at every read.
    #[track_caller]
    pub fn expect(&self, truth: &Truth, what: &str) {
        let wanted = &truth.facts.folders;
        let differing: Vec<_> = self
            .folders
            .iter()
            .filter(|(id, path)| wanted.get(*id) != Some(path))
            .collect();
        let missing: Vec<_> = wanted
            .iter()
            .filter(|(id, _)| !self.folders.contains_key(*id))
            .collect();
        assert!(
            differing.is_empty() && missing.is_empty(),
            "{what}: folders that differ: {differing:?}, that are missing: {missing:?}"
        );
        for (id, wanted) in &truth.facts.items {
            let Some(found) = self.items.get(id) else {
                panic!(
                    "{what}: missing {id} of {}: {wanted:?}",
                    truth.facts.folders[&wanted.folder]
                );
            };
            let mut found = found.clone();
            if !truth.exact.contains(id) {
                found.exact = wanted.exact;
            }
            assert_eq!(&found, wanted, "{what}: item {id}");
        }
        for (id, found) in &self.items {
            assert!(
                truth.facts.items.contains_key(id),
                "{what}: not at the tenant: {found:?}"
            );
        }
    }
}

/// The truth about one mailbox.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// What is there.
    pub facts: MailboxFacts,
    /// Items whose bytes are the same at every read.
    pub exact: std::collections::BTreeSet<String>,
}

/// Digests of a message: of its bytes, and of what it says.
#[must_use]
pub fn digest(bytes: &[u8]) -> ([u8; 32], [u8; 32]) {
    let exact = *blake3::hash(bytes).as_bytes();
    let (mut message, parts) = PlaceholderMime::split(bytes);
    let indexes: Vec<usize> = message.parts().iter().map(|part| part.index).collect();
    for index in indexes {
        message.inline(index, &parts[index]);
    }
    (exact, canonical_digest(&message))
}

/// What the tenant holds in visible folders, and in hidden ones if wanted. Items in Recoverable
/// Items and search folders are not part of a mailbox's backup.
#[must_use]
pub fn truth(admin: &Admin, mailbox: &str, with_hidden: bool) -> Truth {
    let all = admin.folders(mailbox).unwrap();
    let by_id: BTreeMap<_, _> = all.iter().map(|folder| (&folder.id, folder)).collect();
    let line_of = |id: &String| {
        let above = |folder: &&exchange_sim::admin::FolderTruth| {
            folder.parent.as_ref().and_then(|id| by_id.get(id).copied())
        };
        let mut line: Vec<_> = std::iter::successors(by_id.get(id).copied(), above).collect();
        line.reverse();
        line
    };
    let mut found = Truth::default();
    for folder in &all {
        let line = line_of(&folder.id);
        let is_apart = line.iter().any(|folder| {
            let name = folder.well_known.unwrap_or_default();
            folder.is_search || name.starts_with("recoverableitems") || name == "searchfolders"
        });
        if is_apart || (folder.is_hidden && !with_hidden) {
            continue;
        }
        let names: Vec<_> = line.iter().map(|folder| folder.name.as_str()).collect();
        found
            .facts
            .folders
            .insert(folder.id.clone(), names.join("/"));
    }
    for item in admin.items(mailbox).unwrap() {
        if !found.facts.folders.contains_key(&item.folder) {
            continue;
        }
        let (exact, canonical) = digest(&admin.raw(mailbox, &item.id).unwrap());
        if item.is_exact {
            found.exact.insert(item.id.clone());
        }
        let facts = MailFacts {
            folder: item.folder,
            subject: item.subject,
            message_id: item.internet_message_id.unwrap_or_default(),
            received: item.received,
            is_read: item.is_read,
            is_flagged: item.is_flagged,
            is_draft: item.is_draft,
            categories: item.categories,
            exact,
            canonical,
        };
        found.facts.items.insert(item.id, facts);
    }
    found
}

/// What the vault holds.
pub async fn stored(view: &MailboxView, with_hidden: bool) -> MailboxFacts {
    let mut found = MailboxFacts::default();
    for stored in view.folders() {
        let is_apart = matches!(
            stored.folder.well_known,
            Some(WellKnownFolder::Root | WellKnownFolder::RecoverableItemsDeletions)
        );
        if stored.deleted || is_apart || (stored.folder.is_hidden && !with_hidden) {
            continue;
        }
        let path = stored.path.0.join("/");
        found.folders.insert(stored.folder.id.0.clone(), path);
    }
    let mut after = None;
    loop {
        let filter = ItemFilter::default();
        let page = view.items(&filter, after.as_ref(), 200).await.unwrap();
        for version in page.items {
            let facts = facts(view, &version).await;
            let again = found.items.insert(version.item.id.0.clone(), facts);
            assert!(again.is_none(), "listed twice: {}", version.key);
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
}

async fn facts(view: &MailboxView, version: &ItemVersion) -> MailFacts {
    let reader = view.content(version).await.unwrap();
    let pieces: Vec<_> = reader.mime().try_collect().await.unwrap();
    let (exact, canonical) = digest(&pieces.concat());
    let item = version.item.clone();
    MailFacts {
        folder: item.folder.0,
        subject: item.subject,
        message_id: item.internet_message_id,
        received: item.received_at.map_or_else(String::new, |at| {
            at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
        }),
        is_read: item.is_read,
        is_flagged: item.flag.status == FlagStatus::Flagged,
        is_draft: item.is_draft,
        categories: item.categories,
        exact,
        canonical,
    }
}
