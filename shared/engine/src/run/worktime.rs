//! When a cycle may work.

use chrono::{DateTime, Utc};
use mailkeep_model::job::{JobDefinition, WindowEnd};
use mailkeep_model::schedule::{Schedule, Zone};

use super::RunRecord;

/// Whether a cycle may work at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkTime {
    /// It may.
    Open {
        /// Until then; `None` for ever.
        until: Option<DateTime<Utc>>,
    },
    /// It may not.
    Closed {
        /// From then on it may; `None` never again.
        opens_at: Option<DateTime<Utc>>,
    },
}

impl WorkTime {
    /// When this cycle may work, as of `now`. One that was started at once, or that goes on to its end
    /// whatever its activity period, keeps to blackouts only.
    #[must_use]
    pub fn of(run: &RunRecord, definition: &JobDefinition, now: DateTime<Utc>) -> Self {
        let keeps_periods = !run.ignores_schedule && definition.on_window_end == WindowEnd::Pause;
        let schedule = if keeps_periods {
            definition.activity()
        } else {
            Schedule::new(Zone::UTC, None, &definition.blackouts)
        };
        // A definition with problems is never stored; one from elsewhere never works.
        schedule.map_or(Self::Closed { opens_at: None }, |it| {
            Self::in_schedule(&it, now)
        })
    }

    /// When a new cycle may be opened.
    #[must_use]
    pub fn to_open(definition: &JobDefinition, ignores_schedule: bool, now: DateTime<Utc>) -> Self {
        let schedule = if ignores_schedule {
            Schedule::new(Zone::UTC, None, &definition.blackouts)
        } else {
            definition.activity()
        };
        schedule.map_or(Self::Closed { opens_at: None }, |it| {
            Self::in_schedule(&it, now)
        })
    }

    fn in_schedule(schedule: &Schedule, now: DateTime<Utc>) -> Self {
        match schedule.next_window(now) {
            Some(window) if window.contains(now) => Self::Open { until: window.end },
            Some(window) => Self::Closed {
                opens_at: Some(window.start),
            },
            None => Self::Closed { opens_at: None },
        }
    }

    /// True when it may work.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Open { .. })
    }
}
