//! How far the work on a mailbox is, for those who look from elsewhere.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use mailkeep_model::Counters;
use mailkeep_model::progress::{Done, Meter, Remaining, RequestWindow, SourceLimits};
use mailkeep_ports::Clock;
use serde::{Deserialize, Serialize};

use crate::{Event, Observer, Progress};

/// How far the work on a mailbox is. Kept with the lease of the mailbox, and as old as its last renewal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskProgress {
    /// Items dealt with, unchanged and failed ones included.
    pub items_done: u64,
    /// Items that are expected altogether.
    pub items_expected: Option<u64>,
    /// Bytes of content read.
    pub bytes_done: u64,
    /// Items per minute since the work began.
    pub items_per_minute: u64,
    /// Bytes per second since the work began.
    pub bytes_per_second: u64,
    /// Items per minute in the last half minute or so.
    pub recent_items_per_minute: u64,
    /// Bytes per second in the last half minute or so.
    pub recent_bytes_per_second: u64,
    /// How long it will take, the limits of the source included; `None` when that cannot be told.
    pub seconds_left: Option<u64>,
    /// What most of the time goes by with.
    pub bottleneck: Option<String>,
    /// Until when the service asked to wait.
    pub throttled_until: Option<DateTime<Utc>>,
    /// What was counted.
    pub counters: Counters,
}

/// Measures the work on one mailbox from its events.
pub struct Gauge {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    meter: Meter,
    requests: RequestWindow,
    progress: Option<Progress>,
}

impl fmt::Debug for Gauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gauge")
    }
}

impl Gauge {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let mut meter = Meter::default();
        meter.sample(clock.monotonic(), Done::default());
        Self {
            clock,
            state: Mutex::new(State {
                meter,
                requests: RequestWindow::new(SourceLimits::GRAPH),
                progress: None,
            }),
        }
    }

    /// How far it is; `None` before anything was told.
    pub(super) fn read(&self) -> Option<TaskProgress> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let progress = state.progress.as_ref()?;
        let (average, recent) = (state.meter.average(), state.meter.recent());
        let left = state.time_left(progress, self.clock.monotonic(), self.clock.now());
        Some(TaskProgress {
            items_done: progress.items_done,
            items_expected: progress.items_expected,
            bytes_done: progress.bytes_done,
            items_per_minute: whole(average.items * 60.0),
            bytes_per_second: whole(average.bytes),
            recent_items_per_minute: whole(recent.items * 60.0),
            recent_bytes_per_second: whole(recent.bytes),
            seconds_left: left.map(|left| whole(left.as_secs_f64().ceil())),
            bottleneck: progress.spent.bottleneck().map(|it| it.words().to_owned()),
            throttled_until: progress.throttled_until,
            counters: progress.counters.clone(),
        })
    }
}

impl State {
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn time_left(
        &self,
        progress: &Progress,
        now: Duration,
        wall: DateTime<Utc>,
    ) -> Option<Duration> {
        let requests = self.requests.total();
        let throttled = progress.throttled_until;
        let remaining = Remaining {
            items: progress.items_expected?.saturating_sub(progress.items_done),
            speed: self.meter.recent().items,
            requests_per_item: requests as f64 / (progress.items_done.max(1) as f64),
            limits: (requests > 0).then(|| (self.requests.limits(), self.requests.left(now))),
            throttled_for: throttled
                .and_then(|until| until.signed_duration_since(wall).to_std().ok())
                .unwrap_or_default(),
        };
        remaining.time_left()
    }
}

impl Observer for Gauge {
    fn event(&self, event: &Event) {
        let Event::Progress { progress, .. } = event else {
            return;
        };
        let now = self.clock.monotonic();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let done = Done {
            items: progress.items_done,
            bytes: progress.bytes_done,
        };
        state.meter.sample(now, done);
        state.requests.sample(now, progress.counters.requests);
        state.progress = Some(progress.clone());
    }
}

/// A figure without its fraction.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures are not negative, and those beyond the range end at it"
)]
pub(crate) fn whole(figure: f64) -> u64 {
    figure.round().max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use mailkeep_model::SourceMailboxId;
    use mailkeep_ports::TestClock;

    use super::*;

    #[test]
    fn it_tells_speed_time_left_and_nothing_before_it_knows() {
        let clock = Arc::new(TestClock::default());
        let gauge = Gauge::new(clock.clone());
        assert_eq!(gauge.read(), None);
        for step in 1..=10 {
            clock.advance(Duration::from_secs(1));
            let progress = Progress {
                items_done: step * 10,
                items_expected: Some(200),
                bytes_done: step * 5_000,
                ..Progress::default()
            };
            let mailbox = SourceMailboxId("m".to_owned());
            gauge.event(&Event::Progress { mailbox, progress });
        }
        let read = gauge.read().unwrap();
        assert_eq!((read.items_per_minute, read.bytes_per_second), (600, 5_000));
        assert_eq!(
            (read.recent_items_per_minute, read.recent_bytes_per_second),
            (600, 5_000)
        );
        assert_eq!(
            (read.items_done, read.items_expected, read.seconds_left),
            (100, Some(200), Some(10))
        );
    }
}
