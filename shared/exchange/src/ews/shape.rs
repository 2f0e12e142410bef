//! What to ask of an item.

use mailkeep_model::ItemId;

use super::extended::{self, KEPT, KEPT_OF_OTHERS, write_field};
use super::xml::XmlWriter;

/// How much of an item is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// What the index keeps of mail.
    Mail,
    /// Every property of an item that has no MIME, without its body.
    Full,
    /// Ids and the little that even a damaged item can give.
    Bare,
    /// MIME and nothing else.
    Mime,
    /// Every property with body and list of attachments, to build a message from.
    Body,
}

const BARE: &[&str] = &["item:ParentFolderId", "item:ItemClass"];
const ROW: &[&str] = &[
    "item:ParentFolderId",
    "item:ItemClass",
    "item:Subject",
    "item:Sensitivity",
    "item:DateTimeReceived",
    "item:Size",
    "item:Categories",
    "item:Importance",
    "item:IsDraft",
    "item:DateTimeSent",
    "item:DateTimeCreated",
    "item:HasAttachments",
    "item:LastModifiedTime",
    "item:ConversationId",
    "message:Sender",
    "message:ToRecipients",
    "message:CcRecipients",
    "message:BccRecipients",
    "message:IsReadReceiptRequested",
    "message:IsDeliveryReceiptRequested",
    "message:ConversationIndex",
    "message:From",
    "message:InternetMessageId",
    "message:IsRead",
];
const EXTRA: &[&str] = &[
    "item:ParentFolderId",
    "item:LastModifiedTime",
    "item:ConversationId",
];
const FLAG: &[&str] = &[
    extended::FLAG_STATUS,
    extended::FLAG_COMPLETED,
    extended::FLAG_START,
    extended::FLAG_DUE,
];

/// `m:GetItem` for these items.
pub(crate) fn get_item(shape: Shape, ids: &[ItemId]) -> String {
    let mut writer = XmlWriter::new();
    writer.start("m:GetItem", &[]).start("m:ItemShape", &[]);
    let base = match shape {
        Shape::Full | Shape::Body => "AllProperties",
        Shape::Mail | Shape::Bare | Shape::Mime => "IdOnly",
    };
    writer.text("t:BaseShape", base);
    if shape == Shape::Mime {
        writer.text("t:IncludeMimeContent", "true");
    }
    if matches!(shape, Shape::Full | Shape::Body) {
        writer.text("t:IncludeMimeContent", "false");
        writer.text("t:BodyType", "Best");
    }
    let (fields, keys): (&[&str], &[&[&str]]) = match shape {
        Shape::Mail => (ROW, &[FLAG, KEPT]),
        Shape::Full => (EXTRA, &[FLAG, KEPT, KEPT_OF_OTHERS]),
        Shape::Bare => (BARE, &[]),
        Shape::Mime | Shape::Body => (&[], &[]),
    };
    if !fields.is_empty() {
        writer.start("t:AdditionalProperties", &[]);
        for field in fields {
            writer.empty("t:FieldURI", &[("FieldURI", field)]);
        }
        for key in keys.iter().copied().flatten() {
            write_field(&mut writer, key);
        }
        writer.end();
    }
    writer.end().start("m:ItemIds", &[]);
    for id in ids {
        writer.empty("t:ItemId", &[("Id", id.as_str())]);
    }
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_in_schema_order() {
        let ids = [ItemId("a\"b".into())];
        let mime = get_item(Shape::Mime, &ids);
        assert_eq!(
            mime,
            "<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>\
             <t:IncludeMimeContent>true</t:IncludeMimeContent></m:ItemShape>\
             <m:ItemIds><t:ItemId Id=\"a&quot;b\"/></m:ItemIds></m:GetItem>"
        );
        let full = get_item(Shape::Full, &ids);
        let order = [
            "BaseShape",
            "IncludeMimeContent",
            "BodyType",
            "AdditionalProperties",
        ];
        let places: Vec<usize> = order.map(|name| full.find(name).unwrap()).to_vec();
        assert!(places.is_sorted());
    }
}
