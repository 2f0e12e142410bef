//! Recurrences: between the element that is stored and the form that the service has.

use chrono::NaiveDate;
use serde_json::{Value, json};

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

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(name: &str, text: &str) -> Element {
        Element {
            name: name.into(),
            text: text.into(),
            ..Element::default()
        }
    }

    fn with(name: &str, children: Vec<Element>) -> Element {
        Element {
            name: name.into(),
            children,
            ..Element::default()
        }
    }

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
