//! What mailkeep does: backup, restore, export, browse, retain and verify, over ports.
//!
//! Architecture invariant: this crate knows the traits `Source`, `Target`, `Store`, `Clock` and
//! `Rng`, and the vault. It names no protocol, no database, no cloud and no file path.

pub mod backup;
pub mod browse;
pub mod engine;
pub mod error;
pub mod event;
pub mod export;
pub mod restore;
pub mod retain;
pub mod select;
pub mod stop;
pub mod verify;

pub use engine::Engine;
pub use error::EngineError;
pub use event::{Event, Observer, Progress, Quiet};
pub use select::Selection;
pub use stop::StopSignal;
