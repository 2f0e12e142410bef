//! An item's content while it is being put together from what the splitter finds.

use std::collections::HashSet;

use bytes::Bytes;
use mailkeep_content::{PartShape, PlaceholderMime, SplitEvent, canonical_digest};

use crate::body::{ExportBody, ItemBody, Segment};
use crate::chunk::{CHUNK_FROM_BYTES, Chunker};
use crate::compress::Compression;
use crate::content_store::ContentHead;
use crate::error::VaultError;
use crate::format::frame::{EncodedFrame, FrameKind, FrameSpec};
use crate::ids::ContentId;
use crate::keys::MailboxKeys;
use crate::pack::PackWriter;

/// Longer texts are cut into frames of their own.
const TEXT_FRAME_BYTES: usize = 256 << 10;
/// Up to so much text is kept until the whole message is known. With more, text goes out as it
/// comes, and two reads of the message count as equal only when they are so byte for byte.
const KEPT_TEXT_BYTES: usize = 8 << 20;
/// Then texts from this size on get frames of their own.
const SMALL_TEXT_BYTES: usize = 4 << 10;
/// A message of more text and parts than this is not split any further.
const MAX_SEGMENTS: usize = 4096;
/// Parts up to this size are tried as text.
const TEXT_PART_BYTES: usize = 128 << 10;

/// Collects segments and frames. Takes no more memory than [`KEPT_TEXT_BYTES`], one part below the
/// chunking size, and the frames that the caller did not take yet.
pub(crate) struct Assembly<'a> {
    keys: &'a MailboxKeys,
    packs: &'a PackWriter,
    chunker: &'a Chunker,
    segments: Vec<Segment>,
    /// The text since the last segment.
    text: Vec<u8>,
    /// Text in `text` and in the segments.
    kept_text_bytes: usize,
    is_big: bool,
    part: PartBuffer,
    pending: Vec<EncodedFrame>,
    pending_bytes: usize,
    pending_ids: HashSet<ContentId>,
    hasher: blake3::Hasher,
    mime_bytes: u64,
    export: Option<OpenExport>,
    error: Option<VaultError>,
}

/// An export stream while it comes in.
struct OpenExport {
    server_version: String,
    part: PartBuffer,
    hasher: blake3::Hasher,
    bytes: u64,
}

#[derive(Default)]
struct PartBuffer {
    /// Decoded bytes that are not stored yet.
    bytes: Vec<u8>,
    /// Chunks that are.
    ids: Vec<ContentId>,
}

impl<'a> Assembly<'a> {
    pub(crate) fn new(keys: &'a MailboxKeys, packs: &'a PackWriter, chunker: &'a Chunker) -> Self {
        Self {
            keys,
            packs,
            chunker,
            segments: vec![],
            text: vec![],
            kept_text_bytes: 0,
            is_big: false,
            part: PartBuffer::default(),
            pending: vec![],
            pending_bytes: 0,
            pending_ids: HashSet::new(),
            hasher: blake3::Hasher::new(),
            mime_bytes: 0,
            export: None,
            error: None,
        }
    }

    /// Counts bytes of the message as they are.
    pub(crate) fn hash(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.mime_bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    }

    /// Length of the message so far.
    pub(crate) fn mime_bytes(&self) -> u64 {
        self.mime_bytes
    }

    /// Bytes of frames that wait.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// True when the rest of the message shall be treated as text.
    pub(crate) fn has_too_many_segments(&self) -> bool {
        self.segments.len() >= MAX_SEGMENTS
    }

    /// The frames that wait.
    pub(crate) fn take_pending(&mut self) -> Vec<EncodedFrame> {
        self.pending_bytes = 0;
        self.pending_ids.clear();
        std::mem::take(&mut self.pending)
    }

    /// An error that happened inside the splitter's sink.
    pub(crate) fn check(&mut self) -> Result<(), VaultError> {
        self.error.take().map_or(Ok(()), Err)
    }

    /// What the splitter found.
    pub(crate) fn event(&mut self, event: SplitEvent<'_>) {
        match event {
            SplitEvent::Text(text) => self.text(text),
            SplitEvent::PartStart => self.end_text(),
            SplitEvent::PartData(data) => self.part_data(data),
            SplitEvent::PartEnd(shape) => self.end_part(shape),
        }
    }

    /// Text of the message.
    pub(crate) fn text(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
        if self.is_big {
            while self.text.len() >= TEXT_FRAME_BYTES {
                let rest = self.text.split_off(TEXT_FRAME_BYTES);
                let chunk = std::mem::replace(&mut self.text, rest);
                self.push_text_chunks(&chunk);
            }
            return;
        }
        self.kept_text_bytes += text.len();
        if self.kept_text_bytes > KEPT_TEXT_BYTES {
            self.is_big = true;
            self.move_texts_out(SMALL_TEXT_BYTES);
            let text = std::mem::take(&mut self.text);
            self.text(&text);
        }
    }

    fn end_text(&mut self) {
        let text = std::mem::take(&mut self.text);
        if self.is_big && text.len() >= SMALL_TEXT_BYTES {
            self.push_text_chunks(&text);
        } else if !text.is_empty() {
            self.segments.push(Segment::Text(Bytes::from(text)));
        }
    }

    fn part_data(&mut self, data: &[u8]) {
        let part = std::mem::take(&mut self.part);
        self.part = self.grown(part, data);
    }

    /// The part with more bytes; what cannot change any more is stored.
    fn grown(&mut self, mut part: PartBuffer, data: &[u8]) -> PartBuffer {
        part.bytes.extend_from_slice(data);
        if part.bytes.len() >= CHUNK_FROM_BYTES {
            let mut ids = std::mem::take(&mut part.ids);
            let done = self.chunker.cut_certain(&part.bytes, |chunk| {
                ids.push(self.store_frame(chunk, Compression::Zstd));
            });
            part.ids = ids;
            part.bytes.drain(..done);
        }
        part
    }

    fn end_part(&mut self, shape: PartShape) {
        let part = std::mem::take(&mut self.part);
        let (ids, mut bytes) = self.ended(part);
        self.segments.push(Segment::Part { ids, shape });
        // The next part uses the same memory.
        bytes.clear();
        self.part.bytes = bytes;
    }

    /// Stores what is left of a part; gives back its frames and its memory.
    fn ended(&mut self, mut part: PartBuffer) -> (Vec<ContentId>, Vec<u8>) {
        if part.ids.is_empty() {
            let compression = part_compression(&part.bytes);
            part.ids.push(self.store_frame(&part.bytes, compression));
        } else {
            let mut ids = std::mem::take(&mut part.ids);
            self.chunker.cut_all(&part.bytes, |chunk| {
                ids.push(self.store_frame(chunk, Compression::Zstd));
            });
            part.ids = ids;
        }
        (part.ids, part.bytes)
    }

    /// Begins the item's export stream.
    pub(crate) fn begin_export(&mut self, server_version: String) {
        self.export = Some(OpenExport {
            server_version,
            part: PartBuffer::default(),
            hasher: blake3::Hasher::new(),
            bytes: 0,
        });
    }

    /// Bytes of the export stream.
    pub(crate) fn export_data(&mut self, data: &[u8]) {
        let Some(mut export) = self.export.take() else {
            return;
        };
        export.hasher.update(data);
        export.bytes += u64::try_from(data.len()).unwrap_or(u64::MAX);
        export.part = self.grown(export.part, data);
        self.export = Some(export);
    }

    /// The hash of the export stream; `None` without one, or when it is empty.
    pub(crate) fn export_hash(&self) -> Option<[u8; 32]> {
        let export = self.export.as_ref().filter(|export| export.bytes > 0)?;
        Some(*export.hasher.finalize().as_bytes())
    }

    fn end_export(&mut self) -> Option<ExportBody> {
        let hash = self.export_hash()?;
        let export = self.export.take()?;
        let (ids, _) = self.ended(export.part);
        Some(ExportBody {
            ids,
            bytes: export.bytes,
            hash,
            server_version: export.server_version,
        })
    }

    /// Makes a frame unless it is known; returns its id.
    fn store_frame(&mut self, content: &[u8], compression: Compression) -> ContentId {
        let id = self.keys.content_id(content);
        if self.pending_ids.contains(&id) || self.packs.contains(&id) {
            return id;
        }
        let spec = FrameSpec {
            kind: FrameKind::Part,
            compression,
            content_id: Some(id),
        };
        match EncodedFrame::encode(&spec, content) {
            Ok(frame) => {
                self.pending_bytes += frame.stored_bytes();
                self.pending_ids.insert(id);
                self.pending.push(frame);
            }
            Err(error) => self.error = Some(error),
        }
        id
    }

    /// Stores text as frames at the end of the segments.
    fn push_text_chunks(&mut self, text: &[u8]) {
        let new = self.text_chunks(text);
        match (self.segments.last_mut(), new) {
            (
                Some(Segment::Chunks { ids, bytes }),
                Segment::Chunks {
                    ids: more,
                    bytes: more_bytes,
                },
            ) => {
                ids.extend(more);
                *bytes += more_bytes;
            }
            (_, new) => self.segments.push(new),
        }
    }

    fn text_chunks(&mut self, text: &[u8]) -> Segment {
        Segment::Chunks {
            ids: text
                .chunks(TEXT_FRAME_BYTES)
                .map(|chunk| self.store_frame(chunk, Compression::Text))
                .collect(),
            bytes: u64::try_from(text.len()).unwrap_or(u64::MAX),
        }
    }

    /// Gives texts of more than `limit` bytes frames of their own.
    fn move_texts_out(&mut self, limit: usize) {
        let mut segments = std::mem::take(&mut self.segments);
        for segment in &mut segments {
            if let Segment::Text(text) = segment
                && text.len() > limit
            {
                *segment = self.text_chunks(&text.clone());
            }
        }
        self.segments = segments;
    }

    /// What identifies the message whatever its encoding; to be called once it is complete.
    pub(crate) fn canonical_digest(&mut self) -> [u8; 32] {
        self.end_text();
        if self.is_big {
            return *self.hasher.finalize().as_bytes();
        }
        let digests: Vec<[u8; 16]> = self.segments.iter().map(|s| self.part_digest(s)).collect();
        let segments = self.segments.iter().zip(&digests).enumerate();
        canonical_digest(&PlaceholderMime::build(segments.filter_map(
            |(index, (segment, digest))| match segment {
                Segment::Text(text) => Some(mailkeep_content::Segment::Text(text)),
                Segment::Part { shape, .. } => Some(mailkeep_content::Segment::Part {
                    index,
                    shape,
                    digest,
                }),
                Segment::Chunks { .. } => None,
            },
        )))
    }

    /// The id of a part's only frame, else a hash over the ids of its chunks.
    fn part_digest(&self, segment: &Segment) -> [u8; 16] {
        match segment {
            Segment::Part { ids, .. } => part_digest(self.keys, ids),
            _ => [0; 16],
        }
    }

    /// The frames that wait, and the item frame behind them.
    pub(crate) fn finish(
        mut self,
        head: ContentHead,
        canonical_digest: [u8; 32],
    ) -> Result<Vec<EncodedFrame>, VaultError> {
        self.move_texts_out(TEXT_FRAME_BYTES);
        let export = self.end_export();
        self.check()?;
        let mut frames = self.take_pending();
        let body = ItemBody {
            segments: self.segments,
            properties_json: Bytes::from(head.properties_json),
            representation: head.representation,
            rebuilt_because: head.rebuilt_because,
            mime_hash: *self.hasher.finalize().as_bytes(),
            mime_bytes: self.mime_bytes,
            canonical_digest,
            export,
        };
        let refs = body.parts();
        let spec = FrameSpec::new(FrameKind::Item, Compression::Text);
        frames.push(EncodedFrame {
            refs,
            ..EncodedFrame::encode(&spec, &body.encode())?
        });
        Ok(frames)
    }
}

/// Identifies a part's content.
pub(crate) fn part_digest(keys: &MailboxKeys, ids: &[ContentId]) -> [u8; 16] {
    match ids {
        [id] => id.0,
        ids => {
            let bytes: Vec<u8> = ids.iter().flat_map(|id| id.0).collect();
            keys.content_id(&bytes).0
        }
    }
}

/// Small parts that look like text (bodies in base64, calendars) gain from the dictionary.
fn part_compression(part: &[u8]) -> Compression {
    let sample = part.get(..512).unwrap_or(part);
    let is_text = part.len() <= TEXT_PART_BYTES
        && !sample
            .iter()
            .any(|byte| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r'));
    if is_text {
        Compression::Text
    } else {
        Compression::Zstd
    }
}
