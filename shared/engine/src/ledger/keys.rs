//! Where each record is. `docs/architecture.md` has the same as a table.

use std::fmt;

use mailkeep_model::SourceMailboxId;
use mailkeep_model::job::name_key;
use mailkeep_ports::ItemKey;
use serde::{Deserialize, Serialize};

use super::JobError;
use crate::hooks::Phase;

pub(crate) const JOBS: &str = "jobs";
pub(crate) const HOOKS: &str = "hooks";
pub(crate) const RUN: &str = "run/";
pub(crate) const TASK: &str = "task/";
pub(crate) const WAIT: &str = "wait/";
pub(crate) const FLIGHT: &str = "flight/";
pub(crate) const MAILBOX: &str = "mailbox/";
pub(crate) const EVENT: &str = "event/";

fn key(partition: impl Into<String>, sort: impl Into<String>) -> Result<ItemKey, JobError> {
    Ok(ItemKey::new(partition, sort)?)
}

/// A short name for something long or secret-like, the same everywhere.
fn digest(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&u64::try_from(part.len()).unwrap_or_default().to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let hex = hasher.finalize().to_hex();
    hex.chars().take(32).collect()
}

/// A job's id: 26 characters, ordered by when it was made.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub String);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JobId {
    pub(crate) fn partition(&self) -> String {
        format!("job/{}", self.0)
    }

    pub(crate) fn job(&self) -> Result<ItemKey, JobError> {
        key(JOBS, &*self.0)
    }

    pub(crate) fn version(&self, number: u32) -> Result<ItemKey, JobError> {
        key(self.partition(), format!("version/{number:010}"))
    }

    pub(crate) fn event(&self, millis: i64, what: &str) -> Result<ItemKey, JobError> {
        key(self.partition(), format!("{EVENT}{millis:015}/{what}"))
    }

    pub(crate) fn mailbox(&self, mailbox: &SourceMailboxId) -> Result<ItemKey, JobError> {
        let name = digest(&[mailbox.as_str()]);
        key(self.partition(), format!("{MAILBOX}{name}"))
    }

    /// A cycle of this job.
    #[must_use]
    pub fn run(&self, cycle: u64) -> RunKey {
        RunKey {
            job: self.clone(),
            cycle,
        }
    }
}

/// The claim of a name.
pub(crate) fn name(name: &str) -> Result<ItemKey, JobError> {
    key("names", digest(&[&name_key(name)]))
}

/// The lease of a mailbox.
pub(crate) fn lease(realm: &str, mailbox: &SourceMailboxId) -> Result<ItemKey, JobError> {
    key("leases", digest(&[realm, mailbox.as_str()]))
}

/// One cycle of a job.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunKey {
    /// The job.
    pub job: JobId,
    /// The number of its cycle, from 1.
    pub cycle: u64,
}

impl fmt::Display for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.job, self.cycle)
    }
}

impl RunKey {
    pub(crate) fn partition(&self) -> String {
        format!("run/{}/{:010}", self.job.0, self.cycle)
    }

    pub(crate) fn run(&self) -> Result<ItemKey, JobError> {
        key(self.job.partition(), format!("{RUN}{:010}", self.cycle))
    }

    /// What came of a hook.
    pub(crate) fn hook(&self, phase: Phase) -> Result<ItemKey, JobError> {
        key(self.partition(), format!("hook/{}", phase.code()))
    }

    /// The note that a hook is at work.
    pub(crate) fn hook_at_work(&self, phase: Phase) -> Result<ItemKey, JobError> {
        let (job, cycle) = (&self.job.0, self.cycle);
        key(HOOKS, format!("{job}/{cycle:010}/{}", phase.code()))
    }

    /// The task of a mailbox in this cycle.
    #[must_use]
    pub fn task(&self, mailbox: &SourceMailboxId) -> TaskKey {
        TaskKey {
            run: self.clone(),
            name: digest(&[mailbox.as_str()]),
        }
    }
}

/// The task of one mailbox in one cycle.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskKey {
    /// The cycle.
    pub run: RunKey,
    /// The task's name in it: a digest of the mailbox's id.
    pub name: String,
}

impl fmt::Display for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.run, self.name)
    }
}

impl TaskKey {
    pub(crate) fn task(&self) -> Result<ItemKey, JobError> {
        key(self.run.partition(), format!("{TASK}{}", self.name))
    }

    /// The place in the list of tasks that wait, ordered by when they are due.
    pub(crate) fn wait(&self, due_millis: i64) -> Result<ItemKey, JobError> {
        let due = due_millis.max(0);
        key(
            self.run.partition(),
            format!("{WAIT}{due:015}/{}", self.name),
        )
    }

    /// The place in the list of tasks that were handed out.
    pub(crate) fn flight(&self) -> Result<ItemKey, JobError> {
        key(self.run.partition(), format!("{FLIGHT}{}", self.name))
    }
}
