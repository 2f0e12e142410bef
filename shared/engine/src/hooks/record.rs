//! What is kept of hooks.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_model::job::HookFailure;
use mailkeep_model::state::Reason;
use mailkeep_ports::{HookFault, Write};
use serde::{Deserialize, Serialize};

use super::Phase;
use crate::ledger::{JobError, RunKey, create};

/// How far the hooks of a cycle are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunHooks {
    /// The one before the backup; `None` while it was not called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<HookStage>,
    /// The one after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<HookStage>,
}

/// How far a hook is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookStage {
    /// It was called.
    AtWork,
    /// It ended well.
    Done,
    /// It failed, and that means nothing for the job.
    Ignored,
    /// It failed, and that fails the job.
    Failed,
}

impl RunHooks {
    /// True while none was called.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn get(&self, phase: Phase) -> Option<HookStage> {
        match phase {
            Phase::Before => self.before,
            Phase::After => self.after,
        }
    }

    pub(crate) fn set(&mut self, phase: Phase, stage: HookStage) {
        match phase {
            Phase::Before => self.before = Some(stage),
            Phase::After => self.after = Some(stage),
        }
    }

    /// Why hooks fail the job, if they do.
    #[must_use]
    pub fn failure(&self) -> Option<Reason> {
        let failed = |phase: &Phase| self.get(*phase) == Some(HookStage::Failed);
        Phase::ALL.into_iter().find(failed).map(Phase::reason)
    }
}

/// The stage of a hook that is over.
pub(crate) fn stage_after(fault: Option<&HookFault>, on_failure: HookFailure) -> HookStage {
    match (fault, on_failure) {
        (None, _) => HookStage::Done,
        (Some(_), HookFailure::Continue) => HookStage::Ignored,
        (Some(_), HookFailure::FailJob) => HookStage::Failed,
    }
}

/// The note that a hook is called. Renewed by whoever calls it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HookAtWork {
    pub(crate) run: RunKey,
    pub(crate) phase: Phase,
    /// Which call it is.
    pub(crate) by: String,
    pub(crate) began_at: DateTime<Utc>,
    pub(crate) renewed_at: DateTime<Utc>,
    /// From then on whoever called it is lost.
    pub(crate) until: DateTime<Utc>,
}

impl HookAtWork {
    /// True when whoever called it is lost. A wall clock that jumped back by more than the lease's length
    /// counts as that, too.
    pub(crate) fn is_lost(&self, now: DateTime<Utc>) -> bool {
        let length = self.until - self.renewed_at;
        now >= self.until || now < self.renewed_at - length
    }

    pub(crate) fn renew(&mut self, now: DateTime<Utc>, lease: Duration) {
        self.renewed_at = now;
        let lease = TimeDelta::from_std(lease).unwrap_or(TimeDelta::MAX);
        self.until = now.checked_add_signed(lease).unwrap_or(now);
    }
}

/// The note of a new call, and the write that makes it.
pub(crate) fn at_work(
    run: &RunKey,
    phase: Phase,
    by: &str,
    now: DateTime<Utc>,
    lease: Duration,
) -> Result<Write, JobError> {
    let mut note = HookAtWork {
        run: run.clone(),
        phase,
        by: by.to_owned(),
        began_at: now,
        renewed_at: now,
        until: now,
    };
    note.renew(now, lease);
    create(run.hook_at_work(phase)?, &note)
}

/// A hook that is over, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookRecord {
    /// Before or after.
    pub phase: Phase,
    /// What its failure means.
    pub on_failure: HookFailure,
    /// When it was called.
    pub began_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// How it failed, in words; `None` when it did its work.
    pub fault: Option<String>,
    /// Whoever called it was lost: it may have done its work, a part of it, or nothing.
    pub is_in_doubt: bool,
    /// The end of what it printed or answered, at most 16 KiB. A script may print anything.
    pub output: String,
    /// How many bytes before that were dropped.
    pub dropped_bytes: u64,
}
