//! What a job calls before and after its backup.
//!
//! | | the job waits | the job does not wait |
//! |---|---|---|
//! | before, failure means nothing | the backup starts afterwards in any case | both start together |
//! | before, failure fails the job | no backup, nothing is called after | the backup is stopped softly, what it stored stays |
//! | after, failure means nothing | the job ends with the hook | the job ends at once |
//! | after, failure fails the job | failed; the backup is usable | ended at once, and failed when the hook fails |
//!
//! A hook that is told to fail the job and is still at work when the job has ended changes that end
//! later: [`LateHooks`] says so.

mod facts;
mod session;

use chrono::{DateTime, Utc};
use mailkeep_model::job::HookFailure;
use mailkeep_model::state::{End, Reason};
use mailkeep_ports::HookReport;

pub use facts::{HookFacts, Phase};
pub use session::{Before, HookSession, Hooked, LateEnd, LateHooks, around};

/// A hook that was called, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookRecord {
    /// Before or after.
    pub phase: Phase,
    /// What its failure means.
    pub on_failure: HookFailure,
    /// When it was called.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// What came of it.
    pub report: HookReport,
}

impl HookRecord {
    /// True when it failed and that fails the job.
    #[must_use]
    pub fn fails_job(&self) -> bool {
        self.report.fault.is_some() && self.on_failure == HookFailure::FailJob
    }

    /// True when it failed and that means nothing for the job.
    #[must_use]
    pub fn is_ignored_failure(&self) -> bool {
        self.report.fault.is_some() && self.on_failure == HookFailure::Continue
    }

    /// The reason that its failure is.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self.phase {
            Phase::Before => Reason::HookBefore,
            Phase::After => Reason::HookAfter,
        }
    }
}

/// How the job ends when a hook failed it. What failed already stays as it is: its own reason says
/// more.
fn failed_by(end: Option<End>, reason: Reason) -> End {
    match end {
        Some(End::Failed(own)) => End::Failed(own),
        _ => End::Failed(reason),
    }
}

#[cfg(test)]
mod tests;
