//! Attachments as XML.

use crate::content::mail::{Attachment, AttachmentKind};
use crate::ews::ids;
use crate::ews::xml::Node;

/// The element of an attachment without its content.
pub(crate) fn describe(item: &str, way: &[u32], attachment: &Attachment, modified: &str) -> Node {
    let name = match attachment.kind {
        AttachmentKind::File => "t:FileAttachment",
        AttachmentKind::Item => "t:ItemAttachment",
        AttachmentKind::Reference => "t:ReferenceAttachment",
    };
    let id = Node::new("t:AttachmentId").set("Id", ids::attachment(item, way));
    let mut children = vec![id, Node::with_text("t:Name", &attachment.name)];
    if !attachment.content_type.is_empty() {
        children.push(Node::with_text("t:ContentType", &attachment.content_type));
    }
    if let Some(id) = &attachment.content_id {
        children.push(Node::with_text("t:ContentId", id));
    }
    let size = attachment.size().min(u64::from(u32::MAX >> 1));
    children.push(Node::with_text("t:Size", size.to_string()));
    children.push(Node::with_text("t:LastModifiedTime", modified));
    let is_inline = attachment.is_inline.to_string();
    children.push(Node::with_text("t:IsInline", is_inline));
    if attachment.kind == AttachmentKind::File {
        children.push(Node::with_text("t:IsContactPhoto", "false"));
    }
    Node::with(name, children)
}
