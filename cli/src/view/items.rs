//! Items as rows and as JSON objects.

use chrono::{DateTime, Utc};
use mailkeep_model::{Address, Item};
use mailkeep_vault::ItemVersion;
use serde::Serialize;

use crate::CliError;
use crate::output::{Column, Output, Table, human, table};

/// The columns of a list of items.
pub const COLUMNS: [Column; 6] = [
    Column::left("ITEM", 13),
    Column::left("RECEIVED", 17),
    Column::right("SIZE", 8),
    Column::left("", 3),
    Column::left("FROM", 24),
    Column::left("SUBJECT", 0),
];

/// An item as a JSON object.
#[derive(Serialize)]
#[serde(tag = "type", rename = "item")]
pub struct ItemObject<'a> {
    /// Address of the mailbox.
    pub mailbox: &'a str,
    /// The reference.
    pub item: String,
    /// Path of the folder.
    pub folder: &'a str,
    /// The commit that brought this version.
    pub since_sequence: u64,
    /// Deleted at the source.
    pub deleted: bool,
    /// False when the content could never be read.
    pub has_content: bool,
    /// Sender, recipients, times, flags: everything but the ids.
    #[serde(flatten)]
    pub metadata: Metadata<'a>,
}

/// The metadata of an item.
#[derive(Serialize)]
pub struct Metadata<'a> {
    class: &'a str,
    subject: &'a str,
    from: &'a Address,
    to: &'a [Address],
    cc: &'a [Address],
    bcc: &'a [Address],
    sent_at: Option<DateTime<Utc>>,
    received_at: Option<DateTime<Utc>>,
    size_bytes: u64,
    internet_message_id: &'a str,
    is_read: bool,
    is_draft: bool,
    has_attachments: bool,
    flag: mailkeep_model::FlagStatus,
    categories: &'a [String],
    importance: mailkeep_model::Importance,
    sensitivity: mailkeep_model::Sensitivity,
}

impl<'a> Metadata<'a> {
    /// The metadata of this item.
    #[must_use]
    pub fn of(item: &'a Item) -> Self {
        Self {
            class: &item.class,
            subject: &item.subject,
            from: &item.from,
            to: &item.to,
            cc: &item.cc,
            bcc: &item.bcc,
            sent_at: item.sent_at,
            received_at: item.received_at,
            size_bytes: item.size_bytes,
            internet_message_id: &item.internet_message_id,
            is_read: item.is_read,
            is_draft: item.is_draft,
            has_attachments: item.has_attachments,
            flag: item.flag.status,
            categories: &item.categories,
            importance: item.importance,
            sensitivity: item.sensitivity,
        }
    }
}

impl<'a> ItemObject<'a> {
    /// This version of an item.
    #[must_use]
    pub fn of(mailbox: &'a str, folder: &'a str, version: &'a ItemVersion) -> Self {
        Self {
            mailbox,
            item: version.key.to_string(),
            folder,
            since_sequence: version.from_sequence,
            deleted: version.deleted,
            has_content: version.content.is_some(),
            metadata: Metadata::of(&version.item),
        }
    }
}

/// Prints one item as a row or an object.
///
/// # Errors
/// When the output cannot be written.
pub fn show(
    output: &mut Output,
    table: &mut Table<6>,
    mailbox: &str,
    folder: &str,
    version: &ItemVersion,
) -> Result<(), CliError> {
    output.object(&ItemObject::of(mailbox, folder, version))?;
    output.row(table, cells(version))
}

fn cells(version: &ItemVersion) -> [String; 6] {
    let item = &version.item;
    let from = if item.from.name.is_empty() {
        &item.from.address
    } else {
        &item.from.name
    };
    [
        version.key.to_string(),
        human::time(item.sort_time()),
        human::size(item.size_bytes),
        marks(item, version.deleted),
        table::cut(from, 24),
        item.subject.clone(),
    ]
}

/// `*` unread, `@` attachment, `!` flagged, `D` deleted at the source.
fn marks(item: &Item, deleted: bool) -> String {
    let mut text = String::new();
    for (is_so, mark) in [
        (deleted, 'D'),
        (!item.is_read, '*'),
        (item.has_attachments, '@'),
        (item.flag.status == mailkeep_model::FlagStatus::Flagged, '!'),
    ] {
        if is_so {
            text.push(mark);
        }
    }
    text
}
