//! Messages as JSON.

use serde_json::{Map, Value, json};

use super::attachments::attachment_json;
use super::odata::Expand;
use super::svep;
use crate::clock::stamp;
use crate::content::draw::guid;
use crate::content::mail::{Body, Meta, preview};
use crate::content::people::Person;
use crate::content::plan::World;
use crate::numbers::mix;
use crate::store::ids::{self, IdKind};
use crate::store::mailbox::{Mailbox, bits};
use crate::store::view::View;

/// Everything that can be selected of a message.
pub(crate) const FIELDS: &[&str] = &[
    "id",
    "createdDateTime",
    "lastModifiedDateTime",
    "changeKey",
    "categories",
    "receivedDateTime",
    "sentDateTime",
    "hasAttachments",
    "internetMessageId",
    "subject",
    "bodyPreview",
    "importance",
    "parentFolderId",
    "conversationId",
    "conversationIndex",
    "isDeliveryReceiptRequested",
    "isReadReceiptRequested",
    "isRead",
    "isDraft",
    "webLink",
    "inferenceClassification",
    "body",
    "sender",
    "from",
    "toRecipients",
    "ccRecipients",
    "bccRecipients",
    "replyTo",
    "flag",
    "internetMessageHeaders",
    "uniqueBody",
];

/// Only given when asked for.
const ON_REQUEST: &[&str] = &["internetMessageHeaders", "uniqueBody"];

/// Fields that need nothing of the item but its state: a corrupt item still has them.
pub(crate) const LIGHT_FIELDS: &[&str] =
    &["id", "changeKey", "parentFolderId", "lastModifiedDateTime"];

/// How a caller wants messages.
#[derive(Clone, Debug)]
pub(crate) struct Style {
    pub(crate) ids: IdKind,
    pub(crate) select: Option<Vec<String>>,
    pub(crate) expand: Expand,
    /// HTML bodies as text.
    pub(crate) text_bodies: bool,
}

impl Style {
    /// Whether a corrupt item can be shown: only its id and the like are asked for.
    pub(crate) fn is_light(&self) -> bool {
        self.expand.properties.is_empty()
            && self.expand.attachments.is_none()
            && self.select.as_ref().is_some_and(|names| {
                names
                    .iter()
                    .all(|name| LIGHT_FIELDS.contains(&name.as_str()))
            })
    }
}

/// The id of an item in this form.
pub(crate) fn item_id(mailbox: &Mailbox, item: u32, joined: u64, kind: IdKind) -> String {
    match kind {
        IdKind::Immutable => ids::immutable(mailbox.key, item),
        IdKind::Ordinary => ids::ordinary(mailbox.key, item, joined),
    }
}

/// A message as JSON.
pub(crate) fn message_json(mailbox: &Mailbox, view: &View, world: &World, style: &Style) -> Value {
    let meta = view.meta();
    let key = ids::change_key(mailbox.key, view.item, view.slot.change);
    let id = item_id(mailbox, view.item, view.slot.joined, style.ids);
    let mut out = Map::new();
    out.insert("@odata.etag".into(), json!(format!("W/\"{key}\"")));
    out.insert("id".into(), json!(id));
    let body = std::cell::OnceCell::new();
    let names: Vec<&str> = match &style.select {
        Some(names) => names.iter().map(String::as_str).collect(),
        None => FIELDS
            .iter()
            .copied()
            .filter(|name| !ON_REQUEST.contains(name))
            .collect(),
    };
    for name in names {
        let value = match name {
            "id" => continue,
            "changeKey" => json!(key),
            "parentFolderId" => mailbox
                .folder(view.slot.folder)
                .map_or(Value::Null, |folder| json!(folder.id)),
            "lastModifiedDateTime" => json!(stamp(view.modified(world, &meta))),
            "createdDateTime" => json!(stamp(view.overlay.created.unwrap_or(meta.received))),
            "isRead" => json!(view.slot.bits & bits::READ != 0),
            "isDraft" => json!(view.slot.bits & bits::DRAFT != 0),
            "flag" => flag_json(view),
            "categories" => json!(view.overlay.categories),
            "webLink" => json!(format!("https://outlook.office365.com/owa/?ItemID={id}")),
            "bodyPreview" => json!(preview(body.get_or_init(|| view.body()))),
            "body" | "uniqueBody" => body_json(body.get_or_init(|| view.body()), style.text_bodies),
            "internetMessageHeaders" => headers_json(view, world),
            other => meta_json(&meta, other),
        };
        out.insert(name.to_owned(), value);
    }
    expand(&mut out, view, world, style);
    Value::Object(out)
}

fn expand(out: &mut Map<String, Value>, view: &View, world: &World, style: &Style) {
    let properties: Vec<Value> = style
        .expand
        .properties
        .iter()
        .filter_map(|id| {
            svep::value(view, world, id).map(|value| json!({"id": id, "value": value}))
        })
        .collect();
    // The service leaves the list out when no property is set.
    if !properties.is_empty() {
        out.insert("singleValueExtendedProperties".into(), properties.into());
    }
    if let Some(fields) = &style.expand.attachments {
        let all: Vec<Value> = view
            .attachments(world)
            .iter()
            .map(|(number, attachment)| attachment_json(view, *number, attachment, fields, true))
            .collect();
        out.insert("attachments".into(), all.into());
    }
}

fn meta_json(meta: &Meta, name: &str) -> Value {
    let conversation = guid(&[meta.conversation, 0x636f_6e76]);
    match name {
        "receivedDateTime" => json!(stamp(meta.received)),
        "sentDateTime" => json!(stamp(meta.sent)),
        "hasAttachments" => json!(meta.has_attachments),
        "internetMessageId" => json!(meta.message_id),
        "subject" => json!(meta.subject),
        "importance" => json!(match meta.importance {
            0 => "low",
            2 => "high",
            _ => "normal",
        }),
        "conversationId" => json!(format!(
            "AAQkAGI2{}",
            base64_simd::URL_SAFE.encode_to_string(conversation.as_bytes())
        )),
        "conversationIndex" => json!(
            base64_simd::STANDARD.encode_to_string(
                [1, 1, 0xd9]
                    .iter()
                    .copied()
                    .chain(mix(&[meta.conversation]).to_be_bytes())
                    .collect::<Vec<u8>>()
            )
        ),
        "isDeliveryReceiptRequested" | "isReadReceiptRequested" => json!(false),
        "inferenceClassification" => json!("focused"),
        "sender" => person_json(meta.sender.as_ref()),
        "from" => person_json(meta.from.as_ref()),
        "toRecipients" => people_json(&meta.to),
        "ccRecipients" => people_json(&meta.cc),
        "bccRecipients" => people_json(&meta.bcc),
        "replyTo" => people_json(&meta.reply_to),
        _ => Value::Null,
    }
}

fn person_json(person: Option<&Person>) -> Value {
    person.map_or(
        Value::Null,
        |one| json!({"emailAddress": {"name": one.name, "address": one.address}}),
    )
}

fn people_json(people: &[Person]) -> Value {
    people.iter().map(|one| person_json(Some(one))).collect()
}

fn flag_json(view: &View) -> Value {
    let is_flagged = view.slot.bits & bits::FLAGGED != 0;
    json!({"flagStatus": match (is_flagged, view.overlay.flag_complete) {
        (true, true) => "complete",
        (true, false) => "flagged",
        _ => "notFlagged",
    }})
}

fn body_json(body: &Body, as_text: bool) -> Value {
    if body.is_html && as_text {
        let text = preview(body);
        return json!({"contentType": "text", "content": text});
    }
    json!({
        "contentType": if body.is_html { "html" } else { "text" },
        "content": body.text,
    })
}

fn headers_json(view: &View, world: &World) -> Value {
    view.headers(world)
        .into_iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect()
}
