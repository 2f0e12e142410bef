//! The bytes of a vault: headers, frames, footers, trailers and small records.
//!
//! Architecture invariant: pure. No I/O, no async, no clock; any bytes may be given to a parser.
//! `docs/format.md` describes the same for people who write a reader in another language.

pub(crate) mod builder;
pub(crate) mod envelope;
pub(crate) mod footer;
pub mod frame;
pub mod header;
pub(crate) mod parser;
pub(crate) mod records;

/// The format that this program writes, and the newest that it reads.
pub const FORMAT: u16 = 1;

/// The only cipher suite so far: AES-256-GCM, HKDF-SHA-512, keyed BLAKE3.
pub const SUITE: u16 = 1;

/// No object is larger, so that every store takes it in one request.
pub(crate) const MAX_OBJECT_BYTES: u64 = 64 << 20;

/// No frame is larger before compression.
pub(crate) const MAX_FRAME_BYTES: u32 = 64 << 20;

#[cfg(test)]
mod tests;
