//! A small tenant in memory for the engine's tests: a deterministic `Source` and `Target` with
//! scripted faults, beside a real vault on the memory store.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

pub mod fault;
pub mod model;
pub mod rig;
pub mod source;
pub mod target;

pub use fault::{Fault, Op, Rule};
pub use model::{FakeItem, FakeMailbox};
pub use rig::Rig;
pub use source::{End, FakeTenant};
