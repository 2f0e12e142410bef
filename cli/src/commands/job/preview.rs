//! When a job may work next.

use crate::args::job::JobPreviewArgs;
use crate::jobs::file;
use crate::output::{Column, Table};
use crate::session::Session;
use crate::{CliError, Exit};

pub(super) async fn run(session: &Session, args: &JobPreviewArgs) -> Result<Exit, CliError> {
    let definition = match (&args.file, &args.job) {
        (Some(path), _) => file::read_one(path, &super::change::no_check)?,
        (None, name) => {
            let jobs = session.jobs(&args.database)?;
            let job = jobs.find(name.as_deref().unwrap_or_default()).await?;
            jobs.definition_of(&job, job.newest).await?
        }
    };
    let schedule = definition
        .activity()
        .map_err(|problems| CliError::Usage(problems.to_string()))?;
    let mut output = session.output();
    let mut table = Table::new([Column::left("FROM", 20), Column::left("TO", 0)]);
    let format =
        |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let now = session.clock.now();
    let mut is_empty = true;
    for window in schedule.windows_after(now).take(args.count) {
        is_empty = false;
        output.object(&serde_json::json!({
            "type": "activity_period", "from": window.start, "to": window.end,
        }))?;
        let end = window.end.map_or_else(|| "for ever".to_owned(), format);
        output.row(&mut table, [format(window.start), end])?;
    }
    if is_empty {
        output.line("It never becomes active.")?;
    }
    if !definition.is_scheduled() {
        output.line("Without a schedule: a person starts it.")?;
    }
    output.flush()?;
    Ok(Exit::Done)
}
