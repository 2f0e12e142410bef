//! Messages: list, one, and as MIME.

use serde_json::{Value, json};

use super::call::Call;
use super::failure::Failure;
use super::folders::next_by_skip;
use super::json::put;
use super::odata::{self, Options};
use super::render::{self, Style, message_json};
use super::reply::Reply;
use super::svep;
use crate::store::ids;
use crate::store::mailbox::Mailbox;
use crate::store::view::View;
use crate::tenant::Tenant;

/// Finds an item by either kind of id.
pub(crate) fn find(mailbox: &Mailbox, id: &str) -> Result<u32, Failure> {
    if id.len() < 40 {
        return Err(Failure::malformed_id());
    }
    let (item, joined) = ids::parse(mailbox.key, id).ok_or_else(Failure::not_found)?;
    let slot = mailbox.slot(item).ok_or_else(Failure::not_found)?;
    if joined.is_some_and(|joined| joined != slot.joined) {
        // The item moved; an ordinary id is then worth nothing.
        return Err(Failure::not_found());
    }
    Ok(item)
}

/// The item with everything that is needed to show it.
pub(crate) fn view(tenant: &Tenant, mailbox: &Mailbox, id: &str) -> Result<View, Failure> {
    let item = find(mailbox, id)?;
    mailbox
        .view(&tenant.world, item)
        .ok_or_else(Failure::not_found)
}

pub(crate) fn style(call: &Call, options: &Options) -> Style {
    Style {
        ids: call.id_kind(),
        select: options.select.clone(),
        expand: options.expand.clone(),
        text_bodies: call.preference("outlook.body-content-type").as_deref() == Some("text"),
    }
}

/// `GET …/mailFolders/{id}/messages`, newest first; `folder` is `None` for the whole mailbox.
pub(crate) fn list(
    tenant: &Tenant,
    call: &Call,
    mailbox: &Mailbox,
    account: u32,
    folder: Option<u32>,
) -> Result<Reply, Failure> {
    let allowed = [
        "$select", "$top", "$skip", "$expand", "$filter", "$orderby", "$count",
    ];
    let options = odata::options(call, &allowed, render::FIELDS, 1000)?;
    let style = style(call, &options);
    let top = match options.top {
        Some(top) => top,
        None => call.page_size(10, 1000)?,
    };
    let condition = options.filter.as_deref().map(parse_filter).transpose()?;
    let in_scope = |slot_folder: u32| match folder {
        Some(folder) => slot_folder == folder,
        None => {
            super::folders::is_visible(mailbox, slot_folder)
                && super::folders::is_mail(mailbox, slot_folder)
        }
    };
    let mut items: Vec<u32> = (0_u32..)
        .zip(&mailbox.slots)
        .filter(|(_, slot)| mailbox.folder(slot.folder).is_some() && in_scope(slot.folder))
        .map(|(item, _)| item)
        .collect();
    order(tenant, mailbox, &mut items, options.order_by.as_deref())?;
    if let Some(condition) = &condition {
        items.retain(|item| {
            mailbox
                .view(&tenant.world, *item)
                .is_some_and(|view| condition.holds(&view, tenant))
        });
    }
    let mut values: Vec<Value> = Vec::new();
    for item in items.iter().skip(options.skip).take(top) {
        let Some(view) = mailbox.view(&tenant.world, *item) else {
            continue;
        };
        if !style.is_light() {
            tenant.check_page_item(account, *item)?;
        }
        values.push(message_json(mailbox, &view, &tenant.world, &style));
    }
    let mut page = json!({
        "@odata.context": format!("{}/v1.0/$metadata#messages", tenant.base_url()),
    });
    if options.count {
        put(&mut page, "@odata.count", json!(items.len()));
    }
    if options.skip.saturating_add(top) < items.len() {
        put(
            &mut page,
            "@odata.nextLink",
            json!(next_by_skip(tenant, call, options.skip + top)),
        );
    }
    put(&mut page, "value", values);
    Ok(Reply::json(page))
}

fn order(
    tenant: &Tenant,
    mailbox: &Mailbox,
    items: &mut [u32],
    order_by: Option<&str>,
) -> Result<(), Failure> {
    let received = |item: &u32| {
        mailbox
            .view(&tenant.world, *item)
            .map_or(0, |view| view.meta().received)
    };
    match order_by {
        // Generated mail is numbered by received time.
        None if mailbox.overlays.is_empty() => items.reverse(),
        None | Some("receivedDateTime desc") => {
            items.sort_by_cached_key(|item| std::cmp::Reverse(received(item)));
        }
        Some("receivedDateTime" | "receivedDateTime asc") => items.sort_by_cached_key(received),
        Some(other) => {
            return Err(Failure::bad(format!("Cannot order by '{other}'.")));
        }
    }
    Ok(())
}

/// A `$filter` that is understood.
pub(crate) enum Condition {
    MessageId(String),
    Property(String, String),
}

impl Condition {
    pub(crate) fn holds(&self, view: &View, tenant: &Tenant) -> bool {
        match self {
            Self::MessageId(id) => view.meta().message_id.as_ref() == Some(id),
            Self::Property(id, value) => {
                svep::value(view, &tenant.world, id).as_ref() == Some(value)
            }
        }
    }
}

pub(crate) fn parse_filter(text: &str) -> Result<Condition, Failure> {
    let wrong = || {
        Failure::new(
            400,
            "InefficientFilter",
            format!("The restriction or sort order is too complex: {text}"),
        )
    };
    let literal = |text: &str| {
        text.strip_prefix('\'')
            .and_then(|rest| rest.strip_suffix('\''))
            .map(|rest| rest.replace("''", "'"))
    };
    if let Some(rest) = text.strip_prefix("internetMessageId eq ") {
        return literal(rest).map(Condition::MessageId).ok_or_else(wrong);
    }
    let inner = text
        .strip_prefix("singleValueExtendedProperties/any(")
        .and_then(|rest| rest.strip_suffix(')'))
        .ok_or_else(wrong)?;
    let (variable, rest) = inner.split_once(':').ok_or_else(wrong)?;
    let (id, value) = rest
        .trim()
        .strip_prefix(&format!("{variable}/id eq "))
        .and_then(|rest| rest.split_once(&format!(" and {variable}/value eq ")))
        .ok_or_else(wrong)?;
    let id = literal(id).ok_or_else(wrong)?;
    let value = literal(value).ok_or_else(wrong)?;
    Ok(Condition::Property(svep::normalised(&id)?, value))
}

/// `GET …/messages/{id}`.
pub(crate) fn get(
    tenant: &Tenant,
    call: &Call,
    mailbox: &Mailbox,
    account: u32,
    id: &str,
) -> Result<Reply, Failure> {
    let options = odata::options(call, &["$select", "$expand"], render::FIELDS, 0)?;
    let view = view(tenant, mailbox, id)?;
    let style = style(call, &options);
    if !style.is_light() {
        tenant.check_item(account, view.item)?;
    }
    let mut value = message_json(mailbox, &view, &tenant.world, &style);
    put(
        &mut value,
        "@odata.context",
        json!(format!(
            "{}/v1.0/$metadata#messages/$entity",
            tenant.base_url()
        )),
    );
    Ok(Reply::json(value))
}

/// `GET …/messages/{id}/$value`.
pub(crate) fn mime(
    tenant: &Tenant,
    call: &Call,
    mailbox: &Mailbox,
    account: u32,
    id: &str,
) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    let view = view(tenant, mailbox, id)?;
    tenant.check_item(account, view.item)?;
    tenant.check_mime(account, view.item)?;
    Ok(Reply::stream(
        view.mime(&tenant.world, tenant.next_read()),
        "text/plain",
    ))
}
