//! The record of a lease.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::WorkKey;
use crate::work::TaskProgress;

/// Calls at once that the holder of a mailbox may make. The service allows so many per application and
/// mailbox, so the holder has all of them.
pub const CALLS_AT_ONCE: u32 = 4;

/// Who may work on a mailbox, and until when. Kept when it is free, so that its epoch only grows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRecord {
    /// Counts the holders. A result is taken only while the epoch is still that of the holder.
    pub epoch: u64,
    /// Who holds it; `None` when it is free.
    pub holder: Option<Holder>,
}

/// Who works on a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// What for. The name is that of when there were tasks only.
    #[serde(rename = "task")]
    pub work: WorkKey,
    /// Which time it was handed out.
    pub dispatch: u32,
    /// The worker.
    pub worker: String,
    /// Which beginning of work it is: a worker that was not answered knows its own by this.
    #[serde(default)]
    pub claim: String,
    /// When it was taken or renewed.
    pub renewed_at: DateTime<Utc>,
    /// Free from then on.
    pub until: DateTime<Utc>,
    /// Calls at once that the holder may make at the source.
    pub calls_at_once: u32,
    /// How far the work is, as of the last renewal.
    #[serde(default)]
    pub progress: Option<TaskProgress>,
}

impl Holder {
    /// True when the lease still counts. A wall clock that jumped back by more than the lease's length
    /// ends it as well: better two workers, of which one is refused, than none for a long time.
    #[must_use]
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        let length = self.until - self.renewed_at;
        now < self.until && now >= self.renewed_at - length
    }

    /// Renews it.
    pub(crate) fn renew(&mut self, now: DateTime<Utc>, length: Duration) {
        self.renewed_at = now;
        self.until = now + TimeDelta::from_std(length).unwrap_or(TimeDelta::MAX);
    }
}

impl LeaseRecord {
    /// Who holds it now.
    #[must_use]
    pub fn holder_at(&self, now: DateTime<Utc>) -> Option<&Holder> {
        self.holder.as_ref().filter(|holder| holder.is_live(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::JobId;
    use mailkeep_model::SourceMailboxId;

    #[test]
    fn a_lease_ends_by_time_and_when_the_clock_jumped_back() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(9);
        let mut holder = Holder {
            work: WorkKey::Task(JobId("j".into()).run(1).task(&SourceMailboxId("m".into()))),
            dispatch: 1,
            worker: "w".into(),
            claim: String::new(),
            renewed_at: now,
            until: now,
            calls_at_once: CALLS_AT_ONCE,
            progress: None,
        };
        assert!(!holder.is_live(now));
        holder.renew(now, Duration::from_secs(60));
        for (seconds, is_live) in [
            (-61, false),
            (-60, true),
            (0, true),
            (59, true),
            (60, false),
        ] {
            assert_eq!(holder.is_live(now + TimeDelta::seconds(seconds)), is_live);
        }
    }
}
