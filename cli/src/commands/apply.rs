//! `mailkeep apply`.

use super::job::{Difference, difference, edit_when, reports};
use crate::args::ApplyArgs;
use crate::jobs::file;
use crate::session::Session;
use crate::{CliError, Exit};

/// Carries out the verb.
///
/// # Errors
/// When a definition is wrong or a job refuses. Jobs before that one are changed then; applying again
/// goes on.
pub(super) async fn run(session: &Session, args: &ApplyArgs) -> Result<Exit, CliError> {
    let wanted = file::read(&args.file, &reports(&args.reports)?)?;
    let jobs = session.jobs(&args.database)?;
    let mut output = session.output();
    let mut changes = 0;
    for difference in difference(&jobs, wanted).await? {
        let (name, what) = match difference {
            Difference::New(definition) => (jobs.create(&definition).await?.name, "created"),
            Difference::Changed(job, definition, _) => {
                let when = edit_when(args.when);
                (jobs.edit(&job.id, &definition, when).await?.name, "edited")
            }
            Difference::OnlyHere(job) if args.prune => {
                jobs.delete(&job.id, args.when.stop_first).await?;
                (job.name, "deleted")
            }
            Difference::OnlyHere(_) => continue,
        };
        changes += 1;
        output.object(&serde_json::json!({"type": "job", "name": name, "done": what}))?;
        output.line(format!("Job {name}: {what}."))?;
    }
    if changes == 0 {
        output.line("Nothing to change.")?;
    }
    output.flush()?;
    Ok(Exit::Done)
}
