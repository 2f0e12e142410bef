//! Reads an item's content back.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use mailkeep_content::{PartEncoder, PlaceholderMime};
use mailkeep_model::Representation;

use crate::assembly::part_digest;
use crate::body::{ItemBody, Segment};
use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::fetch::{Aside, FrameFetcher};
use crate::format::frame::FrameKind;
use crate::format::parser::FrameOpener;
use crate::ids::{ContentId, PackNumber};
use crate::object::get_range;
use crate::pack_table::{ContentRef, PackEntry, PartLocation};

/// Text beyond this is not put together in memory.
const MAX_PLACEHOLDER_BYTES: u64 = 32 << 20;

/// So much in front of an item frame is read along at most.
const MOST_ASIDE_BYTES: u64 = 128 << 10;
/// Seals, method bytes, and what the item frame holds beside text.
const ASIDE_SLACK_BYTES: u64 = 2 << 10;

/// What a reader asks the index.
#[async_trait]
pub(crate) trait PartResolver: Send + Sync + 'static {
    /// Where a part is stored.
    async fn find_part(&self, id: &ContentId) -> Result<Option<PartLocation>, VaultError>;

    /// A line of the pack table.
    async fn pack(&self, number: PackNumber) -> Result<PackEntry, VaultError>;
}

/// The content of one item.
#[derive(Clone)]
pub struct ItemReader {
    inner: Arc<Inner>,
}

struct Inner {
    core: MailboxCore,
    resolver: Arc<dyn PartResolver>,
    /// For errors: the object that holds the item frame.
    object: String,
    body: ItemBody,
    /// The frames of all segments, in order.
    ids: Vec<ContentId>,
    aside: Option<Aside>,
}

/// How much in front of an item frame is worth reading along. What the message has more than the frame is in
/// parts, in base64; those that no earlier message brought were stored right before the frame.
fn aside_bytes(content: &ContentRef) -> u64 {
    let in_parts = content
        .size_bytes
        .saturating_sub(content.place.frame.plain_bytes.into());
    match in_parts / 4 * 3 {
        0 => 0,
        // They take a request of their own.
        bytes if bytes > MOST_ASIDE_BYTES => 0,
        bytes => bytes + ASIDE_SLACK_BYTES,
    }
}

impl std::fmt::Debug for ItemReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ItemReader")
            .field("object", &self.inner.object)
            .finish_non_exhaustive()
    }
}

impl ItemReader {
    /// Reads the item frame, and small parts in front of it: one request.
    pub(crate) async fn open(
        core: MailboxCore,
        resolver: Arc<dyn PartResolver>,
        content: &ContentRef,
    ) -> Result<Self, VaultError> {
        let pack = resolver.pack(content.place.pack).await?;
        let key = pack.id.key(&core.id)?;
        let PartLocation {
            pack: number,
            frame,
        } = content.place;
        let offset = u64::from(frame.offset);
        let start = offset.saturating_sub(aside_bytes(content));
        let mut bytes = get_range(&*core.ctx.store, &key, start, frame.end()).await?;
        let before = usize::try_from(offset - start).unwrap_or(usize::MAX);
        let stored = bytes.split_off(before.min(bytes.len()));
        let opener = FrameOpener::new(core.keys.objects(), &pack.header, &key)?;
        let plain = opener.open(FrameKind::Item, &frame, &stored)?;
        let body = ItemBody::decode(key.as_str(), plain)?;
        let ids = body
            .segments
            .iter()
            .flat_map(Segment::ids)
            .copied()
            .collect();
        Ok(Self {
            inner: Arc::new(Inner {
                core,
                resolver,
                object: key.to_string(),
                body,
                ids,
                aside: (!bytes.is_empty()).then_some(Aside {
                    pack: number,
                    start,
                    bytes,
                }),
            }),
        })
    }

    /// Length of the message.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.inner.body.mime_bytes
    }

    /// How the message came to be.
    #[must_use]
    pub fn representation(&self) -> Representation {
        self.inner.body.representation
    }

    /// Why it was rebuilt, as the source's code.
    #[must_use]
    pub fn rebuilt_because(&self) -> Option<&str> {
        self.inner.body.rebuilt_because.as_deref()
    }

    /// Properties that the message lacks, as JSON.
    #[must_use]
    pub fn properties_json(&self) -> &[u8] {
        &self.inner.body.properties_json
    }

    /// Length of the source's own lossless form; `None` when none was taken.
    #[must_use]
    pub fn export_bytes(&self) -> Option<u64> {
        self.inner.body.export.as_ref().map(|export| export.bytes)
    }

    /// Version of the server that wrote it; empty when it did not say.
    #[must_use]
    pub fn export_server_version(&self) -> Option<&str> {
        let export = self.inner.body.export.as_ref()?;
        Some(&export.server_version)
    }

    /// The source's own lossless form, byte for byte; empty when none was taken. The last item is an
    /// error if the whole is not what was stored.
    #[must_use]
    pub fn export(&self) -> BoxStream<'static, Result<Bytes, VaultError>> {
        let Some(export) = &self.inner.body.export else {
            return stream::empty().boxed();
        };
        let (core, resolver) = (self.inner.core.clone(), Arc::clone(&self.inner.resolver));
        let aside = self.inner.aside.clone();
        let fetcher = FrameFetcher::new(core, resolver, aside, export.ids.clone());
        let state = (Arc::clone(&self.inner), fetcher, blake3::Hasher::new());
        stream::try_unfold(Some(state), |state| async move {
            let Some((inner, mut fetcher, mut hasher)) = state else {
                return Ok(None);
            };
            if let Some(piece) = fetcher.next().await? {
                hasher.update(&piece);
                return Ok(Some((piece, Some((inner, fetcher, hasher)))));
            }
            let wanted = inner.body.export.as_ref().map(|export| export.hash);
            if wanted == Some(*hasher.finalize().as_bytes()) {
                return Ok(None);
            }
            Err(VaultError::corrupt(
                inner.object.clone(),
                "an export stream put together from its parts is not what was stored",
            ))
        })
        .boxed()
    }

    /// The message, byte for byte. The last item is an error if the whole is not what was stored.
    #[must_use]
    pub fn mime(&self) -> BoxStream<'static, Result<Bytes, VaultError>> {
        let state = MimeState {
            inner: Arc::clone(&self.inner),
            fetcher: self.fetcher(0, self.inner.ids.len()),
            segment: 0,
            frames_left: None,
            encoder: None,
            hasher: blake3::Hasher::new(),
            bytes: 0,
        };
        stream::try_unfold(Some(state), |state| async move {
            let Some(mut state) = state else {
                return Ok(None);
            };
            match state.next().await? {
                Some(bytes) => Ok(Some((bytes, Some(state)))),
                None => {
                    state.check()?;
                    Ok(None)
                }
            }
        })
        .boxed()
    }

    /// The message with tokens in place of its parts, to be parsed. Part numbers are those of
    /// [`part`](Self::part).
    ///
    /// # Errors
    /// `Invalid` when the text alone has more than 32 MiB; a store error, or damage.
    pub async fn placeholder(&self) -> Result<PlaceholderMime, VaultError> {
        let inner = &self.inner;
        let text_bytes: u64 = inner.body.segments.iter().map(text_bytes).sum();
        if text_bytes > MAX_PLACEHOLDER_BYTES {
            return Err(VaultError::invalid(format!(
                "an item in {} has {text_bytes} bytes of text, too many to take apart; export it as MIME",
                inner.object
            )));
        }
        let mut texts = VecDeque::new();
        let mut first = 0;
        for segment in &inner.body.segments {
            let count = segment.ids().len();
            if matches!(segment, Segment::Chunks { .. }) {
                let mut fetcher = self.fetcher(first, first + count);
                let mut text = vec![];
                while let Some(bytes) = fetcher.next().await? {
                    text.extend_from_slice(&bytes);
                }
                texts.push_back(text);
            }
            first += count;
        }
        let mut digests = vec![];
        for segment in &inner.body.segments {
            if let Segment::Part { ids, .. } = segment {
                digests.push(part_digest(&inner.core.keys, ids));
            }
        }
        let mut parts = digests.iter().enumerate();
        let mut texts = texts.iter();
        Ok(PlaceholderMime::build(
            inner.body.segments.iter().filter_map(|segment| {
                Some(match segment {
                    Segment::Text(text) => mailkeep_content::Segment::Text(text),
                    Segment::Chunks { .. } => mailkeep_content::Segment::Text(texts.next()?),
                    Segment::Part { shape, .. } => {
                        let (index, digest) = parts.next()?;
                        mailkeep_content::Segment::Part {
                            index,
                            shape,
                            digest,
                        }
                    }
                })
            }),
        ))
    }

    /// Number of parts.
    #[must_use]
    pub fn parts(&self) -> usize {
        let segments = self.inner.body.segments.iter();
        segments
            .filter(|segment| matches!(segment, Segment::Part { .. }))
            .count()
    }

    /// Decoded length of a part; 0 when there is no such part.
    #[must_use]
    pub fn part_bytes(&self, index: usize) -> u64 {
        match self.find_part(index) {
            Some((_, Segment::Part { shape, .. })) => shape.decoded_bytes,
            _ => 0,
        }
    }

    /// The decoded bytes of a part from `offset` on. Empty when there is no such part.
    #[must_use]
    pub fn part(&self, index: usize, offset: u64) -> BoxStream<'static, Result<Bytes, VaultError>> {
        let Some((first, segment)) = self.find_part(index) else {
            return stream::empty().boxed();
        };
        let fetcher = self.fetcher(first, first + segment.ids().len());
        stream::try_unfold((fetcher, offset), |(mut fetcher, mut skip)| async move {
            skip = fetcher.skip_whole_frames(skip).await?;
            while let Some(mut bytes) = fetcher.next().await? {
                let skipped = bytes.len().min(usize::try_from(skip).unwrap_or(usize::MAX));
                skip -= u64::try_from(skipped).unwrap_or(skip);
                let rest = bytes.split_off(skipped);
                if !rest.is_empty() {
                    return Ok(Some((rest, (fetcher, skip))));
                }
            }
            Ok(None)
        })
        .boxed()
    }

    /// The part's segment, and the number of its first frame among all frames.
    fn find_part(&self, index: usize) -> Option<(usize, &Segment)> {
        let mut first = 0;
        let mut part = 0;
        for segment in &self.inner.body.segments {
            if matches!(segment, Segment::Part { .. }) {
                if part == index {
                    return Some((first, segment));
                }
                part += 1;
            }
            first += segment.ids().len();
        }
        None
    }

    fn fetcher(&self, from: usize, to: usize) -> FrameFetcher {
        let ids = self.inner.ids.get(from..to).unwrap_or_default();
        FrameFetcher::new(
            self.inner.core.clone(),
            Arc::clone(&self.inner.resolver),
            self.inner.aside.clone(),
            ids.to_vec(),
        )
    }
}

fn text_bytes(segment: &Segment) -> u64 {
    match segment {
        Segment::Text(text) => u64::try_from(text.len()).unwrap_or(u64::MAX),
        Segment::Chunks { bytes, .. } => *bytes,
        Segment::Part { .. } => 0,
    }
}

/// Puts the message together, frame by frame.
struct MimeState {
    inner: Arc<Inner>,
    fetcher: FrameFetcher,
    segment: usize,
    /// Frames of the current segment that are to come; `None` before its first.
    frames_left: Option<usize>,
    encoder: Option<PartEncoder>,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl MimeState {
    async fn next(&mut self) -> Result<Option<Bytes>, VaultError> {
        loop {
            let Some(piece) = self.piece().await? else {
                return Ok(None);
            };
            if !piece.is_empty() {
                self.hasher.update(&piece);
                self.bytes += u64::try_from(piece.len()).unwrap_or(u64::MAX);
                return Ok(Some(piece));
            }
        }
    }

    /// The next piece, possibly empty; `None` after the last.
    async fn piece(&mut self) -> Result<Option<Bytes>, VaultError> {
        let inner = Arc::clone(&self.inner);
        let Some(segment) = inner.body.segments.get(self.segment) else {
            return Ok(None);
        };
        let (ids, shape) = match segment {
            Segment::Text(text) => {
                self.segment += 1;
                return Ok(Some(text.clone()));
            }
            Segment::Chunks { ids, .. } => (ids, None),
            Segment::Part { ids, shape } => (ids, Some(shape)),
        };
        let left = match self.frames_left {
            Some(left) => left,
            None => {
                self.encoder = shape.map(PartEncoder::new);
                ids.len()
            }
        };
        let mut out = vec![];
        if left == 0 {
            if let Some(encoder) = self.encoder.take() {
                encoder.finish(&mut out);
            }
            self.segment += 1;
            self.frames_left = None;
            return Ok(Some(Bytes::from(out)));
        }
        self.frames_left = Some(left - 1);
        let frame = self.fetcher.next().await?;
        let frame = frame.ok_or_else(|| VaultError::bug("a frame too few"))?;
        match &mut self.encoder {
            Some(encoder) => {
                encoder.push(&frame, &mut out);
                Ok(Some(Bytes::from(out)))
            }
            None => Ok(Some(frame)),
        }
    }

    fn check(&self) -> Result<(), VaultError> {
        let body = &self.inner.body;
        if self.bytes == body.mime_bytes && *self.hasher.finalize().as_bytes() == body.mime_hash {
            return Ok(());
        }
        Err(VaultError::corrupt(
            self.inner.object.clone(),
            "an item put together from its parts is not what was stored",
        ))
    }
}
