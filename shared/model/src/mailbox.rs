//! Mailboxes as a source lists them.

use serde::{Deserialize, Serialize};

/// A mailbox's stable id at its source (for Exchange Online the Entra object id).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceMailboxId(pub String);

impl SourceMailboxId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Id and address under which an organisation's public folders are kept. No mailbox has it: it has
/// no `@`.
pub const PUBLIC_FOLDERS: &str = "public-folders";

/// What a mailbox is used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MailboxKind {
    /// A person's mailbox.
    User,
    /// A shared mailbox.
    Shared,
    /// A room.
    Room,
    /// Equipment.
    Equipment,
    /// A linked mailbox.
    Linked,
    /// The public folders of an organisation, kept like one mailbox.
    PublicFolders,
    /// The source did not tell, or told something new.
    #[default]
    Other,
}

/// Whether the account may have a mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LicenseState {
    /// An Exchange plan is enabled.
    Licensed,
    /// No Exchange plan. Shared, room and equipment mailboxes are ordinarily so.
    Unlicensed,
    /// The source did not tell.
    #[default]
    Unknown,
}

/// What is known of a mailbox at its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxProfile {
    /// Stable id at the source.
    pub id: SourceMailboxId,
    /// Primary mail address.
    pub address: String,
    /// Display name.
    pub display_name: String,
    /// Use of the mailbox.
    pub kind: MailboxKind,
    /// Licence state of the account.
    pub license: LicenseState,
    /// False when sign-in is blocked (ordinary for shared mailboxes).
    pub account_enabled: bool,
}
