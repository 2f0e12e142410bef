//! The part of iCalendar that appointments come in.

use super::defaults::{Fields, put};
use crate::ews::xml::Node;

/// An appointment read from iCalendar: subject, text and properties.
#[derive(Debug, Default)]
pub(crate) struct Event {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) fields: Fields,
}

fn unescaped(text: &str) -> String {
    text.replace("\\n", "\n")
        .replace("\\N", "\n")
        .replace("\\,", ",")
        .replace("\\;", ";")
        .replace("\\\\", "\\")
}

fn instant(value: &str) -> Option<String> {
    let time = match value.len() {
        8 => chrono::NaiveDate::parse_from_str(value, "%Y%m%d")
            .ok()?
            .and_hms_opt(0, 0, 0)?,
        _ => chrono::NaiveDateTime::parse_from_str(value.trim_end_matches('Z'), "%Y%m%dT%H%M%S")
            .ok()?,
    };
    Some(time.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// Reads the first event of a calendar, also inside a message; `None` when there is none.
pub(crate) fn read(bytes: &[u8]) -> Option<Event> {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    let text = text.replace("\n ", "").replace("\n\t", "");
    let (_, rest) = text.split_once("BEGIN:VEVENT")?;
    let (inside, _) = rest.split_once("END:VEVENT")?;
    // Alarms have properties of the same names.
    let inside = inside.split("BEGIN:VALARM").next().unwrap_or_default();
    let mut event = Event::default();
    for line in inside.lines() {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let (name, parameters) = name.split_once(';').unwrap_or((name, ""));
        match name {
            "SUMMARY" => event.subject = unescaped(value),
            "DESCRIPTION" => event.text = unescaped(value),
            "LOCATION" => put(&mut event.fields, "Location", unescaped(value)),
            "UID" => put(&mut event.fields, "UID", value),
            "DTSTART" => {
                put(&mut event.fields, "Start", instant(value)?);
                if parameters.contains("VALUE=DATE") && value.len() == 8 {
                    put(&mut event.fields, "IsAllDayEvent", "true");
                }
            }
            "DTEND" => put(&mut event.fields, "End", instant(value)?),
            "TRANSP" if value == "TRANSPARENT" => {
                put(&mut event.fields, "LegacyFreeBusyStatus", "Free");
            }
            "RRULE" => {
                let start = event.fields.get("Start").map(|node| node.text.clone());
                if let Some(rule) = recurrence(value, &start.unwrap_or_default()) {
                    event.fields.insert("Recurrence".to_owned(), rule);
                }
            }
            _ => {}
        }
    }
    Some(event)
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace(';', "\\;")
        .replace(',', "\\,")
        .replace("\r\n", "\\n")
        .replace('\n', "\\n")
}

/// Writes an appointment as a calendar.
pub(crate) fn write(subject: &str, text: &str, fields: &Fields) -> String {
    let field = |name: &str| fields.get(name).map_or("", |node| node.text.as_str());
    let time = |name: &str| field(name).replace(['-', ':'], "");
    let mut lines = vec![
        "BEGIN:VCALENDAR".to_owned(),
        "PRODID:-//Simulated//Exchange//EN".to_owned(),
        "VERSION:2.0".to_owned(),
        "METHOD:PUBLISH".to_owned(),
        "BEGIN:VEVENT".to_owned(),
        format!("UID:{}", field("UID")),
        format!("SUMMARY:{}", escaped(subject)),
        format!("DTSTART:{}", time("Start")),
        format!("DTEND:{}", time("End")),
        format!("DTSTAMP:{}", time("DateTimeStamp")),
    ];
    if !field("Location").is_empty() {
        lines.push(format!("LOCATION:{}", escaped(field("Location"))));
    }
    if !text.is_empty() {
        lines.push(format!("DESCRIPTION:{}", escaped(text)));
    }
    if field("LegacyFreeBusyStatus") == "Free" {
        lines.push("TRANSP:TRANSPARENT".to_owned());
    }
    lines.extend(fields.get("Recurrence").and_then(rule));
    lines.extend(["END:VEVENT".to_owned(), "END:VCALENDAR".to_owned()]);
    lines.join("\r\n") + "\r\n"
}

/// The rule of a daily or weekly series; others are left out.
fn rule(recurrence: &Node) -> Option<String> {
    let [pattern, range] = recurrence.children.as_slice() else {
        return None;
    };
    let interval = pattern.text_of("t:Interval").unwrap_or("1");
    let mut rule = match pattern.local() {
        "DailyRecurrence" => format!("RRULE:FREQ=DAILY;INTERVAL={interval}"),
        "WeeklyRecurrence" => {
            let days = pattern.text_of("t:DaysOfWeek").unwrap_or("Monday");
            let days: Vec<String> = days
                .split(' ')
                .map(|day| day.chars().take(2).collect::<String>().to_uppercase())
                .collect();
            let days = days.join(",");
            format!("RRULE:FREQ=WEEKLY;INTERVAL={interval};BYDAY={days}")
        }
        _ => return None,
    };
    if let Some(count) = range.text_of("t:NumberOfOccurrences") {
        rule.push_str(&format!(";COUNT={count}"));
    }
    if let Some(end) = range.text_of("t:EndDate") {
        let date = end.get(..10).unwrap_or(end).replace('-', "");
        rule.push_str(&format!(";UNTIL={date}"));
    }
    Some(rule)
}

fn recurrence(rule: &str, start: &str) -> Option<Node> {
    let part = |name: &str| {
        rule.split(';')
            .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
    };
    let interval = Node::with_text("t:Interval", part("INTERVAL").unwrap_or("1"));
    let pattern = match part("FREQ")? {
        "DAILY" => Node::with("t:DailyRecurrence", vec![interval]),
        "WEEKLY" => {
            let days: Vec<&str> = part("BYDAY")
                .unwrap_or("MO")
                .split(',')
                .map(|day| match day {
                    "TU" => "Tuesday",
                    "WE" => "Wednesday",
                    "TH" => "Thursday",
                    "FR" => "Friday",
                    "SA" => "Saturday",
                    "SU" => "Sunday",
                    _ => "Monday",
                })
                .collect();
            let days = Node::with_text("t:DaysOfWeek", days.join(" "));
            Node::with("t:WeeklyRecurrence", vec![interval, days])
        }
        _ => return None,
    };
    let date = start.get(..10)?;
    let from = Node::with_text("t:StartDate", date);
    let range = match (part("COUNT"), part("UNTIL")) {
        (Some(count), _) => Node::with(
            "t:NumberedRecurrence",
            vec![from, Node::with_text("t:NumberOfOccurrences", count)],
        ),
        (None, Some(until)) => {
            let end = instant(until)?;
            let end = Node::with_text("t:EndDate", end.get(..10)?);
            Node::with("t:EndDateRecurrence", vec![from, end])
        }
        _ => Node::with("t:NoEndRecurrence", vec![from]),
    };
    Some(Node::with("t:Recurrence", vec![pattern, range]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_from_folded_lines() {
        let text = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Ein la\r\n nger Titel\\, ja\r\n\
            DTSTART:20261103T090000Z\r\nDTEND:20261103T100000Z\r\nRRULE:FREQ=WEEKLY;BYDAY=TU;COUNT=4\r\n\
            UID:x1\r\nBEGIN:VALARM\r\nDESCRIPTION:no\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        let event = read(text.as_bytes()).unwrap();
        assert_eq!(event.subject, "Ein langer Titel, ja");
        assert_eq!(event.text, "");
        assert_eq!(event.fields["Start"].text, "2026-11-03T09:00:00Z");
        assert_eq!(event.fields["Recurrence"].children.len(), 2);
        assert!(read(b"no calendar").is_none());
        let again = read(write(&event.subject, "a\nb", &event.fields).as_bytes()).unwrap();
        assert_eq!(again.fields, event.fields);
        assert_eq!((again.subject, again.text), (event.subject, "a\nb".into()));
    }
}
