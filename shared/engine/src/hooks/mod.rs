//! What a job calls before and after its backup.
//!
//! | | the job waits | the job does not wait |
//! |---|---|---|
//! | before, failure means nothing | the backup starts afterwards in any case | both start together |
//! | before, failure fails the job | no backup, nothing is called after | the backup is stopped softly, what it stored stays |
//! | after, failure means nothing | the job ends with the hook | the job ends at once |
//! | after, failure fails the job | failed; the backup is usable | ended at once, and failed when the hook fails |
//!
//! A hook is called at most once in each cycle: the planner writes down that it is called, in the same
//! transaction by which it moves the cycle on, and only then gives the order to call it. The
//! [`HookCaller`] renews that note while the hook is at work. When the note is no longer renewed, the
//! process was lost and nobody knows how far the hook came: that is written down, and counts as a
//! failure. A hook that is still at work when the job has ended may change that end later.

mod call;
mod end;
mod facts;
mod record;

use mailkeep_model::job::Hooks;
use mailkeep_model::state::{End, Reason};

pub use call::{HookCaller, HookOrder};
pub(crate) use end::end_hook;
pub(crate) use facts::call_of;
pub(crate) use record::{HookAtWork, at_work, stage_after};
pub use record::{HookRecord, HookStage, RunHooks};

use serde::{Deserialize, Serialize};

/// Before or after the backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Before.
    Before,
    /// After.
    After,
}

impl Phase {
    /// Both, in order.
    pub const ALL: [Self; 2] = [Self::Before, Self::After];

    /// The stable code, as in JSON output.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }

    /// The reason that the failure of a hook is.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::Before => Reason::HookBefore,
            Self::After => Reason::HookAfter,
        }
    }

    /// The hook of this phase.
    pub(crate) fn of(self, hooks: &Hooks) -> Option<&mailkeep_model::job::Hook> {
        match self {
            Self::Before => hooks.before.as_ref(),
            Self::After => hooks.after.as_ref(),
        }
    }
}

/// How the job ends when a hook failed it. What failed already stays as it is: its own reason says
/// more.
pub(crate) fn failed_by(end: Option<End>, reason: Reason) -> End {
    match end {
        Some(End::Failed(own)) => End::Failed(own),
        _ => End::Failed(reason),
    }
}
