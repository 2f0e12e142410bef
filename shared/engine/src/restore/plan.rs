//! What a restore would do.

use std::collections::HashSet;

use mailkeep_exchange::Target;
use mailkeep_model::{FolderId, FolderKind, WellKnownFolder};
use mailkeep_vault::MailboxView;

use super::conflict::ExistingItems;
use super::folders::{Placer, TargetFolders};
use super::marker::marker;
use super::{Placement, PlannedFolder, RestorePlan, RestoreRequest};
use crate::select::{self, SelectedFolder};
use crate::{Engine, EngineError, browse};

/// Says what [`run`](super::run()) would do: folders, items, bytes, conflicts. Writes nothing.
///
/// # Errors
/// When the vault or the target cannot be read, or the selection names what is not there.
pub async fn plan(
    engine: &Engine,
    target: &dyn Target,
    request: &RestoreRequest,
) -> Result<RestorePlan, EngineError> {
    let view = open(engine, request).await?;
    let new_folder = new_folder(engine, request);
    let placer = Placer::new(view.folders(), request, new_folder.clone(), target);
    let folders = TargetFolders::read(target, &request.target).await?;
    let mut plan = RestorePlan {
        sequence: view.sequence(),
        new_folder,
        folders: vec![],
    };
    for selected in select::folders(&view, &request.selection).await? {
        let destination = placer.destination(selected.folder());
        let id = folders.find(&destination);
        let kind = FolderKind::from_class(&selected.folder().folder.class);
        let mut planned = PlannedFolder {
            from: selected.folder().path.to_string(),
            to: destination.path().to_string(),
            is_new: id.is_none(),
            items: 0,
            bytes: 0,
            already_there: 0,
            unfinished: 0,
            conflicts: 0,
            not_restorable: 0,
        };
        let existing = match &id {
            Some(id) => ExistingItems::new(target.existing_items(&request.target, id).await?),
            None => ExistingItems::default(),
        };
        let own = own_markers(engine, &view, request, &selected, id.as_ref(), &existing).await?;
        let mut from = None;
        loop {
            let page = select::page(&view, &selected, &request.selection.filter, from).await?;
            for version in &page.items {
                planned.items += 1;
                planned.bytes += version.item.size_bytes;
                if !target.takes(version.item.kind, kind) {
                    planned.not_restorable += 1;
                    continue;
                }
                let Some(id) = &id else { continue };
                let marker = marker(engine.vault().id(), version, &request.target, id);
                let met = existing.meet(&version.item, &marker, &own);
                if met.is_already_there {
                    planned.already_there += 1;
                } else if !met.unfinished.is_empty() {
                    planned.unfinished += 1;
                } else if !met.conflicts.is_empty() {
                    planned.conflicts += 1;
                }
            }
            match page.next {
                Some(next) => from = Some(next),
                None => break,
            }
        }
        if planned.items > 0 || is_wanted_empty(request, &selected) {
            plan.folders.push(planned);
        }
    }
    Ok(plan)
}

/// Empty folders are restored when folders were selected as such and they still existed. Hidden
/// ones, and the service's own for deleted items, hold nothing that a person would miss.
pub(super) fn is_wanted_empty(request: &RestoreRequest, selected: &SelectedFolder) -> bool {
    let stored = selected.folder();
    let is_the_services = matches!(
        stored.folder.well_known,
        Some(WellKnownFolder::Root | WellKnownFolder::RecoverableItemsDeletions)
    );
    request.selection.is_whole_folders()
        && !stored.deleted
        && !stored.folder.is_hidden
        && !is_the_services
}

pub(super) async fn open(
    engine: &Engine,
    request: &RestoreRequest,
) -> Result<MailboxView, EngineError> {
    let mailbox = engine.vault().mailbox(&request.mailbox).await?;
    browse::open(&mailbox, &request.snapshot).await
}

/// The name of the new folder at the top, if there is to be one.
pub(super) fn new_folder(engine: &Engine, request: &RestoreRequest) -> Option<String> {
    match &request.placement {
        Placement::Original => None,
        Placement::NewFolder { name: Some(name) } => Some(name.clone()),
        Placement::NewFolder { name: None } => {
            let now = engine.clock().now();
            Some(format!("Restored {}", now.format("%Y-%m-%d %H.%M")))
        }
    }
}

/// The markers of everything that this restore brings into one folder. Only needed, and only
/// computed, where the folder holds restored items.
pub(super) async fn own_markers(
    engine: &Engine,
    view: &MailboxView,
    request: &RestoreRequest,
    selected: &SelectedFolder,
    folder: Option<&FolderId>,
    existing: &ExistingItems,
) -> Result<HashSet<String>, EngineError> {
    let mut own = HashSet::new();
    let Some(folder) = folder else { return Ok(own) };
    if !existing.has_markers() {
        return Ok(own);
    }
    let mut from = None;
    loop {
        let page = select::page(view, selected, &request.selection.filter, from).await?;
        for version in &page.items {
            own.insert(marker(
                engine.vault().id(),
                version,
                &request.target,
                folder,
            ));
        }
        match page.next {
            Some(next) => from = Some(next),
            None => return Ok(own),
        }
    }
}
