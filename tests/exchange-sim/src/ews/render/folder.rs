//! Folders as XML.

use super::shape::{Base, Shape};
use crate::ews::context::Context;
use crate::ews::extended::{self, Key};
use crate::ews::ids;
use crate::ews::out::Out;
use crate::ews::schema::Schema;
use crate::ews::xml::Node;
use crate::store::folders::{Folder, ROOT};
use crate::store::mailbox::Mailbox;

/// Element and type of a folder.
fn kind(folder: &Folder) -> (&'static str, &'static str) {
    match folder.class.as_str() {
        _ if folder.is_search => ("t:SearchFolder", "t:SearchFolderType"),
        class if class.starts_with("IPF.Appointment") => {
            ("t:CalendarFolder", "t:CalendarFolderType")
        }
        class if class.starts_with("IPF.Contact") => ("t:ContactsFolder", "t:ContactsFolderType"),
        class if class.starts_with("IPF.Task") => ("t:TasksFolder", "t:TasksFolderType"),
        _ => ("t:Folder", "t:FolderType"),
    }
}

/// The number of the folder above one, as EWS sees it: roots hang below the root of the mailbox.
pub(crate) fn parent(mailbox: &Mailbox, number: u32) -> Option<u32> {
    let folder = mailbox.folder(number)?;
    if folder.parent.is_some() {
        return folder.parent;
    }
    match folder.well_known {
        Some("root" | "archiveroot" | "publicfoldersroot") => None,
        Some(known) if known.starts_with("archive") => mailbox.well_known("archiveroot"),
        _ => mailbox.well_known("root"),
    }
}

/// The folders right below one, as EWS sees it.
pub(crate) fn children(mailbox: &Mailbox, number: u32) -> Vec<u32> {
    (0_u32..)
        .zip(&mailbox.folders)
        .filter(|(one, folder)| !folder.is_deleted && parent(mailbox, *one) == Some(number))
        .map(|(one, _)| one)
        .collect()
}

/// All folders below one, each after the one above it.
pub(crate) fn below(mailbox: &Mailbox, number: u32) -> Vec<u32> {
    let mut found = vec![];
    for child in children(mailbox, number) {
        found.push(child);
        found.extend(below(mailbox, child));
    }
    found
}

/// A property of a folder, by the local name of its element.
pub(crate) fn property(mailbox: &Mailbox, number: u32, name: &str) -> Option<Node> {
    let folder = mailbox.folder(number)?;
    let text = |value: String| Some(Node::with_text(&format!("t:{name}"), value));
    let id = |number: u32, name: &str| {
        let folder = mailbox.folder(number)?;
        let id = Node::new(name).set("Id", ids::folder(&folder.id));
        Some(id.set("ChangeKey", folder_key(mailbox, number)))
    };
    match name {
        "FolderId" => id(number, "t:FolderId"),
        "ParentFolderId" => id(parent(mailbox, number)?, "t:ParentFolderId"),
        "FolderClass" if folder.class.is_empty() => None,
        "FolderClass" => text(folder.class.clone()),
        "DisplayName" => text(folder.name.clone()),
        "TotalCount" => text(folder.total.to_string()),
        "UnreadCount" => text(folder.unread.to_string()),
        "ChildFolderCount" => text(children(mailbox, number).len().to_string()),
        "DistinguishedFolderId" => {
            let known = folder.well_known?;
            let is_listed = Schema::get().has_value("t:DistinguishedFolderIdNameType", known);
            text(known.to_owned()).filter(|_| is_listed)
        }
        "EffectiveRights" => Some(rights()),
        _ => None,
    }
}

/// The change key of a folder: it grows with every change.
pub(crate) fn folder_key(mailbox: &Mailbox, number: u32) -> String {
    let change = mailbox.folder(number).map_or(0, |folder| folder.change);
    let mut bytes = vec![1, 0, 0, 0, 0x16, 0, 0, 0];
    bytes.extend_from_slice(&mailbox.key.to_be_bytes());
    bytes.extend_from_slice(&change.to_be_bytes());
    base64_simd::STANDARD.encode_to_string(bytes)
}

pub(super) fn rights() -> Node {
    let names = [
        "CreateAssociated",
        "CreateContents",
        "CreateHierarchy",
        "Delete",
        "Modify",
        "Read",
    ];
    let mut children: Vec<Node> = names
        .iter()
        .map(|name| Node::with_text(&format!("t:{name}"), "true"))
        .collect();
    children.push(Node::with_text("t:ViewPrivateItems", "true"));
    Node::with("t:EffectiveRights", children)
}

/// The value of an extended property of a folder.
pub(crate) fn extended(
    context: &Context,
    mailbox: &Mailbox,
    number: u32,
    key: &Key,
) -> Option<String> {
    let folder = mailbox.folder(number)?;
    match key.id.as_str() {
        "Boolean 0x10f4" => Some((folder.is_hidden && number != ROOT).to_string()),
        "Integer 0xe08" | "Long 0xe08" => Some((u64::from(folder.total) * 40_000).to_string()),
        "String 0x3613" => (!folder.class.is_empty()).then(|| folder.class.clone()),
        "String 0x3001" => Some(folder.name.clone()),
        "Integer 0x3601" => Some(if folder.is_search { "2" } else { "1" }.to_owned()),
        "Integer 0x3602" => Some(folder.total.to_string()),
        "Binary 0x6698" if mailbox.key == context.exchange.public.key => {
            let (mut id, _) = context.exchange.public_mailbox(folder.content_mailbox);
            id.push('\0');
            Some(base64_simd::STANDARD.encode_to_string(id))
        }
        _ => None,
    }
}

/// Writes a folder.
pub(crate) fn write(
    context: &Context,
    out: &mut Out,
    mailbox: &Mailbox,
    number: u32,
    shape: &Shape,
) {
    let Some(folder) = mailbox.folder(number) else {
        return;
    };
    let (element, kind) = kind(folder);
    out.start(element, &[]);
    for name in Schema::get().order(kind) {
        if name == "t:ExtendedProperty" {
            for key in &shape.extended {
                if let Some(value) = extended(context, mailbox, number, key) {
                    out.node(&extended::property(key, &value));
                }
            }
            continue;
        }
        let name = name.trim_start_matches("t:");
        let is_wanted = match (shape.base, name) {
            (_, "FolderId") | (Base::All, _) => true,
            (Base::Default, "DisplayName" | "TotalCount" | "UnreadCount" | "ChildFolderCount") => {
                true
            }
            _ => shape.names(name),
        };
        if is_wanted && let Some(node) = property(mailbox, number, name) {
            out.node(&node);
        }
    }
    out.end();
}
