//! A stored task as the JSON that creates it.

use chrono::{DateTime, Utc};
use mailkeep_model::{FlagStatus, Importance, Sensitivity};
use serde_json::{Value, json};

use super::event::zoned;
use super::kept::Kept;
use super::marked::Allowed;
use super::recurrence;
use crate::RestoreItem;
use crate::graph::message_json::Object;

/// Names our link of a task.
pub(crate) const APPLICATION: &str = "mailkeep";
/// States: at the service and in the stored element.
pub(crate) const STATES: &[(&str, &str)] = &[
    ("notStarted", "NotStarted"),
    ("inProgress", "InProgress"),
    ("completed", "Completed"),
    ("waitingOnOthers", "WaitingOnOthers"),
    ("deferred", "Deferred"),
];
/// What To Do has no property for.
const LOST: &[&str] = &[
    "ActualWork",
    "TotalWork",
    "BillingInformation",
    "Companies",
    "Contacts",
    "Mileage",
];

/// The link that bears our mark.
pub(crate) fn link(mark: &str) -> Value {
    json!({ "applicationName": APPLICATION, "displayName": "Restored by mailkeep", "externalId": mark })
}

fn universal(at: DateTime<Utc>) -> Value {
    zoned(at.naive_utc(), "UTC")
}

/// The creating request, and what it cannot keep.
pub(crate) fn task(restored: &RestoreItem, mark: &str, allowed: Allowed) -> (Object, Vec<String>) {
    let (item, kept) = (&restored.item, Kept::read(&restored.properties_json));
    let mut losses = vec![];
    let mut out = Object::new();
    let mut put = |name: &str, value: Value| {
        out.insert(name.to_owned(), value);
    };
    let title = match item.subject.trim() {
        "" => "Untitled",
        _ => item.subject.as_str(),
    };
    put("title", json!(title));
    if !restored.body.is_empty() {
        let kind = if restored.body_is_html {
            "html"
        } else {
            "text"
        };
        put(
            "body",
            json!({ "contentType": kind, "content": restored.body }),
        );
    }
    let state = kept.text("Status");
    let state = STATES.iter().find(|(_, own)| state == Some(*own));
    put(
        "status",
        json!(state.map_or("notStarted", |(name, _)| name)),
    );
    let importance = match item.importance {
        Importance::Low => "low",
        Importance::Normal => "normal",
        Importance::High => "high",
    };
    put("importance", json!(importance));
    put("categories", json!(item.categories));
    let mut due = kept.time("DueDate");
    if let Some(element) = kept.own.child("Recurrence") {
        // A task recurs from the day that it is due.
        let begin = due.or_else(|| {
            let range = element
                .children
                .iter()
                .find_map(|part| part.text_of("StartDate"))?;
            crate::ews::parse_time(&format!("{}T00:00:00Z", range.get(..10)?))
        });
        let found = begin.and_then(|begin| {
            let day = begin.naive_utc().date();
            recurrence::to_service(element, day, "UTC")
        });
        match found.filter(|_| allowed.recurrence) {
            Some(recurrence) => {
                due = begin;
                put("recurrence", recurrence);
            }
            None => losses.push("To Do has no such recurrence; the task is there once".into()),
        }
    }
    for (name, at) in [
        ("dueDateTime", due),
        ("startDateTime", kept.time("StartDate")),
        ("completedDateTime", kept.time("CompleteDate")),
    ] {
        if let Some(at) = at {
            put(name, universal(at));
        }
    }
    let reminder = kept
        .time("ReminderDueBy")
        .filter(|_| kept.is_true("ReminderIsSet"));
    if let Some(at) = reminder {
        put("isReminderOn", json!(true));
        put("reminderDateTime", universal(at));
    }
    put("linkedResources", json!([link(mark)]));
    let percent = kept.text("PercentComplete").unwrap_or("0");
    let is_told_by_state = matches!(percent, "0" | "100");
    let mut lost = kept.count(LOST) + kept.extended.len() + usize::from(!is_told_by_state);
    lost += usize::from(item.sensitivity != Sensitivity::Normal);
    lost += usize::from(item.flag.status == FlagStatus::Flagged && due.is_none());
    if lost > 0 {
        losses.push(format!(
            "{lost} properties are lost, which To Do has no place for"
        ));
    }
    if !kept.is_known {
        losses.push("the item's own properties were not kept; only its text is there".into());
    }
    (out, losses)
}
