//! How a task that was handed out comes back: to wait again, or over. One place decides what is
//! written then, for workers and for the planner that cleans up behind them.

use chrono::{DateTime, Utc};
use mailkeep_model::state::{
    Activity, End, Event, IllegalStep, MailboxHealth, Reason, State, TaskEnd,
};
use mailkeep_ports::Write;

use super::{RunRecord, TaskRecord, Wait};
use crate::job::MailboxRecord;
use crate::ledger::{
    EventRecord, JobError, JobEvent, Keep, Ledger, Versioned, create, replace, until, write,
};

/// How a task comes back.
#[derive(Clone, Debug)]
pub(crate) struct Landing {
    /// Where to.
    pub(crate) place: Place,
    /// What is told about it.
    pub(crate) event: Option<JobEvent>,
    /// The run cannot go on without a person.
    pub(crate) needs_person: Option<Reason>,
}

/// Where a task comes back to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// Waits to be handed out, not before that time.
    Waiting(DateTime<Utc>),
    /// Over.
    Over(TaskEnd),
}

const ACTIVITY: Activity = Activity::OneTimeBackup;

/// The state of a task whose work begins.
pub(crate) fn begin_state(state: State) -> Result<State, IllegalStep> {
    let steps: &[Event] = match state {
        State::Queued => &[Event::Start],
        State::AttemptFailed(_) => &[Event::Retry],
        State::OutOfWindow => &[Event::WindowOpened, Event::Start],
        State::WaitingForPerson(_) => &[Event::Resume, Event::Start],
        // A worker was lost.
        _ => &[],
    };
    steps
        .iter()
        .try_fold(state, |state, step| state.after(ACTIVITY, *step))
}

/// The state of a task that is over.
fn end_state(state: State, end: TaskEnd) -> Result<State, IllegalStep> {
    let end = match end {
        TaskEnd::Complete => End::Completed,
        TaskEnd::Warning(reason) => End::CompletedWithWarnings(reason),
        TaskEnd::Partial(reason) => End::Partial(reason),
        TaskEnd::Stopped => End::Partial(Reason::Stopped),
        TaskEnd::Failed(Reason::RetryLimit) => {
            let limit = mailkeep_model::state::CancelReason::RetryLimit;
            return state.after(ACTIVITY, Event::Cancel(limit));
        }
        TaskEnd::Failed(reason) => End::Failed(reason),
    };
    let running = match begin_state(state)? {
        retrying @ State::Retrying(_) => retrying.after(ACTIVITY, Event::Recovered)?,
        running => running,
    };
    running.after(ACTIVITY, Event::Finish(end))
}

/// The writes by which a task comes back. `task` is changed by the caller already, save for its place.
pub(crate) async fn land(
    ledger: &Ledger,
    run: &Versioned<RunRecord>,
    task: Versioned<TaskRecord>,
    landing: &Landing,
    name: &str,
) -> Result<Vec<Write>, JobError> {
    let now = ledger.clock().now();
    let (run_version, task_version) = (run.version, task.version);
    let (mut run, mut task) = (run.value.clone(), task.value);
    let cause = format!(
        "task-{}-{}-{task_version}",
        task.key.run.cycle, task.key.name
    );
    let mut writes = vec![Write::Delete {
        key: task.key.flight()?,
        version: 1,
    }];
    run.in_flight = run.in_flight.saturating_sub(1);
    match landing.place {
        Place::Waiting(due_at) => {
            task.wait = Some(Wait { due_at });
            run.waiting += 1;
            let wait = task.key.wait(due_at.timestamp_millis())?;
            writes.push(Write::create(wait, ""));
        }
        Place::Over(end) => {
            task.state = end_state(task.state, end)?;
            task.end = Some(end);
            task.ended_at = Some(now);
            run.tally.add(end);
            writes.push(mailbox(ledger, &task, end, now).await?);
        }
    }
    if let Some(event) = &landing.event {
        let event = EventRecord {
            at: now,
            job: task.key.run.job.clone(),
            name: name.to_owned(),
            cycle: Some(task.key.run.cycle),
            event: event.clone(),
        };
        writes.push(event.write(&cause)?);
    }
    if let Some(reason) = landing.needs_person.filter(|_| run.may_work()) {
        let step = run.step(Event::NeedPerson(reason), now, name)?;
        writes.push(step.event.write(&step.cause)?);
        writes.extend(step.news(None)?);
        run = step.run;
    }
    let written = replace(task.key.task()?, task_version, &task)?;
    writes.push(match task.end {
        Some(end) => until(written, kept(&task, end).until(now)),
        None => written,
    });
    writes.push(replace(run.key.run()?, run_version, &run)?);
    Ok(writes)
}

/// How the mailbox fared the last time.
async fn mailbox(
    ledger: &Ledger,
    task: &TaskRecord,
    end: TaskEnd,
    now: DateTime<Utc>,
) -> Result<Write, JobError> {
    let key = task.key.run.job.mailbox(&task.mailbox.id)?;
    let before: Option<Versioned<MailboxRecord>> = ledger.read(&key).await?;
    let is_good = matches!(end, TaskEnd::Complete | TaskEnd::Warning(_));
    let record = MailboxRecord {
        mailbox: task.mailbox.id.clone(),
        address: task.mailbox.address.clone(),
        cycle: task.key.run.cycle,
        end,
        health: MailboxHealth::from(end),
        ended_at: now,
        good_at: match &before {
            _ if is_good => Some(now),
            Some(before) => before.value.good_at,
            None => None,
        },
    };
    write(key, before.map(|before| before.version), &record)
}

/// A task that was never handed out and is over from the start.
pub(crate) fn stillborn(
    mut task: TaskRecord,
    end: TaskEnd,
    now: DateTime<Utc>,
) -> Result<Write, JobError> {
    task.wait = None;
    task.state = end_state(task.state, end)?;
    task.end = Some(end);
    task.ended_at = Some(now);
    let keep = kept(&task, end);
    Ok(until(create(task.key.task()?, &task)?, keep.until(now)))
}

/// How long a task that is over is kept.
fn kept(task: &TaskRecord, end: TaskEnd) -> Keep {
    Keep::of(&task.counters, end == TaskEnd::Complete)
}
