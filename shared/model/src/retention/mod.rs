//! Retention: which versions and restore points of a mailbox are kept.
//!
//! The rules are pure. Only times decide, counted back from a trusted now; a number of snapshots never
//! does, because whoever can add snapshots could then push good ones out. Three things follow from that
//! and are tested:
//!
//! * what one rule keeps, no other rule takes away;
//! * adding commits behind the newest one never makes anything go that would have stayed;
//! * doubt keeps: a commit whose time does not fit its neighbours stays and displaces nothing.

mod clock;
mod points;
mod policy;
mod rules;
#[cfg(test)]
mod tests;

pub use clock::{MAX_SILENCE_DAYS, TrustedNow};
pub use points::{Moment, RestorePoints};
pub use policy::{PointRule, RetentionPolicy};
pub use rules::{Decision, Reason, RetentionRules, VersionSpan};
