//! Attachments: list, one, and its bytes.

use serde_json::{Map, Value, json};

use super::call::Call;
use super::failure::Failure;
use super::json::field;
use super::odata;
use super::reply::Reply;
use crate::clock::stamp;
use crate::content::blob::Blob;
use crate::content::mail::{Attachment, AttachmentKind};
use crate::content::plan::World;
use crate::numbers::mix;
use crate::store::view::View;

/// Everything that can be selected of an attachment.
pub(crate) const FIELDS: &[&str] = &[
    "id",
    "lastModifiedDateTime",
    "name",
    "contentType",
    "size",
    "isInline",
    "contentId",
    "contentLocation",
    "contentBytes",
    "sourceUrl",
    // How the real service wants a property of one kind of attachment to be selected.
    "microsoft.graph.fileAttachment/contentId",
];

/// Attachments up to this size have their bytes in JSON.
const MAX_JSON_BYTES: u64 = 32 << 20;

/// The id of an attachment.
pub(crate) fn attachment_id(view: &View, number: u32) -> String {
    let mut bytes = mix(&[u64::from(view.item), u64::from(number), 0x6174])
        .to_be_bytes()
        .to_vec();
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes.extend_from_slice(&[0; 60]);
    format!(
        "AAMkAGI2Attach{}=",
        base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes)
    )
}

/// An attachment as JSON; `with_bytes` for single reads.
pub(crate) fn attachment_json(
    view: &View,
    number: u32,
    attachment: &Attachment,
    fields: &[String],
    with_bytes: bool,
) -> Value {
    let kind = match attachment.kind {
        AttachmentKind::File => "#microsoft.graph.fileAttachment",
        AttachmentKind::Item => "#microsoft.graph.itemAttachment",
        AttachmentKind::Reference => "#microsoft.graph.referenceAttachment",
    };
    let mut all = Map::new();
    all.insert("@odata.type".into(), json!(kind));
    all.insert(
        "@odata.mediaContentType".into(),
        json!(attachment.content_type),
    );
    all.insert("id".into(), json!(attachment_id(view, number)));
    let wants = |name: &str| {
        fields.is_empty()
            || fields
                .iter()
                .any(|field| field.rsplit('/').next() == Some(name))
    };
    let mut put = |name: &str, value: Value| {
        if wants(name) {
            all.insert(name.to_owned(), value);
        }
    };
    put("lastModifiedDateTime", json!(stamp(view.meta().received)));
    put("name", json!(attachment.name));
    put("contentType", json!(attachment.content_type));
    put("size", json!(attachment.size() + 170));
    put("isInline", json!(attachment.is_inline));
    if attachment.kind == AttachmentKind::File {
        put("contentId", json!(attachment.content_id));
        put("contentLocation", Value::Null);
        if with_bytes && attachment.size() <= MAX_JSON_BYTES && wants("contentBytes") {
            let text = base64_simd::STANDARD.encode_to_string(attachment.bytes());
            put("contentBytes", json!(text));
        }
    }
    Value::Object(all)
}

/// `GET …/attachments`.
pub(crate) fn list(call: &Call, view: &View, world: &World) -> Result<Reply, Failure> {
    let options = odata::options(call, &["$select"], FIELDS, 0)?;
    let fields = options.select.unwrap_or_default();
    let all: Vec<Value> = view
        .attachments(world)
        .iter()
        .map(|(number, attachment)| attachment_json(view, *number, attachment, &fields, true))
        .collect();
    Ok(Reply::json(json!({
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#attachments",
        "value": all,
    })))
}

/// `GET …/attachments/{id}`.
pub(crate) fn get(call: &Call, view: &View, world: &World, id: &str) -> Result<Reply, Failure> {
    let options = odata::options(call, &["$select"], FIELDS, 0)?;
    let (number, attachment) = find(view, world, id)?;
    let fields = options.select.unwrap_or_default();
    Ok(Reply::json(attachment_json(
        view,
        number,
        &attachment,
        &fields,
        true,
    )))
}

/// `GET …/attachments/{id}/$value`.
pub(crate) fn value(call: &Call, view: &View, world: &World, id: &str) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    let (_, attachment) = find(view, world, id)?;
    if attachment.kind == AttachmentKind::Reference {
        return Err(Failure::method());
    }
    let media_type = if attachment.kind == AttachmentKind::Item {
        "text/plain"
    } else {
        "application/octet-stream"
    };
    Ok(Reply::stream(attachment.content, media_type))
}

fn find(view: &View, world: &World, id: &str) -> Result<(u32, Attachment), Failure> {
    view.attachments(world)
        .into_iter()
        .find(|(number, _)| attachment_id(view, *number) == id)
        .ok_or_else(Failure::not_found)
}

/// A file attachment that a caller writes.
pub(crate) fn attachment_from_json(value: &Value) -> Result<Attachment, Failure> {
    let known = [
        "@odata.type",
        "name",
        "contentType",
        "contentBytes",
        "isInline",
        "contentId",
        "contentLocation",
    ];
    let map = value
        .as_object()
        .ok_or_else(|| Failure::bad("An attachment must be an object."))?;
    if let Some(name) = map.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(Failure::bad(format!(
            "The property '{name}' cannot be set on an attachment."
        )));
    }
    if field(value, "@odata.type") != "#microsoft.graph.fileAttachment" {
        return Err(Failure::bad(
            "@odata.type must be #microsoft.graph.fileAttachment here.",
        ));
    }
    let name = field(value, "name")
        .as_str()
        .filter(|name| !name.is_empty())
        .ok_or_else(|| Failure::new(400, "ErrorRequiredPropertyMissing", "name is missing."))?;
    let text = field(value, "contentBytes").as_str().ok_or_else(|| {
        Failure::new(
            400,
            "ErrorRequiredPropertyMissing",
            "contentBytes is missing.",
        )
    })?;
    let bytes = base64_simd::STANDARD
        .decode_to_vec(text.as_bytes())
        .map_err(|_| Failure::bad("contentBytes is not base64."))?;
    let media_type = field(value, "contentType")
        .as_str()
        .unwrap_or("application/octet-stream");
    let mut attachment = Attachment::file(name, media_type, Blob::from(bytes));
    attachment.is_inline = field(value, "isInline").as_bool() == Some(true);
    attachment.content_id = field(value, "contentId").as_str().map(str::to_owned);
    Ok(attachment)
}
