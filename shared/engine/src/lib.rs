//! What mailkeep does: backup, restore, export, browse, retain and verify, and the jobs that do so by
//! themselves, over ports.
//!
//! Architecture invariant: this crate knows the traits `Source`, `Target`, `Store`, `Table`, `Queue`,
//! `Clock` and `Rng`, and the vault. It names no protocol, no database, no cloud and no file path.

pub mod backup;
pub mod browse;
pub mod claim;
pub mod cursor;
pub mod engine;
pub mod error;
pub mod estimate;
pub mod event;
pub mod export;
pub mod hooks;
pub mod job;
pub mod ledger;
pub mod news;
pub mod operation;
pub mod plan;
pub mod repair;
pub mod restore;
pub mod retain;
pub mod run;
pub mod run_log;
pub mod select;
pub mod stop;
pub mod verify;
pub mod work;

pub use engine::Engine;
pub use error::EngineError;
pub use event::{Event, Fan, Observer, Progress, Quiet};
pub use select::Selection;
pub use stop::StopSignal;
