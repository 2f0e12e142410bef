//! What happened, for news, logs and people who ask why.

use chrono::{DateTime, Utc};
use mailkeep_model::state::{State, TaskEnd};
use mailkeep_ports::{Expect, Write};
use serde::{Deserialize, Serialize};

use super::{JobError, JobId, Keep, encode};

/// One thing that happened to a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// When.
    pub at: DateTime<Utc>,
    /// The job.
    pub job: JobId,
    /// Its name then.
    pub name: String,
    /// The cycle, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycle: Option<u64>,
    /// What.
    pub event: JobEvent,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum JobEvent {
    /// The job was made.
    Created,
    /// It has a new definition.
    Edited {
        /// The number of the definition.
        version: u32,
        /// It holds from the end of the present cycle on.
        is_deferred: bool,
    },
    /// A person started it.
    StartRequested,
    /// A person stopped it.
    StopRequested,
    /// Its schedule may start it.
    Activated,
    /// Its schedule may not start it.
    Deactivated,
    /// A person deleted it; it ends first what it is doing.
    DeletionRequested,
    /// It is deleted. Its backups are kept.
    Deleted,
    /// A cycle has another state.
    RunState {
        /// The state before; `None` for a new cycle.
        from: Option<State>,
        /// The state now.
        to: State,
    },
    /// A mailbox named in the scope is not listed by the source.
    NotListed {
        /// Its address or id as it was named.
        mailbox: String,
    },
    /// A mailbox waits, because another job works on it.
    MailboxHeld {
        /// Its address.
        mailbox: String,
    },
    /// An attempt at a mailbox failed and will be repeated.
    AttemptFailed {
        /// Its address.
        mailbox: String,
        /// Why.
        reason: mailkeep_model::state::Reason,
        /// The next attempt.
        next: DateTime<Utc>,
    },
    /// A mailbox ended in another way than well.
    MailboxEnded {
        /// Its address.
        mailbox: String,
        /// How.
        end: TaskEnd,
        /// The cause in words.
        message: String,
    },
    /// A worker was lost while it worked on a mailbox; the mailbox is handed out again.
    WorkerLost {
        /// Its address.
        mailbox: String,
    },
    /// A hook ended.
    HookEnded {
        /// Before or after the backup.
        phase: crate::hooks::Phase,
        /// How it failed, in words; `None` when it did its work.
        fault: Option<String>,
        /// Its failure fails the job.
        fails_job: bool,
    },
}

/// Good news or bad news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mood {
    /// Something went well.
    Good,
    /// Neither.
    Plain,
    /// Something did not go well.
    Bad,
}

impl JobEvent {
    /// Good news or bad news.
    #[must_use]
    pub fn mood(&self) -> Mood {
        match self {
            Self::RunState { to, .. } => match to {
                State::Ended(mailkeep_model::state::End::Completed) => Mood::Good,
                State::Ended(_) | State::WaitingForPerson(_) | State::Cancelled(_) => Mood::Bad,
                _ => Mood::Plain,
            },
            Self::NotListed { .. }
            | Self::MailboxHeld { .. }
            | Self::AttemptFailed { .. }
            | Self::MailboxEnded { .. }
            | Self::WorkerLost { .. }
            | Self::HookEnded { fault: Some(_), .. } => Mood::Bad,
            _ => Mood::Plain,
        }
    }
}

impl EventRecord {
    /// The write that keeps it. `cause` names the change that it is about, so that the same change
    /// made twice has one event.
    pub(crate) fn write(&self, cause: &str) -> Result<Write, JobError> {
        let keep = match self.event.mood() {
            Mood::Bad => Keep::Trouble,
            Mood::Good | Mood::Plain => Keep::News,
        };
        Ok(Write::Put {
            key: self.job.event(self.at.timestamp_millis(), cause)?,
            expect: Expect::Absent,
            body: encode(self)?.into(),
            expires_at: keep.until(self.at),
        })
    }
}
