//! Contact folders and contacts.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::contact::{self, FIELDS};
use super::listing;
use super::shelf::{Shelf, name_of, owner};
use crate::content::blob::Blob;
use crate::content::mail::Attachment;
use crate::ews::write::Draft;
use crate::graph::call::Call;
use crate::graph::failure::Failure;
use crate::graph::odata::{self, Options};
use crate::graph::reply::Reply;
use crate::graph::write::check_room;
use crate::numbers::mix;
use crate::store::mailbox::Mailbox;
use crate::store::overlay::Origin;
use crate::store::users::Account;
use crate::tenant::Tenant;

const FOLDER_FIELDS: &[&str] = &["id", "displayName", "parentFolderId"];
/// The file that holds a contact's picture.
const PICTURE: &str = "ContactPicture.jpg";
/// A picture has fewer bytes.
const PICTURE_BYTES: usize = 4 * 1024 * 1024;

fn folder_json(mailbox: &Mailbox, number: u32, options: &Options) -> Value {
    let Some(folder) = mailbox.folder(number) else {
        return Value::Null;
    };
    let parent = folder.parent.and_then(|parent| mailbox.folder(parent));
    let all = [
        ("id", json!(folder.id)),
        ("displayName", json!(folder.name)),
        ("parentFolderId", json!(parent.map(|parent| &parent.id))),
    ];
    let is_wanted = |name: &str| {
        let select = options.select.as_ref();
        name == "id" || select.is_none_or(|names| names.iter().any(|wanted| wanted == name))
    };
    let shown = all.into_iter().filter(|(name, _)| is_wanted(name));
    Value::Object(Map::from_iter(
        shown.map(|(name, value)| (name.to_owned(), value)),
    ))
}

const LISTED: &[&str] = &["$select", "$top", "$skip", "$count"];

/// `GET …/contactFolders` and `…/childFolders`. The default folder is not in the first list, which is a
/// known fault of the service.
pub(crate) fn folders(
    tenant: &Tenant,
    call: &Call,
    mailbox: &Mailbox,
    parent: Option<&str>,
) -> Result<Reply, Failure> {
    let options = odata::options(call, LISTED, FOLDER_FIELDS, 1000)?;
    let default = mailbox.well_known("contacts");
    let parent = match parent {
        Some(parent) => Some(Shelf::Contacts.find(mailbox, parent)?),
        None => None,
    };
    let all: Vec<u32> = Shelf::Contacts
        .folders(mailbox)
        .into_iter()
        .filter(|number| {
            let above = mailbox.folder(*number).and_then(|folder| folder.parent);
            match parent {
                Some(parent) => above == Some(parent),
                None => {
                    let is_contacts = |above: u32| {
                        let folder = mailbox.folder(above);
                        folder.is_some_and(|one| Shelf::of_class(&one.class) == Shelf::Contacts)
                    };
                    let is_below_another =
                        above.is_some_and(|above| Some(above) != default && is_contacts(above));
                    Some(*number) != default && !is_below_another
                }
            }
        })
        .collect();
    listing::page(tenant, call, &options, &all, |number| {
        Ok(folder_json(mailbox, *number, &options))
    })
}

/// `GET …/contactFolders/{id}`.
pub(crate) fn folder(call: &Call, mailbox: &Mailbox, id: &str) -> Result<Reply, Failure> {
    let options = odata::options(call, &["$select"], FOLDER_FIELDS, 0)?;
    let number = Shelf::Contacts.find(mailbox, id)?;
    Ok(Reply::json(folder_json(mailbox, number, &options)))
}

/// `POST …/contactFolders`, which goes below the default folder, and `…/childFolders`.
pub(crate) fn create_folder(
    call: &Call,
    mailbox: &mut Mailbox,
    parent: Option<&str>,
) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    let body = call.json()?;
    if let Some(name) = body.keys().find(|name| *name != "displayName") {
        return Err(Failure::bad(format!(
            "The property '{name}' cannot be set when a folder is created."
        )));
    }
    let parent = match parent {
        Some(parent) => Shelf::Contacts.find(mailbox, parent)?,
        None => Shelf::Contacts.first(mailbox)?,
    };
    let name = name_of(body.get("displayName"))?;
    let number = mailbox
        .create_classed(parent, name, Shelf::Contacts.class())
        .ok_or_else(|| {
            Failure::new(
                409,
                "ErrorFolderExists",
                "A folder with the specified name already exists.",
            )
        })?;
    let shown = folder_json(mailbox, number, &Options::default());
    Ok(Reply::with_status(201, shown))
}

/// `GET …/contacts`.
pub(crate) fn list(
    tenant: &Tenant,
    call: &Call,
    mailbox: &Mailbox,
    folder: u32,
) -> Result<Reply, Failure> {
    let allowed = [
        "$select", "$top", "$skip", "$count", "$expand", "$filter", "$orderby",
    ];
    let options = odata::options(call, &allowed, FIELDS, 1000)?;
    no_attachments(&options)?;
    let all = Shelf::Contacts.items(tenant, mailbox, folder);
    let all = listing::filtered(tenant, &options, all)?;
    listing::page(tenant, call, &options, &all, |view| {
        let ids = call.id_kind();
        Ok(contact::shown(mailbox, view, &tenant.world, ids, &options))
    })
}

fn no_attachments(options: &Options) -> Result<(), Failure> {
    match options.expand.attachments {
        Some(_) => Err(Failure::bad("Contacts have no attachments here.")),
        None => Ok(()),
    }
}

/// `GET …/contacts/{id}`.
pub(crate) fn get(
    tenant: &Tenant,
    call: &Call,
    mailbox: &Mailbox,
    account: u32,
    id: &str,
) -> Result<Reply, Failure> {
    let options = odata::options(call, &["$select", "$expand"], FIELDS, 0)?;
    no_attachments(&options)?;
    let view = Shelf::Contacts.item(tenant, mailbox, id)?;
    tenant.check_item(account, view.item)?;
    let ids = call.id_kind();
    let shown = contact::shown(mailbox, &view, &tenant.world, ids, &options);
    Ok(Reply::json(shown))
}

/// `POST …/contacts`.
pub(crate) fn create(
    tenant: &Tenant,
    call: &Call,
    account: &Account,
    mailbox: &mut Mailbox,
    folder: u32,
) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    check_room(mailbox)?;
    let seed = mix(&[mailbox.key, mailbox.sequence, 0x636f_6e74]);
    let mut draft = Draft::new("Contact", tenant.clock.unix_seconds(), seed);
    contact::write(&mut draft, &call.json()?)?;
    let finished = draft.finish(&owner(account), seed);
    let (overlay, state, _) = finished.map_err(|error| Failure::bad(error.code))?;
    let item = mailbox.add(folder, state, overlay, tenant.elapsed());
    let view = mailbox.view(&tenant.world, item);
    let view = view.ok_or_else(Failure::not_found)?;
    let (ids, options) = (call.id_kind(), Options::default());
    let shown = contact::shown(mailbox, &view, &tenant.world, ids, &options);
    Ok(Reply::with_status(201, shown))
}

/// `PATCH …/contacts/{id}`.
pub(crate) fn update(
    tenant: &Tenant,
    call: &Call,
    account: &Account,
    mailbox: &mut Mailbox,
    id: &str,
) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    let view = Shelf::Contacts.item(tenant, mailbox, id)?;
    let mut draft = Draft::of(&view, "Contact", tenant.clock.unix_seconds());
    contact::write(&mut draft, &call.json()?)?;
    let seed = mix(&[mailbox.key, u64::from(view.item)]);
    let finished = draft.finish(&owner(account), seed);
    let (overlay, state, _) = finished.map_err(|error| Failure::bad(error.code))?;
    mailbox.touch(view.item, tenant.elapsed(), |slot, own| {
        slot.bits = state;
        slot.version += 1;
        *own = overlay;
    });
    let view = mailbox.view(&tenant.world, view.item);
    let view = view.ok_or_else(Failure::not_found)?;
    let (ids, options) = (call.id_kind(), Options::default());
    let shown = contact::shown(mailbox, &view, &tenant.world, ids, &options);
    Ok(Reply::json(shown))
}

/// `DELETE …/contacts/{id}`: it goes to Deleted Items.
pub(crate) fn delete(
    tenant: &Tenant,
    call: &Call,
    mailbox: &mut Mailbox,
    id: &str,
) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    let view = Shelf::Contacts.item(tenant, mailbox, id)?;
    to_deleted_items(tenant, mailbox, view.item);
    Ok(Reply::empty(204))
}

/// Moves an item to Deleted Items.
pub(crate) fn to_deleted_items(tenant: &Tenant, mailbox: &mut Mailbox, item: u32) {
    let elapsed = tenant.elapsed();
    match mailbox.well_known("deleteditems") {
        Some(folder) => mailbox.move_item(item, folder, elapsed),
        None => mailbox.purge(item, elapsed),
    };
}

/// `GET …/contacts/{id}/photo/$value`.
pub(crate) fn photo(
    tenant: &Tenant,
    call: &Call,
    mailbox: &Mailbox,
    id: &str,
) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    let view = Shelf::Contacts.item(tenant, mailbox, id)?;
    let found = view.attachments(&tenant.world).into_iter();
    let mut found = found.filter(|(_, one)| one.name.eq_ignore_ascii_case(PICTURE));
    match found.next() {
        Some((_, picture)) => Ok(Reply::stream(picture.content, "image/jpeg")),
        None => Err(Failure::new(404, "ImageNotFound", "There is no picture.")),
    }
}

/// `PUT …/contacts/{id}/photo/$value`.
pub(crate) fn put_photo(
    tenant: &Tenant,
    call: &Call,
    mailbox: &mut Mailbox,
    id: &str,
) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    let media_type = call.header("content-type").unwrap_or_default();
    if media_type != "image/jpeg" {
        return Err(Failure::new(
            415,
            "RequestBroker--ParseUri",
            "The Content-Type must be image/jpeg.",
        ));
    }
    if call.body.is_empty() || call.body.len() >= PICTURE_BYTES {
        return Err(Failure::bad("The picture is empty or too large."));
    }
    let view = Shelf::Contacts.item(tenant, mailbox, id)?;
    let Origin::Written(written) = &view.overlay.origin else {
        return Err(Failure::not_found());
    };
    let mut written = written.as_ref().clone();
    written
        .attachments
        .retain(|(_, one)| !one.name.eq_ignore_ascii_case(PICTURE));
    written.push(Attachment::file(
        PICTURE,
        "image/jpeg",
        Blob::from(call.body.to_vec()),
    ));
    mailbox.touch(view.item, tenant.elapsed(), |slot, overlay| {
        slot.version += 1;
        overlay.origin = Origin::Written(Arc::new(written));
    });
    Ok(Reply::empty(200))
}
