//! Tests of the whole index over a store in memory.

mod basics;
mod checkpoints;
pub(crate) mod conditions;
mod crashes;
mod exports;
mod races;
mod requests;
mod upkeep;
mod verification;
pub(crate) mod world;
