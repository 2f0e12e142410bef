//! The task of one mailbox in one cycle.

use chrono::{DateTime, Utc};
use mailkeep_model::state::{State, TaskEnd};
use mailkeep_model::{Counters, MailboxProfile};
use serde::{Deserialize, Serialize};

use crate::ledger::TaskKey;

/// The task of one mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// Which.
    pub key: TaskKey,
    /// The tenant or server that the mailbox's id is unique in.
    pub realm: String,
    /// The mailbox as it was listed.
    pub mailbox: MailboxProfile,
    /// Where it is.
    pub state: State,
    /// Set while it waits to be handed out.
    pub wait: Option<Wait>,
    /// How often it was handed out. A message with another number is an old one.
    pub dispatch: u32,
    /// When it was handed out, or the message was sent again.
    pub sent_at: Option<DateTime<Utc>>,
    /// How often work was begun since it was handed out: more than once means that workers were lost.
    pub starts: u32,
    /// Attempts that failed.
    pub failures: u32,
    /// Another job worked on the mailbox meanwhile.
    pub was_held: bool,
    /// When work was begun first.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was over.
    pub ended_at: Option<DateTime<Utc>>,
    /// How it ended.
    pub end: Option<TaskEnd>,
    /// The last failure in words. Holds no address and no subject.
    pub message: String,
    /// The mailbox in the vault, once it is known.
    pub vault_mailbox: String,
    /// What all attempts counted.
    pub counters: Counters,
}

/// A place in the list of tasks that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// Not handed out before.
    pub due_at: DateTime<Utc>,
}

impl TaskRecord {
    /// A new task that may be handed out at once.
    #[must_use]
    pub fn new(key: TaskKey, realm: &str, mailbox: MailboxProfile, now: DateTime<Utc>) -> Self {
        Self {
            key,
            realm: realm.to_owned(),
            mailbox,
            state: State::Queued,
            wait: Some(Wait { due_at: now }),
            dispatch: 0,
            sent_at: None,
            starts: 0,
            failures: 0,
            was_held: false,
            started_at: None,
            ended_at: None,
            end: None,
            message: String::new(),
            vault_mailbox: String::new(),
            counters: Counters::default(),
        }
    }

    /// True when it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// True when it was handed out with this number and did not come back.
    #[must_use]
    pub fn is_out(&self, dispatch: u32) -> bool {
        self.end.is_none() && self.wait.is_none() && self.dispatch == dispatch
    }
}
