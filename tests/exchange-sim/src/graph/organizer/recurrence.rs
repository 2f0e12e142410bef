//! Recurrences: between Graph's form and the one that the store keeps, which is that of EWS.

use chrono::{Datelike, NaiveDate, Weekday};
use serde_json::{Map, Value, json};

use crate::ews::xml::Node;
use crate::graph::failure::Failure;
use crate::graph::json::field;

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
const INDEXES: &[&str] = &["First", "Second", "Third", "Fourth", "Last"];
/// Occurrences are looked for so many days after the start.
const LONGEST_DAYS: i64 = 366 * 12;

fn wrong(why: &str) -> Failure {
    Failure::new(400, "ErrorInvalidRecurrence", why)
}

fn lower(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|one| one.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

/// The spelling in the list, whatever the case.
fn known(list: &[&'static str], text: &str) -> Option<&'static str> {
    list.iter()
        .find(|one| one.eq_ignore_ascii_case(text))
        .copied()
}

fn check_keys(value: &Value, allowed: &[&str]) -> Result<(), Failure> {
    let map = value.as_object().ok_or_else(|| wrong("No object."))?;
    match map.keys().find(|key| !allowed.contains(&key.as_str())) {
        Some(key) => Err(wrong(&format!("'{key}' is not known."))),
        None => Ok(()),
    }
}

/// Reads `recurrence`; `start` is the local date of the first occurrence.
pub(crate) fn read(value: &Value, start: NaiveDate) -> Result<Node, Failure> {
    check_keys(value, &["pattern", "range"])?;
    let pattern = pattern(field(value, "pattern"))?;
    let range = range(field(value, "range"), start)?;
    Ok(Node::with("t:Recurrence", vec![pattern, range]))
}

fn pattern(value: &Value) -> Result<Node, Failure> {
    check_keys(
        value,
        &[
            "type",
            "interval",
            "month",
            "dayOfMonth",
            "daysOfWeek",
            "firstDayOfWeek",
            "index",
        ],
    )?;
    let number = |name: &str, low: u64, high: u64| {
        let found = field(value, name).as_u64();
        found
            .filter(|found| (low..=high).contains(found))
            .ok_or_else(|| wrong(&format!("{name} is missing or out of range.")))
    };
    let leaf = |name: &str, text: String| Node::with_text(name, text);
    let interval = leaf("t:Interval", number("interval", 1, 999)?.to_string());
    let days = || {
        let list = field(value, "daysOfWeek").as_array();
        let list = list.filter(|list| !list.is_empty());
        let names: Option<Vec<&str>> =
            list.and_then(|list| list.iter().map(|one| known(DAYS, one.as_str()?)).collect());
        let names = names.ok_or_else(|| wrong("daysOfWeek is missing or not right."))?;
        Ok::<Node, Failure>(leaf("t:DaysOfWeek", names.join(" ")))
    };
    let index = || {
        let found = field(value, "index").as_str().unwrap_or("first");
        let found = known(INDEXES, found).ok_or_else(|| wrong("index is not right."))?;
        Ok::<Node, Failure>(leaf("t:DayOfWeekIndex", found.to_owned()))
    };
    let month = || {
        let place = crate::numbers::index(number("month", 1, 12)? - 1);
        let name = MONTHS.get(place).copied().unwrap_or_default();
        Ok::<Node, Failure>(leaf("t:Month", name.to_owned()))
    };
    let day = || {
        let day = number("dayOfMonth", 1, 31)?;
        Ok::<Node, Failure>(leaf("t:DayOfMonth", day.to_string()))
    };
    let once = || match field(value, "interval").as_u64() {
        Some(1) => Ok(()),
        _ => Err(wrong("Every year, or never.")),
    };
    Ok(match field(value, "type").as_str().unwrap_or_default() {
        "daily" => Node::with("t:DailyRecurrence", vec![interval]),
        "weekly" => {
            let mut children = vec![interval, days()?];
            if let Some(first) = field(value, "firstDayOfWeek").as_str() {
                let first = known(DAYS, first).ok_or_else(|| wrong("firstDayOfWeek."))?;
                if first != "Sunday" {
                    children.push(leaf("t:FirstDayOfWeek", first.to_owned()));
                }
            }
            Node::with("t:WeeklyRecurrence", children)
        }
        "absoluteMonthly" => Node::with("t:AbsoluteMonthlyRecurrence", vec![interval, day()?]),
        "relativeMonthly" => Node::with(
            "t:RelativeMonthlyRecurrence",
            vec![interval, days()?, index()?],
        ),
        "absoluteYearly" => {
            once()?;
            Node::with("t:AbsoluteYearlyRecurrence", vec![day()?, month()?])
        }
        "relativeYearly" => {
            once()?;
            Node::with(
                "t:RelativeYearlyRecurrence",
                vec![days()?, index()?, month()?],
            )
        }
        _ => return Err(wrong("The type is not known.")),
    })
}

fn range(value: &Value, start: NaiveDate) -> Result<Node, Failure> {
    check_keys(
        value,
        &[
            "type",
            "startDate",
            "endDate",
            "numberOfOccurrences",
            "recurrenceTimeZone",
        ],
    )?;
    let date = |name: &str| {
        let text = field(value, name).as_str().unwrap_or_default();
        NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| wrong(&format!("{name}.")))
    };
    if date("startDate")? != start {
        return Err(wrong("startDate is not the day of the start."));
    }
    let from = Node::with_text("t:StartDate", start.to_string());
    match field(value, "type").as_str().unwrap_or_default() {
        "noEnd" => Ok(Node::with("t:NoEndRecurrence", vec![from])),
        "endDate" => {
            let end = Node::with_text("t:EndDate", date("endDate")?.to_string());
            Ok(Node::with("t:EndDateRecurrence", vec![from, end]))
        }
        "numbered" => {
            let count = field(value, "numberOfOccurrences").as_u64();
            let count = count.filter(|count| *count > 0);
            let count = count.ok_or_else(|| wrong("numberOfOccurrences."))?;
            let count = Node::with_text("t:NumberOfOccurrences", count.to_string());
            Ok(Node::with("t:NumberedRecurrence", vec![from, count]))
        }
        _ => Err(wrong("The type of the range is not known.")),
    }
}

fn date_of(node: &Node, name: &str) -> Option<NaiveDate> {
    let text = node.text_of(name)?;
    NaiveDate::parse_from_str(text.get(..10)?, "%Y-%m-%d").ok()
}

fn names_of(node: &Node) -> Vec<&'static str> {
    let text = node.text_of("t:DaysOfWeek").unwrap_or_default();
    text.split(' ')
        .flat_map(|one| match one {
            "Day" => DAYS.to_vec(),
            "Weekday" => DAYS.get(1..6).unwrap_or_default().to_vec(),
            "WeekendDay" => vec!["Sunday", "Saturday"],
            other => known(DAYS, other).into_iter().collect(),
        })
        .collect()
}

/// Writes `recurrence`.
pub(crate) fn write(node: &Node, zone: &str) -> Value {
    let [pattern, range] = node.children.as_slice() else {
        return Value::Null;
    };
    let mut out = Map::new();
    let kind = pattern.local().trim_end_matches("Recurrence");
    out.insert("type".into(), json!(lower(kind)));
    let number = |name: &str, fallback: u64| {
        let text = pattern.text_of(name).and_then(|text| text.parse().ok());
        json!(text.unwrap_or(fallback))
    };
    out.insert("interval".into(), number("t:Interval", 1));
    let month = pattern.text_of("t:Month").unwrap_or_default();
    let month = MONTHS.iter().position(|one| *one == month);
    out.insert("month".into(), json!(month.map_or(0, |place| place + 1)));
    out.insert("dayOfMonth".into(), number("t:DayOfMonth", 0));
    let days: Vec<String> = names_of(pattern).into_iter().map(lower).collect();
    if !days.is_empty() {
        out.insert("daysOfWeek".into(), json!(days));
    }
    let first = pattern.text_of("t:FirstDayOfWeek").unwrap_or("Sunday");
    out.insert("firstDayOfWeek".into(), json!(lower(first)));
    let index = pattern.text_of("t:DayOfWeekIndex").unwrap_or("First");
    out.insert("index".into(), json!(lower(index)));
    let text = |name: &str| range.text_of(name).and_then(|text| text.get(..10));
    let kind = range.local().trim_end_matches("Recurrence");
    let count = range
        .text_of("t:NumberOfOccurrences")
        .and_then(|text| text.parse::<u64>().ok());
    json!({
        "pattern": out,
        "range": {
            "type": lower(kind),
            "startDate": text("t:StartDate"),
            "endDate": text("t:EndDate").unwrap_or("0001-01-01"),
            "recurrenceTimeZone": zone,
            "numberOfOccurrences": count.unwrap_or(0),
        },
    })
}

fn day_number(day: Weekday) -> usize {
    crate::numbers::index(u64::from(day.num_days_from_sunday()))
}

/// Whether a day of the month is the one with this place among the days of these names.
fn is_place(day: NaiveDate, names: &[&str], place: &str) -> bool {
    let is_one = |day: NaiveDate| {
        DAYS.get(day_number(day.weekday()))
            .is_some_and(|name| names.contains(name))
    };
    let first = day.with_day(1).unwrap_or(day);
    let all: Vec<NaiveDate> = first
        .iter_days()
        .take_while(|one| one.month() == day.month())
        .filter(|one| is_one(*one))
        .collect();
    let wanted = match place {
        "Last" => all.last(),
        place => {
            let place = INDEXES.iter().position(|one| *one == place);
            all.get(place.unwrap_or_default())
        }
    };
    wanted == Some(&day)
}

fn fits(pattern: &Node, start: NaiveDate, day: NaiveDate) -> bool {
    let interval: i64 = pattern
        .text_of("t:Interval")
        .and_then(|text| text.parse().ok())
        .unwrap_or(1);
    let months = i64::from(day.year() - start.year()) * 12 + i64::from(day.month())
        - i64::from(start.month());
    let names = names_of(pattern);
    let place = pattern.text_of("t:DayOfWeekIndex").unwrap_or("First");
    let wanted_day = pattern.text_of("t:DayOfMonth").unwrap_or_default();
    let is_day = || day.day().to_string() == wanted_day;
    let is_month = || {
        let month = pattern.text_of("t:Month").unwrap_or_default();
        let place = MONTHS.iter().position(|one| *one == month);
        place.map(|place| place + 1) == usize::try_from(day.month()).ok()
    };
    match pattern.local() {
        "DailyRecurrence" => (day - start).num_days() % interval == 0,
        "WeeklyRecurrence" => {
            let first = pattern.text_of("t:FirstDayOfWeek").unwrap_or("Sunday");
            let first = DAYS
                .iter()
                .position(|one| *one == first)
                .unwrap_or_default();
            let back = |day: NaiveDate| {
                let back = (day_number(day.weekday()) + 7 - first) % 7;
                day - chrono::Days::new(crate::numbers::wide(back))
            };
            let weeks = (back(day) - back(start)).num_days() / 7;
            let is_day = DAYS
                .get(day_number(day.weekday()))
                .is_some_and(|name| names.contains(name));
            weeks % interval == 0 && is_day
        }
        "AbsoluteMonthlyRecurrence" => months % interval == 0 && is_day(),
        "RelativeMonthlyRecurrence" => months % interval == 0 && is_place(day, &names, place),
        "AbsoluteYearlyRecurrence" => is_month() && is_day(),
        "RelativeYearlyRecurrence" => is_month() && is_place(day, &names, place),
        _ => false,
    }
}

/// The days of a series in their order.
pub(crate) fn days(recurrence: &Node) -> Vec<NaiveDate> {
    let [pattern, range] = recurrence.children.as_slice() else {
        return vec![];
    };
    let Some(start) = date_of(range, "t:StartDate") else {
        return vec![];
    };
    let end = date_of(range, "t:EndDate");
    let most = range
        .text_of("t:NumberOfOccurrences")
        .and_then(|text| text.parse::<usize>().ok())
        .unwrap_or(usize::MAX);
    start
        .iter_days()
        .take_while(|day| (*day - start).num_days() <= LONGEST_DAYS)
        .take_while(|day| end.is_none_or(|end| *day <= end))
        .filter(|day| fits(pattern, start, *day))
        .take(most)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days_of(pattern: &Value, range: &Value) -> Vec<String> {
        let start = field(range, "startDate").as_str().unwrap();
        let start = NaiveDate::parse_from_str(start, "%Y-%m-%d").unwrap();
        let node = read(&json!({"pattern": pattern, "range": range}), start).unwrap();
        let again = write(&node, "UTC");
        assert_eq!(again["pattern"]["type"], pattern["type"]);
        assert_eq!(again["range"]["startDate"], range["startDate"]);
        days(&node).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_kind_of_series_has_its_days() {
        let three =
            |start: &str| json!({"type": "numbered", "startDate": start, "numberOfOccurrences": 3});
        for (pattern, start, wanted) in [
            (
                json!({"type": "daily", "interval": 2}),
                "2026-11-03",
                ["2026-11-03", "2026-11-05", "2026-11-07"],
            ),
            (
                json!({"type": "weekly", "interval": 1, "daysOfWeek": ["tuesday", "friday"]}),
                "2026-11-03",
                ["2026-11-03", "2026-11-06", "2026-11-10"],
            ),
            (
                json!({"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 31}),
                "2026-10-31",
                ["2026-10-31", "2026-12-31", "2027-01-31"],
            ),
            (
                json!({"type": "relativeMonthly", "interval": 1, "daysOfWeek": ["monday"], "index": "last"}),
                "2026-11-30",
                ["2026-11-30", "2026-12-28", "2027-01-25"],
            ),
            (
                json!({"type": "absoluteYearly", "interval": 1, "dayOfMonth": 1, "month": 5}),
                "2027-05-01",
                ["2027-05-01", "2028-05-01", "2029-05-01"],
            ),
        ] {
            assert_eq!(days_of(&pattern, &three(start)), wanted, "{pattern}");
        }
        let day = NaiveDate::from_ymd_opt(2026, 11, 3).unwrap();
        let other = json!({"pattern": {"type": "daily", "interval": 1}, "range": {"type": "noEnd", "startDate": "2026-11-04"}});
        assert!(read(&other, day).is_err());
    }
}
