//! The item frame: how an item's content is put together from text, parts and properties.

use std::collections::BTreeSet;

use bytes::Bytes;
use mailkeep_content::{LineEnding, PartShape};
use mailkeep_model::Representation;
use prost::Message;

use crate::error::VaultError;
use crate::ids::ContentId;

/// A stretch of a message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Segment {
    /// Text inside the item frame.
    Text(Bytes),
    /// Text in frames of its own.
    Chunks {
        /// The frames.
        ids: Vec<ContentId>,
        /// Length of the text.
        bytes: u64,
    },
    /// A decoded base64 part in frames of its own.
    Part {
        /// The frames: one, or the chunks of a big part.
        ids: Vec<ContentId>,
        /// How it is laid out in the message.
        shape: PartShape,
    },
}

/// The source's own lossless form of an item, in frames of its own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ExportBody {
    /// The frames.
    pub ids: Vec<ContentId>,
    /// Length of the stream.
    pub bytes: u64,
    /// BLAKE3 of the stream.
    pub hash: [u8; 32],
    /// Version of the server that wrote it; empty when it did not say.
    pub server_version: String,
}

/// An item's content.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ItemBody {
    /// The message.
    pub segments: Vec<Segment>,
    /// Properties that the message lacks, as JSON.
    pub properties_json: Bytes,
    /// How the message came to be.
    pub representation: Representation,
    /// Why it was rebuilt, as the source's code.
    pub rebuilt_because: Option<String>,
    /// BLAKE3 of the message.
    pub mime_hash: [u8; 32],
    /// Length of the message.
    pub mime_bytes: u64,
    /// Equal for two reads of the same message although its encoding differs.
    pub canonical_digest: [u8; 32],
    /// The source's own lossless form, where it was taken.
    pub export: Option<ExportBody>,
}

#[derive(Clone, PartialEq, Message)]
struct ItemMessage {
    #[prost(message, repeated, tag = "1")]
    segments: Vec<SegmentMessage>,
    #[prost(bytes = "bytes", tag = "2")]
    properties_json: Bytes,
    /// 0 MIME as the source returned it, 1 rebuilt.
    #[prost(uint32, tag = "3")]
    representation: u32,
    #[prost(string, optional, tag = "4")]
    rebuilt_because: Option<String>,
    #[prost(bytes = "bytes", tag = "5")]
    mime_hash: Bytes,
    #[prost(uint64, tag = "6")]
    mime_bytes: u64,
    #[prost(bytes = "bytes", tag = "7")]
    canonical_digest: Bytes,
    #[prost(message, optional, tag = "8")]
    export: Option<ExportMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct ExportMessage {
    /// 16 bytes each.
    #[prost(bytes = "vec", tag = "1")]
    ids: Vec<u8>,
    #[prost(uint64, tag = "2")]
    bytes: u64,
    #[prost(bytes = "bytes", tag = "3")]
    hash: Bytes,
    #[prost(string, tag = "4")]
    server_version: String,
}

#[derive(Clone, PartialEq, Message)]
struct SegmentMessage {
    #[prost(oneof = "SegmentKind", tags = "1, 2, 3")]
    kind: Option<SegmentKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum SegmentKind {
    #[prost(bytes = "bytes", tag = "1")]
    Text(Bytes),
    #[prost(message, tag = "2")]
    Chunks(ChunksMessage),
    #[prost(message, tag = "3")]
    Part(PartMessage),
}

#[derive(Clone, PartialEq, Message)]
struct ChunksMessage {
    /// 16 bytes each.
    #[prost(bytes = "vec", tag = "1")]
    ids: Vec<u8>,
    #[prost(uint64, tag = "2")]
    bytes: u64,
}

#[derive(Clone, PartialEq, Message)]
struct PartMessage {
    /// 16 bytes each.
    #[prost(bytes = "vec", tag = "1")]
    ids: Vec<u8>,
    #[prost(uint64, tag = "2")]
    decoded_bytes: u64,
    #[prost(uint32, tag = "3")]
    line_length: u32,
    /// 0 CR LF, 1 LF.
    #[prost(uint32, tag = "4")]
    line_ending: u32,
    /// True when the last line has no line ending.
    #[prost(bool, tag = "5")]
    open_end: bool,
}

impl Segment {
    /// The frames that it refers to, in order.
    pub(crate) fn ids(&self) -> &[ContentId] {
        match self {
            Self::Text(_) => &[],
            Self::Chunks { ids, .. } | Self::Part { ids, .. } => ids,
        }
    }
}

impl ItemBody {
    /// The parts that it refers to, each once.
    pub(crate) fn parts(&self) -> Vec<ContentId> {
        let ids = self.segments.iter().flat_map(Segment::ids);
        let of_export = self.export.iter().flat_map(|export| &export.ids);
        let ids: BTreeSet<ContentId> = ids.chain(of_export).copied().collect();
        ids.into_iter().collect()
    }

    /// The item frame's content.
    pub(crate) fn encode(self) -> Vec<u8> {
        let representation = match self.representation {
            Representation::MimeRebuilt => 1,
            _ => 0,
        };
        ItemMessage {
            segments: self.segments.into_iter().map(to_message).collect(),
            properties_json: self.properties_json,
            representation,
            rebuilt_because: self.rebuilt_because,
            mime_hash: Bytes::copy_from_slice(&self.mime_hash),
            mime_bytes: self.mime_bytes,
            canonical_digest: Bytes::copy_from_slice(&self.canonical_digest),
            export: self.export.map(|export| ExportMessage {
                ids: join(&export.ids),
                bytes: export.bytes,
                hash: Bytes::copy_from_slice(&export.hash),
                server_version: export.server_version,
            }),
        }
        .encode_to_vec()
    }

    /// Reads an item frame's content. Text is shared with `bytes`, not copied.
    pub(crate) fn decode(object: &str, bytes: Bytes) -> Result<Self, VaultError> {
        let bad = |what: &str| VaultError::corrupt(object, format!("item frame: {what}"));
        let message = ItemMessage::decode(bytes).map_err(|error| bad(&error.to_string()))?;
        let segments = message
            .segments
            .into_iter()
            .map(|segment| from_message(segment).ok_or_else(|| bad("a segment is malformed")))
            .collect::<Result<_, _>>()?;
        let digest = |bytes: &Bytes| <[u8; 32]>::try_from(bytes.as_ref());
        Ok(Self {
            segments,
            properties_json: message.properties_json,
            representation: match message.representation {
                0 => Representation::Mime,
                1 => Representation::MimeRebuilt,
                _ => return Err(bad("an unknown representation")),
            },
            rebuilt_because: message.rebuilt_because,
            mime_hash: digest(&message.mime_hash).map_err(|_| bad("the hash is missing"))?,
            mime_bytes: message.mime_bytes,
            canonical_digest: digest(&message.canonical_digest)
                .map_err(|_| bad("the canonical digest is missing"))?,
            export: match message.export {
                None => None,
                Some(export) => Some(ExportBody {
                    ids: cut(&export.ids).ok_or_else(|| bad("the export stream is malformed"))?,
                    bytes: export.bytes,
                    hash: digest(&export.hash)
                        .map_err(|_| bad("the hash of the export stream is missing"))?,
                    server_version: export.server_version,
                }),
            },
        })
    }
}

fn to_message(segment: Segment) -> SegmentMessage {
    let kind = match segment {
        Segment::Text(text) => SegmentKind::Text(text),
        Segment::Chunks { ids, bytes } => SegmentKind::Chunks(ChunksMessage {
            ids: join(&ids),
            bytes,
        }),
        Segment::Part { ids, shape } => SegmentKind::Part(PartMessage {
            ids: join(&ids),
            decoded_bytes: shape.decoded_bytes,
            line_length: shape.line_length,
            line_ending: match shape.line_ending {
                LineEnding::Crlf => 0,
                LineEnding::Lf => 1,
            },
            open_end: !shape.ends_with_line_ending,
        }),
    };
    SegmentMessage { kind: Some(kind) }
}

fn from_message(segment: SegmentMessage) -> Option<Segment> {
    Some(match segment.kind? {
        SegmentKind::Text(text) => Segment::Text(text),
        SegmentKind::Chunks(chunks) => Segment::Chunks {
            ids: cut(&chunks.ids)?,
            bytes: chunks.bytes,
        },
        SegmentKind::Part(part) => Segment::Part {
            ids: cut(&part.ids)?,
            shape: PartShape {
                line_length: Some(part.line_length)
                    .filter(|length| (4..=998).contains(length) && length % 4 == 0)?,
                line_ending: match part.line_ending {
                    0 => LineEnding::Crlf,
                    1 => LineEnding::Lf,
                    _ => return None,
                },
                decoded_bytes: part.decoded_bytes,
                ends_with_line_ending: !part.open_end,
            },
        },
    })
}

fn join(ids: &[ContentId]) -> Vec<u8> {
    ids.iter().flat_map(|id| id.0).collect()
}

fn cut(ids: &[u8]) -> Option<Vec<ContentId>> {
    if !ids.len().is_multiple_of(ContentId::LEN) {
        return None;
    }
    ids.chunks_exact(ContentId::LEN)
        .map(ContentId::from_slice)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_body_survives() {
        let shape = PartShape {
            line_length: 76,
            line_ending: LineEnding::Lf,
            decoded_bytes: 4711,
            ends_with_line_ending: false,
        };
        let ids = vec![ContentId([1; 16]), ContentId([2; 16])];
        let body = ItemBody {
            segments: vec![
                Segment::Text(Bytes::from_static(b"Subject: x\r\n\r\n")),
                Segment::Chunks {
                    ids: ids.clone(),
                    bytes: 5,
                },
                Segment::Part { ids, shape },
            ],
            properties_json: Bytes::from_static(b"{}"),
            representation: Representation::MimeRebuilt,
            rebuilt_because: Some("ErrorCorruptData".into()),
            mime_hash: [3; 32],
            mime_bytes: 6000,
            canonical_digest: [4; 32],
            export: Some(ExportBody {
                ids: vec![ContentId([5; 16])],
                bytes: 9,
                hash: [6; 32],
                server_version: "15.2.1748.10".into(),
            }),
        };
        assert_eq!(body.parts().len(), 3);
        let bytes = Bytes::from(body.clone().encode());
        assert_eq!(ItemBody::decode("x", bytes).unwrap(), body);
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = ItemBody::decode("x", Bytes::from(bytes));
        }
    }
}
