//! How far changes were followed, as text that only this connector reads.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use mailkeep_model::FailureClass;

use super::error_map::Operation;
use crate::{Cursor, SourceError};

/// What a page of a folder's change feed carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FeedMode {
    /// Full descriptions.
    Full,
    /// Only ids; each item is then described by itself. For folders with an item that cannot be
    /// described, and for services that do not expand properties in a change feed.
    Ids,
}

/// The place in one folder's change feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ItemCursor {
    /// Version of this text.
    v: u32,
    /// The service's link.
    pub(crate) link: String,
    /// The kind of ids that the link was made with.
    ids: String,
    /// What its pages carry.
    pub(crate) mode: FeedMode,
    /// Page size that worked last.
    pub(crate) page: u32,
}

/// The place in the tree's change feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TreeCursor {
    /// Version of this text.
    v: u32,
    /// The service's link.
    pub(crate) link: String,
    /// The folder whose hidden children were looked at last.
    pub(crate) looked_at: String,
    /// Child counts of the hidden folders at the top, to see when one gets a child.
    pub(crate) hidden_children: std::collections::BTreeMap<String, u64>,
}

const VERSION: u32 = 1;
const IMMUTABLE: &str = "immutable";

impl ItemCursor {
    pub(crate) fn new(link: String, mode: FeedMode, page: u32) -> Self {
        Self {
            v: VERSION,
            link,
            ids: IMMUTABLE.into(),
            mode,
            page,
        }
    }

    /// Reads a cursor. One that this version does not understand is lost, so the folder is listed
    /// anew.
    pub(crate) fn read(operation: &Operation, cursor: &Cursor) -> Result<Self, SourceError> {
        let read: Self = read(operation, cursor)?;
        if read.v == VERSION && read.ids == IMMUTABLE {
            Ok(read)
        } else {
            Err(lost(operation))
        }
    }

    pub(crate) fn write(&self) -> Cursor {
        write(self)
    }
}

impl TreeCursor {
    pub(crate) fn new(link: String) -> Self {
        Self {
            v: VERSION,
            link,
            looked_at: String::new(),
            hidden_children: Default::default(),
        }
    }

    /// Reads a cursor; as [`ItemCursor::read`].
    pub(crate) fn read(operation: &Operation, cursor: &Cursor) -> Result<Self, SourceError> {
        let read: Self = read(operation, cursor)?;
        if read.v == VERSION {
            Ok(read)
        } else {
            Err(lost(operation))
        }
    }

    pub(crate) fn write(&self) -> Cursor {
        write(self)
    }
}

fn read<T: DeserializeOwned>(operation: &Operation, cursor: &Cursor) -> Result<T, SourceError> {
    serde_json::from_str(&cursor.0).map_err(|_| lost(operation))
}

fn write(value: &impl Serialize) -> Cursor {
    Cursor(serde_json::to_string(value).unwrap_or_default())
}

fn lost(operation: &Operation) -> SourceError {
    operation.error(
        FailureClass::SyncReset,
        "unknown_cursor",
        "the stored cursor is of another kind",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::error_map::Asked;

    const TRY: Operation = Operation::new("try", Asked::Folder, "Mail.Read");

    #[test]
    fn survives_and_unknown_kinds_are_lost() {
        let cursor = ItemCursor::new("https://x/v1.0/y".into(), FeedMode::Ids, 50);
        assert_eq!(ItemCursor::read(&TRY, &cursor.write()).unwrap(), cursor);
        let text = cursor.write().0;
        for other in [
            text.replace("\"v\":1", "\"v\":2"),
            text.replace("immutable", "ordinary"),
            String::new(),
            "https://x/y".into(),
        ] {
            let error = ItemCursor::read(&TRY, &Cursor(other)).unwrap_err();
            assert_eq!(error.class, FailureClass::SyncReset);
        }
    }
}
