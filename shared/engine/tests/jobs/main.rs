//! Jobs on a table and a queue in memory, with a site that only pretends to back up.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod cycles;
mod fake;
mod faults;
mod hooks;
mod leases;
mod news;
mod operation_faults;
mod operations;
mod planners;
mod planning;
mod repository;
mod results;
mod rig;
mod stalled;
mod year;
