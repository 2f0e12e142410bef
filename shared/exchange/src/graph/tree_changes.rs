//! What changed in the folder tree since the last run.

use std::collections::{BTreeMap, HashMap, HashSet};

use mailkeep_model::{Folder, FolderId, SourceMailboxId, WellKnownFolder};

use super::client::GraphClient;
use super::cursor::TreeCursor;
use super::folder_row::{FolderPage, FolderRow, LIST, LIST_CHILDREN};
use super::message_json::{Object, text};
use super::tree::{FOLLOW_TREE, Names, with_descendants};
use crate::{FolderChanges, SourceError};

/// What the service told about the tree in one round.
pub(crate) struct TreeAnswers {
    /// Where the round began.
    pub(crate) cursor: TreeCursor,
    /// The change feed.
    pub(crate) feed: Result<FolderPage, SourceError>,
    /// Everything at the top.
    pub(crate) top: Result<FolderPage, SourceError>,
    /// Everything below some folders.
    pub(crate) below: Vec<(String, FolderPage)>,
}

impl GraphClient {
    /// Works out the changes.
    pub(crate) async fn tree_changes(
        &self,
        mailbox: &SourceMailboxId,
        known: &[Folder],
        answers: TreeAnswers,
    ) -> Result<FolderChanges, SourceError> {
        let (feed, link) = self
            .rest_of_folders(&FOLLOW_TREE, mailbox, answers.feed?)
            .await?;
        let (top, _) = self.rest_of_folders(&LIST, mailbox, answers.top?).await?;
        let mut cursor = answers.cursor;
        if let Some((last, _)) = answers.below.last() {
            cursor.looked_at.clone_from(last);
        }
        let mut changes = Changes::new(known);
        changes.follow(&feed);
        changes.compare(None, &top);
        let mut below = vec![];
        for (parent, page) in answers.below {
            let (rows, _) = self.rest_of_folders(&LIST_CHILDREN, mailbox, page).await?;
            below.push((parent, rows));
        }
        // Hidden folders at the top that got or lost a child, and folders that are new.
        let counts: BTreeMap<String, u64> = top
            .iter()
            .filter_map(FolderRow::read)
            .filter(|row| row.is_hidden)
            .map(|row| (row.id, row.children))
            .collect();
        let mut frontier: Vec<String> = counts
            .iter()
            .filter(|(id, count)| cursor.hidden_children.get(*id) != Some(*count))
            .map(|(id, _)| id.clone())
            .collect();
        cursor.hidden_children = counts;
        for (parent, rows) in &below {
            changes.compare(Some(parent), rows);
        }
        frontier.extend(changes.take_new());
        let mut asked: HashSet<String> = HashSet::new();
        loop {
            frontier.retain(|id| asked.insert(id.clone()));
            if frontier.is_empty() {
                break;
            }
            for (parent, rows) in self.children_of(mailbox, &frontier).await? {
                changes.compare(Some(&parent), &rows);
            }
            frontier = changes.take_new();
        }
        let names = if changes.has_new_folder() {
            self.resolve(mailbox, &changes.unnamed()).await?
        } else {
            Names::new()
        };
        if let Some(link) = link {
            cursor.link = link;
        }
        let counted = changes.counted();
        let (folders, removed) = changes.finish(&names);
        Ok(FolderChanges {
            folders,
            removed,
            is_complete: false,
            counted,
            cursor: Some(cursor.write()),
            unread: None,
            unlisted: vec![],
        })
    }
}

struct Changes<'a> {
    known: HashMap<&'a str, &'a Folder>,
    all_known: &'a [Folder],
    root: Option<&'a FolderId>,
    seen: BTreeMap<String, FolderRow>,
    /// Items of folders, as the answers told.
    counts: BTreeMap<String, u64>,
    gone: HashSet<String>,
    new: Vec<String>,
    has_new: bool,
}

impl<'a> Changes<'a> {
    fn new(known: &'a [Folder]) -> Self {
        Self {
            known: known
                .iter()
                .map(|folder| (folder.id.as_str(), folder))
                .collect(),
            all_known: known,
            root: known
                .iter()
                .find(|folder| folder.well_known == Some(WellKnownFolder::Root))
                .map(|folder| &folder.id),
            seen: BTreeMap::new(),
            counts: BTreeMap::new(),
            gone: HashSet::new(),
            new: vec![],
            has_new: false,
        }
    }

    /// Takes the change feed's word for visible folders.
    fn follow(&mut self, rows: &[Object]) {
        for object in rows {
            if object.contains_key("@removed") {
                let id = text(object, "id");
                self.seen.remove(&id);
                self.gone.insert(id);
            } else if let Some(row) = FolderRow::read(object) {
                self.gone.remove(&row.id);
                self.count(&row);
                self.see(row);
            }
        }
    }

    /// Compares the whole content of one folder (`None`: the top) with what is known. Only hidden
    /// folders are judged: the feed tells about the visible ones, and a listing and a feed of
    /// different moments must not contradict each other.
    fn compare(&mut self, parent: Option<&str>, rows: &[Object]) {
        let parent = parent.or(self.root.map(FolderId::as_str));
        let mut listed = HashSet::new();
        for row in rows.iter().filter_map(FolderRow::read) {
            listed.insert(row.id.clone());
            self.count(&row);
            let is_known = self.known.contains_key(row.id.as_str());
            if row.is_hidden || self.is_hidden(&row.parent) || !is_known {
                self.gone.remove(&row.id);
                self.see(row);
            }
        }
        for folder in self.all_known {
            let is_here = folder.parent.as_ref().map(FolderId::as_str) == parent;
            if is_here && parent.is_some() && folder.is_hidden && !listed.contains(&folder.id.0) {
                self.gone.insert(folder.id.0.clone());
            }
        }
    }

    fn count(&mut self, row: &FolderRow) {
        if let Some(total) = row.total {
            self.counts.insert(row.id.clone(), total);
        }
    }

    /// What was counted on the way. A listing tells it of every folder, whether it changed or not.
    fn counted(&self) -> Vec<(FolderId, u64)> {
        let counts = self.counts.iter();
        counts
            .map(|(id, total)| (FolderId(id.clone()), *total))
            .collect()
    }

    fn see(&mut self, row: FolderRow) {
        if !self.known.contains_key(row.id.as_str()) && !self.seen.contains_key(&row.id) {
            self.new.push(row.id.clone());
            self.has_new = true;
        }
        self.seen.insert(row.id.clone(), row);
    }

    fn take_new(&mut self) -> Vec<String> {
        std::mem::take(&mut self.new)
    }

    fn has_new_folder(&self) -> bool {
        self.has_new
    }

    /// Well-known names that no known folder bears.
    fn unnamed(&self) -> Vec<WellKnownFolder> {
        WellKnownFolder::on_graph()
            .filter(|name| {
                !self
                    .all_known
                    .iter()
                    .any(|folder| folder.well_known == Some(*name))
            })
            .collect()
    }

    /// A folder is hidden when it or a folder above it is.
    fn is_hidden(&self, id: &str) -> bool {
        let mut id = id.to_owned();
        let mut passed = HashSet::new();
        while passed.insert(id.clone()) {
            let (own, parent) = match (self.seen.get(&id), self.known.get(id.as_str())) {
                (Some(row), _) => (row.is_hidden, Some(row.parent.clone())),
                (None, Some(folder)) => (
                    folder.is_hidden,
                    folder.parent.as_ref().map(|id| id.0.clone()),
                ),
                (None, None) => return false,
            };
            let is_root = self.root.is_some_and(|root| root.as_str() == id);
            if own && !is_root {
                return true;
            }
            match parent {
                Some(parent) if !is_root => id = parent,
                _ => return false,
            }
        }
        false
    }

    fn finish(self, names: &Names) -> (Vec<Folder>, Vec<FolderId>) {
        let folders: Vec<Folder> = self
            .seen
            .values()
            .filter(|row| !self.gone.contains(&row.id))
            .filter_map(|row| {
                let known = self.known.get(row.id.as_str());
                let name = known
                    .and_then(|folder| folder.well_known)
                    .or_else(|| names.get(&row.id).copied());
                let mut folder = row.folder(name, self.is_hidden(&row.id));
                if let Some(known) = known {
                    folder.class.clone_from(&known.class);
                    if folder.total_items.is_none() {
                        folder.total_items = known.total_items;
                    }
                }
                (known != Some(&&folder)).then_some(folder)
            })
            .collect();
        let mut gone: Vec<FolderId> = self
            .gone
            .iter()
            .filter(|id| self.known.contains_key(id.as_str()))
            .map(|id| FolderId(id.clone()))
            .collect();
        gone.sort_unstable();
        // What moved out of a folder before it went is alive.
        let removed = with_descendants(&gone, self.all_known)
            .into_iter()
            .filter(|id| gone.contains(id) || !self.seen.contains_key(&id.0))
            .collect();
        (folders, removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn known(id: &str, parent: Option<&str>, is_hidden: bool) -> Folder {
        Folder {
            id: FolderId(id.into()),
            parent: parent.map(|parent| FolderId(parent.into())),
            name: id.into(),
            well_known: (id == "root").then_some(WellKnownFolder::Root),
            is_hidden,
            class: String::new(),
            total_items: Some(0),
        }
    }

    fn rows(values: &[Value]) -> Vec<Object> {
        values
            .iter()
            .map(|value| value.as_object().unwrap().clone())
            .collect()
    }

    fn row(id: &str, parent: &str, is_hidden: bool) -> Value {
        json!({ "id": id, "displayName": id, "parentFolderId": parent, "isHidden": is_hidden,
            "totalItemCount": 0, "childFolderCount": 0 })
    }

    fn ids(folders: &[Folder]) -> Vec<&str> {
        folders.iter().map(|folder| folder.id.as_str()).collect()
    }

    #[test]
    fn nothing_new_is_no_change() {
        let known = [
            known("root", None, false),
            known("a", Some("root"), false),
            known("h", Some("root"), true),
        ];
        let mut changes = Changes::new(&known);
        changes.follow(&rows(&[row("a", "root", false)]));
        changes.compare(
            None,
            &rows(&[row("a", "root", false), row("h", "root", true)]),
        );
        assert_eq!(changes.finish(&Names::new()), (vec![], vec![]));
    }

    #[test]
    fn hidden_folders_come_and_go() {
        let known = [
            known("root", None, false),
            known("h", Some("root"), true),
            known("hh", Some("h"), true),
        ];
        let mut changes = Changes::new(&known);
        changes.compare(None, &rows(&[row("new", "root", true)]));
        assert_eq!(changes.take_new(), ["new"]);
        let (folders, removed) = changes.finish(&Names::new());
        assert_eq!(ids(&folders), ["new"]);
        assert!(folders[0].is_hidden);
        assert_eq!(removed, [FolderId("h".into()), FolderId("hh".into())]);
    }

    #[test]
    fn a_visible_folder_is_only_removed_by_the_feed() {
        let known = [
            known("root", None, false),
            known("a", Some("root"), false),
            known("b", Some("a"), false),
        ];
        let mut changes = Changes::new(&known);
        changes.compare(None, &[]);
        let (_, removed) = changes.finish(&Names::new());
        assert!(removed.is_empty());
        let mut changes = Changes::new(&known);
        changes.follow(&rows(&[
            json!({ "id": "a", "@removed": { "reason": "deleted" } }),
            row("b", "root", false),
        ]));
        let (folders, removed) = changes.finish(&Names::new());
        assert_eq!(removed, [FolderId("a".into())], "b moved out before");
        assert_eq!(ids(&folders), ["b"]);
    }

    #[test]
    fn a_folder_that_was_hidden_is_not_removed() {
        let known = [known("root", None, false), known("a", Some("root"), false)];
        let mut changes = Changes::new(&known);
        changes.follow(&rows(&[
            json!({ "id": "a", "@removed": { "reason": "changed" } }),
        ]));
        changes.compare(None, &rows(&[row("a", "root", true)]));
        let (folders, removed) = changes.finish(&Names::new());
        assert!(removed.is_empty());
        assert!(folders[0].is_hidden);
    }

    #[test]
    fn a_cycle_ends() {
        let known = [known("a", Some("b"), false), known("b", Some("a"), false)];
        assert!(!Changes::new(&known).is_hidden("a"));
        assert_eq!(with_descendants(&[FolderId("a".into())], &known).len(), 2);
    }
}
