//! The decoders of what servers send, behind one door, for tests that feed them arbitrary bytes.
//!
//! A server, or whoever stands between, may send anything: every decoder refuses or reads, in bounded
//! memory, and says the same however the bytes arrive.

use bytes::Bytes;
use futures::FutureExt;

use crate::{ByteStream, ews, graph};

/// What a decoder made of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It refused them.
    Refused,
    /// It read them, and there is no way back.
    Read,
    /// It read them; these bytes say the same in the one way in which this program writes it.
    Again(Vec<u8>),
}

/// A decoder with its name.
pub type Decoder = (&'static str, fn(&[u8]) -> Outcome);

/// The decoders by name.
pub const DECODERS: &[Decoder] = &[
    ("ews-document", ews::fuzzing::document),
    ("ews-answer", ews::fuzzing::answer),
    ("ews-base64", ews::fuzzing::base64),
    ("ews-autodiscover", ews::fuzzing::autodiscover),
    ("ews-ntlm", ews::fuzzing::ntlm),
    ("ews-properties", ews::fuzzing::properties),
    ("graph-message", graph::fuzzing::message),
    ("graph-page", graph::fuzzing::page),
    ("graph-folder", graph::fuzzing::folder),
    ("graph-batch", graph::fuzzing::batch),
    ("graph-error", graph::fuzzing::error),
    ("graph-item-cursor", graph::fuzzing::item_cursor),
    ("graph-tree-cursor", graph::fuzzing::tree_cursor),
];

/// The first byte says in pieces of which size the rest arrives.
pub(crate) fn pieces(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    Some((usize::from(*first).max(1) * 3, rest))
}

/// A body that arrives in pieces.
pub(crate) fn stream(bytes: &[u8], size: usize) -> ByteStream {
    let pieces: Vec<_> = bytes
        .chunks(size.max(1))
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    Box::pin(futures::stream::iter(pieces))
}

/// The result of a task that waits for nothing.
pub(crate) fn finish<T>(task: impl Future<Output = T>) -> Option<T> {
    task.now_or_never()
}
