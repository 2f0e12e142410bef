//! `mailkeep backup`.

use std::sync::Arc;

use mailkeep_engine::backup::{BackupRequest, FolderScope, MailboxScope, backup};
use mailkeep_engine::{EngineError, StopSignal};
use mailkeep_model::FolderPath;

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
    let mut request = BackupRequest::new(&connection.tenant, &connection.name);
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
    request.include_hidden = args.include_hidden;
    request.concurrent_mailboxes = usize::from(args.concurrent_mailboxes);
    let source = session.connect(connection)?.source;
    let clock = Arc::clone(&session.clock);
    let view = Arc::new(BackupView::new(session.output(), session.style(), clock));
    let stop = StopSignal::new();
    let _watch = interrupt::watch(stop.clone());
    match backup(&engine, source, request, view.clone(), stop).await {
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
