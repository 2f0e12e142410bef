//! Points in time with a time zone, as Graph writes them.

use chrono::{DateTime, Datelike, Duration, NaiveDate, NaiveDateTime, Timelike, Utc};
use serde_json::{Value, json};

use crate::graph::failure::Failure;
use crate::graph::json::field;

const UTC: &str = "UTC";
const BERLIN: &str = "W. Europe Standard Time";
const TOKYO: &str = "Tokyo Standard Time";

/// The last Sunday of a month, one o'clock.
fn last_sunday(year: i32, month: u32) -> Option<NaiveDateTime> {
    let last = NaiveDate::from_ymd_opt(year, month, 31)?;
    let back = i64::from(last.weekday().num_days_from_sunday());
    (last - Duration::days(back)).and_hms_opt(1, 0, 0)
}

/// Hours ahead of universal time at this moment.
fn ahead(zone: &str, at: NaiveDateTime) -> Option<i64> {
    match zone {
        UTC => Some(0),
        TOKYO => Some(9),
        BERLIN => {
            let (from, to) = (last_sunday(at.year(), 3)?, last_sunday(at.year(), 10)?);
            Some(if at >= from && at < to { 2 } else { 1 })
        }
        _ => None,
    }
}

fn unknown(zone: &str) -> Failure {
    Failure::new(
        400,
        "TimeZoneNotSupportedException",
        format!("The time zone '{zone}' is not supported."),
    )
}

/// The instant of a local time.
pub(crate) fn instant(local: NaiveDateTime, zone: &str) -> Result<DateTime<Utc>, Failure> {
    let first = ahead(zone, local).ok_or_else(|| unknown(zone))?;
    let guess = local - Duration::hours(first);
    let hours = ahead(zone, guess).unwrap_or(first);
    Ok((local - Duration::hours(hours)).and_utc())
}

/// The local time of an instant.
pub(crate) fn local(at: DateTime<Utc>, zone: &str) -> Result<NaiveDateTime, Failure> {
    let naive = at.naive_utc();
    let hours = ahead(zone, naive).ok_or_else(|| unknown(zone))?;
    Ok(naive + Duration::hours(hours))
}

/// Reads `{dateTime, timeZone}`: the local time, its zone and the instant.
pub(crate) fn read(
    name: &str,
    value: &Value,
) -> Result<(NaiveDateTime, String, DateTime<Utc>), Failure> {
    let wrong = || {
        Failure::new(
            400,
            "ErrorInvalidPropertySet",
            format!("The property '{name}' is no point in time with a time zone."),
        )
    };
    let keys = value.as_object().map(serde_json::Map::len);
    let text = field(value, "dateTime")
        .as_str()
        .filter(|_| keys == Some(2));
    let zone = field(value, "timeZone").as_str().ok_or_else(wrong)?;
    let text = text.ok_or_else(wrong)?.trim_end_matches('Z');
    let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map_err(|_| wrong())?;
    let at = instant(local, zone)?;
    Ok((local, zone.to_owned(), at))
}

/// Writes an instant in a zone.
pub(crate) fn write(at: DateTime<Utc>, zone: &str) -> Result<Value, Failure> {
    let local = local(at, zone)?
        .format("%Y-%m-%dT%H:%M:%S.0000000")
        .to_string();
    Ok(json!({"dateTime": local, "timeZone": zone}))
}

/// An instant as the store keeps it.
pub(crate) fn kept(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    match DateTime::parse_from_rfc3339(text) {
        Ok(at) => Some(at.to_utc()),
        Err(_) => NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
            .ok()
            .map(|at| at.and_utc()),
    }
}

/// True at the beginning of a day.
pub(crate) fn is_midnight(local: NaiveDateTime) -> bool {
    local.num_seconds_from_midnight() == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summer_time_is_known() {
        for (local_text, wanted) in [
            ("2026-01-10T09:00:00", "2026-01-10T08:00:00Z"),
            ("2026-07-10T09:00:00", "2026-07-10T07:00:00Z"),
        ] {
            let value = json!({"dateTime": local_text, "timeZone": BERLIN});
            let (naive, zone, at) = read("start", &value).unwrap();
            assert_eq!(at, wanted.parse::<DateTime<Utc>>().unwrap());
            assert_eq!(local(at, &zone).unwrap(), naive);
        }
        let value = json!({"dateTime": "2026-01-10T09:00:00", "timeZone": "Nowhere"});
        assert!(read("start", &value).is_err());
    }
}
