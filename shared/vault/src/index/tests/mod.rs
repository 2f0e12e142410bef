//! Tests of the whole index over a store in memory.

mod basics;
pub(crate) mod world;
