//! What one mailbox may be asked: calls at once, calls per ten minutes, bytes uploaded per five
//! minutes, and the time until which the service asked to leave it alone.
//!
//! One budget serves backup, restore and export of a mailbox, because the service counts per
//! application and mailbox.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mailkeep_ports::Clock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The service's limits per application and mailbox, with a little left free.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Calls at once.
    pub(crate) at_once: u32,
    /// Calls per `requests_span`.
    pub(crate) requests: u64,
    /// Ten minutes.
    pub(crate) requests_span: Duration,
    /// Bytes uploaded per `upload_span`.
    pub(crate) upload: u64,
    /// Five minutes.
    pub(crate) upload_span: Duration,
    /// A longer wait is refused.
    pub(crate) longest_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            at_once: 4,
            requests: 9_600,
            requests_span: Duration::from_secs(600),
            upload: 144_000_000,
            upload_span: Duration::from_secs(300),
            longest_wait: Duration::from_secs(900),
        }
    }
}

impl Limits {
    /// For calls that belong to no mailbox, such as listing users. The service allows many more of
    /// them; a batch of small reads of twenty mailboxes counts here, too.
    pub(crate) fn of_directory() -> Self {
        Self {
            at_once: 80,
            requests: 200_000,
            ..Self::default()
        }
    }
}

/// A sliding window of coarse slots.
#[derive(Debug)]
struct Window {
    limit: u64,
    span: Duration,
    slot: Duration,
    slots: VecDeque<(Duration, u64)>,
    used: u64,
}

impl Window {
    fn new(limit: u64, span: Duration) -> Self {
        Self {
            limit,
            span,
            slot: span / 60,
            slots: VecDeque::new(),
            used: 0,
        }
    }

    /// Drops what is out of the window.
    fn expire(&mut self, now: Duration) {
        while let Some((started, amount)) = self.slots.front().copied() {
            if started + self.slot + self.span > now {
                break;
            }
            self.used -= amount;
            self.slots.pop_front();
        }
        if self.slots.is_empty() {
            self.slots.shrink_to_fit();
        }
    }

    /// How long until `amount` fits. An amount beyond the limit fits an empty window.
    fn wait(&mut self, now: Duration, amount: u64) -> Option<Duration> {
        self.expire(now);
        if self.used == 0 || self.used.saturating_add(amount) <= self.limit {
            return None;
        }
        let mut left = self.used;
        for (started, used) in &self.slots {
            left -= used;
            if left == 0 || left.saturating_add(amount) <= self.limit {
                return Some((*started + self.slot + self.span).saturating_sub(now));
            }
        }
        None
    }

    fn add(&mut self, now: Duration, amount: u64) {
        self.used += amount;
        match self.slots.back_mut() {
            Some((started, used)) if now < *started + self.slot => *used += amount,
            _ => self.slots.push_back((now, amount)),
        }
    }
}

#[derive(Debug)]
struct State {
    requests: Window,
    uploads: Window,
    blocked_until: Duration,
}

/// The budget of one mailbox.
pub(crate) struct Budget {
    clock: Arc<dyn Clock>,
    limits: Limits,
    at_once: Arc<Semaphore>,
    state: Mutex<State>,
}

/// The right to have calls under way; ends when dropped.
#[derive(Debug)]
pub(crate) struct Permit(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// The wait would be longer than allowed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong(pub(crate) Duration);

impl Budget {
    pub(crate) fn new(clock: Arc<dyn Clock>, limits: Limits) -> Self {
        Self {
            clock,
            limits,
            at_once: Arc::new(Semaphore::new(limits.at_once as usize)),
            state: Mutex::new(State {
                requests: Window::new(limits.requests, limits.requests_span),
                uploads: Window::new(limits.upload, limits.upload_span),
                blocked_until: Duration::ZERO,
            }),
        }
    }

    /// Waits until `calls` calls that upload `bytes` may start. A batch runs up to four of its
    /// calls at once, so it takes that many places.
    pub(crate) async fn enter(&self, calls: u32, bytes: u64) -> Result<Permit, TooLong> {
        let places = calls.clamp(1, self.limits.at_once);
        let permit = self
            .at_once
            .clone()
            .acquire_many_owned(places)
            .await
            .map_err(|_| TooLong(Duration::ZERO))?;
        let started = self.clock.monotonic();
        loop {
            let now = self.clock.monotonic();
            let Some(wait) = self.reserve(now, u64::from(calls.max(1)), bytes) else {
                return Ok(Permit(permit));
            };
            if now.saturating_sub(started) + wait > self.limits.longest_wait {
                return Err(TooLong(wait));
            }
            self.clock.sleep(wait).await;
        }
    }

    /// Takes the calls from the windows, or says how long to wait.
    fn reserve(&self, now: Duration, calls: u64, bytes: u64) -> Option<Duration> {
        let mut state = self.state();
        let blocked = state.blocked_until.saturating_sub(now);
        let requests = state.requests.wait(now, calls).unwrap_or_default();
        let uploads = match bytes {
            0 => Duration::ZERO,
            _ => state.uploads.wait(now, bytes).unwrap_or_default(),
        };
        let wait = blocked.max(requests).max(uploads);
        if !wait.is_zero() {
            return Some(wait);
        }
        state.requests.add(now, calls);
        if bytes > 0 {
            state.uploads.add(now, bytes);
        }
        None
    }

    /// Leaves the mailbox alone for a while.
    pub(crate) fn block(&self, wait: Duration) {
        let until = self.clock.monotonic() + wait;
        let mut state = self.state();
        state.blocked_until = state.blocked_until.max(until);
    }

    /// How long the mailbox is still to be left alone.
    pub(crate) fn blocked_for(&self) -> Duration {
        let now = self.clock.monotonic();
        self.state().blocked_until.saturating_sub(now)
    }

    /// Frees what is out of the windows.
    pub(crate) fn tidy(&self) {
        let now = self.clock.monotonic();
        let mut state = self.state();
        state.requests.expire(now);
        state.uploads.expire(now);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailkeep_ports::TestClock;
    use proptest::prelude::*;

    fn test_clock() -> Arc<TestClock> {
        Arc::new(TestClock::new("2026-11-22T10:00:00Z".parse().unwrap()))
    }

    fn budget(clock: &Arc<TestClock>, limits: Limits) -> Budget {
        Budget::new(clock.clone(), limits)
    }

    #[tokio::test]
    async fn the_request_limit_holds_in_every_window() {
        let clock = test_clock();
        let limits = Limits {
            requests: 100,
            ..Limits::default()
        };
        let budget = budget(&clock, limits);
        let mut times = vec![];
        for _ in 0..350 {
            let _permit = budget.enter(1, 0).await.unwrap();
            times.push(clock.monotonic());
            clock.advance(Duration::from_millis(137));
        }
        for (index, end) in times.iter().enumerate() {
            let within = times[..=index]
                .iter()
                .filter(|time| **time + limits.requests_span > *end)
                .count();
            assert!(within <= 100, "{within} calls within one window");
        }
        assert!(
            times[349] < limits.requests_span * 4,
            "paced far too slowly"
        );
    }

    #[tokio::test]
    async fn uploads_are_paced_on_their_own() {
        let clock = test_clock();
        let budget = budget(&clock, Limits::default());
        for _ in 0..36 {
            budget.enter(1, 4_000_000).await.unwrap();
        }
        assert_eq!(clock.monotonic(), Duration::ZERO);
        budget.enter(1, 0).await.unwrap();
        assert_eq!(
            clock.monotonic(),
            Duration::ZERO,
            "a read does not wait for uploads"
        );
        budget.enter(1, 4_000_000).await.unwrap();
        assert!(clock.monotonic() >= Duration::from_secs(300));
    }

    #[tokio::test]
    async fn a_long_block_is_told_not_slept() {
        let clock = test_clock();
        let budget = budget(&clock, Limits::default());
        budget.block(Duration::from_secs(20));
        budget.enter(1, 0).await.unwrap();
        assert_eq!(clock.monotonic(), Duration::from_secs(20));
        budget.block(Duration::from_secs(5_000));
        let refused = budget.enter(1, 0).await.unwrap_err();
        assert_eq!(refused, TooLong(Duration::from_secs(5_000)));
        assert_eq!(clock.monotonic(), Duration::from_secs(20));
    }

    #[tokio::test]
    async fn a_batch_takes_all_places() {
        let clock = test_clock();
        let budget = budget(&clock, Limits::default());
        let permit = budget.enter(20, 0).await.unwrap();
        assert_eq!(budget.at_once.available_permits(), 0);
        drop(permit);
        assert_eq!(budget.at_once.available_permits(), 4);
    }

    proptest! {
        #[test]
        fn a_window_never_holds_more_than_its_limit(
            steps in proptest::collection::vec((0u64..5_000, 1u64..60), 1..200)
        ) {
            let mut window = Window::new(100, Duration::from_secs(60));
            let mut now = Duration::ZERO;
            for (pause, amount) in steps {
                now += Duration::from_millis(pause);
                while let Some(wait) = window.wait(now, amount) {
                    prop_assert!(!wait.is_zero() && wait <= Duration::from_secs(61));
                    now += wait;
                }
                window.add(now, amount);
                prop_assert!(window.used <= 100);
            }
        }
    }
}
