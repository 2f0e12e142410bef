//! `ExportItems`.

use super::Answer;
use crate::ews::context::{Context, data};
use crate::ews::error::EwsError;
use crate::ews::render::item::Item;
use crate::ews::stream;
use crate::ews::xml::Node;

pub(super) fn run(context: &Context, request: &Node) -> Answer {
    let ids = super::list(request, "m:ItemIds");
    super::check_number(ids)?;
    Ok(super::each(context, ids, "", |id| {
        let (account, number) = context.item_node(id)?;
        context
            .tenant
            .check_item(account.number, number)
            .map_err(|failure| EwsError::new(failure.code, &failure.message))?;
        let mailbox = data(&account)?;
        let item = Item::new(context, &mailbox, number).ok_or_else(EwsError::item_not_found)?;
        let element = item.kind().0.trim_start_matches("t:");
        let mut id = item.id_node();
        "m:ItemId".clone_into(&mut id.name);
        let mut out = context.out();
        out.node(&id)
            .start("m:Data", &[])
            .base64(stream::export(&context.tenant, &item.view, element))
            .end();
        Ok(out)
    }))
}
