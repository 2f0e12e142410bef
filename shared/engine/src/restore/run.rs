//! Carrying out a restore.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use mailkeep_exchange::{Shelf, SourceError, Target};
use mailkeep_model::{FailureClass, FolderId, FolderKind};
use mailkeep_vault::{ItemKey, ItemVersion, MailboxView};

use super::conflict::ExistingItems;
use super::folders::{Placer, TargetFolders};
use super::keep::{Forgetful, KEEP_EVERY, RestoreKeeper};
use super::marker::marker;
use super::one::{Done, OneItem};
use super::plan::{is_wanted_empty, new_folder, open, own_markers};
use super::{RestoreOutcome, RestoreRequest, RestoreSummary};
use crate::cursor::Cursor;
use crate::select::{self, SelectedFolder};
use crate::{Engine, EngineError, Event, Observer, Progress, StopSignal};

/// Restores. Items that fail are recorded and the others go on; a full mailbox and a refused
/// connection end it. May be repeated: what is there already is left alone.
///
/// # Errors
/// When nothing could be started: the vault or the target cannot be read, or the selection names
/// what is not there.
pub async fn run(
    engine: &Engine,
    target: Arc<dyn Target>,
    request: &RestoreRequest,
    observer: Arc<dyn Observer>,
    stop: StopSignal,
) -> Result<RestoreSummary, EngineError> {
    let (from, keeper) = (Cursor::default(), Arc::new(Forgetful));
    let restore = carry_out(engine, target, request, from, keeper, observer, stop).await?;
    Ok(restore.summary)
}

pub(super) async fn carry_out(
    engine: &Engine,
    target: Arc<dyn Target>,
    request: &RestoreRequest,
    from: Cursor,
    keeper: Arc<dyn RestoreKeeper>,
    observer: Arc<dyn Observer>,
    stop: StopSignal,
) -> Result<Restore, EngineError> {
    let view = open(engine, request).await?;
    let selected = select::folders(&view, &request.selection).await?;
    let folders = TargetFolders::read(&*target, &request.target).await?;
    let new_folder = new_folder(engine, request);
    let mut restore = Restore {
        engine: engine.clone(),
        target,
        request: request.clone(),
        observer,
        stop,
        view,
        folders,
        summary: RestoreSummary {
            new_folder: new_folder.clone(),
            ..RestoreSummary::default()
        },
        progress: Progress::default(),
        failures_in_a_row: 0,
        streak: vec![],
        retry_after: None,
        cursor: from,
        keeper,
        kept_at: engine.clock().monotonic(),
    };
    if let Err(end) = restore.all(&selected, new_folder).await {
        restore.summary.outcome = match end {
            End::Engine(error) => return Err(error),
            End::Stopped => RestoreOutcome::Stopped,
            End::Failed(error) => {
                restore.retry_after = error.retry_after;
                RestoreOutcome::Failed {
                    class: error.class,
                    code: error.code.clone(),
                    message: format!("{error}. {}", error.class.advice()),
                }
            }
        };
    }
    restore.summary.folders_created = restore.folders.created;
    Ok(restore)
}

/// Where the items of a stored folder go.
enum Place {
    Folder(FolderId),
    /// Items directly in the root go into no folder that can be written.
    Nowhere,
    /// The target can have none of them.
    Refused,
    /// The folder cannot be made, which concerns no other kind of folder.
    Lost(SourceError),
}

impl Place {
    fn of(made: Option<FolderId>) -> Self {
        made.map_or(Self::Nowhere, Self::Folder)
    }
}

/// What is no failure of the whole restore: the target keeps this kind of folder apart, and refuses it.
fn concerns_kind(shelf: Shelf, error: &SourceError) -> bool {
    let is_refused = matches!(
        error.class,
        FailureClass::AuthScope
            | FailureClass::AuthConsent
            | FailureClass::RequestBug
            | FailureClass::ItemPermanent
            | FailureClass::FolderGone
    );
    shelf != Shelf::Tree && is_refused
}

fn no_place() -> SourceError {
    SourceError::new(
        FailureClass::ItemPermanent,
        "find target folder",
        "no_folder",
        "the item lies outside of all folders; restore it into a new folder",
    )
}

/// What ends a restore early.
pub(super) enum End {
    Stopped,
    Failed(SourceError),
    Engine(EngineError),
}

impl From<EngineError> for End {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

pub(super) struct Restore {
    pub(super) engine: Engine,
    pub(super) target: Arc<dyn Target>,
    pub(super) request: RestoreRequest,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) stop: StopSignal,
    pub(super) view: MailboxView,
    pub(super) folders: TargetFolders,
    pub(super) summary: RestoreSummary,
    pub(super) progress: Progress,
    pub(super) failures_in_a_row: u32,
    /// Items that failed in a row in a way that may pass.
    pub(super) streak: Vec<ItemKey>,
    pub(super) retry_after: Option<Duration>,
    pub(super) cursor: Cursor,
    keeper: Arc<dyn RestoreKeeper>,
    kept_at: Duration,
}

impl Restore {
    async fn all(
        &mut self,
        selected: &[SelectedFolder],
        new_folder: Option<String>,
    ) -> Result<(), End> {
        let view = self.view.clone();
        let target = self.target.clone();
        let placer = Placer::new(view.folders(), &self.request, new_folder, &*target);
        if self.cursor == Cursor::default() {
            self.count(selected).await?;
        }
        // Folders first, from the top, so that a failure there shows before any item is created.
        let mut work = vec![];
        for (index, folder) in selected.iter().enumerate().skip(self.cursor.folders) {
            self.check_stop()?;
            if is_wanted_empty(&self.request, folder) || self.has_items(folder).await? {
                if self.is_all_refused(folder).await? {
                    work.push((index, folder, Place::Refused));
                    continue;
                }
                let destination = placer.destination(folder.folder());
                let made = self.folders.ensure(&*self.target, &destination).await;
                let kind = FolderKind::from_class(&folder.folder().folder.class);
                let place = match made {
                    Err(error) if concerns_kind(self.target.shelf(kind), &error) => {
                        Place::Lost(SourceError {
                            class: FailureClass::ItemPermanent,
                            ..error
                        })
                    }
                    made => Place::of(made.map_err(End::Failed)?),
                };
                work.push((index, folder, place));
            }
        }
        for (index, folder, place) in work {
            if self.cursor.folders < index {
                self.cursor = Cursor::of_folder(index);
            }
            match place {
                Place::Folder(id) => self.folder(folder, &id).await?,
                Place::Nowhere => self.refuse(folder, |_| Done::Failed(no_place())).await?,
                Place::Refused => self.refuse(folder, |_| Done::NotRestorable).await?,
                Place::Lost(error) => {
                    self.refuse(folder, |_| Done::Failed(error.clone())).await?;
                }
            }
            self.settle_streak();
            self.cursor = Cursor::of_folder(index + 1);
        }
        Ok(())
    }

    async fn count(&mut self, selected: &[SelectedFolder]) -> Result<(), End> {
        let filter = &self.request.selection.filter;
        let (items, bytes) = select::count(&self.view, selected, filter).await?;
        self.progress.items_expected = Some(items);
        self.observer
            .event(&Event::TransferStarted { items, bytes });
        Ok(())
    }

    async fn has_items(&self, folder: &SelectedFolder) -> Result<bool, End> {
        let filter = &self.request.selection.filter;
        let page = select::page(&self.view, folder, filter, None).await?;
        Ok(!page.items.is_empty())
    }

    /// True when the folder has items, and the target can have none of them: it needs no such folder.
    async fn is_all_refused(&self, folder: &SelectedFolder) -> Result<bool, End> {
        let filter = &self.request.selection.filter;
        let kind = FolderKind::from_class(&folder.folder().folder.class);
        let (mut from, mut has_items) = (None, false);
        loop {
            let page = select::page(&self.view, folder, filter, from).await?;
            let mut items = page.items.iter();
            if items.any(|version| self.target.takes(version.item.kind, kind)) {
                return Ok(false);
            }
            has_items |= !page.items.is_empty();
            match page.next {
                Some(next) => from = Some(next),
                None => return Ok(has_items),
            }
        }
    }

    /// Notes the same of every item of a folder.
    async fn refuse(
        &mut self,
        folder: &SelectedFolder,
        why: impl Fn(&ItemVersion) -> Done,
    ) -> Result<(), End> {
        let mut from = None;
        loop {
            let filter = self.request.selection.filter.clone();
            let page = select::page(&self.view, folder, &filter, from).await?;
            for version in &page.items {
                self.note(version, why(version))?;
            }
            match page.next {
                Some(next) => from = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Restores one folder's items.
    async fn folder(&mut self, folder: &SelectedFolder, id: &FolderId) -> Result<(), End> {
        let listed = self.target.existing_items(&self.request.target, id).await;
        let existing = ExistingItems::new(listed.map_err(End::Failed)?);
        let (engine, request) = (&self.engine, &self.request);
        let own = own_markers(engine, &self.view, request, folder, Some(id), &existing).await?;
        let mut from = self.cursor.mark()?;
        loop {
            let filter = self.request.selection.filter.clone();
            let mut page = select::page(&self.view, folder, &filter, from).await?;
            let done = self.cursor.done();
            page.items
                .retain(|version| !done.contains(version.key.to_string().as_str()));
            let kind = FolderKind::from_class(&folder.folder().folder.class);
            self.items(page.items, (id, kind), &existing, &own).await?;
            self.settle_streak();
            match page.next {
                Some(next) => {
                    self.cursor.next_page(&next);
                    from = Some(next);
                }
                None => return Ok(()),
            }
        }
    }

    async fn items(
        &mut self,
        items: Vec<ItemVersion>,
        (folder, kind): (&FolderId, FolderKind),
        existing: &ExistingItems,
        own: &HashSet<String>,
    ) -> Result<(), End> {
        let limit = self.request.concurrent_items.max(1);
        let mut queue = items.into_iter();
        let mut running = FuturesUnordered::new();
        let mut end = None;
        let mut refused = vec![];
        loop {
            while running.len() < limit && end.is_none() && !self.stop.is_stopped() {
                let Some(version) = queue.next() else { break };
                if !self.target.takes(version.item.kind, kind) {
                    refused.push(version);
                    continue;
                }
                let vault = self.engine.vault().id();
                let marker = marker(vault, &version, &self.request.target, folder);
                let met = existing.meet(&version.item, &marker, own);
                let one = OneItem {
                    target: self.target.clone(),
                    view: self.view.clone(),
                    request: self.request.clone(),
                    folder: folder.clone(),
                };
                running.push(async move {
                    let done = one.restore(&version, marker, met).await;
                    (version, done)
                });
            }
            let Some((version, done)) = running.next().await else {
                break;
            };
            if let Err(error) = self.note(&version, done) {
                end.get_or_insert(error);
            }
            self.observer.event(&Event::TransferProgress {
                progress: self.progress.clone(),
            });
            if end.is_none() && !self.keep().await {
                end = Some(End::Stopped);
            }
        }
        for version in &refused {
            self.note(version, Done::NotRestorable)?;
        }
        match end {
            Some(end) => Err(end),
            None => self.check_stop(),
        }
    }

    /// Writes down how far it is, when that was not done for a while.
    async fn keep(&mut self) -> bool {
        let now = self.engine.clock().monotonic();
        // What counts as failed is not certain while everything fails.
        if now.saturating_sub(self.kept_at) < KEEP_EVERY || !self.streak.is_empty() {
            return true;
        }
        self.summary.folders_created = self.folders.created;
        let is_ours = self.keeper.keep(&self.summary, &self.cursor).await;
        self.kept_at = self.engine.clock().monotonic();
        is_ours
    }

    fn check_stop(&self) -> Result<(), End> {
        if self.stop.is_stopped() {
            Err(End::Stopped)
        } else {
            Ok(())
        }
    }
}
