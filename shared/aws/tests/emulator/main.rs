//! The adapters against an AWS emulator, ministack. `./check aws` starts one and runs these tests; by
//! itself `cargo test` says that they are ignored.
//!
//! Where ministack 1.5.33 is not as S3:
//! * a wrong date in the signature and a wrong signature are accepted, so is a link that has expired:
//!   that links are made with a time is all that is tested;
//! * KMS notices neither damage nor another key's ciphertext;
//! * permissions are not enforced: errors of that kind are tested with canned answers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod kms;
mod notify;
mod queue;
mod s3;
mod secrets;
mod support;
mod table;
