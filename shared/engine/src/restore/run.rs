//! Carrying out a restore.

use std::collections::HashSet;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use mailkeep_exchange::{SourceError, Target};
use mailkeep_model::{Action, FailureClass, FolderId};
use mailkeep_vault::{ItemVersion, MailboxView, VaultError};

use super::conflict::{ExistingItems, Meeting};
use super::folders::{Placer, TargetFolders};
use super::item::restore_item;
use super::marker::marker;
use super::plan::{is_wanted_empty, new_folder, open, own_markers};
use super::{ConflictPolicy, ItemProblem, RestoreOutcome, RestoreRequest, RestoreSummary};
use crate::error::vault_code;
use crate::select::{self, SelectedFolder};
use crate::{Engine, EngineError, Event, Observer, Progress, StopSignal};

/// Problems kept in a summary.
const MAX_PROBLEMS: usize = 1000;
/// Failures of the service in a row after which a restore ends; repeating it goes on.
const MAX_FAILURES_IN_A_ROW: u32 = 8;

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
    };
    if let Err(end) = restore.all(&selected, new_folder).await {
        restore.summary.outcome = match end {
            End::Engine(error) => return Err(error),
            End::Stopped => RestoreOutcome::Stopped,
            End::Failed(error) => RestoreOutcome::Failed {
                class: error.class,
                code: error.code.clone(),
                message: format!("{error}. {}", error.class.advice()),
            },
        };
    }
    restore.summary.folders_created = restore.folders.created;
    Ok(restore.summary)
}

/// What ends a restore early.
enum End {
    Stopped,
    Failed(SourceError),
    Engine(EngineError),
}

impl From<EngineError> for End {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

struct Restore {
    engine: Engine,
    target: Arc<dyn Target>,
    request: RestoreRequest,
    observer: Arc<dyn Observer>,
    stop: StopSignal,
    view: MailboxView,
    folders: TargetFolders,
    summary: RestoreSummary,
    progress: Progress,
    failures_in_a_row: u32,
}

/// What became of one item.
enum Done {
    Created {
        losses: Vec<String>,
        replaced: u64,
    },
    AlreadyThere {
        replaced: u64,
    },
    Skipped,
    /// Created, but an old one could not be moved away.
    NotReplaced {
        losses: Vec<String>,
        error: SourceError,
    },
    Failed(SourceError),
    Damaged(VaultError),
}

impl Restore {
    async fn all(
        &mut self,
        selected: &[SelectedFolder],
        new_folder: Option<String>,
    ) -> Result<(), End> {
        let view = self.view.clone();
        let placer = Placer::new(view.folders(), &self.request.placement, new_folder);
        self.count(selected).await?;
        // Folders first, from the top, so that a failure there shows before any item is created.
        let mut work = vec![];
        for folder in selected {
            self.check_stop()?;
            if is_wanted_empty(&self.request, folder) || self.has_items(folder).await? {
                let destination = placer.destination(folder.folder());
                let made = self.folders.ensure(&*self.target, &destination).await;
                match made.map_err(End::Failed)? {
                    Some(id) => work.push((folder, id)),
                    // Items directly in the root go into no folder that can be written.
                    None => self.no_place(folder).await?,
                }
            }
        }
        for (folder, id) in work {
            self.folder(folder, &id).await?;
        }
        Ok(())
    }

    async fn count(&mut self, selected: &[SelectedFolder]) -> Result<(), End> {
        let (mut items, mut bytes) = (0, 0);
        for folder in selected {
            let mut from = None;
            loop {
                let filter = &self.request.selection.filter;
                let page = select::page(&self.view, folder, filter, from).await?;
                for version in &page.items {
                    items += 1;
                    bytes += version.item.size_bytes;
                }
                match page.next {
                    Some(next) => from = Some(next),
                    None => break,
                }
            }
        }
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

    async fn no_place(&mut self, folder: &SelectedFolder) -> Result<(), End> {
        let mut from = None;
        loop {
            let filter = self.request.selection.filter.clone();
            let page = select::page(&self.view, folder, &filter, from).await?;
            for version in &page.items {
                let error = SourceError::new(
                    FailureClass::ItemPermanent,
                    "find target folder",
                    "no_folder",
                    "the item lies outside of all folders; restore it into a new folder",
                );
                self.note(version, Done::Failed(error))?;
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
        let mut from = None;
        loop {
            let filter = self.request.selection.filter.clone();
            let page = select::page(&self.view, folder, &filter, from).await?;
            self.items(page.items, id, &existing, &own).await?;
            match page.next {
                Some(next) => from = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn items(
        &mut self,
        items: Vec<ItemVersion>,
        folder: &FolderId,
        existing: &ExistingItems,
        own: &HashSet<String>,
    ) -> Result<(), End> {
        let limit = self.request.concurrent_items.max(1);
        let mut queue = items.into_iter();
        let mut running = FuturesUnordered::new();
        let mut end = None;
        loop {
            while running.len() < limit && end.is_none() && !self.stop.is_stopped() {
                let Some(version) = queue.next() else { break };
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
        }
        match end {
            Some(end) => Err(end),
            None => self.check_stop(),
        }
    }

    fn check_stop(&self) -> Result<(), End> {
        if self.stop.is_stopped() {
            Err(End::Stopped)
        } else {
            Ok(())
        }
    }

    fn note(&mut self, version: &ItemVersion, done: Done) -> Result<(), End> {
        self.progress.items_done += 1;
        let summary = &mut self.summary;
        let mut created = |losses: &[String], replaced| {
            summary.restored += 1;
            summary.replaced += replaced;
            summary.with_losses += u64::from(!losses.is_empty());
            summary.bytes += version.item.size_bytes;
        };
        match done {
            Done::Created { losses, replaced } => {
                created(&losses, replaced);
                self.failures_in_a_row = 0;
                self.progress.bytes_done += version.item.size_bytes;
                for loss in losses {
                    self.problem(version, None, "loss", loss);
                }
            }
            Done::AlreadyThere { replaced } => {
                summary.already_there += 1;
                summary.replaced += replaced;
            }
            Done::Skipped => summary.skipped += 1,
            Done::NotReplaced { losses, error } => {
                created(&losses, 0);
                for loss in losses {
                    self.problem(version, None, "loss", loss);
                }
                let message =
                    format!("the new item is complete, the old one is still there: {error}");
                self.summary.failed += 1;
                self.problem(version, Some(error.class), &error.code, message);
            }
            Done::Damaged(error) => {
                summary.failed += 1;
                let class = Some(FailureClass::Vault);
                self.problem(version, class, vault_code(&error), error.to_string());
            }
            Done::Failed(error) => {
                summary.failed += 1;
                self.problem(
                    version,
                    Some(error.class),
                    &error.code,
                    error.message.clone(),
                );
                return self.judge(error);
            }
        }
        Ok(())
    }

    /// Does a failed item end the restore?
    fn judge(&mut self, error: SourceError) -> Result<(), End> {
        match error.class.action() {
            _ if error.class == FailureClass::Vault => Ok(()),
            Action::StopConnection | Action::StopMailbox => Err(End::Failed(error)),
            Action::Retry => {
                self.failures_in_a_row += 1;
                let is_down = error.class == FailureClass::Throttled
                    || self.failures_in_a_row >= MAX_FAILURES_IN_A_ROW;
                if is_down {
                    Err(End::Failed(error))
                } else {
                    Ok(())
                }
            }
            _ => Ok(()),
        }
    }

    fn problem(
        &mut self,
        version: &ItemVersion,
        class: Option<FailureClass>,
        code: &str,
        message: String,
    ) {
        if let Some(class) = class {
            self.observer.event(&Event::TransferFailed {
                item: version.key.to_string(),
                message: message.clone(),
                class,
            });
        }
        if self.summary.problems.len() < MAX_PROBLEMS {
            let folders = self.view.folders().iter();
            let mut folders = folders.filter(|f| f.folder.id == version.item.folder);
            self.summary.problems.push(ItemProblem {
                item: version.key.to_string(),
                folder: folders
                    .next()
                    .map(|f| f.path.to_string())
                    .unwrap_or_default(),
                class,
                code: code.to_owned(),
                message,
            });
        }
    }
}

struct OneItem {
    target: Arc<dyn Target>,
    view: MailboxView,
    request: RestoreRequest,
    folder: FolderId,
}

impl OneItem {
    async fn restore(&self, version: &ItemVersion, marker: String, met: Meeting) -> Done {
        let is_replacing = self.request.on_conflict == ConflictPolicy::Replace;
        if met.is_already_there {
            // An earlier run may have died between the new item and the old one's removal.
            return match self.delete_old(is_replacing, &met).await {
                Ok(replaced) => Done::AlreadyThere { replaced },
                Err(error) => Done::Failed(error),
            };
        }
        if !met.conflicts.is_empty() && self.request.on_conflict == ConflictPolicy::Skip {
            return Done::Skipped;
        }
        let item = match restore_item(&self.view, version, marker).await {
            Ok(item) => item,
            Err(error) => return Done::Damaged(error),
        };
        let mailbox = &self.request.target;
        for id in &met.unfinished {
            if let Err(error) = self.target.delete_item(mailbox, id).await {
                return Done::Failed(error);
            }
        }
        let outcome = match self.target.create_item(mailbox, &self.folder, &item).await {
            Ok(outcome) => outcome,
            Err(error) => return Done::Failed(error),
        };
        match self.delete_old(is_replacing, &met).await {
            Ok(replaced) => Done::Created {
                losses: outcome.losses,
                replaced,
            },
            Err(error) => Done::NotReplaced {
                losses: outcome.losses,
                error,
            },
        }
    }

    /// Only after the new item is complete.
    async fn delete_old(&self, is_replacing: bool, met: &Meeting) -> Result<u64, SourceError> {
        let mut deleted = 0;
        if is_replacing {
            for id in &met.conflicts {
                match self.target.delete_item(&self.request.target, id).await {
                    Ok(()) => deleted += 1,
                    Err(error) if error.class == FailureClass::ItemGone => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(deleted)
    }
}
