//! The same over HTTP, as JSON: `GET /_admin/{question}?…` and `POST /_admin/{command}`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Admin, AdminError};
use crate::content::segment::Segment;
use crate::ews::autodiscover::Redirect;
use crate::ews::options::{Dialect, Logins, ServiceRights};
use crate::faults::{Fault, TokenLoss};
use crate::graph::failure::Failure;
use crate::graph::gate::Limits;
use crate::graph::reply::{Content, Reply};
use crate::numbers::locked;
use crate::store::mailbox::Anomalies;
use crate::store::users::MailboxState;
use crate::tenant::Tenant;

/// Commands; the name is the last part of the path, the fields are the body.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Command {
    Advance {
        seconds: u64,
    },
    AddMail {
        mailbox: String,
        folder: String,
    },
    AddRawMail {
        mailbox: String,
        folder: String,
        base64: String,
    },
    AddGiantMail {
        mailbox: String,
        folder: String,
        bytes: u64,
    },
    EditBody {
        mailbox: String,
        item: String,
    },
    SetRead {
        mailbox: String,
        item: String,
        is_read: bool,
    },
    SetFlag {
        mailbox: String,
        item: String,
        is_flagged: bool,
    },
    SetCategories {
        mailbox: String,
        item: String,
        categories: Vec<String>,
    },
    MoveMail {
        mailbox: String,
        item: String,
        folder: String,
    },
    DeleteMail {
        mailbox: String,
        item: String,
    },
    SoftDeleteMail {
        mailbox: String,
        item: String,
    },
    CreateFolder {
        mailbox: String,
        parent: String,
        name: String,
    },
    RenameFolder {
        mailbox: String,
        folder: String,
        name: String,
    },
    MoveFolder {
        mailbox: String,
        folder: String,
        parent: String,
    },
    DeleteFolder {
        mailbox: String,
        folder: String,
    },
    NewMailbox {
        items: u32,
    },
    RemoveMailbox {
        mailbox: String,
    },
    SetMailboxState {
        mailbox: String,
        state: MailboxState,
    },
    SetFull {
        mailbox: String,
        is_full: bool,
    },
    SetAnomalies {
        mailbox: String,
        anomalies: Anomalies,
    },
    SetLimits {
        limits: Limits,
    },
    Evolve {
        percent: u32,
    },
    Inject {
        fault: Fault,
    },
    ClearFaults {},
    SetRandomFaults {
        permille: u64,
    },
    ExpireDeltaTokens {
        mailbox: String,
        folder: Option<String>,
        #[serde(default)]
        answer: TokenLoss,
    },
    CorruptItem {
        mailbox: String,
        item: String,
    },
    BreakMime {
        mailbox: String,
        item: String,
    },
    FailItemForNow {
        mailbox: String,
        item: String,
        times: u32,
    },
    HealItem {
        mailbox: String,
        item: String,
    },
    RevokeTokens {},
    ExpireSecret {
        is_expired: bool,
    },
    RefuseLogins {
        aadsts: Option<u32>,
    },
    SetRoles {
        roles: Vec<String>,
    },
    SetTokenLifetime {
        seconds: u32,
    },
    RegisterCertificate {
        base64: String,
    },
    ResetCounters {},
    SetDialect {
        dialect: Dialect,
    },
    SetServiceRights {
        rights: ServiceRights,
    },
    SetLogins {
        logins: Logins,
    },
    RedirectAutodiscover {
        redirect: Redirect,
    },
    AddPublicFolder {
        parent: String,
        name: String,
        class: String,
        #[serde(default)]
        content_mailbox: u32,
    },
    DenyPublicFolder {
        folder: String,
        is_denied: bool,
    },
    MovePublicContent {
        folder: String,
        content_mailbox: u32,
    },
    AddSample {
        mailbox: String,
        folder: String,
        like: String,
    },
}

/// Answers `/_admin/{name}`.
pub(crate) fn answer(
    tenant: &Arc<Tenant>,
    method: &http::Method,
    name: &str,
    query: &str,
    body: &Bytes,
) -> Reply {
    let admin = Admin::new(Arc::clone(tenant));
    let result = if method == http::Method::GET {
        question(tenant, &admin, name, query)
    } else {
        command(&admin, name, body)
    };
    result.unwrap_or_else(|failure| {
        Reply::failure(failure, tenant.clock.unix_seconds(), tenant.next_request())
    })
}

fn refused(error: &AdminError) -> Failure {
    Failure::new(404, "AdminError", error.to_string())
}

fn question(tenant: &Tenant, admin: &Admin, name: &str, query: &str) -> Result<Reply, Failure> {
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let field = |wanted: &str| {
        fields
            .iter()
            .find(|(key, _)| key == wanted)
            .map(|(_, value)| value.as_str())
            .unwrap_or_default()
    };
    let (mailbox, item) = (field("mailbox"), field("item"));
    let asked = |value: Result<Value, AdminError>| value.map_err(|error| refused(&error));
    let value = match name {
        "connection" => {
            let registration = locked(&tenant.registration);
            json!({
                "base_url": tenant.base_url(),
                "tenant_id": tenant.tenant_id,
                "client_id": registration.client_id,
                "client_secret": registration.client_secret,
            })
        }
        "clock" => json!({"unix_millis": tenant.clock.unix_millis()}),
        "mailboxes" => json!(admin.mailboxes()),
        "folders" => asked(admin.folders(mailbox).map(|all| json!(all)))?,
        "items" => asked(admin.items(mailbox).map(|all| json!(all)))?,
        "attachments" => asked(admin.attachments(mailbox, item).map(|all| json!(all)))?,
        "raw_hash" => asked(admin.raw_hash(mailbox, item).map(|hash| json!(hash)))?,
        "raw" => {
            let bytes = admin.raw(mailbox, item).map_err(|error| refused(&error))?;
            return Ok(Reply {
                status: 200,
                headers: Vec::new(),
                content: Content::Stream(
                    vec![Segment::Text(Bytes::from(bytes))],
                    "message/rfc822".to_owned(),
                ),
            });
        }
        "requests" => json!(admin.requests()),
        "counters" => json!({
            "http_requests": admin.http_requests(),
            "by_operation": admin.counters(),
        }),
        "highest_concurrency" => {
            asked(admin.highest_concurrency(mailbox).map(|count| json!(count)))?
        }
        "sent" => json!(admin.sent()),
        "login" => asked(
            admin
                .login(mailbox)
                .map(|(user, password)| json!({"user": user, "password": password})),
        )?,
        "strain" => asked(admin.exchange_strain().map(|strain| json!(strain)))?,
        _ => {
            return Err(Failure::new(
                404,
                "NoSuchQuestion",
                "There is no such question.",
            ));
        }
    };
    Ok(Reply::json(value))
}

fn command(admin: &Admin, name: &str, body: &Bytes) -> Result<Reply, Failure> {
    let wrong = |cause: serde_json::Error| Failure::new(400, "BadCommand", cause.to_string());
    let mut map: Map<String, Value> = if body.is_empty() {
        Map::new()
    } else {
        serde_json::from_slice(body).map_err(wrong)?
    };
    map.insert("do".to_owned(), json!(name));
    let command = serde_json::from_value(Value::Object(map)).map_err(wrong)?;
    run(admin, command)
        .map(Reply::json)
        .map_err(|error| refused(&error))
}

fn bytes_of(base64: &str) -> Result<Vec<u8>, AdminError> {
    base64_simd::STANDARD
        .decode_to_vec(base64.as_bytes())
        .map_err(|_| AdminError::Refused("the bytes are not base64".to_owned()))
}

fn run(admin: &Admin, command: Command) -> Result<Value, AdminError> {
    let done = json!({});
    match command {
        Command::Advance { seconds } => admin.advance(Duration::from_secs(seconds)),
        Command::AddMail { mailbox, folder } => {
            return admin
                .add_mail(&mailbox, &folder)
                .map(|id| json!({"id": id}));
        }
        Command::AddRawMail {
            mailbox,
            folder,
            base64,
        } => {
            let bytes = bytes_of(&base64)?;
            return admin
                .add_raw_mail(&mailbox, &folder, &bytes)
                .map(|id| json!({"id": id}));
        }
        Command::AddGiantMail {
            mailbox,
            folder,
            bytes,
        } => {
            return admin
                .add_giant_mail(&mailbox, &folder, bytes)
                .map(|id| json!({"id": id}));
        }
        Command::CreateFolder {
            mailbox,
            parent,
            name,
        } => {
            return admin
                .create_folder(&mailbox, &parent, &name)
                .map(|id| json!({"id": id}));
        }
        Command::AddPublicFolder {
            parent,
            name,
            class,
            content_mailbox,
        } => {
            return admin
                .add_public_folder(&parent, &name, &class, content_mailbox)
                .map(|id| json!({"id": id}));
        }
        Command::AddSample {
            mailbox,
            folder,
            like,
        } => {
            return admin
                .add_sample(&mailbox, &folder, &like)
                .map(|id| json!({"id": id}));
        }
        Command::DenyPublicFolder { folder, is_denied } => {
            admin.deny_public_folder(&folder, is_denied)?;
        }
        Command::MovePublicContent {
            folder,
            content_mailbox,
        } => admin.move_public_content(&folder, content_mailbox)?,
        Command::NewMailbox { items } => return Ok(json!({"id": admin.new_mailbox(items)})),
        Command::Evolve { percent } => return Ok(json!(admin.evolve(percent))),
        Command::EditBody { mailbox, item } => admin.edit_body(&mailbox, &item)?,
        Command::SetRead {
            mailbox,
            item,
            is_read,
        } => admin.set_read(&mailbox, &item, is_read)?,
        Command::SetFlag {
            mailbox,
            item,
            is_flagged,
        } => admin.set_flag(&mailbox, &item, is_flagged)?,
        Command::SetCategories {
            mailbox,
            item,
            categories,
        } => {
            let names: Vec<&str> = categories.iter().map(String::as_str).collect();
            admin.set_categories(&mailbox, &item, &names)?;
        }
        Command::MoveMail {
            mailbox,
            item,
            folder,
        } => admin.move_mail(&mailbox, &item, &folder)?,
        Command::DeleteMail { mailbox, item } => admin.delete_mail(&mailbox, &item)?,
        Command::SoftDeleteMail { mailbox, item } => admin.soft_delete_mail(&mailbox, &item)?,
        Command::RenameFolder {
            mailbox,
            folder,
            name,
        } => admin.rename_folder(&mailbox, &folder, &name)?,
        Command::MoveFolder {
            mailbox,
            folder,
            parent,
        } => admin.move_folder(&mailbox, &folder, &parent)?,
        Command::DeleteFolder { mailbox, folder } => admin.delete_folder(&mailbox, &folder)?,
        Command::RemoveMailbox { mailbox } => admin.remove_mailbox(&mailbox)?,
        Command::SetMailboxState { mailbox, state } => admin.set_mailbox_state(&mailbox, state)?,
        Command::SetFull { mailbox, is_full } => admin.set_full(&mailbox, is_full)?,
        Command::SetAnomalies { mailbox, anomalies } => admin.set_anomalies(&mailbox, anomalies)?,
        other => return run_fault(admin, other),
    }
    Ok(done)
}

fn run_fault(admin: &Admin, command: Command) -> Result<Value, AdminError> {
    match command {
        Command::SetLimits { limits } => admin.set_limits(limits),
        Command::Inject { fault } => admin.inject(fault),
        Command::ClearFaults {} => admin.clear_faults(),
        Command::SetRandomFaults { permille } => admin.set_random_faults(permille),
        Command::ExpireDeltaTokens {
            mailbox,
            folder,
            answer,
        } => admin.expire_delta_tokens(&mailbox, folder.as_deref(), answer)?,
        Command::CorruptItem { mailbox, item } => admin.corrupt_item(&mailbox, &item)?,
        Command::BreakMime { mailbox, item } => admin.break_mime(&mailbox, &item)?,
        Command::FailItemForNow {
            mailbox,
            item,
            times,
        } => admin.fail_item_for_now(&mailbox, &item, times)?,
        Command::HealItem { mailbox, item } => admin.heal_item(&mailbox, &item)?,
        Command::RevokeTokens {} => admin.revoke_tokens(),
        Command::ExpireSecret { is_expired } => admin.expire_secret(is_expired),
        Command::RefuseLogins { aadsts } => admin.refuse_logins(aadsts),
        Command::SetRoles { roles } => {
            let names: Vec<&str> = roles.iter().map(String::as_str).collect();
            admin.set_roles(&names);
        }
        Command::SetTokenLifetime { seconds } => admin.set_token_lifetime(seconds),
        Command::RegisterCertificate { base64 } => admin.register_certificate(&bytes_of(&base64)?),
        Command::ResetCounters {} => admin.reset_counters(),
        Command::SetDialect { dialect } => admin.set_dialect(dialect)?,
        Command::SetServiceRights { rights } => admin.set_service_rights(rights)?,
        Command::SetLogins { logins } => admin.set_logins(logins)?,
        Command::RedirectAutodiscover { redirect } => admin.redirect_autodiscover(redirect)?,
        _ => return Err(AdminError::Refused("no such command".to_owned())),
    }
    Ok(json!({}))
}
