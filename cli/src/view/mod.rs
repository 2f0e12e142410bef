//! How runs, restores and checks look: shared by the command line and the demonstration.

pub mod backup;
pub mod bars;
pub mod items;
mod pace;
pub mod restore;
pub mod verify;

pub use backup::BackupView;
pub use bars::{Bars, Style};
