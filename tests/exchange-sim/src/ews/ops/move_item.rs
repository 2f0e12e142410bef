//! `MoveItem` and `CopyItem`.

use super::Answer;
use super::create_item::check_target;
use crate::ews::context::{Context, data};
use crate::ews::error::EwsError;
use crate::ews::out::Out;
use crate::ews::render::item::Item;
use crate::ews::xml::Node;
use crate::store::overlay::Origin;

pub(super) fn run(context: &Context, request: &Node, is_copy: bool) -> Answer {
    let target = request
        .child("m:ToFolderId")
        .and_then(|target| target.children.first())
        .ok_or_else(EwsError::folder_not_found)?;
    let target = context.folder(target);
    let ids = super::list(request, "m:ItemIds");
    Ok(super::each(context, ids, "m:Items", |id| {
        let (account, number) = context.item_node(id)?;
        let (owner, folder) = target.clone()?;
        if owner.number != account.number {
            return Err(EwsError::new(
                "ErrorMoveCopyFailed",
                "Items cannot be moved between mailboxes here.",
            ));
        }
        place(context, &account, number, folder, is_copy)
    }))
}

fn place(
    context: &Context,
    account: &crate::store::users::Account,
    number: u32,
    folder: u32,
    is_copy: bool,
) -> Result<Out, EwsError> {
    let mut mailbox = data(account)?;
    let element = {
        let item = Item::new(context, &mailbox, number).ok_or_else(EwsError::item_not_found)?;
        item.kind().0.trim_start_matches("t:")
    };
    check_target(&mailbox, folder, element)?;
    let elapsed = context.tenant.elapsed();
    let number = if is_copy {
        let view = mailbox
            .view(&context.tenant.world, number)
            .ok_or_else(EwsError::item_not_found)?;
        let mut overlay = view.overlay.clone();
        if matches!(overlay.origin, Origin::Generated) {
            let bytes = crate::content::segment::collect(view.mime(&context.tenant.world, 0));
            overlay.origin = Origin::Raw(std::sync::Arc::new(crate::store::overlay::RawMail {
                bytes: crate::content::blob::Blob::from(bytes),
                meta: view.meta(),
            }));
        }
        mailbox.add(folder, view.slot.bits, overlay, elapsed)
    } else {
        mailbox.move_item(number, folder, elapsed);
        number
    };
    let item = Item::new(context, &mailbox, number).ok_or_else(EwsError::item_not_found)?;
    let mut out = context.out();
    out.start("m:Items", &[])
        .node(&Node::with(item.kind().0, vec![item.id_node()]))
        .end();
    Ok(out)
}
