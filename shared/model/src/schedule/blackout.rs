//! Times at which a job must not work, week by week.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::time::{Day, Days7, Hours};
use super::zone::Zone;
use crate::FieldErrors;

/// Most blackouts of a job.
pub const MAX_BLACKOUTS: usize = 50;

/// Times at which a job must not work, by the wall clock of a region. It holds from the first moment
/// that the clock shows its start until the last moment that it shows less than its end, so it also
/// holds when the clock is set back meanwhile; what falls wholly into a gap never comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Blackout {
    /// On these days of the week; at least one.
    pub days: Days7,
    /// Part of the day.
    pub hours: Hours,
    /// The region, as its time zone.
    pub zone: Zone,
}

impl Blackout {
    /// True when it holds at that moment.
    #[must_use]
    pub fn holds_at(&self, at: DateTime<Utc>) -> bool {
        self.around(at, DAYS_BACK, 1)
            .any(|(start, end)| start <= at && at < end)
    }

    pub(crate) fn problems(&self) -> FieldErrors {
        let mut errors = FieldErrors::default();
        errors.require(
            !self.days.is_empty(),
            "days",
            "empty; name at least one day",
        );
        let mut hours = FieldErrors::default();
        self.hours.check(&mut hours);
        errors.add_part("hours", hours);
        errors
    }

    /// Those that begin on the days from `back` days before a moment until `ahead` days after it, in
    /// order.
    fn around(
        &self,
        at: DateTime<Utc>,
        back: u64,
        ahead: u64,
    ) -> impl Iterator<Item = (DateTime<Utc>, DateTime<Utc>)> {
        let today = self.zone.wall_clock(at).date();
        let first = today.checked_sub_days(Days::new(back));
        (0..=back + ahead)
            .filter_map(move |day| first?.checked_add_days(Days::new(day)))
            .filter(|day| self.days.contains(&Day::of(*day)))
            .filter_map(|day| self.on(day))
    }

    fn on(&self, day: NaiveDate) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let (from, to) = self.hours.on(day)?;
        let (start, end) = (self.zone.first(from), self.zone.last(to));
        (start < end).then_some((start, end))
    }
}

/// A blackout that began this many days ago may still hold: it is at most two days of the wall clock
/// long, and the clock may be set back by one more.
const DAYS_BACK: u64 = 4;

/// Within so many days there is each day of the week twice; one of the two may fall into a gap.
const DAYS_AHEAD: u64 = 15;

/// A chain of blackouts, each beginning before the one before it ends, that is longer than this never
/// ends: they recur every week, and the seasons of the zones every year.
const LONGEST_CHAIN: TimeDelta = TimeDelta::days(400);

/// The first moment from `at` on without blackout; `None` when there is none.
pub(super) fn free_from(blackouts: &[Blackout], at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let mut free = at;
    // Ends, because each round moves on by a blackout's rest, and the chain's length is limited.
    while free - at <= LONGEST_CHAIN {
        let holding = blackouts
            .iter()
            .flat_map(|blackout| blackout.around(free, DAYS_BACK, 1));
        let holding = holding.filter(|(start, end)| *start <= free && free < *end);
        match holding.map(|(_, end)| end).max() {
            Some(end) => free = end,
            None => return Some(free),
        }
    }
    None
}

/// When the next blackout after `at` begins. None holds at `at`.
pub(super) fn next_start(blackouts: &[Blackout], at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let next = blackouts.iter().filter_map(|blackout| {
        let mut starts = blackout
            .around(at, DAYS_BACK, DAYS_AHEAD)
            .map(|(start, _)| start);
        starts.find(|start| *start > at)
    });
    next.min()
}
