//! `SendItem`: carried out as far as noting it, so that tests can demand that nothing is sent.

use super::Answer;
use super::create_item::sent;
use crate::ews::context::Context;
use crate::ews::xml::Node;

pub(super) fn run(context: &Context, request: &Node) -> Answer {
    let ids = super::list(request, "m:ItemIds");
    Ok(super::each(context, ids, "", |id| {
        let (account, _) = context.item_node(id)?;
        sent(context, &account, "SendItem", None);
        Ok(context.out())
    }))
}
