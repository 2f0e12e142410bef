//! Reads messages that callers write. Everything that is not known to be accepted is refused.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::attachments::attachment_from_json;
use super::failure::Failure;
use super::json::field;
use super::svep;
use crate::content::mail::{Body, Meta};
use crate::content::people::Person;
use crate::store::overlay::WrittenMail;

/// Only changeable while a message is a draft.
const PROTECTED: &[&str] = &[
    "subject",
    "body",
    "from",
    "sender",
    "toRecipients",
    "ccRecipients",
    "bccRecipients",
    "replyTo",
    "internetMessageId",
    "internetMessageHeaders",
    "isDeliveryReceiptRequested",
    "isReadReceiptRequested",
    "attachments",
];

/// Changeable at all times.
const FREE: &[&str] = &[
    "isRead",
    "flag",
    "categories",
    "importance",
    "inferenceClassification",
    "singleValueExtendedProperties",
];

/// What a caller wrote.
#[derive(Clone, Debug, Default)]
pub(crate) struct Input {
    pub(crate) written: WrittenMail,
    pub(crate) is_read: Option<bool>,
    pub(crate) flag: Option<Flag>,
    pub(crate) categories: Option<Vec<String>>,
    pub(crate) properties: BTreeMap<String, String>,
}

/// A follow-up flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flag {
    Absent,
    Flagged,
    Complete,
}

fn invalid_property(name: &str, why: &str) -> Failure {
    Failure::new(
        400,
        "ErrorInvalidPropertySet",
        format!("The property '{name}' cannot be set: {why}"),
    )
}

/// Reads a new message or a change; `before` is what is there already. `is_draft` allows the
/// protected properties.
pub(crate) fn read(
    map: &Map<String, Value>,
    before: WrittenMail,
    is_draft: bool,
) -> Result<Input, Failure> {
    let mut input = Input {
        written: before,
        ..Input::default()
    };
    for (name, value) in map {
        if name == "@odata.type" && value == "#microsoft.graph.message" {
            continue;
        }
        let is_protected = PROTECTED.contains(&name.as_str());
        if !is_protected && !FREE.contains(&name.as_str()) {
            return Err(if super::render::FIELDS.contains(&name.as_str()) {
                invalid_property(name, "it is read-only.")
            } else {
                Failure::bad(format!(
                    "The property '{name}' does not exist on type 'microsoft.graph.message'."
                ))
            });
        }
        if is_protected && !is_draft {
            return Err(Failure::new(
                403,
                "ErrorAccessDenied",
                format!("Changing '{name}' of a message that is no draft needs Mail-Advanced."),
            ));
        }
        property(&mut input, name, value)?;
    }
    Ok(input)
}

fn property(input: &mut Input, name: &str, value: &Value) -> Result<(), Failure> {
    let meta = &mut input.written.meta;
    match name {
        "subject" => meta.subject = text(name, value)?,
        "body" => input.written.body = body(value)?,
        "from" => meta.from = Some(person(value)?),
        "sender" => meta.sender = Some(person(value)?),
        "toRecipients" => meta.to = people(name, value)?,
        "ccRecipients" => meta.cc = people(name, value)?,
        "bccRecipients" => meta.bcc = people(name, value)?,
        "replyTo" => meta.reply_to = people(name, value)?,
        "internetMessageId" => meta.message_id = Some(text(name, value)?),
        "internetMessageHeaders" => input.written.headers = headers(value)?,
        "importance" => {
            meta.importance = match value.as_str() {
                Some("low") => 0,
                Some("normal") => 1,
                Some("high") => 2,
                _ => return Err(invalid_property(name, "unknown value.")),
            }
        }
        "inferenceClassification" => {
            if !["focused", "other"].contains(&value.as_str().unwrap_or_default()) {
                return Err(invalid_property(name, "unknown value."));
            }
        }
        "isRead" => input.is_read = Some(boolean(name, value)?),
        "isDeliveryReceiptRequested" | "isReadReceiptRequested" => {
            boolean(name, value)?;
        }
        "flag" => {
            input.flag = Some(match field(value, "flagStatus").as_str() {
                Some("notFlagged") => Flag::Absent,
                Some("flagged") => Flag::Flagged,
                Some("complete") => Flag::Complete,
                _ => return Err(invalid_property(name, "unknown flagStatus.")),
            });
        }
        "categories" => {
            let names: Option<Vec<String>> = value.as_array().and_then(|list| {
                list.iter()
                    .map(|one| one.as_str().map(str::to_owned))
                    .collect()
            });
            input.categories = Some(names.ok_or_else(|| invalid_property(name, "not a list."))?);
        }
        "attachments" => {
            for one in list(name, value)? {
                let attachment = attachment_from_json(one)?;
                input.written.push(attachment);
            }
        }
        _ => properties(input, name, value)?,
    }
    Ok(())
}

fn text(name: &str, value: &Value) -> Result<String, Failure> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| invalid_property(name, "not a text."))
}

fn boolean(name: &str, value: &Value) -> Result<bool, Failure> {
    value
        .as_bool()
        .ok_or_else(|| invalid_property(name, "neither true nor false."))
}

fn list<'a>(name: &str, value: &'a Value) -> Result<&'a [Value], Failure> {
    value
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| invalid_property(name, "not a list."))
}

fn body(value: &Value) -> Result<Body, Failure> {
    let is_html = match field(value, "contentType").as_str() {
        Some(kind) if kind.eq_ignore_ascii_case("html") => true,
        Some(kind) if kind.eq_ignore_ascii_case("text") => false,
        _ => return Err(invalid_property("body", "unknown contentType.")),
    };
    Ok(Body {
        is_html,
        text: text("body", field(value, "content"))?,
    })
}

fn people(name: &str, value: &Value) -> Result<Vec<Person>, Failure> {
    list(name, value)?.iter().map(person).collect()
}

fn person(value: &Value) -> Result<Person, Failure> {
    let inner = field(value, "emailAddress");
    let address = field(inner, "address").as_str().unwrap_or_default();
    let is_smtp = address
        .split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && address.matches('@').count() == 1
        && !address.contains([' ', '<', '>', ',', ';', '\t', '\r', '\n']);
    let is_directory_name = address.to_ascii_lowercase().starts_with("/o=");
    if !is_smtp && !is_directory_name {
        return Err(Failure::new(
            400,
            "ErrorInvalidRecipients",
            "At least one recipient is not valid.",
        ));
    }
    Ok(Person {
        name: field(inner, "name").as_str().unwrap_or(address).to_owned(),
        address: address.to_owned(),
    })
}

fn headers(value: &Value) -> Result<Vec<(String, String)>, Failure> {
    list("internetMessageHeaders", value)?
        .iter()
        .map(|one| {
            let name = field(one, "name").as_str().unwrap_or_default();
            let text = field(one, "value").as_str().unwrap_or_default();
            if !name.to_ascii_lowercase().starts_with("x-") || text.contains(['\r', '\n']) {
                return Err(Failure::new(
                    400,
                    "InvalidInternetMessageHeader",
                    format!(
                        "The internet message header name '{name}' should start with 'x-' or 'X-'."
                    ),
                ));
            }
            Ok((name.to_owned(), text.to_owned()))
        })
        .collect()
}

fn properties(input: &mut Input, name: &str, value: &Value) -> Result<(), Failure> {
    for one in list(name, value)? {
        let id = svep::normalised(field(one, "id").as_str().unwrap_or_default())?;
        let text = text(name, field(one, "value"))?;
        check_value(&id, &text)?;
        if input.properties.insert(id, text).is_some() {
            return Err(invalid_property(name, "the same id twice."));
        }
    }
    Ok(())
}

pub(crate) fn check_value(id: &str, text: &str) -> Result<(), Failure> {
    let is_good = match id.split(' ').next().unwrap_or_default() {
        "Integer" | "Short" => text.parse::<i32>().is_ok(),
        "Long" | "Currency" => text.parse::<i64>().is_ok(),
        "Double" | "Float" => text.parse::<f64>().is_ok(),
        "Boolean" => text == "true" || text == "false",
        "SystemTime" => time(text).is_some(),
        "Binary" => base64_simd::STANDARD.check(text.as_bytes()).is_ok(),
        _ => true,
    };
    if is_good {
        Ok(())
    } else {
        Err(Failure::new(
            400,
            "ErrorInvalidExtendedPropertyValue",
            format!("The value of the extended property '{id}' does not fit its type."),
        ))
    }
}

/// Seconds since 1970 of a time like `2026-01-02T03:04:05Z`; only UTC is accepted.
pub(crate) fn time(text: &str) -> Option<i64> {
    if !text.ends_with('Z') {
        return None;
    }
    chrono::DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|time| time.timestamp())
}

/// Takes those extended properties out that are ordinary properties elsewhere.
pub(crate) fn apply_known(meta: &mut Meta, properties: &mut BTreeMap<String, String>) {
    let mut take = |id: &str| properties.remove(id);
    if let Some(value) = take("SystemTime 0xe06").as_deref().and_then(time) {
        meta.received = value;
    }
    if let Some(value) = take("SystemTime 0x39").as_deref().and_then(time) {
        meta.sent = value;
    }
    if let Some(value) = take("String 0x1a") {
        meta.class = value;
    }
    if let Some(value) = take("Integer 0x36").and_then(|text| text.parse().ok()) {
        meta.sensitivity = value;
    }
    if let Some(value) = take("Integer 0x17").and_then(|text| text.parse().ok()) {
        meta.importance = value;
    }
    if let Some(value) = take("String 0x1035") {
        meta.message_id = Some(value);
    }
    if let Some(value) = take("String 0x37") {
        meta.subject = value;
    }
}
