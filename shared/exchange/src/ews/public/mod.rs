//! Public folders.
//!
//! They are kept like one mailbox, whose id is [`PUBLIC_FOLDERS`]. Exchange spreads them over mailboxes
//! of their own: one has the hierarchy, each folder's items are in one of them, and a call has to say in
//! two headers which one it means (`route`). Inside this connector each of these mailboxes has an id
//! below [`PUBLIC_FOLDERS`], so that everything that asks about items of a mailbox serves public folders
//! as well. The hierarchy is walked level by level (`tree`), because deep listings are refused, and
//! folders are listed and compared (`items`), because there is no synchronisation.

mod discover;
mod items;
mod route;
mod tree;

use mailkeep_model::{LicenseState, MailboxKind, MailboxProfile, PUBLIC_FOLDERS, SourceMailboxId};

pub(crate) use route::Public;
pub(crate) use tree::ROOT;

use super::connection::configuration;
use crate::SourceError;

/// Whether this is the id of the public folders, or of one of the mailboxes that hold them.
pub(crate) fn is_public(mailbox: &SourceMailboxId) -> bool {
    let rest = mailbox.as_str().strip_prefix(PUBLIC_FOLDERS);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The id of the public folders.
pub(crate) fn public_id() -> SourceMailboxId {
    SourceMailboxId(PUBLIC_FOLDERS.into())
}

/// The id of the mailbox with this GUID that holds items of public folders.
fn home_id(guid: &str) -> SourceMailboxId {
    SourceMailboxId(format!("{PUBLIC_FOLDERS}/{guid}"))
}

/// The GUID in such an id; `None` for the hierarchy.
fn home_guid(mailbox: &SourceMailboxId) -> Option<&str> {
    let rest = mailbox.as_str().strip_prefix(PUBLIC_FOLDERS)?;
    rest.strip_prefix('/')
}

/// The public folders as a mailbox.
pub(crate) fn profile() -> MailboxProfile {
    MailboxProfile {
        id: public_id(),
        address: PUBLIC_FOLDERS.into(),
        display_name: "Public folders".into(),
        kind: MailboxKind::PublicFolders,
        license: LicenseState::Unknown,
        account_enabled: true,
    }
}

/// The connection was not told how to reach public folders.
pub(crate) fn not_set_up() -> SourceError {
    configuration(
        "no_public_folders",
        "the connection does not say with whose rights public folders are opened; store it again with \
         --public-folders-as ADDRESS --replace",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_apart() {
        let home = home_id("1ec2a236-ed93-4f88-b9c6-33e63fa4aa44");
        assert!(is_public(&public_id()) && is_public(&home));
        assert_eq!(home_guid(&public_id()), None);
        assert_eq!(
            home_guid(&home),
            Some("1ec2a236-ed93-4f88-b9c6-33e63fa4aa44")
        );
        for other in ["public-folders@x.example", "public-foldersx", "ann@x"] {
            assert!(!is_public(&SourceMailboxId(other.into())), "{other}");
        }
    }
}
