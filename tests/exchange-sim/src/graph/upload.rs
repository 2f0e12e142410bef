//! Upload sessions for big attachments.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;

use super::call::Call;
use super::dispatch::{Outcome, fault, pass};
use super::failure::Failure;
use super::json::field;
use super::reply::Reply;
use super::write::{UPLOAD_FROM, attach};
use crate::clock::stamp;
use crate::content::blob::Blob;
use crate::content::mail::Attachment;
use crate::journal::LoggedRequest;
use crate::numbers::{locked, wide};
use crate::store::ids;
use crate::store::mailbox::Mailbox;
use crate::store::users::Account;
use crate::tenant::Tenant;

/// The biggest attachment.
const HIGHEST: u64 = 150 * 1024 * 1024;
/// Slices are smaller than this.
const HIGHEST_SLICE: usize = 4 * 1024 * 1024;
/// How long a session lasts.
const SESSION_SECONDS: i64 = 7_200;
/// Name of slices for faults and the request log.
const TEMPLATE: &str = "/upload";

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    account: Arc<Account>,
    item: u32,
    attachment: Attachment,
    bytes: u64,
    received: u64,
    file: std::fs::File,
    expires: i64,
}

/// Sessions by their secret.
pub(crate) type Sessions = HashMap<String, Session>;

/// `POST …/attachments/createUploadSession`.
pub(crate) fn create(
    tenant: &Tenant,
    call: &Call,
    account: &Arc<Account>,
    mailbox: &Mailbox,
    id: &str,
) -> Result<Reply, Failure> {
    let item = super::messages::find(mailbox, id)?;
    let body = call.json()?;
    let wanted = body
        .get("AttachmentItem")
        .filter(|_| body.len() == 1)
        .ok_or_else(|| Failure::bad("AttachmentItem is needed, and nothing else."))?;
    let known = [
        "@odata.type",
        "attachmentType",
        "name",
        "size",
        "isInline",
        "contentId",
        "contentType",
    ];
    if let Some(name) = wanted
        .as_object()
        .and_then(|map| map.keys().find(|key| !known.contains(&key.as_str())))
    {
        return Err(Failure::bad(format!("Unknown property '{name}'.")));
    }
    if field(wanted, "attachmentType") != "file" {
        return Err(Failure::bad("attachmentType must be file."));
    }
    let name = field(wanted, "name")
        .as_str()
        .filter(|name| !name.is_empty())
        .ok_or_else(|| Failure::bad("The attachment needs a name."))?;
    let bytes = field(wanted, "size")
        .as_u64()
        .ok_or_else(|| Failure::bad("The attachment needs a size."))?;
    if bytes < UPLOAD_FROM {
        return Err(Failure::new(
            400,
            "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize",
            "Attachments below 3 MB are posted directly.",
        ));
    }
    if bytes > HIGHEST {
        return Err(Failure::new(
            413,
            "ErrorAttachmentSizeLimitExceeded",
            "Attachments can have 150 MB at most.",
        ));
    }
    let mut attachment = Attachment::file(
        name,
        field(wanted, "contentType")
            .as_str()
            .unwrap_or("application/octet-stream"),
        Blob::Held(Bytes::new()),
    );
    attachment.is_inline = field(wanted, "isInline").as_bool() == Some(true);
    attachment.content_id = field(wanted, "contentId").as_str().map(str::to_owned);
    let file = tempfile::tempfile()
        .map_err(|cause| Failure::new(500, "ErrorInternalServerError", cause.to_string()))?;
    let number = tenant.next_request();
    let secret = crate::content::draw::guid(&[tenant.world.seed, number, 0x7570_6c6f]);
    let expires = tenant.clock.unix_seconds() + SESSION_SECONDS;
    locked(&tenant.uploads).insert(
        secret.clone(),
        Session {
            account: Arc::clone(account),
            item,
            attachment,
            bytes,
            received: 0,
            file,
            expires,
        },
    );
    Ok(Reply::with_status(
        201,
        json!({
            "@odata.context": format!("{}/v1.0/$metadata#microsoft.graph.uploadSession", tenant.base_url()),
            "uploadUrl": format!(
                "{}/api/gv1.0/users('{}')/messages('{id}')/AttachmentSessions('{number}')?authtoken={secret}",
                tenant.base_url(),
                account.id
            ),
            "expirationDateTime": stamp(expires),
            "nextExpectedRanges": ["0-"],
        }),
    ))
}

/// Answers a call on an upload address.
pub(crate) async fn handle(tenant: &Arc<Tenant>, call: &Call) -> Outcome {
    let secret = call
        .query
        .iter()
        .find(|(name, _)| name == "authtoken")
        .map(|(_, value)| value.clone())
        .unwrap_or_default();
    let account = locked(&tenant.uploads)
        .get(&secret)
        .map(|session| Arc::clone(&session.account));
    let (reply, damage) = match attempt(tenant, call, &secret, account.as_ref()).await {
        Ok(answer) => answer,
        Err(failure) => (
            Reply::failure(failure, tenant.clock.unix_seconds(), tenant.next_request()),
            None,
        ),
    };
    locked(&tenant.journal).note(LoggedRequest {
        unix_millis: tenant.clock.unix_millis(),
        method: call.method.clone(),
        template: TEMPLATE.to_owned(),
        mailbox: account.map(|account| account.id.clone()),
        status: reply.status,
        in_batch: false,
    });
    Outcome {
        reply,
        damage,
        pass: None,
    }
}

async fn attempt(
    tenant: &Arc<Tenant>,
    call: &Call,
    secret: &str,
    account: Option<&Arc<Account>>,
) -> Result<(Reply, Option<crate::faults::FaultKind>), Failure> {
    if call.header("authorization").is_some() {
        return Err(Failure::new(
            401,
            "InvalidAudience",
            "Upload addresses take no Authorization header.",
        ));
    }
    let gone = || {
        Failure::new(
            404,
            "UploadSessionNotFound",
            "The upload session is unknown, finished or expired.",
        )
    };
    let account = account.ok_or_else(gone)?;
    let _pass = pass(tenant, call, account)?;
    let names = (
        account.id.as_str(),
        account.mail.as_deref().unwrap_or_default(),
    );
    let damage = fault(tenant, &format!("{} {TEMPLATE}", call.method), Some(names)).await?;
    let mut sessions = locked(&tenant.uploads);
    let now = tenant.clock.unix_seconds();
    sessions.retain(|_, session| session.expires > now);
    let session = sessions.get_mut(secret).ok_or_else(gone)?;
    let reply = match call.method.as_str() {
        "GET" => progress(session),
        "DELETE" => {
            sessions.remove(secret);
            Reply::empty(204)
        }
        "PUT" => {
            take_slice(call, session)?;
            if session.received < session.bytes {
                progress(session)
            } else {
                let session = sessions.remove(secret).ok_or_else(gone)?;
                finish(tenant, session)?
            }
        }
        _ => return Err(Failure::method()),
    };
    Ok((reply, damage))
}

fn progress(session: &Session) -> Reply {
    Reply::json(json!({
        "expirationDateTime": stamp(session.expires),
        "nextExpectedRanges": [session.received.to_string()],
    }))
}

fn take_slice(call: &Call, session: &mut Session) -> Result<(), Failure> {
    let wrong = |message: String| Failure::new(400, "ErrorInvalidContentRange", message);
    let range = call
        .header("content-range")
        .and_then(parse_range)
        .ok_or_else(|| wrong("Content-Range must be bytes a-b/total.".to_owned()))?;
    let (first, last, total) = range;
    if total != session.bytes {
        return Err(wrong(format!("The total must be {}.", session.bytes)));
    }
    if call.body.is_empty()
        || last.checked_sub(first).map(|length| length + 1) != Some(wide(call.body.len()))
    {
        return Err(wrong(
            "The range does not fit the length of the body.".to_owned(),
        ));
    }
    if call.body.len() >= HIGHEST_SLICE {
        return Err(Failure::new(
            413,
            "ErrorMessageSizeExceeded",
            "A slice must be smaller than 4 MB.",
        ));
    }
    if first != session.received || last >= total {
        return Err(Failure::new(
            416,
            "ErrorInvalidContentRange",
            format!("The next expected range starts at {}.", session.received),
        ));
    }
    session
        .file
        .write_all(&call.body)
        .map_err(|cause| Failure::new(500, "ErrorInternalServerError", cause.to_string()))?;
    session.received += wide(call.body.len());
    Ok(())
}

fn parse_range(text: &str) -> Option<(u64, u64, u64)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?, total.parse().ok()?))
}

fn finish(tenant: &Tenant, session: Session) -> Result<Reply, Failure> {
    let mut attachment = session.attachment;
    let blob = Blob::Spooled(Arc::new(session.file), session.bytes);
    attachment.content = vec![crate::content::segment::Segment::Plain(blob)];
    let mailbox = session
        .account
        .mailbox
        .as_ref()
        .ok_or_else(Failure::not_found)?;
    let mut mailbox = locked(mailbox);
    let number = attach(tenant, &mut mailbox, session.item, attachment)?;
    let view = mailbox
        .view(&tenant.world, session.item)
        .ok_or_else(Failure::not_found)?;
    let id = super::attachments::attachment_id(&view, number);
    let message = ids::immutable(mailbox.key, session.item);
    Ok(Reply {
        status: 201,
        headers: vec![(
            "Location".to_owned(),
            format!(
                "{}/api/v2.0/Users('{}')/Messages('{message}')/Attachments('{id}')",
                tenant.base_url(),
                session.account.id
            ),
        )],
        content: super::reply::Content::Empty,
    })
}
