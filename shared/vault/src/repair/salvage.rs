//! Copying the readable frames of a damaged object into a new one, at the same places: whatever refers to
//! them stays right.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use mailkeep_ports::Key;

use crate::compress::Method;
use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::format::builder::{ObjectBuilder, range};
use crate::format::frame::{EncodedFrame, FrameInfo, FrameKind, FrameRef, TAG_BYTES};
use crate::format::header::{HEADER_BYTES, ObjectHeader, ObjectKind};
use crate::format::parser::{FrameOpener, ParsedObject, Suffix};

/// The shortest frame: a method and a tag.
const SHORTEST_BYTES: u32 = 17;

/// Readable frames by their number.
#[derive(Default)]
pub(super) struct Salvage {
    frames: BTreeMap<u32, (FrameRef, EncodedFrame)>,
}

/// The frame table of a damaged object, if that can be read, with the header that goes with it.
pub(super) fn frame_table(
    core: &MailboxCore,
    kind: ObjectKind,
    key: &Key,
    bytes: &Bytes,
) -> Option<(ObjectHeader, Vec<FrameInfo>)> {
    let size = u64::try_from(bytes.len()).ok()?;
    // Without its start, which may be damaged: the end has a copy.
    let suffix = bytes.get(HEADER_BYTES..)?;
    match ParsedObject::parse_suffix(core.keys.objects(), kind, key, suffix, size) {
        Ok(Suffix::Parsed(parsed)) => Some((parsed.header, parsed.frames)),
        _ => None,
    }
}

impl Salvage {
    /// Reads what can be read of `frames`.
    pub(super) fn read(
        core: &MailboxCore,
        key: &Key,
        header: &ObjectHeader,
        frames: &[FrameInfo],
        bytes: &Bytes,
    ) -> Result<Self, VaultError> {
        let opener = FrameOpener::new(core.keys.objects(), header, key)?;
        let mut salvage = Self::default();
        for frame in frames {
            let Some(stored) = bytes.get(range(&frame.place)) else {
                continue;
            };
            if let Ok(copy) = opener.copy(frame, stored) {
                salvage
                    .frames
                    .insert(frame.place.number, (frame.place, copy));
            }
        }
        Ok(salvage)
    }

    /// Leaves out frames behind the `count` first.
    pub(super) fn truncate(&mut self, count: u32) {
        self.frames.retain(|number, _| *number < count);
    }

    /// True when a frame could be read.
    pub(super) fn has(&self, number: u32) -> bool {
        self.frames.contains_key(&number)
    }

    /// True when nothing of items could be read.
    pub(super) fn is_empty(&self) -> bool {
        self.numbers().is_empty()
    }

    /// The numbers of the readable frames of contents.
    pub(super) fn numbers(&self) -> BTreeSet<u32> {
        let is_content = |(_, (_, frame)): &(&u32, &(FrameRef, EncodedFrame))| {
            matches!(frame.kind, FrameKind::Item | FrameKind::Part)
        };
        let frames = self.frames.iter().filter(is_content);
        frames.map(|(number, _)| *number).collect()
    }

    /// Frames in an object with these at their places.
    pub(super) fn count(&self) -> u32 {
        let last = self.frames.last_key_value();
        last.map_or(0, |(number, _)| number.saturating_add(1))
    }

    /// An object with these frames at their places, and fillers where others were.
    pub(super) fn builder(&self, kind: ObjectKind) -> Result<ObjectBuilder, VaultError> {
        let mut builder = ObjectBuilder::new(kind);
        for (place, frame) in self.frames.values() {
            fill(&mut builder, place)?;
            let copied = builder.append(frame)?;
            if copied != *place {
                return Err(VaultError::bug("a frame moved while it was copied"));
            }
        }
        Ok(builder)
    }
}

/// Fills up to a place. Lengths of the fillers do not matter, only their number and their sum.
fn fill(builder: &mut ObjectBuilder, place: &FrameRef) -> Result<(), VaultError> {
    let wrong = || VaultError::bug("frames of an object overlap");
    let have = u32::try_from(builder.frames().len()).map_err(|_| wrong())?;
    let at = u32::try_from(builder.len()).map_err(|_| wrong())?;
    let count = place.number.checked_sub(have).ok_or_else(wrong)?;
    let mut room = place.offset.checked_sub(at).ok_or_else(wrong)?;
    for left in (0..count).rev() {
        let bytes = if left == 0 { room } else { SHORTEST_BYTES };
        room = room.checked_sub(bytes).ok_or_else(wrong)?;
        builder.append(&filler(bytes).ok_or_else(wrong)?)?;
    }
    if room == 0 { Ok(()) } else { Err(wrong()) }
}

/// A frame of zeros that takes so many bytes in an object.
fn filler(stored_bytes: u32) -> Option<EncodedFrame> {
    let length = usize::try_from(stored_bytes).ok()?.checked_sub(TAG_BYTES)?;
    let plain = vec![0; length.checked_sub(1)?];
    Some(EncodedFrame {
        kind: FrameKind::Unknown(0),
        content_id: None,
        plain_bytes: u32::try_from(plain.len()).ok()?,
        plain_crc: crc32c::crc32c(&plain),
        // The last of the zeros says that it is not compressed.
        bytes: vec![0; length],
        method: Method::Stored,
        refs: vec![],
    })
}
