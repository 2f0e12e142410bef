//! `CreateFolder`.

use super::Answer;
use crate::ews::context::{Context, data};
use crate::ews::error::EwsError;
use crate::ews::out::Out;
use crate::ews::render::folder;
use crate::ews::render::shape::Shape;
use crate::ews::xml::Node;
use crate::numbers::index;

pub(super) fn run(context: &Context, request: &Node) -> Answer {
    let parent = request
        .child("m:ParentFolderId")
        .and_then(|parent| parent.children.first())
        .ok_or_else(EwsError::folder_not_found)?;
    let folders = super::list(request, "m:Folders");
    Ok(super::each(context, folders, "m:Folders", |one| {
        create(context, parent, one)
    }))
}

fn create(context: &Context, parent: &Node, one: &Node) -> Result<Out, EwsError> {
    let (account, parent) = context.folder(parent)?;
    let name = one.text_of("t:DisplayName").unwrap_or_default();
    if name.is_empty() {
        return Err(EwsError::new(
            "ErrorRequiredPropertyMissing",
            "The folder has no name.",
        ));
    }
    let usual = match one.name.as_str() {
        "t:CalendarFolder" => "IPF.Appointment",
        "t:ContactsFolder" => "IPF.Contact",
        "t:TasksFolder" => "IPF.Task",
        "t:Folder" => "IPF.Note",
        _ => {
            return Err(EwsError::new(
                "ErrorInvalidOperation",
                "Folders of this type cannot be created here.",
            ));
        }
    };
    let class = one.text_of("t:FolderClass").unwrap_or(usual);
    if one.name != "t:Folder" && !class.starts_with(usual) {
        return Err(EwsError::new(
            "ErrorNoFolderClassOverride",
            "The class of the folder does not go with its type.",
        ));
    }
    let mut mailbox = data(&account)?;
    let content = mailbox.folder(parent).map_or(0, |one| one.content_mailbox);
    let number = mailbox.create_folder(parent, name, false).ok_or_else(|| {
        EwsError::new(
            "ErrorFolderExists",
            "A folder with the specified name already exists.",
        )
    })?;
    if let Some(made) = mailbox.folders.get_mut(index(u64::from(number))) {
        class.clone_into(&mut made.class);
        made.content_mailbox = content;
    }
    let mut out = context.out();
    out.start("m:Folders", &[]);
    folder::write(context, &mut out, &mailbox, number, &Shape::default());
    out.end();
    Ok(out)
}
