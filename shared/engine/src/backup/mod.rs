//! Backup of mailboxes into the vault.

pub mod request;

pub use request::{BackupRequest, FolderScope, MailboxScope};
