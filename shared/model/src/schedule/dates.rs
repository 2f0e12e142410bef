//! On which days a recurring pattern starts a period. Every answer is computed from the calendar,
//! never searched day by day, so it costs the same however far away it is.

use chrono::{Datelike as _, Days, NaiveDate};

use super::pattern::{DateRange, MonthDay, Ordinal};
use super::time::{Day, Days7};

/// The rule by which days recur.
#[derive(Clone, Debug)]
pub(super) enum Rule {
    EveryDays(u32),
    Weeks { every: u32, days: Days7 },
    Months { every: u32, on: MonthDay },
}

/// The days on which periods start.
#[derive(Clone, Debug)]
pub(super) struct Dates {
    pub(super) rule: Rule,
    pub(super) range: DateRange,
}

impl Dates {
    /// The first such day that is `from` or later.
    pub(super) fn first_from(&self, from: NaiveDate) -> Option<NaiveDate> {
        let anchor = self.first_day();
        let from = from.max(anchor);
        let day = match &self.rule {
            Rule::EveryDays(every) => every_days(anchor, *every, from),
            Rule::Weeks { every, days } => weeks(anchor, *every, days, from),
            Rule::Months { every, on } => months(anchor, *every, *on, from),
        }?;
        self.range.end.is_none_or(|end| day <= end).then_some(day)
    }

    /// True when every day of the range is one.
    pub(super) fn is_every_day(&self) -> bool {
        match &self.rule {
            Rule::EveryDays(every) => *every == 1,
            Rule::Weeks { every, days } => *every == 1 && days.len() == Day::ALL.len(),
            Rule::Months { .. } => false,
        }
    }

    /// First day of the range; without one, 1970-01-01.
    pub(super) fn first_day(&self) -> NaiveDate {
        self.range.start.unwrap_or_default()
    }
}

fn every_days(anchor: NaiveDate, every: u32, from: NaiveDate) -> Option<NaiveDate> {
    let passed = from.signed_duration_since(anchor).num_days();
    add_days(anchor, round_up(passed, every)?)
}

fn weeks(anchor: NaiveDate, every: u32, days: &Days7, from: NaiveDate) -> Option<NaiveDate> {
    let anchor_week = monday(anchor)?;
    let passed = monday(from)?.signed_duration_since(anchor_week).num_days() / 7;
    let week = round_up(passed, every)?;
    // All days of that week may be over; then it is one of the next turn.
    for week in [week, week.checked_add(i64::from(every))?] {
        let start = add_days(anchor_week, week.checked_mul(7)?)?;
        let mut listed = days
            .iter()
            .filter_map(|day| add_days(start, i64::from(day.index())));
        if let Some(day) = listed.find(|day| *day >= from) {
            return Some(day);
        }
    }
    None
}

fn months(anchor: NaiveDate, every: u32, on: MonthDay, from: NaiveDate) -> Option<NaiveDate> {
    let number = |day: NaiveDate| i64::from(day.year()) * 12 + i64::from(day.month0());
    let first = number(anchor);
    let turn = round_up(number(from) - first, every)?;
    for turn in [turn, turn.checked_add(i64::from(every))?] {
        let month = first.checked_add(turn)?;
        let year = i32::try_from(month.div_euclid(12)).ok()?;
        let month = u32::try_from(month.rem_euclid(12)).ok()? + 1;
        let day = day_of_month(year, month, on)?;
        if day >= from {
            return Some(day);
        }
    }
    None
}

fn day_of_month(year: i32, month: u32, on: MonthDay) -> Option<NaiveDate> {
    let first = NaiveDate::from_ymd_opt(year, month, 1)?;
    let length = u32::from(first.num_days_in_month());
    let number = match on {
        MonthDay::Day(day) => day.min(length),
        MonthDay::Nth { which, day } => {
            let earliest = (day.index() + 7 - Day::of(first).index()) % 7 + 1;
            match which {
                Ordinal::First => earliest,
                Ordinal::Second => earliest + 7,
                Ordinal::Third => earliest + 14,
                Ordinal::Fourth => earliest + 21,
                Ordinal::Last => earliest + (length - earliest) / 7 * 7,
            }
        }
    };
    first.with_day(number)
}

/// The smallest multiple of `every` that is `passed` or more. `passed` is not negative.
fn round_up(passed: i64, every: u32) -> Option<i64> {
    let every = i64::from(every.max(1));
    passed
        .checked_add(every - 1)?
        .div_euclid(every)
        .checked_mul(every)
}

fn monday(day: NaiveDate) -> Option<NaiveDate> {
    day.checked_sub_days(Days::new(u64::from(Day::of(day).index())))
}

fn add_days(day: NaiveDate, days: i64) -> Option<NaiveDate> {
    day.checked_add_days(Days::new(u64::try_from(days).ok()?))
}
