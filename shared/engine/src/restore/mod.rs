//! Restore of stored items into a mailbox.

pub mod request;
pub mod summary;

pub use request::{ConflictPolicy, Placement};
pub use summary::{ItemProblem, PlannedFolder, RestoreOutcome, RestorePlan, RestoreSummary};
