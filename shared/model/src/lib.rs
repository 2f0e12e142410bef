//! Plain data and pure rules of mailkeep: what a mailbox, a folder, an item and a run are, what
//! a job is, when it may work, which items it takes and in which states it is.
//!
//! Architecture invariant: this crate does no I/O, knows no async runtime and reads no clock.

pub mod extent;
pub mod failure;
pub mod field_error;
pub mod filter;
pub mod folder;
pub mod item;
pub mod job;
pub mod mailbox;
pub mod news;
pub mod progress;
pub mod retention;
pub mod run;
pub mod schedule;
pub mod state;

pub use extent::Extent;
pub use failure::{Action, FailureClass, Gap, ItemFailure};
pub use field_error::{FieldError, FieldErrors};
pub use folder::{Folder, FolderId, FolderKind, FolderPath, WellKnownFolder};
pub use item::{
    Address, Flag, FlagStatus, Importance, Item, ItemId, ItemKind, Representation, Sensitivity,
};
pub use mailbox::{LicenseState, MailboxKind, MailboxProfile, PUBLIC_FOLDERS, SourceMailboxId};
pub use retention::{
    Decision, Moment, PointRule, Reason, RestorePoints, RetentionPolicy, RetentionRules,
    TrustedNow, VersionSpan,
};
pub use run::{Counters, MailboxOutcome, MailboxSummary, RunId, RunOutcome, RunSummary};
