//! What people tell operations: confirm, cancel, resume.

use chrono::{DateTime, Utc};
use mailkeep_model::state::{CancelReason, Event, State};

use super::transition::Change;
use super::{Act, OperationError, OperationEvent, OperationId, OperationRecord, Operations, Phase};
use crate::ledger::{JobError, Made, Tries};

/// What a command finds.
enum Verdict {
    /// There is something to do.
    Done,
    /// That is so already.
    IsSo,
    /// It cannot be done.
    Refused(&'static str),
}

impl Operations {
    /// Confirms a plan: the operation is carried out.
    ///
    /// # Errors
    /// `Refused` when there is no plan yet, and when the operation is over.
    pub async fn confirm(
        &self,
        id: &OperationId,
        by: &str,
    ) -> Result<OperationRecord, OperationError> {
        self.tell(id, |change, now| {
            let operation = &mut change.after;
            if operation.confirmed.is_some() && operation.ended_at.is_none() {
                return Ok(Verdict::IsSo);
            }
            if operation.ended_at.is_some() {
                return Ok(Verdict::Refused("is over; ask for it again"));
            }
            if !operation.waits_for_confirmation() {
                return Ok(Verdict::Refused(
                    "has no plan yet; wait until it has one and look at it first",
                ));
            }
            confirm(operation, by, now)?;
            change.tell(OperationEvent::Confirmed { by: by.to_owned() });
            Ok(Verdict::Done)
        })
        .await
    }

    /// Cancels an operation for good. What is at work is ended softly, and what was done stays done.
    /// An export that can be downloaded can be so no longer, and its files are deleted.
    ///
    /// # Errors
    /// `Refused` when it is over.
    pub async fn cancel(
        &self,
        id: &OperationId,
        by: &str,
    ) -> Result<OperationRecord, OperationError> {
        self.tell(id, |change, now| {
            let operation = &mut change.after;
            match operation.state {
                State::Cancelled(_) | State::Stopping | State::Expired => {
                    return Ok(Verdict::IsSo);
                }
                State::LinkReady => {
                    operation.step(Event::Expire)?;
                    operation.end(operation.ended_at.unwrap_or(now));
                    operation.look_at = Some(now);
                }
                State::Ended(_) | State::Stopped => {
                    return Ok(Verdict::Refused("is over; there is nothing to cancel"));
                }
                // A worker may be at it. When none is, a planner finds that out.
                State::Running | State::Retrying(_) => operation.step(Event::Stop)?,
                _ => {
                    operation.step(Event::Cancel(CancelReason::Person))?;
                    operation.end(now);
                }
            }
            let by = by.to_owned();
            operation.cancelled = Some(Act {
                by: by.clone(),
                at: now,
            });
            change.tell(OperationEvent::CancelRequested { by });
            Ok(Verdict::Done)
        })
        .await
    }

    /// Has an operation go on that waited for somebody to do something, for example to renew a secret.
    ///
    /// # Errors
    /// `Refused` when it waits for nobody, or for its plan to be confirmed.
    pub async fn resume(
        &self,
        id: &OperationId,
        by: &str,
    ) -> Result<OperationRecord, OperationError> {
        self.tell(id, |change, now| {
            let operation = &mut change.after;
            if operation.waits_for_confirmation() {
                return Ok(Verdict::Refused("waits for its plan to be confirmed"));
            }
            if !matches!(operation.state, State::WaitingForPerson(_)) {
                return Ok(Verdict::Refused("does not wait for anybody"));
            }
            operation.step(Event::Resume)?;
            operation.failures = 0;
            operation.hand_out(now);
            change.tell(OperationEvent::Resumed { by: by.to_owned() });
            Ok(Verdict::Done)
        })
        .await
    }

    async fn tell(
        &self,
        id: &OperationId,
        what: impl Fn(&mut Change, DateTime<Utc>) -> Result<Verdict, JobError>,
    ) -> Result<OperationRecord, OperationError> {
        let mut tries = Tries::new();
        loop {
            let mut change = Change::of(self.get(id).await?);
            let now = self.ledger.clock().now();
            let dispatch = change.after.dispatch;
            match what(&mut change, now)? {
                Verdict::Done => {}
                Verdict::IsSo => return Ok(change.after),
                // What we did and got no answer to cannot be done again.
                Verdict::Refused(_) if tries.was_unsure() => return Ok(change.after),
                Verdict::Refused(why) => {
                    return Err(OperationError::Refused {
                        id: id.clone(),
                        why,
                    });
                }
            }
            let writes = change.writes(now)?;
            if self.ledger.transact(writes, &mut tries).await? == Made::Yes {
                if change.after.dispatch != dispatch {
                    self.send(&change.after).await;
                }
                return Ok(change.after);
            }
        }
    }
}

/// The plan is confirmed: the operation may be carried out.
pub(super) fn confirm(
    operation: &mut OperationRecord,
    by: &str,
    now: DateTime<Utc>,
) -> Result<(), JobError> {
    operation.step(Event::Resume)?;
    operation.phase = Phase::Work;
    operation.confirmed = Some(Act {
        by: by.to_owned(),
        at: now,
    });
    operation.failures = 0;
    operation.hand_out(now);
    Ok(())
}
