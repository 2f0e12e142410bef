//! Jobs, runs and tasks as lists.

use chrono::{DateTime, Utc};
use mailkeep_engine::job::{self, JobRecord, Jobs};
use mailkeep_engine::ledger::JobError;
use mailkeep_engine::run::{RunProgress, RunRecord};
use mailkeep_model::job::{JobDefinition, JobKind};
use mailkeep_model::state::{State, Vocabulary, words};

use super::words::{health_of, run_words, speed, words_of, work_words};
use crate::args::DatabaseArgs;
use crate::args::job::{JobNameArgs, JobRunsArgs, JobTasksArgs, WordsArg};
use crate::jobs::file;
use crate::output::{Column, Table};
use crate::session::Session;
use crate::{CliError, Exit};

/// Events that `job show` shows.
const EVENTS: usize = 10;

/// A state as JSON has it.
fn state_object(state: State) -> serde_json::Value {
    let reason = state.reason();
    serde_json::json!({
        "code": state.code(),
        "reason": reason.map(|reason| reason.code()),
        "action": reason.map(|reason| reason.action()),
    })
}

pub(super) fn time(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(String::new, |at| {
        at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    })
}

/// A job's state, and its newest run if there is one.
async fn state_of(
    session: &Session,
    jobs: &Jobs,
    record: &JobRecord,
) -> Result<(State, Option<RunRecord>), CliError> {
    let definition = jobs.definition_of(record, record.version).await?;
    let run = match record.cycle {
        0 => None,
        cycle => jobs.ledger().run(&record.id.run(cycle)).await?,
    };
    let run = run.map(|run| run.value);
    let now = session.clock.now();
    let state = job::state(record, &definition, run.as_ref().map(|run| run.state), now);
    Ok((state, run))
}

fn job_object(
    record: &JobRecord,
    definition: &JobDefinition,
    state: State,
    words: &str,
    run: Option<(&RunRecord, &RunProgress)>,
) -> serde_json::Value {
    let progress = run.map(|(_, progress)| progress);
    let run = run.map(|(run, _)| run);
    serde_json::json!({
        "type": "job",
        "id": record.id,
        "name": record.name,
        "state": state_object(state),
        "words": words,
        "job_type": definition.kind,
        "connection": definition.connection,
        "storage": definition.storage,
        "priority": definition.priority,
        "definition": record.version,
        "newest_definition": record.newest,
        "is_active": record.is_active,
        "is_started": record.is_started,
        "runs": record.cycle,
        "last": record.last,
        "waiting": run.map(|run| run.waiting),
        "in_flight": run.map(|run| run.in_flight),
        "progress": progress,
    })
}

pub(super) async fn all(
    session: &Session,
    database: &DatabaseArgs,
    list: WordsArg,
) -> Result<Exit, CliError> {
    let jobs = session.jobs(database)?;
    let mut output = session.output();
    let mut table = Table::new([
        Column::left("NAME", 24),
        Column::left("TYPE", 10),
        Column::left("STATE", 24),
        Column::right("SPEED", 12),
        Column::left("STORAGE", 12),
        Column::right("RUNS", 6),
        Column::left("LAST END", 20),
        Column::left("NOTE", 0),
    ]);
    for record in jobs.all().await? {
        let (state, run) = state_of(session, &jobs, &record).await?;
        let words = words_of(&jobs, &record, state, list).await?;
        let definition = jobs.definition_of(&record, record.version).await?;
        let progress = match &run {
            Some(run) => Some(jobs.ledger().run_progress(run).await?),
            None => None,
        };
        let both = run.as_ref().zip(progress.as_ref());
        output.object(&job_object(&record, &definition, state, words, both))?;
        let at_work = progress.filter(|_| run.is_some_and(|run| run.in_flight > 0));
        let kind = match definition.kind {
            JobKind::Continuous => "continuous",
            JobKind::OneTime => "one-time",
        };
        let note = state.reason().map(|reason| reason.action());
        let cells = [
            record.name.clone(),
            kind.to_owned(),
            words.to_owned(),
            at_work.as_ref().map_or_else(String::new, speed),
            definition.storage,
            record.cycle.to_string(),
            time(record.last.map(|last| last.ended_at)),
            note.unwrap_or_default().to_owned(),
        ];
        output.row(&mut table, cells)?;
    }
    if table.is_empty() {
        output.line("There is no job yet; `mailkeep job create` makes one.")?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

pub(super) async fn one(session: &Session, args: &JobNameArgs) -> Result<Exit, CliError> {
    let jobs = session.jobs(&args.database)?;
    let record = jobs.find(&args.job).await?;
    let (state, run) = state_of(session, &jobs, &record).await?;
    let definition = jobs.definition_of(&record, record.newest).await?;
    let events = jobs.ledger().events(&record.id, None, EVENTS).await?;
    let mut output = session.output();
    let words = words(Vocabulary::JobList, state);
    let progress = match &run {
        Some(run) => Some(jobs.ledger().run_progress(run).await?),
        None => None,
    };
    let both = run.as_ref().zip(progress.as_ref());
    output.object(&job_object(&record, &definition, state, words, both))?;
    output.object(&serde_json::json!({"type": "job_definition", "definition": definition}))?;
    output.line(format!("{}: {words}", record.name))?;
    let health = health_of(&jobs, &record).await?;
    output.line(format!("Mailboxes: {}", health.words()))?;
    if let Some(progress) = progress.filter(|_| record.is_open) {
        output.line(run_words(&progress))?;
    }
    if let Some(reason) = state.reason() {
        output.line(reason.action())?;
    }
    if record.newest > record.version {
        output.line("A newer definition holds from the next cycle on.")?;
    }
    output.line("")?;
    output.line(file::write(&[definition])?)?;
    for event in events.records.into_iter().rev() {
        let event = event.value;
        output.object(&serde_json::json!({"type": "job_event", "event": event}))?;
        let what = serde_json::to_string(&event.event).unwrap_or_default();
        output.line(format!("{}  {what}", time(Some(event.at))))?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

pub(super) async fn runs(session: &Session, args: &JobRunsArgs) -> Result<Exit, CliError> {
    let jobs = session.jobs(&args.database)?;
    let record = jobs.find(&args.job).await?;
    let mut output = session.output();
    let mut table = Table::new([
        Column::right("RUN", 6),
        Column::left("STATE", 24),
        Column::left("BEGAN", 20),
        Column::left("ENDED", 20),
        Column::right("MAILBOXES", 9),
        Column::right("FAILED", 6),
        Column::right("STORED", 9),
    ]);
    let (mut left, mut after) = (args.limit, None);
    while left > 0 {
        let page = jobs.ledger().runs(&record.id, after, left).await?;
        left = left.saturating_sub(page.records.len());
        for run in page.records {
            let run = run.value;
            output.object(&serde_json::json!({
                "type": "run",
                "run": run.key.cycle,
                "state": state_object(run.state),
                "definition": run.version,
                "began_at": run.opened_at,
                "ended_at": run.ended_at,
                "waiting": run.waiting,
                "in_flight": run.in_flight,
                "ended": run.tally.tasks(),
                "failed": run.tally.failed(),
                "counters": run.counters,
                "hooks": run.hooks,
            }))?;
            let all = run.waiting + u64::from(run.in_flight) + run.tally.tasks();
            let cells = [
                run.key.cycle.to_string(),
                run.state.code().to_owned(),
                time(Some(run.opened_at)),
                time(run.ended_at),
                all.to_string(),
                run.tally.failed().to_string(),
                run.counters.items_stored.to_string(),
            ];
            output.row(&mut table, cells)?;
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    output.flush()?;
    Ok(Exit::Done)
}

pub(super) async fn tasks(session: &Session, args: &JobTasksArgs) -> Result<Exit, CliError> {
    let jobs = session.jobs(&args.database)?;
    let record = jobs.find(&args.job).await?;
    let cycle = args.run.unwrap_or(record.cycle);
    let key = record.id.run(cycle);
    if jobs.ledger().run(&key).await?.is_none() {
        return Err(JobError::NoSuchRun { cycle }.into());
    }
    let mut output = session.output();
    let mut table = Table::new([
        Column::left("MAILBOX", 32),
        Column::left("STATE", 20),
        Column::right("STORED", 8),
        Column::left("ENDED", 20),
        Column::left("MESSAGE", 0),
    ]);
    let mut after = None;
    loop {
        let page = jobs.ledger().tasks(&key, after, 500).await?;
        for task in page.records {
            let task = task.value;
            let progress = jobs.ledger().task_progress(&task).await?;
            output.object(&serde_json::json!({
                "type": "task",
                "mailbox": task.mailbox.id,
                "address": task.mailbox.address,
                "state": state_object(task.state),
                "attempts_failed": task.failures,
                "began_at": task.started_at,
                "ended_at": task.ended_at,
                "message": task.message,
                "vault_mailbox": task.vault_mailbox,
                "counters": task.counters,
                "progress": progress,
            }))?;
            let message = progress.as_ref().map_or(task.message, work_words);
            let cells = [
                task.mailbox.address,
                task.state.code().to_owned(),
                task.counters.items_stored.to_string(),
                time(task.ended_at),
                message,
            ];
            output.row(&mut table, cells)?;
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    output.flush()?;
    Ok(Exit::Done)
}
