//! Where stored folders go in the target mailbox.

use std::collections::HashMap;

use mailkeep_exchange::{Shelf, SourceError, Target};
use mailkeep_model::{Folder, FolderId, FolderKind, FolderPath, SourceMailboxId, WellKnownFolder};
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
    /// The kind of the folder, and how the target keeps such folders.
    kind: FolderKind,
    shelf: Shelf,
}

/// Stands between the names of folders above each other where a target has a list of folders.
const BETWEEN: &str = " / ";

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
    /// Kinds that the target keeps apart.
    apart: Vec<FolderKind>,
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
            apart: [
                FolderKind::Contacts,
                FolderKind::Calendar,
                FolderKind::Tasks,
            ]
            .into_iter()
            .filter(|kind| target.shelf(*kind) != Shelf::Tree)
            .collect(),
            created: 0,
        })
    }

    /// Whether a folder is where folders of this destination are. Where a kind is kept apart, what bears the
    /// same name elsewhere is another folder.
    fn is_among(&self, folder: &Folder, to: &Destination) -> bool {
        let kind = FolderKind::from_class(&folder.class);
        match to.shelf {
            Shelf::Tree => !self.apart.contains(&kind),
            Shelf::OwnTree | Shelf::List => kind == to.kind,
        }
    }

    fn child(&self, parent: Option<&FolderId>, name: &str, to: &Destination) -> Option<&Folder> {
        let mut folders = self.folders.iter();
        let first = folders.find(|folder| folder.well_known == Some(to.kind.first()));
        let first = first.map(|folder| &folder.id);
        self.folders.iter().find(|folder| {
            let is_at_top = || folder.parent.is_none() || folder.parent == self.root;
            let is_child = match parent {
                _ if to.shelf == Shelf::List => true,
                Some(parent) => folder.parent.as_ref() == Some(parent),
                // New folders of a tree of their own come below its first folder.
                None if to.shelf == Shelf::OwnTree => {
                    is_at_top() || folder.parent.as_ref() == first
                }
                None => is_at_top(),
            };
            self.is_among(folder, to)
                && is_child
                && Some(&folder.id) != self.root.as_ref()
                && folder.name.to_lowercase() == name.to_lowercase()
        })
    }

    fn existing_step(
        &self,
        parent: Option<&FolderId>,
        step: &Step,
        to: &Destination,
    ) -> Option<FolderId> {
        let well_known = step.well_known.and_then(|known| {
            let mut folders = self.folders.iter();
            folders.find(|folder| folder.well_known == Some(known))
        });
        let folder = well_known.or_else(|| self.child(parent, &step.name, to))?;
        Some(folder.id.clone())
    }

    /// The folder, when the target has it.
    pub(super) fn find(&self, destination: &Destination) -> Option<FolderId> {
        let mut parent: Option<FolderId> = None;
        for step in &destination.steps {
            parent = Some(self.existing_step(parent.as_ref(), step, destination)?);
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
            parent = match self.existing_step(parent.as_ref(), step, destination) {
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
    target: &'a dyn Target,
}

impl<'a> Placer<'a> {
    pub(super) fn new(
        stored: &'a [StoredFolder],
        request: &RestoreRequest,
        new_folder: Option<String>,
        target: &'a dyn Target,
    ) -> Self {
        let above = match new_folder {
            Some(name) => request.below.0.iter().cloned().chain([name]).collect(),
            None => vec![],
        };
        Self {
            stored: stored.iter().map(|s| (&s.folder.id, s)).collect(),
            above,
            keeps_well_known: request.placement == Placement::Original,
            target,
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
        let kind = FolderKind::from_class(&folder.folder.class);
        let shelf = self.target.shelf(kind);
        Destination {
            steps: on_shelf(steps, kind, shelf),
            kind,
            shelf,
        }
    }
}

/// The way to a folder, as the target keeps folders of its kind.
fn on_shelf(mut steps: Vec<Step>, kind: FolderKind, shelf: Shelf) -> Vec<Step> {
    if shelf == Shelf::Tree {
        return steps;
    }
    let Some(class) = steps.last().map(|step| step.class.clone()) else {
        return steps;
    };
    for step in &mut steps {
        class.clone_into(&mut step.class);
        step.well_known = step.well_known.filter(|known| *known == kind.first());
    }
    if shelf == Shelf::OwnTree || steps.len() == 1 {
        return steps;
    }
    // What lay below the first folder lies beside it in a list.
    let is_first = |step: &Step| step.well_known.is_some();
    if steps.first().is_some_and(is_first) {
        steps.remove(0);
    }
    let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    vec![Step {
        name: names.join(BETWEEN),
        class,
        well_known: steps.pop().and_then(|step| step.well_known),
    }]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str, class: &str, well_known: Option<WellKnownFolder>) -> Step {
        Step {
            name: name.into(),
            class: class.into(),
            well_known,
        }
    }

    #[test]
    fn a_list_of_folders_has_one_step() {
        let calendar = "IPF.Appointment";
        let first = Some(WellKnownFolder::Calendar);
        let way = |steps: &[Step], shelf| {
            let steps = on_shelf(steps.to_vec(), FolderKind::Calendar, shelf);
            let names: Vec<String> = steps.iter().map(|step| step.name.clone()).collect();
            (names.join(" > "), steps.last().unwrap().well_known)
        };
        let new = [step("New", "IPF.Note", None), step("Team", calendar, None)];
        assert_eq!(way(&new, Shelf::List), ("New / Team".into(), None));
        assert_eq!(way(&new, Shelf::OwnTree), ("New > Team".into(), None));
        let own = [
            step("Kalender", calendar, first),
            step("Team", calendar, None),
        ];
        assert_eq!(way(&own, Shelf::List), ("Team".into(), None));
        assert_eq!(way(&own[..1], Shelf::List), ("Kalender".into(), first));
        let mail = Some(WellKnownFolder::Inbox);
        let odd = [
            step("Inbox", "IPF.Note", mail),
            step("Team", calendar, None),
        ];
        let steps = on_shelf(odd.to_vec(), FolderKind::Calendar, Shelf::OwnTree);
        assert!(
            steps
                .iter()
                .all(|step| step.well_known.is_none() && step.class == calendar)
        );
    }
}
