//! Contacts, events and tasks by their ids.

use mailkeep_model::{FailureClass, FolderId, FolderKind, ItemId, SourceMailboxId};

use super::marked::told;
use super::place::{Place, folder_id};
use super::read;
use crate::graph::batch::{Part, PartAnswer, read_part};
use crate::graph::client::GraphClient;
use crate::graph::describe::Description;
use crate::graph::error_map::{Asked, Operation};
use crate::graph::message_json::{Object, text};
use crate::{SourceError, SourceItem};

const CONTACT: Operation = Operation::new("read contact", Asked::Item, "Contacts.Read");
const EVENT: Operation = Operation::new("read event", Asked::Item, "Calendars.Read");
const CALENDAR: Operation = Operation::new(
    "find the calendar of an event",
    Asked::Item,
    "Calendars.Read",
);
const TASK: Operation = Operation::new("read task", Asked::Item, "Tasks.Read.All");

/// Everything that is asked of an event, but its text.
const EVENT_SELECT: &str = "id,changeKey,createdDateTime,lastModifiedDateTime,categories,\
originalStartTimeZone,iCalUId,reminderMinutesBeforeStart,isReminderOn,hasAttachments,subject,\
importance,sensitivity,isAllDay,isCancelled,isOrganizer,responseRequested,showAs,type,\
responseStatus,start,end,location,recurrence,attendees,organizer,cancelledOccurrences";
/// Everything that is asked of a contact, but its notes.
const CONTACT_SELECT: &str = "id,changeKey,createdDateTime,lastModifiedDateTime,categories,\
parentFolderId,birthday,fileAs,displayName,givenName,initials,middleName,nickName,surname,title,\
yomiGivenName,yomiSurname,generation,imAddresses,jobTitle,companyName,department,officeLocation,\
profession,businessHomePage,assistantName,manager,homePhones,mobilePhone,businessPhones,\
spouseName,children,emailAddresses,homeAddress,businessAddress,otherAddress";

impl GraphClient {
    /// Describes items, in their order. `folder` is where a listing named them; without it an event's
    /// calendar is looked for.
    pub(crate) async fn describe_organized(
        &self,
        mailbox: &SourceMailboxId,
        folder: Option<&FolderId>,
        items: &[ItemId],
    ) -> Result<Vec<Description>, SourceError> {
        let expand = read::expand();
        let event_expand = format!("{expand},exceptionOccurrences");
        let mut parts = vec![];
        for item in items {
            let part = |operation: &Operation, path: &[&str], query: &[(&str, &str)]| {
                Part::new(operation, self.links.user(mailbox.as_str(), path, query))
            };
            match Place::of_item(item) {
                Place::Contacts(id) => {
                    let query = [("$select", CONTACT_SELECT), ("$expand", expand.as_str())];
                    parts.push(part(&CONTACT, &["contacts", id], &query));
                }
                Place::Task(list, id) => {
                    let path = ["todo", "lists", list, "tasks", id];
                    parts.push(part(&TASK, &path, &[]));
                }
                Place::Calendar(id) | Place::Mail(id) | Place::Tasks(id) => {
                    let query = [
                        ("$select", EVENT_SELECT),
                        ("$expand", event_expand.as_str()),
                    ];
                    parts.push(part(&EVENT, &["events", id], &query));
                    if folder.is_none() {
                        let query = [("$select", "id")];
                        parts.push(part(&CALENDAR, &["events", id, "calendar"], &query));
                    }
                }
            }
        }
        let mut answers = self.batch(Some(mailbox), &parts).await?.into_iter();
        let mut next = || {
            let missing = || EVENT.error(FailureClass::Transient, "no_answer", "no answer");
            answers.next().unwrap_or_else(|| Err(missing()))
        };
        let mut all = vec![];
        for item in items {
            all.push(match Place::of_item(item) {
                Place::Contacts(_) => {
                    described(&CONTACT, next(), |object| read::contact(object, folder))
                }
                Place::Task(list, _) => described(&TASK, next(), |object| read::task(object, list)),
                _ => {
                    let answer = next();
                    let calendar = match folder {
                        Some(folder) => Ok(folder.clone()),
                        None => read_part::<Object>(&CALENDAR, next())
                            .map(|found| folder_id(FolderKind::Calendar, &text(&found, "id"))),
                    };
                    match calendar {
                        Ok(calendar) => {
                            described(&EVENT, answer, |object| read::event(object, &calendar))
                        }
                        Err(error) if error.class == FailureClass::ItemGone => Ok(None),
                        Err(error) => Err(told(error)),
                    }
                }
            });
        }
        Ok(all)
    }
}

fn described(
    operation: &Operation,
    answer: PartAnswer,
    read: impl Fn(&Object) -> Option<SourceItem>,
) -> Description {
    match read_part::<Object>(operation, answer) {
        Ok(object) => match read(&object) {
            Some(item) => Ok(Some(Box::new(item))),
            None => Err(operation.error(
                FailureClass::ItemPermanent,
                "no_parent_folder",
                "the service does not say which folder holds the item",
            )),
        },
        Err(error) if error.class == FailureClass::ItemGone => Ok(None),
        Err(error) => Err(told(error)),
    }
}
