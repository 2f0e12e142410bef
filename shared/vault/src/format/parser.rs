//! Reads sealed objects: from the whole bytes, from their end, or one frame at a known place.

use bytes::Bytes;
use mailkeep_ports::Key;

use crate::compress::{self, Decoded, Method};
use crate::crypto::{ObjectCipher, ObjectKeys};
use crate::error::VaultError;
use crate::format::MAX_FRAME_BYTES;
use crate::format::footer::{self, TRAILER_BYTES, Trailer};
use crate::format::frame::{EncodedFrame, FrameInfo, FrameKind, FrameRef, TAG_BYTES};
use crate::format::header::{HEADER_BYTES, ObjectHeader, ObjectKind, PREFIX_BYTES};

/// Opens frames of one object.
pub(crate) struct FrameOpener {
    object: String,
    cipher: ObjectCipher,
}

impl FrameOpener {
    /// For an object whose header the index remembers: no request is needed for the header.
    pub(crate) fn new(
        keys: &ObjectKeys,
        header: &ObjectHeader,
        name: &Key,
    ) -> Result<Self, VaultError> {
        keys.check_epoch(name.as_str(), header.key_epoch)?;
        let (cipher, _) = keys.object(header, name.as_str())?;
        Ok(Self {
            object: name.to_string(),
            cipher,
        })
    }

    /// Decrypts and decompresses one frame.
    pub(crate) fn open(
        &self,
        kind: FrameKind,
        place: &FrameRef,
        stored: &[u8],
    ) -> Result<Bytes, VaultError> {
        let mut memory = FrameMemory::default();
        let decoded = self.open_into(kind, place, stored, &mut memory)?;
        let FrameMemory {
            mut payload,
            content,
        } = memory;
        Ok(Bytes::from(match decoded {
            Decoded::InPayload => {
                payload.pop();
                payload
            }
            Decoded::InOutput => content,
        }))
    }

    /// Takes one frame out of its object as it is, to put it into another one. It is decompressed
    /// nevertheless, so that no damage is copied.
    pub(crate) fn copy(
        &self,
        frame: &FrameInfo,
        stored: &[u8],
    ) -> Result<EncodedFrame, VaultError> {
        let place = &frame.place;
        let mut memory = FrameMemory::default();
        let plain_crc = crc32c::crc32c(self.open_in(frame.kind, place, stored, &mut memory)?);
        let bytes = memory.payload;
        Ok(EncodedFrame {
            kind: frame.kind,
            content_id: frame.content_id,
            plain_bytes: place.plain_bytes,
            plain_crc,
            method: Method::from_tag(bytes.last().copied().unwrap_or_default()),
            bytes,
            refs: vec![],
        })
    }

    /// [`open`](Self::open) in memory that is used again for the next frame.
    pub(crate) fn open_in<'a>(
        &self,
        kind: FrameKind,
        place: &FrameRef,
        stored: &[u8],
        memory: &'a mut FrameMemory,
    ) -> Result<&'a [u8], VaultError> {
        Ok(match self.open_into(kind, place, stored, memory)? {
            Decoded::InPayload => memory.payload.split_last().map_or(&[], |(_, plain)| plain),
            Decoded::InOutput => &memory.content,
        })
    }

    fn open_into(
        &self,
        kind: FrameKind,
        place: &FrameRef,
        stored: &[u8],
        memory: &mut FrameMemory,
    ) -> Result<Decoded, VaultError> {
        let bad = |what: &str| {
            VaultError::corrupt(&self.object, format!("frame {}: {what}", place.number))
        };
        if u32::try_from(stored.len()) != Ok(place.stored_bytes) {
            return Err(bad("it is cut off"));
        }
        let expected = usize::try_from(place.plain_bytes).map_err(|_| bad("it is too long"))?;
        if place.plain_bytes > MAX_FRAME_BYTES {
            return Err(bad("it is too long"));
        }
        let FrameMemory { payload, content } = memory;
        payload.resize(stored.len().saturating_sub(TAG_BYTES), 0);
        self.cipher
            .open_frame_into(place.number, kind.tag(), stored, payload)
            .ok_or_else(|| bad("its authentication tag does not fit"))?;
        compress::decode(&self.object, payload, expected, content).map_err(|error| match error {
            VaultError::Corrupt { what, .. } => bad(&what),
            other => other,
        })
    }
}

/// Memory for frames that are opened one after another.
#[derive(Default)]
pub(crate) struct FrameMemory {
    /// Decrypted: payload and method byte.
    payload: Vec<u8>,
    /// Decompressed.
    content: Vec<u8>,
}

/// How far the end of an object could be understood.
pub(crate) enum Suffix {
    /// Everything needed was there.
    Parsed(ParsedObject),
    /// The frame table begins before the given bytes: at least so many bytes from the end are needed.
    NeedsBytes(u64),
}

/// An object's frame table with what opens its frames.
pub(crate) struct ParsedObject {
    /// Header.
    pub header: ObjectHeader,
    /// Frame table.
    pub frames: Vec<FrameInfo>,
    /// Opens the frames.
    pub opener: FrameOpener,
}

impl ParsedObject {
    /// Reads a whole object.
    pub(crate) fn parse(
        keys: &ObjectKeys,
        kind: ObjectKind,
        name: &Key,
        bytes: &[u8],
    ) -> Result<Self, VaultError> {
        let object = name.as_str();
        // A newer format may have another trailer: ask the header first.
        ObjectHeader::parse(object, bytes)?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        match Self::parse_suffix(keys, kind, name, bytes, size)? {
            Suffix::Parsed(parsed) => Ok(parsed),
            Suffix::NeedsBytes(_) => Err(VaultError::corrupt(object, "it is cut off")),
        }
    }

    /// Reads the end of an object that has `size` bytes in all.
    pub(crate) fn parse_suffix(
        keys: &ObjectKeys,
        kind: ObjectKind,
        name: &Key,
        suffix: &[u8],
        size: u64,
    ) -> Result<Suffix, VaultError> {
        let object = name.as_str();
        let bad = |what: &str| VaultError::corrupt(object, what);
        let trailer = Trailer::read(suffix).ok_or_else(|| bad("its end is missing"))?;
        let (prefix, commitment) = trailer
            .header
            .split_at_checked(PREFIX_BYTES)
            .ok_or_else(|| bad("its end is missing"))?;
        let header = ObjectHeader::parse(object, prefix)?;
        header.expect(object, kind)?;
        keys.check_epoch(object, header.key_epoch)?;
        if u64::try_from(suffix.len()) == Ok(size)
            && suffix.get(..HEADER_BYTES) != Some(trailer.header.as_slice())
        {
            return Err(bad("the headers at its start and its end differ"));
        }

        let (cipher, expected) = keys.object(&header, object)?;
        if !crate::crypto::equal(&expected, commitment) {
            return Err(bad(
                "its key commitment does not fit: the header was changed, or the object belongs elsewhere",
            ));
        }

        let tail = u64::from(trailer.footer_bytes)
            + u64::try_from(TRAILER_BYTES).map_err(|_| bad("trailer size"))?;
        let footer_offset = size
            .checked_sub(tail)
            .ok_or_else(|| bad("its frame table is longer than the object"))?;
        let Some(start) = usize::try_from(tail)
            .ok()
            .and_then(|tail| suffix.len().checked_sub(tail))
        else {
            return Ok(Suffix::NeedsBytes(tail));
        };
        let sealed = suffix
            .get(start..suffix.len().saturating_sub(TRAILER_BYTES))
            .ok_or_else(|| bad("its end is missing"))?;
        if crc32c::crc32c(sealed) != trailer.footer_crc {
            return Err(bad("the checksum of its frame table does not fit"));
        }
        let mut footer = sealed.to_vec();
        let plain_len = cipher
            .open_footer(trailer.frame_count, &mut footer)
            .ok_or_else(|| bad("the authentication tag of its frame table does not fit"))?;
        footer.truncate(plain_len);
        let frames = footer::decode(object, &footer, trailer.frame_count, footer_offset)?;
        Ok(Suffix::Parsed(Self {
            header,
            frames,
            opener: FrameOpener {
                object: object.into(),
                cipher,
            },
        }))
    }
}
