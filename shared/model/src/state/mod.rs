//! The one state machine of everything that runs: backups, restores, exports and migrations, as whole
//! runs and as the task of one mailbox. How the states of tasks become that of a run, and those of
//! mailboxes the health of a job. Which words each kind of list shows for them.
//!
//! ```text
//! queued ─► running ◄─► retrying ◄─► attempt_failed ─► cancelled (retry limit)
//!              │ ▲ └──► waiting_for_person ─► queued
//!              │ ├─► idle, out_of_window        (and back)
//!              │ └─► stopping ─► stopped
//!              └─► completed, completed_with_warnings, partial, failed, link_ready ─► expired
//! ```
//!
//! Every state that is no success holds the reason, which has a code and an action for a person.

mod machine;
mod reason;
mod retry;
mod roll_up;
mod words;

#[cfg(test)]
mod machine_tests;
#[cfg(test)]
mod tests;

pub use machine::{Activity, CancelReason, End, Event, IllegalStep, State};
pub use reason::Reason;
pub use retry::{Retry, RetryPolicy};
pub use roll_up::{Health, MailboxHealth, Tally, TaskEnd, health};
pub use words::{Vocabulary, words};
