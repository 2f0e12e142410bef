//! What a mailbox is at the source, with the change log that feeds its cursors.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_exchange::{ChangePage, Cursor, FolderChanges, ItemChange, SourceError, SourceItem};
use mailkeep_model::{
    Address, FailureClass, Folder, FolderId, Item, ItemId, MailboxProfile, WellKnownFolder,
};

use super::fault::{Op, error};

/// An item at the source.
#[derive(Clone, Debug, PartialEq)]
pub struct FakeItem {
    pub item: Item,
    pub properties: Vec<u8>,
    pub content: Vec<u8>,
    pub marker: Option<String>,
    pub is_finished: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    folder: String,
    item: String,
    /// The feed names the item as removed here although it may have come back.
    forced_removal: bool,
}

/// One mailbox.
#[derive(Clone)]
pub struct FakeMailbox {
    pub profile: MailboxProfile,
    pub folders: BTreeMap<String, Folder>,
    pub items: BTreeMap<String, FakeItem>,
    pub page_size: usize,
    /// Cursors of an older generation are lost.
    pub generations: BTreeMap<String, u32>,
    pub tree_generation: u32,
    /// Items of the inbox that are counted and never shown.
    pub phantoms: u64,
    log: Vec<Entry>,
    tree_log: Vec<String>,
    counter: u64,
}

impl FakeMailbox {
    pub fn new(profile: MailboxProfile) -> Self {
        let mut mailbox = Self {
            profile,
            folders: BTreeMap::new(),
            items: BTreeMap::new(),
            page_size: 3,
            generations: BTreeMap::new(),
            tree_generation: 0,
            phantoms: 0,
            log: vec![],
            tree_log: vec![],
            counter: 0,
        };
        mailbox.add_folder("root", None, "Top of Information Store");
        mailbox.folders.get_mut("root").unwrap().well_known = Some(WellKnownFolder::Root);
        mailbox.add_folder("inbox", None, "Inbox");
        mailbox.folders.get_mut("inbox").unwrap().well_known = Some(WellKnownFolder::Inbox);
        mailbox
    }

    pub fn add_folder(&mut self, id: &str, parent: Option<&str>, name: &str) {
        let folder = Folder {
            id: FolderId(id.into()),
            parent: match (id, parent) {
                ("root", _) => None,
                (_, parent) => Some(FolderId(parent.unwrap_or("root").into())),
            },
            name: name.into(),
            well_known: None,
            is_hidden: false,
            class: "IPF.Note".into(),
            total_items: Some(0),
        };
        self.folders.insert(id.into(), folder);
        self.tree_log.push(id.into());
    }

    /// A folder below the inbox with an id that was never used before.
    pub fn add_new_folder(&mut self) {
        let id = format!("g{:04}", self.bump());
        self.add_folder(&id, Some("inbox"), &id);
    }

    pub fn touch_folder(&mut self, id: &str) {
        self.tree_log.push(id.into());
    }

    /// Removes a folder; its items go with it.
    pub fn remove_folder(&mut self, id: &str) {
        self.folders.remove(id);
        self.tree_log.push(id.into());
        self.items.retain(|_, item| item.item.folder.as_str() != id);
    }

    fn bump(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    fn time(n: u64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap() + TimeDelta::seconds(n as i64 * 60)
    }

    fn changed(&mut self, folder: &str, item: &str) {
        self.log.push(Entry {
            folder: folder.into(),
            item: item.into(),
            forced_removal: false,
        });
        self.tree_log.push(folder.into());
    }

    /// A new item with this content; returns its id.
    pub fn add(&mut self, folder: &str, content: Vec<u8>) -> String {
        let n = self.bump();
        let id = format!("Item{n:04}");
        let mut item = Item::new(ItemId(id.clone()), FolderId(folder.into()));
        item.change_key = format!("k{n}");
        item.subject = format!("Subject {n}");
        item.from = Address {
            name: "Ann".into(),
            address: "ann@example.com".into(),
        };
        item.received_at = Some(Self::time(n));
        item.modified_at = Some(Self::time(n));
        item.size_bytes = content.len() as u64;
        item.internet_message_id = format!("<{n}@example.com>");
        self.items.insert(
            id.clone(),
            FakeItem {
                item,
                properties: b"{}".to_vec(),
                content,
                marker: None,
                is_finished: true,
            },
        );
        self.changed(folder, &id);
        id
    }

    pub fn add_text(&mut self, folder: &str, text: &str) -> String {
        let content = format!("From: ann@example.com\r\nSubject: {text}\r\n\r\n{text}\r\n");
        self.add(folder, content.into_bytes())
    }

    fn change(&mut self, id: &str, with: impl FnOnce(&mut FakeItem)) {
        let n = self.bump();
        let item = self.items.get_mut(id).unwrap();
        with(item);
        item.item.change_key = format!("k{n}");
        let folder = item.item.folder.0.clone();
        self.changed(&folder, id);
    }

    pub fn edit(&mut self, id: &str, content: Vec<u8>) {
        let time = Self::time(self.counter + 1);
        self.change(id, |item| {
            item.item.size_bytes = content.len() as u64;
            item.item.modified_at = Some(time);
            item.content = content;
        });
    }

    pub fn set_read(&mut self, id: &str, is_read: bool) {
        let time = Self::time(self.counter + 1);
        self.change(id, |item| {
            item.item.is_read = is_read;
            item.item.modified_at = Some(time);
        });
    }

    pub fn move_to(&mut self, id: &str, folder: &str) {
        let from = self.items[id].item.folder.0.clone();
        self.change(id, |item| item.item.folder = FolderId(folder.into()));
        self.changed(&from, id);
    }

    /// Moved away and back between two runs: the feed tells of the removal only.
    pub fn move_away_and_back(&mut self, id: &str) {
        let folder = self.items[id].item.folder.0.clone();
        self.log.push(Entry {
            folder,
            item: id.into(),
            forced_removal: true,
        });
    }

    pub fn delete(&mut self, id: &str) {
        let item = self.items.remove(id).unwrap();
        let folder = item.item.folder.0;
        self.changed(&folder, id);
    }

    pub fn lose_cursor(&mut self, folder: &str) {
        *self.generations.entry(folder.into()).or_default() += 1;
    }

    pub fn folder(&self, id: &str) -> Option<Folder> {
        let mut folder = self.folders.get(id)?.clone();
        let count = self
            .items
            .values()
            .filter(|item| item.item.folder.as_str() == id)
            .count();
        let phantoms = if id == "inbox" { self.phantoms } else { 0 };
        folder.total_items = Some(count as u64 + phantoms);
        Some(folder)
    }

    pub fn tree(&self, cursor: Option<&Cursor>) -> Result<FolderChanges, SourceError> {
        let next = Cursor(format!("{}:{}", self.tree_generation, self.tree_log.len()));
        let Some(cursor) = cursor else {
            return Ok(FolderChanges {
                folders: self
                    .folders
                    .keys()
                    .filter_map(|id| self.folder(id))
                    .collect(),
                removed: vec![],
                is_complete: true,
                counted: vec![],
                cursor: Some(next),
                unread: None,
                unlisted: vec![],
            });
        };
        let (generation, from) = cursor.0.split_once(':').unwrap();
        if generation != self.tree_generation.to_string() {
            return Err(error(Op::Sync, FailureClass::SyncReset));
        }
        let from: usize = from.parse().unwrap();
        let named: BTreeSet<&String> = self.tree_log[from..].iter().collect();
        let (mut folders, mut removed) = (vec![], vec![]);
        for id in named {
            match self.folder(id) {
                Some(folder) => folders.push(folder),
                None => removed.push(FolderId(id.clone())),
            }
        }
        Ok(FolderChanges {
            folders,
            removed,
            is_complete: false,
            counted: vec![],
            cursor: Some(next),
            unread: None,
            unlisted: vec![],
        })
    }

    fn present(&self, id: &str) -> ItemChange {
        ItemChange::Present(Box::new(self.source_item(id).unwrap()))
    }

    pub fn source_item(&self, id: &str) -> Option<SourceItem> {
        let item = self.items.get(id)?;
        Some(SourceItem {
            item: item.item.clone(),
            properties_json: item.properties.clone(),
        })
    }

    /// Cursors: `generation:list:since:after` while listing, `generation:delta:since:offset` later.
    pub fn page(&self, folder: &str, cursor: Option<&Cursor>) -> Result<ChangePage, SourceError> {
        if !self.folders.contains_key(folder) {
            return Err(error(Op::Changes, FailureClass::FolderGone));
        }
        let generation = self.generations.get(folder).copied().unwrap_or_default();
        let start = format!("{generation}:list:{}:", self.log.len());
        let cursor = cursor.map_or(start, |cursor| cursor.0.clone());
        let parts: Vec<&str> = cursor.splitn(4, ':').collect();
        if parts[0] != generation.to_string() {
            return Err(error(Op::Changes, FailureClass::SyncReset));
        }
        let since: usize = parts[2].parse().unwrap();
        if parts[1] == "list" {
            let rest: Vec<&String> = self
                .items
                .iter()
                .filter(|(id, item)| item.item.folder.as_str() == folder && id.as_str() > parts[3])
                .map(|(id, _)| id)
                .collect();
            let page: Vec<&String> = rest.iter().copied().take(self.page_size).collect();
            let is_last = page.len() == rest.len();
            let cursor = if is_last {
                format!("{generation}:delta:{since}:0")
            } else {
                format!("{generation}:list:{since}:{}", page[page.len() - 1])
            };
            return Ok(ChangePage {
                changes: page.into_iter().map(|id| self.present(id)).collect(),
                cursor: Some(Cursor(cursor)),
                is_last,
            });
        }
        let entries = &self.log[since..];
        let mut last: BTreeMap<&str, (usize, bool)> = BTreeMap::new();
        for (at, entry) in entries.iter().enumerate() {
            if entry.folder == folder {
                last.insert(&entry.item, (at, entry.forced_removal));
            }
        }
        let mut order: Vec<(usize, &str, bool)> = last
            .into_iter()
            .map(|(item, (at, forced))| (at, item, forced))
            .collect();
        order.sort_unstable();
        let offset: usize = parts[3].parse().unwrap();
        let page: Vec<_> = order.iter().skip(offset).take(self.page_size).collect();
        let next_at = page
            .last()
            .map_or(self.log.len(), |last| since + last.0 + 1);
        let is_last = offset + page.len() == order.len();
        let next_at = if is_last { self.log.len() } else { next_at };
        Ok(ChangePage {
            changes: page
                .into_iter()
                .map(|(_, item, forced)| {
                    let here = self
                        .items
                        .get(*item)
                        .is_some_and(|i| i.item.folder.as_str() == folder);
                    if here && !forced {
                        self.present(item)
                    } else {
                        ItemChange::Removed(ItemId((*item).into()))
                    }
                })
                .collect(),
            cursor: Some(Cursor(format!("{generation}:delta:{next_at}:0"))),
            is_last,
        })
    }
}
