//! Periods that come again, in UTC.

use chrono::{DateTime, Datelike as _, Days, NaiveDate, NaiveDateTime, Utc};

use super::Window;
use super::dates::{Dates, Rule};
use super::pattern::{Daily, Monthly, Weekly};
use super::time::{Day, Hours};
use super::zone::Zone;

/// The last year that is looked at, so that no date computation leaves the calendar.
const LAST_YEAR: i32 = 2299;

/// A period may have begun this many days ago and still last: it is at most two days of the wall
/// clock long, and a gap of a whole day (a zone that crosses the date line) moves it by one more.
const DAYS_BACK: u64 = 4;

/// Most turns in a row that touch each other: seven days of one week, and those that the days back
/// add. What is active every day without a break is not made of turns.
const MAX_TOUCHING: usize = 16;

#[derive(Clone, Debug)]
pub(super) struct Recurring {
    zone: Zone,
    hours: Hours,
    dates: Dates,
}

impl Recurring {
    pub(super) fn daily(zone: Zone, daily: &Daily) -> Self {
        let rule = if daily.working_days {
            Rule::Weeks {
                every: 1,
                days: Day::ALL.into_iter().take(5).collect(),
            }
        } else {
            Rule::EveryDays(daily.every_days)
        };
        Self {
            zone,
            hours: daily.hours,
            dates: Dates {
                rule,
                range: daily.range,
            },
        }
    }

    pub(super) fn weekly(zone: Zone, weekly: &Weekly) -> Self {
        Self {
            zone,
            hours: weekly.hours,
            dates: Dates {
                rule: Rule::Weeks {
                    every: weekly.every_weeks,
                    days: weekly.days.clone(),
                },
                range: weekly.range,
            },
        }
    }

    pub(super) fn monthly(zone: Zone, monthly: &Monthly) -> Self {
        Self {
            zone,
            hours: monthly.hours,
            dates: Dates {
                rule: Rule::Months {
                    every: monthly.every_months,
                    on: monthly.on,
                },
                range: monthly.range,
            },
        }
    }

    /// The period at `from` or after it, with those that touch it.
    pub(super) fn next_turn(&self, from: DateTime<Utc>) -> Option<Window> {
        if from.year() > LAST_YEAR {
            return None;
        }
        if self.hours.is_all_day() && self.dates.is_every_day() {
            return self.unbroken(from);
        }
        let today = self.zone.wall_clock(from).date();
        let mut turns = self
            .turns(today.checked_sub_days(Days::new(DAYS_BACK))?)
            .skip_while(|(_, end)| *end <= from);
        let (start, mut end) = turns.next()?;
        for (next_start, next_end) in turns.take(MAX_TOUCHING) {
            if next_start > end {
                break;
            }
            end = end.max(next_end);
        }
        Some(Window {
            start,
            end: Some(end),
        })
    }

    /// One window from the first day to the last.
    fn unbroken(&self, from: DateTime<Utc>) -> Option<Window> {
        let (start, _) = self.on(self.dates.first_day())?;
        let end = match self.dates.range.end {
            Some(day) => Some(self.on(day)?.1),
            None => None,
        };
        let window = Window { start, end };
        window.end.is_none_or(|end| end > from).then_some(window)
    }

    /// The periods that start on `day` or later. Ends, because each starts on a later day than the one
    /// before it.
    fn turns(&self, day: NaiveDate) -> impl Iterator<Item = (DateTime<Utc>, DateTime<Utc>)> {
        let first = self.dates.first_from(day);
        let days = std::iter::successors(first, |day| self.dates.first_from(day.succ_opt()?));
        days.take_while(|day| day.year() <= LAST_YEAR)
            .filter_map(|day| self.on(day))
    }

    fn on(&self, day: NaiveDate) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let (from, to) = self.hours.on(day)?;
        in_utc(self.zone, from, to)
    }
}

/// A period of the wall clock in UTC; see the rules of the [module](super).
pub(super) fn in_utc(
    zone: Zone,
    from: NaiveDateTime,
    to: NaiveDateTime,
) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let (start, end) = (zone.first(from), zone.first(to));
    if start < end {
        return Some((start, end));
    }
    let start = zone.shifted(from)?;
    Some((start, start + (to - from)))
}
