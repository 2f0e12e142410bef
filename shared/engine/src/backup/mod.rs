//! Backup of mailboxes into the vault.
//!
//! A mailbox goes through these steps: open the writer (`session`), ask the source for its tree
//! and the first page of every folder (`tree`), try the gaps of earlier runs again (`gaps`) and those items that a filter left out and
//! that are due (`left_out`), follow
//! each folder page by page (`follow`, `take`), verify what seems to be removed (`removals`), compare
//! with what the source counts (`counts`) and end (`finish`). Cursors are staged only after what they passed is staged, and both become
//! durable in one commit (`commit`).

pub mod request;

mod commit;
mod counts;
mod cursor;
mod exports;
mod finish;
mod follow;
mod gaps;
mod halt;
mod left_out;
mod process;
mod removals;
mod run;
mod scope;
mod session;
mod take;
mod timing;
mod tree;

pub use request::{BackupRequest, CycleRules, FolderPathChoice, FolderScope, MailboxScope};
pub(crate) use run::extend_locks;
pub use run::{MailboxRun, back_up_mailbox, backup};
