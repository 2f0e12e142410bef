//! Change feeds of folders and of the folder tree.

use serde_json::{Value, json};

use super::call::Call;
use super::cursor::{DeltaToken, open, seal};
use super::failure::Failure;
use super::folders;
use super::json::put;
use super::odata;
use super::render::{self, Style, item_id, message_json};
use super::reply::Reply;
use crate::store::changes::{Feed, Place};
use crate::store::folders::ROOT;
use crate::store::ids::IdKind;
use crate::store::mailbox::Mailbox;
use crate::tenant::Tenant;

/// The highest page size of message feeds.
const HIGHEST_PAGE: usize = 500;

/// `GET …/mailFolders/{id}/messages/delta`.
pub(crate) fn messages(
    tenant: &Tenant,
    call: &Call,
    mailbox: &Mailbox,
    account: (u32, &str),
    folder: u32,
) -> Result<Reply, Failure> {
    let page_size = call.page_size(10, HIGHEST_PAGE)?;
    let (mut token, is_new) = match resumed(tenant, call, mailbox, account.0, Some(folder))? {
        Some(token) => (token, false),
        None => (first_token(call, mailbox, account.0, folder)?, true),
    };
    if token.is_end {
        let next = mailbox.next_place(token.until);
        token.since = next.since;
        token.until = next.until;
        token.position = next.position;
        token.is_end = false;
    }
    let style = Style {
        ids: token.ids(),
        select: token.select.clone(),
        expand: odata::Expand {
            properties: token.properties.clone(),
            ..odata::Expand::default()
        },
        text_bodies: call.preference("outlook.body-content-type").as_deref() == Some("text"),
    };
    let anomalies = mailbox.anomalies.repeats_and_empty_pages;
    let is_empty_page = anomalies && token.page % 3 == 1;
    let limit = if is_empty_page { 0 } else { page_size };
    let (mut lines, next) = if is_empty_page {
        (Vec::new(), Some(token.place()))
    } else {
        mailbox.feed(folder, token.place(), limit)
    };
    if anomalies && let Some(first) = lines.first().copied() {
        lines.push(first);
    }
    let mut values = Vec::with_capacity(lines.len());
    for line in lines {
        if let Some(value) = line_json(tenant, mailbox, line, &style, &token, account.0)? {
            values.push(value);
        }
    }
    token.page += 1;
    let folder_id = mailbox
        .folder(folder)
        .map_or("", |folder| folder.id.as_str());
    let base = format!(
        "{}/v1.0/users('{}')/mailFolders('{folder_id}')/messages/delta",
        tenant.base_url(),
        account.1
    );
    let mut reply = Reply::json(page_json(tenant, &base, "message", values, token, next));
    if call.preference("odata.maxpagesize").is_some() {
        reply = reply.header(
            "Preference-Applied",
            format!("odata.maxpagesize={page_size}"),
        );
    }
    let _ = is_new;
    Ok(reply)
}

fn first_token(
    call: &Call,
    mailbox: &Mailbox,
    account: u32,
    folder: u32,
) -> Result<DeltaToken, Failure> {
    if call.query.iter().any(|(name, _)| name == "$top") {
        return Err(Failure::invalid(
            "$top is refused here: it caps the total. Use Prefer: odata.maxpagesize.",
        ));
    }
    let options = odata::options(
        call,
        &["$select", "$expand", "changeType"],
        render::FIELDS,
        0,
    )?;
    if options.expand.attachments.is_some() {
        return Err(Failure::invalid("Attachments cannot be expanded here."));
    }
    let change_type = call
        .query
        .iter()
        .find(|(name, _)| name == "changeType")
        .map(|(_, value)| value.clone());
    if let Some(kind) = &change_type
        && !["created", "updated", "deleted"].contains(&kind.as_str())
    {
        return Err(Failure::invalid("Invalid changeType."));
    }
    let place = mailbox.first_place();
    Ok(DeltaToken {
        account,
        folder: Some(folder),
        since: place.since,
        until: place.until,
        position: place.position,
        is_end: false,
        select: options.select,
        properties: options.expand.properties,
        change_type,
        is_immutable: call.id_kind() == IdKind::Immutable,
        epochs: epochs(mailbox, Some(folder)),
        page: 0,
    })
}

pub(crate) fn epochs(mailbox: &Mailbox, folder: Option<u32>) -> (u32, u32) {
    let own = folder
        .and_then(|number| mailbox.folder(number))
        .map_or(0, |folder| folder.token_epoch);
    (mailbox.token_epoch, own)
}

/// The token in a link, checked.
pub(crate) fn resumed(
    tenant: &Tenant,
    call: &Call,
    mailbox: &Mailbox,
    account: u32,
    folder: Option<u32>,
) -> Result<Option<DeltaToken>, Failure> {
    let Some((name, text)) = call
        .query
        .iter()
        .find(|(name, _)| name == "$skiptoken" || name == "$deltatoken")
    else {
        return Ok(None);
    };
    if call.query.len() > 1 {
        return Err(Failure::invalid(
            "Parameters are part of the token and must not be given again.",
        ));
    }
    let invalid = || {
        Failure::new(
            400,
            "SyncStateInvalid",
            "The sync state generation is invalid.",
        )
    };
    let token: DeltaToken = open(&tenant.key, text).ok_or_else(invalid)?;
    if token.account != account
        || token.folder != folder
        || token.is_end != (name == "$deltatoken")
        || folder.is_some() && token.ids() != call.id_kind()
    {
        return Err(invalid());
    }
    if token.epochs != epochs(mailbox, folder) {
        return Err(tenant.token_loss(call));
    }
    Ok(Some(token))
}

fn line_json(
    tenant: &Tenant,
    mailbox: &Mailbox,
    line: Feed,
    style: &Style,
    token: &DeltaToken,
    account: u32,
) -> Result<Option<Value>, Failure> {
    let wants = |kind: &str| {
        token
            .change_type
            .as_deref()
            .is_none_or(|wanted| wanted == kind)
    };
    match line {
        Feed::Removed(item, joined) => Ok(wants("deleted").then(|| {
            json!({
                "@odata.type": "#microsoft.graph.message",
                "id": item_id(mailbox, item, joined, style.ids),
                "@removed": {"reason": "deleted"},
            })
        })),
        Feed::Present(item) => {
            let Some(view) = mailbox.view(&tenant.world, item) else {
                return Ok(None);
            };
            if !style.is_light() {
                tenant.check_page_item(account, item)?;
            }
            let is_new = token.since == 0 || view.slot.joined > token.since;
            if token.since > 0 && !wants(if is_new { "created" } else { "updated" }) {
                return Ok(None);
            }
            let mut value = message_json(mailbox, &view, &tenant.world, style);
            if let Some(map) = value.as_object_mut() {
                map.insert("@odata.type".into(), json!("#microsoft.graph.message"));
                if !is_new && mailbox.anomalies.partial_updates {
                    for name in ["subject", "receivedDateTime", "from", "toRecipients"] {
                        map.remove(name);
                    }
                }
            }
            Ok(Some(value))
        }
    }
}

pub(crate) fn page_json(
    tenant: &Tenant,
    base: &str,
    kind: &str,
    values: Vec<Value>,
    mut token: DeltaToken,
    next: Option<Place>,
) -> Value {
    let mut page = json!({
        "@odata.context": format!("{}/v1.0/$metadata#Collection({kind})", tenant.base_url()),
    });
    if let Some(place) = next {
        token.position = place.position;
        put(
            &mut page,
            "@odata.nextLink",
            json!(format!("{base}?$skiptoken={}", seal(&tenant.key, &token))),
        );
    } else {
        token.is_end = true;
        token.page = 0;
        put(
            &mut page,
            "@odata.deltaLink",
            json!(format!("{base}?$deltatoken={}", seal(&tenant.key, &token))),
        );
    }
    put(&mut page, "value", values);
    page
}

/// `GET …/mailFolders/delta`: the visible tree without its root.
pub(crate) fn folder_tree(
    tenant: &Tenant,
    call: &Call,
    mailbox: &Mailbox,
    account: (u32, &str),
) -> Result<Reply, Failure> {
    let page_size = call.page_size(10, 1000)?;
    let mut token = match resumed(tenant, call, mailbox, account.0, None)? {
        Some(token) => token,
        None => {
            let options = odata::options(call, &["$select"], folders::FIELDS, 0)?;
            DeltaToken {
                account: account.0,
                folder: None,
                since: 0,
                until: mailbox.sequence,
                position: 0,
                is_end: false,
                select: options.select,
                properties: Vec::new(),
                change_type: None,
                is_immutable: false,
                epochs: epochs(mailbox, None),
                page: 0,
            }
        }
    };
    if token.is_end {
        token.since = token.until;
        token.until = mailbox.sequence;
        token.position = 0;
        token.is_end = false;
    }
    let mut values = Vec::new();
    let mut next = None;
    let start = crate::numbers::index(token.position);
    for (number, folder) in (0_u32..).zip(&mailbox.folders).skip(start) {
        let is_shown = folder.change > token.since
            && number != ROOT
            && folder.parent.is_some()
            && folders::is_visible(mailbox, number)
            && folders::is_mail(mailbox, number)
            && !(folder.is_deleted && token.since == 0);
        if !is_shown {
            continue;
        }
        if values.len() == page_size {
            next = Some(Place {
                position: u64::from(number),
                ..token.place()
            });
            break;
        }
        values.push(if folder.is_deleted {
            json!({"id": folder.id, "@removed": {"reason": "deleted"}})
        } else {
            folders::folder_json(mailbox, number, token.select.as_deref())
        });
    }
    token.page += 1;
    let base = format!(
        "{}/v1.0/users('{}')/mailFolders/delta",
        tenant.base_url(),
        account.1
    );
    Ok(Reply::json(page_json(
        tenant,
        &base,
        "mailFolder",
        values,
        token,
        next,
    )))
}
