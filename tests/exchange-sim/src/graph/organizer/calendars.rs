//! Calendars, events, and the occurrences of series.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::event::{self, FIELDS, Style};
use super::occurrence::{self, Occurrence};
use super::shelf::{Shelf, name_of, owner};
use super::{contacts, listing, zone};
use crate::ews::write::Draft;
use crate::graph::call::Call;
use crate::graph::failure::Failure;
use crate::graph::odata::{self, Options};
use crate::graph::reply::Reply;
use crate::graph::write::{check_room, send};
use crate::numbers::mix;
use crate::store::folders::ROOT;
use crate::store::mailbox::Mailbox;
use crate::store::users::Account;
use crate::store::view::View;
use crate::tenant::Tenant;

const CALENDAR_FIELDS: &[&str] = &[
    "id",
    "name",
    "color",
    "hexColor",
    "isDefaultCalendar",
    "changeKey",
    "canShare",
    "canViewPrivateItems",
    "canEdit",
    "isRemovable",
    "owner",
];
/// Instances are asked for over so many days at most.
const LONGEST_DAYS: i64 = 1_825;

fn calendar_json(account: &Account, mailbox: &Mailbox, number: u32, options: &Options) -> Value {
    let Some(folder) = mailbox.folder(number) else {
        return Value::Null;
    };
    let is_default = folder.well_known == Some("calendar");
    let owner = owner(account);
    let all = [
        ("id", json!(folder.id)),
        ("name", json!(folder.name)),
        ("color", json!("auto")),
        ("hexColor", json!("")),
        ("isDefaultCalendar", json!(is_default)),
        ("changeKey", json!(format!("{:016x}", folder.change))),
        ("canShare", json!(true)),
        ("canViewPrivateItems", json!(true)),
        ("canEdit", json!(true)),
        ("isRemovable", json!(!is_default)),
        (
            "owner",
            json!({"name": owner.name, "address": owner.address}),
        ),
    ];
    let is_wanted = |name: &str| {
        let select = options.select.as_ref();
        name == "id" || select.is_none_or(|names| names.iter().any(|wanted| wanted == name))
    };
    let shown = all.into_iter().filter(|(name, _)| is_wanted(name));
    Value::Object(Map::from_iter(
        shown.map(|(name, value)| (name.to_owned(), value)),
    ))
}

/// `GET …/calendars`.
pub(crate) fn list(
    tenant: &Tenant,
    call: &Call,
    account: &Account,
    mailbox: &Mailbox,
) -> Result<Reply, Failure> {
    let allowed = ["$select", "$top", "$skip", "$count"];
    let options = odata::options(call, &allowed, CALENDAR_FIELDS, 1000)?;
    let all = Shelf::Calendars.folders(mailbox);
    listing::page(tenant, call, &options, &all, |number| {
        Ok(calendar_json(account, mailbox, *number, &options))
    })
}

/// `GET …/calendars/{id}`, and `…/calendar`.
pub(crate) fn get_calendar(
    call: &Call,
    account: &Account,
    mailbox: &Mailbox,
    calendar: u32,
) -> Result<Reply, Failure> {
    let options = odata::options(call, &["$select"], CALENDAR_FIELDS, 0)?;
    let shown = calendar_json(account, mailbox, calendar, &options);
    Ok(Reply::json(shown))
}

/// `POST …/calendars`.
pub(crate) fn create_calendar(
    call: &Call,
    account: &Account,
    mailbox: &mut Mailbox,
) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    let body = call.json()?;
    if let Some(name) = body
        .keys()
        .find(|name| !["name", "color"].contains(&name.as_str()))
    {
        return Err(Failure::bad(format!(
            "The property '{name}' cannot be set when a calendar is created."
        )));
    }
    let name = name_of(body.get("name"))?;
    let exists = || {
        Failure::new(
            409,
            "ErrorFolderExists",
            "A folder with the specified name already exists.",
        )
    };
    let wanted = name.to_lowercase();
    let is_taken = Shelf::Calendars.folders(mailbox).into_iter().any(|number| {
        let folder = mailbox.folder(number);
        folder.is_some_and(|folder| folder.name.to_lowercase() == wanted)
    });
    if is_taken {
        return Err(exists());
    }
    let parent = mailbox.well_known("calendar").unwrap_or(ROOT);
    let number = mailbox.create_classed(parent, name, Shelf::Calendars.class());
    let number = number.ok_or_else(exists)?;
    let shown = calendar_json(account, mailbox, number, &Options::default());
    Ok(Reply::with_status(201, shown))
}

fn style<'a>(call: &Call, options: &'a Options) -> Result<Style<'a>, Failure> {
    let zone = call.preference("outlook.timezone");
    let zone = zone.unwrap_or_else(|| "UTC".to_owned());
    zone::local(DateTime::<Utc>::default(), &zone)?;
    Ok(Style {
        ids: call.id_kind(),
        zone,
        options,
    })
}

const ONE: &[&str] = &["$select", "$expand", "exceptionOccurrences"];

/// `GET …/events`: single events and series, without occurrences.
pub(crate) fn events(
    tenant: &Tenant,
    call: &Call,
    mailbox: &Mailbox,
    calendar: u32,
) -> Result<Reply, Failure> {
    let allowed = [
        "$select", "$top", "$skip", "$count", "$expand", "$filter", "$orderby",
    ];
    let options = odata::options(call, &allowed, FIELDS, 1000)?;
    let style = style(call, &options)?;
    let all = Shelf::Calendars.items(tenant, mailbox, calendar);
    let all = listing::filtered(tenant, &options, all)?;
    listing::page(tenant, call, &options, &all, |view| {
        event::shown(mailbox, view, &tenant.world, &style, None)
    })
}

/// An event or an occurrence by id.
fn found(
    tenant: &Tenant,
    mailbox: &Mailbox,
    id: &str,
) -> Result<(View, Option<Occurrence>), Failure> {
    let Some((series, day)) = occurrence::parse(id) else {
        return Ok((Shelf::Calendars.item(tenant, mailbox, id)?, None));
    };
    let view = Shelf::Calendars.item(tenant, mailbox, series)?;
    let one = occurrence::all(&view.overlay)
        .into_iter()
        .find(|one| one.day == day);
    match one {
        Some(one) => Ok((view, Some(one))),
        None => Err(Failure::not_found()),
    }
}

/// `GET …/events/{id}`.
pub(crate) fn get(
    tenant: &Tenant,
    call: &Call,
    mailbox: &Mailbox,
    account: u32,
    id: &str,
) -> Result<Reply, Failure> {
    let options = odata::options(call, ONE, FIELDS, 0)?;
    let style = style(call, &options)?;
    let (view, one) = found(tenant, mailbox, id)?;
    tenant.check_item(account, view.item)?;
    let shown = event::shown(mailbox, &view, &tenant.world, &style, one.as_ref())?;
    Ok(Reply::json(shown))
}

/// `GET …/events/{id}/instances`.
pub(crate) fn instances(
    tenant: &Tenant,
    call: &Call,
    mailbox: &Mailbox,
    id: &str,
) -> Result<Reply, Failure> {
    let allowed = [
        "$select",
        "$top",
        "$skip",
        "$expand",
        "startDateTime",
        "endDateTime",
    ];
    let options = odata::options(call, &allowed, FIELDS, 1000)?;
    let bound = |name: &str| {
        let text = call.query.iter().find(|(key, _)| key == name);
        let at = text.and_then(|(_, text)| zone::kept(text));
        at.ok_or_else(|| Failure::invalid(format!("This request requires {name}.")))
    };
    let (from, to) = (bound("startDateTime")?, bound("endDateTime")?);
    if (to - from).num_days() > LONGEST_DAYS || to < from {
        return Err(Failure::invalid("The span of time is not right."));
    }
    let style = style(call, &options)?;
    let view = Shelf::Calendars.item(tenant, mailbox, id)?;
    if !view.overlay.fields.contains_key("Recurrence") {
        return Err(Failure::invalid("Only a series has instances."));
    }
    let all = occurrence::between(occurrence::all(&view.overlay), from, to);
    listing::page(tenant, call, &options, &all, |one| {
        event::shown(mailbox, &view, &tenant.world, &style, Some(one))
    })
}

fn has_people(body: &Map<String, Value>) -> bool {
    let list = body.get("attendees").and_then(Value::as_array);
    list.is_some_and(|list| !list.is_empty())
}

/// `POST …/events`: with attendees the real service sends invitations.
pub(crate) fn create(
    tenant: &Tenant,
    call: &Call,
    account: &Account,
    mailbox: &mut Mailbox,
    calendar: u32,
) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    check_room(mailbox)?;
    let body = call.json()?;
    if event::span(&body)?.is_none() {
        return Err(Failure::new(
            400,
            "ErrorRequiredPropertyMissing",
            "start and end are missing.",
        ));
    }
    if let Some(transaction) = body.get("transactionId").and_then(Value::as_str) {
        let is_known = mailbox.overlays.values().any(|overlay| {
            let known = overlay.fields.get("TransactionId");
            known.is_some_and(|known| known.text == transaction)
        });
        if is_known {
            return Err(Failure::new(
                409,
                "ErrorDuplicateTransactionId",
                "Your request can't be completed: it was carried out already.",
            ));
        }
    }
    let seed = mix(&[mailbox.key, mailbox.sequence, 0x6576_656e]);
    let mut draft = Draft::new("CalendarItem", tenant.clock.unix_seconds(), seed);
    event::write(&mut draft, &body)?;
    let finished = draft.finish(&owner(account), seed);
    let (overlay, state, _) = finished.map_err(|error| Failure::bad(error.code))?;
    if has_people(&body) {
        send(tenant, call, account, "/users/{id}/events");
    }
    let item = mailbox.add(calendar, state, overlay, tenant.elapsed());
    shown_again(tenant, call, mailbox, item, 201)
}

fn shown_again(
    tenant: &Tenant,
    call: &Call,
    mailbox: &Mailbox,
    item: u32,
    status: u16,
) -> Result<Reply, Failure> {
    let options = Options::default();
    let style = style(call, &options)?;
    let view = mailbox.view(&tenant.world, item);
    let view = view.ok_or_else(Failure::not_found)?;
    let shown = event::shown(mailbox, &view, &tenant.world, &style, None)?;
    Ok(Reply::with_status(status, shown))
}

/// `PATCH …/events/{id}`: people who were invited are told.
pub(crate) fn update(
    tenant: &Tenant,
    call: &Call,
    account: &Account,
    mailbox: &mut Mailbox,
    id: &str,
) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    let (view, one) = found(tenant, mailbox, id)?;
    let body = call.json()?;
    let is_state = body
        .keys()
        .all(|name| ["singleValueExtendedProperties", "categories"].contains(&name.as_str()));
    if has_people(&body) || (event::has_attendees(&view) && !is_state) {
        send(tenant, call, account, "/users/{id}/events/{id}");
    }
    let Some(one) = one else {
        let mut draft = Draft::of(&view, "CalendarItem", tenant.clock.unix_seconds());
        event::write(&mut draft, &body)?;
        let seed = mix(&[mailbox.key, u64::from(view.item)]);
        let finished = draft.finish(&owner(account), seed);
        let (overlay, state, _) = finished.map_err(|error| Failure::bad(error.code))?;
        mailbox.touch(view.item, tenant.elapsed(), |slot, own| {
            slot.bits = state;
            slot.version += 1;
            *own = overlay;
        });
        return shown_again(tenant, call, mailbox, view.item, 200);
    };
    // What is written is checked as if it were an event of its own.
    let mut tried = Draft::new("CalendarItem", tenant.clock.unix_seconds(), 0);
    event::write(&mut tried, &body)?;
    let (start, end) = match event::span(&body)? {
        Some((span, _)) => (span.start, span.end),
        None => (one.start, one.end),
    };
    let mut more = body;
    more.retain(|name, _| !["start", "end"].contains(&name.as_str()));
    let exchange_id = crate::ews::ids::item(mailbox.key, view.item, view.slot.joined);
    let exchange_id = format!("{exchange_id}{}AQ==", one.day.format("%Y%m%d"));
    mailbox.touch(view.item, tenant.elapsed(), |slot, overlay| {
        slot.version += 1;
        occurrence::change(overlay, &exchange_id, &one, start, end, more);
    });
    let options = Options::default();
    let style = style(call, &options)?;
    let (view, one) = found(tenant, mailbox, id)?;
    let shown = event::shown(mailbox, &view, &tenant.world, &style, one.as_ref())?;
    Ok(Reply::json(shown))
}

/// `DELETE …/events/{id}`: it goes to Deleted Items, and its organiser's attendees are told.
pub(crate) fn delete(
    tenant: &Tenant,
    call: &Call,
    account: &Account,
    mailbox: &mut Mailbox,
    id: &str,
) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    let (view, one) = found(tenant, mailbox, id)?;
    if event::has_attendees(&view) {
        send(tenant, call, account, "/users/{id}/events/{id}");
    }
    match one {
        Some(one) => {
            mailbox.touch(view.item, tenant.elapsed(), |slot, overlay| {
                slot.version += 1;
                occurrence::delete(overlay, &one);
            });
        }
        None => contacts::to_deleted_items(tenant, mailbox, view.item),
    }
    Ok(Reply::empty(204))
}
