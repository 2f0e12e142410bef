//! Leases of mailboxes: at most one worker works on a mailbox at a time, whichever job it is for.

mod lease;

pub use lease::{CALLS_AT_ONCE, Holder, LeaseRecord};
