//! The tenant's own clock: it starts at a fixed instant and moves only when told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};

/// Where every simulated clock starts: 2 November 2026, 08:00 UTC.
pub const START_UNIX_MILLIS: i64 = 1_793_606_400_000;

/// A shared handle on the tenant's clock. Cheap to clone, to read and to move.
#[derive(Clone, Debug)]
pub struct SimClock {
    millis: Arc<AtomicI64>,
    real_start: Option<std::time::Instant>,
}

impl Default for SimClock {
    fn default() -> Self {
        Self {
            millis: Arc::new(AtomicI64::new(START_UNIX_MILLIS)),
            real_start: None,
        }
    }
}

impl SimClock {
    /// A clock that additionally moves with the machine's time.
    #[must_use]
    pub fn real_time() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the edge: --real-time ties the simulated clock to the machine's"
        )]
        let now = std::time::Instant::now();
        Self {
            real_start: Some(now),
            ..Self::default()
        }
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn unix_millis(&self) -> i64 {
        let elapsed = self.real_start.map_or(0, |start| {
            i64::try_from(start.elapsed().as_millis()).unwrap_or(i64::MAX)
        });
        self.millis.load(Ordering::SeqCst).saturating_add(elapsed)
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn unix_seconds(&self) -> i64 {
        self.unix_millis().div_euclid(1000)
    }

    /// The instant.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.unix_millis()).unwrap_or_default()
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }
}

/// Graph's form of an instant, `2026-11-02T08:00:00Z`.
pub(crate) fn stamp(unix_seconds: i64) -> String {
    DateTime::from_timestamp(unix_seconds, 0)
        .unwrap_or_default()
        .format("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}
