//! When a job may work: activity patterns, minus blackouts, in a time zone.
//!
//! The rules where the wall clock jumps: a period starts at the first moment at which the clock shows
//! its start or more, and ends at the first moment at which it shows its end or more. So a start
//! inside a gap is moved forward to the end of the gap, and a period that is in an overlap runs once.
//! A period that lies wholly inside a gap is moved forward by the length of the gap.

mod blackout;
mod dates;
mod pattern;
mod recurring;
mod time;
mod zone;

#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use blackout::{Blackout, MAX_BLACKOUTS};
pub use pattern::{
    ActivityPattern, Custom, Daily, DateRange, MAX_EVERY, MAX_PERIODS, MonthDay, Monthly, Ordinal,
    Period, Weekly, YEARS,
};
pub use time::{Day, Days7, Hours, TimeOfDay};
pub use zone::Zone;

use crate::FieldErrors;
use recurring::Recurring;

/// A stretch of time in which a job may work: from `start` up to, not including, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Start.
    pub start: DateTime<Utc>,
    /// End; `None` when it never ends.
    pub end: Option<DateTime<Utc>>,
}

impl Window {
    /// True when the moment lies in it.
    #[must_use]
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        self.start <= at && self.end.is_none_or(|end| at < end)
    }
}

/// So many turns of a pattern in a row, all taken by blackouts, mean that it never becomes active. A
/// pattern by months has met every arrangement of the calendar by then (it repeats after 4,800
/// months), one by weeks or days all seasons of many years.
const MAX_TAKEN_TURNS: usize = 4_800;

/// An evaluated schedule: answers when a job may work. Its windows are in order; none touches the
/// next.
#[derive(Clone, Debug)]
pub struct Schedule {
    turns: Turns,
    blackouts: Vec<Blackout>,
}

#[derive(Clone, Debug)]
enum Turns {
    /// No pattern: always.
    Always,
    /// In order, merged.
    Listed(Vec<(DateTime<Utc>, DateTime<Utc>)>),
    Recurring(Recurring),
}

impl Schedule {
    /// A schedule from its parts; without a pattern it is active whenever no blackout is.
    ///
    /// # Errors
    /// Everything that is wrong with the parts, with the fields `pattern` and `blackouts`.
    pub fn new(
        zone: Zone,
        pattern: Option<&ActivityPattern>,
        blackouts: &[Blackout],
    ) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        if let Some(pattern) = pattern {
            errors.add_part("pattern", pattern.problems());
        }
        errors.require(
            blackouts.len() <= MAX_BLACKOUTS,
            "blackouts",
            format!("more than {MAX_BLACKOUTS}"),
        );
        for (index, blackout) in blackouts.iter().enumerate() {
            errors.add_part(&format!("blackouts[{index}]"), blackout.problems());
        }
        errors.into_result()?;
        let turns = match pattern {
            None => Turns::Always,
            Some(ActivityPattern::Custom(custom)) => Turns::Listed(listed(zone, &custom.periods)),
            Some(ActivityPattern::Daily(daily)) => Turns::Recurring(Recurring::daily(zone, daily)),
            Some(ActivityPattern::Weekly(weekly)) => {
                Turns::Recurring(Recurring::weekly(zone, weekly))
            }
            Some(ActivityPattern::Monthly(monthly)) => {
                Turns::Recurring(Recurring::monthly(zone, monthly))
            }
        };
        Ok(Self {
            turns,
            blackouts: blackouts.to_vec(),
        })
    }

    /// True when a job may work at that moment.
    #[must_use]
    pub fn is_active(&self, at: DateTime<Utc>) -> bool {
        self.next_window(at)
            .is_some_and(|window| window.contains(at))
    }

    /// The window at that moment, or else the next one. What lies before `at` is cut off. `None` when
    /// there is none any more; a year after 2299 is never looked at.
    ///
    /// The cost does not depend on how far away the window is: turns are computed, not searched. Only
    /// turns that a blackout takes away are gone through, and no more than 4,800 of them.
    #[must_use]
    pub fn next_window(&self, at: DateTime<Utc>) -> Option<Window> {
        let mut from = at.max(DateTime::UNIX_EPOCH);
        for _ in 0..MAX_TAKEN_TURNS {
            let turn = self.next_turn(from)?;
            let start = blackout::free_from(&self.blackouts, turn.start)?;
            if turn.contains(start) {
                let cut = blackout::next_start(&self.blackouts, start);
                let end = [turn.end, cut].into_iter().flatten().min();
                return Some(Window { start, end });
            }
            from = start;
        }
        None
    }

    /// All windows from that moment on, as [`next_window`](Self::next_window) gives them.
    #[must_use]
    pub fn windows_after(&self, at: DateTime<Utc>) -> Windows<'_> {
        Windows {
            schedule: self,
            at: Some(at),
        }
    }

    /// The pattern's window at `from` or after it, cut off there, blackouts not regarded.
    fn next_turn(&self, from: DateTime<Utc>) -> Option<Window> {
        let window = match &self.turns {
            Turns::Always => Window {
                start: from,
                end: None,
            },
            Turns::Listed(list) => {
                let next = list.partition_point(|(_, end)| *end <= from);
                let (start, end) = *list.get(next)?;
                Window {
                    start,
                    end: Some(end),
                }
            }
            Turns::Recurring(recurring) => recurring.next_turn(from)?,
        };
        Some(Window {
            start: window.start.max(from),
            end: window.end,
        })
    }
}

fn listed(zone: Zone, periods: &[Period]) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    let mut list: Vec<_> = periods
        .iter()
        .filter_map(|period| recurring::in_utc(zone, period.start, period.end))
        .collect();
    list.sort_unstable();
    let mut merged: Vec<(DateTime<Utc>, DateTime<Utc>)> = Vec::with_capacity(list.len());
    for (start, end) in list {
        match merged.last_mut() {
            Some((_, last)) if start <= *last => *last = end.max(*last),
            _ => merged.push((start, end)),
        }
    }
    merged
}

/// The windows of a schedule, in order.
#[derive(Clone, Debug)]
pub struct Windows<'a> {
    schedule: &'a Schedule,
    at: Option<DateTime<Utc>>,
}

impl Iterator for Windows<'_> {
    type Item = Window;

    fn next(&mut self) -> Option<Window> {
        let window = self.schedule.next_window(self.at?);
        self.at = window.and_then(|window| window.end);
        window
    }
}
