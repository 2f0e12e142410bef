//! Looking into a vault: mailboxes, restore points, folders, items, differences, figures.

mod list;
mod mailbox;
mod snapshot;
mod stats;

pub use list::{FolderEntry, FolderListing, diff, find, item, ls};
pub use mailbox::{MailboxEntry, find_mailbox, mailbox_page, mailboxes};
pub use snapshot::{open, resolve, snapshots};
pub use stats::{MailboxStats, VaultStats, mailbox_stats, vault_stats};
