//! Retention: policies and legal holds as sealed documents, and what they mean for a mailbox.
//!
//! `docs/retention.md` describes the rules and why they are so; the rules themselves are
//! [`mailkeep_model::retention`].
//!
//! Code map: `settings`, `hold` and `signs` (what decides), `plan` (what it means), `run` and `report`
//! (the run that deletes, step by step), `committer` (its commits), `account`, `copy` and `collect` (garbage
//! collection), `raise` (closing the log), `sweep` (deleting).

mod account;
mod collect;
pub(crate) mod committer;
mod copy;
pub(crate) mod hold;
mod plan;
pub(crate) mod raise;
pub(crate) mod report;
mod run;
#[cfg(test)]
mod run_tests;
pub(crate) mod settings;
mod signs;
pub(crate) mod sweep;
#[cfg(test)]
mod tests;

pub use hold::Hold;
pub use plan::MailboxPlan;
pub use report::Retained;
pub use run::{DEFAULT_GRACE_DAYS, MIN_GRACE_DAYS};
pub use settings::{PolicyScope, RetentionSettings};
