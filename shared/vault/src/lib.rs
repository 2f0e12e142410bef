//! The vault: encrypted, append-only mailbox storage over a [`Store`](mailkeep_ports::Store).
//!
//! The lower half (this file's modules but `index`) knows objects: how they are named, sealed,
//! compressed and read, and how an item's content is cut into frames. The upper half (`index`) knows
//! mailboxes: commits, rows, checkpoints, views.
//!
//! Architecture invariant: no clock, no randomness and no I/O but through
//! [`VaultContext`]; `format` does none at all.

pub mod context;
pub mod error;
pub mod format;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(test)]
mod golden_export_tests;
#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod guard_tests;
pub mod ids;

mod assembly;
mod body;
mod buffers;
mod chunk;
mod compress;
mod content_store;
#[cfg(test)]
mod content_tests;
mod core;
mod create;
mod crypto;
mod dense;
mod dictionary;
mod documents;
mod drill;
mod erasure;
mod fetch;
pub mod index;
#[cfg(test)]
mod key_tests;
mod keychain;
mod keys;
mod lock;
mod lock_extend;
#[cfg(test)]
mod lock_tests;
mod looking;
mod mailbox;
mod mailbox_keys;
mod mailboxes;
mod names;
mod object;
mod pack;
mod pack_checks;
mod pack_rows;
mod pack_table;
mod reader;
mod recipients;
mod recovery_key;
pub mod repair;
mod rest_checks;
pub mod retain;
mod roots;
mod runs;
#[cfg(test)]
mod testing;
mod unlock;
mod vault;
#[cfg(test)]
mod vault_tests;

pub use content_store::{ContentHead, ExportSource, StoredContent};
pub use context::VaultContext;
pub use create::CreateOptions;
pub use documents::PutMode;
pub use drill::{Drill, DrillItem, drill};
pub use erasure::Erasure;
pub use error::{StoreContentError, VaultError};
pub use ids::{ContentId, ItemKey, MailboxId, PackNumber, Ulid};
pub use index::{
    ChangeKinds, CommitInfo, Committed, Defect, DiffPage, Difference, EndOfRun, Finding,
    IndexCounts, ItemFilter, ItemPage, ItemVersion, Known, LeftOut, MailboxView, MailboxWriter,
    ObjectCounts, PageToken, RowContent, Snapshot, StoredFolder,
};
pub use keychain::rotation::Rotation;
pub use keychain::{Keychain, RecipientDetails, RecipientEntry, RecipientKind};
pub use lock::{LockPolicy, MAX_LOCK_DAYS};
pub use lock_extend::{Extension, LockFinding, LockReport};
pub use mailbox::Mailbox;
pub use mailboxes::{MailboxDetails, MailboxListing};
pub use pack_checks::{PackChecks, share_of};
pub use pack_table::{ContentRef, PackEntry, PackId, PartLocation};
pub use reader::ItemReader;
pub use recipients::{PassphraseCost, Recipient, Unlock};
pub use recovery_key::RecoveryKey;
pub use repair::{LostItem, RepairAction, RepairMode, RepairReport};
pub use rest_checks::RestReport;
pub use retain::{
    DEFAULT_GRACE_DAYS, Hold, MIN_GRACE_DAYS, MailboxPlan, PolicyScope, Retained, RetentionSettings,
};
pub use runs::RunHistory;
pub use vault::{Vault, VaultInfo};
