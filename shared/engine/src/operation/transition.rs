//! How a changed operation is written: its record, its place in the list of what planners look at, and
//! the events that tell of the change, in one transaction.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_ports::Write;

use super::{OperationEvent, OperationEventRecord, OperationRecord};
use crate::ledger::{JobError, Versioned, create, replace, until};

/// After which time a planner looks whether the message of an operation got lost. The planner decides
/// by its own settings whether it did.
const FIRST_LOOK: Duration = Duration::from_secs(120);

/// A change of an operation that was read.
pub(super) struct Change {
    before: Versioned<OperationRecord>,
    pub(super) after: OperationRecord,
    events: Vec<OperationEvent>,
}

impl Change {
    pub(super) fn of(before: Versioned<OperationRecord>) -> Self {
        Self {
            after: before.value.clone(),
            before,
            events: vec![],
        }
    }

    /// Something happened that is told of.
    pub(super) fn tell(&mut self, event: OperationEvent) {
        self.events.push(event);
    }

    /// Everything that is written.
    pub(super) fn writes(&self, now: DateTime<Utc>) -> Result<Vec<Write>, JobError> {
        let (before, after) = (&self.before.value, &self.after);
        let written = replace(after.id.record()?, self.before.version, after)?;
        let mut writes = vec![until(written, after.expires_at(now))];
        let millis = |at: DateTime<Utc>| at.timestamp_millis();
        if before.look_at.map(millis) != after.look_at.map(millis) {
            if let Some(at) = before.look_at {
                writes.push(Write::Delete {
                    key: after.id.due(at.timestamp_millis())?,
                    version: 1,
                });
            }
            writes.extend(due(after)?);
        }
        let mut events = self.events.clone();
        if before.state != after.state {
            events.push(OperationEvent::State {
                from: Some(before.state),
                to: after.state,
            });
        }
        for (at, event) in events.into_iter().enumerate() {
            let cause = format!("{:010}-{at}", self.before.version);
            writes.push(told(after, event, now).write(&cause)?);
        }
        Ok(writes)
    }
}

/// What is written for a new operation.
pub(super) fn birth(operation: &OperationRecord) -> Result<Vec<Write>, JobError> {
    let now = operation.created_at;
    let asked = OperationEvent::Asked {
        by: operation.asked_by.clone(),
        purpose: operation.purpose.clone(),
    };
    let state = OperationEvent::State {
        from: None,
        to: operation.state,
    };
    let mut writes = vec![
        create(operation.id.record()?, operation)?,
        told(operation, asked, now).write("0-0")?,
        told(operation, state, now).write("0-1")?,
    ];
    writes.extend(due(operation)?);
    Ok(writes)
}

fn due(operation: &OperationRecord) -> Result<Option<Write>, JobError> {
    let Some(at) = operation.look_at else {
        return Ok(None);
    };
    let key = operation.id.due(at.timestamp_millis())?;
    Ok(Some(Write::create(key, "")))
}

fn told(
    operation: &OperationRecord,
    event: OperationEvent,
    at: DateTime<Utc>,
) -> OperationEventRecord {
    OperationEventRecord {
        at,
        operation: operation.id.clone(),
        event,
    }
}

impl OperationRecord {
    /// It is handed out: whoever writes this sends its message then.
    pub(super) fn hand_out(&mut self, now: DateTime<Utc>) {
        self.dispatch = self.dispatch.saturating_add(1);
        self.is_out = true;
        self.starts = 0;
        self.sent_at = Some(now);
        self.look_at = Some(after(now, FIRST_LOOK));
    }

    /// It came back, and is looked at again at that time.
    pub(super) fn come_back(&mut self, look_at: Option<DateTime<Utc>>) {
        self.is_out = false;
        self.look_at = look_at;
    }

    /// It is over: nobody works on it any more.
    pub(super) fn end(&mut self, now: DateTime<Utc>) {
        self.ended_at = Some(now);
        self.cursor = None;
        // Files that are of no use are deleted at once, others when their time is over.
        let until = self.link_until.filter(|_| !self.state.is_terminal());
        self.come_back(self.has_files.then(|| until.unwrap_or(now)));
    }
}

/// A moment, so much later.
pub(super) fn after(at: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    let by = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
    at.checked_add_signed(by)
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}
