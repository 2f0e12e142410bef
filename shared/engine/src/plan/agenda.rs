//! When the next thing is due.

use std::time::Duration;

use mailkeep_model::state::State;

use chrono::{DateTime, TimeDelta, Utc};

/// A cycle that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedRun {
    /// The name of its job.
    pub name: String,
    /// Its number.
    pub cycle: u64,
    /// How it ended.
    pub state: State,
}

/// Collects times; the earliest counts.
pub(super) struct Agenda {
    /// The time that this tick goes by.
    pub(super) now: DateTime<Utc>,
    next: Option<DateTime<Utc>>,
    /// Cycles that were found to be over.
    pub(super) ended: Vec<EndedRun>,
}

impl Agenda {
    pub(super) fn new(now: DateTime<Utc>) -> Self {
        Self {
            now,
            next: None,
            ended: vec![],
        }
    }

    /// Something is due then, or at once when that is past.
    pub(super) fn at(&mut self, at: DateTime<Utc>) {
        let at = at.max(self.now);
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    /// Something is due then, if there is a time.
    pub(super) fn at_some(&mut self, at: Option<DateTime<Utc>>) {
        if let Some(at) = at {
            self.at(at);
        }
    }

    /// The earliest time.
    pub(super) fn next(&self) -> Option<DateTime<Utc>> {
        self.next
    }
}

/// A moment, so much later.
pub(super) fn later(at: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    let by = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
    at.checked_add_signed(by)
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}
