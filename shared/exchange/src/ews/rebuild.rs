//! A message built from properties and attachments, for items that have no MIME: contacts, tasks,
//! calendar entries (with their iCalendar form as an attachment) and damaged mail.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use mailkeep_content::{ComposeAttachment, ComposeMessage};
use mailkeep_model::{FailureClass, Item, ItemId, ItemKind, Representation, SourceMailboxId};

use super::answer::Reply;
use super::call::Call;
use super::client::EwsClient;
use super::error_map::{Asked, Operation};
use super::item_row::{address, is_true};
use super::shape::Shape;
use super::xml::{Element, XmlWriter};
use crate::composed::{OpenAttachment, composed};
use crate::{ByteStream, ItemContent, SourceError};

static READ_ATTACHMENT: Operation = Operation::new("read attachment", Asked::Item);

/// File name of the iCalendar form.
const EVENT_NAME: &str = "event.ics";

/// Where an attachment's bytes come from.
#[derive(Clone)]
enum Origin {
    /// The item's own MIME, which is iCalendar.
    Event,
    /// The server has them under this attachment id.
    Server(String),
    /// They are here: a link, properties, or words about why there are none.
    Here(Bytes),
}

impl EwsClient {
    /// Builds the message. `because` is why there is no MIME; it is returned when properties cannot
    /// be read either.
    pub(crate) async fn rebuild(
        self: &Arc<Self>,
        mailbox: &SourceMailboxId,
        item: &Item,
        because: SourceError,
    ) -> Result<ItemContent, SourceError> {
        let ids = std::slice::from_ref(&item.id);
        let answer = self.get_items(mailbox, Shape::Body, ids).await?;
        let element = match answer.into_iter().next() {
            Some(Ok(element)) => element,
            Some(Err(error)) if error.class != FailureClass::ItemPermanent => return Err(error),
            _ => return Err(because),
        };
        let mut message = message(item, &element);
        let mut origins = vec![];
        if item.kind == ItemKind::Event {
            message.attachments.push(ComposeAttachment {
                name: EVENT_NAME.into(),
                content_type: "text/calendar".into(),
                ..ComposeAttachment::default()
            });
            origins.push(self.event(mailbox, &item.id).await?);
        }
        let listed = element.child("Attachments");
        for attachment in listed.into_iter().flat_map(|list| &list.children) {
            let (described, origin) = self.attachment(mailbox, attachment).await?;
            message.attachments.push(described);
            origins.push(origin);
        }
        let (client, mailbox, id) = (self.clone(), mailbox.clone(), item.id.clone());
        let open: OpenAttachment = Box::new(move |index| {
            let (client, mailbox, id) = (client.clone(), mailbox.clone(), id.clone());
            let origin = origins.get(index).cloned();
            Box::pin(async move { client.bytes(&mailbox, &id, origin).await })
        });
        Ok(ItemContent {
            representation: Representation::MimeRebuilt,
            rebuilt_because: Some(because.code),
            mime: composed(&message, open),
        })
    }

    /// The iCalendar form; words in its place when the server cannot make it.
    async fn event(&self, mailbox: &SourceMailboxId, item: &ItemId) -> Result<Origin, SourceError> {
        match self.mime(mailbox, item).await {
            Ok(_) => Ok(Origin::Event),
            Err(error) if is_lost(&error) && error.class != FailureClass::ItemGone => {
                Ok(Origin::Here(lost(&error)))
            }
            Err(error) => Err(error),
        }
    }

    /// How an attachment appears in the message, and where its bytes come from.
    async fn attachment(
        &self,
        mailbox: &SourceMailboxId,
        attachment: &Element,
    ) -> Result<(ComposeAttachment, Origin), SourceError> {
        let text = |name: &str| attachment.text_of(name).unwrap_or_default().to_owned();
        let mut described = ComposeAttachment {
            name: text("Name"),
            content_type: text("ContentType"),
            content_id: Some(text("ContentId")).filter(|id| !id.is_empty()),
            is_inline: attachment.text_of("IsInline").is_some_and(is_true),
        };
        if described.name.is_empty() {
            described.name = "attachment".into();
        }
        let id = attachment
            .id_of("AttachmentId")
            .unwrap_or_default()
            .to_owned();
        let origin = match attachment.name.as_str() {
            "ReferenceAttachment" => {
                let link = format!(
                    "This attachment is a link to a file that is kept elsewhere.\r\n{}\r\n{}\r\n",
                    described.name,
                    text("AttachLongPathName")
                );
                described.name.push_str(".link.txt");
                described.content_type = "text/plain".into();
                Origin::Here(Bytes::from(link))
            }
            "ItemAttachment" => {
                let (kind, ending, origin) = self.nested(mailbox, id).await?;
                described.content_type = kind.into();
                described.name.push_str(ending);
                origin
            }
            _ => Origin::Server(id),
        };
        Ok((described, origin))
    }

    /// What an attached item is: mail, a calendar entry, or something that only has properties.
    async fn nested(
        &self,
        mailbox: &SourceMailboxId,
        id: String,
    ) -> Result<(&'static str, &'static str, Origin), SourceError> {
        let body = get_attachment(&id);
        let call = Call::read(&READ_ATTACHMENT, mailbox, body).leading_out();
        let first = match self.open(&call).await {
            Ok(mut answer) => answer.next().await?,
            Err(error) if is_lost(&error) => {
                return Ok(("text/plain", ".txt", Origin::Here(lost(&error))));
            }
            Err(error) => return Err(error),
        };
        Ok(match first {
            Some(Reply::Bytes(bytes)) if bytes.starts_with(b"BEGIN:VCALENDAR") => {
                ("text/calendar", ".ics", Origin::Server(id))
            }
            Some(Reply::Bytes(_)) => ("message/rfc822", ".eml", Origin::Server(id)),
            Some(Reply::Message(message)) => {
                let json = message
                    .find("ItemAttachment")
                    .map(|found| found.to_json().to_string())
                    .unwrap_or_default();
                ("application/json", ".json", Origin::Here(Bytes::from(json)))
            }
            None => {
                let error = READ_ATTACHMENT.error(FailureClass::ItemGone, "no_answer", "gone");
                ("text/plain", ".txt", Origin::Here(lost(&error)))
            }
        })
    }

    async fn bytes(
        &self,
        mailbox: &SourceMailboxId,
        item: &ItemId,
        origin: Option<Origin>,
    ) -> Result<ByteStream, SourceError> {
        let here = |bytes: Bytes| -> ByteStream { Box::pin(stream::iter([Ok(bytes)])) };
        let found = match origin {
            None => return Ok(here(Bytes::new())),
            Some(Origin::Here(bytes)) => return Ok(here(bytes)),
            Some(Origin::Event) => return self.mime(mailbox, item).await,
            Some(Origin::Server(id)) => {
                let call = Call::read(&READ_ATTACHMENT, mailbox, get_attachment(&id));
                self.long_content(&call.leading_out()).await
            }
        };
        match found {
            // An empty file has no content.
            Err(error) if error.code == "no_content" => Ok(here(Bytes::new())),
            Err(error) if is_lost(&error) => Ok(here(lost(&error))),
            other => other,
        }
    }
}

/// True when this attachment alone is lost; the item is kept without it.
fn is_lost(error: &SourceError) -> bool {
    matches!(
        error.class,
        FailureClass::ItemPermanent | FailureClass::ItemGone | FailureClass::RequestBug
    )
}

fn lost(error: &SourceError) -> Bytes {
    Bytes::from(format!(
        "This attachment could not be read from the mailbox ({}).\r\n",
        error.code
    ))
}

fn get_attachment(id: &str) -> String {
    let mut writer = XmlWriter::new();
    writer
        .start("m:GetAttachment", &[])
        .start("m:AttachmentShape", &[])
        .text("t:IncludeMimeContent", "true")
        .end()
        .start("m:AttachmentIds", &[])
        .empty("t:AttachmentId", &[("Id", id)]);
    writer.finish()
}

fn message(item: &Item, element: &Element) -> ComposeMessage {
    let body = element.child("Body");
    let is_html = body
        .and_then(|body| body.attribute("BodyType"))
        .is_some_and(|kind| kind.eq_ignore_ascii_case("html"));
    let content = body.map(|body| body.text.clone());
    let headers = element.child("InternetMessageHeaders");
    let organizer = element.path(&["Organizer", "Mailbox"]).map(address);
    ComposeMessage {
        from: Some(item.from.clone())
            .filter(|from| *from != Default::default())
            .or(organizer),
        sender: item.sender.clone(),
        reply_to: element
            .child("ReplyTo")
            .map(|list| list.all("Mailbox").map(address).collect())
            .unwrap_or_default(),
        to: item.to.clone(),
        cc: item.cc.clone(),
        bcc: item.bcc.clone(),
        subject: item.subject.clone(),
        date: item.sent_at.or(item.received_at).or(item.created_at),
        message_id: item.internet_message_id.clone(),
        headers: headers
            .into_iter()
            .flat_map(|list| &list.children)
            .filter_map(|header| {
                Some((
                    header.attribute("HeaderName")?.to_owned(),
                    header.text.clone(),
                ))
            })
            .collect(),
        text: content.clone().filter(|_| !is_html),
        html: content.filter(|_| is_html),
        attachments: vec![],
    }
}
