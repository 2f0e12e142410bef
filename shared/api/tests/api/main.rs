//! The API over real HTTP: a vault that was filled from the simulated tenant, a table in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

mod connections;
mod content;
mod jobs;
mod manners;
mod operations;
mod roles;
mod support;
