//! Where stored folders go in the target mailbox.

use std::collections::HashMap;

use mailkeep_exchange::{SourceError, Target};
use mailkeep_model::{Folder, FolderId, FolderPath, SourceMailboxId, WellKnownFolder};
use mailkeep_vault::StoredFolder;

use super::{Placement, RestoreRequest};

/// Exchange allows about 300 levels; a longer chain is a loop.
const MAX_DEPTH: usize = 300;

/// One step on the way from the top to a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    name: String,
    class: String,
    well_known: Option<WellKnownFolder>,
}

/// Where a stored folder goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    /// From the top.
    steps: Vec<Step>,
}

impl Destination {
    pub(super) fn path(&self) -> FolderPath {
        FolderPath(self.steps.iter().map(|step| step.name.clone()).collect())
    }
}

/// The target's folders, with those that were made.
pub(super) struct TargetFolders {
    mailbox: SourceMailboxId,
    root: Option<FolderId>,
    folders: Vec<Folder>,
    pub(super) created: u64,
}

impl TargetFolders {
    pub(super) async fn read(
        target: &dyn Target,
        mailbox: &SourceMailboxId,
    ) -> Result<Self, SourceError> {
        let folders = target.folders(mailbox).await?;
        let root = folders
            .iter()
            .find(|folder| folder.well_known == Some(WellKnownFolder::Root));
        Ok(Self {
            mailbox: mailbox.clone(),
            root: root.map(|folder| folder.id.clone()),
            folders,
            created: 0,
        })
    }

    fn child(&self, parent: Option<&FolderId>, name: &str) -> Option<&Folder> {
        self.folders.iter().find(|folder| {
            let is_child = match parent {
                Some(parent) => folder.parent.as_ref() == Some(parent),
                None => folder.parent.is_none() || folder.parent == self.root,
            };
            is_child
                && Some(&folder.id) != self.root.as_ref()
                && folder.name.to_lowercase() == name.to_lowercase()
        })
    }

    fn existing_step(&self, parent: Option<&FolderId>, step: &Step) -> Option<FolderId> {
        let well_known = step.well_known.and_then(|known| {
            let mut folders = self.folders.iter();
            folders.find(|folder| folder.well_known == Some(known))
        });
        let folder = well_known.or_else(|| self.child(parent, &step.name))?;
        Some(folder.id.clone())
    }

    /// The folder, when the target has it.
    pub(super) fn find(&self, destination: &Destination) -> Option<FolderId> {
        let mut parent: Option<FolderId> = None;
        for step in &destination.steps {
            parent = Some(self.existing_step(parent.as_ref(), step)?);
        }
        parent
    }

    /// The folder; it and those above it are created where they are missing.
    pub(super) async fn ensure(
        &mut self,
        target: &dyn Target,
        destination: &Destination,
    ) -> Result<Option<FolderId>, SourceError> {
        let mut parent: Option<FolderId> = None;
        for step in &destination.steps {
            parent = match self.existing_step(parent.as_ref(), step) {
                Some(id) => Some(id),
                None => {
                    let (mailbox, name) = (&self.mailbox, step.name.as_str());
                    let mut folder = target
                        .create_folder(mailbox, parent.as_ref(), name, &step.class)
                        .await?;
                    self.created += 1;
                    let id = folder.id.clone();
                    // Found again by the name that was asked for, whatever the target made of it.
                    folder.parent = parent.or_else(|| self.root.clone());
                    name.clone_into(&mut folder.name);
                    self.folders.push(folder);
                    Some(id)
                }
            };
        }
        Ok(parent)
    }
}

/// Finds the destinations of stored folders.
pub(super) struct Placer<'a> {
    stored: HashMap<&'a FolderId, &'a StoredFolder>,
    /// Names of the folders above everything, from the top.
    above: Vec<String>,
    keeps_well_known: bool,
}

impl<'a> Placer<'a> {
    pub(super) fn new(
        stored: &'a [StoredFolder],
        request: &RestoreRequest,
        new_folder: Option<String>,
    ) -> Self {
        let above = match new_folder {
            Some(name) => request.below.0.iter().cloned().chain([name]).collect(),
            None => vec![],
        };
        Self {
            stored: stored.iter().map(|s| (&s.folder.id, s)).collect(),
            above,
            keeps_well_known: request.placement == Placement::Original,
        }
    }

    /// Where this folder goes. In the original place a well-known folder is the target's folder of
    /// that kind, whatever its name there.
    pub(super) fn destination(&self, folder: &StoredFolder) -> Destination {
        let mut steps = vec![];
        let mut next = Some(folder);
        while let Some(stored) = next {
            let folder = &stored.folder;
            if folder.well_known == Some(WellKnownFolder::Root) || steps.len() >= MAX_DEPTH {
                break;
            }
            steps.push(Step {
                name: if folder.name.is_empty() {
                    "Unnamed".into()
                } else {
                    folder.name.clone()
                },
                class: folder.class.clone(),
                well_known: folder.well_known.filter(|_| self.keeps_well_known),
            });
            next = folder
                .parent
                .as_ref()
                .and_then(|id| self.stored.get(id).copied());
        }
        for name in self.above.iter().rev() {
            steps.push(Step {
                name: name.clone(),
                class: "IPF.Note".into(),
                well_known: None,
            });
        }
        steps.reverse();
        Destination { steps }
    }
}
