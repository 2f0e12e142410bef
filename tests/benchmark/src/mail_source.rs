//! The corpus as a source, without any protocol between.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream;
use mailkeep_exchange::{
    ChangePage, Cursor, FolderChanges, FolderCursor, ItemChange, ItemContent, MailboxPage,
    PermissionCheck, Source, SourceError, SourceItem, SourceMetrics, SyncRequest, SyncRound,
};
use mailkeep_model::{
    FailureClass, Folder, FolderId, Item, ItemId, LicenseState, MailboxKind, MailboxProfile,
    Representation, SourceMailboxId, WellKnownFolder,
};

use crate::Failure;
use crate::corpus::{Change, FOLDERS, MAILBOXES, Place};
use crate::layout::Layout;

/// Bytes of a message that arrive at once.
const PIECE: u64 = 16 * 1024;
/// The folder above all others; it holds no items.
const ROOT: &str = "root";
/// Changes on a page.
const PAGE: usize = 200;

/// Shows the corpus up to a stage.
pub(crate) struct MailSource {
    folders: Vec<PathBuf>,
    mail: Vec<Arc<File>>,
    /// 1 shows the first stage only, 2 the increment, too.
    stages: usize,
    /// Parsed lists that were begun, so that each is read once.
    lists: Mutex<HashMap<(usize, usize, usize), Vec<Change>>>,
}

impl MailSource {
    pub(crate) fn open(layout: &Layout, stages: usize) -> Result<Self, Failure> {
        let folders: Vec<PathBuf> = (0..MAILBOXES).map(|n| layout.mailbox(n)).collect();
        let mail: Result<Vec<_>, _> = folders
            .iter()
            .map(|folder| File::open(folder.join("mail")).map(Arc::new))
            .collect();
        Ok(Self {
            folders,
            mail: mail?,
            stages,
            lists: Mutex::default(),
        })
    }

    /// The next changes of a folder. A cursor is the number of stages that were seen whole, and how
    /// many changes of the next one.
    fn page(&self, mailbox: usize, folder: &FolderCursor) -> Result<ChangePage, SourceError> {
        if folder.folder.as_str() == ROOT {
            return Ok(ChangePage {
                cursor: Some(Cursor(String::new())),
                is_last: true,
                ..ChangePage::default()
            });
        }
        let index = FOLDERS
            .iter()
            .position(|(name, _)| *name == folder.folder.as_str());
        let index = index.ok_or_else(|| lost("there is no such folder"))?;
        let cursor = folder.cursor.as_ref().map_or("0 0", |cursor| &cursor.0);
        let (stage, seen) = cursor.split_once(' ').ok_or_else(|| lost("bad cursor"))?;
        let stage: usize = stage.parse().map_err(|_| lost("bad cursor"))?;
        let seen: usize = seen.parse().map_err(|_| lost("bad cursor"))?;
        if stage >= self.stages {
            return Ok(ChangePage {
                changes: vec![],
                cursor: Some(Cursor(format!("{stage} 0"))),
                is_last: true,
            });
        }
        let place = (mailbox, index, stage);
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list = match lists.remove(&place) {
            Some(rest) => rest,
            None => self.read_list(place)?.split_off(seen),
        };
        let rest = list.split_off(list.len().min(PAGE));
        let is_end = rest.is_empty();
        let cursor = if is_end {
            format!("{} 0", stage + 1)
        } else {
            format!("{stage} {}", seen + list.len())
        };
        if !is_end {
            lists.insert(place, rest);
        }
        let changes = list.into_iter().map(|change| match change {
            Change::Removed(id) => ItemChange::Removed(id),
            Change::Present { item, properties } => ItemChange::Present(Box::new(SourceItem {
                item: *item,
                properties_json: properties.into_bytes(),
            })),
        });
        Ok(ChangePage {
            changes: changes.collect(),
            cursor: Some(Cursor(cursor)),
            is_last: is_end && stage + 1 >= self.stages,
        })
    }

    fn read_list(&self, place: (usize, usize, usize)) -> Result<Vec<Change>, SourceError> {
        let (mailbox, index, stage) = place;
        let folder = self.folders.get(mailbox).ok_or_else(|| lost("mailbox"))?;
        let text = fs::read_to_string(folder.join(format!("{index}.{stage}"))).map_err(lost)?;
        text.lines()
            .map(|line| serde_json::from_str(line).map_err(lost))
            .collect()
    }

    fn mailbox(&self, id: &SourceMailboxId) -> Result<usize, SourceError> {
        let number = id.as_str().parse().ok();
        number
            .filter(|number| *number < self.folders.len())
            .ok_or_else(|| lost("there is no such mailbox"))
    }
}

/// The corpus is not as it was written: ends the benchmark.
fn lost(cause: impl ToString) -> SourceError {
    SourceError::new(
        FailureClass::MailboxGone,
        "read the corpus",
        "corpus",
        cause.to_string(),
    )
}

fn tree() -> FolderChanges {
    let root = FolderId(ROOT.into());
    let mut folders = vec![Folder {
        id: root.clone(),
        parent: None,
        name: String::new(),
        well_known: Some(WellKnownFolder::Root),
        is_hidden: false,
        class: String::new(),
        total_items: None,
    }];
    folders.extend(FOLDERS.iter().map(|(name, _)| Folder {
        id: FolderId((*name).into()),
        parent: Some(root.clone()),
        name: (*name).into(),
        well_known: None,
        is_hidden: false,
        class: "IPF.Note".into(),
        total_items: None,
    }));
    FolderChanges {
        folders,
        removed: vec![],
        is_complete: true,
        counted: vec![],
        cursor: Some(Cursor("tree".into())),
        unread: None,
        unlisted: vec![],
    }
}

#[async_trait]
impl Source for MailSource {
    async fn mailboxes(&self, _next: Option<&Cursor>) -> Result<MailboxPage, SourceError> {
        let mailboxes = (0..MAILBOXES).map(|number| MailboxProfile {
            id: SourceMailboxId(number.to_string()),
            address: format!("mailbox{number}@contoso.example"),
            display_name: format!("Mailbox {number}"),
            kind: MailboxKind::User,
            license: LicenseState::Licensed,
            account_enabled: true,
        });
        Ok(MailboxPage {
            mailboxes: mailboxes.collect(),
            next: None,
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
        let number = self.mailbox(mailbox)?;
        let tree = match request.tree_cursor {
            None => tree(),
            Some(cursor) => FolderChanges {
                cursor: Some(cursor),
                ..FolderChanges::default()
            },
        };
        let folders = request.folders.into_iter();
        Ok(SyncRound {
            tree: Ok(tree),
            pages: folders
                .map(|folder| {
                    let page = self.page(number, &folder);
                    (folder.folder, page)
                })
                .collect(),
        })
    }

    async fn changes(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderCursor,
    ) -> Result<ChangePage, SourceError> {
        self.page(self.mailbox(mailbox)?, folder)
    }

    async fn content(
        &self,
        mailbox: &SourceMailboxId,
        item: &Item,
    ) -> Result<ItemContent, SourceError> {
        let mail = self.mail.get(self.mailbox(mailbox)?).cloned();
        let mail = mail.ok_or_else(|| lost("there is no such mailbox"))?;
        let place = Place::of(&item.id).ok_or_else(|| lost("bad id"))?;
        let end = place.offset + place.length;
        let mime = stream::unfold(place.offset, move |at| {
            let length = PIECE.min(end - at);
            let piece = (length > 0).then(|| (read(&mail, at, length), at + length));
            async move { piece }
        });
        Ok(ItemContent {
            representation: Representation::Mime,
            rebuilt_because: None,
            mime: Box::pin(mime),
        })
    }

    /// Nothing of the corpus moves, so what was removed is gone.
    async fn locate(
        &self,
        _mailbox: &SourceMailboxId,
        items: &[ItemId],
    ) -> Result<Vec<(ItemId, Result<Option<Box<SourceItem>>, SourceError>)>, SourceError> {
        Ok(items.iter().map(|id| (id.clone(), Ok(None))).collect())
    }

    fn metrics(&self, _mailbox: Option<&SourceMailboxId>) -> SourceMetrics {
        SourceMetrics::default()
    }

    fn throttled_until(&self, _mailbox: &SourceMailboxId) -> Option<DateTime<Utc>> {
        None
    }
}

fn read(mail: &File, at: u64, length: u64) -> Result<Bytes, SourceError> {
    let mut buffer = vec![0; usize::try_from(length).map_err(lost)?];
    mail.read_exact_at(&mut buffer, at).map_err(lost)?;
    Ok(Bytes::from(buffer))
}
