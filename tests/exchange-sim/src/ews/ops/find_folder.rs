//! `FindFolder`.

use super::Answer;
use super::find_item::{Page, page};
use crate::ews::context::{Context, data};
use crate::ews::error::EwsError;
use crate::ews::extended;
use crate::ews::out::Out;
use crate::ews::render::folder::{self, below, children};
use crate::ews::render::shape::{Shape, element};
use crate::ews::restriction::fits;
use crate::ews::xml::Node;
use crate::store::mailbox::Mailbox;

pub(super) fn run(context: &Context, request: &Node) -> Answer {
    let shape = Shape::read(request.child("m:FolderShape"))?;
    let parents = super::list(request, "m:ParentFolderIds");
    Ok(super::each(context, parents, "", |parent| {
        find(context, request, parent, &shape)
    }))
}

fn find(context: &Context, request: &Node, parent: &Node, shape: &Shape) -> Result<Out, EwsError> {
    let (account, number) = context.folder(parent)?;
    let mailbox = data(&account)?;
    if mailbox
        .folder(number)
        .is_some_and(|folder| folder.is_denied)
    {
        return Err(EwsError::denied());
    }
    let is_deep = match request.attribute("Traversal") {
        Some("Deep") if context.is_public(&account) => {
            return Err(EwsError::new(
                "ErrorInvalidOperation",
                "Deep traversal is not allowed on public folders.",
            ));
        }
        Some("Deep") => true,
        Some("SoftDeleted") => {
            return Err(EwsError::new(
                "ErrorInvalidOperation",
                "Soft-deleted folders cannot be listed.",
            ));
        }
        _ => false,
    };
    let mut found = if is_deep {
        below(&mailbox, number)
    } else {
        children(&mailbox, number)
    };
    if let Some(restriction) = request.child("m:Restriction") {
        let mut kept = vec![];
        for one in found {
            if fits(restriction, &|path| value(context, &mailbox, one, path))? {
                kept.push(one);
            }
        }
        found = kept;
    }
    let Page {
        from,
        to,
        attributes,
    } = page(request.child("m:IndexedPageFolderView"), found.len())?;
    let attributes: Vec<(&str, &str)> = attributes
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let mut out = context.out();
    out.start("m:RootFolder", &attributes)
        .start("t:Folders", &[]);
    for number in found.get(from..to).unwrap_or_default() {
        folder::write(context, &mut out, &mailbox, *number, shape);
    }
    out.end().end();
    Ok(out)
}

fn value(
    context: &Context,
    mailbox: &Mailbox,
    number: u32,
    path: &Node,
) -> Result<Option<String>, EwsError> {
    if path.name == "t:ExtendedFieldURI" {
        let key = extended::key(path)?;
        return Ok(folder::extended(context, mailbox, number, &key));
    }
    let name = element(path.attribute("FieldURI").unwrap_or_default());
    Ok(folder::property(mailbox, number, name).map(|node| node.text))
}
