//! A composed message as a stream of bytes, its attachments fetched one after the other.

use std::collections::VecDeque;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{StreamExt, stream};
use mailkeep_content::{ATTACHMENT_SHAPE, ComposeMessage, ComposeSegment, PartEncoder, compose};

use crate::{ByteStream, SourceError};

/// Opens the bytes of an attachment by its number.
pub(crate) type OpenAttachment =
    Box<dyn Fn(usize) -> BoxFuture<'static, Result<ByteStream, SourceError>> + Send + Sync>;

/// An attachment that is being written.
struct Open {
    bytes: ByteStream,
    /// `None` writes the bytes as they are.
    encoder: Option<PartEncoder>,
}

struct Writer {
    segments: VecDeque<ComposeSegment>,
    attachments: OpenAttachment,
    current: Option<Open>,
}

/// The message's bytes.
pub(crate) fn composed(message: &ComposeMessage, attachments: OpenAttachment) -> ByteStream {
    let writer = Writer {
        segments: compose(message).into(),
        attachments,
        current: None,
    };
    Box::pin(stream::unfold(Some(writer), |state| async move {
        let mut writer = state?;
        loop {
            match writer.step().await {
                Ok(Some(bytes)) if bytes.is_empty() => {}
                Ok(Some(bytes)) => return Some((Ok(bytes), Some(writer))),
                Ok(None) => return None,
                Err(error) => return Some((Err(error), None)),
            }
        }
    }))
}

/// How long the message is when attachment `n` is `sizes[n]` bytes long.
pub(crate) fn composed_length(message: &ComposeMessage, sizes: &[u64]) -> u64 {
    let size = |index: usize| sizes.get(index).copied().unwrap_or_default();
    let segments = compose(message);
    let lengths = segments.iter().map(|segment| match segment {
        ComposeSegment::Bytes(bytes) => bytes.len() as u64,
        ComposeSegment::AttachmentRaw(index) => size(*index),
        ComposeSegment::AttachmentBase64(index) => {
            let text = size(*index).div_ceil(3) * 4;
            let line = u64::from(ATTACHMENT_SHAPE.line_length);
            text + text.div_ceil(line) * 2
        }
    });
    lengths.sum()
}

impl Writer {
    /// The next bytes; `None` at the end.
    async fn step(&mut self) -> Result<Option<Bytes>, SourceError> {
        let Some(mut open) = self.current.take() else {
            let (index, encoder) = match self.segments.pop_front() {
                None => return Ok(None),
                Some(ComposeSegment::Bytes(bytes)) => return Ok(Some(Bytes::from(bytes))),
                Some(ComposeSegment::AttachmentBase64(index)) => {
                    (index, Some(PartEncoder::new(&ATTACHMENT_SHAPE)))
                }
                Some(ComposeSegment::AttachmentRaw(index)) => (index, None),
            };
            let bytes = (self.attachments)(index).await?;
            self.current = Some(Open { bytes, encoder });
            return Ok(Some(Bytes::new()));
        };
        let next = open.bytes.next().await.transpose()?;
        let out = match (next, &mut open.encoder) {
            (Some(bytes), None) => bytes,
            (Some(bytes), Some(encoder)) => {
                let mut out = vec![];
                encoder.push(&bytes, &mut out);
                Bytes::from(out)
            }
            (None, encoder) => {
                let mut out = vec![];
                if let Some(encoder) = encoder.take() {
                    encoder.finish(&mut out);
                }
                return Ok(Some(Bytes::from(out)));
            }
        };
        self.current = Some(open);
        Ok(Some(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailkeep_content::ComposeAttachment;

    #[tokio::test]
    async fn the_length_is_what_is_written() {
        for size in [0, 1, 2, 3, 56, 57, 58, 114, 1000, 5700] {
            let message = ComposeMessage {
                subject: "s".into(),
                text: Some("t".into()),
                attachments: vec![
                    ComposeAttachment {
                        name: "a.bin".into(),
                        ..ComposeAttachment::default()
                    },
                    ComposeAttachment {
                        name: "b.eml".into(),
                        content_type: "message/rfc822".into(),
                        ..ComposeAttachment::default()
                    },
                ],
                ..ComposeMessage::default()
            };
            let open: OpenAttachment = Box::new(move |_| {
                let bytes = Bytes::from(vec![b'x'; size]);
                let stream: ByteStream = Box::pin(stream::iter([Ok(bytes)]));
                Box::pin(async move { Ok(stream) })
            });
            let mut stream = composed(&message, open);
            let mut length = 0;
            while let Some(bytes) = stream.next().await {
                length += bytes.unwrap().len() as u64;
            }
            let size = size as u64;
            assert_eq!(composed_length(&message, &[size, size]), length, "{size}");
        }
    }
}
