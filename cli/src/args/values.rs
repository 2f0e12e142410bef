//! Values that people type: times, sizes and percentages.

use std::str::FromStr;

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, TimeDelta, Utc};

/// A moment as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeArg {
    /// A moment.
    At(DateTime<Utc>),
    /// A whole day.
    Day(NaiveDate),
    /// So long before now.
    Ago(TimeDelta),
}

impl TimeArg {
    /// The moment from which on something counts.
    #[must_use]
    pub fn start(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::At(at) => at,
            Self::Day(day) => day.and_time(chrono::NaiveTime::MIN).and_utc(),
            Self::Ago(delta) => now.checked_sub_signed(delta).unwrap_or_default(),
        }
    }

    /// The moment before which something counts: the end of the day when a day was typed.
    #[must_use]
    pub fn end(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Day(day) => {
                let next = day.checked_add_days(Days::new(1)).unwrap_or(day);
                next.and_time(chrono::NaiveTime::MIN).and_utc()
            }
            other => other.start(now),
        }
    }
}

impl FromStr for TimeArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::At(at.with_timezone(&Utc)));
        }
        if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            return Ok(Self::Day(day));
        }
        for format in ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M"] {
            if let Ok(at) = NaiveDateTime::parse_from_str(text, format) {
                return Ok(Self::At(at.and_utc()));
            }
        }
        ago(text).map(Self::Ago).ok_or_else(|| {
            "expected a day (2026-03-01), a time in UTC (\"2026-03-01 14:30\", \
             2026-03-01T14:30:00Z) or an age (90m, 12h, 30d, 8w)"
                .to_owned()
        })
    }
}

fn ago(text: &str) -> Option<TimeDelta> {
    let unit = text.chars().next_back()?;
    let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
    if number < 0 {
        return None;
    }
    match unit {
        'm' => TimeDelta::try_minutes(number),
        'h' => TimeDelta::try_hours(number),
        'd' => TimeDelta::try_days(number),
        'w' => TimeDelta::try_weeks(number),
        _ => None,
    }
}

/// A size as typed: bytes, or with K, M, G (1,024 each).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeArg(pub u64);

impl FromStr for SizeArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim().to_ascii_uppercase();
        let digits = text.trim_end_matches("IB").trim_end_matches('B');
        let (number, factor) = match digits.chars().next_back() {
            Some('K') => (digits.trim_end_matches('K'), 1 << 10),
            Some('M') => (digits.trim_end_matches('M'), 1 << 20),
            Some('G') => (digits.trim_end_matches('G'), 1 << 30),
            _ => (digits, 1),
        };
        number
            .trim()
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .map(Self)
            .ok_or_else(|| "expected a size such as 500, 64K, 10M or 2G".to_owned())
    }
}

/// A whole percentage from 1 to 100, with or without its sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PercentArg(pub u8);

impl FromStr for PercentArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.trim()
            .trim_end_matches('%')
            .trim_end()
            .parse::<u8>()
            .ok()
            .filter(|percent| (1..=100).contains(percent))
            .map(Self)
            .ok_or_else(|| "expected a whole percentage from 1 to 100, such as 5%".to_owned())
    }
}

/// One of several equal shares as typed: 3/30.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartArg {
    /// Which, from 1.
    pub part: u32,
    /// Of how many.
    pub of: u32,
}

impl FromStr for PartArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.trim()
            .split_once('/')
            .and_then(|(part, of)| {
                let (part, of) = (part.parse().ok()?, of.parse().ok()?);
                (1..=of).contains(&part).then_some(Self { part, of })
            })
            .ok_or_else(|| "expected a share such as 3/30: the third of thirty".to_owned())
    }
}

/// A span of whole days as typed: 90d, 12w, 3y (366 days each, so that no promise is cut short).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DaysArg(pub u32);

impl FromStr for DaysArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let unit = text.chars().next_back();
        let factor = match unit {
            Some('d') => Some(1),
            Some('w') => Some(7),
            Some('y') => Some(366),
            _ => None,
        };
        factor
            .zip(unit.and_then(|unit| text.strip_suffix(unit)))
            .and_then(|(factor, number)| number.parse::<u32>().ok()?.checked_mul(factor))
            .map(Self)
            .ok_or_else(|| "expected days, weeks or years, such as 90d, 12w or 3y".to_owned())
    }
}

/// How long something is kept: [`DaysArg`] or `forever`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepArg(pub Option<u32>);

impl FromStr for KeepArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim() == "forever" {
            return Ok(Self(None));
        }
        match text.parse::<DaysArg>() {
            Ok(days) => Ok(Self(Some(days.0))),
            Err(words) => Err(format!("{words}; or forever")),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    fn now() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 3, 10, 12, 0, 0).unwrap()
    }

    #[test]
    fn a_day_lasts_from_its_start_to_its_end() {
        let day: TimeArg = "2026-03-01".parse().unwrap();
        assert_eq!(day.start(now()).to_rfc3339(), "2026-03-01T00:00:00+00:00");
        assert_eq!(day.end(now()).to_rfc3339(), "2026-03-02T00:00:00+00:00");
    }

    #[test]
    fn moments_and_ages_are_understood() {
        let offset: TimeArg = "2026-03-01T14:30:00+02:00".parse().unwrap();
        assert_eq!(
            offset.start(now()).to_rfc3339(),
            "2026-03-01T12:30:00+00:00"
        );
        let plain: TimeArg = "2026-03-01 14:30".parse().unwrap();
        assert_eq!(plain.start(now()), plain.end(now()));
        let age: TimeArg = "10d".parse().unwrap();
        assert_eq!(age.start(now()).to_rfc3339(), "2026-02-28T12:00:00+00:00");
    }

    #[test]
    fn nonsense_is_refused_and_never_panics() {
        for text in [
            "",
            "d",
            "yesterday",
            "2026-13-01",
            "-3d",
            "99999999999999999w",
            "3é",
        ] {
            assert!(text.parse::<TimeArg>().is_err(), "{text}");
        }
        for text in ["", "K", "1.5M", "99999999999999G", "-1", "KK"] {
            assert!(text.parse::<SizeArg>().is_err(), "{text}");
        }
        assert_eq!("3/30".parse(), Ok(PartArg { part: 3, of: 30 }));
        for text in ["0/3", "4/3", "3", "a/b", "1/0", ""] {
            assert!(text.parse::<PartArg>().is_err(), "{text}");
        }
        for text in ["0", "101", "NaN", "-1%", "%", "0.5%"] {
            assert!(text.parse::<PercentArg>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_count_in_powers_of_two() {
        for (text, bytes) in [
            ("500", 500),
            ("64k", 65_536),
            ("10MiB", 10 << 20),
            ("2GB", 2 << 30),
        ] {
            assert_eq!(text.parse::<SizeArg>().unwrap().0, bytes, "{text}");
        }
    }

    #[test]
    fn spans_are_whole_days() {
        assert_eq!("90d".parse(), Ok(DaysArg(90)));
        assert_eq!(" 2w".parse(), Ok(DaysArg(14)));
        assert_eq!("10y".parse(), Ok(KeepArg(Some(3660))));
        assert_eq!("forever".parse(), Ok(KeepArg(None)));
        for bad in ["", "90", "d", "-1d", "12h", "99999999999y", "for ever"] {
            assert!(
                bad.parse::<DaysArg>().is_err() && bad.parse::<KeepArg>().is_err(),
                "{bad}"
            );
        }
    }
}
