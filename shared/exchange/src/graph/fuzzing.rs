//! Decoders of what Microsoft Graph sends, and of the cursors that a vault keeps of it.

use serde_json::Value;

use super::batch::read_members;
use super::cursor::{ItemCursor, TreeCursor};
use super::error_map::{Asked, ErrorBody, Operation, classify};
use super::folder_row::FolderRow;
use super::json;
use super::message_json::{self, Object};
use crate::Cursor;
use crate::fuzzing::Outcome;

const OPERATION: Operation = Operation::new("read", Asked::Item, "Mail.Read");

fn look(message: &Object) {
    let _ = message_json::is_complete(message);
    let _ = message_json::source_item(message, None);
    let _ = FolderRow::read(message).map(|row| row.folder(None, row.is_hidden));
}

/// A message, with whatever is wrong in its strings.
pub(crate) fn message(bytes: &[u8]) -> Outcome {
    let Ok(message) = json::parse::<Object>(bytes) else {
        return Outcome::Refused;
    };
    look(&message);
    Outcome::Read
}

/// A page of a list or of a change feed.
pub(crate) fn page(bytes: &[u8]) -> Outcome {
    let Ok(page) = json::parse::<Value>(bytes) else {
        return Outcome::Refused;
    };
    let Some(Value::Array(rows)) = page.get("value") else {
        return Outcome::Refused;
    };
    rows.iter().filter_map(Value::as_object).for_each(look);
    Outcome::Read
}

/// A folder.
pub(crate) fn folder(bytes: &[u8]) -> Outcome {
    let Ok(object) = json::parse::<Object>(bytes) else {
        return Outcome::Refused;
    };
    match FolderRow::read(&object) {
        Some(row) => {
            let _ = row.folder(None, row.is_hidden);
            Outcome::Read
        }
        None => Outcome::Refused,
    }
}

/// The answer to a batch, with its members.
pub(crate) fn batch(bytes: &[u8]) -> Outcome {
    match read_members(bytes) {
        Ok(members) => {
            for body in members {
                look(&body);
            }
            Outcome::Read
        }
        Err(_) => Outcome::Refused,
    }
}

/// An error, whatever it looks like.
pub(crate) fn error(bytes: &[u8]) -> Outcome {
    let body = ErrorBody::parse(bytes);
    for status in [400, 401, 403, 404, 410, 429, 500, 503] {
        let _ = classify(&OPERATION, status, &body);
    }
    if body == ErrorBody::default() {
        Outcome::Refused
    } else {
        Outcome::Read
    }
}

/// The place in a folder's change feed.
pub(crate) fn item_cursor(bytes: &[u8]) -> Outcome {
    let cursor = Cursor(String::from_utf8_lossy(bytes).into_owned());
    let read = ItemCursor::read(&OPERATION, &cursor);
    read.map_or(Outcome::Refused, |it| Outcome::Again(it.write().0.into()))
}

/// The place in the change feed of the folder tree.
pub(crate) fn tree_cursor(bytes: &[u8]) -> Outcome {
    let cursor = Cursor(String::from_utf8_lossy(bytes).into_owned());
    let read = TreeCursor::read(&OPERATION, &cursor);
    read.map_or(Outcome::Refused, |it| Outcome::Again(it.write().0.into()))
}
