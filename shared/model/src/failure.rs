//! One failure taxonomy for every source of mail, with the action to take and the words to show.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{FolderId, ItemId};

/// What kind of failure a source or target reported. Same names in code, API and documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureClass {
    /// The secret or certificate is wrong or expired.
    AuthCredential,
    /// The token was refused although it was renewed.
    AuthToken,
    /// A permission was not granted to the application.
    AuthConsent,
    /// The application may not open this mailbox (policy or RBAC scope).
    AuthScope,
    /// Tenant id, host or another setting is wrong.
    Configuration,
    /// DNS, TCP, TLS, proxy or time-out.
    Connection,
    /// The mailbox does not exist any more.
    MailboxGone,
    /// No mailbox is reachable behind this account: unlicensed, inactive or on-premises.
    MailboxUnavailable,
    /// The mailbox is being moved or its store is busy.
    MailboxBusy,
    /// The target mailbox is full.
    TargetFull,
    /// The cursor is lost; the folder must be listed anew.
    SyncReset,
    /// The folder disappeared.
    FolderGone,
    /// The item disappeared.
    ItemGone,
    /// This one item cannot be read or written.
    ItemPermanent,
    /// The service asks to wait.
    Throttled,
    /// A passing fault of the service.
    Transient,
    /// The service refused our request as malformed: our bug.
    RequestBug,
    /// Something by that name or version exists already.
    Conflict,
    /// The vault could not be read or written.
    Vault,
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Stop everything on this connection; a person must act.
    StopConnection,
    /// Stop this mailbox; the others go on.
    StopMailbox,
    /// Wait and try again.
    Retry,
    /// List the folder anew and compare.
    Resync,
    /// Record the item as a gap and go on.
    RecordGap,
    /// Not an error: go on.
    Ignore,
    /// Resolve and go on.
    Resolve,
}

impl FailureClass {
    /// The action that this class asks for.
    #[must_use]
    pub fn action(self) -> Action {
        use FailureClass as C;
        match self {
            C::AuthCredential | C::AuthToken | C::AuthConsent | C::Configuration => {
                Action::StopConnection
            }
            C::AuthScope | C::MailboxGone | C::MailboxUnavailable | C::TargetFull | C::Vault => {
                Action::StopMailbox
            }
            C::Connection | C::MailboxBusy | C::Throttled | C::Transient => Action::Retry,
            C::SyncReset | C::FolderGone => Action::Resync,
            C::ItemPermanent | C::RequestBug => Action::RecordGap,
            C::ItemGone => Action::Ignore,
            C::Conflict => Action::Resolve,
        }
    }

    /// True for the classes that end with exit code 4 (authentication).
    #[must_use]
    pub fn is_authentication(self) -> bool {
        matches!(
            self,
            Self::AuthCredential | Self::AuthToken | Self::AuthConsent
        )
    }

    /// The stable code of this class, as in JSON output.
    #[must_use]
    pub fn code(self) -> &'static str {
        use FailureClass as C;
        match self {
            C::AuthCredential => "auth_credential",
            C::AuthToken => "auth_token",
            C::AuthConsent => "auth_consent",
            C::AuthScope => "auth_scope",
            C::Configuration => "configuration",
            C::Connection => "connection",
            C::MailboxGone => "mailbox_gone",
            C::MailboxUnavailable => "mailbox_unavailable",
            C::MailboxBusy => "mailbox_busy",
            C::TargetFull => "target_full",
            C::SyncReset => "sync_reset",
            C::FolderGone => "folder_gone",
            C::ItemGone => "item_gone",
            C::ItemPermanent => "item_permanent",
            C::Throttled => "throttled",
            C::Transient => "transient",
            C::RequestBug => "request_bug",
            C::Conflict => "conflict",
            C::Vault => "vault",
        }
    }

    /// The class with this stable code, if any.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        use FailureClass as C;
        [
            C::AuthCredential,
            C::AuthToken,
            C::AuthConsent,
            C::AuthScope,
            C::Configuration,
            C::Connection,
            C::MailboxGone,
            C::MailboxUnavailable,
            C::MailboxBusy,
            C::TargetFull,
            C::SyncReset,
            C::FolderGone,
            C::ItemGone,
            C::ItemPermanent,
            C::Throttled,
            C::Transient,
            C::RequestBug,
            C::Conflict,
            C::Vault,
        ]
        .into_iter()
        .find(|class| class.code() == code)
    }

    /// Words for a person: the cause and the next step.
    #[must_use]
    pub fn advice(self) -> &'static str {
        use FailureClass as C;
        match self {
            C::AuthCredential => {
                "Authentication failed: the secret or certificate is wrong or expired; renew it and run `mailkeep connection test`"
            }
            C::AuthToken => {
                "Authentication failed: the access token was refused; check the app registration"
            }
            C::AuthConsent => "A permission is missing; grant it and give admin consent",
            C::AuthScope => {
                "The app is not allowed on this mailbox; check its RBAC scope or access policy"
            }
            C::Configuration => "The connection is configured wrongly; check tenant id and hosts",
            C::Connection => "The service could not be reached; check network, DNS and proxy",
            C::MailboxGone => "The mailbox no longer exists; its backups are kept",
            C::MailboxUnavailable => {
                "No Exchange Online mailbox behind this account (unlicensed, inactive or on-premises)"
            }
            C::MailboxBusy => "The mailbox is temporarily unavailable; the next run tries again",
            C::TargetFull => "The target mailbox is full; make room and repeat the restore",
            C::SyncReset => "The change cursor was lost; the folder is listed anew",
            C::FolderGone => "The folder disappeared at the source",
            C::ItemGone => "The item disappeared at the source",
            C::ItemPermanent => "The item could not be read; every later run tries it again",
            C::Throttled => "The service is throttling; the work continues when it allows",
            C::Transient => "The service failed for a moment; the next run tries again",
            C::RequestBug => {
                "The service refused our request; please report this with the request id"
            }
            C::Conflict => "Something by that name exists already",
            C::Vault => {
                "The vault could not be read or written; check the storage and run `mailkeep verify`"
            }
        }
    }
}

/// Why one item could not be taken. Holds no subject and no address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemFailure {
    /// The class, which decides what happens next.
    pub class: FailureClass,
    /// The service's own code, for example `ErrorCorruptData`.
    pub code: String,
    /// The service's request id, for a support case.
    pub request_id: Option<String>,
}

/// An item that is missing from a backup: recorded, shown, and tried again by every later run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The item at the source.
    pub item: ItemId,
    /// The folder that it was seen in.
    pub folder: FolderId,
    /// The last failure.
    pub failure: ItemFailure,
    /// How many runs have tried.
    pub attempts: u32,
    /// When it failed for the first time.
    pub first_failed_at: DateTime<Utc>,
    /// When it failed for the last time.
    pub last_failed_at: DateTime<Utc>,
}
