//! Connectors to Exchange behind one [`Source`] and one [`Target`] trait.
//!
//! Architecture invariant: the traits and their types know nothing of Graph or EWS; the connectors
//! know nothing of vaults, jobs or command lines.

mod auth;
mod budget;
mod composed;
pub mod error;
pub mod ews;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod graph;
mod metrics;
mod retry;
pub mod source;
pub mod target;

pub use error::SourceError;
pub use source::{
    ByteStream, ChangePage, Cursor, ExportStream, FolderChanges, FolderCursor, ItemChange,
    ItemContent, MailboxPage, PermissionCheck, Source, SourceItem, SourceMetrics, SyncRequest,
    SyncRound,
};
pub use target::{
    AttachmentContent, CreateOutcome, ExistingItem, RestoreAttachment, RestoreExport, RestoreItem,
    Shelf, Target,
};
