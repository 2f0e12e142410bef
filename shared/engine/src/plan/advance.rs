//! Moving an open cycle on: activity periods, listing, its end.

use mailkeep_model::state::{CancelReason, End, Event, Reason, State};
use mailkeep_ports::Write;

use super::agenda::{Agenda, EndedRun};
use super::hooks::{Closing, Gate};
use super::{OpenRun, Planner, report};
use crate::hooks::HookStage;
use crate::job::JobRecord;
use crate::ledger::{JobError, Keep, Made, Tries, Versioned, replace, until};
use crate::run::{RunRecord, WorkTime};

/// Steps of one cycle in one tick: more would be a loop.
const MAX_STEPS: u32 = 12;

impl Planner {
    /// Does what is due in the job's open cycle; gives it if tasks of it may be handed out.
    pub(super) async fn advance(
        &self,
        job: Versioned<JobRecord>,
        agenda: &mut Agenda,
    ) -> Result<Option<OpenRun>, JobError> {
        let key = job.value.id.run(job.value.cycle);
        let mut tries = Tries::new();
        let mut intended = None;
        for _ in 0..MAX_STEPS {
            self.confirm(&mut intended).await?;
            let Some(run) = self.ledger().run(&key).await? else {
                return Err(JobError::Corrupt {
                    key: key.to_string(),
                    cause: "the job's open cycle is missing".to_owned(),
                });
            };
            let definition = self.definition(&key.job, run.value.version).await?;
            if run.value.hooks.before == Some(HookStage::Failed)
                && self.stop_failed(&run, &definition.name, &mut tries).await?
            {
                continue;
            }
            let time = WorkTime::of(&run.value, &definition, agenda.now);
            if let Some(event) = due(&run.value, time).map(|event| run.value.ending(event)) {
                let mut run = run;
                let mut also = vec![];
                if is_end(event) {
                    let after = self.after(&run, &definition, event, &mut intended, &mut tries);
                    match after.await? {
                        Closing::Plain => {}
                        Closing::Shut => return Ok(None),
                        Closing::Changed => continue,
                        Closing::Calling(call) => {
                            let (order, note) = *call;
                            run.value.hooks.after = Some(HookStage::AtWork);
                            intended = Some(order);
                            also.push(note);
                        }
                    }
                }
                let name = &definition.name;
                let made = self.step(&run, event, name, also, &mut tries).await?;
                if made.is_some() {
                    intended
                        .take()
                        .into_iter()
                        .for_each(|order| self.give(order));
                }
                let Some(ended) = made.filter(|_| is_end(event)) else {
                    continue;
                };
                agenda.ended.push(EndedRun {
                    name: definition.name.clone(),
                    cycle: key.cycle,
                    state: ended.state,
                });
                self.site.ended(&ended).await;
                self.site.close(&definition).await;
                agenda.at(agenda.now);
                return Ok(None);
            }
            match time {
                WorkTime::Open { until } => agenda.at_some(until),
                WorkTime::Closed { opens_at } => agenda.at_some(opens_at),
            }
            self.mend(&run.value, agenda).await?;
            if !run.value.may_work() {
                return Ok(None);
            }
            let before = self.before(&run, &definition, &mut intended, &mut tries);
            match before.await? {
                Gate::Open => {}
                Gate::Shut => return Ok(None),
                Gate::Changed => continue,
            }
            if self.list(&run, &definition, agenda).await? {
                continue;
            }
            return Ok(Some(OpenRun { key, definition }));
        }
        self.confirm(&mut intended).await?;
        agenda.at(agenda.now);
        Ok(None)
    }

    /// Has a cycle stop that the hook before it failed; `false` when it was told already.
    async fn stop_failed(
        &self,
        run: &Versioned<RunRecord>,
        name: &str,
        tries: &mut Tries,
    ) -> Result<bool, JobError> {
        let now = self.ledger().clock().now();
        let Some(stopped) = run.value.stopped(now, name)? else {
            return Ok(false);
        };
        let writes = vec![
            replace(run.value.key.run()?, run.version, &stopped.run)?,
            stopped.event.write(&stopped.cause)?,
        ];
        // Made or not: the caller reads again.
        self.ledger().transact(writes, tries).await?;
        Ok(true)
    }

    /// One change of state; gives the cycle after it when it was made. with the last one the job is written, too.
    async fn step(
        &self,
        run: &Versioned<RunRecord>,
        event: Event,
        name: &str,
        also: Vec<Write>,
        tries: &mut Tries,
    ) -> Result<Option<RunRecord>, JobError> {
        let now = self.ledger().clock().now();
        let step = run.value.step(event, now, name)?;
        let is_success = step.run.state == State::Ended(End::Completed);
        let keep = Keep::of(&step.run.counters, is_success).until(now);
        let written = replace(run.value.key.run()?, run.version, &step.run)?;
        let mut writes = vec![
            until(written, keep.filter(|_| is_end(event))),
            step.event.write(&step.cause)?,
        ];
        writes.extend(also);
        if is_end(event) {
            let id = &run.value.key.job;
            let Some(job) = self.ledger().job(id).await? else {
                return Ok(None);
            };
            let definition = self.definition(id, run.value.version).await?;
            let end = match step.run.state {
                State::Ended(end) => Some(end),
                State::Cancelled(_) => Some(End::Partial(Reason::WindowEnded)),
                _ => None,
            };
            let closed = self.jobs.closed(&job, &step.run, definition.kind, end);
            writes.extend(closed.await?);
            let report = report::of_run(self.ledger(), &step.run.key, &definition).await?;
            writes.extend(step.news(report)?);
        }
        // Made or not: the caller reads again.
        let made = self.ledger().transact(writes, tries).await?;
        Ok((made == Made::Yes).then_some(step.run))
    }
}

/// What is due in this cycle by the time and by its own counts.
fn due(run: &RunRecord, time: WorkTime) -> Option<Event> {
    let is_halted = run.in_flight == 0;
    match run.state {
        State::Stopping if run.is_done() => Some(Event::Finish(run.end())),
        State::Stopping if is_halted => Some(Event::Halted),
        State::OutOfWindow if is_halted && time == (WorkTime::Closed { opens_at: None }) => {
            Some(Event::Cancel(CancelReason::Window))
        }
        State::OutOfWindow if time.is_open() => Some(Event::WindowOpened),
        // What was handed out may have ended it all.
        State::Running if run.is_done() => Some(Event::Finish(run.end())),
        State::Queued if run.is_done() => Some(Event::Start),
        State::Queued | State::Running if !time.is_open() => Some(Event::WindowClosed),
        _ => None,
    }
}

/// True for what ends a cycle.
fn is_end(event: Event) -> bool {
    matches!(event, Event::Finish(_) | Event::Halted | Event::Cancel(_))
}
