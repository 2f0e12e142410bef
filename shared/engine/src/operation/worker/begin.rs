//! From a message to a leased operation.

use chrono::{DateTime, Utc};
use mailkeep_model::SourceMailboxId;
use mailkeep_model::state::{CancelReason, Event, State};
use mailkeep_ports::ItemKey;
use mailkeep_vault::Ulid;

use super::super::transition::{Change, after};
use super::super::{OperationEvent, OperationKind, OperationMessage, OperationRecord, Phase};
use super::{Begun, OperationWorker};
use crate::claim::{CALLS_AT_ONCE, Held, Holder, LeaseRecord, WorkKey};
use crate::ledger::{JobError, Made, Tries, Versioned, keys_lease, write};

/// What became of a message at first.
pub(super) enum Beginning {
    /// There is nothing to do about it, or somebody else does it.
    Old,
    /// The operation waits again, or is over without work.
    GivenBack,
    /// Work may begin.
    Begun(Box<Begun>),
}

impl OperationRecord {
    /// What whoever works on it must hold: the mailbox that is written to, so that its budget of
    /// requests is shared with backups; else the operation itself.
    pub(in super::super) fn lease(&self) -> Result<ItemKey, JobError> {
        let target = self.pinned.as_ref().and_then(|it| it.target.as_ref());
        match target.filter(|_| self.phase == Phase::Work) {
            Some(it) => keys_lease(&it.realm, &SourceMailboxId(it.mailbox.clone())),
            None => self.id.own_lease(),
        }
    }
}

impl OperationWorker {
    /// Leases what is needed and marks the operation as begun, in one transaction.
    pub(super) async fn begin(&self, message: &OperationMessage) -> Result<Beginning, JobError> {
        let ledger = self.ledger();
        let mut tries = Tries::new();
        let claim = Ulid::new(&**ledger.clock(), &**ledger.rng()).to_string();
        loop {
            let found = self.operations.find(&message.operation).await?;
            let Some(found) = found.filter(|it| it.value.is_out(message.dispatch)) else {
                return Ok(Beginning::Old);
            };
            let key = found.value.lease()?;
            let lease: Option<Versioned<LeaseRecord>> = ledger.read(&key).await?;
            let now = ledger.clock().now();
            let holder = lease.as_ref().and_then(|lease| lease.value.holder_at(now));
            if let Some(holder) = holder
                && holder.work == message.operation
            {
                if holder.claim == claim {
                    // The answer to our own write was lost.
                    let epoch = lease.map_or(0, |lease| lease.value.epoch);
                    let held = Held { key, epoch };
                    let operation = found.value;
                    return Ok(Beginning::Begun(Box::new(Begun { operation, held })));
                }
                return Ok(Beginning::Old);
            }
            let is_held = holder.is_some();
            let mut change = Change::of(found);
            if self.give_back(&mut change, is_held, now)? {
                let writes = change.writes(now)?;
                if ledger.transact(writes, &mut tries).await? == Made::Yes {
                    return Ok(Beginning::GivenBack);
                }
                continue;
            }
            begin(&mut change, now)?;
            let lease = self.next(lease, message, &claim, now);
            let mut writes = change.writes(now)?;
            let version = lease.version.checked_sub(1).filter(|before| *before > 0);
            writes.push(write(key.clone(), version, &lease.value)?);
            if ledger.transact(writes, &mut tries).await? == Made::Yes {
                let epoch = lease.value.epoch;
                return Ok(Beginning::Begun(Box::new(Begun {
                    operation: change.after,
                    held: Held { key, epoch },
                })));
            }
        }
    }

    /// Changes an operation that cannot be begun now; `false` when it can.
    fn give_back(
        &self,
        change: &mut Change,
        is_held: bool,
        now: DateTime<Utc>,
    ) -> Result<bool, JobError> {
        let operation = &mut change.after;
        if operation.state == State::Stopping {
            // Whoever worked on it is gone.
            operation.step(Event::Cancel(CancelReason::Person))?;
            operation.end(now);
        } else if is_held {
            operation.come_back(Some(after(now, self.settings.held_wait)));
            if !std::mem::replace(&mut operation.was_held, true) {
                change.tell(OperationEvent::MailboxHeld);
            }
        } else if operation.starts >= self.settings.most_starts {
            "workers were lost again and again while they worked on it"
                .clone_into(&mut operation.message);
            operation.step(Event::Cancel(CancelReason::RetryLimit))?;
            operation.end(now);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// The lease when it is ours, with the version that it gets.
    fn next(
        &self,
        before: Option<Versioned<LeaseRecord>>,
        message: &OperationMessage,
        claim: &str,
        now: DateTime<Utc>,
    ) -> Versioned<LeaseRecord> {
        let mut holder = Holder {
            work: WorkKey::Operation {
                operation: message.operation.clone(),
            },
            dispatch: message.dispatch,
            worker: self.name.clone(),
            claim: claim.to_owned(),
            renewed_at: now,
            until: now,
            calls_at_once: CALLS_AT_ONCE,
            progress: None,
        };
        holder.renew(now, self.settings.lease);
        Versioned {
            value: LeaseRecord {
                epoch: before.as_ref().map_or(1, |before| before.value.epoch + 1),
                holder: Some(holder),
            },
            version: before.map_or(1, |before| before.version + 1),
        }
    }
}

/// The operation is at work.
fn begin(change: &mut Change, now: DateTime<Utc>) -> Result<(), JobError> {
    let operation = &mut change.after;
    match operation.state {
        State::Queued => operation.step(Event::Start)?,
        State::AttemptFailed(_) => operation.step(Event::Retry)?,
        // A worker was lost.
        _ => {}
    }
    let was_lost = operation.starts > 0;
    operation.starts += 1;
    operation.was_held = false;
    if operation.phase == Phase::Work {
        operation.started_at = operation.started_at.or(Some(now));
        // From now on there may be some, whether they are written down or not.
        operation.has_files |= operation.kind() == OperationKind::Export;
    }
    if was_lost {
        change.tell(OperationEvent::WorkerLost);
    }
    Ok(())
}
