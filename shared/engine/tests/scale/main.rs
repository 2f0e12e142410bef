//! What single steps of a backup ask of table, queue and store is what estimates say, for any number of
//! mailboxes: the counts grow in a straight line.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod planner;
mod rig;
mod town;
mod whole;
mod worker;
