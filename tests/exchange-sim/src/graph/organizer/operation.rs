//! Which operation a path below a user means, the roles that it needs, and carrying it out.

use std::sync::Arc;

use super::shelf::Shelf;
use super::{calendars, contacts, delta, todo};
use crate::graph::call::Call;
use crate::graph::failure::Failure;
use crate::graph::reply::Reply;
use crate::graph::route::Route;
use crate::graph::{attachments, upload, write};
use crate::store::mailbox::Mailbox;
use crate::store::users::Account;
use crate::tenant::Tenant;

/// The operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Organizer {
    ContactFolders,
    CreateContactFolder,
    ContactFolder,
    Contacts,
    ContactDelta,
    CreateContact,
    Contact,
    UpdateContact,
    DeleteContact,
    Photo,
    PutPhoto,
    Calendars,
    CreateCalendar,
    Calendar,
    Events,
    CreateEvent,
    Event,
    UpdateEvent,
    DeleteEvent,
    Instances,
    EventCalendar,
    EventAttachments,
    AddEventAttachment,
    EventUpload,
    EventAttachment,
    EventAttachmentValue,
    Lists,
    CreateList,
    List,
    Tasks,
    TaskDelta,
    CreateTask,
    Task,
    UpdateTask,
    DeleteTask,
    UpdateLink,
    TaskAttachments,
    AddTaskAttachment,
    TaskAttachmentValue,
}

use Organizer as O;

impl Organizer {
    /// Any one of these roles is enough.
    pub(crate) fn roles(self) -> &'static [&'static str] {
        match self {
            O::ContactFolders
            | O::ContactFolder
            | O::Contacts
            | O::ContactDelta
            | O::Contact
            | O::Photo => &["Contacts.Read", "Contacts.ReadWrite"],
            O::CreateContactFolder
            | O::CreateContact
            | O::UpdateContact
            | O::DeleteContact
            | O::PutPhoto => &["Contacts.ReadWrite"],
            O::Calendars
            | O::Calendar
            | O::Events
            | O::Event
            | O::Instances
            | O::EventCalendar
            | O::EventAttachments
            | O::EventAttachment
            | O::EventAttachmentValue => &["Calendars.Read", "Calendars.ReadWrite"],
            O::CreateCalendar
            | O::CreateEvent
            | O::UpdateEvent
            | O::DeleteEvent
            | O::AddEventAttachment
            | O::EventUpload => &["Calendars.ReadWrite"],
            O::TaskDelta
            | O::Lists
            | O::List
            | O::Tasks
            | O::Task
            | O::TaskAttachments
            | O::TaskAttachmentValue => &["Tasks.Read.All", "Tasks.ReadWrite.All"],
            O::CreateList
            | O::CreateTask
            | O::UpdateTask
            | O::DeleteTask
            | O::UpdateLink
            | O::AddTaskAttachment => &["Tasks.ReadWrite.All"],
        }
    }
}

/// Methods with what they mean.
type Methods = &'static [(&'static str, Organizer)];

const FOLDERS: Methods = &[("GET", O::ContactFolders), ("POST", O::CreateContactFolder)];
const CONTACTS: Methods = &[("GET", O::Contacts), ("POST", O::CreateContact)];
const CONTACT: Methods = &[
    ("GET", O::Contact),
    ("PATCH", O::UpdateContact),
    ("DELETE", O::DeleteContact),
];
const EVENTS: Methods = &[("GET", O::Events), ("POST", O::CreateEvent)];
const EVENT: Methods = &[
    ("GET", O::Event),
    ("PATCH", O::UpdateEvent),
    ("DELETE", O::DeleteEvent),
];

/// What a path means: its template, and its methods. Ids go into the route.
fn matched(route: &mut Route, parts: &[&str]) -> Option<(&'static str, Methods)> {
    let id = |place: &mut Option<String>, text: &str| *place = Some(text.to_owned());
    let (folder, item, attachment) = (&mut route.folder, &mut route.message, &mut route.attachment);
    Some(match parts {
        ["contactFolders"] => ("/contactFolders", FOLDERS),
        ["contactFolders", one] => {
            id(folder, one);
            ("/contactFolders/{id}", &[("GET", O::ContactFolder)])
        }
        ["contactFolders", one, "childFolders"] => {
            id(folder, one);
            ("/contactFolders/{id}/childFolders", FOLDERS)
        }
        ["contactFolders", one, "contacts"] => {
            id(folder, one);
            ("/contactFolders/{id}/contacts", CONTACTS)
        }
        ["contactFolders", one, "contacts", "delta"] => {
            id(folder, one);
            (
                "/contactFolders/{id}/contacts/delta",
                &[("GET", O::ContactDelta)],
            )
        }
        ["contacts", one] => {
            id(item, one);
            ("/contacts/{id}", CONTACT)
        }
        ["contacts", one, "photo", "$value"] => {
            id(item, one);
            (
                "/contacts/{id}/photo/$value",
                &[("GET", O::Photo), ("PUT", O::PutPhoto)],
            )
        }
        ["calendars"] => (
            "/calendars",
            &[("GET", O::Calendars), ("POST", O::CreateCalendar)],
        ),
        ["calendar"] => ("/calendar", &[("GET", O::Calendar)]),
        ["calendars", one] => {
            id(folder, one);
            ("/calendars/{id}", &[("GET", O::Calendar)])
        }
        ["events"] | ["calendar", "events"] => ("/events", EVENTS),
        ["calendars", one, "events"] => {
            id(folder, one);
            ("/calendars/{id}/events", EVENTS)
        }
        ["events", one] => {
            id(item, one);
            ("/events/{id}", EVENT)
        }
        ["events", one, "calendar"] => {
            id(item, one);
            ("/events/{id}/calendar", &[("GET", O::EventCalendar)])
        }
        ["events", one, "instances"] => {
            id(item, one);
            ("/events/{id}/instances", &[("GET", O::Instances)])
        }
        ["events", one, "attachments"] => {
            id(item, one);
            (
                "/events/{id}/attachments",
                &[
                    ("GET", O::EventAttachments),
                    ("POST", O::AddEventAttachment),
                ],
            )
        }
        ["events", one, "attachments", "createUploadSession"] => {
            id(item, one);
            (
                "/events/{id}/attachments/createUploadSession",
                &[("POST", O::EventUpload)],
            )
        }
        ["events", one, "attachments", file] => {
            id(item, one);
            id(attachment, file);
            (
                "/events/{id}/attachments/{id}",
                &[("GET", O::EventAttachment)],
            )
        }
        ["events", one, "attachments", file, "$value"] => {
            id(item, one);
            id(attachment, file);
            (
                "/events/{id}/attachments/{id}/$value",
                &[("GET", O::EventAttachmentValue)],
            )
        }
        ["todo", "lists"] => ("/todo/lists", &[("GET", O::Lists), ("POST", O::CreateList)]),
        ["todo", "lists", one] => {
            id(folder, one);
            ("/todo/lists/{id}", &[("GET", O::List)])
        }
        ["todo", "lists", list, "tasks"] => {
            id(folder, list);
            (
                "/todo/lists/{id}/tasks",
                &[("GET", O::Tasks), ("POST", O::CreateTask)],
            )
        }
        ["todo", "lists", list, "tasks", "delta"] => {
            id(folder, list);
            ("/todo/lists/{id}/tasks/delta", &[("GET", O::TaskDelta)])
        }
        ["todo", "lists", list, "tasks", one] => {
            id(folder, list);
            id(item, one);
            (
                "/todo/lists/{id}/tasks/{id}",
                &[
                    ("GET", O::Task),
                    ("PATCH", O::UpdateTask),
                    ("DELETE", O::DeleteTask),
                ],
            )
        }
        ["todo", "lists", list, "tasks", one, "linkedResources", link] => {
            id(folder, list);
            id(item, one);
            id(attachment, link);
            (
                "/todo/lists/{id}/tasks/{id}/linkedResources/{id}",
                &[("PATCH", O::UpdateLink)],
            )
        }
        ["todo", "lists", list, "tasks", one, "attachments"] => {
            id(folder, list);
            id(item, one);
            (
                "/todo/lists/{id}/tasks/{id}/attachments",
                &[("GET", O::TaskAttachments), ("POST", O::AddTaskAttachment)],
            )
        }
        [
            "todo",
            "lists",
            list,
            "tasks",
            one,
            "attachments",
            file,
            "$value",
        ] => {
            id(folder, list);
            id(item, one);
            id(attachment, file);
            (
                "/todo/lists/{id}/tasks/{id}/attachments/{id}/$value",
                &[("GET", O::TaskAttachmentValue)],
            )
        }
        _ => return None,
    })
}

/// Finds the operation that a path below `/users/{id}` means; `None` when it is none of these.
pub(crate) fn route(
    route: &mut Route,
    method: &str,
    parts: &[&str],
) -> Option<Result<Organizer, Failure>> {
    let (template, methods) = matched(route, parts)?;
    route.template = format!("/users/{{id}}{template}");
    let found = methods.iter().find(|(name, _)| *name == method);
    Some(found.map(|(_, one)| *one).ok_or_else(Failure::method))
}

/// Carries it out.
pub(crate) fn run(
    operation: Organizer,
    tenant: &Tenant,
    call: &Call,
    route: &Route,
    account: &Arc<Account>,
    mailbox: &mut Mailbox,
) -> Result<Reply, Failure> {
    let item = route.message.as_deref().unwrap_or_default();
    let part = route.attachment.as_deref().unwrap_or_default();
    let number = account.number;
    let named = route.folder.as_deref();
    let place = |shelf: Shelf, mailbox: &Mailbox| match named {
        Some(id) => shelf.find(mailbox, id),
        None => shelf.first(mailbox),
    };
    match operation {
        O::ContactFolders => contacts::folders(tenant, call, mailbox, named),
        O::CreateContactFolder => contacts::create_folder(call, mailbox, named),
        O::ContactFolder => contacts::folder(call, mailbox, named.unwrap_or_default()),
        O::Contacts => {
            let folder = place(Shelf::Contacts, mailbox)?;
            contacts::list(tenant, call, mailbox, folder)
        }
        O::ContactDelta => {
            let folder = place(Shelf::Contacts, mailbox)?;
            let names = (number, account.id.as_str());
            delta::page(tenant, call, mailbox, names, folder, Shelf::Contacts)
        }
        O::CreateContact => {
            let folder = place(Shelf::Contacts, mailbox)?;
            contacts::create(tenant, call, account, mailbox, folder)
        }
        O::Contact => contacts::get(tenant, call, mailbox, number, item),
        O::UpdateContact => contacts::update(tenant, call, account, mailbox, item),
        O::DeleteContact => contacts::delete(tenant, call, mailbox, item),
        O::Photo => contacts::photo(tenant, call, mailbox, item),
        O::PutPhoto => contacts::put_photo(tenant, call, mailbox, item),
        O::Calendars => calendars::list(tenant, call, account, mailbox),
        O::CreateCalendar => calendars::create_calendar(call, account, mailbox),
        O::Calendar => {
            let calendar = place(Shelf::Calendars, mailbox)?;
            calendars::get_calendar(call, account, mailbox, calendar)
        }
        O::Events => {
            let calendar = place(Shelf::Calendars, mailbox)?;
            calendars::events(tenant, call, mailbox, calendar)
        }
        O::CreateEvent => {
            let calendar = place(Shelf::Calendars, mailbox)?;
            calendars::create(tenant, call, account, mailbox, calendar)
        }
        O::Event => calendars::get(tenant, call, mailbox, number, item),
        O::UpdateEvent => calendars::update(tenant, call, account, mailbox, item),
        O::DeleteEvent => calendars::delete(tenant, call, account, mailbox, item),
        O::Instances => calendars::instances(tenant, call, mailbox, item),
        O::EventCalendar => {
            let view = Shelf::Calendars.item(tenant, mailbox, item)?;
            calendars::get_calendar(call, account, mailbox, view.slot.folder)
        }
        O::EventAttachments | O::EventAttachment | O::EventAttachmentValue => {
            let view = Shelf::Calendars.item(tenant, mailbox, item)?;
            let world = &tenant.world;
            match operation {
                O::EventAttachments => attachments::list(call, &view, world),
                O::EventAttachment => attachments::get(call, &view, world, part),
                _ => attachments::value(call, &view, world, part),
            }
        }
        O::AddEventAttachment => {
            Shelf::Calendars.item(tenant, mailbox, item)?;
            write::add_attachment(tenant, call, mailbox, item)
        }
        O::EventUpload => {
            Shelf::Calendars.item(tenant, mailbox, item)?;
            upload::create(tenant, call, account, mailbox, item)
        }
        O::Lists => todo::lists(tenant, call, mailbox),
        O::CreateList => todo::create_list(call, mailbox),
        _ => {
            let list = place(Shelf::Tasks, mailbox)?;
            match operation {
                O::List => todo::get_list(call, mailbox, list),
                O::Tasks => todo::tasks(tenant, call, mailbox, list),
                O::TaskDelta => {
                    let names = (number, account.id.as_str());
                    delta::page(tenant, call, mailbox, names, list, Shelf::Tasks)
                }
                O::CreateTask => todo::create(tenant, call, account, mailbox, list),
                O::Task => todo::get(tenant, call, mailbox, list, item),
                O::UpdateTask => todo::update(tenant, call, account, mailbox, list, item),
                O::DeleteTask => todo::delete(tenant, call, mailbox, list, item),
                O::UpdateLink => {
                    todo::update_link(tenant, call, account, mailbox, list, item, part)
                }
                O::TaskAttachments => todo::attachments(tenant, call, mailbox, list, item),
                O::AddTaskAttachment => todo::add_attachment(tenant, call, mailbox, list, item),
                O::TaskAttachmentValue => {
                    todo::attachment_value(tenant, call, mailbox, list, item, part)
                }
                _ => Err(Failure::method()),
            }
        }
    }
}
