//! `UpdateFolder`: a new name.

use super::Answer;
use crate::ews::context::{Context, data};
use crate::ews::error::EwsError;
use crate::ews::render::folder;
use crate::ews::render::shape::Shape;
use crate::ews::xml::Node;

pub(super) fn run(context: &Context, request: &Node) -> Answer {
    let changes = super::list(request, "m:FolderChanges");
    Ok(super::each(context, changes, "m:Folders", |change| {
        let target = change
            .children
            .first()
            .ok_or_else(EwsError::folder_not_found)?;
        let (account, number) = context.folder(target)?;
        let mut mailbox = data(&account)?;
        let updates = change.child("t:Updates");
        for one in updates.iter().flat_map(|updates| &updates.children) {
            let property = one.children.get(1).and_then(|one| one.children.first());
            match property {
                Some(property) if property.name == "t:DisplayName" => {
                    if !mailbox.change_folder(number, &property.text, None) {
                        return Err(EwsError::new(
                            "ErrorFolderSave",
                            "The folder cannot be renamed.",
                        ));
                    }
                }
                _ => return Err(EwsError::property("folder")),
            }
        }
        let mut out = context.out();
        out.start("m:Folders", &[]);
        folder::write(context, &mut out, &mailbox, number, &Shape::default());
        out.end();
        Ok(out)
    }))
}
