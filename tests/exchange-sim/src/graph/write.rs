//! Creates, changes, moves and deletes messages.

use std::sync::Arc;

use serde_json::{Value, json};

use super::attachments::{attachment_from_json, attachment_json};
use super::call::Call;
use super::failure::Failure;
use super::input::{Flag, Input, apply_known, read};
use super::json::{field, put};
use super::messages::{find, style};
use super::odata::{self, Options};
use super::render::message_json;
use super::reply::Reply;
use crate::content::blob::Blob;
use crate::content::mail::{Attachment, Body, Meta};
use crate::content::real;
use crate::journal::SentMail;
use crate::numbers::{locked, mix};
use crate::store::ids::{self, IdKind};
use crate::store::mailbox::{Mailbox, bits};
use crate::store::overlay::{Origin, Overlay, RawMail, WrittenMail};
use crate::store::users::Account;
use crate::tenant::Tenant;

/// Attachments from this size on need an upload session.
pub(crate) const UPLOAD_FROM: u64 = 3 * 1024 * 1024;

pub(crate) fn check_room(mailbox: &Mailbox) -> Result<(), Failure> {
    if mailbox.is_full {
        return Err(Failure::new(
            507,
            "ErrorQuotaExceeded",
            "The mailbox has exceeded its quota.",
        ));
    }
    Ok(())
}

fn shown(tenant: &Tenant, call: &Call, mailbox: &Mailbox, item: u32) -> Result<Value, Failure> {
    let view = mailbox
        .view(&tenant.world, item)
        .ok_or_else(Failure::not_found)?;
    let style = style(call, &Options::default());
    Ok(message_json(mailbox, &view, &tenant.world, &style))
}

/// `POST …/messages`.
pub(crate) fn create(
    tenant: &Tenant,
    call: &Call,
    mailbox: &mut Mailbox,
    folder: Option<u32>,
) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    check_room(mailbox)?;
    let folder = match folder.or_else(|| mailbox.well_known("drafts")) {
        Some(folder) if mailbox.folder(folder).is_some_and(|one| !one.is_search) => folder,
        _ => return Err(Failure::not_found()),
    };
    let now = tenant.clock.unix_seconds();
    let media_type = call.header("content-type").unwrap_or_default();
    let (overlay, state) = if media_type.starts_with("text/plain") {
        from_mime(call, now)?
    } else {
        let fresh = WrittenMail {
            meta: Meta {
                received: now,
                sent: now,
                importance: 1,
                class: "IPM.Note".to_owned(),
                conversation: mix(&[mailbox.key, mailbox.sequence, 0x6e65_7721]),
                ..Meta::default()
            },
            body: Body::default(),
            ..WrittenMail::default()
        };
        from_input(read(&call.json()?, fresh, true)?, mailbox, now)
    };
    let item = mailbox.add(folder, state, overlay, tenant.elapsed());
    Ok(Reply::with_status(201, shown(tenant, call, mailbox, item)?))
}

fn from_mime(call: &Call, now: i64) -> Result<(Overlay, u32), Failure> {
    let bytes = base64_simd::STANDARD
        .decode_to_vec(call.body.trim_ascii())
        .map_err(|_| {
            Failure::new(
                400,
                "ErrorMimeContentInvalidBase64String",
                "Invalid base64 string for MIME content.",
            )
        })?;
    let meta = real::parse_meta(&bytes, now);
    let raw = RawMail {
        bytes: Blob::from(bytes),
        meta,
    };
    let overlay = Overlay {
        origin: Origin::Raw(Arc::new(raw)),
        created: Some(now),
        ..Overlay::default()
    };
    Ok((overlay, bits::DRAFT | bits::READ))
}

fn from_input(mut input: Input, mailbox: &Mailbox, now: i64) -> (Overlay, u32) {
    let flags = input
        .properties
        .remove("Integer 0xe07")
        .and_then(|text| text.parse::<i32>().ok());
    let mut state = match flags {
        Some(flags) if flags & 8 == 0 => {
            if flags & 1 == 0 {
                0
            } else {
                bits::READ
            }
        }
        _ => bits::DRAFT | bits::READ,
    };
    match input.is_read {
        Some(true) => state |= bits::READ,
        Some(false) => state &= !bits::READ,
        None => {}
    }
    let meta = &mut input.written.meta;
    apply_known(meta, &mut input.properties);
    if meta.message_id.is_none() {
        meta.message_id = Some(format!(
            "<{:016X}{:08X}@sim.prod.example>",
            mailbox.key, mailbox.sequence
        ));
    }
    let mut overlay = Overlay {
        origin: Origin::Written(Arc::new(input.written)),
        categories: input.categories.unwrap_or_default(),
        properties: input.properties,
        created: Some(now),
        ..Overlay::default()
    };
    set_flag(input.flag, &mut state, &mut overlay);
    (overlay, state)
}

fn set_flag(flag: Option<Flag>, state: &mut u32, overlay: &mut Overlay) {
    match flag {
        None => {}
        Some(Flag::Absent) => {
            *state &= !bits::FLAGGED;
            overlay.flag_complete = false;
        }
        Some(flag) => {
            *state |= bits::FLAGGED;
            overlay.flag_complete = flag == Flag::Complete;
        }
    }
}

/// `PATCH …/messages/{id}`.
pub(crate) fn update(
    tenant: &Tenant,
    call: &Call,
    mailbox: &mut Mailbox,
    id: &str,
) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    let item = find(mailbox, id)?;
    let view = mailbox
        .view(&tenant.world, item)
        .ok_or_else(Failure::not_found)?;
    let is_draft = view.slot.bits & bits::DRAFT != 0;
    let before = match &view.overlay.origin {
        Origin::Written(written) => written.as_ref().clone(),
        _ => WrittenMail::default(),
    };
    let map = call.json()?;
    let is_content = matches!(view.overlay.origin, Origin::Written(_));
    let mut input = read(&map, before, is_draft && is_content)?;
    if input.properties.contains_key("Integer 0xe07") {
        return Err(Failure::new(
            400,
            "ErrorInvalidPropertySet",
            "The message flags can only be set when the message is created.",
        ));
    }
    let is_protected = |id: &String| {
        [
            "String 0x37",
            "String 0x1035",
            "SystemTime 0xe06",
            "SystemTime 0x39",
        ]
        .contains(&id.as_str())
    };
    if !is_draft && input.properties.keys().any(is_protected) {
        return Err(Failure::new(
            403,
            "ErrorAccessDenied",
            "Changing this of a message that is no draft needs Mail-Advanced.",
        ));
    }
    apply_known(&mut input.written.meta, &mut input.properties);
    mailbox.touch(item, tenant.elapsed(), |slot, overlay| {
        match input.is_read {
            Some(true) => slot.bits |= bits::READ,
            Some(false) => slot.bits &= !bits::READ,
            None => {}
        }
        set_flag(input.flag, &mut slot.bits, overlay);
        if let Some(categories) = input.categories {
            overlay.categories = categories;
        }
        overlay.properties.extend(input.properties);
        if is_content {
            overlay.origin = Origin::Written(Arc::new(input.written));
        }
    });
    Ok(Reply::json(shown(tenant, call, mailbox, item)?))
}

/// `POST …/messages/{id}/move`.
pub(crate) fn move_message(
    tenant: &Tenant,
    call: &Call,
    mailbox: &mut Mailbox,
    id: &str,
) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    let item = find(mailbox, id)?;
    let map = call.json()?;
    let target = map
        .get("destinationId")
        .and_then(Value::as_str)
        .filter(|_| map.len() == 1)
        .ok_or_else(|| Failure::bad("destinationId is needed, and nothing else."))?;
    let folder = mailbox.find_folder(target).ok_or_else(Failure::not_found)?;
    mailbox.move_item(item, folder, tenant.elapsed());
    Ok(Reply::with_status(201, shown(tenant, call, mailbox, item)?))
}

/// `DELETE …/messages/{id}`: the item goes to the recoverable items.
pub(crate) fn delete(
    tenant: &Tenant,
    call: &Call,
    mailbox: &mut Mailbox,
    id: &str,
) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    let item = find(mailbox, id)?;
    let elapsed = tenant.elapsed();
    match mailbox.well_known("recoverableitemsdeletions") {
        Some(folder) => mailbox.move_item(item, folder, elapsed),
        None => mailbox.purge(item, elapsed),
    };
    Ok(Reply::empty(204))
}

/// `POST …/messages/{id}/attachments`.
pub(crate) fn add_attachment(
    tenant: &Tenant,
    call: &Call,
    mailbox: &mut Mailbox,
    id: &str,
) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    check_room(mailbox)?;
    let item = find(mailbox, id)?;
    let attachment = attachment_from_json(&Value::Object(call.json()?))?;
    if attachment.size() >= UPLOAD_FROM {
        return Err(Failure::new(
            413,
            "ErrorAttachmentSizeLimitExceeded",
            "Attachments of 3 MB and more need an upload session.",
        ));
    }
    let number = attach(tenant, mailbox, item, attachment.clone())?;
    let view = mailbox
        .view(&tenant.world, item)
        .ok_or_else(Failure::not_found)?;
    Ok(Reply::with_status(
        201,
        attachment_json(&view, number, &attachment, &[], true),
    ))
}

/// Adds an attachment to a message that was written over the API.
pub(crate) fn attach(
    tenant: &Tenant,
    mailbox: &mut Mailbox,
    item: u32,
    attachment: Attachment,
) -> Result<u32, Failure> {
    let Some(Origin::Written(written)) = mailbox.overlays.get(&item).map(|one| &one.origin) else {
        return Err(Failure::new(
            403,
            "ErrorAccessDenied",
            "Attachments of received mail cannot be changed.",
        ));
    };
    let mut written = written.as_ref().clone();
    let number = written.push(attachment);
    mailbox.touch(item, tenant.elapsed(), |_, overlay| {
        overlay.origin = Origin::Written(Arc::new(written));
    });
    Ok(number)
}

impl WrittenMail {
    /// Adds an attachment and returns its number.
    pub(crate) fn push(&mut self, attachment: Attachment) -> u32 {
        let number = self.next_attachment;
        self.next_attachment += 1;
        self.meta.size += attachment.size();
        self.attachments.push((number, attachment));
        number
    }
}

/// `POST …/translateExchangeIds`.
pub(crate) fn translate(call: &Call, mailbox: &Mailbox) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    let body = Value::Object(call.json()?);
    let kind = |name: &str| match field(&body, name).as_str() {
        Some("restId") => Ok(IdKind::Ordinary),
        Some("restImmutableEntryId") => Ok(IdKind::Immutable),
        _ => Err(Failure::bad(format!(
            "{name} must be restId or restImmutableEntryId here."
        ))),
    };
    kind("sourceIdType")?;
    let target = kind("targetIdType")?;
    let inputs = field(&body, "inputIds")
        .as_array()
        .filter(|list| !list.is_empty() && list.len() <= 1000)
        .ok_or_else(|| Failure::bad("inputIds must hold 1 to 1000 ids."))?;
    let mut values = Vec::with_capacity(inputs.len());
    for input in inputs {
        let source = input.as_str().unwrap_or_default();
        let mut value = json!({"sourceId": source});
        match find(mailbox, source) {
            Ok(item) => {
                let joined = mailbox.slot(item).map_or(0, |slot| slot.joined);
                let id = match target {
                    IdKind::Immutable => ids::immutable(mailbox.key, item),
                    IdKind::Ordinary => ids::ordinary(mailbox.key, item, joined),
                };
                put(&mut value, "targetId", id);
            }
            Err(failure) => put(
                &mut value,
                "errorDetails",
                json!({"code": failure.code, "message": failure.message}),
            ),
        }
        values.push(value);
    }
    Ok(Reply::json(json!({"value": values})))
}

/// Everything that makes the real service send mail. It is noted, so that tests can demand none.
pub(crate) fn send(tenant: &Tenant, call: &Call, account: &Account, template: &str) -> Reply {
    let body: Value = serde_json::from_slice(&call.body).unwrap_or(Value::Null);
    locked(&tenant.journal).sent.push(SentMail {
        mailbox: account.id.clone(),
        template: template.to_owned(),
        body,
    });
    Reply::empty(202)
}
