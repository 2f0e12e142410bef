//! Attachments of restored items: small ones in one call, large ones slice by slice.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use mailkeep_model::{FailureClass, ItemId, SourceMailboxId};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::call::Call;
use super::client::GraphClient;
use super::error_map::{Asked, Operation};
use super::message_json::Object;
use crate::retry::is_retryable;
use crate::{AttachmentContent, ByteStream, RestoreAttachment, SourceError};

pub(crate) const ADD: Operation = Operation::new("add attachment", Asked::Item, "Mail.ReadWrite");
/// What attachments are added to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holder<'a> {
    /// Where such items are: `messages` or `events`.
    segment: &'static str,
    id: &'a str,
    permission: &'static str,
}

impl<'a> Holder<'a> {
    /// A message.
    pub(crate) fn message(id: &'a ItemId) -> Self {
        Self {
            segment: "messages",
            id: id.as_str(),
            permission: "Mail.ReadWrite",
        }
    }

    /// An event, by its id at the service.
    pub(crate) fn event(id: &'a str) -> Self {
        Self {
            segment: "events",
            id,
            permission: "Calendars.ReadWrite",
        }
    }

    fn operation(&self, like: &Operation) -> Operation {
        Operation {
            permission: self.permission,
            ..*like
        }
    }
}

const OPEN_SESSION: Operation =
    Operation::new("begin attachment upload", Asked::Item, "Mail.ReadWrite");
const UPLOAD: Operation = Operation::new("upload attachment", Asked::Item, "Mail.ReadWrite");
const COUNT: Operation = Operation::new("count attachments", Asked::Item, "Mail.ReadWrite");

/// Up to here an attachment goes in one call.
const SMALL: u64 = 3_000_000;
/// From here on the service surely takes an upload session. What lies between depends on whether
/// it counts in powers of two; the last few hundred bytes below it fit neither way, because one
/// call takes 4 MB of base64 with everything around it. Such an attachment is reported as a loss.
const LARGE: u64 = 3 * 1024 * 1024;
/// The service takes no larger one.
pub(crate) const LARGEST: u64 = 150 * 1024 * 1024;
/// A slice: below 4 MB, and a multiple of 320 KiB.
const SLICE: u64 = 12 * 320 * 1024;
/// Upload sessions for one attachment, at most.
const MOST_SESSIONS: u32 = 3;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    upload_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    #[serde(default)]
    next_expected_ranges: Vec<String>,
}

#[derive(Deserialize)]
struct Listed {
    value: Vec<Object>,
}

/// Reads slices of an attachment; goes on where it was, or opens it again elsewhere.
struct SliceReader {
    content: Arc<dyn AttachmentContent>,
    at: u64,
    stream: Option<ByteStream>,
    rest: Bytes,
}

impl SliceReader {
    async fn read(&mut self, offset: u64, length: u64) -> Result<Bytes, SourceError> {
        if self.stream.is_none() || self.at != offset {
            self.stream = Some(self.content.open(offset));
            self.rest = Bytes::new();
            self.at = offset;
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let mut out = BytesMut::new();
        while out.len() < length {
            if self.rest.is_empty() {
                let next = match &mut self.stream {
                    Some(stream) => stream.next().await.transpose()?,
                    None => None,
                };
                self.rest = next.ok_or_else(|| {
                    UPLOAD.error(
                        FailureClass::ItemPermanent,
                        "attachment_too_short",
                        "the stored attachment is shorter than recorded",
                    )
                })?;
                continue;
            }
            let take = self.rest.len().min(length - out.len());
            out.extend_from_slice(&self.rest.split_to(take));
        }
        self.at += out.len() as u64;
        Ok(out.freeze())
    }
}

/// All bytes of a small attachment.
pub(crate) async fn read_all(content: &Arc<dyn AttachmentContent>) -> Result<Bytes, SourceError> {
    let mut reader = SliceReader {
        content: content.clone(),
        at: 0,
        stream: None,
        rest: Bytes::new(),
    };
    reader.read(0, content.size_bytes()).await
}

/// An attachment as JSON with its bytes.
pub(crate) fn file_json(attachment: &RestoreAttachment, bytes: &[u8]) -> Value {
    let mut out = described(attachment);
    let kind = "#microsoft.graph.fileAttachment";
    out.insert("@odata.type".into(), json!(kind));
    let bytes = base64_simd::STANDARD.encode_to_string(bytes);
    out.insert("contentBytes".into(), json!(bytes));
    Value::Object(out)
}

/// What both ways of adding an attachment say of it.
fn described(attachment: &RestoreAttachment) -> Object {
    let mut out = Object::new();
    out.insert("name".into(), json!(attachment.name));
    out.insert("contentType".into(), json!(attachment.content_type));
    out.insert("isInline".into(), json!(attachment.is_inline));
    if let Some(id) = &attachment.content_id {
        out.insert("contentId".into(), json!(id));
    }
    out
}

impl GraphClient {
    /// Adds an attachment to what has `before` of them.
    pub(crate) async fn add_attachment(
        &self,
        mailbox: &SourceMailboxId,
        holder: Holder<'_>,
        attachment: &RestoreAttachment,
        before: usize,
    ) -> Result<(), SourceError> {
        let size = attachment.content.size_bytes();
        if size < SMALL {
            return self.add_small(mailbox, holder, attachment, before).await;
        }
        match self.add_large(mailbox, holder, attachment, before).await {
            Err(error)
                if size < LARGE
                    && error.code == "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize" =>
            {
                self.add_small(mailbox, holder, attachment, before).await
            }
            other => other,
        }
    }

    async fn add_small(
        &self,
        mailbox: &SourceMailboxId,
        holder: Holder<'_>,
        attachment: &RestoreAttachment,
        before: usize,
    ) -> Result<(), SourceError> {
        let path = [holder.segment, holder.id, "attachments"];
        let url = self.links.user(mailbox.as_str(), &path, &[]);
        let bytes = read_all(&attachment.content).await?;
        let body = file_json(attachment, &bytes);
        let operation = holder.operation(&ADD);
        let call = Call::write(&operation, mailbox, Method::POST, url, &body);
        let mut backoff = self.backoff(None);
        loop {
            let mut error = match self.send(&call).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            if error.class == FailureClass::ItemGone {
                // A new item may not be there yet for the next call.
                error.class = FailureClass::Transient;
            } else if is_retryable(error.class)
                && self.count_attachments(mailbox, holder).await? > before
            {
                return Ok(());
            }
            backoff.wait(error, &*self.clock, &*self.rng).await?;
        }
    }

    async fn add_large(
        &self,
        mailbox: &SourceMailboxId,
        holder: Holder<'_>,
        attachment: &RestoreAttachment,
        before: usize,
    ) -> Result<(), SourceError> {
        let mut sessions = 0;
        loop {
            sessions += 1;
            let url = self.open_session(mailbox, holder, attachment).await?;
            let error = match self.fill(mailbox, attachment, &url).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            // The session may have ended because its last answer got lost on the way to us.
            if self.count_attachments(mailbox, holder).await? > before {
                return Ok(());
            }
            let is_lost = matches!(
                error.class,
                FailureClass::ItemGone | FailureClass::SyncReset
            );
            if is_lost && sessions < MOST_SESSIONS {
                continue;
            }
            let cancel = Call {
                method: Method::DELETE,
                is_anonymous: true,
                attempts: Some(1),
                ..Call::get(&UPLOAD, Some(mailbox), url)
            };
            if let Err(error) = self.send(&cancel).await {
                tracing::debug!(code = error.code, "the upload session was left to expire");
            }
            return Err(error);
        }
    }

    async fn open_session(
        &self,
        mailbox: &SourceMailboxId,
        holder: Holder<'_>,
        attachment: &RestoreAttachment,
    ) -> Result<Url, SourceError> {
        let path = [
            holder.segment,
            holder.id,
            "attachments",
            "createUploadSession",
        ];
        let url = self.links.user(mailbox.as_str(), &path, &[]);
        let mut described = described(attachment);
        described.insert("attachmentType".into(), json!("file"));
        described.insert("size".into(), json!(attachment.content.size_bytes()));
        let body = json!({ "AttachmentItem": described });
        let operation = holder.operation(&OPEN_SESSION);
        let call = Call::write(&operation, mailbox, Method::POST, url, &body).replayable();
        let mut backoff = self.backoff(Some(4));
        loop {
            match self.json::<Session>(&call).await {
                Ok(session) => return self.links.check_upload(&OPEN_SESSION, &session.upload_url),
                Err(mut error) if error.class == FailureClass::ItemGone => {
                    error.class = FailureClass::Transient;
                    backoff.wait(error, &*self.clock, &*self.rng).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Uploads every slice; goes on where the service says it is.
    async fn fill(
        &self,
        mailbox: &SourceMailboxId,
        attachment: &RestoreAttachment,
        url: &Url,
    ) -> Result<(), SourceError> {
        let size = attachment.content.size_bytes();
        let mut reader = SliceReader {
            content: attachment.content.clone(),
            at: 0,
            stream: None,
            rest: Bytes::new(),
        };
        let mut backoff = self.backoff(None);
        let mut next = 0;
        while next < size {
            let end = (next + SLICE).min(size);
            let slice = reader.read(next, end - next).await?;
            let call = Call {
                method: Method::PUT,
                body: Some(("application/octet-stream", slice)),
                range: Some(format!("bytes {next}-{}/{size}", end - 1)),
                is_anonymous: true,
                is_replayable: false,
                ..Call::get(&UPLOAD, Some(mailbox), url.clone())
            };
            let error = match self.send(&call).await {
                Ok(answer) if answer.status == 201 && end == size => return Ok(()),
                Ok(answer) => match expected(&answer.json().await?) {
                    Some(place) if place > next && place <= size => {
                        next = place;
                        continue;
                    }
                    _ => unfinished(),
                },
                Err(error) => error,
            };
            if error.code != UNFINISHED && !is_retryable(error.class) && !is_out_of_step(&error) {
                return Err(error);
            }
            let passing = SourceError {
                class: FailureClass::Transient,
                ..error
            };
            backoff.wait(passing, &*self.clock, &*self.rng).await?;
            let status = Call {
                is_anonymous: true,
                ..Call::get(&UPLOAD, Some(mailbox), url.clone())
            };
            next = expected(&self.json(&status).await?)
                .filter(|place| *place < size)
                .ok_or_else(unfinished)?;
        }
        Err(unfinished())
    }

    async fn count_attachments(
        &self,
        mailbox: &SourceMailboxId,
        holder: Holder<'_>,
    ) -> Result<usize, SourceError> {
        let path = [holder.segment, holder.id, "attachments"];
        let url = self
            .links
            .user(mailbox.as_str(), &path, &[("$select", "id")]);
        let operation = holder.operation(&COUNT);
        let listed: Listed = self
            .json(&Call::get(&operation, Some(mailbox), url))
            .await?;
        Ok(listed.value.len())
    }
}

const UNFINISHED: &str = "upload_not_finished";

fn unfinished() -> SourceError {
    UPLOAD.error(
        FailureClass::Transient,
        UNFINISHED,
        "the service did not confirm the upload",
    )
}

/// The service expects another slice than the one that it got.
fn is_out_of_step(error: &SourceError) -> bool {
    matches!(
        error.class,
        FailureClass::RequestBug | FailureClass::Conflict
    )
}

/// Where the service wants the upload to go on.
fn expected(progress: &Progress) -> Option<u64> {
    let range = progress.next_expected_ranges.first()?;
    range.split('-').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;

    #[test]
    fn a_slice_is_what_the_service_takes() {
        assert_eq!(SLICE % (320 * 1024), 0);
        const { assert!(SLICE < 4_000_000) };
    }

    #[test]
    fn ranges_are_read() {
        let read = |text: &str| {
            expected(&Progress {
                next_expected_ranges: vec![text.into()],
            })
        };
        assert_eq!(read("327680-"), Some(327_680));
        assert_eq!(read("10-20"), Some(10));
        assert_eq!(read("x"), None);
        let none = Progress {
            next_expected_ranges: vec![],
        };
        assert_eq!(expected(&none), None);
    }

    struct Counted(Vec<u8>);
    impl AttachmentContent for Counted {
        fn size_bytes(&self) -> u64 {
            self.0.len() as u64
        }
        fn open(&self, offset: u64) -> ByteStream {
            let rest = self.0[usize::try_from(offset).unwrap()..].to_vec();
            let chunks: Vec<_> = rest
                .chunks(7)
                .map(|c| Ok(Bytes::copy_from_slice(c)))
                .collect();
            Box::pin(stream::iter(chunks))
        }
    }

    #[tokio::test]
    async fn slices_follow_each_other_and_can_go_back() {
        let all: Vec<u8> = (0..100).collect();
        let mut reader = SliceReader {
            content: Arc::new(Counted(all.clone())),
            at: 0,
            stream: None,
            rest: Bytes::new(),
        };
        assert_eq!(reader.read(0, 10).await.unwrap(), all[..10]);
        assert_eq!(reader.read(10, 30).await.unwrap(), all[10..40]);
        assert_eq!(reader.read(5, 95).await.unwrap(), all[5..]);
        let error = reader.read(90, 20).await.unwrap_err();
        assert_eq!(error.code, "attachment_too_short");
    }
}
