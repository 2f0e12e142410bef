//! What the server adds to appointments.

use super::defaults::{Fields, put, put_missing, text};
use crate::content::draw::guid;
use crate::content::people::Person;
use crate::ews::error::EwsError;
use crate::ews::xml::Node;

fn instant(text: &str) -> Option<i64> {
    chrono::DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|time| time.timestamp())
        .or_else(|| {
            chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
                .ok()
                .map(|time| time.and_utc().timestamp())
        })
}

/// Completes an appointment, after each change of it.
pub(super) fn complete(
    fields: &mut Fields,
    owner: &Person,
    now: i64,
    seed: u64,
) -> Result<(), EwsError> {
    let half_hour = now / 1800 * 1800;
    put_missing(fields, "Start", &crate::clock::stamp(half_hour));
    let start = instant(text(fields, "Start")).unwrap_or(half_hour);
    put_missing(fields, "End", &crate::clock::stamp(start + 1800));
    let end = instant(text(fields, "End")).unwrap_or(start);
    if end < start {
        return Err(EwsError::new(
            "ErrorCalendarEndDateIsEarlierThanStartDate",
            "EndDate is earlier than StartDate.",
        ));
    }
    // The server gives instants in universal time.
    put(fields, "Start", crate::clock::stamp(start));
    put(fields, "End", crate::clock::stamp(end));
    put(fields, "Duration", duration(end - start));
    put_missing(fields, "IsAllDayEvent", "false");
    put_missing(fields, "LegacyFreeBusyStatus", "Busy");
    put_missing(fields, "UID", &guid(&[seed, 0x7569_6421]));
    let is_recurring = fields.contains_key("Recurrence");
    let has_attendees = ["RequiredAttendees", "OptionalAttendees", "Resources"]
        .iter()
        .any(|name| fields.contains_key(*name));
    put(fields, "IsMeeting", has_attendees.to_string());
    put_missing(fields, "IsCancelled", "false");
    put(fields, "IsRecurring", "false");
    put_missing(fields, "MeetingRequestWasSent", "false");
    put_missing(fields, "IsResponseRequested", "true");
    if text(fields, "CalendarItemType") != "Exception" {
        let kind = if is_recurring {
            "RecurringMaster"
        } else {
            "Single"
        };
        put(fields, "CalendarItemType", kind);
    }
    let response = if has_attendees {
        "Organizer"
    } else {
        "Unknown"
    };
    put_missing(fields, "MyResponseType", response);
    let organizer = Node::with(
        "t:Organizer",
        vec![Node::with(
            "t:Mailbox",
            vec![
                Node::with_text("t:Name", &owner.name),
                Node::with_text("t:EmailAddress", &owner.address),
                Node::with_text("t:RoutingType", "SMTP"),
            ],
        )],
    );
    fields.entry("Organizer".to_owned()).or_insert(organizer);
    put_missing(fields, "AppointmentSequenceNumber", "0");
    put_missing(
        fields,
        "AppointmentState",
        if has_attendees { "1" } else { "0" },
    );
    put(fields, "DateTimeStamp", crate::clock::stamp(now));
    put_missing(fields, "TimeZone", "(UTC) Coordinated Universal Time");
    Ok(())
}

/// `PT1H30M`.
fn duration(seconds: i64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (hours, minutes) = (rest / 3600, rest % 3600 / 60);
    match (days, hours, minutes) {
        (0, 0, minutes) => format!("PT{minutes}M"),
        (0, hours, 0) => format!("PT{hours}H"),
        (0, hours, minutes) => format!("PT{hours}H{minutes}M"),
        (days, 0, 0) => format!("P{days}D"),
        (days, hours, minutes) => format!("P{days}DT{hours}H{minutes}M"),
    }
}
