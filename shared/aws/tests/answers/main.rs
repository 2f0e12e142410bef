//! What AWS may answer, from a server that says exactly that.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod canned;
mod kms;
mod notify;
mod queue;
mod s3;
mod table;
