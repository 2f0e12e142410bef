//! Retention: policies and legal holds as sealed documents, and what they mean for a mailbox.
//!
//! `docs/retention.md` describes the rules and why they are so; the rules themselves are
//! [`mailkeep_model::retention`]. Nothing in here changes a mailbox.

mod hold;
mod plan;
mod settings;
mod signs;
#[cfg(test)]
mod tests;

pub use hold::Hold;
pub use plan::MailboxPlan;
pub use settings::{PolicyScope, RetentionSettings};
