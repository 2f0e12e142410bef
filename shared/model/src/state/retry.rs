//! When to try again, and when not to.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{CancelReason, Reason};
use crate::{Action, FailureClass};

/// The longest wait that a service can ask for.
const LONGEST_ASKED: Duration = Duration::from_hours(24);

/// How often and after which waits something that failed is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RetryPolicy {
    /// Attempts in all, the first one included.
    pub attempts: u32,
    /// Wait after the first failure, in seconds; doubled after each further one.
    pub first_wait_seconds: u32,
    /// The longest wait, in seconds.
    pub longest_wait_seconds: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_wait_seconds: 30,
            longest_wait_seconds: 3_600,
        }
    }
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Try again after this wait.
    After(Duration),
    /// Do not try before a person did something.
    WaitForPerson(Reason),
    /// Do not try again: the limit is reached.
    GiveUp(CancelReason),
    /// Trying again is of no use now; this is how it ends. The next run begins anew.
    End(Reason),
}

impl RetryPolicy {
    /// What to do when attempt number `attempt`, counted from 1, failed.
    ///
    /// `asked` is the wait that the service asked for; it is never undercut. `jitter` is a random
    /// number that spreads the tries of many tasks: the wait is between the half and the whole of what
    /// it would be.
    #[must_use]
    pub fn after(
        &self,
        attempt: u32,
        failure: FailureClass,
        asked: Option<Duration>,
        jitter: u16,
    ) -> Retry {
        let reason = Reason::Failure(failure);
        if reason.needs_person() {
            return Retry::WaitForPerson(reason);
        }
        let may_pass = failure.action() == Action::Retry || failure == FailureClass::Vault;
        if !may_pass {
            return Retry::End(reason);
        }
        if attempt >= self.attempts {
            return Retry::GiveUp(CancelReason::RetryLimit);
        }
        let own = self.wait(attempt, jitter);
        let asked = asked.unwrap_or_default().min(LONGEST_ASKED);
        Retry::After(own.max(asked))
    }

    fn wait(&self, attempt: u32, jitter: u16) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        let whole = u64::from(self.first_wait_seconds) << doublings;
        let half = Duration::from_secs(whole.min(u64::from(self.longest_wait_seconds))) / 2;
        half + half * u32::from(jitter) / u32::from(u16::MAX)
    }
}
