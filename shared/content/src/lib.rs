//! Mail content without I/O: MIME split and join, canonical digest, what a restore needs of a
//! message, composing messages, and mbox.
//!
//! Architecture invariant: this crate does no I/O of its own, knows no async runtime, reads no
//! clock, and never panics on any input. Memory is bounded by the caller: the splitter, the
//! encoder and the mbox writer need a few KiB, the parsers as much as the text they are given.

pub mod canonical;
pub mod compose;
pub mod join;
pub mod mbox;
pub mod message;
pub mod placeholder;
pub mod split;

mod base64;
mod decode;
mod header;
mod mime;
mod name;
mod outline;
mod parameters;
#[cfg(test)]
mod test_mail;
mod words;

pub use canonical::canonical_digest;
pub use compose::{ATTACHMENT_SHAPE, ComposeAttachment, ComposeMessage, ComposeSegment, compose};
pub use decode::Piece;
pub use join::PartEncoder;
pub use mbox::{MboxError, MboxReader, MboxWriter};
pub use message::{ParsedAttachment, ParsedMessage, body_parts, parse_message};
pub use placeholder::{PlacedPart, PlaceholderMime, Segment};
pub use split::{LineEnding, PartShape, SplitEvent, Splitter};
