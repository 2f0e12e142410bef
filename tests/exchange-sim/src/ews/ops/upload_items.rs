//! `UploadItems`.

use super::Answer;
use super::create_item::check_target;
use crate::ews::context::{Context, data};
use crate::ews::error::EwsError;
use crate::ews::out::Out;
use crate::ews::render::item::Item;
use crate::ews::stream;
use crate::ews::xml::Node;

pub(super) fn run(context: &Context, request: &Node) -> Answer {
    let items = super::list(request, "m:Items");
    super::check_number(items)?;
    Ok(super::each(context, items, "", |item| {
        upload(context, item)
    }))
}

fn upload(context: &Context, item: &Node) -> Result<Out, EwsError> {
    let parent = item
        .child("t:ParentFolderId")
        .ok_or_else(EwsError::folder_not_found)?;
    let (account, folder) = context.folder(parent)?;
    let clean: Vec<u8> = item
        .text_of("t:Data")
        .unwrap_or_default()
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let bytes = base64_simd::STANDARD
        .decode_to_vec(clean)
        .map_err(|_| EwsError::new("ErrorCorruptData", "The data is not base64."))?;
    let tenant = &context.tenant;
    let (overlay, state, element) = stream::import(tenant, &bytes)?;
    let named = match item.child("t:ItemId") {
        Some(id) => context.item_node(id).map(Some),
        None => Ok(None),
    };
    let replaced = match (item.attribute("CreateAction"), named) {
        (Some("Update"), Ok(Some(found))) => Some(found.1),
        (Some("Update"), Ok(None)) => {
            return Err(EwsError::new(
                "ErrorInvalidOperation",
                "An update needs the id of an item.",
            ));
        }
        (Some("Update"), Err(error)) => return Err(error),
        (Some("UpdateOrCreate"), Ok(Some(found))) => Some(found.1),
        _ => None,
    };
    let mut mailbox = data(&account)?;
    check_target(&mailbox, folder, element)?;
    let number = match replaced {
        Some(number) => {
            if mailbox
                .slot(number)
                .is_none_or(|slot| slot.folder != folder)
            {
                return Err(EwsError::item_not_found());
            }
            mailbox.touch(number, tenant.elapsed(), |slot, kept| {
                slot.bits = state;
                slot.version += 1;
                *kept = overlay;
            });
            number
        }
        None => mailbox.add(folder, state, overlay, tenant.elapsed()),
    };
    let made = Item::new(context, &mailbox, number).ok_or_else(EwsError::item_not_found)?;
    let mut id = made.id_node();
    "m:ItemId".clone_into(&mut id.name);
    let mut out = context.out();
    out.node(&id);
    Ok(out)
}
