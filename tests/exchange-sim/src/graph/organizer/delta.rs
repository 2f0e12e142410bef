//! Change feeds of contacts and tasks. Events have none in this version of the service.

use serde_json::{Value, json};

use super::shelf::Shelf;
use super::{contact, task};
use crate::graph::call::Call;
use crate::graph::cursor::DeltaToken;
use crate::graph::delta::{epochs, page_json, resumed};
use crate::graph::failure::Failure;
use crate::graph::odata::{self, Options};
use crate::graph::render::item_id;
use crate::graph::reply::Reply;
use crate::store::changes::Feed;
use crate::store::ids::IdKind;
use crate::store::mailbox::Mailbox;
use crate::tenant::Tenant;

/// The highest page size.
const HIGHEST_PAGE: usize = 500;

/// `GET …/contacts/delta` and `GET …/tasks/delta`.
pub(crate) fn page(
    tenant: &Tenant,
    call: &Call,
    mailbox: &Mailbox,
    account: (u32, &str),
    folder: u32,
    shelf: Shelf,
) -> Result<Reply, Failure> {
    let size = call.page_size(10, HIGHEST_PAGE)?;
    let is_contacts = shelf == Shelf::Contacts;
    let mut token = match resumed(tenant, call, mailbox, account.0, Some(folder))? {
        Some(token) => token,
        None => {
            let allowed: &[&str] = if is_contacts { &["$select"] } else { &[] };
            let options = odata::options(call, allowed, contact::FIELDS, 0)?;
            let place = mailbox.first_place();
            DeltaToken {
                account: account.0,
                folder: Some(folder),
                since: place.since,
                until: place.until,
                position: place.position,
                is_end: false,
                select: options.select,
                properties: Vec::new(),
                change_type: None,
                is_immutable: call.id_kind() == IdKind::Immutable,
                epochs: epochs(mailbox, Some(folder)),
                page: 0,
            }
        }
    };
    if token.is_end {
        let next = mailbox.next_place(token.until);
        token.since = next.since;
        token.until = next.until;
        token.position = next.position;
        token.is_end = false;
    }
    let options = Options {
        select: token.select.clone(),
        ..Options::default()
    };
    let (lines, next) = mailbox.feed(folder, token.place(), size);
    let mut values: Vec<Value> = Vec::new();
    for line in lines {
        match line {
            Feed::Removed(item, joined) => {
                let ids = if is_contacts {
                    token.ids()
                } else {
                    IdKind::Immutable
                };
                values.push(json!({
                    "id": item_id(mailbox, item, joined, ids),
                    "@removed": {"reason": "deleted"},
                }));
            }
            Feed::Present(item) => {
                let view = mailbox.view(&tenant.world, item);
                let Some(view) = view.filter(|view| view.element() == Some(shelf.element())) else {
                    continue;
                };
                values.push(if is_contacts {
                    contact::shown(mailbox, &view, &tenant.world, token.ids(), &options)
                } else {
                    task::shown(mailbox, &view, &tenant.world, &options)?
                });
            }
        }
    }
    let id = mailbox
        .folder(folder)
        .map_or("", |folder| folder.id.as_str());
    let (base, kind) = match is_contacts {
        true => (format!("contactFolders/{id}/contacts/delta"), "contact"),
        false => (format!("todo/lists/{id}/tasks/delta"), "todoTask"),
    };
    let base = format!("{}/v1.0/users('{}')/{base}", tenant.base_url(), account.1);
    Ok(Reply::json(page_json(
        tenant, &base, kind, values, token, next,
    )))
}
