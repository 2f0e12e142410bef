//! The frame table at the end of an object, and the fixed trailer behind it.

use prost::Message;

use crate::error::VaultError;
use crate::format::MAX_FRAME_BYTES;
use crate::format::frame::{FrameInfo, FrameKind, FrameRef, TAG_BYTES};
use crate::format::header::HEADER_BYTES;
use crate::ids::ContentId;

/// Marks the end of a complete object.
pub(crate) const END_MAGIC: [u8; 4] = *b"MKVE";
/// Header copy, footer length, frame count, checksum, magic.
pub(crate) const TRAILER_BYTES: usize = HEADER_BYTES + 16;

/// The frame table in columns.
#[derive(Clone, PartialEq, Message)]
struct FooterMessage {
    /// One kind tag per frame.
    #[prost(bytes = "vec", tag = "1")]
    kinds: Vec<u8>,
    /// Bytes in the object. Frames lie back to back from the end of the header.
    #[prost(uint32, repeated, tag = "2")]
    stored_bytes: Vec<u32>,
    /// Bytes of content.
    #[prost(uint32, repeated, tag = "3")]
    plain_bytes: Vec<u32>,
    /// Numbers of the frames that have a content id, as differences to the one before.
    #[prost(uint32, repeated, tag = "4")]
    identified: Vec<u32>,
    /// Their content ids, 16 bytes each.
    #[prost(bytes = "vec", tag = "5")]
    content_ids: Vec<u8>,
}

/// Writes the frame table.
pub(crate) fn encode(frames: &[FrameInfo]) -> Vec<u8> {
    let mut message = FooterMessage::default();
    let mut previous = 0;
    for frame in frames {
        message.kinds.push(frame.kind.tag());
        message.stored_bytes.push(frame.place.stored_bytes);
        message.plain_bytes.push(frame.place.plain_bytes);
        if let Some(id) = frame.content_id {
            message.identified.push(frame.place.number - previous);
            previous = frame.place.number;
            message.content_ids.extend_from_slice(&id.0);
        }
    }
    message.encode_to_vec()
}

/// Reads the frame table and checks that it describes exactly the bytes up to `footer_offset`.
pub(crate) fn decode(
    object: &str,
    bytes: &[u8],
    frame_count: u32,
    footer_offset: u64,
) -> Result<Vec<FrameInfo>, VaultError> {
    let bad = |what: &str| VaultError::corrupt(object, format!("frame table: {what}"));
    let message = FooterMessage::decode(bytes).map_err(|error| bad(&error.to_string()))?;
    let count = message.kinds.len();
    if u32::try_from(count) != Ok(frame_count)
        || message.stored_bytes.len() != count
        || message.plain_bytes.len() != count
    {
        return Err(bad("its columns differ in length"));
    }
    let mut frames = Vec::with_capacity(count);
    let mut offset = u32::try_from(HEADER_BYTES).map_err(|_| bad("header size"))?;
    let columns = message
        .kinds
        .iter()
        .zip(&message.stored_bytes)
        .zip(&message.plain_bytes);
    for (number, ((kind, stored_bytes), plain_bytes)) in (0_u32..).zip(columns) {
        if usize::try_from(*stored_bytes).unwrap_or(0) <= TAG_BYTES {
            return Err(bad("a frame is too short"));
        }
        if *plain_bytes > MAX_FRAME_BYTES {
            return Err(bad("a frame is too long"));
        }
        frames.push(FrameInfo {
            place: FrameRef {
                number,
                offset,
                stored_bytes: *stored_bytes,
                plain_bytes: *plain_bytes,
            },
            kind: FrameKind::from_tag(*kind),
            content_id: None,
        });
        offset = offset
            .checked_add(*stored_bytes)
            .ok_or_else(|| bad("the frames are longer than an object"))?;
    }
    if u64::from(offset) != footer_offset {
        return Err(bad("the frames do not fill the object"));
    }
    if message.content_ids.len() != message.identified.len() * ContentId::LEN {
        return Err(bad("content ids are missing"));
    }
    let mut number = 0_u32;
    let ids = message.content_ids.chunks_exact(ContentId::LEN);
    for (difference, id) in message.identified.iter().zip(ids) {
        number = number
            .checked_add(*difference)
            .ok_or_else(|| bad("a content id without a frame"))?;
        let frame = usize::try_from(number)
            .ok()
            .and_then(|number| frames.get_mut(number))
            .ok_or_else(|| bad("a content id without a frame"))?;
        frame.content_id = ContentId::from_slice(id);
    }
    Ok(frames)
}

/// The fixed bytes at the very end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trailer {
    /// Copy of the header, so that the end of an object is enough to open it.
    pub header: [u8; HEADER_BYTES],
    /// Bytes of the sealed frame table.
    pub footer_bytes: u32,
    /// Frames in the object.
    pub frame_count: u32,
    /// CRC-32C of the sealed frame table.
    pub footer_crc: u32,
}

impl Trailer {
    /// Appends the trailer.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.header);
        out.extend_from_slice(&self.footer_bytes.to_le_bytes());
        out.extend_from_slice(&self.frame_count.to_le_bytes());
        out.extend_from_slice(&self.footer_crc.to_le_bytes());
        out.extend_from_slice(&END_MAGIC);
    }

    /// Reads the trailer at the end of `bytes`; `None` when there is none.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (rest, magic) = bytes.split_last_chunk::<4>()?;
        if *magic != END_MAGIC {
            return None;
        }
        let (rest, footer_crc) = rest.split_last_chunk()?;
        let (rest, frame_count) = rest.split_last_chunk()?;
        let (rest, footer_bytes) = rest.split_last_chunk()?;
        let (_, header) = rest.split_last_chunk()?;
        Some(Self {
            header: *header,
            footer_bytes: u32::from_le_bytes(*footer_bytes),
            frame_count: u32::from_le_bytes(*frame_count),
            footer_crc: u32::from_le_bytes(*footer_crc),
        })
    }
}
