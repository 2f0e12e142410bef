//! Makes sealed objects: collects frames, then seals them all under one fresh key.

use std::ops::Range;

use bytes::Bytes;
use mailkeep_ports::{Key, Rng};

use crate::buffers;
use crate::compress::{Compression, Method};
use crate::crypto::{self, ObjectCipher, ObjectKeys};
use crate::dictionary;
use crate::error::VaultError;
use crate::format::MAX_OBJECT_BYTES;
use crate::format::footer::{self, TRAILER_BYTES, Trailer};
use crate::format::frame::{EncodedFrame, FrameInfo, FrameKind, FrameRef, FrameSpec, TAG_BYTES};
use crate::format::header::{HEADER_BYTES, ObjectHeader, ObjectKind};
use crate::format::parser::{FrameMemory, ParsedObject};

/// An object ready for upload, already read back and compared.
#[derive(Clone, Debug)]
pub(crate) struct SealedObject {
    /// The whole object.
    pub bytes: Bytes,
    /// SHA-256 of it.
    pub sha256: [u8; 32],
    /// Its header; the index keeps it.
    pub header: ObjectHeader,
    /// Its frame table.
    pub frames: Vec<FrameInfo>,
}

/// Collects compressed frames. They are sealed at the end, so that the same frames can be sealed
/// again under another name (a commit that lost its race), each time with a fresh key.
pub(crate) struct ObjectBuilder {
    kind: ObjectKind,
    /// Room for the header, then the frames, each with room for its tag. Not encrypted yet.
    buffer: Vec<u8>,
    frames: Vec<FrameInfo>,
    checksums: Vec<u32>,
    uses_dictionary: bool,
}

impl ObjectBuilder {
    /// An empty object.
    pub(crate) fn new(kind: ObjectKind) -> Self {
        Self::in_memory(kind, vec![])
    }

    /// An empty object that will be big.
    pub(crate) fn big(kind: ObjectKind) -> Self {
        Self::in_memory(kind, buffers::take())
    }

    fn in_memory(kind: ObjectKind, mut buffer: Vec<u8>) -> Self {
        buffer.resize(HEADER_BYTES, 0);
        Self {
            kind,
            buffer,
            frames: vec![],
            checksums: vec![],
            uses_dictionary: false,
        }
    }

    /// Compresses `plain` and adds it as a frame.
    pub(crate) fn push(&mut self, spec: &FrameSpec, plain: &[u8]) -> Result<FrameRef, VaultError> {
        self.append(&EncodedFrame::encode(spec, plain)?)
    }

    /// Adds a frame that was compressed before.
    pub(crate) fn append(&mut self, frame: &EncodedFrame) -> Result<FrameRef, VaultError> {
        let too_big = || VaultError::bug("an object grew beyond its limit");
        let number = u32::try_from(self.frames.len()).map_err(|_| too_big())?;
        let offset = u32::try_from(self.buffer.len()).map_err(|_| too_big())?;
        let stored_bytes = u32::try_from(frame.stored_bytes()).map_err(|_| too_big())?;
        if u64::from(offset) + u64::from(stored_bytes) > MAX_OBJECT_BYTES {
            return Err(too_big());
        }
        self.buffer.extend_from_slice(&frame.bytes);
        self.buffer.extend_from_slice(&[0; TAG_BYTES]);
        let place = FrameRef {
            number,
            offset,
            stored_bytes,
            plain_bytes: frame.plain_bytes,
        };
        self.frames.push(FrameInfo {
            place,
            kind: frame.kind,
            content_id: frame.content_id,
        });
        self.checksums.push(frame.plain_crc);
        self.uses_dictionary |= matches!(frame.method, Method::Dictionary(_));
        Ok(place)
    }

    /// What the object will be: a pack that stays small becomes a log segment.
    pub(crate) fn set_kind(&mut self, kind: ObjectKind) {
        self.kind = kind;
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// The frames so far.
    pub(crate) fn frames(&self) -> &[FrameInfo] {
        &self.frames
    }

    /// Drops every frame from `count` on: a commit record that must be written anew.
    pub(crate) fn truncate(&mut self, count: usize) {
        if let Some(frame) = self.frames.get(count) {
            self.buffer
                .truncate(usize::try_from(frame.place.offset).unwrap_or(usize::MAX));
            self.frames.truncate(count);
            self.checksums.truncate(count);
        }
    }

    /// Most bytes that the frame table and the trailer can take.
    fn table_bytes(&self) -> usize {
        const FRAME: usize = 40;
        TRAILER_BYTES + TAG_BYTES + 64 + self.frames.len() * FRAME
    }

    /// Seals a copy; the builder can be changed and sealed again.
    pub(crate) fn seal(
        &self,
        keys: &ObjectKeys,
        name: &Key,
        rng: &dyn Rng,
    ) -> Result<SealedObject, VaultError> {
        // With room for the frame table, so that sealing does not copy everything once more.
        let mut buffer = buffers::take();
        buffer.reserve_exact(self.buffer.len() + self.table_bytes());
        buffer.extend_from_slice(&self.buffer);
        Self {
            kind: self.kind,
            buffer,
            frames: self.frames.clone(),
            checksums: self.checksums.clone(),
            uses_dictionary: self.uses_dictionary,
        }
        .finish(keys, name, rng)
    }

    /// Seals the object, reads it back and compares every frame.
    pub(crate) fn finish(
        mut self,
        keys: &ObjectKeys,
        name: &Key,
        rng: &dyn Rng,
    ) -> Result<SealedObject, VaultError> {
        if self.uses_dictionary && self.kind == ObjectKind::Pack {
            let spec = FrameSpec::new(FrameKind::Dictionary, Compression::Zstd);
            self.push(&spec, dictionary::BUILT_IN)?;
        }
        let mut salt = [0; 32];
        rng.fill(&mut salt);
        let header = ObjectHeader::new(self.kind, keys.epoch(), salt);
        let (cipher, commitment) = keys.object(&header, name.as_str())?;
        let header_bytes = whole_header(&header, &commitment);

        let short = || VaultError::bug("a frame lies outside of its object");
        self.buffer
            .get_mut(..HEADER_BYTES)
            .ok_or_else(short)?
            .copy_from_slice(&header_bytes);
        for frame in &self.frames {
            let stored = self.buffer.get_mut(range(&frame.place)).ok_or_else(short)?;
            cipher.seal_frame(frame.place.number, frame.kind.tag(), stored)?;
        }
        self.buffer.reserve_exact(self.table_bytes());
        self.close(&cipher, header_bytes)?;
        let bytes = Bytes::from(std::mem::take(&mut self.buffer));
        verify(keys, self.kind, name, &bytes, &self.checksums)?;
        Ok(SealedObject {
            sha256: crypto::sha256(&bytes),
            bytes,
            header,
            frames: std::mem::take(&mut self.frames),
        })
    }

    fn close(
        &mut self,
        cipher: &ObjectCipher,
        header: [u8; HEADER_BYTES],
    ) -> Result<(), VaultError> {
        let mut sealed = footer::encode(&self.frames);
        sealed.extend_from_slice(&[0; TAG_BYTES]);
        let frame_count = u32::try_from(self.frames.len())
            .map_err(|_| VaultError::bug("too many frames in an object"))?;
        cipher.seal_footer(frame_count, &mut sealed)?;
        let footer_bytes = u32::try_from(sealed.len())
            .map_err(|_| VaultError::bug("the frame table is too long"))?;
        let footer_crc = crc32c::crc32c(&sealed);
        self.buffer.extend_from_slice(&sealed);
        Trailer {
            header,
            footer_bytes,
            frame_count,
            footer_crc,
        }
        .write(&mut self.buffer);
        if u64::try_from(self.buffer.len()).unwrap_or(u64::MAX) > MAX_OBJECT_BYTES {
            return Err(VaultError::bug("an object grew beyond its limit"));
        }
        Ok(())
    }
}

impl Drop for ObjectBuilder {
    fn drop(&mut self) {
        buffers::give(std::mem::take(&mut self.buffer));
    }
}

impl Drop for SealedObject {
    fn drop(&mut self) {
        buffers::give_bytes(std::mem::take(&mut self.bytes));
    }
}

/// Where a frame lies in a whole object.
pub(crate) fn range(place: &FrameRef) -> Range<usize> {
    let start = usize::try_from(place.offset).unwrap_or(usize::MAX);
    let end = usize::try_from(place.end()).unwrap_or(usize::MAX);
    start..end
}

fn whole_header(header: &ObjectHeader, commitment: &[u8; 32]) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    let fields = header.to_bytes().into_iter().chain(*commitment);
    for (slot, byte) in bytes.iter_mut().zip(fields) {
        *slot = byte;
    }
    bytes
}

/// Reads the finished object back as a reader would, and compares every frame's content.
fn verify(
    keys: &ObjectKeys,
    kind: ObjectKind,
    name: &Key,
    bytes: &Bytes,
    checksums: &[u32],
) -> Result<(), VaultError> {
    let parsed = ParsedObject::parse(keys, kind, name, bytes)?;
    let differs = || VaultError::bug(format!("object {name} did not read back as it was written"));
    if parsed.frames.len() != checksums.len() {
        return Err(differs());
    }
    let mut memory = FrameMemory::default();
    for (frame, checksum) in parsed.frames.iter().zip(checksums) {
        let stored = bytes.get(range(&frame.place)).ok_or_else(differs)?;
        let opener = &parsed.opener;
        let plain = opener.open_in(frame.kind, &frame.place, stored, &mut memory)?;
        if crc32c::crc32c(plain) != *checksum {
            return Err(differs());
        }
    }
    Ok(())
}
