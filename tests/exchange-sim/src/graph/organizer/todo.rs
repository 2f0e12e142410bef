//! Lists of To Do, their tasks, and what hangs on these.

use serde_json::{Map, Value, json};

use super::shelf::{Shelf, name_of, owner};
use super::{contacts, listing, task};
use crate::ews::write::Draft;
use crate::graph::attachments::{attachment_from_json, attachment_id};
use crate::graph::call::Call;
use crate::graph::failure::Failure;
use crate::graph::json::{field, put};
use crate::graph::odata::{self, Options};
use crate::graph::reply::Reply;
use crate::graph::write::{UPLOAD_FROM, attach, check_room};
use crate::numbers::mix;
use crate::store::folders::ROOT;
use crate::store::mailbox::Mailbox;
use crate::store::users::Account;
use crate::store::view::View;
use crate::tenant::Tenant;

fn list_json(mailbox: &Mailbox, number: u32) -> Value {
    let Some(folder) = mailbox.folder(number) else {
        return Value::Null;
    };
    let is_default = folder.well_known == Some("tasks");
    json!({
        "id": folder.id,
        "displayName": folder.name,
        "isOwner": true,
        "isShared": false,
        "wellknownListName": if is_default { "defaultList" } else { "none" },
    })
}

/// `GET …/todo/lists`.
pub(crate) fn lists(tenant: &Tenant, call: &Call, mailbox: &Mailbox) -> Result<Reply, Failure> {
    let options = odata::options(call, &["$top", "$skip"], &[], 1000)?;
    let all = Shelf::Tasks.folders(mailbox);
    listing::page(tenant, call, &options, &all, |number| {
        Ok(list_json(mailbox, *number))
    })
}

/// `GET …/todo/lists/{id}`.
pub(crate) fn get_list(call: &Call, mailbox: &Mailbox, list: u32) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    Ok(Reply::json(list_json(mailbox, list)))
}

/// `POST …/todo/lists`: names may be there twice.
pub(crate) fn create_list(call: &Call, mailbox: &mut Mailbox) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    let body = call.json()?;
    if let Some(name) = body.keys().find(|name| *name != "displayName") {
        return Err(Failure::bad(format!(
            "The property '{name}' cannot be set when a list is created."
        )));
    }
    let name = name_of(body.get("displayName"))?.to_owned();
    let parent = mailbox.well_known("tasks").unwrap_or(ROOT);
    let free = (0..)
        .map(|place| match place {
            0 => name.clone(),
            place => format!("{name} ({place})"),
        })
        .find(|name| mailbox.child_named(parent, name).is_none());
    let number = mailbox
        .create_classed(parent, &free.unwrap_or(name), Shelf::Tasks.class())
        .ok_or_else(Failure::not_found)?;
    Ok(Reply::with_status(201, list_json(mailbox, number)))
}

/// A task in a list.
fn found(tenant: &Tenant, mailbox: &Mailbox, list: u32, id: &str) -> Result<View, Failure> {
    let view = Shelf::Tasks.item(tenant, mailbox, id)?;
    match view.slot.folder == list {
        true => Ok(view),
        false => Err(Failure::not_found()),
    }
}

/// `GET …/tasks`.
pub(crate) fn tasks(
    tenant: &Tenant,
    call: &Call,
    mailbox: &Mailbox,
    list: u32,
) -> Result<Reply, Failure> {
    let allowed = ["$select", "$top", "$skip", "$expand", "linkedResources"];
    let options = odata::options(call, &allowed, task::FIELDS, 1000)?;
    let all = Shelf::Tasks.items(tenant, mailbox, list);
    listing::page(tenant, call, &options, &all, |view| {
        task::shown(mailbox, view, &tenant.world, &options)
    })
}

/// `GET …/tasks/{id}`.
pub(crate) fn get(
    tenant: &Tenant,
    call: &Call,
    mailbox: &Mailbox,
    list: u32,
    id: &str,
) -> Result<Reply, Failure> {
    let allowed = ["$select", "$expand", "linkedResources"];
    let options = odata::options(call, &allowed, task::FIELDS, 0)?;
    let view = found(tenant, mailbox, list, id)?;
    let shown = task::shown(mailbox, &view, &tenant.world, &options)?;
    Ok(Reply::json(shown))
}

/// `POST …/tasks`.
pub(crate) fn create(
    tenant: &Tenant,
    call: &Call,
    account: &Account,
    mailbox: &mut Mailbox,
    list: u32,
) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    check_room(mailbox)?;
    let body = call.json()?;
    let title = body.get("title").and_then(Value::as_str);
    if title.is_none_or(str::is_empty) {
        return Err(Failure::new(400, "invalidRequest", "A task has a title."));
    }
    let seed = mix(&[mailbox.key, mailbox.sequence, 0x7461_736b]);
    let mut draft = Draft::new("Task", tenant.clock.unix_seconds(), seed);
    task::write(&mut draft, &body)?;
    let finished = draft.finish(&owner(account), seed);
    let (overlay, state, _) = finished.map_err(|error| Failure::bad(error.code))?;
    let item = mailbox.add(list, state, overlay, tenant.elapsed());
    let view = mailbox.view(&tenant.world, item);
    let view = view.ok_or_else(Failure::not_found)?;
    let shown = task::shown(mailbox, &view, &tenant.world, &Options::default())?;
    Ok(Reply::with_status(201, shown))
}

/// Changes a task by what `change` does to it.
fn changed(
    tenant: &Tenant,
    account: &Account,
    mailbox: &mut Mailbox,
    view: &View,
    change: impl FnOnce(&mut Draft) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut draft = Draft::of(view, "Task", tenant.clock.unix_seconds());
    change(&mut draft)?;
    let seed = mix(&[mailbox.key, u64::from(view.item)]);
    let finished = draft.finish(&owner(account), seed);
    let (overlay, state, _) = finished.map_err(|error| Failure::bad(error.code))?;
    mailbox.touch(view.item, tenant.elapsed(), |slot, own| {
        slot.bits = state;
        slot.version += 1;
        *own = overlay;
    });
    Ok(())
}

/// `PATCH …/tasks/{id}`.
pub(crate) fn update(
    tenant: &Tenant,
    call: &Call,
    account: &Account,
    mailbox: &mut Mailbox,
    list: u32,
    id: &str,
) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    let view = found(tenant, mailbox, list, id)?;
    let body = call.json()?;
    changed(tenant, account, mailbox, &view, |draft| {
        task::write(draft, &body)
    })?;
    let view = found(tenant, mailbox, list, id)?;
    let shown = task::shown(mailbox, &view, &tenant.world, &Options::default())?;
    Ok(Reply::json(shown))
}

/// `PATCH …/tasks/{id}/linkedResources/{id}`.
pub(crate) fn update_link(
    tenant: &Tenant,
    call: &Call,
    account: &Account,
    mailbox: &mut Mailbox,
    list: u32,
    id: &str,
    link: &str,
) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    let view = found(tenant, mailbox, list, id)?;
    let body: Map<String, Value> = call.json()?;
    task::check_link(&Value::Object(body.clone()))?;
    let mut all = task::links(&view);
    let one = all.iter_mut().find(|one| field(one, "id") == link);
    let one = one.ok_or_else(Failure::not_found)?;
    for (name, value) in body {
        put(one, &name, value);
    }
    let shown = one.clone();
    changed(tenant, account, mailbox, &view, |draft| {
        task::set_links(draft, &all);
        Ok(())
    })?;
    Ok(Reply::json(shown))
}

/// `DELETE …/tasks/{id}`: it goes to Deleted Items.
pub(crate) fn delete(
    tenant: &Tenant,
    call: &Call,
    mailbox: &mut Mailbox,
    list: u32,
    id: &str,
) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    let view = found(tenant, mailbox, list, id)?;
    contacts::to_deleted_items(tenant, mailbox, view.item);
    Ok(Reply::empty(204))
}

/// `GET …/tasks/{id}/attachments`.
pub(crate) fn attachments(
    tenant: &Tenant,
    call: &Call,
    mailbox: &Mailbox,
    list: u32,
    id: &str,
) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    let view = found(tenant, mailbox, list, id)?;
    let all: Vec<Value> = view
        .attachments(&tenant.world)
        .iter()
        .map(|(number, one)| {
            json!({
                "@odata.type": "#microsoft.graph.taskFileAttachment",
                "id": attachment_id(&view, *number),
                "name": one.name,
                "contentType": one.content_type,
                "size": one.size(),
            })
        })
        .collect();
    Ok(Reply::json(json!({"value": all})))
}

/// `GET …/tasks/{id}/attachments/{id}/$value`.
pub(crate) fn attachment_value(
    tenant: &Tenant,
    call: &Call,
    mailbox: &Mailbox,
    list: u32,
    id: &str,
    attachment: &str,
) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    let view = found(tenant, mailbox, list, id)?;
    let all = view.attachments(&tenant.world).into_iter();
    let mut all = all.filter(|(number, _)| attachment_id(&view, *number) == attachment);
    let (_, one) = all.next().ok_or_else(Failure::not_found)?;
    Ok(Reply::stream(one.content, "application/octet-stream"))
}

/// `POST …/tasks/{id}/attachments`.
pub(crate) fn add_attachment(
    tenant: &Tenant,
    call: &Call,
    mailbox: &mut Mailbox,
    list: u32,
    id: &str,
) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    let view = found(tenant, mailbox, list, id)?;
    let mut body = Value::Object(call.json()?);
    if field(&body, "@odata.type") != "#microsoft.graph.taskFileAttachment" {
        return Err(Failure::bad(
            "@odata.type must be #microsoft.graph.taskFileAttachment here.",
        ));
    }
    for name in ["isInline", "contentId"] {
        if body.get(name).is_some() {
            return Err(Failure::bad(format!("'{name}' is not known here.")));
        }
    }
    put(&mut body, "@odata.type", "#microsoft.graph.fileAttachment");
    let attachment = attachment_from_json(&body)?;
    if attachment.size() >= UPLOAD_FROM {
        return Err(Failure::new(
            413,
            "ErrorAttachmentSizeLimitExceeded",
            "Attachments of 3 MB and more need an upload session.",
        ));
    }
    let number = attach(tenant, mailbox, view.item, attachment)?;
    let id = attachment_id(&view, number);
    Ok(Reply::with_status(201, json!({"id": id})))
}
