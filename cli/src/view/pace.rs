//! How fast something goes, when it will be done and what holds it up, in a few words.

use std::time::Duration;

use chrono::{DateTime, Utc};
use mailkeep_engine::Progress;
use mailkeep_model::progress::{
    Done, Meter, Remaining, RequestWindow, SourceLimits, Speed, Spent, run_time_left,
};

use crate::output::human;

/// The pace of one mailbox, of a restore or of an export.
pub(super) struct Pace {
    meter: Meter,
    requests: RequestWindow,
    progress: Progress,
}

impl Pace {
    pub(super) fn new(now: Duration) -> Self {
        let mut meter = Meter::default();
        meter.sample(now, Done::default());
        Self {
            meter,
            requests: RequestWindow::new(SourceLimits::GRAPH),
            progress: Progress::default(),
        }
    }

    /// It has come this far.
    pub(super) fn sample(&mut self, now: Duration, progress: &Progress) {
        let done = Done {
            items: progress.items_done,
            bytes: progress.bytes_done,
        };
        self.meter.sample(now, done);
        self.requests.sample(now, progress.counters.requests);
        self.progress = progress.clone();
    }

    pub(super) fn done(&self) -> Done {
        self.meter.done()
    }

    pub(super) fn worked(&self) -> Duration {
        self.meter.worked()
    }

    pub(super) fn spent(&self) -> Spent {
        self.progress.spent
    }

    /// How long it will take; `None` when that cannot be told.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub(super) fn time_left(&self, now: Duration, wall: DateTime<Utc>) -> Option<Duration> {
        let items = self.progress.items_done;
        let expected = self.progress.items_expected?;
        let requests = self.requests.total();
        let throttled = self.progress.throttled_until;
        let remaining = Remaining {
            items: expected.saturating_sub(items),
            speed: self.meter.recent().items,
            requests_per_item: requests as f64 / (items.max(1) as f64),
            limits: (requests > 0).then(|| (self.requests.limits(), self.requests.left(now))),
            throttled_for: throttled
                .and_then(|until| until.signed_duration_since(wall).to_std().ok())
                .unwrap_or_default(),
        };
        remaining.time_left()
    }

    /// `  12 MiB  3.0 MiB/s (average 2.5 MiB/s)  240 items/s`
    pub(super) fn words(&self) -> String {
        speed_words(self.meter.done(), self.meter.recent(), self.meter.average())
    }
}

/// `  12 MiB  3.0 MiB/s (average 2.5 MiB/s)  240 items/s`
pub(super) fn speed_words(done: Done, recent: Speed, average: Speed) -> String {
    format!(
        "  {}  {}/s (average {}/s)  {}/s",
        human::size(done.bytes),
        human::size(whole(recent.bytes)),
        human::size(whole(average.bytes)),
        human::plural(whole(recent.items), "item"),
    )
}

/// ` · 5m 10s left · held up by source`
pub(super) fn outlook_words(left: Option<Duration>, spent: &Spent) -> String {
    let mut text = String::new();
    if let Some(left) = left.filter(|left| !left.is_zero()) {
        let seconds = left.as_secs_f64().ceil();
        text.push_str(&format!(" · {} left", human::duration(seconds)));
    }
    if let Some(what) = spent.bottleneck() {
        text.push_str(&format!(" · held up by {}", what.words()));
    }
    text
}

/// How long all rows will take, those that did not begin yet included.
pub(super) fn all_left<'a>(
    at_work: impl Iterator<Item = &'a Pace>,
    waiting: Option<u64>,
    finished: (u64, Duration),
    at_once: usize,
    (now, wall): (Duration, DateTime<Utc>),
) -> Option<Duration> {
    let times: Option<Vec<_>> = at_work.map(|pace| pace.time_left(now, wall)).collect();
    let rows = u32::try_from(finished.0).ok()?;
    let each = (rows > 0).then(|| finished.1 / rows);
    let at_once = u32::try_from(at_once).unwrap_or(u32::MAX);
    run_time_left(&times?, waiting?, each, at_once)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate that is shown with two digits"
)]
fn whole(rate: f64) -> u64 {
    rate as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(items: u64, requests: u64) -> Progress {
        let mut progress = Progress {
            items_done: items,
            items_expected: Some(40_000),
            bytes_done: items << 10,
            ..Progress::default()
        };
        progress.counters.requests = requests;
        progress
    }

    #[test]
    fn recent_and_average_speed_are_told() {
        let done = Done {
            items: 9,
            bytes: 10 << 20,
        };
        let recent = Speed {
            items: 10.9,
            bytes: 1_048_576.0,
        };
        let average = Speed {
            items: 5.0,
            bytes: 524_288.0,
        };
        let words = speed_words(done, recent, average);
        assert_eq!(words, "  10 MiB  1.0 MiB/s (average 512 KiB/s)  10 items/s");
    }

    /// Two minutes at 75 items a second, one request each; then the source's limit rules.
    #[test]
    fn the_time_left_regards_the_sources_limit() {
        let wall = DateTime::UNIX_EPOCH;
        let mut pace = Pace::new(Duration::ZERO);
        for second in 1..=120 {
            let now = Duration::from_secs(second);
            pace.sample(now, &progress(second * 75, second * 75));
        }
        let left = pace.time_left(Duration::from_secs(120), wall).unwrap();
        assert_eq!(left, Duration::from_secs(1_800));
        let spent = Spent {
            throttled: Duration::from_secs(60),
            source: Duration::from_secs(10),
            ..Spent::default()
        };
        assert_eq!(
            outlook_words(Some(left), &spent),
            " · 30 min 0 s left · held up by source throttling"
        );
        assert_eq!(outlook_words(None, &Spent::default()), "");
        let moment = (Duration::from_secs(120), wall);
        let minute = Duration::from_secs(60);
        let all = all_left([&pace].into_iter(), Some(0), (0, minute), 1, moment);
        assert_eq!(all, Some(left));
        // Nobody knows yet how long a mailbox takes that has not begun.
        let all = all_left([&pace].into_iter(), Some(4), (0, minute), 1, moment);
        assert_eq!(all, None);
        let all = all_left([&pace].into_iter(), Some(4), (2, minute * 2), 1, moment);
        assert_eq!(all, Some(left + minute * 4));
    }
}
