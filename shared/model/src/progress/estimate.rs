//! How long it will take.
//!
//! A source that allows so many requests per span of time lets a burst pass and then stops it. The
//! speed of the burst says nothing about the time after it, so the estimate regards the limit.

use std::collections::VecDeque;
use std::time::Duration;

/// Nothing is said about a longer time than this.
const LONGEST: Duration = Duration::from_hours(24 * 1_000);

/// Parts of a span that are counted apart.
const SLOTS: u32 = 60;

/// What a source allows for one mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceLimits {
    /// Requests.
    pub requests: u64,
    /// In this time.
    pub span: Duration,
}

impl SourceLimits {
    /// Microsoft Graph: 10,000 requests per ten minutes, application and mailbox.
    pub const GRAPH: Self = Self {
        requests: 10_000,
        span: Duration::from_secs(600),
    };
}

/// Counts the requests of the last span.
#[derive(Clone, Debug)]
pub struct RequestWindow {
    limits: SourceLimits,
    /// Total of requests at the end of each slot of time.
    slots: VecDeque<(Duration, u64)>,
    total: u64,
}

impl RequestWindow {
    /// No request yet.
    #[must_use]
    pub fn new(limits: SourceLimits) -> Self {
        Self {
            limits,
            slots: VecDeque::new(),
            total: 0,
        }
    }

    /// There were so many requests altogether up to `now`.
    pub fn sample(&mut self, now: Duration, total: u64) {
        self.total = self.total.max(total);
        let slot = self.limits.span / SLOTS;
        match self.slots.back_mut() {
            Some((start, last)) if now < start.saturating_add(slot) => *last = self.total,
            _ => self.slots.push_back((now, self.total)),
        }
        // The last slot before the span stays: it says what had been sent when the span began.
        while self
            .slots
            .get(1)
            .is_some_and(|(start, _)| self.is_past(*start, now))
        {
            self.slots.pop_front();
        }
    }

    /// True when everything that was sent in the slot is out of the span.
    fn is_past(&self, start: Duration, now: Duration) -> bool {
        let slot = self.limits.span / SLOTS;
        start.saturating_add(slot).saturating_add(self.limits.span) <= now
    }

    /// Requests that may still be sent now.
    #[must_use]
    pub fn left(&self, now: Duration) -> u64 {
        let before = match self.slots.front() {
            Some((start, total)) if self.is_past(*start, now) => *total,
            _ => 0,
        };
        let used = self.total.saturating_sub(before);
        self.limits.requests.saturating_sub(used)
    }

    /// All requests.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// What it counts against.
    #[must_use]
    pub fn limits(&self) -> SourceLimits {
        self.limits
    }
}

/// What one mailbox still has before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Remaining {
    /// Items.
    pub items: u64,
    /// Items per second, as they went lately.
    pub speed: f64,
    /// Requests that an item takes, pages and folders included.
    pub requests_per_item: f64,
    /// What the source allows, and how many of its requests are left now.
    pub limits: Option<(SourceLimits, u64)>,
    /// The source asked to be left alone for so long.
    pub throttled_for: Duration,
}

impl Remaining {
    /// How long it will take; `None` when nothing can be said.
    ///
    /// It is at least what the speed says, at least what the source's limits allow, and the wait that
    /// the source asked for comes on top.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        if self.items == 0 {
            return Some(Duration::ZERO);
        }
        let seconds = self.seconds_by_speed()?.max(self.seconds_by_limits());
        let time = Duration::try_from_secs_f64(seconds).ok()?;
        let time = time.checked_add(self.throttled_for)?;
        (time <= LONGEST).then_some(time)
    }

    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn seconds_by_speed(&self) -> Option<f64> {
        (self.speed > 0.0).then(|| self.items as f64 / self.speed)
    }

    /// What is beyond the requests that are left comes no faster than the limit.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn seconds_by_limits(&self) -> f64 {
        let Some((limits, left)) = self.limits else {
            return 0.0;
        };
        let wanted = self.items as f64 * self.requests_per_item.max(0.0);
        let beyond = (wanted - left as f64).max(0.0);
        beyond * limits.span.as_secs_f64() / (limits.requests.max(1) as f64)
    }
}

/// How long a run over many mailboxes will take: those at work, by the time that each still needs, and
/// `waiting` ones that take `each`. At most `at_once` are worked on side by side.
#[must_use]
pub fn run_time_left(
    at_work: &[Duration],
    waiting: u64,
    each: Option<Duration>,
    at_once: u32,
) -> Option<Duration> {
    let longest = at_work.iter().copied().max().unwrap_or_default();
    if waiting == 0 {
        return Some(longest);
    }
    let each = each?;
    let waiting = u32::try_from(waiting).ok()?;
    let mut all = each.checked_mul(waiting)?;
    for time in at_work {
        all = all.checked_add(*time)?;
    }
    let time = longest.max(each).max(all / at_once.max(1));
    (time <= LONGEST).then_some(time)
}
