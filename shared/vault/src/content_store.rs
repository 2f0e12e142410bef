//! Stores an item's content: splits it while it streams in, leaves out what is stored already.

use std::future::{Future, Ready, ready};
use std::pin::pin;

use bytes::Bytes;
use futures::stream::Empty;
use futures::{Stream, StreamExt};
use mailkeep_content::Splitter;
use mailkeep_model::{Item, Representation};

use crate::assembly::Assembly;
use crate::chunk::Chunker;
use crate::error::{StoreContentError, VaultError};
use crate::format::frame::FrameRef;
use crate::keys::MailboxKeys;
use crate::pack::{About, PackWriter, StagedPack};
use crate::pack_table::ContentRef;

/// The splitter gets no more at once, so that what is pending stays bounded however big the pieces
/// of the stream are.
const SLICE_BYTES: usize = 64 << 10;
/// Frames of an item wait for its item frame, so that they lie together, but no more than this.
const PENDING_BYTES: usize = 1 << 20;
/// Properties beyond this are refused: no source has nearly as many.
const MAX_PROPERTIES_BYTES: usize = 16 << 20;

/// What comes with a message.
#[derive(Clone, Debug, Default)]
pub struct ContentHead {
    /// How the message came to be.
    pub representation: Representation,
    /// Why it was rebuilt, as the source's code.
    pub rebuilt_because: Option<String>,
    /// Properties that the message lacks, as JSON.
    pub properties_json: Vec<u8>,
    /// The item that the message belongs to. Packs keep a copy, so that a mailbox whose commits are lost can
    /// be put together again.
    pub item: Option<Box<Item>>,
}

/// The source's own lossless form of an item on its way into the vault.
#[derive(Debug)]
pub struct ExportSource<S> {
    /// Version of the server that wrote it; empty when it did not say.
    pub server_version: String,
    /// The bytes.
    pub bytes: S,
}

/// No lossless form.
type Nothing<E> = ExportSource<Empty<Result<Bytes, E>>>;

/// For items that come without one.
pub(crate) fn without_export<E>() -> Ready<Result<Option<Nothing<E>>, E>> {
    ready(Ok(None))
}

/// Where content was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoredPlace {
    /// In a pack that no commit names yet.
    Staged(StagedPack, FrameRef),
    /// Where the previous version's content is.
    Previous(ContentRef),
}

/// Content that is stored or needed no storing; to be given to the row of its item.
#[derive(Clone, Copy, Debug)]
pub struct StoredContent {
    /// Length of the message.
    pub size_bytes: u64,
    /// True when the previous version's content is the same, so that nothing was stored.
    pub was_unchanged: bool,
    pub(crate) fingerprint: u64,
    pub(crate) place: StoredPlace,
}

/// Stores messages of one mailbox.
pub(crate) struct ContentStore<'a> {
    /// Keys of the mailbox.
    pub keys: &'a MailboxKeys,
    /// Where the frames go.
    pub packs: &'a PackWriter,
    /// Made once per writer from [`MailboxKeys::gear`].
    pub chunker: &'a Chunker,
}

impl ContentStore<'_> {
    /// Reads `mime` to its end, then the export stream if `export` gives one, and stores both, unless
    /// `previous` has the same content.
    pub(crate) async fn store<E, S: Stream<Item = Result<Bytes, E>>>(
        &self,
        mut head: ContentHead,
        mime: impl Stream<Item = Result<Bytes, E>>,
        export: impl Future<Output = Result<Option<ExportSource<S>>, E>>,
        previous: Option<&ContentRef>,
    ) -> Result<StoredContent, StoreContentError<E>> {
        if head.properties_json.len() > MAX_PROPERTIES_BYTES {
            return Err(VaultError::invalid("the properties of an item exceed 16 MiB").into());
        }
        let mut assembly = Assembly::new(self.keys, self.packs, self.chunker);
        let mut splitter = Some(Splitter::new());
        let mut mime = pin!(mime);
        while let Some(piece) = mime.next().await {
            let piece = piece.map_err(StoreContentError::Source)?;
            for slice in piece.chunks(SLICE_BYTES) {
                assembly.hash(slice);
                match &mut splitter {
                    Some(splitter) => splitter.push(slice, &mut |event| assembly.event(event)),
                    None => assembly.text(slice),
                }
                assembly.check()?;
                if assembly.has_too_many_segments()
                    && let Some(splitter) = splitter.take()
                {
                    splitter.finish(&mut |event| assembly.event(event));
                }
                if assembly.pending_bytes() > PENDING_BYTES {
                    self.packs.append(assembly.take_pending()).await?;
                }
            }
        }
        if let Some(splitter) = splitter {
            splitter.finish(&mut |event| assembly.event(event));
        }
        assembly.check()?;

        let mime_bytes = assembly.mime_bytes();
        let canonical_digest = assembly.canonical_digest();
        self.take_export(&mut assembly, export).await?;
        let kind = [u8::from(head.representation == Representation::MimeRebuilt)];
        let because = head.rebuilt_because.as_deref().unwrap_or_default();
        let export_hash = assembly.export_hash();
        let mut identity: Vec<&[u8]> = vec![
            &canonical_digest,
            &kind,
            because.as_bytes(),
            &head.properties_json,
        ];
        identity.extend(export_hash.as_ref().map(<[u8; 32]>::as_slice));
        let fingerprint = self.keys.fingerprint(&identity);
        if let Some(previous) = previous.filter(|content| content.fingerprint == fingerprint) {
            return Ok(StoredContent {
                size_bytes: previous.size_bytes,
                was_unchanged: true,
                fingerprint,
                place: StoredPlace::Previous(*previous),
            });
        }
        let about = head.item.take().map(|item| About {
            key: self.keys.item_key(&item.id),
            item: *item,
            size_bytes: mime_bytes,
            fingerprint,
        });
        let frames = assembly.finish(head, canonical_digest)?;
        let (pack, frame) = self
            .packs
            .append_item(frames, about)
            .await?
            .ok_or_else(|| VaultError::bug("an item without an item frame"))?;
        Ok(StoredContent {
            size_bytes: mime_bytes,
            was_unchanged: false,
            fingerprint,
            place: StoredPlace::Staged(pack, frame),
        })
    }

    async fn take_export<E, S: Stream<Item = Result<Bytes, E>>>(
        &self,
        assembly: &mut Assembly<'_>,
        export: impl Future<Output = Result<Option<ExportSource<S>>, E>>,
    ) -> Result<(), StoreContentError<E>> {
        let Some(export) = export.await.map_err(StoreContentError::Source)? else {
            return Ok(());
        };
        assembly.begin_export(export.server_version);
        let mut bytes = pin!(export.bytes);
        while let Some(piece) = bytes.next().await {
            let piece = piece.map_err(StoreContentError::Source)?;
            for slice in piece.chunks(SLICE_BYTES) {
                assembly.export_data(slice);
                assembly.check()?;
                if assembly.pending_bytes() > PENDING_BYTES {
                    self.packs.append(assembly.take_pending()).await?;
                }
            }
        }
        Ok(())
    }
}
