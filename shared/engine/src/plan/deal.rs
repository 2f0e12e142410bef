//! Handing tasks out: never more of a job at once than it allows, and those of more urgent jobs first.

use chrono::{DateTime, Utc};
use mailkeep_model::state::{Event, State};
use mailkeep_ports::{ItemKey, Outgoing, Query, Write};

use super::agenda::{Agenda, later};
use super::{OpenRun, Planner};
use crate::ledger::{JobError, Made, TaskKey, Tries, Versioned, WAIT, replace};
use crate::run::{RunRecord, TaskRecord};
use crate::work::TaskMessage;

/// A place in the list of tasks that wait.
struct Waiting {
    key: ItemKey,
    due_millis: i64,
    task: TaskKey,
}

/// What became of an attempt to hand out one task.
enum Dealt {
    Out(TaskMessage),
    /// Nothing of this cycle can be handed out now.
    Nothing,
}

impl Planner {
    /// Hands out tasks of these cycles while there is room.
    pub(super) async fn hand_out(
        &self,
        open: &[OpenRun],
        agenda: &mut Agenda,
    ) -> Result<(), JobError> {
        let mut runs = vec![];
        let mut out = 0_u32;
        for run in open {
            if let Some(read) = self.ledger().run(&run.key).await? {
                out = out.saturating_add(read.value.in_flight);
                runs.push((run, read.value));
            }
        }
        let mut messages = vec![];
        while out < self.settings.capacity && !runs.is_empty() {
            let now = agenda.now;
            let best = runs
                .iter()
                .enumerate()
                .min_by_key(|(_, (run, record))| self.rank(run, record, now));
            let Some(place) = best.map(|(place, _)| place) else {
                break;
            };
            let Some((run, record)) = runs.get_mut(place) else {
                break;
            };
            match self.deal(run, agenda).await? {
                Dealt::Out(message) => {
                    messages.push(message);
                    // Should nobody receive it, it is sent again then.
                    agenda.at(later(now, self.settings.resend));
                    record.served_at = now;
                    out += 1;
                }
                Dealt::Nothing => {
                    runs.swap_remove(place);
                }
            }
            if messages.len() == mailkeep_ports::queue::MAX_BATCH {
                self.send(&mut messages).await?;
            }
        }
        self.send(&mut messages).await
    }

    /// Lower is served first: the priority, minus one for each time that the job waited for long, and
    /// never served below others of the same rank.
    fn rank(&self, run: &OpenRun, record: &RunRecord, now: DateTime<Utc>) -> (i64, DateTime<Utc>) {
        let ageing = i64::try_from(self.settings.ageing.as_millis()).unwrap_or(i64::MAX);
        let waited = (now - record.served_at).num_milliseconds().max(0);
        let lifted = waited.checked_div(ageing.max(1)).unwrap_or_default();
        (
            i64::from(run.definition.priority) - lifted,
            record.served_at,
        )
    }

    async fn deal(&self, run: &OpenRun, agenda: &mut Agenda) -> Result<Dealt, JobError> {
        let mut tries = Tries::new();
        let mut intended: Option<TaskMessage> = None;
        loop {
            if let Some(message) = &intended
                && tries.was_unsure()
                && let Some(task) = self.ledger().task(&message.task).await?
                && task.value.is_out(message.dispatch)
            {
                // Handed out by us, or by another planner in the same way: a message more does no harm.
                return Ok(Dealt::Out(message.clone()));
            }
            let Some(current) = self.ledger().run(&run.key).await? else {
                return Ok(Dealt::Nothing);
            };
            let record = &current.value;
            if !record.may_work() || record.in_flight >= run.definition.concurrent_mailboxes {
                return Ok(Dealt::Nothing);
            }
            let Some(waiting) = self.first_waiting(run).await? else {
                return Ok(Dealt::Nothing);
            };
            if waiting.due_millis > agenda.now.timestamp_millis() {
                agenda.at_some(DateTime::from_timestamp_millis(waiting.due_millis));
                return Ok(Dealt::Nothing);
            }
            let Some(task) = self.ledger().task(&waiting.task).await? else {
                return Err(JobError::Corrupt {
                    key: waiting.task.to_string(),
                    cause: "it is listed as waiting and missing".to_owned(),
                });
            };
            let message = TaskMessage {
                task: waiting.task.clone(),
                dispatch: task.value.dispatch + 1,
            };
            let writes = handed_out(run, current, task, waiting, agenda.now)?;
            intended = Some(message.clone());
            if self.ledger().transact(writes, &mut tries).await? == Made::Yes {
                return Ok(Dealt::Out(message));
            }
        }
    }

    async fn first_waiting(&self, run: &OpenRun) -> Result<Option<Waiting>, JobError> {
        let query = Query::prefix(run.key.partition(), WAIT).limited(1);
        let Some(key) = self.ledger().first_key(&query).await? else {
            return Ok(None);
        };
        let place = key.sort().strip_prefix(WAIT).and_then(|rest| {
            let (due, name) = rest.split_once('/')?;
            Some((due.parse().ok()?, name.to_owned()))
        });
        let Some((due_millis, name)) = place else {
            return Err(JobError::Corrupt {
                key: key.to_string(),
                cause: "it is no place of a task".to_owned(),
            });
        };
        Ok(Some(Waiting {
            key,
            due_millis,
            task: TaskKey {
                run: run.key.clone(),
                name,
            },
        }))
    }

    /// Sends these messages. Those that get lost are sent again when nobody works on their tasks.
    pub(super) async fn send(&self, messages: &mut Vec<TaskMessage>) -> Result<(), JobError> {
        if messages.is_empty() {
            return Ok(());
        }
        let batch = messages.drain(..).map(|message| message.encode());
        let batch: Vec<Outgoing> = batch
            .map(|text| text.map(Outgoing::now))
            .collect::<Result<_, _>>()?;
        Ok(self.queue.send(batch).await?)
    }
}

/// The writes by which a task is handed out.
fn handed_out(
    open: &OpenRun,
    run: Versioned<RunRecord>,
    task: Versioned<TaskRecord>,
    waiting: Waiting,
    now: DateTime<Utc>,
) -> Result<Vec<Write>, JobError> {
    let (run_version, task_version) = (run.version, task.version);
    let (mut run, mut task) = (run.value, task.value);
    let mut writes = vec![
        Write::Delete {
            key: waiting.key,
            version: 1,
        },
        Write::create(task.key.flight()?, ""),
    ];
    task.wait = None;
    task.dispatch += 1;
    task.starts = 0;
    task.sent_at = Some(now);
    if run.state == State::Queued {
        let step = run.step(Event::Start, now, &open.definition.name)?;
        writes.push(step.event.write(&step.cause)?);
        run = step.run;
    }
    run.waiting = run.waiting.saturating_sub(1);
    run.in_flight += 1;
    run.served_at = now;
    writes.push(replace(task.key.task()?, task_version, &task)?);
    writes.push(replace(run.key.run()?, run_version, &run)?);
    Ok(writes)
}
