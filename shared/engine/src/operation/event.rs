//! What happened to an operation.

use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_model::state::{Reason, State};
use mailkeep_ports::{Expect, Write};
use serde::{Deserialize, Serialize};

use super::OperationId;
use crate::ledger::{JobError, encode};

/// How long events are kept.
const KEPT: TimeDelta = TimeDelta::days(400);

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationEventRecord {
    /// When.
    pub at: DateTime<Utc>,
    /// To which.
    pub operation: OperationId,
    /// What.
    pub event: OperationEvent,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum OperationEvent {
    /// Somebody asked for it.
    Asked {
        /// Who.
        by: String,
        /// Why.
        purpose: String,
    },
    /// It has another state.
    State {
        /// The state before; `None` for a new one.
        from: Option<State>,
        /// The state now.
        to: State,
    },
    /// Its plan is made.
    Planned {
        /// Items in it.
        items: u64,
        /// Their size.
        bytes: u64,
    },
    /// Somebody confirmed the plan.
    Confirmed {
        /// Who.
        by: String,
    },
    /// Somebody cancelled it, or ended the time of its link.
    CancelRequested {
        /// Who.
        by: String,
    },
    /// Somebody did what it waited for.
    Resumed {
        /// Who.
        by: String,
    },
    /// An attempt failed and will be repeated.
    AttemptFailed {
        /// Why.
        reason: Reason,
        /// The cause in words.
        message: String,
        /// The next attempt.
        next: DateTime<Utc>,
    },
    /// The mailbox is worked on by somebody else; it waits.
    MailboxHeld,
    /// A worker was lost while it worked on it; it is handed out again.
    WorkerLost,
    /// Its files are deleted.
    FilesDeleted,
}

impl OperationEventRecord {
    /// The write that keeps it. `cause` names the change, so that a change made twice has one event.
    pub(super) fn write(&self, cause: &str) -> Result<Write, JobError> {
        Ok(Write::Put {
            key: self.operation.event(self.at.timestamp_millis(), cause)?,
            expect: Expect::Absent,
            body: encode(self)?.into(),
            expires_at: self.at.checked_add_signed(KEPT),
        })
    }
}
