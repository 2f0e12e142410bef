//! `SyncFolderItems`.

use std::collections::HashSet;

use crate::ews::context::{Context, data};
use crate::ews::error::EwsError;
use crate::ews::ids;
use crate::ews::out::Out;
use crate::ews::render::item::{Item, NOT_LISTED};
use crate::ews::render::shape::Shape;
use crate::ews::soap::Message;
use crate::ews::state::{Owner, SyncState};
use crate::ews::xml::Node;
use crate::store::changes::{Feed, Place};
use crate::store::mailbox::Mailbox;

pub(super) fn run(context: &Context, request: &Node) -> Message {
    match sync(context, request) {
        Ok(out) => Message::good(out),
        Err(error) => {
            let mut out = context.out();
            out.empty("m:SyncState", &[])
                .text("m:IncludesLastItemInRange", "true");
            Message::bad(error, out)
        }
    }
}

fn sync(context: &Context, request: &Node) -> Result<Out, EwsError> {
    let mut shape = Shape::read(request.child("m:ItemShape"))?;
    shape.is_listing = true;
    let is_heavy = shape.with_mime || NOT_LISTED.iter().any(|name| shape.names(name));
    if is_heavy {
        return Err(EwsError::new(
            "ErrorInvalidPropertyForOperation",
            "The property cannot be returned by this operation.",
        ));
    }
    let target = request
        .child("m:SyncFolderId")
        .and_then(|target| target.children.first())
        .ok_or_else(EwsError::folder_not_found)?;
    let (account, folder) = context.folder(target).map_err(|mut error| {
        if error.code == "ErrorFolderNotFound" {
            error.code = "ErrorSyncFolderNotFound".into();
        }
        error
    })?;
    let mailbox = data(&account)?;
    let (is_search, epoch) = mailbox
        .folder(folder)
        .map_or((false, 0), |one| (one.is_search, one.token_epoch));
    if is_search {
        return Err(EwsError::new(
            "ErrorInvalidOperation",
            "Search folders cannot be synchronized.",
        ));
    }
    let owner = Owner {
        kind: "items",
        account: account.number,
        folder,
        epochs: (mailbox.token_epoch, epoch),
    };
    let text = request.text_of("m:SyncState").unwrap_or_default();
    let place = if text.is_empty() {
        mailbox.first_place()
    } else {
        let state = SyncState::read(&context.tenant, owner, text)?;
        match state.is_end {
            true => mailbox.next_place(state.place().since),
            false => state.place(),
        }
    };
    let most = request
        .text_of("m:MaxChangesReturned")
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(512);
    let (lines, next) = match (place.since, context.style.dialect.oldest_first) {
        (0, false) => mailbox.newest_first(folder, place, most),
        _ => mailbox.feed(folder, place, most),
    };
    let is_last = next.is_none();
    let state = SyncState::write(
        &context.tenant,
        owner,
        next.unwrap_or(Place {
            since: place.until,
            ..place
        }),
        is_last,
    );
    let ignored: HashSet<&str> = super::list(request, "m:Ignore")
        .iter()
        .filter_map(|id| id.attribute("Id"))
        .collect();
    let mut out = context.out();
    out.text("m:SyncState", &state)
        .text("m:IncludesLastItemInRange", &is_last.to_string())
        .start("m:Changes", &[]);
    for line in lines {
        write(
            context,
            &mailbox,
            &mut out,
            &shape,
            place.since,
            line,
            &ignored,
        )?;
    }
    out.end();
    Ok(out)
}

fn write(
    context: &Context,
    mailbox: &Mailbox,
    out: &mut Out,
    shape: &Shape,
    since: u64,
    line: Feed,
    ignored: &HashSet<&str>,
) -> Result<(), EwsError> {
    match line {
        Feed::Removed(number, joined) => {
            let id = ids::item(mailbox.key, number, joined);
            out.start("t:Delete", &[])
                .empty("t:ItemId", &[("Id", &id)])
                .end();
        }
        Feed::Present(number) => {
            let Some(item) = Item::new(context, mailbox, number) else {
                return Ok(());
            };
            if ignored.contains(item.id().as_str()) {
                return Ok(());
            }
            let slot = item.view.slot;
            let element = match slot {
                _ if slot.joined > since || since == 0 => "t:Create",
                _ if slot.edited > since || !item.is_mail() => "t:Update",
                _ => {
                    let is_read = slot.bits & crate::store::mailbox::bits::READ != 0;
                    out.start("t:ReadFlagChange", &[])
                        .node(&item.id_node())
                        .text("t:IsRead", &is_read.to_string())
                        .end();
                    return Ok(());
                }
            };
            out.start(element, &[]);
            item.write(out, shape)?;
            out.end();
        }
    }
    Ok(())
}
