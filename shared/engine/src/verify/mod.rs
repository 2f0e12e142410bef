//! Verification of a vault: is everything there, intact, and as much as the source counts?

pub mod report;

pub use report::{Finding, FindingKind, VerifyLevel, VerifyReport};
