//! Contacts, calendars and tasks. They lie in the same mailbox as EWS shows it, so that what is written
//! on one side is seen on the other.

pub(crate) mod calendars;
pub(crate) mod contact;
pub(crate) mod contacts;
pub(crate) mod delta;
pub(crate) mod event;
pub(crate) mod extended;
pub(crate) mod listing;
pub(crate) mod occurrence;
pub(crate) mod operation;
pub(crate) mod recurrence;
pub(crate) mod shelf;
pub(crate) mod task;
pub(crate) mod todo;
pub(crate) mod zone;
