//! Mail content without I/O: MIME split and join, canonical digest, what a restore needs of a
//! message, composing messages, and mbox.
//!
//! Architecture invariant: this crate does no I/O of its own, knows no async runtime, reads no
//! clock, and never panics on any input. Memory is bounded by the caller: the splitter, the
//! encoder and the mbox writer need a few KiB, the parsers as much as the text they are given.

pub mod join;
pub mod placeholder;
pub mod split;

mod base64;

pub use join::PartEncoder;
pub use placeholder::{PlacedPart, PlaceholderMime, Segment};
pub use split::{LineEnding, PartShape, SplitEvent, Splitter};
