//! What mailkeep does: backup, restore, export, browse and verify, over ports.
//!
//! Architecture invariant: this crate knows the traits `Source`, `Target`, `Store`, `Clock` and
//! `Rng`, and the vault. It names no protocol, no database, no cloud and no file path.

pub mod backup;
pub mod event;
pub mod export;
pub mod restore;
pub mod stop;
pub mod verify;

pub use event::{Event, Observer, Progress, Quiet};
pub use stop::StopSignal;
