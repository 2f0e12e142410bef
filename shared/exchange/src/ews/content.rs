//! The content of one item: MIME as the server gives it, streamed, or a message that is built.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use mailkeep_model::{FailureClass, Item, ItemId, ItemKind, Representation, SourceMailboxId};

use super::answer::Reply;
use super::call::Call;
use super::client::{Answer, EwsClient, MailboxState, no_answer};
use super::error_map::{Asked, Operation, message_error};
use super::items::stops;
use super::lookahead::Lookahead;
use super::shape::{Shape, get_item};
use crate::{ByteStream, ItemContent, SourceError};

static READ: Operation = Operation::new("read item content", Asked::Item);

/// A batch that turns out longer is not read on.
const LONGEST_BATCH: usize = 24 * 1024 * 1024;
/// Attempts for a batch before its items are asked for one by one.
const BATCH_ATTEMPTS: u32 = 2;
/// Attempts for one item's MIME.
pub(crate) const MIME_ATTEMPTS: u32 = 4;

/// A form in which items are fetched, several small ones at once.
pub(crate) struct Form {
    pub(crate) operation: &'static Operation,
    pub(crate) request: fn(&[ItemId]) -> String,
    pub(crate) lookahead: fn(&MailboxState) -> &Lookahead,
}

static MIME: Form = Form {
    operation: &READ,
    request: |ids| get_item(Shape::Mime, ids),
    lookahead: |state| &state.lookahead,
};

impl EwsClient {
    /// The content of an item.
    pub(crate) async fn item_content(
        self: &Arc<Self>,
        mailbox: &SourceMailboxId,
        item: &Item,
    ) -> Result<ItemContent, SourceError> {
        let without_mime = matches!(
            item.kind,
            ItemKind::Event | ItemKind::Contact | ItemKind::DistributionList | ItemKind::Task
        );
        if without_mime {
            let because = READ.error(
                FailureClass::ItemPermanent,
                "no_mime_for_class",
                "items of this class have no message form",
            );
            return self.rebuild(mailbox, item, because).await;
        }
        if let Some(bytes) = self.looked_ahead(&MIME, mailbox, &item.id).await? {
            return Ok(mime(Box::pin(stream::iter([Ok(bytes)]))));
        }
        match self.mime(mailbox, &item.id).await {
            Ok(bytes) => Ok(mime(bytes)),
            Err(error) if has_no_mime(&error) => self.rebuild(mailbox, item, error).await,
            Err(error) => Err(error),
        }
    }

    /// The MIME of one item, streamed.
    pub(crate) async fn mime(
        &self,
        mailbox: &SourceMailboxId,
        item: &ItemId,
    ) -> Result<ByteStream, SourceError> {
        let body = get_item(Shape::Mime, std::slice::from_ref(item));
        let call = Call::read(&READ, mailbox, body)
            .leading_out()
            .attempts(MIME_ATTEMPTS);
        self.long_content(&call).await
    }

    /// The long content of a call's only answer. Tries again until the first bytes are there.
    pub(crate) async fn long_content(&self, call: &Call<'_>) -> Result<ByteStream, SourceError> {
        let mut backoff = self.backoff(call);
        loop {
            let error = match self.begin_long(call).await {
                Ok(bytes) => return Ok(bytes),
                Err(error) => error,
            };
            self.again(call, &mut backoff, error).await?;
        }
    }

    async fn begin_long(&self, call: &Call<'_>) -> Result<ByteStream, SourceError> {
        let mut once = self.open(call).await?;
        match once.next().await? {
            Some(Reply::Bytes(first)) => Ok(rest(first, once, call.operation)),
            Some(Reply::Message(message)) => Err(message_error(call.operation, &message)
                .unwrap_or_else(|| {
                    call.operation.error(
                        FailureClass::ItemPermanent,
                        "no_content",
                        "the server gave no content",
                    )
                })),
            None => Err(no_answer(call)),
        }
    }

    /// What was or can be fetched together with others.
    pub(crate) async fn looked_ahead(
        &self,
        form: &Form,
        mailbox: &SourceMailboxId,
        item: &ItemId,
    ) -> Result<Option<Bytes>, SourceError> {
        let state = self.state(Some(mailbox));
        let lookahead = (form.lookahead)(&state);
        if let Some(bytes) = lookahead.take(item) {
            return Ok(Some(bytes));
        }
        let _fetching = lookahead.fetching.lock().await;
        if let Some(bytes) = lookahead.take(item) {
            return Ok(Some(bytes));
        }
        let batch = lookahead.batch(item);
        if batch.is_empty() {
            return Ok(None);
        }
        match self.batch(form, mailbox, &batch).await {
            Ok(fetched) => lookahead.put(fetched),
            Err(error) if stops(&error) => return Err(error),
            Err(error) => {
                tracing::debug!(code = error.code, items = batch.len(), "a batch failed");
                lookahead.failed(&batch);
            }
        }
        Ok(lookahead.take(item))
    }

    /// The content of several small items. An item that fails is left out; alone it fails on its own.
    async fn batch(
        &self,
        form: &Form,
        mailbox: &SourceMailboxId,
        ids: &[ItemId],
    ) -> Result<Vec<(ItemId, Bytes)>, SourceError> {
        let call = Call::read(form.operation, mailbox, (form.request)(ids))
            .leading_out()
            .attempts(BATCH_ATTEMPTS);
        let mut backoff = self.backoff(&call);
        loop {
            let error = match self.read_batch(&call, ids).await {
                Ok(fetched) => return Ok(fetched),
                Err(error) => error,
            };
            self.again(&call, &mut backoff, error).await?;
        }
    }

    async fn read_batch(
        &self,
        call: &Call<'_>,
        ids: &[ItemId],
    ) -> Result<Vec<(ItemId, Bytes)>, SourceError> {
        let mut answer = self.open(call).await?;
        let mut ids = ids.iter();
        let (mut out, mut bytes, mut length) = (vec![], vec![], 0);
        while let Some(reply) = answer.next().await? {
            match reply {
                Reply::Bytes(more) => {
                    length += more.len();
                    if length > LONGEST_BATCH {
                        break;
                    }
                    bytes.extend_from_slice(&more);
                }
                Reply::Message(message) => {
                    let Some(id) = ids.next() else { break };
                    let content = std::mem::take(&mut bytes);
                    let named = message.find("ItemId").and_then(|id| id.attribute("Id"));
                    let is_good = message_error(call.operation, &message).is_none()
                        && named.is_none_or(|named| named == id.as_str());
                    if is_good && !content.is_empty() {
                        out.push((id.clone(), Bytes::from(content)));
                    }
                }
            }
        }
        Ok(out)
    }
}

/// True when the item may have other content than MIME.
fn has_no_mime(error: &SourceError) -> bool {
    error.class == FailureClass::ItemPermanent
        || matches!(error.code.as_str(), "malformed_xml" | "xml_too_large")
}

fn mime(bytes: ByteStream) -> ItemContent {
    ItemContent {
        representation: Representation::Mime,
        rebuilt_because: None,
        mime: bytes,
    }
}

/// The bytes of an answer whose first bytes were read. Ends with an error when the message does
/// not end well, because the bytes may not be all then.
fn rest(first: Bytes, answer: Answer, operation: &'static Operation) -> ByteStream {
    let state = Some((Some(first), answer));
    Box::pin(stream::unfold(state, move |state| async move {
        let (first, mut answer) = state?;
        if let Some(first) = first {
            return Some((Ok(first), Some((None, answer))));
        }
        loop {
            return match answer.next().await {
                Ok(Some(Reply::Bytes(bytes))) => Some((Ok(bytes), Some((None, answer)))),
                Ok(Some(Reply::Message(message))) => match message_error(operation, &message) {
                    None => continue,
                    Some(error) => Some((Err(error), None)),
                },
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            };
        }
    }))
}
