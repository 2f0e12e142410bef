//! The folder tree as it was at a point in time.

use std::collections::HashMap;

use mailkeep_model::{Folder, FolderId, FolderPath, WellKnownFolder};

use crate::index::state::FolderVersion;

/// Deeper than any real tree; a deeper or circular one is cut here.
const MAX_DEPTH: usize = 300;

/// A folder of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFolder {
    /// Its description.
    pub folder: Folder,
    /// Its path from the top, without the root's own name.
    pub path: FolderPath,
    /// The commit that brought this description.
    pub from_sequence: u64,
    /// The commit that removed the folder, if it was removed.
    pub to_sequence: Option<u64>,
    /// It was removed at the source.
    pub deleted: bool,
    /// Its number in the index.
    pub(crate) number: u32,
}

/// The folders right after commit `at`, by path. A folder that was removed is listed with its last
/// description.
pub(crate) fn tree(versions: &[FolderVersion], at: u64) -> Vec<StoredFolder> {
    // Versions are in the order of their commits: the last one that fits wins.
    let mut last: HashMap<u32, &FolderVersion> = HashMap::new();
    for version in versions.iter().filter(|version| version.from <= at) {
        last.insert(version.number, version);
    }
    let by_id: HashMap<&FolderId, &Folder> = last
        .values()
        .map(|version| (&version.folder.id, &version.folder))
        .collect();
    let mut folders: Vec<StoredFolder> = last
        .values()
        .map(|version| {
            let to_sequence = version.to.filter(|to| *to <= at);
            StoredFolder {
                folder: version.folder.clone(),
                path: path(&version.folder, &by_id),
                from_sequence: version.from,
                to_sequence,
                deleted: to_sequence.is_some(),
                number: version.number,
            }
        })
        .collect();
    folders.sort_by(|a, b| (&a.path, a.number).cmp(&(&b.path, b.number)));
    folders
}

/// Names from the top down. A parent that is not stored, or a circle, ends the path: the folder then
/// appears at the top.
fn path(folder: &Folder, by_id: &HashMap<&FolderId, &Folder>) -> FolderPath {
    let mut names = vec![];
    let mut current = folder;
    while names.len() < MAX_DEPTH {
        let Some(parent) = &current.parent else {
            // The root has no name that people know, unless it is all there is. Trees beside the
            // visible one go by the names of theirs.
            if names.is_empty() || is_beside(current) {
                names.push(current.name.clone());
            }
            break;
        };
        names.push(current.name.clone());
        match by_id.get(parent) {
            Some(parent) => current = parent,
            None => break,
        }
    }
    names.reverse();
    FolderPath(names)
}

/// True for the root of a tree beside the visible one.
fn is_beside(folder: &Folder) -> bool {
    matches!(
        folder.well_known,
        Some(
            WellKnownFolder::RecoverableItems
                | WellKnownFolder::ArchiveMailbox
                | WellKnownFolder::ArchiveRecoverableItems
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(
        number: u32,
        id: &str,
        parent: Option<&str>,
        from: u64,
        to: Option<u64>,
    ) -> FolderVersion {
        FolderVersion {
            number,
            folder: Folder {
                id: FolderId(id.into()),
                parent: parent.map(|id| FolderId(id.into())),
                name: id.to_uppercase(),
                well_known: None,
                is_hidden: false,
                class: String::new(),
                total_items: None,
            },
            from,
            to,
        }
    }

    fn paths(versions: &[FolderVersion], at: u64) -> Vec<String> {
        tree(versions, at)
            .iter()
            .map(|folder| {
                format!(
                    "{}{}",
                    folder.path,
                    if folder.deleted { " gone" } else { "" }
                )
            })
            .collect()
    }

    #[test]
    fn paths_follow_the_commit() {
        let versions = [
            version(0, "root", None, 1, None),
            version(1, "a", Some("root"), 1, None),
            version(2, "b", Some("root"), 1, Some(2)),
            version(2, "b", Some("a"), 2, Some(3)),
        ];
        assert_eq!(paths(&versions, 0), Vec::<String>::new());
        assert_eq!(paths(&versions, 1), ["A", "B", "ROOT"]);
        assert_eq!(paths(&versions, 2), ["A", "A/B", "ROOT"]);
        assert_eq!(paths(&versions, 3), ["A", "A/B gone", "ROOT"]);
    }

    #[test]
    fn circles_and_orphans_end() {
        let versions = [
            version(1, "a", Some("b"), 1, None),
            version(2, "b", Some("a"), 1, None),
            version(3, "c", Some("lost"), 1, None),
            version(4, "d", Some("d"), 1, None),
        ];
        let tree = tree(&versions, 1);
        assert_eq!(tree.len(), 4);
        assert!(tree.iter().all(|folder| folder.path.0.len() <= MAX_DEPTH));
        assert!(tree.iter().any(|folder| folder.path.0 == ["C"]));
    }
}
