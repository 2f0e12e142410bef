//! What became of the hooks of a run.

use mailkeep_engine::hooks::HookStage;
use mailkeep_engine::ledger::JobError;

use super::show::time;
use crate::args::job::JobTasksArgs;
use crate::session::Session;
use crate::{CliError, Exit};

pub(super) async fn run(session: &Session, args: &JobTasksArgs) -> Result<Exit, CliError> {
    let jobs = session.jobs(&args.database)?;
    let record = jobs.find(&args.job).await?;
    let cycle = args.run.unwrap_or(record.cycle);
    let key = record.id.run(cycle);
    let Some(run) = jobs.ledger().run(&key).await? else {
        return Err(JobError::NoSuchRun { cycle }.into());
    };
    let mut output = session.output();
    let ended = jobs.ledger().hooks(&key).await?;
    for hook in &ended {
        output.object(&serde_json::json!({"type": "hook", "hook": hook}))?;
        let what = hook.fault.as_deref().unwrap_or("it did its work");
        let (phase, at) = (hook.phase.code(), time(Some(hook.ended_at)));
        output.line(format!("{phase} the backup, {at}: {what}"))?;
        if hook.dropped_bytes > 0 {
            output.line(format!("({} bytes of output left out)", hook.dropped_bytes))?;
        }
        for line in hook.output.lines() {
            output.line(format!("  {line}"))?;
        }
    }
    let stages = run.value.hooks;
    for (phase, stage) in [("before", stages.before), ("after", stages.after)] {
        if stage == Some(HookStage::AtWork) {
            output.object(&serde_json::json!({"type": "hook_at_work", "phase": phase}))?;
            output.line(format!("{phase} the backup: at work"))?;
        }
    }
    if stages.is_untouched() {
        output.line("Nothing was called.")?;
    }
    output.flush()?;
    Ok(Exit::Done)
}
