//! Contacts, calendars and tasks, which the service keeps apart from mail.
//!
//! The vault has one form of them, whatever they came from: the element that EWS has for them. What is here
//! turns it into what the service takes.

mod calendar_text;
mod calendar_write;
mod changes;
mod contact;
mod content;
mod create;
mod describe;
mod event;
mod feed;
mod folders;
mod kept;
mod marked;
mod place;
mod plain;
mod read;
mod recurrence;
mod task;

pub(crate) use feed::{apart, is_refused, operation, organizer_place};
pub(crate) use folders::Organized;
pub(crate) use place::Place;

/// A point in time that the service wrote in universal time.
pub(crate) fn place_in_time(
    value: Option<&serde_json::Value>,
) -> Option<chrono::DateTime<chrono::Utc>> {
    let text = value?.get("dateTime")?.as_str()?;
    crate::ews::parse_time(text.trim_end_matches('Z'))
}
