//! Activity patterns as administrators define them.

use chrono::{Datelike as _, NaiveDate, NaiveDateTime};
use serde::{Deserialize, Serialize};

use super::time::{Day, Days7, Hours};
use crate::FieldErrors;

/// Most periods of a custom pattern.
pub const MAX_PERIODS: usize = 1_000;
/// Most days, weeks or months from one turn to the next.
pub const MAX_EVERY: u32 = 1_000;
/// Years that a definition may name.
pub const YEARS: std::ops::RangeInclusive<i32> = 1970..=2199;

/// When a job may work. A job has at most one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ActivityPattern {
    /// A list of single periods; those that overlap or touch count as one.
    Custom(Custom),
    /// Every so many days, or on working days.
    Daily(Daily),
    /// On days of the week, every so many weeks.
    Weekly(Weekly),
    /// On a day of the month, every so many months.
    Monthly(Monthly),
}

/// Single periods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Custom {
    /// The periods, in any order.
    pub periods: Vec<Period>,
}

/// A period by the job's wall clock: from `start` up to, not including, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// Start.
    pub start: NaiveDateTime,
    /// End.
    pub end: NaiveDateTime,
}

/// Every so many days, or on working days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Daily {
    /// Every this many days, counted from the start of the range.
    pub every_days: u32,
    /// Monday to Friday only. Not together with `every_days` above 1.
    pub working_days: bool,
    /// Part of the day.
    pub hours: Hours,
    /// First and last day.
    pub range: DateRange,
}

impl Default for Daily {
    fn default() -> Self {
        Self {
            every_days: 1,
            working_days: false,
            hours: Hours::ALL_DAY,
            range: DateRange::default(),
        }
    }
}

/// On days of the week, every so many weeks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Weekly {
    /// Every this many weeks, counted from the week of the start of the range. Weeks begin on
    /// Monday.
    pub every_weeks: u32,
    /// The days; at least one.
    pub days: Days7,
    /// Part of the day.
    pub hours: Hours,
    /// First and last day.
    pub range: DateRange,
}

impl Default for Weekly {
    fn default() -> Self {
        Self {
            every_weeks: 1,
            days: Days7::new(),
            hours: Hours::ALL_DAY,
            range: DateRange::default(),
        }
    }
}

/// On a day of the month, every so many months.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Monthly {
    /// Every this many months, counted from the month of the start of the range.
    #[serde(default = "one")]
    pub every_months: u32,
    /// Which day.
    pub on: MonthDay,
    /// Part of the day.
    #[serde(default)]
    pub hours: Hours,
    /// First and last day.
    #[serde(default)]
    pub range: DateRange,
}

fn one() -> u32 {
    1
}

/// A day of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum MonthDay {
    /// By number, 1 to 31. In a month that is too short it is the month's last day.
    Day(u32),
    /// By day of the week.
    Nth {
        /// Which of them.
        which: Ordinal,
        /// The day of the week.
        day: Day,
    },
}

/// Which of a month's Mondays, Tuesdays and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Ordinal {
    First,
    Second,
    Third,
    Fourth,
    Last,
}

/// First and last day on which a pattern starts a period. Without an end it goes on for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DateRange {
    /// First day; needed where turns are counted from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<NaiveDate>,
    /// Last day. A period that begins on it runs to its end, also past midnight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<NaiveDate>,
}

impl DateRange {
    fn check(&self, every: u32, errors: &mut FieldErrors) {
        for (field, day) in [("range.start", self.start), ("range.end", self.end)] {
            errors.require(day.is_none_or(is_known_year), field, YEARS_PROBLEM);
        }
        if let (Some(start), Some(end)) = (self.start, self.end) {
            errors.require(
                start <= end,
                "range.end",
                format!("{end} lies before range.start, {start}"),
            );
        }
        errors.require(
            every <= 1 || self.start.is_some(),
            "range.start",
            "missing; turns are counted from it",
        );
    }
}

const YEARS_PROBLEM: &str = "out of reach; use the years 1970 to 2199";

fn is_known_year(day: NaiveDate) -> bool {
    YEARS.contains(&day.year())
}

impl ActivityPattern {
    /// What is wrong with it, field by field.
    #[must_use]
    pub fn problems(&self) -> FieldErrors {
        let mut errors = FieldErrors::default();
        match self {
            Self::Custom(custom) => check_periods(&custom.periods, &mut errors),
            Self::Daily(daily) => {
                check_every(daily.every_days, "every_days", &mut errors);
                errors.require(
                    !daily.working_days || daily.every_days <= 1,
                    "working_days",
                    "not together with every_days; use a weekly pattern",
                );
                check_common(daily.every_days, &daily.hours, &daily.range, &mut errors);
            }
            Self::Weekly(weekly) => {
                check_every(weekly.every_weeks, "every_weeks", &mut errors);
                errors.require(
                    !weekly.days.is_empty(),
                    "days",
                    "empty; name at least one day",
                );
                check_common(
                    weekly.every_weeks,
                    &weekly.hours,
                    &weekly.range,
                    &mut errors,
                );
            }
            Self::Monthly(monthly) => {
                check_every(monthly.every_months, "every_months", &mut errors);
                if let MonthDay::Day(day) = monthly.on {
                    errors.require(
                        (1..=31).contains(&day),
                        "on.day",
                        format!("{day} is no day of a month; use 1 to 31"),
                    );
                }
                check_common(
                    monthly.every_months,
                    &monthly.hours,
                    &monthly.range,
                    &mut errors,
                );
            }
        }
        let mut named = FieldErrors::default();
        named.add_part(self.kind(), errors);
        named
    }

    /// The name of the kind of pattern.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Custom(_) => "custom",
            Self::Daily(_) => "daily",
            Self::Weekly(_) => "weekly",
            Self::Monthly(_) => "monthly",
        }
    }
}

fn check_every(every: u32, field: &str, errors: &mut FieldErrors) {
    errors.require(
        (1..=MAX_EVERY).contains(&every),
        field,
        format!("{every} is out of range; use 1 to {MAX_EVERY}"),
    );
}

fn check_common(every: u32, hours: &Hours, range: &DateRange, errors: &mut FieldErrors) {
    let mut part = FieldErrors::default();
    hours.check(&mut part);
    errors.add_part("hours", part);
    range.check(every, errors);
}

fn check_periods(periods: &[Period], errors: &mut FieldErrors) {
    errors.require(
        !periods.is_empty(),
        "periods",
        "empty; name at least one period",
    );
    errors.require(
        periods.len() <= MAX_PERIODS,
        "periods",
        format!("more than {MAX_PERIODS}"),
    );
    for (index, Period { start, end }) in periods.iter().enumerate() {
        for (field, time) in [("start", start), ("end", end)] {
            errors.require(
                is_known_year(time.date()),
                &format!("periods[{index}].{field}"),
                YEARS_PROBLEM,
            );
        }
        errors.require(
            start < end,
            &format!("periods[{index}].end"),
            format!("{end} is not after the start, {start}"),
        );
    }
}
