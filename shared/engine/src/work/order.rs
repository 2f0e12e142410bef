//! What a worker is to do with a mailbox, and what it reports.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use mailkeep_model::job::JobDefinition;
use mailkeep_model::state::Reason;
use mailkeep_model::{Counters, FailureClass, MailboxProfile};

use super::Gauge;
use crate::ledger::TaskKey;

/// One mailbox to back up.
#[derive(Clone, Debug)]
pub struct Order {
    /// The task, for logs.
    pub task: TaskKey,
    /// The definition of the job that holds for this cycle.
    pub definition: JobDefinition,
    /// The mailbox.
    pub mailbox: MailboxProfile,
    /// When the cycle began: filters by age are cut off by it.
    pub cycle_at: DateTime<Utc>,
    /// Name of the worker, for logs.
    pub worker: String,
    /// Gets the events of the work, so that others see how far it is.
    pub gauge: Arc<Gauge>,
}

/// How the work on a mailbox ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is done.
    Complete,
    /// Done, but there is something to know.
    Warning(Reason),
    /// Stopped on request; what was committed is kept.
    Stopped,
    /// The service asks to wait.
    Wait(Duration),
    /// Failed.
    Failed {
        /// The class.
        class: FailureClass,
        /// How long the service asks to wait.
        retry_after: Option<Duration>,
    },
    /// Failed for a reason that trying again does not change.
    Final(Reason),
}

/// What the work on a mailbox brought.
#[derive(Clone, Debug)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// The cause in words, empty for a success. Holds no address and no subject.
    pub message: String,
    /// What was counted.
    pub counters: Counters,
    /// The mailbox in the vault; empty when it is not there.
    pub vault_mailbox: String,
}

impl Report {
    /// A report without anything but an outcome.
    #[must_use]
    pub fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            message: String::new(),
            counters: Counters::default(),
            vault_mailbox: String::new(),
        }
    }
}
