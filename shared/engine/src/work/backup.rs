//! The site that backs up mailboxes into vaults.

use std::sync::Arc;

use async_trait::async_trait;
use mailkeep_exchange::{Cursor, MailboxPage, SourceError};
use mailkeep_model::job::{
    JobDefinition, Mailboxes, PublicFolderChoice, PublicFolders, TrackingFailure,
};
use mailkeep_model::state::Reason;
use mailkeep_model::{Counters, FailureClass, MailboxOutcome, MailboxSummary, RunSummary};

use super::{Connections, Order, Outcome, Report, ScopePage, Site, Workplace};
use crate::backup::{BackupRequest, CycleRules, FolderPathChoice, FolderScope, back_up_mailbox};
use crate::run::RunRecord;
use crate::run_log::RunLogs;
use crate::{Event, Fan, Observer, StopSignal};

/// Backs up mailboxes over connections into the vaults of their storages.
pub struct VaultSite {
    connections: Arc<dyn Connections>,
    observer: Arc<dyn Observer>,
    logs: Option<RunLogs>,
}

impl VaultSite {
    /// A site that reaches connections and storages in this way, and tells an observer what happens.
    #[must_use]
    pub fn new(connections: Arc<dyn Connections>, observer: Arc<dyn Observer>) -> Self {
        Self {
            connections,
            observer,
            logs: None,
        }
    }

    /// The same, with a log of each run.
    #[must_use]
    pub fn with_logs(mut self, logs: RunLogs) -> Self {
        self.logs = Some(logs);
        self
    }

    async fn open(&self, definition: &JobDefinition) -> Result<Workplace, SourceError> {
        let (connection, storage) = (&definition.connection, &definition.storage);
        self.connections.open(connection, storage).await
    }
}

#[async_trait]
impl Site for VaultSite {
    async fn page(
        &self,
        definition: &JobDefinition,
        next: Option<&str>,
    ) -> Result<ScopePage, SourceError> {
        let place = self.open(definition).await?;
        let cursor = next.map(|next| Cursor(next.to_owned()));
        let cursor = cursor.as_ref();
        let source = &place.source;
        let mut page = match &definition.scope.mailboxes {
            Mailboxes::None => MailboxPage::default(),
            Mailboxes::All | Mailboxes::Chosen(_) => source.mailboxes(cursor).await?,
            Mailboxes::Group(group) => source.members(group, cursor).await?,
            Mailboxes::Rule(rule) => source.matching(rule, cursor).await?,
        };
        // Groups and rules know no public folders, and some connections reach none.
        let is_last = page.next.is_none();
        if is_last && definition.scope.public_folders.is_some() {
            let profile = source.public_folders().await?;
            if !page.mailboxes.contains(&profile) {
                page.mailboxes.push(profile);
            }
        }
        Ok(ScopePage {
            realm: place.realm,
            mailboxes: page.mailboxes,
            next: page.next.map(|cursor| cursor.0),
        })
    }

    async fn back_up(&self, order: &Order, stop: StopSignal) -> Report {
        let log = match &self.logs {
            Some(logs) => logs.begin(&order.task.run, &order.worker).await,
            None => None,
        };
        let mut observers = vec![self.observer.clone(), order.gauge.clone()];
        let Some(log) = log else {
            return self.work(order, stop, Arc::new(Fan(observers))).await;
        };
        observers.push(log.clone());
        let report = self.work(order, stop, Arc::new(Fan(observers))).await;
        if let Err(error) = log.finish().await {
            tracing::warn!(%error, "the log of a run is not complete; its backup is as good without");
        }
        report
    }

    async fn opened(&self, run: &RunRecord) {
        if let Some(logs) = &self.logs {
            logs.opened(run).await;
        }
    }

    async fn ended(&self, run: &RunRecord) {
        if let Some(logs) = &self.logs {
            logs.ended(run).await;
        }
    }

    async fn close(&self, definition: &JobDefinition) {
        if let Ok(place) = self.open(definition).await {
            crate::backup::extend_locks(&place.engine).await;
        }
        if let Some(logs) = &self.logs {
            logs.rotate().await;
        }
    }
}

impl VaultSite {
    async fn work(&self, order: &Order, stop: StopSignal, observer: Arc<dyn Observer>) -> Report {
        let place = match self.open(&order.definition).await {
            Ok(place) => place,
            Err(error) => {
                let summary = unopened(order, &error);
                observer.event(&Event::MailboxFinished { summary });
                return refused(&error);
            }
        };
        let definition = &order.definition;
        let mut request = BackupRequest::new(&place.realm, &definition.connection);
        if let Some(public_folders) = &definition.scope.public_folders {
            request.public_folders = public_scope(public_folders);
        }
        request.concurrent_mailboxes = 1;
        request.concurrent_items =
            usize::try_from(definition.concurrent_items).unwrap_or(usize::MAX);
        request.extent = definition.extent;
        request.rules = Some(CycleRules {
            folders: definition.folders.clone(),
            items: definition.items.clone(),
            tracking: definition.change_tracking,
            cycle_at: order.cycle_at,
        });
        let started_at = place.engine.clock().now();
        let source = place.source.clone();
        let done = back_up_mailbox(
            &place.engine,
            source,
            request,
            order.mailbox.clone(),
            observer,
            stop,
        );
        let done = done.await;
        let Some(summary) = done.summary else {
            // An account without a mailbox, in a scope that covers all accounts.
            return Report::of(Outcome::Complete);
        };
        let mut report = report(&summary, definition);
        if let (Outcome::Stopped, Some(wait)) = (&report.outcome, done.asked_to_wait) {
            report.outcome = Outcome::Wait(wait);
        }
        // A pass that wrote nothing leaves no record in the vault; the job database has it.
        if done.is_news {
            let record = RunSummary {
                run: done.run,
                connection: definition.connection.clone(),
                started_at,
                finished_at: place.engine.clock().now(),
                mailboxes: vec![summary],
            };
            if let Err(error) = place.engine.vault().put_run(&record).await {
                tracing::warn!(%error, "the record of a run was not written; its backup is there");
            }
        }
        report
    }
}

/// A mailbox whose connection could not be opened, for logs.
fn unopened(order: &Order, error: &SourceError) -> MailboxSummary {
    MailboxSummary {
        mailbox: order.mailbox.id.clone(),
        address: order.mailbox.address.clone(),
        vault_mailbox: String::new(),
        sequence: 0,
        outcome: MailboxOutcome::Failed {
            class: error.class,
            code: error.code.clone(),
            message: error.to_string(),
        },
        counters: Counters::default(),
        incomplete_folders: 0,
        warnings: vec![],
    }
}

fn public_scope(wanted: &PublicFolders) -> FolderScope {
    match wanted {
        PublicFolders::All => FolderScope::All,
        PublicFolders::Chosen(choices) => {
            let choice = |choice: &PublicFolderChoice| FolderPathChoice {
                path: choice.names(),
                with_subfolders: choice.with_subfolders,
            };
            FolderScope::Each(choices.iter().map(choice).collect())
        }
    }
}

fn refused(error: &SourceError) -> Report {
    Report {
        message: format!("{error}. {}", error.class.advice()),
        ..Report::of(Outcome::Failed {
            class: error.class,
            retry_after: error.retry_after,
        })
    }
}

/// What a mailbox's summary means for its task.
fn report(summary: &MailboxSummary, definition: &JobDefinition) -> Report {
    let (outcome, message) = match &summary.outcome {
        MailboxOutcome::Complete => (Outcome::Complete, String::new()),
        MailboxOutcome::WithGaps { gaps } => {
            let folders = summary.incomplete_folders;
            let message = format!("{gaps} items are missing, {folders} folders are incomplete");
            (Outcome::Warning(Reason::Gaps), message)
        }
        MailboxOutcome::Stopped => (Outcome::Stopped, String::new()),
        MailboxOutcome::Failed { class, message, .. }
            if *class == FailureClass::SyncReset
                && definition.change_tracking.on_failure == TrackingFailure::Fail =>
        {
            (Outcome::Final(Reason::ChangeTracking), message.clone())
        }
        MailboxOutcome::Failed { class, message, .. } => {
            let outcome = Outcome::Failed {
                class: *class,
                retry_after: None,
            };
            (outcome, message.clone())
        }
    };
    Report {
        outcome,
        message,
        counters: summary.counters.clone(),
        vault_mailbox: summary.vault_mailbox.clone(),
    }
}
