//! Writing down how the work on an operation ended.

use std::time::Duration;

use chrono::{DateTime, Utc};
use mailkeep_model::FailureClass;
use mailkeep_model::state::{CancelReason, End, Event, Reason, Retry, State};

use super::super::commands::confirm;
use super::super::transition::{Change, after};
use super::super::{
    Failure, FailureKind, OperationEvent, OperationKind, OperationRecord, Phase, Planned, WorkEnd,
    WorkState,
};
use super::keeper::{LedgerKeeper, shortened};
use super::{Begun, OperationWorker};
use crate::ledger::{JobError, Made, Tries, Versioned, replace, write};
use crate::work::Worked;

const MOST_MESSAGE_BYTES: usize = 500;

/// What was done.
pub(super) enum Work {
    Plan(Result<Planned, Failure>),
    Done(WorkEnd, Box<WorkState>),
}

impl OperationWorker {
    /// Writes down the result and frees what was leased, in one transaction that only the holder of the
    /// lease can make.
    pub(super) async fn finish(
        &self,
        begun: &Begun,
        keeper: &LedgerKeeper,
        mut work: Work,
    ) -> Result<Worked, JobError> {
        let ledger = self.ledger();
        if let Work::Done(_, state) = &mut work
            && !keeper.spill(state).await?
        {
            return Ok(Worked::Refused);
        }
        let dispatch = begun.operation.dispatch;
        let jitter = u16::try_from(ledger.rng().next_u64() >> 48).unwrap_or_default();
        let mut tries = Tries::new();
        loop {
            let lease = begun.held.read(ledger).await?;
            let found = self.operations.find(&begun.operation.id).await?;
            let found = found.filter(|it| it.value.is_out(dispatch));
            let (Some(lease), Some(found)) = (lease, found) else {
                // Our own write, whose answer was lost; or somebody else has it.
                let is_made = tries.was_unsure();
                if is_made {
                    self.pass_on(&begun.operation).await?;
                }
                return Ok(if is_made {
                    Worked::Done
                } else {
                    Worked::Refused
                });
            };
            let now = ledger.clock().now();
            let mut change = Change::of(found);
            let mut writes = vec![];
            match &work {
                Work::Plan(planned) => {
                    self.planned(&mut change, planned, now, jitter)?;
                    if let Ok(planned) = planned {
                        let key = begun.operation.id.plan()?;
                        let there: Option<Versioned<super::super::PlanDetails>> =
                            ledger.read(&key).await?;
                        let version = there.map(|there| there.version);
                        writes.push(keeper.kept(write(key, version, &planned.details)?)?);
                    }
                }
                Work::Done(end, state) => {
                    change.after.take(state);
                    self.done(&mut change, begun, end, now, jitter)?;
                    writes.extend(keeper.writes(state).await?);
                }
            }
            let free = begun.held.free();
            writes.push(replace(begun.held.key.clone(), lease.version, &free)?);
            writes.extend(change.writes(now)?);
            if ledger.transact(writes, &mut tries).await? == Made::Yes {
                if change.after.dispatch != dispatch {
                    self.operations.send(&change.after).await;
                }
                return Ok(Worked::Done);
            }
        }
    }

    /// Sends the message of an operation that we handed out again, perhaps.
    async fn pass_on(&self, begun: &OperationRecord) -> Result<(), JobError> {
        let found = self.operations.find(&begun.id).await?;
        if let Some(found) = found.filter(|it| it.value.is_out(begun.dispatch + 1)) {
            self.operations.send(&found.value).await;
        }
        Ok(())
    }

    fn planned(
        &self,
        change: &mut Change,
        planned: &Result<Planned, Failure>,
        now: DateTime<Utc>,
        jitter: u16,
    ) -> Result<(), JobError> {
        if change.after.state == State::Stopping {
            return cancelled(change, now);
        }
        let planned = match planned {
            Ok(planned) => planned,
            Err(failure) => return self.failed(change, failure, now, jitter),
        };
        let operation = &mut change.after;
        operation.pinned = Some(planned.pinned.clone());
        operation.plan = Some(planned.plan.clone());
        operation.phase = Phase::Confirm;
        operation.failures = 0;
        operation.message.clear();
        operation.step(Event::NeedPerson(Reason::Confirmation))?;
        operation.come_back(None);
        if operation.confirms_itself {
            let by = operation.asked_by.clone();
            confirm(operation, &by, now)?;
        }
        change.tell(OperationEvent::Planned {
            items: planned.plan.items,
            bytes: planned.plan.bytes,
        });
        Ok(())
    }

    fn done(
        &self,
        change: &mut Change,
        begun: &Begun,
        end: &WorkEnd,
        now: DateTime<Utc>,
        jitter: u16,
    ) -> Result<(), JobError> {
        let operation = &mut change.after;
        if operation.counts.items_done > begun.operation.counts.items_done {
            operation.failures = 0;
        }
        match end {
            WorkEnd::Done => {
                operation.message.clear();
                over(operation, end_of(operation), now)
            }
            _ if operation.state == State::Stopping => cancelled(change, now),
            WorkEnd::Stopped => pause(operation, now),
            WorkEnd::Failed(failure) => self.failed(change, failure, now, jitter),
        }
    }

    fn failed(
        &self,
        change: &mut Change,
        failure: &Failure,
        now: DateTime<Utc>,
        jitter: u16,
    ) -> Result<(), JobError> {
        let operation = &mut change.after;
        operation.message = shortened(&failure.message, MOST_MESSAGE_BYTES);
        let (class, retry_after) = match failure.kind {
            FailureKind::Stopped => return pause(operation, now),
            FailureKind::Final(reason) => return over(operation, ended(operation, reason), now),
            FailureKind::Class { class, retry_after } => (class, retry_after),
            // Waits as the vault's storage would.
            FailureKind::Storage => (FailureClass::Vault, None),
        };
        let reason = match failure.kind {
            FailureKind::Storage => Reason::StorageUnavailable,
            _ => Reason::Failure(class),
        };
        operation.failures += 1;
        match self
            .retry
            .after(operation.failures, class, retry_after, jitter)
        {
            Retry::After(wait) => {
                let next = after(now, wait.max(Duration::from_millis(1)));
                operation.step(Event::AttemptFailed(reason))?;
                operation.come_back(Some(next));
                let message = operation.message.clone();
                change.tell(OperationEvent::AttemptFailed {
                    reason,
                    message,
                    next,
                });
                Ok(())
            }
            // What is written is there; nobody can write more.
            Retry::WaitForPerson(reason) if class == FailureClass::TargetFull => {
                over(operation, End::Partial(reason), now)
            }
            Retry::WaitForPerson(reason) => {
                operation.step(Event::NeedPerson(reason))?;
                operation.come_back(None);
                Ok(())
            }
            Retry::End(reason) => over(operation, ended(operation, reason), now),
            Retry::GiveUp(why) => {
                operation.step(Event::Cancel(why))?;
                operation.end(now);
                Ok(())
            }
        }
    }
}

/// Work that was told to stop goes on at once: with the next worker, or when there is one again.
fn pause(operation: &mut OperationRecord, now: DateTime<Utc>) -> Result<(), JobError> {
    // What the machine calls the end of a period is a pause of whatever cause.
    operation.step(Event::WindowClosed)?;
    operation.step(Event::WindowOpened)?;
    operation.hand_out(now);
    Ok(())
}

fn cancelled(change: &mut Change, now: DateTime<Utc>) -> Result<(), JobError> {
    change.after.step(Event::Cancel(CancelReason::Person))?;
    change.after.end(now);
    Ok(())
}

/// How an operation ends that dealt with everything.
fn end_of(operation: &OperationRecord) -> End {
    let counts = &operation.counts;
    match (operation.kind(), counts.failed) {
        (_, 0) => End::Completed,
        _ if counts.failed >= counts.items_done => End::Failed(Reason::SomeItems),
        (OperationKind::Restore, _) => End::Partial(Reason::SomeItems),
        // What could be exported can be downloaded; the record says what is missing.
        (OperationKind::Export, _) => End::Completed,
    }
}

/// How one ends that cannot go on.
fn ended(operation: &OperationRecord, reason: Reason) -> End {
    let has_brought = operation.kind() == OperationKind::Restore && operation.counts.created > 0;
    if has_brought {
        End::Partial(reason)
    } else {
        End::Failed(reason)
    }
}

fn over(operation: &mut OperationRecord, end: End, now: DateTime<Utc>) -> Result<(), JobError> {
    if matches!(operation.state, State::Retrying(_)) {
        operation.step(Event::Recovered)?;
    }
    operation.step(Event::Finish(end))?;
    if operation.state == State::LinkReady {
        operation.link_until = now.checked_add_signed(operation.keep());
    }
    operation.phase = Phase::Work;
    operation.end(now);
    Ok(())
}
