//! How far work has come: how fast it is, when it will be done, and what holds it up. Plain
//! computation over figures that others measure.

mod bottleneck;
mod estimate;
mod meter;

#[cfg(test)]
mod tests;

pub use bottleneck::{Bottleneck, Spent};
pub use estimate::{Remaining, RequestWindow, SourceLimits, run_time_left};
pub use meter::{Done, Meter, Speed};
