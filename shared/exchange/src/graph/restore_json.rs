//! A stored item as the JSON that creates it.

use chrono::{DateTime, SecondsFormat, Utc};
use mailkeep_model::{Address, Flag, FlagStatus, Importance, ItemKind, Sensitivity};
use serde_json::{Value, json};

use super::message_json::Object;
use super::properties::{self, property};
use crate::RestoreItem;

/// Custom headers on one message, at most.
const MOST_HEADERS: usize = 5;

/// What is given up when the service refuses a first, full attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowed {
    /// Headers and properties beyond the ordinary ones.
    pub(crate) extras: bool,
    /// Recipients whose address looks like none.
    pub(crate) odd_recipients: bool,
}

/// The value of our mark while parts of the item are still missing.
pub(crate) fn pending(marker: &str) -> String {
    format!("pending:{marker}")
}

/// The value of our mark when everything is there.
pub(crate) fn finished(marker: &str) -> String {
    format!("done:{marker}")
}

/// Reads a mark: the marker, and whether the item is finished.
pub(crate) fn read_mark(value: &str) -> Option<(String, bool)> {
    let done = value
        .strip_prefix("done:")
        .map(|marker| (marker.to_owned(), true));
    done.or_else(|| {
        value
            .strip_prefix("pending:")
            .map(|marker| (marker.to_owned(), false))
    })
}

/// The creating request without attachments, and what it cannot keep.
pub(crate) fn message(
    restored: &RestoreItem,
    body: &str,
    is_html: bool,
    mark: &str,
    allowed: Allowed,
) -> (Object, Vec<String>) {
    let item = &restored.item;
    let mut losses = vec![];
    let mut out = Object::new();
    let mut put = |name: &str, value: Value| {
        out.insert(name.to_owned(), value);
    };
    put("subject", json!(item.subject));
    let kind = if is_html { "html" } else { "text" };
    put("body", json!({ "contentType": kind, "content": body }));
    for (name, address) in [
        ("from", &item.from),
        ("sender", item.sender.as_ref().unwrap_or(&item.from)),
    ] {
        if allowed.odd_recipients || is_plausible(address) {
            if *address != Address::default() {
                put(name, recipient(address));
            }
        } else if name == "from" && *address != Address::default() {
            losses.push("the sender has no valid address and was left out".into());
        }
    }
    for (name, list) in [
        ("toRecipients", &item.to),
        ("ccRecipients", &item.cc),
        ("bccRecipients", &item.bcc),
    ] {
        put(name, recipients(list, allowed.odd_recipients, &mut losses));
    }
    let reply_to: Vec<Address> = restored
        .reply_to
        .iter()
        .filter(|one| is_plausible(one))
        .cloned()
        .collect();
    if !reply_to.is_empty() {
        put("replyTo", recipients(&reply_to, true, &mut losses));
    }
    put("categories", json!(item.categories));
    put("flag", flag(&item.flag));
    put(
        "importance",
        json!(match item.importance {
            Importance::Low => "low",
            Importance::Normal => "normal",
            Importance::High => "high",
        }),
    );
    put("isRead", json!(item.is_read));
    if is_message_id(&item.internet_message_id) {
        put("internetMessageId", json!(item.internet_message_id));
    }
    let mut extended = vec![property(properties::MARKER, mark)];
    if !item.is_draft {
        // Without bit 8 the new item is no draft. Honoured only in the creating call.
        extended.push(property(
            properties::FLAGS,
            if item.is_read { "1" } else { "0" },
        ));
    }
    if let Some(received) = item.received_at {
        extended.push(property(properties::DELIVERED, stamp(received)));
    }
    if let Some(sent) = item.sent_at {
        extended.push(property(properties::SUBMITTED, stamp(sent)));
    }
    if item.sensitivity != Sensitivity::Normal {
        extended.push(property(
            properties::SENSITIVITY,
            match item.sensitivity {
                Sensitivity::Normal => "0",
                Sensitivity::Personal => "1",
                Sensitivity::Private => "2",
                Sensitivity::Confidential => "3",
            },
        ));
    }
    if allowed.extras {
        add_extras(restored, &mut out, &mut extended);
    } else {
        losses.push("the target refused extended properties or headers of this item".into());
    }
    if !matches!(item.kind, ItemKind::Message | ItemKind::Post) {
        losses.push("restored as ordinary mail, because Graph creates no other kind here".into());
    }
    out.insert(
        "singleValueExtendedProperties".into(),
        Value::Array(extended),
    );
    (out, losses)
}

/// What the service may refuse without harm: class, headers, and the properties kept beside MIME.
fn add_extras(restored: &RestoreItem, out: &mut Object, extended: &mut Vec<Value>) {
    let class = restored.item.class.to_ascii_lowercase();
    if class.starts_with("ipm.note.") {
        extended.push(property(properties::CLASS, restored.item.class.as_str()));
    }
    let kept: Object = serde_json::from_slice(&restored.properties_json).unwrap_or_default();
    for name in [
        "inferenceClassification",
        "isDeliveryReceiptRequested",
        "isReadReceiptRequested",
    ] {
        if let Some(value) = kept.get(name) {
            out.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(index) = kept.get("conversationIndex").and_then(Value::as_str) {
        extended.push(property(properties::CONVERSATION_INDEX, index));
    }
    let own = kept.get("extended").and_then(Value::as_object);
    for (id, value) in own.into_iter().flatten() {
        if let Some(value) = value.as_str().filter(|_| properties::is_restored(id)) {
            extended.push(property(id, value));
        }
    }
    let headers: Vec<Value> = restored
        .headers
        .iter()
        .filter(|(name, value)| is_custom_header(name, value))
        .take(MOST_HEADERS)
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    if !headers.is_empty() {
        out.insert("internetMessageHeaders".into(), Value::Array(headers));
    }
}

/// Only such headers may be set.
fn is_custom_header(name: &str, value: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.starts_with("x-")
        && !lower.starts_with("x-ms-")
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !value.is_empty()
        && value.len() <= 900
        && !value.chars().any(char::is_control)
}

fn is_message_id(id: &str) -> bool {
    id.len() > 2
        && id.len() <= 900
        && id.starts_with('<')
        && id.ends_with('>')
        && !id.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// An address that the service can take: SMTP or an Exchange distinguished name.
fn is_plausible(address: &Address) -> bool {
    let text = address.address.trim();
    let lower = text.to_ascii_lowercase();
    let is_smtp = text.rsplit_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && !domain.is_empty()
            && !text.chars().any(|c| c.is_whitespace() || c.is_control())
    });
    is_smtp || lower.starts_with("/o=") || lower.starts_with("ex:/o=")
}

fn recipient(address: &Address) -> Value {
    json!({ "emailAddress": { "name": address.name, "address": address.address } })
}

fn recipients(list: &[Address], odd_allowed: bool, losses: &mut Vec<String>) -> Value {
    let kept: Vec<Value> = list
        .iter()
        .filter(|address| odd_allowed || is_plausible(address))
        .map(recipient)
        .collect();
    let lost = list.len() - kept.len();
    if lost > 0 {
        losses.push(format!(
            "{lost} recipient(s) without a valid address were left out"
        ));
    }
    Value::Array(kept)
}

fn flag(flag: &Flag) -> Value {
    let time = |time: DateTime<Utc>| json!({ "dateTime": time.format("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": "UTC" });
    let mut out = Object::new();
    let mut put = |name: &str, value: Value| {
        out.insert(name.to_owned(), value);
    };
    match flag.status {
        FlagStatus::NotFlagged => put("flagStatus", json!("notFlagged")),
        FlagStatus::Flagged => {
            put("flagStatus", json!("flagged"));
            // A due date needs a start.
            if let Some(due) = flag.due_at {
                put("dueDateTime", time(due));
                put("startDateTime", time(flag.start_at.unwrap_or(due)));
            }
        }
        FlagStatus::Complete => {
            put("flagStatus", json!("complete"));
            if let Some(completed) = flag.completed_at {
                put("completedDateTime", time(completed));
            }
        }
    }
    Value::Object(out)
}

fn stamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailkeep_model::{FolderId, Item, ItemId};

    fn restored() -> RestoreItem {
        let mut item = Item::new(ItemId("old".into()), FolderId("f".into()));
        item.internet_message_id = "<1@x>".into();
        item.received_at = DateTime::from_timestamp(1_800_000_000, 0);
        RestoreItem {
            item,
            reply_to: vec![],
            body: String::new(),
            body_is_html: false,
            headers: vec![],
            properties_json: vec![],
            attachments: vec![],
            mime: None,
            export: None,
            known: vec![],
            marker: "m".into(),
        }
    }

    const ALL: Allowed = Allowed {
        extras: true,
        odd_recipients: true,
    };

    fn extended<'a>(out: &'a Object, id: &str) -> Option<&'a str> {
        let list = out["singleValueExtendedProperties"].as_array().unwrap();
        let one = list.iter().find(|one| one["id"] == id)?;
        one["value"].as_str()
    }

    #[test]
    fn mail_is_no_draft_and_a_draft_is_one() {
        let mut restored = restored();
        restored.item.is_read = true;
        let (out, losses) = message(&restored, "", false, &pending("m"), ALL);
        assert_eq!(extended(&out, properties::FLAGS), Some("1"));
        assert_eq!(
            extended(&out, properties::DELIVERED),
            Some("2027-01-15T08:00:00Z")
        );
        assert_eq!(extended(&out, properties::MARKER), Some("pending:m"));
        assert_eq!(out["isRead"], true);
        assert!(losses.is_empty());
        restored.item.is_draft = true;
        let (out, _) = message(&restored, "", false, "", ALL);
        assert_eq!(extended(&out, properties::FLAGS), None);
    }

    #[test]
    fn reply_to_keeps_only_valid_addresses() {
        let mut restored = restored();
        let one = |address: &str| Address {
            name: "n".into(),
            address: address.into(),
        };
        restored.reply_to = vec![
            one(""),
            one("not an address"),
            one("a@x.example"),
            one("/o=Org/cn=a"),
        ];
        restored.item.to = vec![one(""), one("a@x.example")];
        let (out, losses) = message(&restored, "", false, "", ALL);
        assert_eq!(out["replyTo"].as_array().unwrap().len(), 2);
        assert_eq!(out["toRecipients"].as_array().unwrap().len(), 2);
        assert!(losses.is_empty());
        let strict = Allowed {
            odd_recipients: false,
            ..ALL
        };
        let (out, losses) = message(&restored, "", false, "", strict);
        assert_eq!(out["toRecipients"].as_array().unwrap().len(), 1);
        assert_eq!(losses.len(), 1);
    }

    #[test]
    fn only_a_few_custom_headers_and_kept_properties_are_written() {
        let mut restored = restored();
        restored.headers = (0..9).map(|n| (format!("X-A{n}"), "v".into())).collect();
        restored
            .headers
            .insert(0, ("Received".into(), "from x".into()));
        restored
            .headers
            .insert(0, ("X-Bad".into(), "a\r\nBcc: b".into()));
        restored.properties_json = json!({ "conversationIndex": "AQ==",
            "extended": { "Integer 0x1081": "102", "Binary 0x300B": "AA==" } })
        .to_string()
        .into_bytes();
        let (out, _) = message(&restored, "", false, "", ALL);
        let headers = out["internetMessageHeaders"].as_array().unwrap();
        assert_eq!(headers.len(), 5);
        assert_eq!(headers[0]["name"], "X-A0");
        assert_eq!(extended(&out, "Integer 0x1081"), Some("102"));
        assert_eq!(extended(&out, "Binary 0x300B"), None);
        assert_eq!(extended(&out, properties::CONVERSATION_INDEX), Some("AQ=="));
        let plain = Allowed {
            extras: false,
            ..ALL
        };
        let (out, losses) = message(&restored, "", false, "", plain);
        assert!(!out.contains_key("internetMessageHeaders"));
        assert_eq!(losses.len(), 1);
    }

    #[test]
    fn flags_keep_their_dates() {
        let day = DateTime::from_timestamp(1_800_000_000, 0);
        let mut flag_set = Flag {
            status: FlagStatus::Flagged,
            due_at: day,
            ..Flag::default()
        };
        let out = flag(&flag_set);
        assert_eq!(out["dueDateTime"]["dateTime"], "2027-01-15T08:00:00");
        assert_eq!(out["startDateTime"], out["dueDateTime"]);
        flag_set.status = FlagStatus::Complete;
        flag_set.completed_at = day;
        assert_eq!(flag(&flag_set)["completedDateTime"]["timeZone"], "UTC");
    }

    #[test]
    fn marks_are_read_back() {
        assert_eq!(read_mark(&pending("a:b")), Some(("a:b".into(), false)));
        assert_eq!(read_mark(&finished("a")), Some(("a".into(), true)));
        assert_eq!(read_mark("other"), None);
    }
}
