//! Times of day and days of the week, as people write them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use chrono::{Datelike as _, Days, NaiveDate, NaiveDateTime, NaiveTime};
use serde::{Deserialize, Serialize};

use crate::FieldErrors;

/// A time of day in hours and minutes, written `hh:mm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay(NaiveTime);

impl TimeOfDay {
    /// The time of day, if there is one with that hour (0 to 23) and minute (0 to 59).
    #[must_use]
    pub fn new(hour: u32, minute: u32) -> Option<Self> {
        NaiveTime::from_hms_opt(hour, minute, 0).map(Self)
    }

    /// This time on a day.
    pub(super) fn on(self, day: NaiveDate) -> NaiveDateTime {
        day.and_time(self.0)
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.format("%H:%M").fmt(f)
    }
}

impl FromStr for TimeOfDay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once(':').filter(|(hour, minute)| {
            let is_number =
                |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
            is_number(hour) && is_number(minute)
        });
        parts
            .and_then(|(hour, minute)| Self::new(hour.parse().ok()?, minute.parse().ok()?))
            .ok_or_else(|| format!("`{text}` is no time of day; write hh:mm from 00:00 to 23:59"))
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.to_string()
    }
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Day {
    /// All days, from Monday.
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    /// The day of the week of a date.
    #[must_use]
    pub fn of(date: NaiveDate) -> Self {
        match date.weekday() {
            chrono::Weekday::Mon => Self::Monday,
            chrono::Weekday::Tue => Self::Tuesday,
            chrono::Weekday::Wed => Self::Wednesday,
            chrono::Weekday::Thu => Self::Thursday,
            chrono::Weekday::Fri => Self::Friday,
            chrono::Weekday::Sat => Self::Saturday,
            chrono::Weekday::Sun => Self::Sunday,
        }
    }

    /// Days since Monday.
    pub(super) fn index(self) -> u32 {
        match self {
            Self::Monday => 0,
            Self::Tuesday => 1,
            Self::Wednesday => 2,
            Self::Thursday => 3,
            Self::Friday => 4,
            Self::Saturday => 5,
            Self::Sunday => 6,
        }
    }
}

/// Days of the week.
pub type Days7 = BTreeSet<Day>;

/// The part of a day: all of it, or from a time up to (not including) another. When `to` lies before
/// `from`, it ends on the following day and still belongs to the day on which it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// Start; the start of the day when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<TimeOfDay>,
    /// End; the end of the day when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<TimeOfDay>,
}

impl Hours {
    /// All day.
    pub const ALL_DAY: Self = Self {
        from: None,
        to: None,
    };

    /// From a time to another.
    #[must_use]
    pub fn between(from: TimeOfDay, to: TimeOfDay) -> Self {
        Self {
            from: Some(from),
            to: Some(to),
        }
    }

    /// True when nothing of the day is left out.
    #[must_use]
    pub fn is_all_day(&self) -> bool {
        self.from.is_none_or(|from| from.0 == NaiveTime::MIN)
            && self.to.is_none_or(|to| to.0 == NaiveTime::MIN)
    }

    /// What is wrong with it.
    pub(super) fn check(&self, errors: &mut FieldErrors) {
        if let (Some(from), Some(to)) = (self.from, self.to) {
            errors.require(
                from != to,
                "to",
                format!("the same as `from` ({to}); leave both out for all day"),
            );
        }
        errors.require(
            self.from.is_some() || self.to.is_none(),
            "from",
            "missing, though `to` is given; give both, or none for all day",
        );
        errors.require(
            self.to.is_some() || self.from.is_none(),
            "to",
            "missing, though `from` is given; give both, or none for all day",
        );
    }

    /// Start and end by the wall clock, for the day on which it begins.
    pub(super) fn on(&self, day: NaiveDate) -> Option<(NaiveDateTime, NaiveDateTime)> {
        let midnight = TimeOfDay(NaiveTime::MIN);
        let from = self.from.unwrap_or(midnight);
        let to = self.to.unwrap_or(midnight);
        let last = if to > from {
            day
        } else {
            day.checked_add_days(Days::new(1))?
        };
        Some((from.on(day), to.on(last)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_two_digits() {
        for good in ["00:00", "09:05", "23:59"] {
            assert_eq!(good.parse::<TimeOfDay>().unwrap().to_string(), good);
        }
        for bad in [
            "", "24:00", "9:05", "09:5", "09:60", "+9:05", "09:05:00", "0905", "ab:cd",
        ] {
            assert!(bad.parse::<TimeOfDay>().is_err(), "{bad}");
        }
    }

    #[test]
    fn days_know_their_place() {
        let monday = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
        for (index, day) in Day::ALL.into_iter().enumerate() {
            assert_eq!(usize::try_from(day.index()).unwrap(), index);
            assert_eq!(Day::of(monday + Days::new(u64::from(day.index()))), day);
        }
    }
}
