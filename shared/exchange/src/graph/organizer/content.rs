//! The content of contacts, events and tasks: a message of their text and attachments; an event brings its
//! iCalendar form along.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use mailkeep_content::{ComposeAttachment, ComposeMessage};
use mailkeep_model::{FailureClass, Item, Representation, SourceMailboxId};
use serde_json::Value;

use super::calendar_write::calendar;
use super::contact::PICTURE;
use super::marked::told;
use super::place::Place;
use crate::composed::{OpenAttachment, composed};
use crate::graph::call::Call;
use crate::graph::client::GraphClient;
use crate::graph::error_map::{Asked, Operation};
use crate::graph::message_json::{Object, text, truth};
use crate::{ByteStream, ItemContent, SourceError};

const CONTACT: Operation = Operation::new("read a contact's notes", Asked::Item, "Contacts.Read");
const PHOTO: Operation = Operation::new("read a contact's picture", Asked::Item, "Contacts.Read");
const EVENT: Operation = Operation::new("read an event's text", Asked::Item, "Calendars.Read");
const TASK: Operation = Operation::new("read a task's text", Asked::Item, "Tasks.Read.All");
const EVENT_FILES: Operation =
    Operation::new("list an event's attachments", Asked::Item, "Calendars.Read");
const TASK_FILES: Operation =
    Operation::new("list a task's attachments", Asked::Item, "Tasks.Read.All");
const FILE: Operation = Operation::new("read attachment", Asked::Item, "Calendars.Read");

/// Why there is no MIME: the service has none of such items.
const NO_MIME: &str = "no_mime_form";

/// Where an attachment's bytes come from.
#[derive(Clone)]
enum Origin {
    Here(Bytes),
    /// Below the user.
    Service(Vec<String>),
}

/// What a message is made of.
struct Content {
    text: String,
    is_html: bool,
    files: Vec<(ComposeAttachment, Origin)>,
}

impl GraphClient {
    /// The content of an item that is no mail.
    pub(crate) async fn organizer_content(
        self: &Arc<Self>,
        mailbox: &SourceMailboxId,
        item: &Item,
    ) -> Result<ItemContent, SourceError> {
        let content = match Place::of_item(&item.id) {
            Place::Contacts(id) => self.contact_content(mailbox, id).await,
            Place::Task(list, id) => self.task_content(mailbox, list, id).await,
            Place::Calendar(id) | Place::Mail(id) | Place::Tasks(id) => {
                self.event_content(mailbox, item, id).await
            }
        };
        let content = content.map_err(told)?;
        let (described, origins): (Vec<ComposeAttachment>, Vec<Origin>) =
            content.files.into_iter().unzip();
        let body = Some(content.text);
        let message = ComposeMessage {
            subject: item.subject.clone(),
            date: item.created_at,
            text: body.clone().filter(|_| !content.is_html),
            html: body.filter(|_| content.is_html),
            attachments: described,
            ..ComposeMessage::default()
        };
        let (client, mailbox) = (self.clone(), mailbox.clone());
        let open: OpenAttachment = Box::new(move |index| {
            let (client, mailbox) = (client.clone(), mailbox.clone());
            let origin = origins.get(index).cloned();
            Box::pin(async move { client.organizer_bytes(&mailbox, origin).await })
        });
        Ok(ItemContent {
            representation: Representation::MimeRebuilt,
            rebuilt_because: Some(NO_MIME.into()),
            mime: composed(&message, open),
        })
    }

    async fn contact_content(
        &self,
        mailbox: &SourceMailboxId,
        id: &str,
    ) -> Result<Content, SourceError> {
        let query = [("$select", "id,personalNotes")];
        let url = self.links.user(mailbox.as_str(), &["contacts", id], &query);
        let found: Object = self.json(&Call::get(&CONTACT, Some(mailbox), url)).await?;
        let path = ["contacts", id, "photo", "$value"];
        let url = self.links.user(mailbox.as_str(), &path, &[]);
        let picture = match self.send(&Call::get(&PHOTO, Some(mailbox), url)).await {
            Ok(_) => Some(path.map(str::to_owned).to_vec()),
            Err(error)
                if matches!(
                    error.class,
                    FailureClass::ItemGone | FailureClass::RequestBug
                ) =>
            {
                None
            }
            Err(error) => return Err(error),
        };
        let file = |path| {
            let described = ComposeAttachment {
                name: PICTURE.into(),
                content_type: "image/jpeg".into(),
                ..ComposeAttachment::default()
            };
            (described, Origin::Service(path))
        };
        Ok(Content {
            text: text(&found, "personalNotes"),
            is_html: false,
            files: picture.map(file).into_iter().collect(),
        })
    }

    async fn event_content(
        &self,
        mailbox: &SourceMailboxId,
        item: &Item,
        id: &str,
    ) -> Result<Content, SourceError> {
        let path = ["events", id];
        let query = [("$expand", "exceptionOccurrences")];
        let url = self.links.user(mailbox.as_str(), &path, &query);
        let call = Call::get(&EVENT, Some(mailbox), url).prefer("outlook.allow-unsafe-html");
        let mut found: Object = self.json(&call).await?;
        let zone = text(&found, "originalStartTimeZone");
        let is_series = found.get("recurrence").is_some_and(|rule| !rule.is_null());
        if is_series && !zone.is_empty() && zone != "UTC" && is_name(&zone) {
            // A series keeps its hour in its own time zone, whatever the season.
            let query = [("$select", "id,start,end")];
            let url = self.links.user(mailbox.as_str(), &path, &query);
            let call = Call::get(&EVENT, Some(mailbox), url);
            let call = call.prefer(format!("outlook.timezone=\"{zone}\""));
            match self.json::<Object>(&call).await {
                Ok(own) => {
                    for name in ["start", "end"] {
                        if let Some(value) = own.get(name) {
                            found.insert(name.into(), value.clone());
                        }
                    }
                }
                Err(error) if error.class == FailureClass::RequestBug => {}
                Err(error) => return Err(error),
            }
        }
        let described = ComposeAttachment {
            name: "event.ics".into(),
            content_type: "text/calendar".into(),
            ..ComposeAttachment::default()
        };
        let ics = Origin::Here(Bytes::from(calendar(item, &found)));
        let mut files = vec![(described, ics)];
        if truth(&found, "hasAttachments") || text_of(&found).contains("cid:") {
            files.extend(self.event_files(mailbox, id).await?);
        }
        let body = found.get("body").and_then(Value::as_object);
        let kind = body.map(|body| text(body, "contentType"));
        Ok(Content {
            text: text_of(&found),
            is_html: kind.is_some_and(|kind| kind.eq_ignore_ascii_case("html")),
            files,
        })
    }

    async fn event_files(
        &self,
        mailbox: &SourceMailboxId,
        id: &str,
    ) -> Result<Vec<(ComposeAttachment, Origin)>, SourceError> {
        let select = "id,name,contentType,isInline,microsoft.graph.fileAttachment/contentId";
        let path = ["events", id, "attachments"];
        let url = self
            .links
            .user(mailbox.as_str(), &path, &[("$select", select)]);
        let all = self.listed(&EVENT_FILES, mailbox, url).await?;
        Ok(all
            .iter()
            .map(|file| {
                let mut described = ComposeAttachment {
                    name: text(file, "name"),
                    content_type: text(file, "contentType"),
                    content_id: Some(text(file, "contentId")).filter(|id| !id.is_empty()),
                    is_inline: truth(file, "isInline"),
                };
                let own = text(file, "id");
                let bytes = ["events", id, "attachments", &own, "$value"];
                let mut origin = Origin::Service(bytes.map(str::to_owned).to_vec());
                match text(file, "@odata.type").as_str() {
                    "#microsoft.graph.referenceAttachment" => {
                        described.name.push_str(".link.txt");
                        described.content_type = "text/plain".into();
                        origin = Origin::Here(Bytes::from(
                            "This attachment is a link to a file that is kept elsewhere.\r\n",
                        ));
                    }
                    "#microsoft.graph.itemAttachment" => {
                        described.name.push_str(".eml");
                        described.content_type = "message/rfc822".into();
                    }
                    _ => {}
                }
                (described, origin)
            })
            .collect())
    }

    async fn task_content(
        &self,
        mailbox: &SourceMailboxId,
        list: &str,
        id: &str,
    ) -> Result<Content, SourceError> {
        let path = ["todo", "lists", list, "tasks", id];
        let url = self.links.user(mailbox.as_str(), &path, &[]);
        let found: Object = self.json(&Call::get(&TASK, Some(mailbox), url)).await?;
        let mut files = vec![];
        if truth(&found, "hasAttachments") {
            let path = ["todo", "lists", list, "tasks", id, "attachments"];
            let url = self.links.user(mailbox.as_str(), &path, &[]);
            for file in self.listed(&TASK_FILES, mailbox, url).await? {
                let described = ComposeAttachment {
                    name: text(&file, "name"),
                    content_type: text(&file, "contentType"),
                    ..ComposeAttachment::default()
                };
                let own = text(&file, "id");
                let bytes = [&path[..], &[own.as_str(), "$value"]].concat();
                let bytes = bytes.iter().map(|part| (*part).to_owned()).collect();
                files.push((described, Origin::Service(bytes)));
            }
        }
        let body = found.get("body").and_then(Value::as_object);
        let kind = body.map(|body| text(body, "contentType"));
        Ok(Content {
            text: text_of(&found),
            is_html: kind.is_some_and(|kind| kind.eq_ignore_ascii_case("html")),
            files,
        })
    }

    async fn organizer_bytes(
        &self,
        mailbox: &SourceMailboxId,
        origin: Option<Origin>,
    ) -> Result<ByteStream, SourceError> {
        let here = |bytes: Bytes| -> ByteStream { Box::pin(stream::iter([Ok(bytes)])) };
        let path = match origin {
            None => return Ok(here(Bytes::new())),
            Some(Origin::Here(bytes)) => return Ok(here(bytes)),
            Some(Origin::Service(path)) => path,
        };
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let url = self.links.user(mailbox.as_str(), &path, &[]);
        match self.send(&Call::get(&FILE, Some(mailbox), url)).await {
            Ok(answer) => Ok(answer.stream()),
            Err(error)
                if matches!(
                    error.class,
                    FailureClass::ItemPermanent | FailureClass::ItemGone | FailureClass::RequestBug
                ) =>
            {
                Ok(here(Bytes::from(format!(
                    "This attachment could not be read from the mailbox ({}).\r\n",
                    error.code
                ))))
            }
            Err(error) => Err(told(error)),
        }
    }
}

fn text_of(object: &Object) -> String {
    let body = object.get("body").and_then(Value::as_object);
    body.map(|body| text(body, "content")).unwrap_or_default()
}

/// A name that a header may carry.
fn is_name(zone: &str) -> bool {
    zone.chars()
        .all(|c| c.is_ascii() && !c.is_ascii_control() && c != '"')
}
