//! How often something is tried again, and after which waits.

use std::time::Duration;

use mailkeep_ports::{Clock, TableError, TableErrorKind};

use super::JobError;

/// Conflicts are met one after another while many workers of one run end at once.
const MAX_CONFLICTS: u32 = 200;
const MAX_FAILURES: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// Counts attempts.
#[derive(Debug, Default)]
pub(crate) struct Tries {
    conflicts: u32,
    failures: u32,
    is_unsure: bool,
}

impl Tries {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// True when some call was left unanswered: it may have had its effect.
    pub(crate) fn was_unsure(&self) -> bool {
        self.is_unsure
    }

    /// Returns when the caller may try again.
    ///
    /// # Errors
    /// The error, when trying again is of no use or was done often enough.
    pub(crate) async fn again(
        &mut self,
        clock: &dyn Clock,
        error: TableError,
    ) -> Result<(), JobError> {
        match error.kind {
            TableErrorKind::Conflict => {
                self.conflicts += 1;
                if self.conflicts > MAX_CONFLICTS {
                    return Err(error.into());
                }
                tokio::task::yield_now().await;
            }
            TableErrorKind::Busy | TableErrorKind::Unavailable => {
                self.failures += 1;
                self.is_unsure |= error.kind == TableErrorKind::Unavailable;
                if self.failures > MAX_FAILURES {
                    return Err(error.into());
                }
                let own = FIRST_WAIT * 2_u32.saturating_pow(self.failures);
                let asked = error.retry_after.unwrap_or_default();
                clock
                    .sleep(own.max(asked.min(Duration::from_secs(5))))
                    .await;
            }
            _ => return Err(error.into()),
        }
        Ok(())
    }
}
