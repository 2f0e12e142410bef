//! The Graph connector against the simulated tenant, over real HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    missing_docs,
    unreachable_pub
)]

mod broken_server;
mod content;
mod faults;
mod groups;
mod listing;
mod requests;
mod restore;
mod setup;
mod sign_in;
