//! Writing down how the work on a task ended.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_model::state::{Activity, Event, Reason, Retry, TaskEnd};
use mailkeep_model::{Action, FailureClass};

use super::begin::Begun;
use super::{Outcome, Report, Worked, Worker};
use crate::ledger::{JobError, JobEvent, Made, Tries, replace};
use crate::run::{Landing, Place, TaskRecord, land};

impl Worker {
    /// Writes down the result and frees the mailbox, in one transaction that only the holder of the
    /// lease can make.
    pub(super) async fn finish(&self, begun: &Begun, report: Report) -> Result<Worked, JobError> {
        let ledger = self.ledger();
        let mut tries = Tries::new();
        loop {
            let (Some(lease), Some(mut task), Some(mut run)) = (
                begun.lease.read(ledger).await?,
                ledger.task(&begun.task).await?,
                ledger.run(&begun.task.run).await?,
            ) else {
                // Our own write, whose answer was lost, freed the mailbox; or somebody else has it.
                let is_made = tries.was_unsure();
                return Ok(if is_made {
                    Worked::Done
                } else {
                    Worked::Refused
                });
            };
            if !task.value.is_out(begun.dispatch) {
                return Ok(Worked::Refused);
            }
            let now = ledger.clock().now();
            let landing = self.landing(&mut task.value, begun, &report, now)?;
            task.value.message.clone_from(&report.message);
            task.value.counters.add(&report.counters);
            if !report.vault_mailbox.is_empty() {
                task.value.vault_mailbox.clone_from(&report.vault_mailbox);
            }
            run.value.counters.add(&report.counters);
            let name = &begun.order.definition.name;
            let mut writes = land(ledger, &run, task, &landing, name).await?;
            let free = begun.lease.free();
            writes.push(replace(begun.lease.key.clone(), lease.version, &free)?);
            if ledger.transact(writes, &mut tries).await? == Made::Yes {
                return Ok(Worked::Done);
            }
        }
    }

    /// Where the task goes, and its state while it waits.
    fn landing(
        &self,
        task: &mut TaskRecord,
        begun: &Begun,
        report: &Report,
        now: DateTime<Utc>,
    ) -> Result<Landing, JobError> {
        let held = Reason::HeldByOtherJob;
        let over = |end| self.over(task, end, report);
        Ok(match &report.outcome {
            Outcome::Complete if task.was_held => over(TaskEnd::Warning(held)),
            Outcome::Complete => over(TaskEnd::Complete),
            Outcome::Warning(reason) => over(TaskEnd::Warning(*reason)),
            Outcome::Final(reason) => over(TaskEnd::Failed(*reason)),
            Outcome::Stopped => {
                // What the machine calls the end of a period is a pause of whatever cause.
                task.state = task.state.after(ACTIVITY, Event::WindowClosed)?;
                waiting(now, Duration::ZERO)
            }
            Outcome::Wait(wait) => {
                let reason = Reason::Failure(FailureClass::Throttled);
                task.state = task.state.after(ACTIVITY, Event::AttemptFailed(reason))?;
                waiting(now, *wait)
            }
            Outcome::Failed { class, retry_after } => {
                task.failures += 1;
                let jitter =
                    u16::try_from(self.ledger().rng().next_u64() >> 48).unwrap_or_default();
                let policy = begun.order.definition.retry;
                match policy.after(task.failures, *class, *retry_after, jitter) {
                    Retry::After(wait) => {
                        let reason = Reason::Failure(*class);
                        task.state = task.state.after(ACTIVITY, Event::AttemptFailed(reason))?;
                        let landing = waiting(now, wait);
                        let Place::Waiting(next) = landing.place else {
                            return Ok(landing);
                        };
                        Landing {
                            event: Some(JobEvent::AttemptFailed {
                                mailbox: task.mailbox.address.clone(),
                                reason,
                                next,
                            }),
                            ..landing
                        }
                    }
                    Retry::WaitForPerson(reason) if class.action() == Action::StopConnection => {
                        task.state = task.state.after(ACTIVITY, Event::NeedPerson(reason))?;
                        Landing {
                            needs_person: Some(reason),
                            ..waiting(now, Duration::ZERO)
                        }
                    }
                    Retry::WaitForPerson(reason) if *class == FailureClass::TargetFull => {
                        self.over(task, TaskEnd::Partial(reason), report)
                    }
                    Retry::WaitForPerson(reason) | Retry::End(reason) => {
                        self.over(task, TaskEnd::Failed(reason), report)
                    }
                    Retry::GiveUp(_) => {
                        self.over(task, TaskEnd::Failed(Reason::RetryLimit), report)
                    }
                }
            }
        })
    }

    fn over(&self, task: &TaskRecord, end: TaskEnd, report: &Report) -> Landing {
        let event = JobEvent::MailboxEnded {
            mailbox: task.mailbox.address.clone(),
            end,
            message: report.message.clone(),
        };
        Landing {
            place: Place::Over(end),
            event: (end != TaskEnd::Complete).then_some(event),
            needs_person: None,
        }
    }
}

const ACTIVITY: Activity = Activity::OneTimeBackup;

fn waiting(now: DateTime<Utc>, wait: Duration) -> Landing {
    let wait = TimeDelta::from_std(wait).unwrap_or_default();
    Landing {
        place: Place::Waiting(now.checked_add_signed(wait).unwrap_or(now)),
        event: None,
        needs_person: None,
    }
}
