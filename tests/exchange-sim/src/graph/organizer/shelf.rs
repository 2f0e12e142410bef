//! Which folders belong to contacts, calendars and tasks, and who owns them.

use crate::content::people::Person;
use crate::graph::failure::Failure;
use crate::store::folders::ROOT;
use crate::store::mailbox::Mailbox;
use crate::store::users::Account;
use crate::store::view::View;
use crate::tenant::Tenant;

/// What a folder is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shelf {
    Mail,
    Contacts,
    Calendars,
    Tasks,
}

impl Shelf {
    /// What folders of this class are for.
    pub(crate) fn of_class(class: &str) -> Self {
        let is = |prefix: &str| class.starts_with(prefix);
        if is("IPF.Contact") {
            Self::Contacts
        } else if is("IPF.Appointment") {
            Self::Calendars
        } else if is("IPF.Task") {
            Self::Tasks
        } else {
            Self::Mail
        }
    }

    /// The class of its folders.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Mail => "IPF.Note",
            Self::Contacts => "IPF.Contact",
            Self::Calendars => "IPF.Appointment",
            Self::Tasks => "IPF.Task",
        }
    }

    /// The well-known name of its first folder.
    pub(crate) fn well_known(self) -> &'static str {
        match self {
            Self::Mail => "inbox",
            Self::Contacts => "contacts",
            Self::Calendars => "calendar",
            Self::Tasks => "tasks",
        }
    }

    /// The element of its items in EWS.
    pub(crate) fn element(self) -> &'static str {
        match self {
            Self::Mail => "Message",
            Self::Contacts => "Contact",
            Self::Calendars => "CalendarItem",
            Self::Tasks => "Task",
        }
    }

    /// Its folders below the visible root, its first folder first.
    pub(crate) fn folders(self, mailbox: &Mailbox) -> Vec<u32> {
        let mut all: Vec<u32> = (0_u32..)
            .zip(&mailbox.folders)
            .filter(|(number, folder)| {
                !folder.is_deleted
                    && !folder.is_search
                    && *number != ROOT
                    && Self::of_class(&folder.class) == self
                    && crate::graph::folders::is_visible(mailbox, *number)
            })
            .map(|(number, _)| number)
            .collect();
        let first = mailbox.well_known(self.well_known());
        all.sort_by_key(|number| Some(*number) != first);
        all
    }

    /// One of its folders by id or by the well-known name.
    pub(crate) fn find(self, mailbox: &Mailbox, text: &str) -> Result<u32, Failure> {
        let number = mailbox.find_folder(text).ok_or_else(Failure::not_found)?;
        let folder = mailbox.folder(number).ok_or_else(Failure::not_found)?;
        match Self::of_class(&folder.class) == self && !folder.is_search {
            true => Ok(number),
            false => Err(Failure::not_found()),
        }
    }

    /// Its first folder.
    pub(crate) fn first(self, mailbox: &Mailbox) -> Result<u32, Failure> {
        mailbox
            .well_known(self.well_known())
            .ok_or_else(Failure::not_found)
    }

    /// The items of a folder that it shows: others that lie there are not seen.
    pub(crate) fn items(self, tenant: &Tenant, mailbox: &Mailbox, folder: u32) -> Vec<View> {
        mailbox
            .items_in(folder)
            .filter_map(|item| mailbox.view(&tenant.world, item))
            .filter(|view| view.element() == Some(self.element()))
            .collect()
    }

    /// An item that it shows, wherever it lies among its folders.
    pub(crate) fn item(
        self,
        tenant: &Tenant,
        mailbox: &Mailbox,
        id: &str,
    ) -> Result<View, Failure> {
        let view = crate::graph::messages::view(tenant, mailbox, id)?;
        let class = mailbox
            .folder(view.slot.folder)
            .map_or("", |folder| folder.class.as_str());
        match view.element() == Some(self.element()) && Self::of_class(class) == self {
            true => Ok(view),
            false => Err(Failure::not_found()),
        }
    }
}

impl Mailbox {
    /// Creates a folder of a class.
    pub(crate) fn create_classed(&mut self, parent: u32, name: &str, class: &str) -> Option<u32> {
        let number = self.create_folder(parent, name, false)?;
        if let Some(folder) = self
            .folders
            .get_mut(crate::numbers::index(u64::from(number)))
        {
            class.clone_into(&mut folder.class);
        }
        Some(number)
    }
}

/// The owner of a mailbox.
pub(crate) fn owner(account: &Account) -> Person {
    Person {
        name: account.name.clone(),
        address: account.mail.clone().unwrap_or_default(),
    }
}

/// A name that a new folder may have.
pub(crate) fn name_of(value: Option<&serde_json::Value>) -> Result<&str, Failure> {
    value
        .and_then(serde_json::Value::as_str)
        .filter(|name| !name.is_empty() && name.chars().count() <= 255)
        .ok_or_else(|| {
            Failure::new(
                400,
                "ErrorInvalidParameter",
                "The name is missing, empty or longer than 255 characters.",
            )
        })
}
