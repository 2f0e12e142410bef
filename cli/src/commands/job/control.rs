//! Starting and stopping.

use mailkeep_engine::job::{JobRecord, Jobs, StartRequest};
use mailkeep_engine::ledger::{JobError, JobId};
use mailkeep_engine::run::RunScope;

use crate::args::job::{JobNameArgs, JobStartArgs};
use crate::session::Session;
use crate::{CliError, Exit};

pub(super) async fn start(session: &Session, args: &JobStartArgs) -> Result<Exit, CliError> {
    let jobs = session.jobs(&args.database)?;
    let job = jobs.find(&args.job).await?;
    let scope = match (args.failed, args.mailboxes.is_empty()) {
        (true, _) => RunScope::Failed,
        (false, true) => RunScope::All,
        (false, false) => RunScope::Chosen(args.mailboxes.clone()),
    };
    let request = StartRequest {
        scope,
        ignores_schedule: args.now,
    };
    let job = jobs.start(&job.id, request).await?;
    done(session, &job, "started")
}

/// Tells a job something that takes no options.
pub(super) async fn tell(
    session: &Session,
    args: &JobNameArgs,
    what: &str,
    verb: impl AsyncFn(&Jobs, &JobId) -> Result<JobRecord, JobError>,
) -> Result<Exit, CliError> {
    let jobs = session.jobs(&args.database)?;
    let job = jobs.find(&args.job).await?;
    let job = verb(&jobs, &job.id).await?;
    done(session, &job, what)
}

/// Says that something was done with a job.
pub(super) fn done(session: &Session, job: &JobRecord, what: &str) -> Result<Exit, CliError> {
    let mut output = session.output();
    output.object(&serde_json::json!({
        "type": "job", "id": job.id, "name": job.name, "done": what, "definition": job.newest,
    }))?;
    output.line(format!("Job {}: {what}.", job.name))?;
    output.flush()?;
    Ok(Exit::Done)
}
