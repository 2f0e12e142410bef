//! Messages that commit records and checkpoints share.

use chrono::{DateTime, Utc};
use mailkeep_model::{Folder, FolderId, Gap, ItemFailure, ItemId};
use prost::Message;

use crate::error::VaultError;
use crate::format::FORMAT;
use crate::index::rows::codes;
use crate::index::rows::column::Malformed;

/// A folder's description.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct FolderMessage {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(string, optional, tag = "2")]
    pub parent: Option<String>,
    #[prost(string, tag = "3")]
    pub name: String,
    /// The name that Graph gives a well-known folder.
    #[prost(string, tag = "4")]
    pub well_known: String,
    #[prost(bool, tag = "5")]
    pub is_hidden: bool,
    #[prost(string, tag = "6")]
    pub class: String,
    #[prost(uint64, optional, tag = "7")]
    pub total_items: Option<u64>,
}

impl FolderMessage {
    /// The message for a folder.
    pub(crate) fn of(folder: &Folder) -> Self {
        Self {
            id: folder.id.0.clone(),
            parent: folder.parent.as_ref().map(|id| id.0.clone()),
            name: folder.name.clone(),
            well_known: folder
                .well_known
                .map_or("", |known| known.graph_name())
                .into(),
            is_hidden: folder.is_hidden,
            class: folder.class.clone(),
            total_items: folder.total_items,
        }
    }

    /// The folder.
    pub(crate) fn folder(self) -> Folder {
        Folder {
            id: FolderId(self.id),
            parent: self.parent.map(FolderId),
            name: self.name,
            well_known: codes::well_known(&self.well_known),
            is_hidden: self.is_hidden,
            class: self.class,
            total_items: self.total_items,
        }
    }
}

/// An entry of the failed-item ledger.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GapMessage {
    #[prost(string, tag = "1")]
    pub item: String,
    #[prost(string, tag = "2")]
    pub folder: String,
    #[prost(string, tag = "3")]
    pub class: String,
    #[prost(string, tag = "4")]
    pub code: String,
    #[prost(string, optional, tag = "5")]
    pub request_id: Option<String>,
    #[prost(uint32, tag = "6")]
    pub attempts: u32,
    #[prost(sint64, tag = "7")]
    pub first_failed_at_ms: i64,
    #[prost(sint64, tag = "8")]
    pub last_failed_at_ms: i64,
}

impl GapMessage {
    /// The message for a gap.
    pub(crate) fn of(gap: &Gap) -> Self {
        Self {
            item: gap.item.0.clone(),
            folder: gap.folder.0.clone(),
            class: gap.failure.class.code().into(),
            code: gap.failure.code.clone(),
            request_id: gap.failure.request_id.clone(),
            attempts: gap.attempts,
            first_failed_at_ms: gap.first_failed_at.timestamp_millis(),
            last_failed_at_ms: gap.last_failed_at.timestamp_millis(),
        }
    }

    /// The gap.
    pub(crate) fn gap(self) -> Result<Gap, Malformed> {
        Ok(Gap {
            item: ItemId(self.item),
            folder: FolderId(self.folder),
            failure: ItemFailure {
                class: codes::failure_class(&self.class),
                code: self.code,
                request_id: self.request_id,
            },
            attempts: self.attempts,
            first_failed_at: time(self.first_failed_at_ms)?,
            last_failed_at: time(self.last_failed_at_ms)?,
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct ReaderMessage {
    #[prost(uint32, tag = "1")]
    min_reader: u32,
}

/// Refuses a record of the index that a newer reader is needed for, before anything else is made of it.
/// What is not readable at all is left to its own decoder.
pub(crate) fn check_reader(object: &str, bytes: &[u8]) -> Result<(), VaultError> {
    match ReaderMessage::decode(bytes) {
        Ok(message) if message.min_reader > FORMAT.into() => Err(VaultError::NewerThanMe {
            object: object.into(),
            needs: message.min_reader,
        }),
        _ => Ok(()),
    }
}

/// A time in milliseconds since 1970.
pub(crate) fn time(milliseconds: i64) -> Result<DateTime<Utc>, Malformed> {
    DateTime::from_timestamp_millis(milliseconds).ok_or(Malformed("a time is out of range"))
}

/// A commit id.
pub(crate) fn commit_id(bytes: &[u8]) -> Result<[u8; 16], Malformed> {
    bytes
        .try_into()
        .map_err(|_| Malformed("a commit id does not have 16 bytes"))
}

/// An item and a folder.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PlaceMessage {
    #[prost(string, tag = "1")]
    pub item: String,
    #[prost(string, tag = "2")]
    pub folder: String,
}
