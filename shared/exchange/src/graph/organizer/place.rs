//! Ids of folders and items that are no mail. The service has one path for each kind of them, and an id does
//! not tell its kind; so ours do.

use mailkeep_model::{FolderId, FolderKind, ItemId};

const CONTACTS: &str = "contacts:";
const CALENDAR: &str = "calendar:";
const TASKS: &str = "todo:";
const CONTACT: &str = "contact:";
const EVENT: &str = "event:";
const TASK: &str = "task:";

/// A folder or an item by its kind and by its id at the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// A mail folder, or a message.
    Mail(&'a str),
    /// A folder of contacts, or a contact.
    Contacts(&'a str),
    /// A calendar, or an event.
    Calendar(&'a str),
    /// A list of tasks.
    Tasks(&'a str),
    /// A task in a list.
    Task(&'a str, &'a str),
}

impl<'a> Place<'a> {
    /// What a folder's id names.
    pub(crate) fn of_folder(id: &'a FolderId) -> Self {
        let id = id.as_str();
        if let Some(id) = id.strip_prefix(CONTACTS) {
            Self::Contacts(id)
        } else if let Some(id) = id.strip_prefix(CALENDAR) {
            Self::Calendar(id)
        } else if let Some(id) = id.strip_prefix(TASKS) {
            Self::Tasks(id)
        } else {
            Self::Mail(id)
        }
    }

    /// What an item's id names.
    pub(crate) fn of_item(id: &'a ItemId) -> Self {
        let id = id.as_str();
        if let Some(id) = id.strip_prefix(CONTACT) {
            Self::Contacts(id)
        } else if let Some(id) = id.strip_prefix(EVENT) {
            Self::Calendar(id)
        } else if let Some((list, id)) = id.strip_prefix(TASK).and_then(|id| id.split_once(':')) {
            Self::Task(list, id)
        } else {
            Self::Mail(id)
        }
    }
}

/// The id of a folder of a kind.
pub(crate) fn folder_id(kind: FolderKind, id: &str) -> FolderId {
    let head = match kind {
        FolderKind::Mail => "",
        FolderKind::Contacts => CONTACTS,
        FolderKind::Calendar => CALENDAR,
        FolderKind::Tasks => TASKS,
    };
    FolderId(format!("{head}{id}"))
}

/// The id of a contact.
pub(crate) fn contact_id(id: &str) -> ItemId {
    ItemId(format!("{CONTACT}{id}"))
}

/// The id of an event.
pub(crate) fn event_id(id: &str) -> ItemId {
    ItemId(format!("{EVENT}{id}"))
}

/// The id of a task.
pub(crate) fn task_id(list: &str, id: &str) -> ItemId {
    ItemId(format!("{TASK}{list}:{id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_their_kind() {
        for (kind, place) in [
            (FolderKind::Mail, Place::Mail("A-b_=")),
            (FolderKind::Contacts, Place::Contacts("A-b_=")),
            (FolderKind::Calendar, Place::Calendar("A-b_=")),
            (FolderKind::Tasks, Place::Tasks("A-b_=")),
        ] {
            assert_eq!(Place::of_folder(&folder_id(kind, "A-b_=")), place);
        }
        assert_eq!(Place::of_item(&contact_id("x")), Place::Contacts("x"));
        assert_eq!(Place::of_item(&event_id("x")), Place::Calendar("x"));
        assert_eq!(Place::of_item(&task_id("l", "x")), Place::Task("l", "x"));
        assert_eq!(Place::of_item(&ItemId("x".into())), Place::Mail("x"));
    }
}
