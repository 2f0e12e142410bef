//! `mailkeep job …`.

mod change;
mod control;
mod hooks;
mod preview;
mod show;
mod words;

use mailkeep_engine::job::Jobs;

use crate::args::JobCommand;
use crate::session::Session;
use crate::{CliError, Exit};

pub(super) use change::{Difference, difference, edit_when, reports};

/// Carries out the verb.
///
/// # Errors
/// When the job database cannot be used, there is no such job, or the job refuses.
pub(super) async fn run(session: &Session, command: &JobCommand) -> Result<Exit, CliError> {
    match command {
        JobCommand::Create(args) => change::create(session, args).await,
        JobCommand::Edit(args) => change::edit(session, args).await,
        JobCommand::Rm(args) => change::remove(session, args).await,
        JobCommand::Export { database } => change::export(session, database).await,
        JobCommand::Diff { file, database } => change::diff(session, file, database).await,
        JobCommand::Show(args) => show::one(session, args).await,
        JobCommand::Ls { database, words } => show::all(session, database, *words).await,
        JobCommand::Runs(args) => show::runs(session, args).await,
        JobCommand::Tasks(args) => show::tasks(session, args).await,
        JobCommand::Hooks(args) => hooks::run(session, args).await,
        JobCommand::Preview(args) => preview::run(session, args).await,
        JobCommand::Start(args) => control::start(session, args).await,
        JobCommand::Stop(args) => {
            let verb = async |jobs: &Jobs, id: &_| jobs.stop(id).await;
            control::tell(session, args, "stopped", verb).await
        }
        JobCommand::Activate(args) => {
            let verb = async |jobs: &Jobs, id: &_| jobs.activate(id).await;
            control::tell(session, args, "activated", verb).await
        }
        JobCommand::Deactivate(args) => {
            let verb = async |jobs: &Jobs, id: &_| jobs.deactivate(id).await;
            control::tell(session, args, "deactivated", verb).await
        }
    }
}
