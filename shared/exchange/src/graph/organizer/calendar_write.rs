//! An event as iCalendar: what other programs read, and what Exchange servers take.

use chrono::NaiveDateTime;
use mailkeep_model::Item;
use serde_json::Value;

use super::plain::plain;
use super::recurrence::rule;
use crate::ews::parse_time;
use crate::graph::message_json::{Object, address, text, time, truth};

/// Longest line in bytes, by the standard.
const LONGEST_LINE: usize = 75;

/// A value with its special characters escaped.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace(';', "\\;")
        .replace(',', "\\,")
        .replace("\r\n", "\\n")
        .replace(['\n', '\r'], "\\n")
}

/// A parameter's value, which may hold no quote and no control character.
fn quoted(text: &str) -> String {
    let clean: String = text
        .chars()
        .filter(|c| *c != '"' && !c.is_control())
        .collect();
    format!("\"{clean}\"")
}

struct Lines(String);

impl Lines {
    /// Adds a line, folded where it is too long.
    fn add(&mut self, line: &str) {
        let mut length = 0;
        for letter in line.chars() {
            if length + letter.len_utf8() > LONGEST_LINE {
                self.0.push_str("\r\n ");
                length = 1;
            }
            self.0.push(letter);
            length += letter.len_utf8();
        }
        self.0.push_str("\r\n");
    }
}

/// The local time in `{dateTime, timeZone}`.
fn local(value: Option<&Value>) -> Option<(NaiveDateTime, String)> {
    let value = value?;
    let at = value.get("dateTime")?.as_str()?.trim_end_matches('Z');
    let zone = value.get("timeZone")?.as_str()?;
    Some((parse_time(at)?.naive_utc(), zone.to_owned()))
}

fn moment(name: &str, value: Option<&Value>, is_all_day: bool) -> Option<String> {
    let (at, zone) = local(value)?;
    Some(if is_all_day {
        format!("{name};VALUE=DATE:{}", at.format("%Y%m%d"))
    } else if zone == "UTC" {
        format!("{name}:{}", at.format("%Y%m%dT%H%M%SZ"))
    } else {
        format!(
            "{name};TZID={}:{}",
            quoted(&zone),
            at.format("%Y%m%dT%H%M%S")
        )
    })
}

fn person(head: &str, value: Option<&Value>) -> Option<String> {
    let person = address(value)?;
    let name = match person.name.as_str() {
        "" => String::new(),
        name => format!(";CN={}", quoted(name)),
    };
    let mail: String = person.address.chars().filter(|c| !c.is_control()).collect();
    Some(format!("{head}{name}:mailto:{mail}"))
}

/// What an event and a changed day of it have alike.
fn common(lines: &mut Lines, event: &Object) {
    let is_all_day = truth(event, "isAllDay");
    for (name, field) in [("DTSTART", "start"), ("DTEND", "end")] {
        if let Some(line) = moment(name, event.get(field), is_all_day) {
            lines.add(&line);
        }
    }
    lines.add(&format!("SUMMARY:{}", escaped(&text(event, "subject"))));
    let place = event.get("location").and_then(Value::as_object);
    let place = place.map(|place| text(place, "displayName"));
    if let Some(place) = place.filter(|place| !place.is_empty()) {
        lines.add(&format!("LOCATION:{}", escaped(&place)));
    }
    if let Some(body) = event.get("body").and_then(Value::as_object) {
        let content = text(body, "content");
        let content = match text(body, "contentType").as_str() {
            "html" => plain(&content),
            _ => content,
        };
        if !content.is_empty() {
            lines.add(&format!("DESCRIPTION:{}", escaped(&content)));
        }
    }
    if text(event, "showAs") == "free" {
        lines.add("TRANSP:TRANSPARENT");
    }
}

/// The calendar of one event with its changed days.
pub(crate) fn calendar(item: &Item, event: &Object) -> String {
    let mut lines = Lines(String::new());
    for line in [
        "BEGIN:VCALENDAR",
        "PRODID:-//mailkeep//EN",
        "VERSION:2.0",
        "BEGIN:VEVENT",
    ] {
        lines.add(line);
    }
    let id = format!("UID:{}", escaped(&text(event, "iCalUId")));
    lines.add(&id);
    let stamp = item.modified_at.or(item.created_at).unwrap_or_default();
    let stamp = format!("DTSTAMP:{}", stamp.format("%Y%m%dT%H%M%SZ"));
    lines.add(&stamp);
    common(&mut lines, event);
    let class = match text(event, "sensitivity").as_str() {
        "private" | "personal" => "PRIVATE",
        "confidential" => "CONFIDENTIAL",
        _ => "PUBLIC",
    };
    lines.add(&format!("CLASS:{class}"));
    if !item.categories.is_empty() {
        let names: Vec<String> = item.categories.iter().map(|one| escaped(one)).collect();
        lines.add(&format!("CATEGORIES:{}", names.join(",")));
    }
    if let Some(line) = person("ORGANIZER", event.get("organizer")) {
        lines.add(&line);
    }
    let people = event.get("attendees").and_then(Value::as_array);
    for one in people.into_iter().flatten() {
        let role = match one.get("type").and_then(Value::as_str) {
            Some("optional") => "ATTENDEE;ROLE=OPT-PARTICIPANT",
            Some("resource") => "ATTENDEE;CUTYPE=RESOURCE",
            _ => "ATTENDEE;ROLE=REQ-PARTICIPANT",
        };
        if let Some(line) = person(role, Some(one)) {
            lines.add(&line);
        }
    }
    let recurrence = event.get("recurrence").filter(|rule| !rule.is_null());
    if let Some(line) = recurrence.and_then(rule) {
        lines.add(&line);
    }
    if let Some((start, zone)) = local(event.get("start")) {
        let gone = event.get("cancelledOccurrences").and_then(Value::as_array);
        for id in gone.into_iter().flatten().filter_map(Value::as_str) {
            let day = id.rsplit('.').next().unwrap_or_default().replace('-', "");
            let clock = start.format("T%H%M%S");
            lines.add(&match zone.as_str() {
                "UTC" => format!("EXDATE:{day}{clock}Z"),
                zone => format!("EXDATE;TZID={}:{day}{clock}", quoted(zone)),
            });
        }
    }
    lines.add("END:VEVENT");
    let changed = event.get("exceptionOccurrences").and_then(Value::as_array);
    let changed = changed.into_iter().flatten().filter_map(Value::as_object);
    for one in changed {
        let Some(original) = time(one.get("originalStart")) else {
            continue;
        };
        lines.add("BEGIN:VEVENT");
        lines.add(&id);
        lines.add(&stamp);
        lines.add(&format!(
            "RECURRENCE-ID:{}",
            original.format("%Y%m%dT%H%M%SZ")
        ));
        common(&mut lines, one);
        lines.add("END:VEVENT");
    }
    lines.add("END:VCALENDAR");
    lines.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailkeep_model::{FolderId, ItemId};
    use serde_json::json;

    #[test]
    fn a_series_with_its_zone_and_changed_days() {
        let event = json!({
            "iCalUId": "u1", "subject": "Jour fixe; Köln, 4",
            "start": { "dateTime": "2026-11-03T14:00:00.0000000", "timeZone": "W. Europe Standard Time" },
            "end": { "dateTime": "2026-11-03T15:00:00.0000000", "timeZone": "W. Europe Standard Time" },
            "body": { "contentType": "html", "content": "<p>a</p><p>b</p>" },
            "recurrence": { "pattern": { "type": "weekly", "interval": 1, "daysOfWeek": ["tuesday"] },
                "range": { "type": "numbered", "startDate": "2026-11-03", "numberOfOccurrences": 10 } },
            "cancelledOccurrences": ["OID.x.2026-11-24"],
            "attendees": [{ "type": "required", "emailAddress": { "name": "A \"n", "address": "a@x" } }],
            "exceptionOccurrences": [{ "originalStart": "2026-11-17T13:00:00Z", "subject": "moved",
                "start": { "dateTime": "2026-11-18T13:00:00", "timeZone": "UTC" },
                "end": { "dateTime": "2026-11-18T14:00:00", "timeZone": "UTC" } }],
        });
        let item = Item::new(ItemId("i".into()), FolderId("f".into()));
        let text = calendar(&item, event.as_object().unwrap());
        for line in [
            "DTSTART;TZID=\"W. Europe Standard Time\":20261103T140000",
            "SUMMARY:Jour fixe\\; Köln\\, 4",
            "DESCRIPTION:a\\nb",
            "RRULE:FREQ=WEEKLY;INTERVAL=1;BYDAY=TU;COUNT=10",
            "EXDATE;TZID=\"W. Europe Standard Time\":20261124T140000",
            "ATTENDEE;ROLE=REQ-PARTICIPANT;CN=\"A n\":mailto:a@x",
            "RECURRENCE-ID:20261117T130000Z",
            "DTSTART:20261118T130000Z",
        ] {
            let unfolded = text.replace("\r\n ", "");
            assert!(unfolded.lines().any(|one| one == line), "{line} in {text}");
        }
        assert!(text.lines().all(|line| line.len() <= LONGEST_LINE));
        let span = super::super::calendar_text::local_span(&text).unwrap();
        assert_eq!(span.zone, "W. Europe Standard Time");
    }
}
