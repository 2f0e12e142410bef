//! Attachments, streamed out of the vault while they are uploaded.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use mailkeep_content::{ParsedAttachment, PartEncoder, PartShape, Piece};
use mailkeep_exchange::{AttachmentContent, ByteStream, RestoreAttachment, SourceError};
use mailkeep_model::FailureClass;
use mailkeep_vault::{ItemReader, VaultError};

use crate::error::vault_code;

/// An attachment's bytes: pieces of the message's text and parts in the vault.
struct StoredAttachment {
    reader: ItemReader,
    pieces: Arc<[Piece]>,
    size_bytes: u64,
}

/// Makes an attachment that can be uploaded.
pub(super) fn restore_attachment(
    reader: &ItemReader,
    attachment: ParsedAttachment,
) -> RestoreAttachment {
    let pieces: Arc<[Piece]> = attachment.pieces.into();
    let size_bytes = pieces.iter().map(|piece| length(reader, piece)).sum();
    RestoreAttachment {
        name: attachment.name,
        content_type: attachment.content_type,
        content_id: attachment.content_id,
        is_inline: attachment.is_inline,
        content: Arc::new(StoredAttachment {
            reader: reader.clone(),
            pieces,
            size_bytes,
        }),
    }
}

fn length(reader: &ItemReader, piece: &Piece) -> u64 {
    piece.len(|index| reader.part_bytes(index))
}

impl AttachmentContent for StoredAttachment {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn open(&self, offset: u64) -> ByteStream {
        let (reader, pieces) = (self.reader.clone(), self.pieces.clone());
        // The first piece that is needed, and how much of it is not.
        let (mut first, mut skip) = (0, offset);
        for piece in pieces.iter() {
            let length = length(&reader, piece);
            if skip < length {
                break;
            }
            skip -= length;
            first += 1;
        }
        let count = pieces.len();
        let streams = stream::iter(first..count).flat_map(move |index| {
            let skip = if index == first { skip } else { 0 };
            match pieces.get(index) {
                Some(piece) => open_piece(&reader, piece, skip),
                None => stream::empty().boxed(),
            }
        });
        streams.map_err(|error| source_error(&error)).boxed()
    }
}

/// An item's message as it was.
pub(super) struct StoredMime(pub(super) ItemReader);

impl AttachmentContent for StoredMime {
    fn size_bytes(&self) -> u64 {
        self.0.size_bytes()
    }

    fn open(&self, offset: u64) -> ByteStream {
        skipped(self.0.mime(), offset)
            .map_err(|error| source_error(&error))
            .boxed()
    }
}

/// An item's lossless form.
pub(super) struct StoredExport(pub(super) ItemReader);

impl AttachmentContent for StoredExport {
    fn size_bytes(&self) -> u64 {
        self.0.export_bytes().unwrap_or_default()
    }

    fn open(&self, offset: u64) -> ByteStream {
        skipped(self.0.export(), offset)
            .map_err(|error| source_error(&error))
            .boxed()
    }
}

type Bytestream = BoxStream<'static, Result<Bytes, VaultError>>;

fn open_piece(reader: &ItemReader, piece: &Piece, skip: u64) -> Bytestream {
    match piece {
        Piece::Bytes(bytes) => {
            let from = usize::try_from(skip).unwrap_or(usize::MAX).min(bytes.len());
            let rest = bytes.get(from..).unwrap_or_default();
            stream::iter([Ok(Bytes::copy_from_slice(rest))]).boxed()
        }
        Piece::Part(index) => reader.part(*index, skip),
        Piece::EncodedPart { index, shape } => {
            skipped(encoded(reader.part(*index, 0), shape), skip)
        }
    }
}

/// A part as the base64 text that it was.
fn encoded(part: Bytestream, shape: &PartShape) -> Bytestream {
    let state = (part, Some(PartEncoder::new(shape)));
    stream::try_unfold(state, |(mut part, encoder)| async move {
        let Some(mut encoder) = encoder else {
            return Ok(None);
        };
        let mut out = vec![];
        let encoder = match part.try_next().await? {
            Some(bytes) => {
                encoder.push(&bytes, &mut out);
                Some(encoder)
            }
            None => {
                encoder.finish(&mut out);
                None
            }
        };
        Ok(Some((Bytes::from(out), (part, encoder))))
    })
    .boxed()
}

fn skipped(bytes: Bytestream, skip: u64) -> Bytestream {
    bytes
        .scan(skip, |skip, piece| {
            let piece = piece.map(|mut bytes| {
                let skipped = bytes
                    .len()
                    .min(usize::try_from(*skip).unwrap_or(usize::MAX));
                *skip -= u64::try_from(skipped).unwrap_or(0);
                bytes.split_off(skipped)
            });
            std::future::ready(Some(piece))
        })
        .boxed()
}

/// The target sees a damaged vault as content that cannot be read.
fn source_error(error: &VaultError) -> SourceError {
    SourceError::new(
        FailureClass::Vault,
        "read stored content",
        vault_code(error),
        error.to_string(),
    )
}
