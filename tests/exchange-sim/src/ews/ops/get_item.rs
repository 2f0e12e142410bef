//! `GetItem`.

use super::Answer;
use crate::ews::context::{Context, data};
use crate::ews::error::EwsError;
use crate::ews::out::Out;
use crate::ews::render::item::Item;
use crate::ews::render::shape::{Base, Shape};
use crate::ews::xml::Node;
use crate::graph::failure::Failure;

/// Properties that even a corrupt item can give.
const LIGHT: &[&str] = &["ParentFolderId", "ItemClass", "Size", "LastModifiedTime"];

pub(super) fn run(context: &Context, request: &Node) -> Answer {
    let shape = Shape::read(request.child("m:ItemShape"))?;
    let ids = super::list(request, "m:ItemIds");
    Ok(super::each(context, ids, "m:Items", |id| {
        get(context, id, &shape)
    }))
}

fn get(context: &Context, id: &Node, shape: &Shape) -> Result<Out, EwsError> {
    let (account, number) = context.item_node(id)?;
    let failed = |failure: Failure| EwsError::new(failure.code, &failure.message);
    let is_light = shape.base == Base::IdOnly
        && !shape.with_mime
        && shape.extended.is_empty()
        && shape
            .fields
            .iter()
            .all(|(name, _)| LIGHT.contains(&name.as_str()));
    if !is_light {
        context
            .tenant
            .check_item(account.number, number)
            .map_err(failed)?;
    }
    if shape.with_mime {
        context
            .tenant
            .check_mime(account.number, number)
            .map_err(failed)?;
    }
    let mailbox = data(&account)?;
    let item = Item::new(context, &mailbox, number).ok_or_else(EwsError::item_not_found)?;
    let mut out = context.out();
    out.start("m:Items", &[]);
    item.write(&mut out, shape)?;
    out.end();
    Ok(out)
}
