//! A message as Graph describes it in JSON.

use chrono::{DateTime, NaiveDateTime, Utc};
use mailkeep_model::{
    Address, Flag, FlagStatus, FolderId, Importance, Item, ItemId, ItemKind, Sensitivity,
};
use serde_json::{Map, Value};

use super::properties::{self, Extended};
use crate::SourceItem;

/// A JSON object.
pub(crate) type Object = Map<String, Value>;

/// Everything that is asked of a message.
pub(crate) const SELECT: &str = "id,changeKey,parentFolderId,subject,from,sender,toRecipients,\
ccRecipients,bccRecipients,replyTo,sentDateTime,receivedDateTime,createdDateTime,\
lastModifiedDateTime,internetMessageId,conversationId,conversationIndex,isRead,isDraft,\
hasAttachments,flag,categories,importance,inferenceClassification,isReadReceiptRequested,\
isDeliveryReceiptRequested";

/// Fields that a full description always has. An absent field says nothing about its value, so a
/// description without them is fetched by id.
const REQUIRED: &[&str] = &[
    "changeKey",
    "parentFolderId",
    "subject",
    "toRecipients",
    "receivedDateTime",
    "lastModifiedDateTime",
    "isRead",
    "isDraft",
    "categories",
    "singleValueExtendedProperties",
];

/// Fields beside extended properties that MIME lacks.
const KEPT: &[&str] = &[
    "conversationIndex",
    "inferenceClassification",
    "isDeliveryReceiptRequested",
    "isReadReceiptRequested",
    "replyTo",
];

/// The `$expand` of a message.
pub(crate) fn expand() -> String {
    let mut ids = vec![properties::CLASS, properties::SIZE, properties::SENSITIVITY];
    ids.extend(properties::KEPT);
    properties::expand(&ids)
}

/// True when nothing that matters is missing.
pub(crate) fn is_complete(message: &Object) -> bool {
    REQUIRED.iter().all(|field| message.contains_key(*field))
}

/// The id of a message, or of one that was removed.
pub(crate) fn id(message: &Object) -> Option<ItemId> {
    message.get("id")?.as_str().map(|id| ItemId(id.to_owned()))
}

/// Reads a description. `folder` is where it was found, in case it does not say itself.
pub(crate) fn source_item(message: &Object, folder: Option<&FolderId>) -> Option<SourceItem> {
    let parent = text(message, "parentFolderId");
    let folder = match folder {
        _ if !parent.is_empty() => FolderId(parent),
        Some(folder) => folder.clone(),
        None => return None,
    };
    let extended = Extended::from_json(message.get("singleValueExtendedProperties"));
    let mut item = Item::new(id(message)?, folder);
    item.change_key = text(message, "changeKey");
    if let Some(class) = extended.get(properties::CLASS) {
        item.class = class.to_owned();
    }
    item.kind = ItemKind::from_class(&item.class);
    item.subject = text(message, "subject");
    item.from = address(message.get("from")).unwrap_or_default();
    item.sender = address(message.get("sender")).filter(|sender| *sender != item.from);
    item.to = addresses(message.get("toRecipients"));
    item.cc = addresses(message.get("ccRecipients"));
    item.bcc = addresses(message.get("bccRecipients"));
    item.sent_at = time(message.get("sentDateTime"));
    item.received_at = time(message.get("receivedDateTime"));
    item.created_at = time(message.get("createdDateTime"));
    item.modified_at = time(message.get("lastModifiedDateTime"));
    let size = extended.get(properties::SIZE);
    item.size_bytes = size.and_then(|size| size.parse().ok()).unwrap_or_default();
    item.internet_message_id = text(message, "internetMessageId");
    item.conversation_id = text(message, "conversationId");
    item.is_read = truth(message, "isRead");
    item.is_draft = truth(message, "isDraft");
    item.has_attachments = truth(message, "hasAttachments");
    item.flag = flag(message.get("flag"));
    item.categories = message
        .get("categories")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|category| category.as_str().map(str::to_owned))
        .collect();
    item.importance = match text(message, "importance").to_ascii_lowercase().as_str() {
        "low" => Importance::Low,
        "high" => Importance::High,
        _ => Importance::Normal,
    };
    item.sensitivity = match extended.get(properties::SENSITIVITY) {
        Some("1") => Sensitivity::Personal,
        Some("2") => Sensitivity::Private,
        Some("3") => Sensitivity::Confidential,
        _ => Sensitivity::Normal,
    };
    Some(SourceItem {
        item,
        properties_json: kept(message, &extended),
    })
}

/// What MIME lacks, in one fixed order so that equal properties are equal bytes.
fn kept(message: &Object, extended: &Extended) -> Vec<u8> {
    let mut kept = Object::new();
    for field in KEPT {
        match message.get(*field) {
            None | Some(Value::Null) => {}
            Some(Value::Array(list)) if list.is_empty() => {}
            Some(value) => {
                kept.insert((*field).to_owned(), value.clone());
            }
        }
    }
    let extended: Object = extended
        .kept()
        .into_iter()
        .map(|(id, value)| (id.to_owned(), Value::from(value)))
        .collect();
    if !extended.is_empty() {
        kept.insert("extended".to_owned(), Value::Object(extended));
    }
    Value::Object(kept).to_string().into_bytes()
}

/// A text field; empty when it is missing.
pub(crate) fn text(object: &Object, field: &str) -> String {
    let text = object.get(field).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

/// A truth value; false when it is missing.
pub(crate) fn truth(object: &Object, field: &str) -> bool {
    object.get(field).and_then(Value::as_bool).unwrap_or(false)
}

/// A point in time.
pub(crate) fn time(value: Option<&Value>) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(value?.as_str()?).ok()?;
    Some(time.to_utc())
}

/// A time with a zone of its own; the service gives UTC unless asked for another.
fn zoned_time(value: Option<&Value>) -> Option<DateTime<Utc>> {
    let text = value?.get("dateTime")?.as_str()?;
    NaiveDateTime::parse_from_str(text.trim_end_matches('Z'), "%Y-%m-%dT%H:%M:%S%.f")
        .ok()
        .map(|time| time.and_utc())
}

/// One address; `None` when there is neither name nor address.
pub(crate) fn address(value: Option<&Value>) -> Option<Address> {
    let email = value?.get("emailAddress")?;
    let part = |name: &str| {
        let text = email.get(name).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let found = Address {
        name: part("name"),
        address: part("address"),
    };
    (found != Address::default()).then_some(found)
}

/// A list of addresses.
pub(crate) fn addresses(value: Option<&Value>) -> Vec<Address> {
    value
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|one| address(Some(one)))
        .collect()
}

fn flag(value: Option<&Value>) -> Flag {
    let Some(flag) = value else {
        return Flag::default();
    };
    Flag {
        status: match flag.get("flagStatus").and_then(Value::as_str) {
            Some("flagged") => FlagStatus::Flagged,
            Some("complete") => FlagStatus::Complete,
            _ => FlagStatus::NotFlagged,
        },
        start_at: zoned_time(flag.get("startDateTime")),
        due_at: zoned_time(flag.get("dueDateTime")),
        completed_at: zoned_time(flag.get("completedDateTime")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn full() -> Value {
        json!({
            "id": "AAk=", "changeKey": "CQ", "parentFolderId": "f1", "subject": "Hi",
            "from": { "emailAddress": { "name": "Ann", "address": "ann@x.example" } },
            "sender": { "emailAddress": { "name": "Bob", "address": "bob@x.example" } },
            "toRecipients": [{ "emailAddress": { "name": "C", "address": "c@x.example" } }],
            "ccRecipients": [], "bccRecipients": [], "replyTo": [],
            "sentDateTime": "2026-01-02T03:04:00Z", "receivedDateTime": "2026-01-02T03:04:05.25Z",
            "createdDateTime": "2026-01-02T03:04:06Z", "lastModifiedDateTime": "2026-01-03T00:00:00Z",
            "internetMessageId": "<1@x>", "conversationId": "c", "conversationIndex": "AQ==",
            "isRead": true, "isDraft": false, "hasAttachments": true,
            "flag": { "flagStatus": "flagged",
                "dueDateTime": { "dateTime": "2026-02-01T00:00:00.0000000", "timeZone": "UTC" } },
            "categories": ["Red"], "importance": "high", "inferenceClassification": "focused",
            "singleValueExtendedProperties": [
                { "id": "String 0x1a", "value": "IPM.Note.SMIME" },
                { "id": "Integer 0xe08", "value": "4711" },
                { "id": "Integer 0x36", "value": "2" },
                { "id": "Integer 0x1081", "value": "102" },
            ],
        })
    }

    fn read(value: &Value) -> SourceItem {
        source_item(value.as_object().unwrap(), None).unwrap()
    }

    #[test]
    fn every_field_arrives() {
        let found = read(&full());
        let item = found.item;
        assert_eq!(item.class, "IPM.Note.SMIME");
        assert_eq!(item.size_bytes, 4711);
        assert_eq!(item.sensitivity, Sensitivity::Private);
        assert_eq!(item.importance, Importance::High);
        assert_eq!(item.sender.unwrap().name, "Bob");
        assert_eq!(item.flag.status, FlagStatus::Flagged);
        assert_eq!(
            item.flag.due_at.unwrap().to_rfc3339(),
            "2026-02-01T00:00:00+00:00"
        );
        assert_eq!(item.received_at.unwrap().timestamp_subsec_millis(), 250);
        let kept: Value = serde_json::from_slice(&found.properties_json).unwrap();
        assert_eq!(
            kept,
            json!({ "conversationIndex": "AQ==", "extended": { "Integer 0x1081": "102" },
                "inferenceClassification": "focused" })
        );
    }

    #[test]
    fn a_change_of_a_flag_changes_no_kept_property() {
        let mut changed = full();
        changed["isRead"] = json!(false);
        changed["categories"] = json!(["Blue"]);
        changed["flag"] = json!({ "flagStatus": "complete" });
        changed["importance"] = json!("low");
        assert_eq!(
            read(&full()).properties_json,
            read(&changed).properties_json
        );
    }

    #[test]
    fn an_absent_field_makes_it_incomplete_a_null_does_not() {
        let mut message = full();
        assert!(is_complete(message.as_object().unwrap()));
        message["subject"] = Value::Null;
        assert!(is_complete(message.as_object().unwrap()));
        for field in REQUIRED {
            let mut message = full();
            message.as_object_mut().unwrap().remove(*field);
            assert!(!is_complete(message.as_object().unwrap()), "{field}");
        }
    }

    proptest! {
        #[test]
        fn odd_shapes_are_survived(field in 0usize..26, odd in 0usize..5) {
            let field = SELECT.split(',').nth(field).unwrap();
            let odd = [json!(null), json!(7), json!([1, null]), json!({ "x": [] }), json!("x")][odd].clone();
            let mut message = full();
            message[field] = odd;
            let _ = source_item(message.as_object().unwrap(), Some(&FolderId("f".into())));
        }
    }
}
