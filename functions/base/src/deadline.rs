//! How long an invocation may run.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::{Either, select};
use mailkeep_engine::StopSignal;
use mailkeep_ports::Clock;

/// Least and most time that is kept back for a last commit.
const LEAST_SPARE: TimeDelta = TimeDelta::seconds(2);
const MOST_SPARE: TimeDelta = TimeDelta::seconds(60);
/// The part of the time that is kept back.
const SPARE_PART: i32 = 5;

/// When an invocation ends, whatever it does, and when it is to begin to end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    soft: DateTime<Utc>,
}

impl Deadline {
    /// The function is killed at `hard`; a fifth of the time until then, between 2 and 60 seconds, is kept
    /// back for a last commit.
    #[must_use]
    pub fn of(now: DateTime<Utc>, hard: DateTime<Utc>) -> Self {
        let spare = ((hard - now) / SPARE_PART).clamp(LEAST_SPARE, MOST_SPARE);
        Self { soft: hard - spare }
    }

    /// Time until work is to end.
    #[must_use]
    pub fn left(&self, now: DateTime<Utc>) -> Duration {
        (self.soft - now).to_std().unwrap_or_default()
    }

    /// Does `work` and gives the signal to stop when the time has come.
    pub async fn watch<T>(
        &self,
        clock: &dyn Clock,
        stop: &StopSignal,
        work: impl Future<Output = T>,
    ) -> T {
        let timer = clock.sleep(self.left(clock.now()));
        futures::pin_mut!(work, timer);
        match select(work, timer).await {
            Either::Left((done, _)) => done,
            Either::Right(((), work)) => {
                stop.stop();
                work.await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use mailkeep_ports::TestClock;

    use super::*;

    #[test]
    fn a_part_of_the_time_is_kept_back() {
        let now = DateTime::UNIX_EPOCH;
        for (all, left) in [(900, 840), (60, 48), (6, 4), (1, 0), (-5, 0)] {
            let deadline = Deadline::of(now, now + TimeDelta::seconds(all));
            assert_eq!(deadline.left(now), Duration::from_secs(left), "{all}");
        }
    }

    #[tokio::test]
    async fn work_is_told_to_stop_and_may_end() {
        let clock = TestClock::default();
        let deadline = Deadline::of(clock.now(), clock.now() + TimeDelta::seconds(60));
        let stop = StopSignal::new();
        let work = async {
            while !stop.is_stopped() {
                clock.sleep(Duration::from_secs(1)).await;
            }
            clock.now()
        };
        let started_at = clock.now();
        let ended_at = deadline.watch(&clock, &stop, work).await;
        let seconds = (ended_at - started_at).num_seconds();
        assert!((48..=50).contains(&seconds), "{seconds}");
    }
}
