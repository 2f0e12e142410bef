//! Average and recent speed.

use std::time::Duration;

/// Shorter steps are added up before they count for the recent speed: events come in bursts.
const SHORTEST_STEP: Duration = Duration::from_millis(500);

/// The recent speed forgets what is this long ago to about a third.
const MEMORY: Duration = Duration::from_secs(30);

/// What has been done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Items, unchanged and failed ones included.
    pub items: u64,
    /// Bytes of content.
    pub bytes: u64,
}

/// Work per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Speed {
    /// Items per second.
    pub items: f64,
    /// Bytes per second.
    pub bytes: f64,
}

/// Measures the speed of work from what was done at which time. Time is that of a clock that never
/// goes back.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    /// The last sample, and whether the time since then counts as work.
    last: Option<(Duration, bool)>,
    done: Done,
    worked: Duration,
    /// Work and time that the recent speed does not regard yet.
    step: Done,
    step_time: Duration,
    recent: Option<Speed>,
}

impl Meter {
    /// Something was done up to `now`; the totals never shrink, a smaller one counts as no progress.
    /// The first sample starts the measurement.
    pub fn sample(&mut self, now: Duration, done: Done) {
        let news = Done {
            items: done.items.saturating_sub(self.done.items),
            bytes: done.bytes.saturating_sub(self.done.bytes),
        };
        self.done = Done {
            items: self.done.items.max(done.items),
            bytes: self.done.bytes.max(done.bytes),
        };
        let passed = match self.last {
            Some((last, true)) => now.saturating_sub(last),
            _ => Duration::ZERO,
        };
        let last = self.last.map_or(now, |(last, _)| last.max(now));
        self.last = Some((last, true));
        self.worked = self.worked.saturating_add(passed);
        self.step.items = self.step.items.saturating_add(news.items);
        self.step.bytes = self.step.bytes.saturating_add(news.bytes);
        self.step_time = self.step_time.saturating_add(passed);
        if self.step_time >= SHORTEST_STEP {
            self.close_step();
        }
    }

    /// From now on it rests, until the next sample: the time between does not count.
    pub fn rest(&mut self, now: Duration) {
        self.sample(now, self.done);
        if let Some((_, is_work)) = &mut self.last {
            *is_work = false;
        }
    }

    fn close_step(&mut self) {
        let step = std::mem::take(&mut self.step);
        let time = std::mem::take(&mut self.step_time);
        let speed = per_second(step, time);
        let weight = 1.0 - (-time.as_secs_f64() / MEMORY.as_secs_f64()).exp();
        self.recent = Some(match self.recent {
            None => speed,
            Some(recent) => Speed {
                items: recent.items + (speed.items - recent.items) * weight,
                bytes: recent.bytes + (speed.bytes - recent.bytes) * weight,
            },
        });
    }

    /// The speed since the start, without the time at rest.
    #[must_use]
    pub fn average(&self) -> Speed {
        per_second(self.done, self.worked)
    }

    /// The speed of the last half minute or so; the average while there is nothing newer.
    #[must_use]
    pub fn recent(&self) -> Speed {
        self.recent.unwrap_or_else(|| self.average())
    }

    /// What was done.
    #[must_use]
    pub fn done(&self) -> Done {
        self.done
    }

    /// How long it took, without the time at rest.
    #[must_use]
    pub fn worked(&self) -> Duration {
        self.worked
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "speeds are shown with a few digits"
)]
fn per_second(done: Done, time: Duration) -> Speed {
    if time.is_zero() {
        return Speed::default();
    }
    let seconds = time.as_secs_f64();
    Speed {
        items: done.items as f64 / seconds,
        bytes: done.bytes as f64 / seconds,
    }
}
