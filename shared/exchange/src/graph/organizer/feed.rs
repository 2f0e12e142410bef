//! What changed in a folder of contacts, a calendar or a list of tasks.
//!
//! Contacts and tasks have change feeds. Events have none for any calendar but the first, and there only one
//! that is cut to a span of time; so a calendar is listed, ids and versions only, and compared. What a page names
//! is described when the vault does not have it.

use mailkeep_model::{FailureClass, FolderId, ItemId, SourceMailboxId};
use url::Url;

use super::marked::told;
use super::place::{Place, contact_id, event_id, task_id};
use super::read::version;
use crate::graph::client::GraphClient;
use crate::graph::cursor::{FeedMode, ItemCursor};
use crate::graph::error_map::{Asked, Operation};
use crate::graph::feed::RawPage;
use crate::graph::message_json::text;
use crate::{ChangePage, ItemChange, SourceError};

const CONTACTS: Operation =
    Operation::new("follow changes of contacts", Asked::Folder, "Contacts.Read");
const EVENTS: Operation = Operation::new("list a calendar", Asked::Folder, "Calendars.Read");
const TASKS: Operation = Operation::new("follow changes of tasks", Asked::Folder, "Tasks.Read.All");

/// Ids on one page of a calendar.
const TOP: &str = "500";

/// What such a place is followed by.
pub(crate) fn operation(place: Place<'_>) -> &'static Operation {
    match place {
        Place::Contacts(_) => &CONTACTS,
        Place::Calendar(_) => &EVENTS,
        Place::Tasks(_) | Place::Task(..) | Place::Mail(_) => &TASKS,
    }
}

impl GraphClient {
    /// The start of the feed or listing.
    pub(crate) fn organizer_start(
        &self,
        mailbox: &SourceMailboxId,
        place: Place<'_>,
    ) -> ItemCursor {
        let url: Url = match place {
            Place::Contacts(id) => {
                let path = ["contactFolders", id, "contacts", "delta"];
                let query = [("$select", "id,changeKey")];
                self.links.user(mailbox.as_str(), &path, &query)
            }
            Place::Calendar(id) => {
                let path = ["calendars", id, "events"];
                let query = [("$select", "id,changeKey"), ("$top", TOP)];
                self.links.user(mailbox.as_str(), &path, &query)
            }
            Place::Tasks(id) | Place::Task(id, _) | Place::Mail(id) => {
                let path = ["todo", "lists", id, "tasks", "delta"];
                self.links.user(mailbox.as_str(), &path, &[])
            }
        };
        let size = self.options.page_size;
        ItemCursor::new(url.to_string(), FeedMode::Ids, size)
    }

    /// A page as changes.
    pub(crate) fn organizer_page(
        &self,
        place: Place<'_>,
        cursor: &ItemCursor,
        page: RawPage,
    ) -> Result<ChangePage, SourceError> {
        let operation = operation(place);
        let is_listing = matches!(place, Place::Calendar(_));
        let is_last = page.delta.is_some() || (is_listing && page.next.is_none());
        let link = page.delta.or(page.next);
        if link.is_none() && !is_listing {
            return Err(operation.error(
                FailureClass::Transient,
                "no_link",
                "a page of changes names no next one",
            ));
        }
        if let Some(link) = &link {
            self.links.check(operation, link)?;
        }
        let id_of = |id: &str| -> ItemId {
            match place {
                Place::Contacts(_) => contact_id(id),
                Place::Calendar(_) => event_id(id),
                Place::Tasks(list) | Place::Task(list, _) | Place::Mail(list) => task_id(list, id),
            }
        };
        let changes = page
            .value
            .iter()
            .filter(|object| !text(object, "id").is_empty())
            .map(|object| {
                let id = id_of(&text(object, "id"));
                match object.contains_key("@removed") {
                    true => ItemChange::Removed(id),
                    false => ItemChange::Listed(id, version(object)),
                }
            })
            .collect();
        Ok(ChangePage {
            changes,
            // A listing has no place to go on from: it is compared whole each time.
            cursor: link.map(|link| ItemCursor::new(link, FeedMode::Ids, cursor.page).write()),
            is_last,
        })
    }
}

/// The kind of a folder whose feed this is; `None` for mail.
pub(crate) fn organizer_place(folder: &FolderId) -> Option<Place<'_>> {
    match Place::of_folder(folder) {
        Place::Mail(_) => None,
        place => Some(place),
    }
}

/// True when the application may not see this kind of folders.
pub(crate) fn is_refused(error: &SourceError) -> bool {
    matches!(
        error.class,
        FailureClass::AuthScope | FailureClass::AuthConsent
    )
}

/// A failure that concerns one kind of folders only.
pub(crate) fn apart(error: SourceError) -> SourceError {
    told(error)
}
