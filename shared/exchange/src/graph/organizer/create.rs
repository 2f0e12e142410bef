//! Restoring contacts, events and tasks: what a folder has, creating one, and deleting one.

use bytes::Bytes;
use mailkeep_model::{FailureClass, FolderId, ItemId, ItemKind, SourceMailboxId};
use reqwest::Method;
use serde_json::{Value, json};

use super::calendar_text::{LocalSpan, local_span};
use super::contact::{contact, is_picture};
use super::event::{self, changes, event, tells_content};
use super::kept::Kept;
use super::marked::{Making, Marks, mark_of_links, told};
use super::place::{Place, contact_id, event_id, task_id};
use super::task::task;
use crate::graph::call::Call;
use crate::graph::client::GraphClient;
use crate::graph::error_map::{Asked, Operation};
use crate::graph::message_json::{self, Object, text, truth};
use crate::graph::properties::{self, Extended, property};
use crate::graph::restore_json::{finished, pending, read_mark};
use crate::graph::upload::{self, Holder, LARGEST};
use crate::{CreateOutcome, ExistingItem, RestoreAttachment, RestoreItem, SourceError};

const CONTACT: &str = "Contacts.ReadWrite";
const EVENT: &str = "Calendars.ReadWrite";
const TASK: &str = "Tasks.ReadWrite.All";

const fn on_item(name: &'static str, permission: &'static str) -> Operation {
    Operation::new(name, Asked::Item, permission)
}

const fn on_folder(name: &'static str, permission: &'static str) -> Operation {
    Operation::new(name, Asked::Folder, permission)
}

/// Name of the iCalendar form of an event.
const EVENT_NAME: &str = "event.ics";
/// A longer iCalendar form is not read.
const LONGEST_CALENDAR: u64 = 1_000_000;
/// A picture of this size or more is refused.
const LARGEST_PICTURE: u64 = 4_000_000;
/// A file of a task has fewer bytes: more needs another way of writing.
const LARGEST_FILE: u64 = 3_000_000;

/// What is left to do for an item that is there.
struct Rest<'a> {
    path: Vec<&'a str>,
    permission: &'static str,
    /// The link that bears the mark, for tasks.
    link: Option<String>,
}

impl GraphClient {
    /// What a folder has, for conflict detection.
    pub(crate) async fn organizer_existing(
        &self,
        mailbox: &SourceMailboxId,
        place: Place<'_>,
    ) -> Result<Vec<ExistingItem>, SourceError> {
        let expand = properties::expand(&[properties::MARKER]);
        let (path, permission, select) = match place {
            Place::Contacts(id) => (
                vec!["contactFolders", id, "contacts"],
                "Contacts.Read",
                "id,displayName,createdDateTime",
            ),
            Place::Calendar(id) => (
                vec!["calendars", id, "events"],
                "Calendars.Read",
                "id,subject,createdDateTime",
            ),
            Place::Tasks(id) | Place::Task(id, _) | Place::Mail(id) => {
                (vec!["todo", "lists", id, "tasks"], "Tasks.Read.All", "")
            }
        };
        let operation = on_folder("list items", permission);
        let query: Vec<(&str, &str)> = match select {
            "" => vec![("$expand", "linkedResources"), ("$top", "100")],
            select => vec![("$select", select), ("$expand", &expand), ("$top", "500")],
        };
        let url = self.links.user(mailbox.as_str(), &path, &query);
        let all = self.listed(&operation, mailbox, url).await?;
        Ok(all.iter().map(|object| existing(place, object)).collect())
    }

    /// Creates an item that is no mail.
    pub(crate) async fn create_in(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
        item: &RestoreItem,
    ) -> Result<CreateOutcome, SourceError> {
        match (Place::of_folder(folder), item.item.kind) {
            (Place::Contacts(id), ItemKind::Contact) => {
                self.create_contact(mailbox, id, item).await
            }
            (Place::Calendar(id), ItemKind::Event) => self.create_event(mailbox, id, item).await,
            (Place::Tasks(id), ItemKind::Task) => self.create_task(mailbox, id, item).await,
            _ => Err(on_folder("create item", CONTACT).error(
                FailureClass::ItemPermanent,
                "wrong_folder",
                "Microsoft 365 keeps items of this kind in no such folder",
            )),
        }
    }

    async fn create_contact(
        &self,
        mailbox: &SourceMailboxId,
        folder: &str,
        item: &RestoreItem,
    ) -> Result<CreateOutcome, SourceError> {
        let picture = item.attachments.iter().find(|file| is_picture(&file.name));
        let mark = mark(item, picture.is_none());
        let making = Making {
            mailbox,
            path: vec!["contactFolders", folder, "contacts"],
            create: on_folder("create contact", CONTACT),
            find: on_folder("look for a restored contact", CONTACT),
            marks: Marks::Extended,
            mark: &mark,
        };
        let made = self.create_marked(&making, |allowed| contact(item, &mark, allowed));
        let (id, mut losses) = made.await?;
        if let Some(picture) = picture {
            let rest = Rest {
                path: vec!["contacts", &id],
                permission: CONTACT,
                link: None,
            };
            let done = self.put_picture(mailbox, &id, picture).await;
            losses.extend(self.settle(mailbox, item, &rest, done).await?);
        }
        Ok(CreateOutcome {
            id: contact_id(&id),
            losses,
        })
    }

    async fn put_picture(
        &self,
        mailbox: &SourceMailboxId,
        contact: &str,
        picture: &RestoreAttachment,
    ) -> Result<Vec<String>, SourceError> {
        let lost = |why: &str| Ok(vec![format!("the contact's picture is lost: {why}")]);
        if picture.content.size_bytes() >= LARGEST_PICTURE {
            return lost("it is too large for the service");
        }
        let operation = on_item("set a contact's picture", CONTACT);
        let path = ["contacts", contact, "photo", "$value"];
        let url = self.links.user(mailbox.as_str(), &path, &[]);
        let bytes = upload::read_all(&picture.content).await?;
        let call = Call {
            method: Method::PUT,
            body: Some(("image/jpeg", bytes)),
            ..Call::get(&operation, Some(mailbox), url)
        };
        match self.send(&call).await {
            Ok(_) => Ok(vec![]),
            Err(error)
                if matches!(
                    error.class,
                    FailureClass::RequestBug | FailureClass::ItemPermanent
                ) =>
            {
                lost("the service refused it")
            }
            Err(error) => Err(error),
        }
    }

    async fn create_event(
        &self,
        mailbox: &SourceMailboxId,
        calendar: &str,
        item: &RestoreItem,
    ) -> Result<CreateOutcome, SourceError> {
        let local = self.local_span(item).await?;
        let kept = Kept::read(&item.properties_json);
        let days = changes(&kept);
        let files: Vec<&RestoreAttachment> = item
            .attachments
            .iter()
            .filter(|file| !is_calendar(file))
            .collect();
        let mark = mark(item, days.is_empty() && files.is_empty());
        let transaction = self.uuid();
        let create = on_folder("create event", EVENT);
        if event::span(&kept, local.as_ref(), true).is_none() {
            return Err(create.error(
                FailureClass::ItemPermanent,
                "no_start",
                "nothing that was stored of this event tells when it begins",
            ));
        }
        let making = Making {
            mailbox,
            path: vec!["calendars", calendar, "events"],
            create,
            find: on_folder("look for a restored event", EVENT),
            marks: Marks::Extended,
            mark: &mark,
        };
        let made = self.create_marked(&making, |allowed| {
            event(item, local.as_ref(), &transaction, &mark, allowed).unwrap_or_default()
        });
        let (id, mut losses) = made.await?;
        if !days.is_empty() || !files.is_empty() {
            let rest = Rest {
                path: vec!["events", &id],
                permission: EVENT,
                link: None,
            };
            let done = self
                .complete_event(mailbox, &id, &kept, &days, &files)
                .await;
            losses.extend(self.settle(mailbox, item, &rest, done).await?);
        }
        Ok(CreateOutcome {
            id: event_id(&id),
            losses,
        })
    }

    async fn complete_event(
        &self,
        mailbox: &SourceMailboxId,
        id: &str,
        kept: &Kept,
        days: &[event::Change],
        files: &[&RestoreAttachment],
    ) -> Result<Vec<String>, SourceError> {
        let mut losses = self.change_days(mailbox, id, days).await?;
        let changed = days
            .iter()
            .filter(|day| matches!(day, event::Change::Changed(..)));
        let changed = changed.count();
        if changed > 0 && !tells_content(kept) {
            losses.push(format!(
                "{changed} changed occurrences of the series have their times again; what else was \
                 different about them is in the attached calendar only"
            ));
        }
        let mut present = 0;
        for file in files {
            let size = file.content.size_bytes();
            if size > LARGEST {
                losses.push(format!(
                    "an attachment of {size} bytes is larger than the service takes (150 MB)"
                ));
                continue;
            }
            let holder = Holder::event(id);
            match self.add_attachment(mailbox, holder, file, present).await {
                Ok(()) => present += 1,
                Err(error) if error.class == FailureClass::ItemPermanent => losses.push(format!(
                    "an attachment of {size} bytes was refused ({})",
                    error.code
                )),
                Err(error) => return Err(error),
            }
        }
        Ok(losses)
    }

    /// What the iCalendar form tells of time zones.
    async fn local_span(&self, item: &RestoreItem) -> Result<Option<LocalSpan>, SourceError> {
        let found = item.attachments.iter().find(|file| is_calendar(file));
        let found = found.filter(|file| file.content.size_bytes() <= LONGEST_CALENDAR);
        let Some(file) = found else { return Ok(None) };
        let bytes = upload::read_all(&file.content).await?;
        Ok(local_span(&String::from_utf8_lossy(&bytes)))
    }

    async fn create_task(
        &self,
        mailbox: &SourceMailboxId,
        list: &str,
        item: &RestoreItem,
    ) -> Result<CreateOutcome, SourceError> {
        let mark = mark(item, item.attachments.is_empty());
        let making = Making {
            mailbox,
            path: vec!["todo", "lists", list, "tasks"],
            create: on_folder("create task", TASK),
            find: on_folder("look for a restored task", TASK),
            marks: Marks::Links,
            mark: &mark,
        };
        let made = self.create_marked(&making, |allowed| task(item, &mark, allowed));
        let (id, mut losses) = made.await?;
        if !item.attachments.is_empty() {
            let path = vec!["todo", "lists", list, "tasks", &id];
            let operation = on_item("read a restored task", TASK);
            let query = [("$expand", "linkedResources")];
            let url = self.links.user(mailbox.as_str(), &path, &query);
            let call = Call::get(&operation, Some(mailbox), url);
            let own: Result<Object, SourceError> = self.json(&call).await;
            let link = own.as_ref().ok().and_then(mark_of_links);
            let rest = Rest {
                path: path.clone(),
                permission: TASK,
                link: link.map(|(id, _)| id),
            };
            let done = match own {
                Ok(_) => self.add_files(mailbox, &path, &item.attachments).await,
                Err(error) => Err(error),
            };
            losses.extend(self.settle(mailbox, item, &rest, done).await?);
        }
        Ok(CreateOutcome {
            id: task_id(list, &id),
            losses,
        })
    }

    async fn add_files(
        &self,
        mailbox: &SourceMailboxId,
        task: &[&str],
        files: &[RestoreAttachment],
    ) -> Result<Vec<String>, SourceError> {
        let path = [task, &["attachments"]].concat();
        let url = self.links.user(mailbox.as_str(), &path, &[]);
        let operation = on_item("add attachment", TASK);
        let mut losses = vec![];
        for file in files {
            let size = file.content.size_bytes();
            if size >= LARGEST_FILE {
                losses.push(format!(
                    "an attachment of {size} bytes is too large for a task at Microsoft 365 (3 MB)"
                ));
                continue;
            }
            let bytes: Bytes = upload::read_all(&file.content).await?;
            let bytes = base64_simd::STANDARD.encode_to_string(&bytes);
            let body = json!({
                "@odata.type": "#microsoft.graph.taskFileAttachment",
                "name": file.name,
                "contentType": file.content_type,
                "contentBytes": bytes,
            });
            let call = Call::write(&operation, mailbox, Method::POST, url.clone(), &body);
            match self.send(&call).await {
                Ok(_) => {}
                Err(error)
                    if matches!(
                        error.class,
                        FailureClass::RequestBug | FailureClass::ItemPermanent
                    ) =>
                {
                    losses.push(format!(
                        "an attachment of {size} bytes was refused ({})",
                        error.code
                    ));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(losses)
    }

    /// Marks an item as finished when all of it is there, and removes it when it cannot be.
    async fn settle(
        &self,
        mailbox: &SourceMailboxId,
        item: &RestoreItem,
        rest: &Rest<'_>,
        done: Result<Vec<String>, SourceError>,
    ) -> Result<Vec<String>, SourceError> {
        let error = match done {
            Ok(losses) => match self.finish_marked(mailbox, item, rest).await {
                Ok(()) => return Ok(losses),
                Err(error) => error,
            },
            Err(error) => error,
        };
        let operation = on_item("remove an unfinished item", rest.permission);
        let url = self.links.user(mailbox.as_str(), &rest.path, &[]);
        let call = Call {
            method: Method::DELETE,
            ..Call::get(&operation, Some(mailbox), url)
        };
        if let Err(second) = self.send(&call.attempts(3)).await {
            tracing::warn!(
                code = second.code,
                request_id = second.request_id,
                "an unfinished item stays behind; repeating the restore replaces it"
            );
        }
        Err(told(error))
    }

    async fn finish_marked(
        &self,
        mailbox: &SourceMailboxId,
        item: &RestoreItem,
        rest: &Rest<'_>,
    ) -> Result<(), SourceError> {
        let operation = on_item("mark item as restored", rest.permission);
        let done = finished(&item.marker);
        let (path, body) = match &rest.link {
            Some(link) => (
                [&rest.path[..], &["linkedResources", link]].concat(),
                json!({ "externalId": done }),
            ),
            None => (
                rest.path.clone(),
                json!({ "singleValueExtendedProperties": [property(properties::MARKER, done)] }),
            ),
        };
        let url = self.links.user(mailbox.as_str(), &path, &[]);
        let call = Call::write(&operation, mailbox, Method::PATCH, url, &body).replayable();
        self.send(&call).await.map(|_| ())
    }

    /// Moves an item that is no mail to Deleted Items. A meeting whose attendees would be told stays.
    pub(crate) async fn delete_in(
        &self,
        mailbox: &SourceMailboxId,
        place: Place<'_>,
    ) -> Result<(), SourceError> {
        let (path, permission) = match place {
            Place::Contacts(id) => (vec!["contacts", id], CONTACT),
            Place::Calendar(id) => (vec!["events", id], EVENT),
            Place::Task(list, id) => (vec!["todo", "lists", list, "tasks", id], TASK),
            Place::Mail(id) | Place::Tasks(id) => (vec!["messages", id], "Mail.ReadWrite"),
        };
        let operation = on_item("move item to deleted items", permission);
        if let Place::Calendar(_) = place {
            let query = [("$select", "id,isOrganizer,attendees")];
            let url = self.links.user(mailbox.as_str(), &path, &query);
            let call = Call::get(&operation, Some(mailbox), url);
            let found: Object = match self.json(&call).await {
                Ok(found) => found,
                Err(error) if error.class == FailureClass::ItemGone => return Ok(()),
                Err(error) => return Err(told(error)),
            };
            let people = found.get("attendees").and_then(Value::as_array);
            if truth(&found, "isOrganizer") && people.is_some_and(|people| !people.is_empty()) {
                return Err(operation.error(
                    FailureClass::ItemPermanent,
                    "would_send_cancellations",
                    "the old meeting stays, because its attendees would get cancellations; delete it by hand",
                ));
            }
        }
        let url = self.links.user(mailbox.as_str(), &path, &[]);
        let call = Call {
            method: Method::DELETE,
            ..Call::get(&operation, Some(mailbox), url)
        };
        match self.send(&call).await {
            Ok(_) => Ok(()),
            Err(error) if error.class == FailureClass::ItemGone => Ok(()),
            Err(error) => Err(told(error)),
        }
    }
}

/// The mark that a new item gets.
fn mark(item: &RestoreItem, is_whole: bool) -> String {
    match is_whole {
        true => finished(&item.marker),
        false => pending(&item.marker),
    }
}

fn is_calendar(file: &RestoreAttachment) -> bool {
    let kind = file.content_type.to_ascii_lowercase();
    file.name == EVENT_NAME && kind.starts_with("text/calendar")
}

fn existing(place: Place<'_>, object: &Object) -> ExistingItem {
    let id = text(object, "id");
    let (id, subject, mark): (ItemId, _, Option<String>) = match place {
        Place::Tasks(list) => (
            task_id(list, &id),
            text(object, "title"),
            mark_of_links(object).map(|(_, mark)| mark),
        ),
        other => {
            let extended = Extended::from_json(object.get("singleValueExtendedProperties"));
            let mark = extended.get(properties::MARKER).map(str::to_owned);
            match other {
                Place::Contacts(_) => (contact_id(&id), text(object, "displayName"), mark),
                _ => (event_id(&id), text(object, "subject"), mark),
            }
        }
    };
    let mark = mark.as_deref().and_then(read_mark);
    ExistingItem {
        id,
        is_finished: mark.as_ref().is_none_or(|(_, is_finished)| *is_finished),
        marker: mark.map(|(marker, _)| marker),
        internet_message_id: String::new(),
        subject,
        received_at: message_json::time(object.get("createdDateTime")),
    }
}
