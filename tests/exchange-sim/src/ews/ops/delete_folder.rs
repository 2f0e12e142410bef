//! `DeleteFolder`.

use super::Answer;
use crate::ews::context::{Context, data};
use crate::ews::error::EwsError;
use crate::ews::xml::Node;

pub(super) fn run(context: &Context, request: &Node) -> Answer {
    let ids = super::list(request, "m:FolderIds");
    Ok(super::each(context, ids, "", |id| {
        let (account, number) = context.folder(id)?;
        let elapsed = context.tenant.elapsed();
        let mut mailbox = data(&account)?;
        let is_known = mailbox
            .folder(number)
            .is_some_and(|folder| folder.well_known.is_some());
        if is_known {
            return Err(EwsError::new(
                "ErrorDeleteDistinguishedFolder",
                "Distinguished folders cannot be deleted.",
            ));
        }
        let bin = mailbox.well_known("deleteditems");
        let name = mailbox.folder(number).map(|folder| folder.name.clone());
        let is_moved = request.attribute("DeleteType") == Some("MoveToDeletedItems");
        match (bin, name) {
            (Some(bin), Some(name)) if is_moved => {
                mailbox.change_folder(number, &name, Some(bin));
            }
            _ => {
                mailbox.delete_folder(number, elapsed);
            }
        }
        Ok(context.out())
    }))
}
