//! One run over many mailboxes.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mailkeep_exchange::{Source, SourceError, SourceMetrics, SyncRequest};
use mailkeep_model::{
    Action, Counters, FailureClass, LicenseState, MailboxKind, MailboxOutcome, MailboxProfile,
    MailboxSummary, PUBLIC_FOLDERS, RunId, RunSummary, SourceMailboxId,
};
use mailkeep_vault::{Mailbox, VaultError};
use tokio::task::JoinSet;

use super::finish::{failed, failed_vault};
use super::halt::Halt;
use super::scope::MailboxList;
use super::session::{Context, Session};
use super::{BackupRequest, MailboxScope};
use crate::{Engine, EngineError, Event, Observer, StopSignal};

/// Backs up mailboxes. One that fails does not stop the others, unless the connection as a whole
/// is refused. The summary is stored in the vault and returned; how well it went is in there.
///
/// # Errors
/// When nothing could be started (the mailbox list cannot be read), or the record of the run could
/// not be stored.
pub async fn backup(
    engine: &Engine,
    source: Arc<dyn Source>,
    request: BackupRequest,
    observer: Arc<dyn Observer>,
    stop: StopSignal,
) -> Result<RunSummary, EngineError> {
    let started_at = engine.clock().now();
    let context = Arc::new(Context {
        engine: engine.clone(),
        source: source.clone(),
        observer: observer.clone(),
        stop: stop.child(),
        run: engine.new_run_id(),
        request,
    });
    observer.event(&Event::RunStarted {
        run: context.run.clone(),
        mailboxes: match &context.request.mailboxes {
            MailboxScope::All => None,
            MailboxScope::Only(wanted) => u64::try_from(wanted.len()).ok(),
        },
    });
    let mailboxes = all_mailboxes(&context).await?;
    let summary = RunSummary {
        run: context.run.clone(),
        connection: context.request.connection.clone(),
        started_at,
        finished_at: engine.clock().now(),
        mailboxes,
    };
    if let Err(cause) = engine.vault().put_run(&summary).await {
        let summary = Box::new(summary);
        return Err(EngineError::RunRecord { summary, cause });
    }
    extend_locks(engine).await;
    observer.event(&Event::RunFinished {
        summary: summary.clone(),
    });
    Ok(summary)
}

/// What the backup of one mailbox brought.
#[derive(Debug)]
pub struct MailboxRun {
    /// The run's id, as commits bear it.
    pub run: RunId,
    /// How it went; `None` for an account that has no mailbox and never had one.
    pub summary: Option<MailboxSummary>,
    /// Something was written to the vault.
    pub is_news: bool,
    /// For how long the service asks to leave the mailbox alone, when it was stopped for that.
    pub asked_to_wait: Option<Duration>,
}

/// Backs up one mailbox that is known already. Leaves no record of the run in the vault: that is up to
/// the caller.
pub async fn back_up_mailbox(
    engine: &Engine,
    source: Arc<dyn Source>,
    request: BackupRequest,
    mailbox: MailboxProfile,
    observer: Arc<dyn Observer>,
    stop: StopSignal,
) -> MailboxRun {
    let context = Arc::new(Context {
        engine: engine.clone(),
        source: source.clone(),
        observer,
        stop: stop.child(),
        run: engine.new_run_id(),
        request,
    });
    let id = mailbox.id.clone();
    let summary = one_mailbox(&context, mailbox, &OnceLock::new()).await;
    let now = engine.clock().now();
    let until = source.throttled_until(&id).filter(|until| *until > now);
    let was_told_to_wait = summary
        .as_ref()
        .is_some_and(|summary| summary.outcome == MailboxOutcome::Stopped && !stop.is_stopped());
    MailboxRun {
        run: context.run.clone(),
        is_news: summary
            .as_ref()
            .is_some_and(|summary| summary.counters.bytes_stored > 0),
        summary,
        asked_to_wait: was_told_to_wait.then(|| {
            let wait = until.and_then(|until| (until - now).to_std().ok());
            wait.unwrap_or(UNTOLD_WAIT)
        }),
    }
}

/// How long to wait when a service asked for it and did not say how long.
const UNTOLD_WAIT: Duration = Duration::from_secs(60);

/// Keeps what the vault needs locked for as long as it promises. A failure does not make the run one:
/// the next run tries again long before a promise is broken, and verification looks at every lock.
pub(crate) async fn extend_locks(engine: &Engine) {
    match engine.vault().extend_locks().await {
        Ok(extended) => {
            for object in extended.into_iter().flat_map(|extended| extended.missing) {
                tracing::error!(object, "an object that the vault needs is gone; run verify");
            }
        }
        Err(error) => tracing::warn!(%error, "locks were not extended; the next run tries again"),
    }
}

async fn all_mailboxes(context: &Arc<Context>) -> Result<Vec<MailboxSummary>, EngineError> {
    let limit = context.request.concurrent_mailboxes.max(1);
    let mut list = MailboxList::new(context.source.clone(), &context.request.mailboxes);
    let mut tasks = JoinSet::new();
    let mut done = vec![];
    let refused: Arc<OnceLock<SourceError>> = Arc::default();
    let mut list_failure = None;
    let mut is_listed = false;
    loop {
        while tasks.len() < limit && !is_listed && !context.stop.is_stopped() {
            match list.next().await {
                Ok(Some(profile)) => {
                    let (context, refused) = (context.clone(), refused.clone());
                    tasks.spawn(async move { one_mailbox(&context, profile, &refused).await });
                }
                Ok(None) => is_listed = true,
                Err(error) if done.is_empty() && tasks.is_empty() => return Err(error.into()),
                Err(error) => {
                    list_failure = Some(error);
                    is_listed = true;
                }
            }
        }
        match tasks.join_next().await {
            Some(Ok(Some(summary))) => done.push(summary),
            Some(Ok(None)) => {}
            Some(Err(error)) => done.push(crashed(&error)),
            None => break,
        }
    }
    match (refused.get(), list_failure) {
        // Not one mailbox more was tried, in a run that would have gone on.
        (Some(error), _) if !is_listed => done.push(rest(failed(error))),
        (None, Some(error)) => done.push(rest(failed(&error))),
        (None, None) if !is_listed => done.push(rest(MailboxOutcome::Stopped)),
        (None, None) => {
            for wanted in list.not_found() {
                let summary = not_found(context, wanted).await;
                context.observer.event(&Event::MailboxFinished {
                    summary: summary.clone(),
                });
                done.push(summary);
            }
        }
        _ => {}
    }
    for summary in &mut done {
        if let (Some(error), MailboxOutcome::Stopped) = (refused.get(), &summary.outcome) {
            summary.outcome = failed(error);
        }
    }
    done.sort_by(|a, b| (&a.address, &a.mailbox).cmp(&(&b.address, &b.mailbox)));
    Ok(done)
}

/// Backs up one mailbox; `None` for an account that turns out to have no mailbox and never had one.
async fn one_mailbox(
    context: &Arc<Context>,
    profile: MailboxProfile,
    refused: &OnceLock<SourceError>,
) -> Option<MailboxSummary> {
    let context = &Arc::new(context.for_kind(profile.kind));
    let before = context.source.metrics(Some(&profile.id));
    let mut summary = MailboxSummary {
        mailbox: profile.id.clone(),
        address: profile.address.clone(),
        vault_mailbox: String::new(),
        sequence: 0,
        outcome: MailboxOutcome::Stopped,
        counters: Counters::default(),
        incomplete_folders: 0,
        warnings: vec![],
    };
    if let Err(halt) = work(context, &profile, &mut summary, refused).await {
        let never_stored = summary.vault_mailbox.is_empty();
        if never_stored && is_no_mailbox(context, &profile, &halt) {
            return None;
        }
        note_refusal(context, &halt, refused);
        summary.outcome = match halt {
            Halt::Stopped | Halt::Wait(_) => MailboxOutcome::Stopped,
            Halt::Source(error) => failed(&error),
            Halt::Vault(error) => failed_vault(&error),
        };
    }
    count_requests(
        &mut summary.counters,
        before,
        context.source.metrics(Some(&profile.id)),
    );
    context.observer.event(&Event::MailboxFinished {
        summary: summary.clone(),
    });
    Some(summary)
}

async fn work(
    context: &Arc<Context>,
    profile: &MailboxProfile,
    summary: &mut MailboxSummary,
    refused: &OnceLock<SourceError>,
) -> Result<(), Halt> {
    if context.stop.is_stopped() {
        return Err(Halt::Stopped);
    }
    let (source, realm) = (&context.source, context.request.realm.as_str());
    let (mailbox, early) = match existing(context, profile).await? {
        Some(mailbox) => (mailbox, None),
        // Nothing is written for a mailbox before the source lets us see it.
        None => {
            let request = SyncRequest {
                extent: context.request.extent,
                ..SyncRequest::default()
            };
            let round = source.sync(&profile.id, request).await;
            let mut round = round.map_err(Halt::Source)?;
            round.tree = Ok(round.tree.map_err(Halt::Source)?);
            let mailbox = context
                .engine
                .vault()
                .ensure_mailbox(realm, profile)
                .await?;
            (mailbox, Some(round))
        }
    };
    summary.vault_mailbox = mailbox.id().to_string();
    let mut session = Session::open(context.clone(), profile, &mailbox).await?;
    summary.sequence = session.sequence;
    let round = match early {
        Some(round) => Ok(round),
        None => source.sync(&profile.id, session.sync_request()).await,
    };
    let result = match round {
        Ok(round) => session.follow_all(&profile.address, round).await,
        Err(error) if error.class == FailureClass::Throttled => Err(Halt::Wait(error)),
        Err(error) => Err(Halt::Source(error)),
    };
    if let Err(halt) = &result {
        note_refusal(context, halt, refused);
    }
    summary.outcome = session.finish(result).await;
    session.warnings.extend(session.taker.exports.remark());
    summary.sequence = session.sequence;
    summary.incomplete_folders = session.incomplete_folders();
    summary.counters = session.counters.clone();
    summary.warnings = std::mem::take(&mut session.warnings);
    Ok(())
}

/// The mailbox in the vault, with its profile brought up to date.
async fn existing(
    context: &Context,
    profile: &MailboxProfile,
) -> Result<Option<Mailbox>, VaultError> {
    let (vault, realm) = (context.engine.vault(), context.request.realm.as_str());
    match vault.find_mailbox(realm, &profile.id).await? {
        Some(mailbox) if mailbox.profile() != profile => {
            vault.ensure_mailbox(realm, profile).await.map(Some)
        }
        found => Ok(found),
    }
}

/// A failure that concerns the whole connection stops every mailbox of the run.
fn note_refusal(context: &Context, halt: &Halt, refused: &OnceLock<SourceError>) {
    if let Halt::Source(error) = halt
        && error.class.action() == Action::StopConnection
    {
        // Only the first cause is told.
        let _ = refused.set(error.clone());
        context.stop.stop();
    }
}

/// A directory lists accounts without a mailbox, too; in a run over everything they are no failure.
fn is_no_mailbox(context: &Context, profile: &MailboxProfile, halt: &Halt) -> bool {
    context.request.mailboxes == MailboxScope::All
        && profile.kind != MailboxKind::PublicFolders
        && profile.license != LicenseState::Licensed
        && matches!(halt, Halt::Source(e) if e.class == FailureClass::MailboxUnavailable)
}

fn count_requests(counters: &mut Counters, before: SourceMetrics, after: SourceMetrics) {
    counters.requests = after.requests.saturating_sub(before.requests);
    counters.throttles = after.throttles.saturating_sub(before.throttles);
}

/// Stands for the mailboxes that were not even listed.
fn rest(outcome: MailboxOutcome) -> MailboxSummary {
    MailboxSummary {
        mailbox: SourceMailboxId(String::new()),
        address: String::new(),
        vault_mailbox: String::new(),
        sequence: 0,
        outcome,
        counters: Counters::default(),
        incomplete_folders: 0,
        warnings: vec!["further mailboxes in scope were not reached".into()],
    }
}

/// Why a mailbox that was asked for is not among those that the source lists.
async fn not_found(context: &Context, wanted: String) -> MailboxSummary {
    if wanted != PUBLIC_FOLDERS {
        return not_listed(wanted);
    }
    match context.source.public_folders().await {
        Err(error) => MailboxSummary {
            outcome: failed(&error),
            ..not_listed(wanted)
        },
        Ok(_) => not_listed(wanted),
    }
}

fn not_listed(wanted: String) -> MailboxSummary {
    MailboxSummary {
        mailbox: SourceMailboxId(wanted.clone()),
        address: wanted,
        warnings: vec![],
        ..rest(MailboxOutcome::Failed {
            class: FailureClass::MailboxGone,
            code: "not_listed".into(),
            message: "the source lists no mailbox by this address or id".into(),
        })
    }
}

fn crashed(error: &tokio::task::JoinError) -> MailboxSummary {
    MailboxSummary {
        warnings: vec![],
        ..rest(MailboxOutcome::Failed {
            class: FailureClass::RequestBug,
            code: "internal_error".into(),
            message: format!(
                "a mailbox's backup ended by an internal error, please report it: {error}"
            ),
        })
    }
}
