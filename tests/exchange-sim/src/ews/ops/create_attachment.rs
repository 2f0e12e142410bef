//! `CreateAttachment`.

use super::Answer;
use super::create_item::owner;
use crate::ews::context::{Context, data};
use crate::ews::error::EwsError;
use crate::ews::ids;
use crate::ews::out::Out;
use crate::ews::render::item::Item;
use crate::ews::write::Draft;
use crate::ews::xml::Node;
use crate::store::ids::change_key;

pub(super) fn run(context: &Context, request: &Node) -> Answer {
    let parent = request
        .child("m:ParentItemId")
        .and_then(|parent| parent.attribute("Id"))
        .unwrap_or_default();
    let attachments = super::list(request, "m:Attachments");
    Ok(super::each(context, attachments, "m:Attachments", |one| {
        attach(context, parent, one)
    }))
}

fn attach(context: &Context, parent: &str, one: &Node) -> Result<Out, EwsError> {
    let (account, number) = context.item(parent)?;
    let mut mailbox = data(&account)?;
    if mailbox.is_full {
        return Err(EwsError::new(
            "ErrorQuotaExceeded",
            "The mailbox has exceeded its storage quota.",
        ));
    }
    let tenant = &context.tenant;
    let (view, element) = {
        let item = Item::new(context, &mailbox, number).ok_or_else(EwsError::item_not_found)?;
        let element = item.kind().0.trim_start_matches("t:");
        (item.view, element)
    };
    let mut draft = Draft::of(&view, element, tenant.clock.unix_seconds());
    draft.loosen(&view, &tenant.world);
    let place = draft.attach(one)?;
    let (overlay, state, _) = draft.finish(&owner(&account), u64::from(number))?;
    mailbox.touch(number, tenant.elapsed(), |slot, kept| {
        slot.bits = state;
        slot.version += 1;
        *kept = overlay;
    });
    let change = mailbox.slot(number).map_or(0, |slot| slot.change);
    let key = change_key(mailbox.key, number, change);
    let id = ids::attachment(parent, &[place]);
    let name = match one.name.as_str() {
        "t:ItemAttachment" => "t:ItemAttachment",
        _ => "t:FileAttachment",
    };
    let mut out = context.out();
    out.start("m:Attachments", &[])
        .start(name, &[])
        .empty(
            "t:AttachmentId",
            &[
                ("Id", &id),
                ("RootItemId", parent),
                ("RootItemChangeKey", &key),
            ],
        )
        .end()
        .end();
    Ok(out)
}
