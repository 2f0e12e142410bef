//! A stored event as the JSON that creates it. Nobody is invited: the service sends invitations to
//! whoever is named as attendee, and has no switch for it.

use chrono::{DateTime, Duration, NaiveDateTime, Utc};
use mailkeep_model::{FlagStatus, Importance, Sensitivity};
use serde_json::{Value, json};

use super::calendar_text::LocalSpan;
use super::kept::Kept;
use super::marked::Allowed;
use super::plain::escaped;
use super::recurrence;
use crate::RestoreItem;
use crate::ews::xml::Element;
use crate::graph::message_json::Object;
use crate::graph::properties::{self, property};

/// Free or busy: at the service and in the stored element.
pub(crate) const SHOWN_AS: &[(&str, &str)] = &[
    ("free", "Free"),
    ("tentative", "Tentative"),
    ("busy", "Busy"),
    ("oof", "OOF"),
    ("workingElsewhere", "WorkingElsewhere"),
    ("unknown", "NoData"),
];
/// Attendees: their kind at the service and their list in the stored element.
pub(crate) const ATTENDEES: &[(&str, &str)] = &[
    ("required", "RequiredAttendees"),
    ("optional", "OptionalAttendees"),
    ("resource", "Resources"),
];
/// Reminders are properties of their own here.
const REMINDER: &[&str] = &[
    "Boolean {00062008-0000-0000-c000-000000000046} Id 0x8503",
    "SystemTime {00062008-0000-0000-c000-000000000046} Id 0x8502",
];

/// When an event is.
pub(crate) struct Span {
    pub(crate) start: NaiveDateTime,
    pub(crate) end: NaiveDateTime,
    pub(crate) zone: String,
    pub(crate) is_all_day: bool,
}

/// When the stored event is; `None` when nothing tells.
pub(crate) fn span(kept: &Kept, local: Option<&LocalSpan>, with_zone: bool) -> Option<Span> {
    let is_all_day = kept.is_true("IsAllDayEvent") || local.is_some_and(|span| span.is_all_day);
    let own = |span: &LocalSpan| Span {
        start: span.start,
        end: span.end,
        zone: span.zone.clone(),
        is_all_day,
    };
    let universal = || {
        let start = kept.time("Start")?;
        let end = kept.time("End").unwrap_or(start).max(start);
        Some((start.naive_utc(), end.naive_utc()))
    };
    if is_all_day {
        let (start, end) = match (local, universal()) {
            (Some(span), _) if span.is_all_day => (span.start, span.end),
            // The midnight of a place at most twelve hours away.
            (_, Some((start, end))) => (start + Duration::hours(12), end + Duration::hours(12)),
            (Some(span), None) => (span.start, span.end),
            (None, None) => return None,
        };
        let start = start.date().and_time(chrono::NaiveTime::MIN);
        let end = end.date().and_time(chrono::NaiveTime::MIN);
        return Some(Span {
            start,
            end: end.max(start + Duration::days(1)),
            zone: "UTC".into(),
            is_all_day,
        });
    }
    match (local, universal()) {
        (Some(span), _) if with_zone && span.zone != "UTC" => Some(own(span)),
        (_, Some((start, end))) => Some(Span {
            start,
            end,
            zone: "UTC".into(),
            is_all_day,
        }),
        (Some(span), None) => Some(Span {
            zone: "UTC".into(),
            ..own(span)
        }),
        (None, None) => None,
    }
}

/// A local time as the service takes it.
pub(crate) fn zoned(at: NaiveDateTime, zone: &str) -> Value {
    json!({ "dateTime": at.format("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": zone })
}

/// The creating request, and what it cannot keep. Without start there is none.
pub(crate) fn event(
    restored: &RestoreItem,
    local: Option<&LocalSpan>,
    transaction: &str,
    mark: &str,
    allowed: Allowed,
) -> Option<(Object, Vec<String>)> {
    let (item, kept) = (&restored.item, Kept::read(&restored.properties_json));
    let mut losses = vec![];
    let span = span(&kept, local, allowed.zone)?;
    let lost_zone = local.filter(|local| !allowed.zone && local.zone != "UTC" && !span.is_all_day);
    if lost_zone.is_some() && kept.own.child("Recurrence").is_some() {
        losses.push(
            "the target does not know the time zone of this series; it keeps universal time".into(),
        );
    }
    let mut out = Object::new();
    let mut put = |name: &str, value: Value| {
        out.insert(name.to_owned(), value);
    };
    put("subject", json!(item.subject));
    put("body", body(restored, &kept));
    put("start", zoned(span.start, &span.zone));
    put("end", zoned(span.end, &span.zone));
    put("isAllDay", json!(span.is_all_day));
    if let Some(place) = kept.text("Location") {
        put("location", json!({ "displayName": place }));
    }
    let shown = kept.text("LegacyFreeBusyStatus");
    if let Some((name, _)) = SHOWN_AS.iter().find(|(_, own)| shown == Some(*own)) {
        put("showAs", json!(name));
    }
    put("isReminderOn", json!(kept.is_true("ReminderIsSet")));
    let minutes = kept.text("ReminderMinutesBeforeStart");
    if let Some(minutes) = minutes.and_then(|text| text.parse::<u32>().ok()) {
        put("reminderMinutesBeforeStart", json!(minutes));
    }
    let sensitivity = match item.sensitivity {
        Sensitivity::Normal => "normal",
        Sensitivity::Personal => "personal",
        Sensitivity::Private => "private",
        Sensitivity::Confidential => "confidential",
    };
    put("sensitivity", json!(sensitivity));
    let importance = match item.importance {
        Importance::Low => "low",
        Importance::Normal => "normal",
        Importance::High => "high",
    };
    put("importance", json!(importance));
    put("categories", json!(item.categories));
    put("transactionId", json!(transaction));
    if let Some(element) = kept.own.child("Recurrence") {
        let found = recurrence::to_service(element, span.start.date(), &span.zone);
        match found.filter(|_| allowed.recurrence) {
            Some(recurrence) => put("recurrence", recurrence),
            None => losses.push(
                "Microsoft 365 has no such recurrence; only the first occurrence is there".into(),
            ),
        }
    }
    let mut extended = vec![property(properties::MARKER, mark)];
    if allowed.extras {
        let own = kept.extended.iter().filter(|(id, _)| {
            let same = |other: &&str| properties::normalise(other) == properties::normalise(id);
            !REMINDER.iter().any(same)
        });
        extended.extend(own.map(|(id, value)| property(id, value.as_str())));
    } else {
        losses.push("the target refused extended properties of this item".into());
    }
    put("singleValueExtendedProperties", Value::Array(extended));
    let people = attendees(&kept).count();
    if people > 0 {
        losses.push(format!(
            "{people} attendees are not restored, so that nobody is invited again; the text names them"
        ));
    }
    if item.flag.status != FlagStatus::NotFlagged {
        losses.push("the follow-up flag is lost: events at Microsoft 365 have none".into());
    }
    if !kept.is_known {
        losses.push("the item's own properties were not kept; only its text is there".into());
    }
    Some((out, losses))
}

fn attendees(kept: &Kept) -> impl Iterator<Item = &Element> {
    ATTENDEES
        .iter()
        .filter_map(|(_, list)| kept.own.child(list))
        .flat_map(|list| list.all("Attendee"))
}

/// The text, with the names of those who are not invited again.
fn body(restored: &RestoreItem, kept: &Kept) -> Value {
    let person = |one: &Element| {
        let mailbox = one.child("Mailbox");
        let text = |name: &str| mailbox.and_then(|mailbox| mailbox.text_of(name));
        match (text("Name"), text("EmailAddress")) {
            (Some(name), Some(address)) if name != address => format!("{name} <{address}>"),
            (name, address) => address.or(name).unwrap_or_default().to_owned(),
        }
    };
    let people: Vec<String> = attendees(kept).map(person).collect();
    let mut text = restored.body.clone();
    if !people.is_empty() {
        let line = format!("Attendees, not invited again: {}", people.join(", "));
        if restored.body_is_html {
            let line = format!("<p>{}</p>", escaped(&line));
            match text.rfind("</body>") {
                Some(place) => text.insert_str(place, &line),
                None => text.push_str(&line),
            }
        } else {
            if !text.is_empty() {
                text.push_str("\r\n\r\n");
            }
            text.push_str(&line);
        }
    }
    let kind = if restored.body_is_html {
        "html"
    } else {
        "text"
    };
    json!({ "contentType": kind, "content": text })
}

/// What became of one day of a series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    Deleted(DateTime<Utc>),
    /// Where it was, and what it became.
    Changed(DateTime<Utc>, Object),
}

/// The days of a series that differ from the others.
pub(crate) fn changes(kept: &Kept) -> Vec<Change> {
    let time = |one: &Element, name: &str| crate::ews::parse_time(one.text_of(name)?);
    let list = |name: &str| kept.own.child(name).into_iter();
    let deleted = list("DeletedOccurrences")
        .flat_map(|list| list.all("DeletedOccurrence"))
        .filter_map(|one| Some(Change::Deleted(time(one, "Start")?)));
    let changed = list("ModifiedOccurrences")
        .flat_map(|list| list.all("Occurrence"))
        .filter_map(|one| {
            let start = time(one, "Start")?;
            let end = time(one, "End").unwrap_or(start);
            let mut out = Object::new();
            out.insert("start".into(), zoned(start.naive_utc(), "UTC"));
            out.insert("end".into(), zoned(end.naive_utc(), "UTC"));
            if let Some(subject) = one.text_of("Subject") {
                out.insert("subject".into(), json!(subject));
            }
            if let Some(place) = one.text_of("Location") {
                out.insert("location".into(), json!({ "displayName": place }));
            }
            if let Some(body) = one.child("Body") {
                let is_html = body.attribute("BodyType") == Some("HTML");
                let kind = if is_html { "html" } else { "text" };
                out.insert(
                    "body".into(),
                    json!({ "contentType": kind, "content": body.text }),
                );
            }
            let shown = one.text_of("LegacyFreeBusyStatus");
            if let Some((name, _)) = SHOWN_AS.iter().find(|(_, own)| shown == Some(*own)) {
                out.insert("showAs".into(), json!(name));
            }
            Some(Change::Changed(time(one, "OriginalStart")?, out))
        });
    // A day that moved onto a deleted one finds its place free.
    deleted.chain(changed).collect()
}

/// True when the stored element tells more of changed days than their times.
pub(crate) fn tells_content(kept: &Kept) -> bool {
    let list = kept.own.child("ModifiedOccurrences");
    let mut all = list.into_iter().flat_map(|list| list.all("Occurrence"));
    all.all(|one| one.child("Subject").is_some())
}
