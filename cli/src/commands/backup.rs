//! `mailkeep backup`.

use std::path::Path;
use std::sync::Arc;

use mailkeep_engine::backup::{BackupRequest, FolderPathChoice, FolderScope, MailboxScope, backup};
use mailkeep_engine::run_log::{LogKeep, RunLog, log_name, rotate};
use mailkeep_engine::{EngineError, Fan, Observer, StopSignal};
use mailkeep_local::FolderLogs;
use mailkeep_model::{FolderPath, PUBLIC_FOLDERS, RunId};
use mailkeep_ports::LogError;

use crate::args::BackupArgs;
use crate::session::Session;
use crate::view::BackupView;
use crate::{CliError, Exit, interrupt};

/// Carries out the verb.
///
/// # Errors
/// When nothing could be started.
pub(super) async fn run(session: &Session, args: &BackupArgs) -> Result<Exit, CliError> {
    let engine = session.engine(&args.unlock).await?;
    let name = args.connection.as_deref();
    let connection = session.connection(engine.vault(), name).await?;
    let mut request = BackupRequest::new(connection.realm(), &connection.name);
    if !args.mailboxes.is_empty() {
        request.mailboxes = MailboxScope::Only(args.mailboxes.clone());
    }
    if !args.folders.is_empty() {
        request.folders = FolderScope::Only {
            paths: args
                .folders
                .iter()
                .map(|path| FolderPath::parse(path))
                .collect(),
            ids: vec![],
        };
    }
    let public = public_folders(args);
    if !public.is_empty() {
        // Whoever names public folders and no mailbox means these alone.
        let mut mailboxes = args.mailboxes.clone();
        mailboxes.push(PUBLIC_FOLDERS.to_owned());
        request.mailboxes = MailboxScope::Only(mailboxes);
        request.public_folders = FolderScope::Each(public);
    }
    request.include_hidden = args.include_hidden;
    request.extent = args.extent.into();
    request.concurrent_mailboxes = usize::from(args.concurrent_mailboxes);
    let source = session.connect(connection)?.source;
    let clock = Arc::clone(&session.clock);
    let view = Arc::new(BackupView::new(session.output(), session.style(), clock));
    let log = match &args.log {
        Some(folder) => Some(begin_log(session, folder).await?),
        None => None,
    };
    let mut observers: Vec<Arc<dyn Observer>> = vec![view.clone()];
    observers.extend(log.iter().cloned().map(|log| log as Arc<dyn Observer>));
    let stop = StopSignal::new();
    let _watch = interrupt::watch(stop.clone());
    let done = backup(&engine, source, request, Arc::new(Fan(observers)), stop).await;
    if let Some(log) = log
        && let Err(error) = log.finish().await
    {
        // The backup is as good without.
        tracing::warn!(%error, "the log of this run is not complete");
    }
    match done {
        Ok(summary) => {
            view.finish(&summary)?;
            Ok(Exit::from_code(summary.exit_code()))
        }
        // The mail is in the vault; only the record of the run is not. Both are told.
        Err(EngineError::RunRecord { summary, cause }) => {
            view.finish(&summary)?;
            Err(EngineError::RunRecord { summary, cause }.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// The public folders that were named.
fn public_folders(args: &BackupArgs) -> Vec<FolderPathChoice> {
    let choices = |paths: &[String], with_subfolders| {
        let choice = |path: &String| FolderPathChoice {
            path: FolderPath::parse(path),
            with_subfolders,
        };
        paths.iter().map(choice).collect::<Vec<_>>()
    };
    let mut all = choices(&args.public_folders, true);
    all.extend(choices(&args.public_folders_alone, false));
    all
}

/// Begins the log of this run, and removes those that are not kept.
async fn begin_log(session: &Session, folder: &Path) -> Result<Arc<RunLog>, CliError> {
    let failed = |error: LogError| CliError::Usage(error.to_string());
    let logs = FolderLogs::open(folder).map_err(CliError::file("making", folder))?;
    let now = session.clock.now();
    let run = RunId(now.format("%Y%m%dT%H%M%S%3fZ").to_string());
    let name = log_name("backup", &run).map_err(failed)?;
    let (logs, clock) = (Arc::new(logs), Arc::clone(&session.clock));
    let log = RunLog::begin(logs.clone(), clock, name, "1").await;
    let log = log.map_err(failed)?;
    if let Err(error) = rotate(&*logs, LogKeep::default(), now).await {
        tracing::warn!(%error, "old logs were not removed");
    }
    Ok(log)
}
