//! The whole folder tree of a mailbox, hidden folders included.
//!
//! The service's change feed of folders gives the visible tree flat, without hidden folders; the
//! top-level listing gives hidden folders at the top; hidden folders further down show only in the
//! listing below their parent. So a full listing asks every folder once (twenty per request); later
//! runs ask the feed and the top, and look below some more folders in the places of the batch that
//! are free anyway (see `sync`).

use std::collections::{HashMap, HashSet};

use mailkeep_model::{FailureClass, Folder, FolderId, SourceMailboxId, WellKnownFolder};

use super::batch::{Part, read_part};
use super::client::GraphClient;
use super::cursor::TreeCursor;
use super::error_map::{Asked, Operation};
use super::folder_row::{self, FolderPage, FolderRow, LIST, LIST_CHILDREN};
use super::message_json::Object;
use crate::{FolderChanges, SourceError};

pub(crate) const FOLLOW_TREE: Operation = Operation::new(
    "follow changes of the folder tree",
    Asked::Mailbox,
    "Mail.Read",
);
const COUNT: Operation = Operation::new("count the items of a folder", Asked::Folder, "Mail.Read");
const RESOLVE: Operation = Operation::new("find a well-known folder", Asked::Folder, "Mail.Read");

/// Page size of the tree's change feed.
pub(crate) const PAGE: &str = "odata.maxpagesize=200";
/// Exchange nests no deeper.
const DEEPEST: usize = 300;

/// Well-known names by folder id.
pub(crate) type Names = HashMap<String, WellKnownFolder>;

impl GraphClient {
    /// The first page of the tree's change feed.
    pub(crate) fn tree_start(&self, mailbox: &SourceMailboxId) -> Part {
        let query = [("$select", folder_row::SELECT)];
        let url = self
            .links
            .user(mailbox.as_str(), &["mailFolders", "delta"], &query);
        Part {
            prefer: Some(PAGE.into()),
            ..Part::new(&FOLLOW_TREE, url)
        }
    }

    /// Lists everything.
    pub(crate) async fn whole_tree(
        &self,
        mailbox: &SourceMailboxId,
    ) -> Result<FolderChanges, SourceError> {
        let mut parts = vec![
            self.tree_start(mailbox),
            Part::new(&LIST, self.children_url(mailbox, None)),
        ];
        let names: Vec<WellKnownFolder> = WellKnownFolder::on_graph().collect();
        parts.extend(self.name_parts(mailbox, &names));
        let mut answers = self.batch(Some(mailbox), &parts).await?.into_iter();
        let mut next = || {
            let missing = || Err(LIST.error(FailureClass::Transient, "no_answer", "no answer"));
            answers.next().unwrap_or_else(missing)
        };
        let visible: FolderPage = read_part(&FOLLOW_TREE, next())?;
        let top: FolderPage = read_part(&LIST, next())?;
        let mut tree = Tree::default();
        for well_known in names {
            tree.add_well_known(well_known, read_part(&RESOLVE, next()))?;
        }
        let (visible, link) = self.rest_of_folders(&FOLLOW_TREE, mailbox, visible).await?;
        let (top, _) = self.rest_of_folders(&LIST, mailbox, top).await?;
        let Some(link) = link else {
            return Err(FOLLOW_TREE.error(
                FailureClass::Transient,
                "no_link",
                "the listing of folders names no place to go on",
            ));
        };
        let mut frontier = tree.add(visible.iter().filter(|row| !row.contains_key("@removed")));
        frontier.extend(tree.add(top.iter()));
        self.add_below(mailbox, &mut tree, frontier).await?;
        let mut cursor = TreeCursor::new(link);
        cursor.hidden_children = tree.hidden_children();
        Ok(FolderChanges {
            folders: tree.folders(),
            removed: vec![],
            is_complete: true,
            counted: vec![],
            cursor: Some(cursor.write()),
            unread: None,
            unlisted: vec![],
        })
    }

    /// Looks below folders, and below the hidden ones found there, to the bottom.
    async fn add_below(
        &self,
        mailbox: &SourceMailboxId,
        tree: &mut Tree,
        mut frontier: Vec<String>,
    ) -> Result<(), SourceError> {
        for _ in 0..DEEPEST {
            if frontier.is_empty() {
                return Ok(());
            }
            let mut found = vec![];
            for (_, rows) in self.children_of(mailbox, &frontier).await? {
                found.extend(tree.add(rows.iter()));
            }
            frontier = found;
        }
        Err(LIST_CHILDREN.error(
            FailureClass::Transient,
            "tree_too_deep",
            "the folders nest deeper than Exchange allows",
        ))
    }

    /// What is directly below each of these folders. Folders that are gone are left out.
    pub(crate) async fn children_of(
        &self,
        mailbox: &SourceMailboxId,
        parents: &[String],
    ) -> Result<Vec<(String, Vec<Object>)>, SourceError> {
        let parts: Vec<Part> = parents
            .iter()
            .map(|id| Part::new(&LIST_CHILDREN, self.children_url(mailbox, Some(id))))
            .collect();
        let answers = self.batch(Some(mailbox), &parts).await?;
        let mut all = vec![];
        for (parent, answer) in parents.iter().zip(answers) {
            match read_part::<FolderPage>(&LIST_CHILDREN, answer) {
                Ok(page) => {
                    let (rows, _) = self.rest_of_folders(&LIST_CHILDREN, mailbox, page).await?;
                    all.push((parent.clone(), rows));
                }
                Err(error) if error.class == FailureClass::FolderGone => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    fn name_parts(&self, mailbox: &SourceMailboxId, names: &[WellKnownFolder]) -> Vec<Part> {
        let query = [("$select", folder_row::SELECT)];
        names
            .iter()
            .map(|name| {
                let path = ["mailFolders", name.graph_name()];
                Part::new(&RESOLVE, self.links.user(mailbox.as_str(), &path, &query))
            })
            .collect()
    }

    /// How many items folders hold. Those that are gone are left out.
    pub(crate) async fn count_items(
        &self,
        mailbox: &SourceMailboxId,
        folders: &[FolderId],
    ) -> Result<Vec<(FolderId, u64)>, SourceError> {
        let query = [("$select", folder_row::SELECT)];
        let parts: Vec<Part> = folders
            .iter()
            .map(|id| {
                let path = ["mailFolders", id.as_str()];
                Part::new(&COUNT, self.links.user(mailbox.as_str(), &path, &query))
            })
            .collect();
        let mut counted = vec![];
        for (id, answer) in folders.iter().zip(self.batch(Some(mailbox), &parts).await?) {
            match read_part::<Object>(&COUNT, answer) {
                Ok(object) => {
                    let total = FolderRow::read(&object).and_then(|row| row.total);
                    counted.extend(total.map(|total| (id.clone(), total)));
                }
                Err(error) if error.class == FailureClass::FolderGone => {}
                Err(error) => return Err(error),
            }
        }
        Ok(counted)
    }

    /// Which folders bear these well-known names. A name that this mailbox does not have is left out.
    pub(crate) async fn resolve(
        &self,
        mailbox: &SourceMailboxId,
        names: &[WellKnownFolder],
    ) -> Result<Names, SourceError> {
        let answers = self
            .batch(Some(mailbox), &self.name_parts(mailbox, names))
            .await?;
        let mut tree = Tree::default();
        for (name, answer) in names.iter().zip(answers) {
            tree.add_well_known(*name, read_part(&RESOLVE, answer))?;
        }
        Ok(tree.names)
    }
}

/// Folders as they are found.
#[derive(Default)]
struct Tree {
    rows: HashMap<String, FolderRow>,
    order: Vec<String>,
    names: Names,
}

impl Tree {
    /// Adds folders; answers with the ids of those that are new.
    fn add<'a>(&mut self, objects: impl Iterator<Item = &'a Object>) -> Vec<String> {
        let mut new = vec![];
        for row in objects.filter_map(FolderRow::read) {
            let id = row.id.clone();
            if self.rows.insert(id.clone(), row).is_none() {
                self.order.push(id.clone());
                new.push(id);
            }
        }
        new
    }

    /// Adds a folder that was asked for by its well-known name.
    fn add_well_known(
        &mut self,
        name: WellKnownFolder,
        answer: Result<Object, SourceError>,
    ) -> Result<(), SourceError> {
        let object = match answer {
            Ok(object) => object,
            Err(error) => {
                return match error.class {
                    FailureClass::FolderGone | FailureClass::RequestBug => Ok(()),
                    _ => Err(error),
                };
            }
        };
        if let Some(row) = FolderRow::read(&object) {
            self.names.insert(row.id.clone(), name);
            // The feed names neither the root nor recoverable items.
            let is_outside = matches!(
                name,
                WellKnownFolder::Root | WellKnownFolder::RecoverableItemsDeletions
            );
            if is_outside && !self.rows.contains_key(&row.id) {
                self.order.push(row.id.clone());
                self.rows.insert(row.id.clone(), row);
            }
        }
        Ok(())
    }

    /// A folder is hidden when it or a folder above it is.
    fn is_hidden(&self, id: &str) -> bool {
        let mut id = id;
        let mut seen = HashSet::new();
        while let Some(row) = self.rows.get(id) {
            match self.names.get(id) {
                Some(WellKnownFolder::Root) => return false,
                Some(WellKnownFolder::RecoverableItemsDeletions) => return true,
                _ if row.is_hidden => return true,
                _ if !seen.insert(id) => return false,
                _ => id = &row.parent,
            }
        }
        false
    }

    fn hidden_children(&self) -> std::collections::BTreeMap<String, u64> {
        let rows = self.rows.values().filter(|row| row.is_hidden);
        rows.map(|row| (row.id.clone(), row.children)).collect()
    }

    fn folders(&self) -> Vec<Folder> {
        self.order
            .iter()
            .filter_map(|id| {
                let row = self.rows.get(id)?;
                Some(row.folder(self.names.get(id).copied(), self.is_hidden(id)))
            })
            .collect()
    }
}

/// The ids of `gone` and of everything below.
pub(crate) fn with_descendants(gone: &[FolderId], known: &[Folder]) -> Vec<FolderId> {
    let mut all: Vec<FolderId> = gone.to_vec();
    let mut seen: HashSet<FolderId> = gone.iter().cloned().collect();
    let mut next = 0;
    while let Some(parent) = all.get(next).cloned() {
        next += 1;
        for folder in known
            .iter()
            .filter(|folder| folder.parent.as_ref() == Some(&parent))
        {
            if seen.insert(folder.id.clone()) {
                all.push(folder.id.clone());
            }
        }
    }
    all
}
