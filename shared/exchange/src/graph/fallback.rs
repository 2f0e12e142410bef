//! A message built from properties and attachments, for items whose MIME the service cannot make.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use mailkeep_content::{
    ATTACHMENT_SHAPE, ComposeAttachment, ComposeMessage, ComposeSegment, PartEncoder, compose,
};
use mailkeep_model::{FailureClass, Item, Representation, SourceMailboxId};
use serde::Deserialize;
use serde_json::Value;

use super::call::Call;
use super::client::GraphClient;
use super::error_map::{Asked, Operation};
use super::message_json::{Object, addresses, text, truth};
use crate::{ByteStream, ItemContent, SourceError};

const READ_BODY: Operation = Operation::new("read message body", Asked::Item, "Mail.Read");
const LIST_ATTACHMENTS: Operation = Operation::new("list attachments", Asked::Item, "Mail.Read");
const READ_ATTACHMENT: Operation = Operation::new("read attachment", Asked::Item, "Mail.Read");

const BODY_SELECT: &str = "body,internetMessageHeaders,replyTo";
const LIST_SELECT: &str = "id,name,contentType,size,isInline";
/// The id that a body refers to belongs to file attachments only.
const LIST_SELECT_WITH_ID: &str =
    "id,name,contentType,size,isInline,microsoft.graph.fileAttachment/contentId";
/// Pages of attachments, at most.
const MOST_PAGES: usize = 100;

#[derive(Deserialize)]
struct AttachmentPage {
    value: Vec<Object>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

/// Where an attachment's bytes come from.
#[derive(Clone)]
enum Origin {
    /// The service has them under this attachment id.
    Service(String),
    /// They are here: a link, or words about why there are none.
    Here(Bytes),
}

impl GraphClient {
    /// Builds the message. `because` is why there is no MIME; it is returned when properties cannot
    /// be read either.
    pub(crate) async fn rebuild(
        self: &Arc<Self>,
        mailbox: &SourceMailboxId,
        item: &Item,
        because: SourceError,
    ) -> Result<ItemContent, SourceError> {
        let path = ["messages", item.id.as_str()];
        let url = self
            .links
            .user(mailbox.as_str(), &path, &[("$select", BODY_SELECT)]);
        let call = Call::get(&READ_BODY, Some(mailbox), url).prefer("outlook.allow-unsafe-html");
        let body: Object = self.json(&call).await.map_err(|error| match error.class {
            FailureClass::ItemPermanent => because.clone(),
            _ => error,
        })?;
        let listed = self
            .attachments(mailbox, item)
            .await
            .map_err(|error| match error.class {
                FailureClass::ItemPermanent => because.clone(),
                _ => error,
            })?;
        let mut message = message(item, &body);
        let mut origins = vec![];
        for attachment in &listed {
            let (described, origin) = self.attachment(mailbox, item, attachment).await?;
            message.attachments.push(described);
            origins.push(origin);
        }
        let writer = Writer {
            client: self.clone(),
            mailbox: mailbox.clone(),
            item: item.clone(),
            origins,
            segments: compose(&message).into(),
        };
        Ok(ItemContent {
            representation: Representation::MimeRebuilt,
            rebuilt_because: Some(because.code),
            mime: writer.stream(),
        })
    }

    /// The attachments without their bytes.
    async fn attachments(
        &self,
        mailbox: &SourceMailboxId,
        item: &Item,
    ) -> Result<Vec<Object>, SourceError> {
        let path = ["messages", item.id.as_str(), "attachments"];
        let url = |select| {
            self.links
                .user(mailbox.as_str(), &path, &[("$select", select)])
        };
        let get = |url| Call::get(&LIST_ATTACHMENTS, Some(mailbox), url);
        let first = self.json(&get(url(LIST_SELECT_WITH_ID))).await;
        let mut page: AttachmentPage = match first {
            Err(error) if error.class == FailureClass::RequestBug => {
                self.json(&get(url(LIST_SELECT))).await?
            }
            other => other?,
        };
        let mut all = vec![];
        for _ in 0..MOST_PAGES {
            all.append(&mut page.value);
            let Some(next) = page.next else { break };
            let url = self.links.check(&LIST_ATTACHMENTS, &next)?;
            page = self.json(&get(url)).await?;
        }
        Ok(all)
    }

    /// How an attachment appears in the message, and where its bytes come from.
    async fn attachment(
        &self,
        mailbox: &SourceMailboxId,
        item: &Item,
        attachment: &Object,
    ) -> Result<(ComposeAttachment, Origin), SourceError> {
        let id = text(attachment, "id");
        let mut described = ComposeAttachment {
            name: text(attachment, "name"),
            content_type: text(attachment, "contentType"),
            content_id: Some(text(attachment, "contentId")).filter(|id| !id.is_empty()),
            is_inline: truth(attachment, "isInline"),
        };
        match text(attachment, "@odata.type").as_str() {
            "#microsoft.graph.referenceAttachment" => {
                let link = format!(
                    "This attachment is a link to a file that is kept elsewhere.\r\n{}\r\n{}\r\n",
                    described.name,
                    text(attachment, "sourceUrl")
                );
                described.name.push_str(".link.txt");
                described.content_type = "text/plain".into();
                Ok((described, Origin::Here(Bytes::from(link))))
            }
            "#microsoft.graph.itemAttachment" => {
                let (media_type, ending) = self.nested_type(mailbox, item, &id).await?;
                described.content_type = media_type.into();
                described.name.push_str(ending);
                Ok((described, Origin::Service(id)))
            }
            _ => Ok((described, Origin::Service(id))),
        }
    }

    /// What an attached item is, seen from its first bytes: mail, calendar entry or contact.
    async fn nested_type(
        &self,
        mailbox: &SourceMailboxId,
        item: &Item,
        id: &str,
    ) -> Result<(&'static str, &'static str), SourceError> {
        let first = match self.attachment_bytes(mailbox, item, id).await {
            Ok(mut bytes) => bytes.next().await.transpose()?.unwrap_or_default(),
            Err(error) if is_lost(&error) => return Ok(("text/plain", ".txt")),
            Err(error) => return Err(error),
        };
        Ok(if first.starts_with(b"BEGIN:VCALENDAR") {
            ("text/calendar", ".ics")
        } else if first.starts_with(b"BEGIN:VCARD") {
            ("text/vcard", ".vcf")
        } else {
            ("message/rfc822", ".eml")
        })
    }

    async fn attachment_bytes(
        &self,
        mailbox: &SourceMailboxId,
        item: &Item,
        id: &str,
    ) -> Result<ByteStream, SourceError> {
        let path = ["messages", item.id.as_str(), "attachments", id, "$value"];
        let url = self.links.user(mailbox.as_str(), &path, &[]);
        let call = Call::get(&READ_ATTACHMENT, Some(mailbox), url);
        Ok(self.send(&call).await?.stream())
    }
}

/// True when this attachment alone is lost; the message is kept without it.
fn is_lost(error: &SourceError) -> bool {
    matches!(
        error.class,
        FailureClass::ItemPermanent | FailureClass::ItemGone | FailureClass::RequestBug
    )
}

fn message(item: &Item, body: &Object) -> ComposeMessage {
    let content = body.get("body");
    let part = |name: &str| {
        let value = content
            .and_then(|body| body.get(name))
            .and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let is_html = part("contentType").eq_ignore_ascii_case("html");
    let content = Some(part("content"));
    let headers = body.get("internetMessageHeaders").and_then(Value::as_array);
    ComposeMessage {
        from: Some(item.from.clone()).filter(|from| *from != Default::default()),
        sender: item.sender.clone(),
        reply_to: addresses(body.get("replyTo")),
        to: item.to.clone(),
        cc: item.cc.clone(),
        bcc: item.bcc.clone(),
        subject: item.subject.clone(),
        date: item.sent_at.or(item.received_at),
        message_id: item.internet_message_id.clone(),
        headers: headers
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
            .map(|header| (text(header, "name"), text(header, "value")))
            .collect(),
        text: content.clone().filter(|_| !is_html),
        html: content.filter(|_| is_html),
        attachments: vec![],
    }
}

/// Writes the message out, one attachment after the other.
struct Writer {
    client: Arc<GraphClient>,
    mailbox: SourceMailboxId,
    item: Item,
    origins: Vec<Origin>,
    segments: VecDeque<ComposeSegment>,
}

/// An attachment that is being written.
struct Open {
    bytes: ByteStream,
    /// `None` writes the bytes as they are.
    encoder: Option<PartEncoder>,
}

impl Writer {
    fn stream(self) -> ByteStream {
        Box::pin(stream::unfold(
            Some((self, None::<Open>)),
            |state| async move {
                let (mut writer, mut open) = state?;
                loop {
                    match writer.step(&mut open).await {
                        Ok(Some(bytes)) if bytes.is_empty() => {}
                        Ok(Some(bytes)) => return Some((Ok(bytes), Some((writer, open)))),
                        Ok(None) => return None,
                        Err(error) => return Some((Err(error), None)),
                    }
                }
            },
        ))
    }

    /// The next bytes; `None` at the end.
    async fn step(&mut self, open: &mut Option<Open>) -> Result<Option<Bytes>, SourceError> {
        let Some(mut current) = open.take() else {
            return match self.segments.pop_front() {
                None => Ok(None),
                Some(ComposeSegment::Bytes(bytes)) => Ok(Some(Bytes::from(bytes))),
                Some(ComposeSegment::AttachmentBase64(index)) => {
                    *open = Some(Open {
                        bytes: self.bytes(index).await?,
                        encoder: Some(PartEncoder::new(&ATTACHMENT_SHAPE)),
                    });
                    Ok(Some(Bytes::new()))
                }
                Some(ComposeSegment::AttachmentRaw(index)) => {
                    *open = Some(Open {
                        bytes: self.bytes(index).await?,
                        encoder: None,
                    });
                    Ok(Some(Bytes::new()))
                }
            };
        };
        let mut out = vec![];
        match (
            current.bytes.next().await.transpose()?,
            &mut current.encoder,
        ) {
            (Some(bytes), None) => {
                *open = Some(current);
                return Ok(Some(bytes));
            }
            (Some(bytes), Some(encoder)) => {
                encoder.push(&bytes, &mut out);
                *open = Some(current);
            }
            (None, encoder) => {
                if let Some(encoder) = encoder.take() {
                    encoder.finish(&mut out);
                }
            }
        }
        Ok(Some(Bytes::from(out)))
    }

    async fn bytes(&self, index: usize) -> Result<ByteStream, SourceError> {
        let here = |bytes: Bytes| -> ByteStream { Box::pin(stream::iter([Ok(bytes)])) };
        match self.origins.get(index) {
            Some(Origin::Here(bytes)) => Ok(here(bytes.clone())),
            Some(Origin::Service(id)) => {
                let bytes = self
                    .client
                    .attachment_bytes(&self.mailbox, &self.item, id)
                    .await;
                match bytes {
                    Err(error) if is_lost(&error) => Ok(here(Bytes::from(format!(
                        "This attachment could not be read from the mailbox ({}).\r\n",
                        error.code
                    )))),
                    other => other,
                }
            }
            None => Ok(here(Bytes::new())),
        }
    }
}
