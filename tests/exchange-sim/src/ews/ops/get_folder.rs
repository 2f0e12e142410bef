//! `GetFolder`.

use super::Answer;
use crate::ews::context::{Context, data};
use crate::ews::render::folder;
use crate::ews::render::shape::Shape;
use crate::ews::xml::Node;

pub(super) fn run(context: &Context, request: &Node) -> Answer {
    let shape = Shape::read(request.child("m:FolderShape"))?;
    let ids = super::list(request, "m:FolderIds");
    Ok(super::each(context, ids, "m:Folders", |id| {
        let (account, number) = context.folder(id)?;
        let mut out = context.out();
        out.start("m:Folders", &[]);
        folder::write(context, &mut out, &*data(&account)?, number, &shape);
        out.end();
        Ok(out)
    }))
}
