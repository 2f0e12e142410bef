//! Trees beside the visible one: the archive mailbox and Recoverable Items. Each is listed by itself,
//! and one that cannot be read does not keep the others from being so.

use std::collections::HashMap;

use mailkeep_model::{
    Action, Extent, FailureClass, Folder, FolderId, SourceMailboxId, WellKnownFolder,
};

use super::call::{Call, distinguished};
use super::client::EwsClient;
use super::error_map::{Asked, Operation};
use super::tree::{folder, get_folder};
use crate::{FolderChanges, SourceError};

static OPEN: Operation = Operation::new("open a tree beside the visible one", Asked::Folder);

/// Their roots, with the names that they are shown under: servers call an archive like the mailbox.
const BESIDE: [(WellKnownFolder, &str); 3] = [
    (WellKnownFolder::RecoverableItems, "Recoverable Items"),
    (WellKnownFolder::ArchiveMailbox, "In-Place Archive"),
    (
        WellKnownFolder::ArchiveRecoverableItems,
        "In-Place Archive, Recoverable Items",
    ),
];

/// Parents that are followed upwards; a longer chain is a loop.
const MAX_DEPTH: usize = 300;

fn is_wanted(root: WellKnownFolder, extent: Extent) -> bool {
    match root {
        WellKnownFolder::RecoverableItems => extent.recoverable_items,
        WellKnownFolder::ArchiveMailbox => extent.archive,
        _ => extent.archive && extent.recoverable_items,
    }
}

impl EwsClient {
    /// The visible tree and those of the extent. Known folders of other trees stay as they are.
    pub(crate) async fn trees(
        &self,
        mailbox: &SourceMailboxId,
        known: &[Folder],
        extent: Extent,
    ) -> Result<FolderChanges, SourceError> {
        let mut known = sorted(known);
        let visible = known.remove(&None).unwrap_or_default();
        let mut changes = self.tree(mailbox, &visible).await?;
        for (root, name) in BESIDE {
            let known = known.remove(&Some(root)).unwrap_or_default();
            if !is_wanted(root, extent) {
                changes.folders.extend(known);
                continue;
            }
            match self.beside(mailbox, root, name, &known).await {
                Ok(folders) => changes.folders.extend(folders),
                Err(error)
                    if error.class == FailureClass::Throttled
                        || error.class.action() == Action::StopConnection =>
                {
                    return Err(error);
                }
                Err(error) => {
                    changes.folders.extend(known);
                    changes.unread.get_or_insert_with(|| Box::new(error));
                }
            }
        }
        Ok(changes)
    }

    /// One tree; nothing when the mailbox has none.
    async fn beside(
        &self,
        mailbox: &SourceMailboxId,
        root: WellKnownFolder,
        name: &str,
        known: &[Folder],
    ) -> Result<Vec<Folder>, SourceError> {
        let listed = match self.below(mailbox, root.graph_name(), &OPEN).await {
            Ok(listed) => listed,
            Err(error) if error.class == FailureClass::FolderGone => return Ok(vec![]),
            Err(error) => return Err(error),
        };
        let known = known.iter().find(|one| one.well_known == Some(root));
        let top = match known {
            Some(known) => known.clone(),
            None => self.root(mailbox, root, name).await?,
        };
        let mut folders = vec![top.clone()];
        let ids: Vec<FolderId> = listed.iter().map(|one| one.id.clone()).collect();
        for mut folder in listed {
            let has_parent = folder.parent.as_ref().is_some_and(|id| ids.contains(id));
            if !has_parent {
                folder.parent = Some(top.id.clone());
            }
            // All of Recoverable Items is hidden; who wants it wants all of it.
            folder.is_hidden &= !root.is_recoverable();
            folders.push(folder);
        }
        Ok(folders)
    }

    async fn root(
        &self,
        mailbox: &SourceMailboxId,
        root: WellKnownFolder,
        name: &str,
    ) -> Result<Folder, SourceError> {
        let id = distinguished(root.graph_name(), mailbox, self.access);
        let call = Call::read(&OPEN, mailbox, get_folder(&[id]));
        let message = self.one(&call).await?;
        let found = message
            .child("Folders")
            .and_then(|folders| folders.children.first())
            .and_then(folder);
        let found = found.ok_or_else(|| {
            OPEN.error(
                FailureClass::Transient,
                "unreadable_answer",
                "the server did not describe the top of a folder tree",
            )
        })?;
        Ok(Folder {
            parent: None,
            name: name.to_owned(),
            well_known: Some(root),
            is_hidden: false,
            ..found
        })
    }
}

/// Known folders by the tree that they are in; `None` is the visible one.
fn sorted(known: &[Folder]) -> HashMap<Option<WellKnownFolder>, Vec<Folder>> {
    let by_id: HashMap<&FolderId, &Folder> = known.iter().map(|one| (&one.id, one)).collect();
    let mut out: HashMap<_, Vec<Folder>> = HashMap::new();
    for folder in known {
        let chain =
            std::iter::successors(Some(folder), |one| by_id.get(one.parent.as_ref()?).copied());
        let root = chain.take(MAX_DEPTH).find_map(|one| {
            let known = one.well_known?;
            BESIDE
                .iter()
                .any(|(root, _)| *root == known)
                .then_some(known)
        });
        out.entry(root).or_default().push(folder.clone());
    }
    out
}
