//! Leases of mailboxes: at most one worker works on a mailbox at a time, whichever job or operation it
//! is for.

mod hold;
mod lease;
mod work;

pub(crate) use hold::Held;
pub use lease::{CALLS_AT_ONCE, Holder, LeaseRecord};
pub use work::WorkKey;
