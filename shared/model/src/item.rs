//! Items of a mailbox: the metadata that an index row keeps.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::FolderId;

/// An item's id at the source. Opaque and case-sensitive; immutable inside its mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemId(pub String);

impl ItemId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name and an address, as shown in a mail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Address {
    /// Display name, may be empty.
    pub name: String,
    /// Address; SMTP or an Exchange distinguished name.
    pub address: String,
}

/// The broad kind of an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ItemKind {
    /// Mail and everything else that Exchange keeps in mail folders.
    #[default]
    Message,
    /// Meeting request, response or cancellation.
    MeetingMessage,
    /// Calendar event.
    Event,
    /// Contact.
    Contact,
    /// Distribution list in a contact folder.
    DistributionList,
    /// Task.
    Task,
    /// Sticky note.
    Note,
    /// Journal entry.
    Journal,
    /// Post in a folder.
    Post,
    /// A class that this version does not know.
    Other,
}

impl ItemKind {
    /// The kind that a message class such as `IPM.Schedule.Meeting.Request` stands for.
    #[must_use]
    pub fn from_class(class: &str) -> Self {
        let class = class.to_ascii_lowercase();
        let is = |prefix: &str| {
            class
                .strip_prefix(prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        if is("ipm.schedule.meeting") {
            Self::MeetingMessage
        } else if class.is_empty() || is("ipm.note") || is("report") || class == "ipm" {
            Self::Message
        } else if is("ipm.appointment") {
            Self::Event
        } else if is("ipm.contact") {
            Self::Contact
        } else if is("ipm.distlist") {
            Self::DistributionList
        } else if is("ipm.task") {
            Self::Task
        } else if is("ipm.stickynote") {
            Self::Note
        } else if is("ipm.activity") {
            Self::Journal
        } else if is("ipm.post") {
            Self::Post
        } else {
            Self::Other
        }
    }
}

/// Follow-up flag state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FlagStatus {
    /// No flag.
    #[default]
    NotFlagged,
    /// Flagged for follow-up.
    Flagged,
    /// Followed up.
    Complete,
}

/// Follow-up flag with its dates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flag {
    /// State.
    pub status: FlagStatus,
    /// Start of the follow-up.
    pub start_at: Option<DateTime<Utc>>,
    /// Due.
    pub due_at: Option<DateTime<Utc>>,
    /// Completed.
    pub completed_at: Option<DateTime<Utc>>,
}

/// Importance of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Importance {
    /// Low.
    Low,
    /// Normal.
    #[default]
    Normal,
    /// High.
    High,
}

/// Sensitivity of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Sensitivity {
    /// Normal.
    #[default]
    Normal,
    /// Personal.
    Personal,
    /// Private.
    Private,
    /// Confidential.
    Confidential,
}

/// How the stored content of an item came to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Representation {
    /// MIME as the source returned it, byte for byte.
    #[default]
    Mime,
    /// The source could not produce MIME; it was built from properties and attachments.
    MimeRebuilt,
}

/// The metadata of an item: everything that may change without its content changing, and what
/// people search by. Content and the properties that MIME lacks are stored beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Id at the source.
    pub id: ItemId,
    /// The source's version mark of the item; changes with every change.
    pub change_key: String,
    /// The folder that holds it.
    pub folder: FolderId,
    /// Message class, for example `IPM.Note`.
    pub class: String,
    /// Kind that follows from the class.
    pub kind: ItemKind,
    /// Subject.
    pub subject: String,
    /// From.
    pub from: Address,
    /// Sender, when it differs from `from`.
    pub sender: Option<Address>,
    /// To recipients.
    pub to: Vec<Address>,
    /// Cc recipients.
    pub cc: Vec<Address>,
    /// Bcc recipients (sent items and drafts).
    pub bcc: Vec<Address>,
    /// Submitted.
    pub sent_at: Option<DateTime<Utc>>,
    /// Delivered.
    pub received_at: Option<DateTime<Utc>>,
    /// Created in the mailbox.
    pub created_at: Option<DateTime<Utc>>,
    /// Last modified.
    pub modified_at: Option<DateTime<Utc>>,
    /// Size that the source reports.
    pub size_bytes: u64,
    /// `Message-ID` with its angle brackets.
    pub internet_message_id: String,
    /// Conversation id at the source.
    pub conversation_id: String,
    /// Read.
    pub is_read: bool,
    /// Draft.
    pub is_draft: bool,
    /// The source says that there are attachments (inline images do not count there).
    pub has_attachments: bool,
    /// Follow-up flag.
    pub flag: Flag,
    /// Categories.
    pub categories: Vec<String>,
    /// Importance.
    pub importance: Importance,
    /// Sensitivity.
    pub sensitivity: Sensitivity,
}

impl Item {
    /// An item with everything but ids empty; tests and parsers fill in what they know.
    #[must_use]
    pub fn new(id: ItemId, folder: FolderId) -> Self {
        Self {
            id,
            change_key: String::new(),
            folder,
            class: "IPM.Note".into(),
            kind: ItemKind::Message,
            subject: String::new(),
            from: Address::default(),
            sender: None,
            to: vec![],
            cc: vec![],
            bcc: vec![],
            sent_at: None,
            received_at: None,
            created_at: None,
            modified_at: None,
            size_bytes: 0,
            internet_message_id: String::new(),
            conversation_id: String::new(),
            is_read: false,
            is_draft: false,
            has_attachments: false,
            flag: Flag::default(),
            categories: vec![],
            importance: Importance::default(),
            sensitivity: Sensitivity::default(),
        }
    }

    /// The time that sorts items in a folder: received, else sent, else created, else the epoch.
    #[must_use]
    pub fn sort_time(&self) -> DateTime<Utc> {
        self.received_at
            .or(self.sent_at)
            .or(self.created_at)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_prefix_ends_at_a_dot() {
        assert_eq!(ItemKind::from_class("IPM.Note.SMIME"), ItemKind::Message);
        assert_eq!(ItemKind::from_class("IPM.Notebook"), ItemKind::Other);
        assert_eq!(
            ItemKind::from_class("ipm.schedule.meeting.request"),
            ItemKind::MeetingMessage
        );
        assert_eq!(
            ItemKind::from_class("REPORT.IPM.Note.NDR"),
            ItemKind::Message
        );
    }
}
