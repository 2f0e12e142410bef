//! What planners do for operations: send lost messages again, hand out what waited, end what nobody ends,
//! and delete the files of exports whose time is over.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use mailkeep_model::state::{CancelReason, Event, State};
use mailkeep_ports::{Condition, Key, ListOptions, Query, Queue, Store, StoreError, Write};

use super::id::{DUE, OPERATIONS};
use super::transition::{Change, after};
use super::vault_site::prefix;
use super::{OperationEvent, OperationId, OperationMessage, OperationRecord, Operations};
use crate::claim::LeaseRecord;
use crate::ledger::{JobError, Ledger, Made, Tries, Versioned};

/// Operations looked at in one tick.
const MOST: usize = 200;
/// After which time the deletion of files is tried again.
const RETRY_FILES: Duration = Duration::from_secs(3_600);
/// Files deleted in one tick.
const MOST_FILES: usize = 500;

/// Looks after operations, for a planner.
pub(crate) struct Tender<'a> {
    operations: Operations,
    exports: Option<&'a Arc<dyn Store>>,
    resend: Duration,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Tended {
    /// When something is due next.
    pub(crate) next_at: Option<DateTime<Utc>>,
    /// Operations that could not be looked after, and why.
    pub(crate) failures: Vec<(OperationId, String)>,
}

impl<'a> Tender<'a> {
    pub(crate) fn new(
        ledger: Ledger,
        queue: Arc<dyn Queue>,
        exports: Option<&'a Arc<dyn Store>>,
        resend: Duration,
    ) -> Self {
        Self {
            operations: Operations::new(ledger, queue),
            exports,
            resend,
        }
    }

    /// Does what is due. One operation that cannot be looked after does not stop the others.
    pub(crate) async fn tend(&self) -> Result<Tended, JobError> {
        let ledger = self.operations.ledger();
        let now = ledger.clock().now();
        let mut tended = Tended::default();
        let query = Query::prefix(OPERATIONS, DUE).limited(MOST);
        let (keys, _) = ledger.keys(&query).await?;
        for key in keys {
            let Some((at, id)) = OperationId::of_due(key.sort()) else {
                continue;
            };
            if at > now.timestamp_millis() {
                tended.next_at = DateTime::from_timestamp_millis(at);
                break;
            }
            // What is due now may be followed by something that is due soon.
            tended.next_at = Some(now);
            if let Err(error) = self.look(&id, at).await {
                tended.failures.push((id, error.to_string()));
            }
        }
        // One that cannot be looked after must not be looked after all the time.
        if !tended.failures.is_empty() {
            tended.next_at = None;
        }
        Ok(tended)
    }

    async fn look(&self, id: &OperationId, at: i64) -> Result<(), JobError> {
        let ledger = self.operations.ledger();
        let mut tries = Tries::new();
        loop {
            let now = ledger.clock().now();
            let found = self.operations.find(id).await?;
            let is_due = |operation: &OperationRecord| {
                operation.look_at.map(|at| at.timestamp_millis()) == Some(at)
            };
            let Some(found) = found.filter(|found| is_due(&found.value)) else {
                return self.forget(id, at).await;
            };
            let mut change = Change::of(found);
            let dispatch = change.after.dispatch;
            let is_resent = self.decide(&mut change, now).await?;
            let writes = change.writes(now)?;
            if ledger.transact(writes, &mut tries).await? == Made::Yes {
                if is_resent || change.after.dispatch != dispatch {
                    self.operations.send(&change.after).await;
                }
                return Ok(());
            }
        }
    }

    /// Removes a place in the list that is nobody's.
    async fn forget(&self, id: &OperationId, at: i64) -> Result<(), JobError> {
        let ledger = self.operations.ledger();
        let key = id.due(at)?;
        let query = Query::prefix(OPERATIONS, key.sort());
        if ledger.first_key(&query).await?.is_none() {
            return Ok(());
        }
        let write = Write::Delete { key, version: 1 };
        ledger.transact(vec![write], &mut Tries::new()).await?;
        Ok(())
    }

    /// Changes the operation; `true` when its message is to be sent again.
    async fn decide(&self, change: &mut Change, now: DateTime<Utc>) -> Result<bool, JobError> {
        let operation = &mut change.after;
        if operation.ended_at.is_some() {
            self.end_files(change, now).await?;
            return Ok(false);
        }
        if operation.is_out {
            return self.mend(operation, now).await;
        }
        match operation.state {
            State::WaitingForPerson(_) => operation.look_at = None,
            _ => operation.hand_out(now),
        }
        Ok(false)
    }

    /// An operation that was handed out: somebody works on it, or its message is sent again.
    async fn mend(
        &self,
        operation: &mut OperationRecord,
        now: DateTime<Utc>,
    ) -> Result<bool, JobError> {
        let mut quiet_since = operation.sent_at.unwrap_or(now);
        let key = operation.lease()?;
        let lease: Option<Versioned<LeaseRecord>> = self.operations.ledger().read(&key).await?;
        let holder = lease.as_ref().and_then(|lease| lease.value.holder.as_ref());
        if let Some(holder) = holder.filter(|holder| holder.work == operation.id) {
            if holder.is_live(now) {
                operation.look_at = Some(after(holder.until, self.resend));
                return Ok(false);
            }
            quiet_since = quiet_since.max(holder.until);
        }
        let due_at = after(quiet_since, self.resend);
        // A clock that jumped back far must not keep an operation waiting for as long as it jumped.
        let is_in_future = after(now, self.resend) < quiet_since;
        if due_at > now && !is_in_future {
            operation.look_at = Some(due_at);
            return Ok(false);
        }
        if operation.state == State::Stopping {
            operation.step(Event::Cancel(CancelReason::Person))?;
            operation.end(now);
            return Ok(false);
        }
        operation.sent_at = Some(now);
        operation.look_at = Some(after(now, self.resend));
        Ok(true)
    }

    /// The files of an operation that is over.
    async fn end_files(&self, change: &mut Change, now: DateTime<Utc>) -> Result<(), JobError> {
        let operation = &mut change.after;
        if operation.state == State::LinkReady {
            let until = operation.link_until.filter(|until| *until > now);
            if until.is_some() {
                operation.look_at = until;
                return Ok(());
            }
            operation.step(Event::Expire)?;
        }
        let deleted = match self.exports {
            Some(store) => delete_files(&**store, &operation.id).await,
            // Somebody else has the store.
            None => Ok(false),
        };
        match deleted {
            Ok(true) => {
                operation.has_files = false;
                operation.look_at = None;
                change.tell(OperationEvent::FilesDeleted);
            }
            Ok(false) if self.exports.is_some() => operation.look_at = Some(now),
            Ok(false) => operation.look_at = Some(after(now, RETRY_FILES)),
            Err(error) => {
                tracing::warn!(%error, operation = %operation.id, "the files of an export were not deleted; trying again later");
                operation.look_at = Some(after(now, RETRY_FILES));
            }
        }
        Ok(())
    }
}

/// Deletes files of an operation; `true` when there are none any more.
async fn delete_files(store: &dyn Store, id: &OperationId) -> Result<bool, StoreError> {
    let options = ListOptions {
        limit: MOST_FILES,
        ..ListOptions::prefix(prefix(id))
    };
    let page = store.list(options).await?;
    for object in &page.objects {
        delete(store, &object.key).await?;
    }
    Ok(page.next.is_none())
}

async fn delete(store: &dyn Store, key: &Key) -> Result<(), StoreError> {
    store.delete(key, Condition::None).await
}

/// Ends the operation of a dead letter; `true` when the message is of no use any more.
pub(crate) async fn bury(ledger: &Ledger, message: &OperationMessage) -> Result<bool, JobError> {
    let mut tries = Tries::new();
    loop {
        let found = super::repository::find(ledger, &message.operation).await?;
        let Some(found) = found.filter(|it| it.value.is_out(message.dispatch)) else {
            return Ok(true);
        };
        let key = found.value.lease()?;
        let lease: Option<Versioned<LeaseRecord>> = ledger.read(&key).await?;
        let now = ledger.clock().now();
        let holder = lease.as_ref().and_then(|lease| lease.value.holder_at(now));
        if holder.is_some_and(|holder| holder.work == message.operation) {
            return Ok(false);
        }
        let mut change = Change::of(found);
        let operation = &mut change.after;
        "its message was received too often without a result".clone_into(&mut operation.message);
        operation.step(Event::Cancel(CancelReason::RetryLimit))?;
        operation.end(now);
        if ledger.transact(change.writes(now)?, &mut tries).await? == Made::Yes {
            return Ok(true);
        }
    }
}
