//! What is kept of a job.

use chrono::{DateTime, Utc};
use mailkeep_model::SourceMailboxId;
use mailkeep_model::job::JobDefinition;
use mailkeep_model::state::{End, MailboxHealth, TaskEnd};
use serde::{Deserialize, Serialize};

use crate::ledger::JobId;
use crate::run::RunScope;

/// A job: which definition holds, and what it is to do. Never removed, so that its history can be
/// read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// Id.
    pub id: JobId,
    /// Name, as in the newest definition.
    pub name: String,
    /// The definition that the next cycle gets, if no newer one waits.
    pub version: u32,
    /// The newest definition. Newer than `version` while a cycle ends that was told to end first.
    pub newest: u32,
    /// A person did not switch it off.
    pub is_active: bool,
    /// It begins cycles by itself as its schedule (or, without one, its idle time) says.
    pub is_started: bool,
    /// Its one cycle is done.
    pub is_finished: bool,
    /// The number of the newest cycle, 0 when there was none.
    pub cycle: u64,
    /// The newest cycle is not over.
    pub is_open: bool,
    /// How the last cycle that is over ended.
    pub last: Option<LastCycle>,
    /// A person wants a cycle.
    pub request: Option<StartRequest>,
    /// A person deleted it.
    pub deletion_requested_at: Option<DateTime<Utc>>,
    /// It is deleted: not listed, and its name is free.
    pub deleted_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// How a cycle ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastCycle {
    /// Its number.
    pub cycle: u64,
    /// How; `None` when it was stopped.
    pub end: Option<End>,
    /// When.
    pub ended_at: DateTime<Utc>,
}

/// What a person asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartRequest {
    /// Which mailboxes.
    pub scope: RunScope,
    /// At once, whatever the schedule says. Blackouts hold all the same.
    pub ignores_schedule: bool,
}

/// One definition of a job. Never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRecord {
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// The definition.
    pub definition: JobDefinition,
}

/// How a mailbox of a job fared the last time. Kept when the mailbox leaves the scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxRecord {
    /// The mailbox.
    pub mailbox: SourceMailboxId,
    /// Its address then.
    pub address: String,
    /// The cycle.
    pub cycle: u64,
    /// How it ended.
    pub end: TaskEnd,
    /// The same as a colour.
    pub health: MailboxHealth,
    /// When.
    pub ended_at: DateTime<Utc>,
    /// When it last ended well or with a warning.
    pub good_at: Option<DateTime<Utc>>,
}
