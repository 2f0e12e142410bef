//! The folder tree of a mailbox and what of it is in scope.

use std::collections::{BTreeMap, BTreeSet};

use mailkeep_exchange::FolderChanges;
use mailkeep_model::{Extent, Folder, FolderId, FolderPath, WellKnownFolder};

use super::{BackupRequest, FolderScope};

/// Exchange allows about 300 levels; a longer chain is a loop.
const MAX_DEPTH: usize = 300;

/// The folders that the source has now.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    folders: BTreeMap<FolderId, Folder>,
}

/// What an answer of the source changed.
#[derive(Debug, Default)]
pub(super) struct TreeDelta {
    /// New folders, and folders with another name, place or count.
    pub changed: Vec<Folder>,
    /// Folders that are gone.
    pub removed: Vec<FolderId>,
}

impl Tree {
    pub(super) fn new(folders: impl IntoIterator<Item = Folder>) -> Self {
        Self {
            folders: folders.into_iter().map(|f| (f.id.clone(), f)).collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.folders.is_empty()
    }

    pub(super) fn contains(&self, id: &FolderId) -> bool {
        self.folders.contains_key(id)
    }

    pub(super) fn get(&self, id: &FolderId) -> Option<&Folder> {
        self.folders.get(id)
    }

    pub(super) fn folders(&self) -> impl Iterator<Item = &Folder> {
        self.folders.values()
    }

    /// Takes over what the source says.
    pub(super) fn apply(&mut self, changes: &FolderChanges) -> TreeDelta {
        let mut delta = TreeDelta::default();
        for folder in &changes.folders {
            let mut folder = folder.clone();
            let stored = self.folders.get(&folder.id);
            if folder.total_items.is_none() {
                folder.total_items = stored.and_then(|stored| stored.total_items);
            }
            if stored != Some(&folder) {
                delta.changed.push(folder.clone());
                self.folders.insert(folder.id.clone(), folder);
            }
        }
        let mut removed: BTreeSet<FolderId> = changes.removed.iter().cloned().collect();
        let named: BTreeSet<&FolderId> = changes.folders.iter().map(|f| &f.id).collect();
        if changes.is_complete {
            let unnamed = self.folders.keys().filter(|id| !named.contains(id));
            removed.extend(unnamed.cloned());
        }
        for id in removed {
            if !named.contains(&id) && self.folders.remove(&id).is_some() {
                delta.removed.push(id);
            }
        }
        delta
    }

    /// The folder itself and its ancestors, from the folder upwards.
    fn chain<'a>(&'a self, id: &'a FolderId) -> impl Iterator<Item = &'a Folder> {
        std::iter::successors(self.folders.get(id), |folder| {
            folder.parent.as_ref().and_then(|p| self.folders.get(p))
        })
        .take(MAX_DEPTH)
    }

    /// The folder's names from the top.
    pub(super) fn path(&self, id: &FolderId) -> FolderPath {
        let mut names: Vec<String> = self
            .chain(id)
            .filter(|folder| folder.well_known != Some(WellKnownFolder::Root))
            .map(|folder| folder.name.clone())
            .collect();
        names.reverse();
        FolderPath(names)
    }

    /// The folders that this request covers.
    pub(super) fn in_scope(&self, request: &BackupRequest) -> BTreeSet<FolderId> {
        let in_scope = self
            .folders
            .keys()
            .filter(|id| self.is_in_scope(id, request));
        let Some(rules) = &request.rules else {
            return in_scope.cloned().collect();
        };
        let all: Vec<Folder> = self.folders.values().cloned().collect();
        let chosen: BTreeSet<&FolderId> = rules.folders.chosen(&all).into_iter().collect();
        in_scope.filter(|id| chosen.contains(id)).cloned().collect()
    }

    fn is_in_scope(&self, id: &FolderId, request: &BackupRequest) -> bool {
        // Walking up: a folder that is named counts whatever it is; one below the named one (or
        // below the top) only when it is neither hidden nor Recoverable Items.
        for folder in self.chain(id) {
            if self.is_named(&folder.id, id, &request.folders) {
                return true;
            }
            // Recoverable Items are hidden by their nature; who wants them wants them so.
            let is_recoverable = folder
                .well_known
                .is_some_and(WellKnownFolder::is_recoverable);
            let is_left_out = (folder.is_hidden && !request.include_hidden && !is_recoverable)
                || is_beyond(folder, request.extent);
            if is_left_out {
                return self.has_named_below(id, &folder.id, &request.folders);
            }
        }
        request.folders == FolderScope::All
    }

    /// True when a folder between `id` (inclusive) and `above` (exclusive) is named.
    fn has_named_below(&self, id: &FolderId, above: &FolderId, scope: &FolderScope) -> bool {
        self.chain(id)
            .take_while(|folder| &folder.id != above)
            .any(|folder| self.is_named(&folder.id, id, scope))
    }

    /// True when `id` is named, and `below`, which is the same or lies below it, is meant as well.
    fn is_named(&self, id: &FolderId, below: &FolderId, scope: &FolderScope) -> bool {
        match scope {
            FolderScope::All => false,
            FolderScope::Each(choices) => {
                let own = self.path(id);
                let mut fitting = choices.iter().filter(|it| is_same_path(&it.path, &own));
                fitting.any(|choice| choice.with_subfolders || id == below)
            }
            FolderScope::Only { paths, ids } => {
                ids.contains(id) || {
                    let own = self.path(id);
                    paths.iter().any(|path| is_same_path(path, &own))
                }
            }
        }
    }

    /// The paths and ids of the scope that no folder has.
    pub(super) fn missing(&self, scope: &FolderScope) -> Vec<String> {
        let (paths, ids): (Vec<&FolderPath>, &[FolderId]) = match scope {
            FolderScope::All => return vec![],
            FolderScope::Only { paths, ids } => (paths.iter().collect(), ids),
            FolderScope::Each(choices) => (choices.iter().map(|it| &it.path).collect(), &[]),
        };
        let own: Vec<FolderPath> = self.folders.keys().map(|id| self.path(id)).collect();
        let paths = paths
            .into_iter()
            .filter(|path| !own.iter().any(|own| is_same_path(path, own)))
            .map(ToString::to_string);
        let ids = ids.iter().filter(|id| !self.contains(id));
        paths.chain(ids.map(|id| id.0.clone())).collect()
    }
}

/// True for the root of a tree that the extent leaves out.
fn is_beyond(folder: &Folder, extent: Extent) -> bool {
    let is_archive = matches!(
        folder.well_known,
        Some(WellKnownFolder::ArchiveMailbox | WellKnownFolder::ArchiveRecoverableItems)
    );
    let is_recoverable = folder
        .well_known
        .is_some_and(WellKnownFolder::is_recoverable);
    (is_archive && !extent.archive) || (is_recoverable && !extent.recoverable_items)
}

fn is_same_path(a: &FolderPath, b: &FolderPath) -> bool {
    a.0.len() == b.0.len()
        && a.0
            .iter()
            .zip(&b.0)
            .all(|(a, b)| a.to_lowercase() == b.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::FolderPathChoice;

    fn folder(id: &str, parent: Option<&str>, name: &str) -> Folder {
        Folder {
            id: FolderId(id.into()),
            parent: parent.map(|p| FolderId(p.into())),
            name: name.into(),
            well_known: None,
            is_hidden: false,
            class: String::new(),
            total_items: None,
        }
    }

    fn tree() -> Tree {
        let mut root = folder("root", None, "Top of Information Store");
        root.well_known = Some(WellKnownFolder::Root);
        let mut hidden = folder("h", Some("root"), "Hidden");
        hidden.is_hidden = true;
        let mut recoverable = folder("r", None, "Deletions");
        recoverable.well_known = Some(WellKnownFolder::RecoverableItemsDeletions);
        Tree::new([
            root,
            folder("a", Some("root"), "A"),
            folder("ab", Some("a"), "B"),
            hidden,
            folder("hc", Some("h"), "C"),
            recoverable,
        ])
    }

    fn scope(folders: FolderScope, include_hidden: bool) -> Vec<String> {
        let request = BackupRequest {
            folders,
            include_hidden,
            ..BackupRequest::new("realm", "connection")
        };
        let ids = tree().in_scope(&request);
        ids.into_iter().map(|id| id.0).collect()
    }

    fn only(path: &str) -> FolderScope {
        FolderScope::Only {
            paths: vec![FolderPath::parse(path)],
            ids: vec![],
        }
    }

    #[test]
    fn scope_leaves_out_hidden_and_recoverable_unless_asked() {
        assert_eq!(scope(FolderScope::All, false), ["a", "ab", "root"]);
        assert_eq!(
            scope(FolderScope::All, true),
            ["a", "ab", "h", "hc", "root"]
        );
        assert_eq!(scope(only("a"), false), ["a", "ab"]);
        assert_eq!(scope(only("A/B"), false), ["ab"]);
        assert_eq!(scope(only("Hidden/C"), false), ["hc"]);
        assert_eq!(scope(only("Hidden"), false), ["h", "hc"]);
        assert_eq!(scope(only("Deletions"), false), ["r"]);
        assert_eq!(tree().missing(&only("nowhere")), ["nowhere"]);
    }

    #[test]
    fn the_extent_decides_about_trees_beside_the_visible_one() {
        let root = |id: &str, known| Folder {
            well_known: Some(known),
            ..folder(id, None, id)
        };
        let tree = Tree::new([
            root("r", WellKnownFolder::RecoverableItems),
            folder("rd", Some("r"), "Deletions"),
            root("a", WellKnownFolder::ArchiveMailbox),
            folder("ai", Some("a"), "Inbox"),
            root("ar", WellKnownFolder::ArchiveRecoverableItems),
            folder("ard", Some("ar"), "Deletions"),
        ]);
        let scope = |archive, recoverable_items| -> Vec<String> {
            let request = BackupRequest {
                extent: Extent {
                    archive,
                    recoverable_items,
                    export_streams: false,
                },
                ..BackupRequest::new("realm", "connection")
            };
            tree.in_scope(&request).into_iter().map(|id| id.0).collect()
        };
        assert!(scope(false, false).is_empty());
        assert_eq!(scope(true, false), ["a", "ai"]);
        assert_eq!(scope(false, true), ["r", "rd"]);
        assert_eq!(scope(true, true), ["a", "ai", "ar", "ard", "r", "rd"]);
    }

    #[test]
    fn each_folder_says_by_itself_whether_what_is_below_is_meant() {
        let each = |path: &str, with_subfolders| {
            scope(
                FolderScope::Each(vec![FolderPathChoice {
                    path: FolderPath::parse(path),
                    with_subfolders,
                }]),
                false,
            )
        };
        assert_eq!(each("a", true), ["a", "ab"]);
        assert_eq!(each("A", false), ["a"]);
        assert_eq!(each("hidden", false), ["h"]);
        assert_eq!(each("hidden", true), ["h", "hc"]);
        assert!(each("nowhere", true).is_empty());
    }

    #[test]
    fn a_complete_listing_removes_what_it_does_not_name() {
        let mut tree = tree();
        let delta = tree.apply(&FolderChanges {
            folders: vec![folder("a", Some("root"), "Renamed")],
            is_complete: true,
            ..FolderChanges::default()
        });
        assert_eq!(delta.changed.len(), 1);
        assert_eq!(delta.removed.len(), 5);
        assert_eq!(tree.folders().count(), 1);
    }

    #[test]
    fn a_loop_of_parents_ends() {
        let tree = Tree::new([folder("x", Some("y"), "X"), folder("y", Some("x"), "Y")]);
        assert!(tree.path(&FolderId("x".into())).0.len() <= MAX_DEPTH);
        assert_eq!(tree.in_scope(&BackupRequest::new("r", "c")).len(), 2);
    }
}
