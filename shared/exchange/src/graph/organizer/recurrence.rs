//! Recurrences: between the element that is stored and the form that the service has.

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::read::{leaf, with};
use crate::ews::xml::Element;

const DAYS: &[&str] = &[
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTHS: &[&str] = &[
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// With its first letter in lower case.
pub(crate) fn lower(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

fn days(pattern: &Element) -> Vec<String> {
    let text = pattern.text_of("DaysOfWeek").unwrap_or_default();
    text.split_whitespace()
        .flat_map(|day| match day {
            "Day" => DAYS.to_vec(),
            "Weekday" => DAYS.get(1..6).unwrap_or_default().to_vec(),
            "WeekendDay" => vec!["Sunday", "Saturday"],
            day => vec![day],
        })
        .map(lower)
        .collect()
}

/// With its first letter in upper case.
fn upper(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// The recurrence as the service takes it; `None` for one that it has not: a task that recurs so long
/// after it was done. `start` is the local day of the first occurrence.
pub(crate) fn to_service(recurrence: &Element, start: NaiveDate, zone: &str) -> Option<Value> {
    let has = |ending: &str| {
        let mut parts = recurrence.children.iter();
        parts.find(|part| part.name.ends_with(ending))
    };
    let pattern = recurrence.children.iter().find(|part| {
        let is_range = ["NoEnd", "EndDate", "Numbered"]
            .iter()
            .any(|kind| part.name == format!("{kind}Recurrence"));
        !is_range
    })?;
    let number = |name: &str| pattern.text_of(name)?.parse::<u64>().ok();
    let interval = number("Interval").unwrap_or(1);
    let day = || number("DayOfMonth");
    let index = || Some(lower(pattern.text_of("DayOfWeekIndex")?));
    let month = || {
        let name = pattern.text_of("Month")?;
        let place = MONTHS.iter().position(|month| *month == name)?;
        Some(place + 1)
    };
    let pattern = match pattern.name.as_str() {
        "DailyRecurrence" => json!({ "type": "daily", "interval": interval }),
        "WeeklyRecurrence" => {
            let first = pattern.text_of("FirstDayOfWeek").unwrap_or("Sunday");
            json!({ "type": "weekly", "interval": interval, "daysOfWeek": days(pattern),
                "firstDayOfWeek": lower(first) })
        }
        "AbsoluteMonthlyRecurrence" => {
            json!({ "type": "absoluteMonthly", "interval": interval, "dayOfMonth": day()? })
        }
        "RelativeMonthlyRecurrence" => {
            json!({ "type": "relativeMonthly", "interval": interval, "daysOfWeek": days(pattern),
                "index": index()? })
        }
        "AbsoluteYearlyRecurrence" => {
            json!({ "type": "absoluteYearly", "interval": 1, "dayOfMonth": day()?, "month": month()? })
        }
        "RelativeYearlyRecurrence" => {
            json!({ "type": "relativeYearly", "interval": 1, "daysOfWeek": days(pattern),
                "index": index()?, "month": month()? })
        }
        _ => return None,
    };
    let date = start.to_string();
    let range = if let Some(range) = has("NumberedRecurrence") {
        let count: u64 = range.text_of("NumberOfOccurrences")?.parse().ok()?;
        json!({ "type": "numbered", "startDate": date, "numberOfOccurrences": count,
            "recurrenceTimeZone": zone })
    } else if let Some(range) = has("EndDateRecurrence") {
        let end = range.text_of("EndDate")?.get(..10)?;
        json!({ "type": "endDate", "startDate": date, "endDate": end, "recurrenceTimeZone": zone })
    } else {
        json!({ "type": "noEnd", "startDate": date, "recurrenceTimeZone": zone })
    };
    Some(json!({ "pattern": pattern, "range": range }))
}

/// The recurrence as it is stored; `None` for what is none.
pub(crate) fn from_service(recurrence: &Value) -> Option<Element> {
    let (pattern, range) = (recurrence.get("pattern")?, recurrence.get("range")?);
    let word = |value: &Value, name: &str| Some(upper(value.get(name)?.as_str()?));
    let number = |value: &Value, name: &str| Some(value.get(name)?.as_u64()?.to_string());
    let days = || {
        let list = pattern.get("daysOfWeek")?.as_array()?;
        let names: Vec<String> = list
            .iter()
            .filter_map(|day| Some(upper(day.as_str()?)))
            .collect();
        (!names.is_empty()).then(|| leaf("DaysOfWeek", names.join(" ")))
    };
    let index = || Some(leaf("DayOfWeekIndex", word(pattern, "index")?));
    let month = || {
        let month = pattern.get("month")?.as_u64()?.checked_sub(1)?;
        let name = MONTHS.get(usize::try_from(month).ok()?)?;
        Some(leaf("Month", *name))
    };
    let day = || Some(leaf("DayOfMonth", number(pattern, "dayOfMonth")?));
    let interval = || {
        leaf(
            "Interval",
            number(pattern, "interval").unwrap_or("1".into()),
        )
    };
    let pattern = match pattern.get("type")?.as_str()? {
        "daily" => with("DailyRecurrence", vec![interval()]),
        "weekly" => {
            let mut children = vec![interval(), days()?];
            let first = word(pattern, "firstDayOfWeek").filter(|day| day != "Sunday");
            children.extend(first.map(|day| leaf("FirstDayOfWeek", day)));
            with("WeeklyRecurrence", children)
        }
        "absoluteMonthly" => with("AbsoluteMonthlyRecurrence", vec![interval(), day()?]),
        "relativeMonthly" => with(
            "RelativeMonthlyRecurrence",
            vec![interval(), days()?, index()?],
        ),
        "absoluteYearly" => with("AbsoluteYearlyRecurrence", vec![day()?, month()?]),
        "relativeYearly" => with(
            "RelativeYearlyRecurrence",
            vec![days()?, index()?, month()?],
        ),
        _ => return None,
    };
    let start = leaf("StartDate", range.get("startDate")?.as_str()?);
    let range = match range.get("type")?.as_str()? {
        "numbered" => {
            let count = leaf("NumberOfOccurrences", number(range, "numberOfOccurrences")?);
            with("NumberedRecurrence", vec![start, count])
        }
        "endDate" => {
            let end = leaf("EndDate", range.get("endDate")?.as_str()?);
            with("EndDateRecurrence", vec![start, end])
        }
        _ => with("NoEndRecurrence", vec![start]),
    };
    Some(with("Recurrence", vec![pattern, range]))
}

/// The recurrence as a line of iCalendar.
pub(crate) fn rule(recurrence: &Value) -> Option<String> {
    let (pattern, range) = (recurrence.get("pattern")?, recurrence.get("range")?);
    let number = |name: &str| pattern.get(name)?.as_u64();
    let short = |day: &str| day.get(..2).unwrap_or_default().to_uppercase();
    let days = || {
        let list = pattern.get("daysOfWeek")?.as_array()?;
        let names: Vec<String> = list
            .iter()
            .filter_map(|day| Some(short(day.as_str()?)))
            .collect();
        Some(names.join(","))
    };
    let place = || {
        let place = match pattern.get("index")?.as_str()? {
            "first" => "1",
            "second" => "2",
            "third" => "3",
            "fourth" => "4",
            _ => "-1",
        };
        Some(place)
    };
    let interval = number("interval").unwrap_or(1);
    let mut line = match pattern.get("type")?.as_str()? {
        "daily" => format!("RRULE:FREQ=DAILY;INTERVAL={interval}"),
        "weekly" => format!("RRULE:FREQ=WEEKLY;INTERVAL={interval};BYDAY={}", days()?),
        "absoluteMonthly" => format!(
            "RRULE:FREQ=MONTHLY;INTERVAL={interval};BYMONTHDAY={}",
            number("dayOfMonth")?
        ),
        "relativeMonthly" => format!(
            "RRULE:FREQ=MONTHLY;INTERVAL={interval};BYDAY={};BYSETPOS={}",
            days()?,
            place()?
        ),
        "absoluteYearly" => format!(
            "RRULE:FREQ=YEARLY;BYMONTH={};BYMONTHDAY={}",
            number("month")?,
            number("dayOfMonth")?
        ),
        "relativeYearly" => format!(
            "RRULE:FREQ=YEARLY;BYMONTH={};BYDAY={};BYSETPOS={}",
            number("month")?,
            days()?,
            place()?
        ),
        _ => return None,
    };
    match range.get("type").and_then(Value::as_str) {
        Some("numbered") => {
            let count = range.get("numberOfOccurrences")?.as_u64()?;
            line.push_str(&format!(";COUNT={count}"));
        }
        Some("endDate") => {
            let end = range.get("endDate")?.as_str()?.replace('-', "");
            line.push_str(&format!(";UNTIL={end}T235959Z"));
        }
        _ => {}
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_and_ranges() {
        let start = NaiveDate::from_ymd_opt(2026, 11, 3).unwrap();
        let element = with(
            "Recurrence",
            vec![
                with(
                    "RelativeYearlyRecurrence",
                    vec![
                        leaf("DaysOfWeek", "Weekday"),
                        leaf("DayOfWeekIndex", "Last"),
                        leaf("Month", "May"),
                    ],
                ),
                with(
                    "NumberedRecurrence",
                    vec![
                        leaf("StartDate", "2026-11-03Z"),
                        leaf("NumberOfOccurrences", "10"),
                    ],
                ),
            ],
        );
        let json = to_service(&element, start, "UTC").unwrap();
        assert_eq!(json["pattern"]["daysOfWeek"].as_array().unwrap().len(), 5);
        assert_eq!(json["pattern"]["index"], "last");
        assert_eq!(json["pattern"]["month"], 5);
        assert_eq!(json["range"]["numberOfOccurrences"], 10);
        let again = from_service(&json).unwrap();
        assert_eq!(to_service(&again, start, "UTC").unwrap(), json);
        assert_eq!(
            rule(&json).unwrap(),
            "RRULE:FREQ=YEARLY;BYMONTH=5;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=10"
        );
        let after_done = with(
            "Recurrence",
            vec![
                with("DailyRegeneration", vec![leaf("Interval", "3")]),
                with("NoEndRecurrence", vec![leaf("StartDate", "2026-11-03")]),
            ],
        );
        assert_eq!(to_service(&after_done, start, "UTC"), None);
    }
}
