//! One mailbox's backup while it runs: its state and the order of its steps.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use mailkeep_exchange::{
    ChangePage, Cursor, FolderCursor, Source, SourceError, SyncRequest, SyncRound,
};
use mailkeep_model::{
    Counters, FailureClass, FolderId, FolderKind, Gap, ItemId, MailboxKind, MailboxProfile, RunId,
    SourceMailboxId,
};
use mailkeep_vault::{LeftOut, Mailbox, MailboxWriter, Snapshot};

use super::BackupRequest;
use super::cursor::StoredCursor;
use super::exports::Exports;
use super::halt::{Halt, Verdict, judge};
use super::take::Taker;
use super::timing::Timing;
use super::tree::Tree;
use crate::{Engine, Event, Observer, Progress, StopSignal};

/// What all mailboxes of one run share.
pub(super) struct Context {
    pub(super) engine: Engine,
    pub(super) source: Arc<dyn Source>,
    pub(super) request: BackupRequest,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) stop: StopSignal,
    pub(super) run: RunId,
}

impl Context {
    /// The same for one mailbox of this kind.
    pub(super) fn for_kind(&self, kind: MailboxKind) -> Self {
        Self {
            engine: self.engine.clone(),
            source: self.source.clone(),
            request: self.request.for_kind(kind),
            observer: self.observer.clone(),
            stop: self.stop.clone(),
            run: self.run.clone(),
        }
    }
}

/// One mailbox's backup. Steps that a [`Halt`] interrupts leave everything staged so far usable.
pub(super) struct Session {
    pub(super) context: Arc<Context>,
    pub(super) mailbox: SourceMailboxId,
    pub(super) writer: Arc<MailboxWriter>,
    pub(super) taker: Arc<Taker>,
    pub(super) tree: Tree,
    pub(super) scope: BTreeSet<FolderId>,
    /// Where each folder was before this run.
    pub(super) cursors: HashMap<FolderId, String>,
    /// Open gaps, as the writer has them.
    pub(super) ledger: HashMap<ItemId, Gap>,
    /// Items whose gap was tried in this run already.
    pub(super) tried: HashSet<ItemId>,
    /// Items that a filter left out and that may qualify later, as the writer has them.
    pub(super) left_out: HashMap<ItemId, LeftOut>,
    /// The mark of the filter that this run goes by.
    pub(super) filter_mark: Option<String>,
    /// Removals that are not verified yet, as the writer has them.
    pub(super) pending: BTreeMap<ItemId, FolderId>,
    /// Those of them that earlier runs left.
    pub(super) pending_before: HashSet<ItemId>,
    /// Items that the source named and whose content it then said to be gone.
    pub(super) gone: HashSet<ItemId>,
    pub(super) counters: Counters,
    pub(super) progress: Progress,
    pub(super) warnings: Vec<String>,
    /// Folders in scope that did not reach their last page, with the first failure.
    pub(super) incomplete: BTreeMap<FolderId, SourceError>,
    /// The folder tree could not be read; an older one is used.
    pub(super) tree_failure: Option<SourceError>,
    /// Folders whose subfolders the source could not list.
    pub(super) unlisted: Vec<(FolderId, SourceError)>,
    /// Folders that the source counted in this run.
    pub(super) counted: BTreeMap<FolderId, u64>,
    /// By how much a folder's count differs although it was listed anew, as its cursor says.
    pub(super) differences: HashMap<FolderId, i128>,
    /// Something beside cursors changed in this run.
    pub(super) is_substantive: bool,
    pub(super) last_commit: Duration,
    pub(super) sequence: u64,
    /// The newest commit before this run.
    pub(super) newest: Option<Snapshot>,
    /// Passing failures in a row.
    pub(super) failures_in_a_row: u32,
    throttle_seen: Option<DateTime<Utc>>,
    /// Requests sent for this mailbox before this run.
    requests_before: u64,
}

type Pages = Vec<(FolderId, Result<ChangePage, SourceError>)>;

impl Session {
    pub(super) async fn open(
        context: Arc<Context>,
        profile: &MailboxProfile,
        mailbox: &Mailbox,
    ) -> Result<Self, Halt> {
        let writer = Arc::new(mailbox.writer().await?);
        let cursors = writer.cursors();
        let clock = context.engine.clock().clone();
        let pending: BTreeMap<_, _> = writer.pending_removals().into_iter().collect();
        let mut session = Self {
            left_out: writer
                .left_out()
                .into_iter()
                .map(|it| (it.item.clone(), it))
                .collect(),
            filter_mark: None,
            mailbox: profile.id.clone(),
            tree: Tree::new(writer.folders()),
            scope: BTreeSet::new(),
            differences: cursors
                .iter()
                .filter_map(|(id, it)| Some((id.clone(), StoredCursor::read(it).difference?)))
                .collect(),
            cursors,
            ledger: writer
                .gaps()
                .into_iter()
                .map(|g| (g.item.clone(), g))
                .collect(),
            tried: HashSet::new(),
            pending_before: pending.keys().cloned().collect(),
            pending,
            gone: HashSet::new(),
            counters: Counters::default(),
            progress: Progress::default(),
            warnings: vec![],
            incomplete: BTreeMap::new(),
            tree_failure: None,
            unlisted: vec![],
            counted: BTreeMap::new(),
            is_substantive: false,
            last_commit: clock.monotonic(),
            sequence: writer.base_sequence(),
            newest: writer.newest_snapshot().await?,
            failures_in_a_row: 0,
            throttle_seen: None,
            requests_before: context.source.metrics(Some(&profile.id)).requests,
            taker: Arc::new(Taker {
                source: context.source.clone(),
                writer: writer.clone(),
                clock,
                mailbox: profile.id.clone(),
                bytes_read: std::sync::atomic::AtomicU64::new(0),
                timing: Timing::default(),
                exports: Exports::new(context.request.extent, &*context.source),
            }),
            writer,
            context,
        };
        session.warn_of_what_is_not_offered();
        session.go_by_rules()?;
        Ok(session)
    }

    fn warn_of_what_is_not_offered(&mut self) {
        let (wanted, offered) = (self.context.request.extent, self.context.source.offers());
        for part in wanted.missing(offered) {
            self.warnings.push(format!(
                "{part} cannot be taken over this kind of connection; everything else is"
            ));
        }
    }

    /// The first question to the source: everything that is in scope, as far as it is known.
    pub(super) fn sync_request(&self) -> SyncRequest {
        let scope = self.in_scope();
        SyncRequest {
            tree_cursor: self.writer.tree_cursor().map(Cursor),
            folders: scope.into_iter().map(|id| self.folder_cursor(id)).collect(),
            known_folders: self.tree.folders().cloned().collect(),
            extent: self.context.request.extent,
            leave_out: self.unwanted_kinds(),
        }
    }

    /// Kinds of folders that this run has no item of. Told only where a folder holds nothing else.
    fn unwanted_kinds(&self) -> Vec<FolderKind> {
        let Some(rules) = &self.context.request.rules else {
            return vec![];
        };
        if !self.context.source.keeps_kinds_apart() {
            return vec![];
        }
        let kinds = &rules.items.kinds;
        [
            (FolderKind::Contacts, kinds.contacts),
            (FolderKind::Calendar, kinds.calendar),
            (FolderKind::Tasks, kinds.tasks),
        ]
        .into_iter()
        .filter(|(_, is_wanted)| !is_wanted)
        .map(|(kind, _)| kind)
        .collect()
    }

    /// The folders that this run covers.
    fn in_scope(&self) -> BTreeSet<FolderId> {
        let unwanted = self.unwanted_kinds();
        let mut scope = self.tree.in_scope(&self.context.request);
        scope.retain(|id| {
            let folder = self.tree.get(id);
            folder.is_none_or(|folder| !unwanted.contains(&FolderKind::from_class(&folder.class)))
        });
        scope
    }

    pub(super) fn folder_cursor(&self, folder: FolderId) -> FolderCursor {
        let cursor = self
            .cursors
            .get(&folder)
            .map(|stored| StoredCursor::read(stored).cursor);
        FolderCursor { folder, cursor }
    }

    /// Everything after the first answer.
    pub(super) async fn follow_all(&mut self, address: &str, round: SyncRound) -> Result<(), Halt> {
        self.take_tree(round.tree).await?;
        self.scope = self.in_scope();
        for (folder, error) in std::mem::take(&mut self.unlisted) {
            if self.scope.contains(&folder) {
                self.note_incomplete(&folder, error);
            }
        }
        for missing in self.tree.missing(&self.context.request.folders) {
            self.warnings
                .push(format!("there is no folder `{missing}` in this mailbox"));
        }
        self.announce(address);
        self.retry_gaps().await?;
        self.ask_about_left_out().await?;
        let mut pages: BTreeMap<FolderId, Result<ChangePage, SourceError>> =
            round_pages(round.pages);
        for folder in self.scope.clone() {
            let first = pages.remove(&folder);
            let before = self.counters.clone();
            let followed = self.follow(&folder, first).await;
            self.tell_folder(&folder, &before);
            followed?;
        }
        self.settle_removals().await?;
        self.heal_counts().await
    }

    async fn take_tree(
        &mut self,
        tree: Result<mailkeep_exchange::FolderChanges, SourceError>,
    ) -> Result<(), Halt> {
        let tree = match tree {
            Err(error) if self.fails_on(&error) => return Err(Halt::Source(error)),
            Err(error) if error.class == FailureClass::SyncReset => self.list_tree().await,
            other => other,
        };
        let changes = match tree {
            Ok(changes) => changes,
            Err(error) => match judge(error) {
                Verdict::Halt(halt) => return Err(halt),
                Verdict::Resync(e) | Verdict::Passing(e) | Verdict::Permanent(e) => {
                    return self.keep_tree(e);
                }
                Verdict::Gone => return Ok(()),
            },
        };
        if let Some(error) = &changes.unread {
            self.warnings.push(format!(
                "a folder tree beside the visible one could not be read: {error}"
            ));
            self.tree_failure = Some((**error).clone());
        }
        for folder in &changes.folders {
            if let Some(count) = folder.total_items {
                self.counted.insert(folder.id.clone(), count);
            }
        }
        self.counted.extend(changes.counted.iter().cloned());
        let delta = self.tree.apply(&changes);
        for folder in delta.changed {
            self.writer.put_folder(folder);
            self.is_substantive = true;
        }
        for folder in delta.removed {
            self.doubt_all_in(&folder).await?;
            self.writer.remove_folder(&folder);
            self.put_cursor(&folder, None);
            self.is_substantive = true;
        }
        self.unlisted = changes.unlisted;
        let cursor = changes.cursor.as_ref().map(|cursor| cursor.0.as_str());
        self.writer.set_tree_cursor(cursor);
        Ok(())
    }

    async fn list_tree(&mut self) -> Result<mailkeep_exchange::FolderChanges, SourceError> {
        self.counters.resyncs += 1;
        self.is_substantive = true;
        let request = SyncRequest {
            known_folders: self.tree.folders().cloned().collect(),
            extent: self.context.request.extent,
            leave_out: self.unwanted_kinds(),
            ..SyncRequest::default()
        };
        self.context.source.sync(&self.mailbox, request).await?.tree
    }

    /// The tree could not be read: go on with the one that is stored, if there is one.
    fn keep_tree(&mut self, error: SourceError) -> Result<(), Halt> {
        if self.tree.is_empty() {
            return Err(Halt::Source(error));
        }
        self.warnings.push(format!(
            "the folder tree could not be read, new folders are missing: {error}"
        ));
        self.tree_failure = Some(error);
        Ok(())
    }

    fn announce(&mut self, address: &str) {
        let listed = self
            .scope
            .iter()
            .filter(|id| !self.cursors.contains_key(*id));
        let expected: Vec<u64> = listed
            .filter_map(|id| self.tree.get(id).and_then(|folder| folder.total_items))
            .collect();
        self.progress.items_expected = (!expected.is_empty()).then(|| expected.iter().sum());
        self.emit(&Event::MailboxStarted {
            mailbox: self.mailbox.clone(),
            address: address.to_owned(),
            folders: u64::try_from(self.scope.len()).unwrap_or(u64::MAX),
            items_expected: self.progress.items_expected,
        });
    }

    /// True when the vault follows this folder: what moves there stays in the backup.
    pub(super) fn is_followed(&self, folder: &FolderId) -> bool {
        self.scope.contains(folder)
            || (self.tree.contains(folder) && self.cursors.contains_key(folder))
    }

    pub(super) fn emit(&self, event: &Event) {
        self.context.observer.event(event);
    }

    /// Tells how far the mailbox has come.
    pub(super) fn report_progress(&mut self) {
        self.count_traffic();
        let until = self.context.source.throttled_until(&self.mailbox);
        let until = until.filter(|until| *until > self.context.engine.clock().now());
        if let Some(until) = until
            && self.throttle_seen != Some(until)
        {
            self.throttle_seen = Some(until);
            self.emit(&Event::Throttled {
                mailbox: self.mailbox.clone(),
                until,
            });
        }
        let counters = &self.counters;
        self.progress.items_done = counters.items_stored
            + counters.items_updated
            + counters.items_unchanged
            + counters.items_failed;
        if let Some(expected) = &mut self.progress.items_expected {
            *expected = (*expected).max(self.progress.items_done);
        }
        self.progress.bytes_done = counters.bytes_read;
        self.progress.throttled_until = until;
        self.progress.counters = self.counters.clone();
        let requests = self.context.source.metrics(Some(&self.mailbox)).requests;
        self.progress.counters.requests = requests.saturating_sub(self.requests_before);
        self.progress.spent = self.taker.spent();
        self.emit(&Event::Progress {
            mailbox: self.mailbox.clone(),
            progress: self.progress.clone(),
        });
    }

    /// Tells what was counted in a folder, if anything was.
    fn tell_folder(&mut self, folder: &FolderId, before: &Counters) {
        self.count_traffic();
        let counters = self.counters.since(before);
        if counters != Counters::default() {
            self.emit(&Event::FolderFinished {
                mailbox: self.mailbox.clone(),
                folder: self.folder_name(folder),
                counters,
            });
        }
    }

    pub(super) fn count_traffic(&mut self) {
        let read = &self.taker.bytes_read;
        self.counters.bytes_read = read.load(std::sync::atomic::Ordering::Relaxed);
    }

    pub(super) fn folder_name(&self, folder: &FolderId) -> String {
        self.tree.path(folder).to_string()
    }

    pub(super) fn check_stop(&self) -> Result<(), Halt> {
        if self.context.stop.is_stopped() {
            Err(Halt::Stopped)
        } else {
            Ok(())
        }
    }
}

fn round_pages(pages: Pages) -> BTreeMap<FolderId, Result<ChangePage, SourceError>> {
    pages.into_iter().collect()
}
