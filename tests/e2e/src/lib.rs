//! A rig for end-to-end scenarios: the real engine, vault and connectors against the simulated
//! tenant over HTTP, in one process and on one virtual clock, and the comparison with the truth.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "this crate serves tests only: a broken expectation is meant to end them"
)]

mod change;
mod clock;
mod compare;
mod exchange;
mod rig;
mod sink;

pub use change::change_mail;
pub use clock::TenantClock;
pub use compare::{MailFacts, MailboxFacts, Truth, digest, stored, truth};
pub use exchange::{Exchange, ExchangeFacts};
pub use rig::{Rig, of, small};
pub use sink::MemorySink;
