//! A clock that tests set.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::oneshot;

use crate::Clock;

/// Virtual time. It stands still until a test moves it, or, unless made with
/// [`TestClock::manual`], until something sleeps: sleeping then advances the time at once, so that
/// an hour of waiting costs nothing.
#[derive(Debug)]
pub struct TestClock {
    state: Mutex<State>,
    sleep_advances: bool,
}

#[derive(Debug)]
struct State {
    wall: DateTime<Utc>,
    monotonic: Duration,
    slept: Duration,
    next_sleeper: u64,
    /// Who waits, by due time and order of arrival.
    sleepers: BTreeMap<(Duration, u64), oneshot::Sender<()>>,
}

impl State {
    fn advance(&mut self, by: Duration) {
        self.monotonic = self.monotonic.saturating_add(by);
        self.wall = shifted(self.wall, TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX));
        while let Some(entry) = self.sleepers.first_entry() {
            if entry.key().0 > self.monotonic {
                break;
            }
            // The sleeper may have been cancelled; then nobody listens.
            let _ = entry.remove().send(());
        }
    }
}

fn shifted(wall: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
    let bound = if by < TimeDelta::zero() {
        DateTime::<Utc>::MIN_UTC
    } else {
        DateTime::<Utc>::MAX_UTC
    };
    wall.checked_add_signed(by).unwrap_or(bound)
}

impl TestClock {
    /// A clock that starts at `wall` and that sleeping advances at once.
    #[must_use]
    pub fn new(wall: DateTime<Utc>) -> Self {
        Self {
            state: Mutex::new(State {
                wall,
                monotonic: Duration::ZERO,
                slept: Duration::ZERO,
                next_sleeper: 0,
                sleepers: BTreeMap::new(),
            }),
            sleep_advances: true,
        }
    }

    /// A clock that only [`TestClock::advance`] moves: whoever sleeps waits for it.
    #[must_use]
    pub fn manual(wall: DateTime<Utc>) -> Self {
        Self {
            sleep_advances: false,
            ..Self::new(wall)
        }
    }

    /// Lets time pass and wakes who is due, the earliest first.
    pub fn advance(&self, by: Duration) {
        self.lock().advance(by);
    }

    /// Sets the wall clock, forwards or backwards, as an administrator or NTP does. No time passes
    /// and nobody wakes.
    pub fn set_wall(&self, wall: DateTime<Utc>) {
        self.lock().wall = wall;
    }

    /// Moves the wall clock, forwards or backwards. No time passes and nobody wakes.
    pub fn jump_wall(&self, by: TimeDelta) {
        let mut state = self.lock();
        state.wall = shifted(state.wall, by);
    }

    /// How many sleep now.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        let mut state = self.lock();
        state.sleepers.retain(|_, sleeper| !sleeper.is_closed());
        state.sleepers.len()
    }

    /// How long until the first sleeper is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        let state = self.lock();
        let mut waiting = state.sleepers.iter().filter(|(_, s)| !s.is_closed());
        let ((due, _), _) = waiting.next()?;
        Some(due.saturating_sub(state.monotonic))
    }

    /// Everything that was asked of [`Clock::sleep`], added up.
    #[must_use]
    pub fn total_slept(&self) -> Duration {
        self.lock().slept
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a sleeper, or advances the time. `None` when there is nothing to wait for.
    fn begin_sleep(&self, duration: Duration) -> Option<oneshot::Receiver<()>> {
        let mut state = self.lock();
        state.slept = state.slept.saturating_add(duration);
        if self.sleep_advances {
            state.advance(duration);
            return None;
        }
        if duration.is_zero() {
            return None;
        }
        let (wake, woken) = oneshot::channel();
        let due = state.monotonic.saturating_add(duration);
        state.next_sleeper += 1;
        let number = state.next_sleeper;
        state.sleepers.insert((due, number), wake);
        Some(woken)
    }
}

impl Default for TestClock {
    /// Starts on 15 January 2026, 09:30 UTC.
    fn default() -> Self {
        Self::new(DateTime::from_timestamp(1_768_469_400, 0).unwrap_or_default())
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        self.lock().wall
    }

    fn monotonic(&self) -> Duration {
        self.lock().monotonic
    }

    async fn sleep(&self, duration: Duration) {
        match self.begin_sleep(duration) {
            // Others get their turn, as they would while this one sleeps.
            None => tokio::task::yield_now().await,
            // An error means that the clock is gone, which cannot be while `self` is borrowed.
            Some(woken) => drop(woken.await),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::conformance;

    #[tokio::test]
    async fn keeps_the_contract() {
        conformance::clock(&TestClock::default()).await.unwrap();
    }

    #[tokio::test]
    async fn sleeping_advances_both_clocks() {
        let clock = TestClock::default();
        let before = clock.now();
        clock.sleep(Duration::from_secs(3_600)).await;
        assert_eq!(clock.now() - before, TimeDelta::hours(1));
        assert_eq!(clock.monotonic(), Duration::from_secs(3_600));
        assert_eq!(clock.total_slept(), Duration::from_secs(3_600));
    }

    #[tokio::test]
    async fn the_wall_jumps_and_the_monotonic_clock_does_not() {
        let clock = TestClock::default();
        let before = clock.now();
        clock.jump_wall(TimeDelta::days(-400));
        assert_eq!(clock.now(), before - TimeDelta::days(400));
        assert_eq!(clock.monotonic(), Duration::ZERO);
        clock.set_wall(before);
        assert_eq!(clock.now(), before);
    }

    #[tokio::test]
    async fn a_manual_clock_wakes_only_who_is_due() {
        let clock = Arc::new(TestClock::manual(TestClock::default().now()));
        let sleepers: Vec<_> = [5, 10]
            .map(|seconds| {
                let clock = Arc::clone(&clock);
                tokio::spawn(async move { clock.sleep(Duration::from_secs(seconds)).await })
            })
            .into();
        while clock.sleepers() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(clock.next_due(), Some(Duration::from_secs(5)));
        clock.advance(Duration::from_secs(7));
        let mut sleepers = sleepers.into_iter();
        sleepers.next().unwrap().await.unwrap();
        assert_eq!(clock.sleepers(), 1);
        assert_eq!(clock.next_due(), Some(Duration::from_secs(3)));
        clock.advance(Duration::from_secs(3));
        sleepers.next().unwrap().await.unwrap();
    }

    #[tokio::test]
    async fn a_cancelled_sleeper_is_forgotten() {
        let clock = TestClock::manual(TestClock::default().now());
        {
            let sleep = clock.sleep(Duration::from_secs(1));
            futures::pin_mut!(sleep);
            assert!(futures::poll!(sleep).is_pending());
            assert_eq!(clock.sleepers(), 1);
        }
        assert_eq!(clock.sleepers(), 0);
        clock.advance(Duration::from_secs(9));
    }
}
