//! Conditions that items must fulfil.

use chrono::{DateTime, Utc};
use mailkeep_vault::ItemFilter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// Longest text that is looked for.
const MAX_TEXT: usize = 500;
/// Most categories.
const MAX_CATEGORIES: usize = 100;

/// Conditions: everything that is set must hold. Texts match anywhere inside, whatever their case.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "ItemFilter")]
pub(super) struct FilterBody {
    /// In the name or address of the sender.
    #[schemars(length(max = 500))]
    from: Option<String>,
    /// In the name or address of a recipient.
    #[schemars(length(max = 500))]
    recipient: Option<String>,
    /// In the subject.
    #[schemars(length(max = 500))]
    subject: Option<String>,
    /// In the subject, a name, an address, a category or the message id.
    #[schemars(length(max = 500))]
    text: Option<String>,
    /// Received (or sent, or created) at this time or later.
    since: Option<DateTime<Utc>>,
    /// Received (or sent, or created) before this time.
    before: Option<DateTime<Utc>>,
    /// At least this size.
    min_size_bytes: Option<u64>,
    /// At most this size.
    max_size_bytes: Option<u64>,
    /// With or without attachments.
    has_attachments: Option<bool>,
    /// Read or unread.
    is_read: Option<bool>,
    /// With one of these categories.
    #[schemars(length(max = 100))]
    categories: Vec<String>,
    /// Also items that were removed at the source.
    deleted: bool,
}

impl FilterBody {
    /// The same as it is shown. Folders are told apart.
    pub(super) fn of(filter: ItemFilter) -> Self {
        Self {
            from: filter.sender,
            recipient: filter.recipient,
            subject: filter.subject,
            text: filter.text,
            since: filter.since,
            before: filter.before,
            min_size_bytes: filter.min_size_bytes,
            max_size_bytes: filter.max_size_bytes,
            has_attachments: filter.has_attachments,
            is_read: filter.is_read,
            categories: filter.categories,
            deleted: filter.include_deleted,
        }
    }

    /// The same as the vault knows it, without folders.
    pub(super) fn into_filter(self) -> Result<ItemFilter, Problem> {
        let texts = [
            ("filter.from", &self.from),
            ("filter.recipient", &self.recipient),
            ("filter.subject", &self.subject),
            ("filter.text", &self.text),
        ];
        for (field, text) in texts {
            if text
                .as_ref()
                .is_some_and(|text| text.chars().count() > MAX_TEXT)
            {
                return Err(Problem::field(field, "has more than 500 characters"));
            }
        }
        if self.categories.len() > MAX_CATEGORIES {
            let problem = "name at most 100 categories";
            return Err(Problem::field("filter.categories", problem));
        }
        Ok(ItemFilter {
            folders: None,
            sender: self.from,
            recipient: self.recipient,
            subject: self.subject,
            text: self.text,
            since: self.since,
            before: self.before,
            min_size_bytes: self.min_size_bytes,
            max_size_bytes: self.max_size_bytes,
            has_attachments: self.has_attachments,
            is_read: self.is_read,
            categories: self.categories,
            include_deleted: self.deleted,
        })
    }
}
