//! Restore of stored items into a mailbox: `plan` says what would happen, `run` does it.
//!
//! Every item carries a marker that follows from the vault, the item, its version and the target
//! folder. Repeating a restore finds its own work by it, so it can be repeated until all is there.

mod account;
mod attachment;
mod conflict;
mod folders;
mod item;
mod keep;
mod marker;
mod one;
mod plan;
pub mod request;
mod run;
pub mod summary;

pub use keep::{RestoreKeeper, Restored, go_on};
pub use plan::plan;
pub use request::{ConflictPolicy, Placement, RestoreRequest};
pub use run::run;
pub use summary::{ItemProblem, PlannedFolder, RestoreOutcome, RestorePlan, RestoreSummary};
