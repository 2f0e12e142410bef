//! What the iCalendar form of an event says and its properties do not: its local time.

use chrono::{NaiveDate, NaiveDateTime};

/// Start and end in the event's own time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalSpan {
    pub(crate) start: NaiveDateTime,
    pub(crate) end: NaiveDateTime,
    /// The zone's name; `UTC` where none is told.
    pub(crate) zone: String,
    /// Whole days.
    pub(crate) is_all_day: bool,
}

/// One line: its parameters and its value.
struct Line<'a> {
    parameters: &'a str,
    value: &'a str,
}

impl Line<'_> {
    fn zone(&self) -> &str {
        let mut parameters = self.parameters.split(';');
        let zone = parameters.find_map(|one| one.strip_prefix("TZID="));
        zone.map_or("UTC", |zone| zone.trim_matches('"'))
    }

    fn time(&self) -> Option<(NaiveDateTime, bool)> {
        let value = self.value.trim();
        if value.len() == 8 {
            let date = NaiveDate::parse_from_str(value, "%Y%m%d").ok()?;
            return Some((date.and_hms_opt(0, 0, 0)?, true));
        }
        let text = value.trim_end_matches('Z');
        let time = NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S").ok()?;
        Some((time, false))
    }
}

/// The span of the first event that is no changed occurrence.
pub(crate) fn local_span(calendar: &str) -> Option<LocalSpan> {
    let text = calendar.replace("\r\n", "\n");
    let text = text.replace("\n ", "").replace("\n\t", "");
    let events = text.split("BEGIN:VEVENT").skip(1);
    let inside = events
        .filter_map(|event| event.split("END:VEVENT").next())
        .map(|event| event.split("BEGIN:VALARM").next().unwrap_or_default())
        .find(|event| !event.contains("\nRECURRENCE-ID"))?;
    let line = |name: &str| {
        inside.lines().find_map(|line| {
            let (head, value) = line.split_once(':')?;
            let (own, parameters) = head.split_once(';').unwrap_or((head, ""));
            (own == name).then_some(Line { parameters, value })
        })
    };
    let first = line("DTSTART")?;
    let (start, is_all_day) = first.time()?;
    let end = line("DTEND").and_then(|line| line.time());
    Some(LocalSpan {
        start,
        end: end.map_or(start, |(end, _)| end.max(start)),
        zone: first.zone().to_owned(),
        is_all_day,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_times_and_days() {
        let text = "BEGIN:VCALENDAR\r\nBEGIN:VTIMEZONE\r\nDTSTART:16010101T000000\r\nEND:VTIMEZONE\r\n\
            BEGIN:VEVENT\r\nRECURRENCE-ID:20261103T090000Z\r\nDTSTART:20261104T090000Z\r\nEND:VEVENT\r\n\
            BEGIN:VEVENT\r\nDTSTART;TZID=\"W. Europe Standard\r\n  Time\":20261103T140000\r\n\
            DTEND;TZID=X:20261103T150000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        let span = local_span(text).unwrap();
        assert_eq!(span.zone, "W. Europe Standard Time");
        assert_eq!(span.start.to_string(), "2026-11-03 14:00:00");
        assert_eq!(span.end.to_string(), "2026-11-03 15:00:00");
        assert!(!span.is_all_day);
        let day =
            "BEGIN:VEVENT\nDTSTART;VALUE=DATE:20261110\nDTEND;VALUE=DATE:20261111\nEND:VEVENT";
        let span = local_span(day).unwrap();
        assert!(span.is_all_day && span.zone == "UTC");
        assert_eq!(local_span("nothing"), None);
    }
}
