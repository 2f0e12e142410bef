//! From a request to its answer: authorization, limits, faults, operation.

use std::sync::Arc;
use std::time::Duration;

use super::call::Call;
use super::failure::Failure;
use super::gate::{Pass, Refusal, enter};
use super::organizer::{operation, shelf::Shelf};
use super::reply::Reply;
use super::route::{Op, Route, route};
use super::{attachments, batch, delta, folders, groups, login, messages, upload, users, write};
use crate::faults::FaultKind;
use crate::journal::LoggedRequest;
use crate::numbers::{locked, wide};
use crate::store::folders::ROOT;
use crate::store::mailbox::Mailbox;
use crate::store::users::{Account, MailboxState};
use crate::tenant::Tenant;

/// What is held while a call goes on.
pub(crate) type Guard = Box<dyn std::any::Any + Send + Sync>;

/// An answer with what has to happen to it on its way out.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) reply: Reply,
    /// A fault that damages the answer.
    pub(crate) damage: Option<FaultKind>,
    /// Held until the last byte is handed over.
    pub(crate) pass: Option<Guard>,
}

/// Answers one request from outside.
pub(crate) async fn handle(tenant: &Arc<Tenant>, call: Call) -> Outcome {
    if call.segments.first().map(String::as_str) == Some("$batch") {
        let result = match login::check_token(tenant, call.header("authorization")) {
            Ok(_) => batch_call(tenant, &call).await,
            Err(failure) => Err(failure),
        };
        let request = tenant.next_request();
        let (reply, damage) = match result {
            Ok((reply, damage)) => (reply, damage),
            Err(failure) => (
                Reply::failure(failure, tenant.clock.unix_seconds(), request),
                None,
            ),
        };
        note(tenant, &call, "/$batch", None, reply.status);
        return Outcome {
            reply,
            damage,
            pass: None,
        };
    }
    one(tenant, &call).await
}

async fn batch_call(
    tenant: &Arc<Tenant>,
    call: &Call,
) -> Result<(Reply, Option<FaultKind>), Failure> {
    let damage = fault(tenant, "POST /$batch", None).await?;
    batch::run(tenant, call).await.map(|reply| (reply, damage))
}

/// Answers a member of a batch.
pub(crate) async fn member(tenant: &Arc<Tenant>, call: Call) -> Reply {
    one(tenant, &call).await.reply
}

async fn one(tenant: &Arc<Tenant>, call: &Call) -> Outcome {
    let mut template = "unknown".to_owned();
    let mut account = None;
    let mut outcome = match attempt(tenant, call, &mut template, &mut account).await {
        Ok(outcome) => outcome,
        Err(failure) => Outcome {
            reply: Reply::failure(failure, tenant.clock.unix_seconds(), tenant.next_request()),
            damage: None,
            pass: None,
        },
    };
    if !matches!(outcome.reply.content, super::reply::Content::Stream(..)) {
        outcome.pass = None;
    }
    note(
        tenant,
        call,
        &template,
        account.as_deref(),
        outcome.reply.status,
    );
    outcome
}

fn note(tenant: &Tenant, call: &Call, template: &str, account: Option<&Account>, status: u16) {
    locked(&tenant.journal).note(LoggedRequest {
        unix_millis: tenant.clock.unix_millis(),
        method: call.method.clone(),
        template: template.to_owned(),
        mailbox: account.map(|account| account.id.clone()),
        status,
        in_batch: call.is_member,
    });
}

async fn attempt(
    tenant: &Arc<Tenant>,
    call: &Call,
    template: &mut String,
    found: &mut Option<Arc<Account>>,
) -> Result<Outcome, Failure> {
    let roles = login::check_token(tenant, call.header("authorization"))?;
    let route = route(call)?;
    template.clone_from(&route.template);
    let account = match &route.user {
        Some(text) => Some(tenant.account(text).ok_or_else(|| {
            Failure::new(
                404,
                "Request_ResourceNotFound",
                "Resource does not exist or one of its queried reference-property objects are not present.",
            )
        })?),
        None => None,
    };
    found.clone_from(&account);
    let names = account.as_ref().map(|account| {
        (
            account.id.as_str(),
            account.mail.as_deref().unwrap_or_default(),
        )
    });
    let needs_gate = !matches!(route.op, Op::ListUsers | Op::GetUser);
    let pass = match &account {
        Some(account) if needs_gate => Some(pass(tenant, call, account)?),
        _ => None,
    };
    let name = format!("{} {}", call.method, route.template);
    let damage = fault(tenant, &name, names).await?;
    check_roles(route.op, &roles)?;
    let reply = match &account {
        None => in_directory(tenant, call, &route)?,
        Some(account) => in_account(tenant, call, &route, account)?,
    };
    Ok(Outcome {
        reply,
        damage,
        pass: pass.map(|pass| -> Guard { Box::new(pass) }),
    })
}

pub(crate) fn pass(tenant: &Tenant, call: &Call, account: &Arc<Account>) -> Result<Pass, Failure> {
    let limits = *locked(&tenant.limits);
    let upload = match call.method.as_str() {
        "GET" | "DELETE" => 0,
        _ => wide(call.body.len()),
    };
    enter(account, tenant.clock.unix_millis(), upload, &limits).map_err(|refusal| {
        let throttled = |text: &str| Failure::new(429, "ApplicationThrottled", text);
        match refusal {
            Refusal::AtOnce => throttled("Application is over its MailboxConcurrency limit."),
            Refusal::Calls(seconds) => throttled("Application is over its request limit.")
                .header("Retry-After", seconds.to_string()),
            Refusal::Bytes(seconds) => throttled("Application is over its IncomingBytes limit.")
                .header("Retry-After", seconds.to_string()),
        }
    })
}

/// Applies waiting and random faults; gives back those that damage the answer.
pub(crate) async fn fault(
    tenant: &Tenant,
    name: &str,
    account: Option<(&str, &str)>,
) -> Result<Option<FaultKind>, Failure> {
    let kind = {
        let mut faults = locked(&tenant.faults);
        match faults.take(name, account) {
            Some(kind) => Some(kind),
            None => faults.random(tenant.world.seed, tenant.next_request()),
        }
    };
    let Some(kind) = kind else {
        return Ok(None);
    };
    if let FaultKind::Slow { millis } = kind {
        #[expect(
            clippy::disallowed_methods,
            reason = "a slow answer has to be slow for the client's real clock"
        )]
        tokio::time::sleep(Duration::from_millis(millis)).await;
        return Ok(None);
    }
    match kind.refusal(tenant.clock.unix_millis()) {
        Some(failure) => Err(failure),
        None => Ok(Some(kind)),
    }
}

fn check_roles(op: Op, roles: &[String]) -> Result<(), Failure> {
    if op
        .roles()
        .iter()
        .any(|wanted| roles.iter().any(|role| role == wanted))
    {
        return Ok(());
    }
    Err(match op {
        Op::ListUsers | Op::GetUser | Op::ListGroups | Op::GetGroup | Op::GroupMembers => {
            Failure::new(
                403,
                "Authorization_RequestDenied",
                "Insufficient privileges to complete the operation.",
            )
        }
        _ => Failure::new(
            403,
            "ErrorAccessDenied",
            "Access is denied. Check credentials and try again.",
        ),
    })
}

fn in_directory(tenant: &Tenant, call: &Call, route: &Route) -> Result<Reply, Failure> {
    let group = route.group.as_deref().unwrap_or_default();
    match route.op {
        Op::ListGroups => groups::list(tenant, call),
        Op::GetGroup => groups::get(tenant, call, group),
        Op::GroupMembers => groups::members(tenant, call, group),
        _ => users::list(tenant, call),
    }
}

fn in_account(
    tenant: &Tenant,
    call: &Call,
    route: &Route,
    account: &Arc<Account>,
) -> Result<Reply, Failure> {
    if route.op == Op::GetUser {
        return users::get(call, account);
    }
    let not_enabled = || {
        Failure::new(
            404,
            "MailboxNotEnabledForRESTAPI",
            "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
        )
    };
    match account.state() {
        MailboxState::Available => {}
        MailboxState::Denied => {
            return Err(Failure::new(
                403,
                "ErrorAccessDenied",
                "Access to OData is disabled.",
            ));
        }
        MailboxState::Moving => {
            return Err(Failure::new(
                503,
                "ErrorMailboxMoveInProgress",
                "Mailbox move in progress. Try again later.",
            ));
        }
        MailboxState::NotEnabled => return Err(not_enabled()),
    }
    let mailbox = account.mailbox.as_ref().ok_or_else(not_enabled)?;
    match route.op {
        Op::Settings => return users::settings(call, account),
        Op::UserPurpose => return users::purpose(call, account),
        Op::Send => return Ok(write::send(tenant, call, account, &route.template)),
        _ => {}
    }
    let mut mailbox = locked(mailbox);
    in_mailbox(tenant, call, route, account, &mut mailbox)
}

fn in_mailbox(
    tenant: &Tenant,
    call: &Call,
    route: &Route,
    account: &Arc<Account>,
    mailbox: &mut Mailbox,
) -> Result<Reply, Failure> {
    if let Op::Organizer(operation) = route.op {
        return operation::run(operation, tenant, call, route, account, mailbox);
    }
    let number = account.number;
    let names = (number, account.id.as_str());
    let folder = match &route.folder {
        Some(text) => Some(mail_folder(mailbox, text).ok_or_else(|| {
            if route.op == Op::MessageDelta {
                Failure::new(
                    404,
                    "ErrorSyncFolderNotFound",
                    "The specified sync folder could not be found.",
                )
            } else {
                Failure::not_found()
            }
        })?),
        None => None,
    };
    let message = route.message.as_deref().unwrap_or_default();
    let attachment = route.attachment.as_deref().unwrap_or_default();
    if let (Some(folder), Some(id)) = (folder, &route.message) {
        let item = messages::find(mailbox, id)?;
        if mailbox.slot(item).is_none_or(|slot| slot.folder != folder) {
            return Err(Failure::not_found());
        }
    }
    match route.op {
        Op::ListFolders => folders::list(tenant, call, mailbox, ROOT),
        Op::FolderDelta => delta::folder_tree(tenant, call, mailbox, names),
        Op::GetFolder => folders::get(call, mailbox, folder.unwrap_or(ROOT)),
        Op::ListChildren => folders::list(tenant, call, mailbox, folder.unwrap_or(ROOT)),
        Op::CreateFolder | Op::CreateChild => {
            folders::create(call, mailbox, folder.unwrap_or(ROOT))
        }
        Op::ListMessages => messages::list(tenant, call, mailbox, number, folder),
        Op::MessageDelta => delta::messages(tenant, call, mailbox, names, folder.unwrap_or(ROOT)),
        Op::GetMessage => messages::get(tenant, call, mailbox, number, message),
        Op::MessageMime => messages::mime(tenant, call, mailbox, number, message),
        Op::ListAttachments => {
            let view = messages::view(tenant, mailbox, message)?;
            attachments::list(call, &view, &tenant.world)
        }
        Op::GetAttachment => {
            let view = messages::view(tenant, mailbox, message)?;
            attachments::get(call, &view, &tenant.world, attachment)
        }
        Op::AttachmentValue => {
            let view = messages::view(tenant, mailbox, message)?;
            attachments::value(call, &view, &tenant.world, attachment)
        }
        Op::CreateMessage => write::create(tenant, call, mailbox, folder),
        Op::UpdateMessage => write::update(tenant, call, mailbox, message),
        Op::DeleteMessage => write::delete(tenant, call, mailbox, message),
        Op::MoveMessage => write::move_message(tenant, call, mailbox, message),
        Op::AddAttachment => write::add_attachment(tenant, call, mailbox, message),
        Op::CreateUpload => upload::create(tenant, call, account, mailbox, message),
        Op::Translate => write::translate(call, mailbox),
        Op::ListUsers
        | Op::GetUser
        | Op::ListGroups
        | Op::GetGroup
        | Op::GroupMembers
        | Op::Settings
        | Op::UserPurpose
        | Op::Send
        | Op::Organizer(_)
        | Op::MimeInFolder => Err(Failure::method()),
    }
}

/// A folder that is neither of contacts nor of events nor of tasks.
fn mail_folder(mailbox: &Mailbox, text: &str) -> Option<u32> {
    let number = mailbox.find_folder(text)?;
    let class = &mailbox.folder(number)?.class;
    (Shelf::of_class(class) == Shelf::Mail).then_some(number)
}
