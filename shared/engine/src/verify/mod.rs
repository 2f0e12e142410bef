//! Verification of a vault: is everything there, intact, and as much as the source counts?

mod counts;
mod items;
mod locks;
mod objects;
mod rebuild;
pub mod report;
mod request;
mod rest;
mod run;

pub use counts::compare_with_source;
pub use report::{Finding, FindingKind, VerifyLevel, VerifyReport};
pub use request::VerifyRequest;
pub use run::run;
