//! A source of any number of mailboxes that takes no memory for their mail: what it holds follows from counts.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_exchange::{
    ChangePage, Cursor, FolderChanges, FolderCursor, ItemChange, ItemContent, MailboxPage,
    PermissionCheck, Source, SourceError, SourceItem, SourceMetrics, SyncRequest, SyncRound,
};
use mailkeep_model::{
    Address, FailureClass, Folder, FolderId, Item, ItemId, LicenseState, MailboxKind,
    MailboxProfile, Representation, SourceMailboxId, WellKnownFolder,
};

/// Folders of a mailbox beside its root; new mail comes into the first.
const FOLDERS: u64 = 10;
/// What a change feed of Microsoft Graph gives as its mark is about as long.
const MARK: usize = 300;

/// A tenant.
pub(crate) struct Town {
    /// Mailboxes on a page of the list.
    page: usize,
    /// Items in the inbox of each mailbox.
    items: Mutex<Vec<u64>>,
    /// What was asked of it.
    requests: AtomicU64,
}

impl Town {
    /// So many mailboxes with so many items in each.
    pub(crate) fn new(mailboxes: usize, items: u64, page: usize) -> Self {
        Self {
            page,
            items: Mutex::new(vec![items; mailboxes]),
            requests: AtomicU64::new(0),
        }
    }

    /// New mail comes into every n-th mailbox. Gives into how many.
    pub(crate) fn deliver(&self, every: usize, items: u64) -> u64 {
        let mut all = self.items.lock().unwrap();
        let mut count = 0;
        for held in all.iter_mut().step_by(every) {
            *held += items;
            count += 1;
        }
        count
    }

    fn count(&self, mailbox: &SourceMailboxId) -> Result<u64, SourceError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let number = number(mailbox.as_str());
        let held = self.items.lock().unwrap().get(number).copied();
        held.ok_or_else(|| gone("there is no such mailbox"))
    }

    fn folder(mailbox: &SourceMailboxId, number: u64, items: u64) -> Folder {
        Folder {
            id: FolderId(format!("{}-f{number}", mailbox.as_str())),
            parent: (number > 0).then(|| FolderId(format!("{}-f0", mailbox.as_str()))),
            name: format!("Folder {number}"),
            well_known: match number {
                0 => Some(WellKnownFolder::Root),
                1 => Some(WellKnownFolder::Inbox),
                _ => None,
            },
            is_hidden: false,
            class: "IPF.Note".into(),
            total_items: Some(if number == 1 { items } else { 0 }),
        }
    }

    fn page_of(
        mailbox: &SourceMailboxId,
        folder: &FolderCursor,
        items: u64,
    ) -> Result<ChangePage, SourceError> {
        let is_inbox = folder.folder.as_str().ends_with("-f1");
        let seen = folder.cursor.as_ref().map_or(Ok(0), marked)?;
        let held = if is_inbox { items } else { 0 };
        let changes = (seen..held).map(|n| ItemChange::Present(Box::new(described(mailbox, n))));
        Ok(ChangePage {
            changes: changes.collect(),
            cursor: Some(mark(held)),
            is_last: true,
        })
    }
}

/// The profile of a mailbox; its name is as long as people's are.
pub(crate) fn profile(number: usize) -> MailboxProfile {
    MailboxProfile {
        id: SourceMailboxId(format!("00000000-0000-4000-8000-{number:012}")),
        address: format!("firstname.lastname{number:06}@contoso.example"),
        display_name: format!("Firstname Lastname {number:06}"),
        kind: MailboxKind::User,
        license: LicenseState::Licensed,
        account_enabled: true,
    }
}

fn number(id: &str) -> usize {
    id.rsplit('-').next().unwrap().parse().unwrap()
}

fn gone(cause: &str) -> SourceError {
    SourceError::new(FailureClass::MailboxGone, "read", "gone", cause)
}

fn mark(count: u64) -> Cursor {
    Cursor(format!("{count:0>MARK$}"))
}

fn marked(cursor: &Cursor) -> Result<u64, SourceError> {
    cursor.0.parse().map_err(|_| gone("no mark of this town"))
}

fn time(number: u64) -> DateTime<Utc> {
    let start = DateTime::from_timestamp(1_760_000_000, 0).unwrap();
    start + TimeDelta::seconds(i64::try_from(number).unwrap() * 600)
}

fn content(item: &ItemId) -> Vec<u8> {
    let text: String = (0..40)
        .map(|line| {
            format!(
                "Line {line} of what {} has to say to all.\r\n",
                item.as_str()
            )
        })
        .collect();
    format!(
        "From: a@contoso.example\r\nSubject: {}\r\n\r\n{text}",
        item.as_str()
    )
    .into_bytes()
}

fn described(mailbox: &SourceMailboxId, number: u64) -> SourceItem {
    let id = ItemId(format!("{}-i{number}", mailbox.as_str()));
    let mut item = Item::new(id, FolderId(format!("{}-f1", mailbox.as_str())));
    item.subject = format!("A subject of ordinary length, number {number}");
    item.from = Address {
        name: "Somebody Else".into(),
        address: "somebody.else@fabrikam.example".into(),
    };
    item.received_at = Some(time(number));
    item.modified_at = Some(time(number));
    SourceItem {
        item,
        properties_json: br#"{"inferenceClassification":"focused"}"#.to_vec(),
    }
}

#[async_trait]
impl Source for Town {
    async fn mailboxes(&self, next: Option<&Cursor>) -> Result<MailboxPage, SourceError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let from = usize::try_from(next.map_or(Ok(0), marked)?).unwrap();
        let all = self.items.lock().unwrap().len();
        let end = (from + self.page).min(all);
        Ok(MailboxPage {
            mailboxes: (from..end).map(profile).collect(),
            next: (end < all).then(|| mark(end as u64)),
        })
    }

    async fn check_permissions(
        &self,
        _mailbox: Option<&SourceMailboxId>,
    ) -> Result<Vec<PermissionCheck>, SourceError> {
        Ok(vec![])
    }

    async fn sync(
        &self,
        mailbox: &SourceMailboxId,
        request: SyncRequest,
    ) -> Result<SyncRound, SourceError> {
        let items = self.count(mailbox)?;
        let known = request.tree_cursor.as_ref().map(marked).transpose()?;
        let mut tree = FolderChanges {
            cursor: Some(mark(items)),
            ..FolderChanges::default()
        };
        if known.is_none() {
            tree.is_complete = true;
            tree.folders = (0..=FOLDERS)
                .map(|number| Self::folder(mailbox, number, items))
                .collect();
        } else if known != Some(items) {
            tree.folders = vec![Self::folder(mailbox, 1, items)];
        }
        let pages = request.folders.into_iter();
        let pages = pages.map(|folder| {
            let page = Self::page_of(mailbox, &folder, items);
            (folder.folder, page)
        });
        Ok(SyncRound {
            tree: Ok(tree),
            pages: pages.collect(),
        })
    }

    async fn changes(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderCursor,
    ) -> Result<ChangePage, SourceError> {
        let items = self.count(mailbox)?;
        Self::page_of(mailbox, folder, items)
    }

    async fn content(
        &self,
        mailbox: &SourceMailboxId,
        item: &Item,
    ) -> Result<ItemContent, SourceError> {
        self.count(mailbox)?;
        let bytes = Bytes::from(content(&item.id));
        Ok(ItemContent {
            representation: Representation::Mime,
            rebuilt_because: None,
            mime: Box::pin(futures::stream::iter([Ok(bytes)])),
        })
    }

    async fn locate(
        &self,
        mailbox: &SourceMailboxId,
        items: &[ItemId],
    ) -> Result<Vec<(ItemId, Result<Option<Box<SourceItem>>, SourceError>)>, SourceError> {
        let held = self.count(mailbox)?;
        let found = items.iter().map(|id| {
            let number: u64 = id.as_str().rsplit("-i").next().unwrap().parse().unwrap();
            let item = (number < held).then(|| Box::new(described(mailbox, number)));
            (id.clone(), Ok(item))
        });
        Ok(found.collect())
    }

    fn metrics(&self, _mailbox: Option<&SourceMailboxId>) -> SourceMetrics {
        SourceMetrics {
            requests: self.requests.load(Ordering::Relaxed),
            ..SourceMetrics::default()
        }
    }

    fn throttled_until(&self, _mailbox: &SourceMailboxId) -> Option<DateTime<Utc>> {
        None
    }
}
