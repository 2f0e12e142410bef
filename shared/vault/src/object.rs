//! Sealed objects in a store: opened from their end, frames read on demand.

use bytes::Bytes;
use mailkeep_ports::{ByteRange, GetOptions, Key, PutOptions, StorageClass, Store};

use crate::crypto::ObjectKeys;
use crate::error::VaultError;
use crate::format::builder::SealedObject;
use crate::format::frame::{EncodedFrame, FrameInfo, FrameKind, FrameRef};
use crate::format::header::{ObjectHeader, ObjectKind};
use crate::format::parser::{FrameOpener, ParsedObject, Suffix};

/// What one request from the end of an object asks for: the frame table of nearly every object, the
/// record of nearly every commit.
pub(crate) const SUFFIX_BYTES: u64 = 256 << 10;

/// One object of a store, opened.
pub(crate) struct ObjectReader {
    key: Key,
    parsed: ParsedObject,
    size_bytes: u64,
    /// What was read already: the end of the object.
    tail: Bytes,
    tail_offset: u64,
}

impl ObjectReader {
    /// Opens an object with one request for its last `suffix_bytes`, a second one if the frame table
    /// is longer than that.
    pub(crate) async fn open(
        store: &dyn Store,
        keys: &ObjectKeys,
        kind: ObjectKind,
        key: &Key,
        suffix_bytes: u64,
    ) -> Result<Self, VaultError> {
        let mut wanted = suffix_bytes;
        for _ in 0..2 {
            let range = Some(ByteRange::Suffix(wanted));
            let object = store.get(key, GetOptions { range }).await?;
            let size = object.info.size_bytes;
            match ParsedObject::parse_suffix(keys, kind, key, &object.body, size)? {
                Suffix::Parsed(parsed) => {
                    return Ok(Self {
                        key: key.clone(),
                        parsed,
                        size_bytes: size,
                        tail: object.body,
                        tail_offset: object.offset,
                    });
                }
                Suffix::NeedsBytes(bytes) => wanted = bytes,
            }
        }
        Err(VaultError::corrupt(
            key.as_str(),
            "the store returned less than was asked for",
        ))
    }

    /// Opens an object whose bytes are all at hand.
    pub(crate) fn from_bytes(
        keys: &ObjectKeys,
        kind: ObjectKind,
        key: &Key,
        bytes: Bytes,
    ) -> Result<Self, VaultError> {
        Ok(Self {
            key: key.clone(),
            parsed: ParsedObject::parse(keys, kind, key, &bytes)?,
            size_bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            tail: bytes,
            tail_offset: 0,
        })
    }

    /// Its header; the index keeps it for packs.
    pub(crate) fn header(&self) -> &ObjectHeader {
        &self.parsed.header
    }

    /// Its size.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Its frame table.
    pub(crate) fn frames(&self) -> &[FrameInfo] {
        &self.parsed.frames
    }

    /// The last frame of a kind.
    pub(crate) fn last(&self, kind: FrameKind) -> Option<&FrameInfo> {
        self.frames().iter().rev().find(|frame| frame.kind == kind)
    }

    /// The content of the last record frame.
    pub(crate) async fn record(&self, store: &dyn Store) -> Result<Bytes, VaultError> {
        let frame = self
            .last(FrameKind::Record)
            .ok_or_else(|| VaultError::corrupt(self.key.as_str(), "it holds no record"))?;
        self.frame(store, frame).await
    }

    /// The content of a frame; no request when it lies in what was read at opening.
    pub(crate) async fn frame(
        &self,
        store: &dyn Store,
        frame: &FrameInfo,
    ) -> Result<Bytes, VaultError> {
        let place = &frame.place;
        let opener = &self.parsed.opener;
        if let Some(stored) = self.at_hand(place) {
            return opener.open(frame.kind, place, stored);
        }
        let stored = get_range(store, &self.key, place.offset.into(), place.end()).await?;
        opener.open(frame.kind, place, &stored)
    }

    /// A frame as it is, to put it into another object.
    pub(crate) async fn copy(
        &self,
        store: &dyn Store,
        frame: &FrameInfo,
    ) -> Result<EncodedFrame, VaultError> {
        let place = &frame.place;
        if let Some(stored) = self.at_hand(place) {
            return self.parsed.opener.copy(frame, stored);
        }
        let stored = get_range(store, &self.key, place.offset.into(), place.end()).await?;
        self.parsed.opener.copy(frame, &stored)
    }

    fn at_hand(&self, place: &FrameRef) -> Option<&[u8]> {
        let start = u64::from(place.offset).checked_sub(self.tail_offset)?;
        let end = place.end().checked_sub(self.tail_offset)?;
        self.tail
            .get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }
}

/// One frame at a known place, with one request. `header` comes from the index.
pub(crate) async fn read_frame(
    store: &dyn Store,
    keys: &ObjectKeys,
    header: &ObjectHeader,
    key: &Key,
    kind: FrameKind,
    place: &FrameRef,
) -> Result<Bytes, VaultError> {
    let opener = FrameOpener::new(keys, header, key)?;
    let stored = get_range(store, key, place.offset.into(), place.end()).await?;
    opener.open(kind, place, &stored)
}

/// Reads `start..end` of an object, all of it.
pub(crate) async fn get_range(
    store: &dyn Store,
    key: &Key,
    start: u64,
    end: u64,
) -> Result<Bytes, VaultError> {
    let range = Some(ByteRange::Range(start..end));
    let object = store.get(key, GetOptions { range }).await?;
    if object.offset != start || u64::try_from(object.body.len()) != Ok(end.saturating_sub(start)) {
        return Err(VaultError::corrupt(
            key.as_str(),
            "it is shorter than the index says",
        ));
    }
    Ok(object.body)
}

/// How to write a sealed object: with its checksum; the caller adds conditions.
pub(crate) fn put_options(object: &SealedObject, class: StorageClass) -> PutOptions {
    PutOptions {
        sha256: Some(object.sha256),
        class,
        ..PutOptions::default()
    }
}
