//! The operations, one file each.

mod convert_id;
mod create_attachment;
mod create_folder;
mod create_item;
mod delete_folder;
mod delete_item;
mod expand_dl;
mod export_items;
mod find_folder;
mod find_item;
mod get_attachment;
mod get_folder;
mod get_item;
mod move_item;
mod resolve_names;
mod send_item;
mod sync_hierarchy;
mod sync_items;
mod time_zones;
mod update_folder;
mod update_item;
mod upload_items;

use super::context::{Context, Routing};
use super::error::{EwsError, Fault};
use super::out::Out;
use super::soap::Message;
use super::xml::Node;

type Answer = Result<Vec<Message>, Fault>;

/// How calls of an operation reach public folders; `None` when there is no such operation.
pub(crate) fn routing(operation: &str) -> Option<Routing> {
    Some(match operation {
        "FindFolder" | "CreateFolder" | "UpdateFolder" | "DeleteFolder" => Routing::Hierarchy,
        "GetFolder" => Routing::Either,
        "FindItem" | "GetItem" | "CreateItem" | "UpdateItem" | "MoveItem" | "CopyItem"
        | "DeleteItem" | "GetAttachment" | "CreateAttachment" => Routing::Content,
        "SyncFolderHierarchy" | "SyncFolderItems" | "ExportItems" | "UploadItems" | "SendItem" => {
            Routing::Refused
        }
        "ResolveNames" | "ExpandDL" | "ConvertId" | "GetServerTimeZones" => Routing::Either,
        _ => return None,
    })
}

/// Carries out an operation.
pub(crate) fn run(context: &Context, request: &Node) -> Answer {
    match request.local() {
        "SyncFolderHierarchy" => Ok(vec![sync_hierarchy::run(context, request)]),
        "SyncFolderItems" => Ok(vec![sync_items::run(context, request)]),
        "GetFolder" => get_folder::run(context, request),
        "FindFolder" => find_folder::run(context, request),
        "FindItem" => find_item::run(context, request),
        "GetItem" => get_item::run(context, request),
        "GetAttachment" => get_attachment::run(context, request),
        "ExportItems" => export_items::run(context, request),
        "UploadItems" => upload_items::run(context, request),
        "CreateFolder" => create_folder::run(context, request),
        "UpdateFolder" => update_folder::run(context, request),
        "DeleteFolder" => delete_folder::run(context, request),
        "CreateItem" => create_item::run(context, request),
        "UpdateItem" => update_item::run(context, request),
        "DeleteItem" => delete_item::run(context, request),
        "MoveItem" => move_item::run(context, request, false),
        "CopyItem" => move_item::run(context, request, true),
        "SendItem" => send_item::run(context, request),
        "CreateAttachment" => create_attachment::run(context, request),
        "ResolveNames" => Ok(vec![resolve_names::run(context, request)]),
        "ExpandDL" => Ok(vec![expand_dl::run(context, request)]),
        "ConvertId" => convert_id::run(context, request),
        "GetServerTimeZones" => Ok(vec![time_zones::run(context, request)]),
        _ => Err(Fault::new(
            "ErrorInvalidRequest",
            "There is no such operation.",
        )),
    }
}

/// The children of a child.
fn list<'a>(request: &'a Node, name: &str) -> &'a [Node] {
    request
        .child(name)
        .map_or(&[], |list| list.children.as_slice())
}

/// Items that one call exports or uploads. Exchange tells no number; one call of very many runs into
/// its limits of time and size.
const MOST_STREAMS: usize = 100;

/// Refuses calls that export or upload too much.
fn check_number(items: &[Node]) -> Result<(), Fault> {
    if items.len() <= MOST_STREAMS {
        return Ok(());
    }
    Err(Fault::new(
        "ErrorDataSizeLimitExceeded",
        "The request names more items than one call may carry.",
    ))
}

/// One message for each element; errors carry what `empty` gives.
fn each<'a>(
    context: &Context,
    elements: impl IntoIterator<Item = &'a Node>,
    empty: &str,
    mut work: impl FnMut(&Node) -> Result<Out, EwsError>,
) -> Vec<Message> {
    elements
        .into_iter()
        .map(|element| match work(element) {
            Ok(out) => Message::good(out),
            Err(error) => {
                let mut out = context.out();
                if !empty.is_empty() {
                    out.empty(empty, &[]);
                }
                Message::bad(error, out)
            }
        })
        .collect()
}
