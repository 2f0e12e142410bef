//! From the service's JSON to what the vault keeps: the row of the index, and the element that both
//! connectors write again.

use mailkeep_model::{FolderId, FolderKind, Importance, Item, ItemId, ItemKind, Sensitivity};
use serde_json::Value;

use super::contact::{
    ADDRESS_PARTS, ADDRESSES, ANNIVERSARY, MILEAGE, MORE_PHONES, NAMES, PHONES, TEXTS,
};
use super::event::{ATTENDEES, SHOWN_AS};
use super::place::{contact_id, event_id, folder_id, task_id};
use super::recurrence::from_service;
use super::task::STATES;
use crate::SourceItem;
use crate::ews::KEPT_OF_OTHERS;
use crate::ews::xml::Element;
use crate::graph::message_json::{Object, address, text, time, truth};
use crate::graph::properties::{self, Extended};

/// An element with text.
pub(crate) fn leaf(name: &str, text: impl Into<String>) -> Element {
    Element {
        name: name.into(),
        text: text.into(),
        ..Element::default()
    }
}

/// An element with others inside.
pub(crate) fn with(name: &str, children: Vec<Element>) -> Element {
    Element {
        name: name.into(),
        children,
        ..Element::default()
    }
}

fn entry(key: &str, text: &str) -> Element {
    Element {
        attributes: vec![("Key".into(), key.into())],
        ..leaf("Entry", text)
    }
}

/// The `$expand` of what is no mail.
pub(crate) fn expand() -> String {
    let mut ids = vec![
        properties::CLASS,
        properties::SIZE,
        properties::SENSITIVITY,
        "Integer 0x0017",
        ANNIVERSARY,
        MILEAGE,
    ];
    ids.extend(MORE_PHONES.iter().map(|(id, _)| *id));
    ids.extend(properties::KEPT);
    ids.extend(KEPT_OF_OTHERS);
    properties::expand(&ids)
}

/// Which version of an item this is.
pub(crate) fn version(object: &Object) -> String {
    let found = ["changeKey", "@odata.etag", "lastModifiedDateTime"];
    let mut found = found.iter().map(|name| text(object, name));
    found.find(|text| !text.is_empty()).unwrap_or_default()
}

/// What is the same for all kinds.
fn row(object: &Object, id: ItemId, folder: FolderId, class: &str) -> Item {
    let extended = Extended::from_json(object.get("singleValueExtendedProperties"));
    let mut item = Item::new(id, folder);
    item.change_key = version(object);
    let own = extended.get(properties::CLASS).unwrap_or(class);
    let is_same = ItemKind::from_class(own) == ItemKind::from_class(class);
    item.class = if is_same { own } else { class }.to_owned();
    item.kind = ItemKind::from_class(class);
    item.created_at = time(object.get("createdDateTime"));
    item.received_at = item.created_at;
    item.modified_at = time(object.get("lastModifiedDateTime"));
    let size = extended.get(properties::SIZE);
    item.size_bytes = size.and_then(|size| size.parse().ok()).unwrap_or_default();
    let categories = object.get("categories").and_then(Value::as_array);
    let categories = categories.into_iter().flatten();
    item.categories = categories
        .filter_map(|one| one.as_str().map(str::to_owned))
        .collect();
    item.sensitivity = match (
        text(object, "sensitivity").as_str(),
        extended.get(properties::SENSITIVITY),
    ) {
        ("personal", _) | ("", Some("1")) => Sensitivity::Personal,
        ("private", _) | ("", Some("2")) => Sensitivity::Private,
        ("confidential", _) | ("", Some("3")) => Sensitivity::Confidential,
        _ => Sensitivity::Normal,
    };
    item.importance = match (
        text(object, "importance").as_str(),
        extended.get("Integer 0x0017"),
    ) {
        ("low", _) | ("", Some("0")) => Importance::Low,
        ("high", _) | ("", Some("2")) => Importance::High,
        _ => Importance::Normal,
    };
    item.has_attachments = truth(object, "hasAttachments");
    item
}

/// The properties that are stored beside the content, in one fixed order.
fn kept(object: &Object, own: &Element) -> Vec<u8> {
    let extended = Extended::from_json(object.get("singleValueExtendedProperties"));
    let ids = properties::KEPT.iter().chain(KEPT_OF_OTHERS);
    let extended: Object = ids
        .filter_map(|id| Some(((*id).to_owned(), Value::from(extended.get(id)?))))
        .collect();
    let mut out = Object::new();
    let pair = vec![Value::from(own.name.clone()), own.to_json()];
    out.insert("ews".into(), Value::Array(pair));
    if !extended.is_empty() {
        out.insert("extended".into(), Value::Object(extended));
    }
    Value::Object(out).to_string().into_bytes()
}

fn texts(object: &Object, name: &str) -> Vec<String> {
    let list = object.get(name).and_then(Value::as_array);
    let list = list.into_iter().flatten();
    list.filter_map(|one| one.as_str().map(str::to_owned))
        .collect()
}

/// A contact.
pub(crate) fn contact(object: &Object, folder: Option<&FolderId>) -> Option<SourceItem> {
    let id = text(object, "id");
    let parent = text(object, "parentFolderId");
    let folder = match parent.as_str() {
        "" => folder?.clone(),
        parent => folder_id(FolderKind::Contacts, parent),
    };
    let extended = Extended::from_json(object.get("singleValueExtendedProperties"));
    let mut all = vec![];
    for (name, element) in TEXTS {
        match text(object, name) {
            empty if empty.is_empty() => {}
            found => all.push(leaf(element, found)),
        }
    }
    let names: Vec<Element> = NAMES
        .iter()
        .map(|(name, element)| leaf(element, text(object, name)))
        .filter(|one| !one.text.is_empty())
        .collect();
    if !names.is_empty() {
        all.push(with("CompleteName", names));
    }
    let mails = object.get("emailAddresses").and_then(Value::as_array);
    let mails: Vec<Element> = (1..)
        .zip(mails.into_iter().flatten())
        .filter_map(|(place, one)| {
            let address = one.get("address")?.as_str()?;
            let mut mail = entry(&format!("EmailAddress{place}"), address);
            if let Some(name) = one.get("name").and_then(Value::as_str) {
                mail.attributes.push(("Name".into(), name.into()));
            }
            Some(mail)
        })
        .collect();
    let places: Vec<Element> = ADDRESSES
        .iter()
        .filter_map(|(name, key)| {
            let parts = object.get(*name)?.as_object()?;
            let mut one = entry(key, "");
            one.children = ADDRESS_PARTS
                .iter()
                .map(|(part, element)| leaf(element, text(parts, part)))
                .filter(|part| !part.text.is_empty())
                .collect();
            (!one.children.is_empty()).then_some(one)
        })
        .collect();
    let mut phones = vec![];
    for (name, keys) in PHONES {
        let numbers = texts(object, name);
        phones.extend(keys.iter().zip(&numbers).map(|(key, one)| entry(key, one)));
    }
    let mobile = text(object, "mobilePhone");
    if !mobile.is_empty() {
        phones.push(entry("MobilePhone", &mobile));
    }
    for (id, key) in MORE_PHONES {
        phones.extend(extended.get(id).map(|number| entry(key, number)));
    }
    let chats = texts(object, "imAddresses");
    let chats: Vec<Element> = (1..)
        .zip(&chats)
        .map(|(place, one)| entry(&format!("ImAddress{place}"), one))
        .collect();
    let children = texts(object, "children");
    let children = children.iter().map(|one| leaf("String", one)).collect();
    for (name, list) in [
        ("EmailAddresses", mails),
        ("PhysicalAddresses", places),
        ("PhoneNumbers", phones),
        ("ImAddresses", chats),
        ("Children", children),
    ] {
        if !list.is_empty() {
            all.push(with(name, list));
        }
    }
    for (name, found) in [
        ("Birthday", Some(text(object, "birthday"))),
        ("Mileage", extended.get(MILEAGE).map(str::to_owned)),
        (
            "WeddingAnniversary",
            extended.get(ANNIVERSARY).map(str::to_owned),
        ),
    ] {
        if let Some(found) = found.filter(|found| !found.is_empty()) {
            all.push(leaf(name, found));
        }
    }
    let mut item = row(object, contact_id(&id), folder, "IPM.Contact");
    item.subject = text(object, "displayName");
    Some(SourceItem {
        item,
        properties_json: kept(object, &with("Contact", all)),
    })
}

/// A point in universal time, as the element has it.
fn instant(value: Option<&Value>) -> Option<String> {
    let at = super::place_in_time(value)?;
    Some(at.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn mailbox(value: Option<&Value>) -> Option<Element> {
    let person = address(value)?;
    Some(with(
        "Mailbox",
        vec![
            leaf("Name", person.name),
            leaf("EmailAddress", person.address),
        ],
    ))
}

fn response(kind: &str) -> &'static str {
    match kind {
        "organizer" => "Organizer",
        "accepted" => "Accept",
        "tentativelyAccepted" => "Tentative",
        "declined" => "Decline",
        "notResponded" => "NoResponseReceived",
        _ => "Unknown",
    }
}

/// A day of a series that was changed.
fn occurrence(object: &Object) -> Option<Element> {
    let original = time(object.get("originalStart"))?;
    let place = object.get("location").and_then(Value::as_object);
    let mut all = vec![
        leaf("Start", instant(object.get("start"))?),
        leaf("End", instant(object.get("end"))?),
        leaf(
            "OriginalStart",
            original.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        ),
        leaf("Subject", text(object, "subject")),
        leaf(
            "Location",
            place
                .map(|place| text(place, "displayName"))
                .unwrap_or_default(),
        ),
    ];
    if let Some(body) = object.get("body").and_then(Value::as_object) {
        let is_html = text(body, "contentType").eq_ignore_ascii_case("html");
        let kind = if is_html { "HTML" } else { "Text" };
        all.push(Element {
            attributes: vec![("BodyType".into(), kind.into())],
            ..leaf("Body", text(body, "content"))
        });
    }
    let shown = text(object, "showAs");
    let shown = SHOWN_AS.iter().find(|(name, _)| *name == shown);
    all.extend(shown.map(|(_, own)| leaf("LegacyFreeBusyStatus", *own)));
    Some(with("Occurrence", all))
}

/// An event; `folder` is its calendar.
pub(crate) fn event(object: &Object, folder: &FolderId) -> Option<SourceItem> {
    let id = text(object, "id");
    let start = super::place_in_time(object.get("start"));
    let mut all = vec![];
    let mut put = |name: &str, text: String| {
        if !text.is_empty() {
            all.push(leaf(name, text));
        }
    };
    let number = object
        .get("reminderMinutesBeforeStart")
        .and_then(Value::as_u64);
    let place = object.get("location").and_then(Value::as_object);
    let place = place.map(|place| text(place, "displayName"));
    let shown = text(object, "showAs");
    let shown = SHOWN_AS.iter().find(|(name, _)| *name == shown);
    let status = object.get("responseStatus").and_then(Value::as_object);
    let status = status.map(|status| text(status, "response"));
    let has_people = object
        .get("attendees")
        .and_then(Value::as_array)
        .is_some_and(|list| !list.is_empty());
    put("ReminderIsSet", truth(object, "isReminderOn").to_string());
    put(
        "ReminderMinutesBeforeStart",
        number.unwrap_or_default().to_string(),
    );
    put("UID", text(object, "iCalUId"));
    put("Start", instant(object.get("start")).unwrap_or_default());
    put("End", instant(object.get("end")).unwrap_or_default());
    put("IsAllDayEvent", truth(object, "isAllDay").to_string());
    put(
        "LegacyFreeBusyStatus",
        shown.map_or(String::new(), |(_, own)| (*own).to_owned()),
    );
    put("Location", place.unwrap_or_default());
    put("IsMeeting", has_people.to_string());
    put("IsCancelled", truth(object, "isCancelled").to_string());
    put(
        "IsResponseRequested",
        truth(object, "responseRequested").to_string(),
    );
    put(
        "MyResponseType",
        response(&status.unwrap_or_default()).to_owned(),
    );
    if let Some(organizer) = mailbox(object.get("organizer")) {
        all.push(with("Organizer", vec![organizer]));
    }
    let people = object.get("attendees").and_then(Value::as_array);
    for (kind, list) in ATTENDEES {
        let found: Vec<Element> = people
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
            .filter(|one| text(one, "type") == *kind)
            .filter_map(|one| {
                let person = mailbox(Some(&Value::Object(one.clone())))?;
                let status = one.get("status").and_then(Value::as_object);
                let status = status.map(|status| text(status, "response"));
                let status = leaf("ResponseType", response(&status.unwrap_or_default()));
                Some(with("Attendee", vec![person, status]))
            })
            .collect();
        if !found.is_empty() {
            all.push(with(list, found));
        }
    }
    let zone = text(object, "originalStartTimeZone");
    if !zone.is_empty() && zone != "UTC" {
        all.push(Element {
            attributes: vec![("Id".into(), zone)],
            ..leaf("StartTimeZone", "")
        });
    }
    let rule = object.get("recurrence").filter(|rule| !rule.is_null());
    all.extend(rule.and_then(from_service));
    let changed = object.get("exceptionOccurrences").and_then(Value::as_array);
    let changed: Vec<Element> = changed
        .into_iter()
        .flatten()
        .filter_map(|one| occurrence(one.as_object()?))
        .collect();
    if !changed.is_empty() {
        all.push(with("ModifiedOccurrences", changed));
    }
    // An id that ends in the day; the hour is that of the others.
    let deleted: Vec<Element> = texts(object, "cancelledOccurrences")
        .iter()
        .filter_map(|id| {
            let day = id.rsplit('.').next()?;
            let day = chrono::NaiveDate::parse_from_str(day, "%Y-%m-%d").ok()?;
            let at = day.and_time(start?.naive_utc().time());
            let at = at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
            Some(with("DeletedOccurrence", vec![leaf("Start", at)]))
        })
        .collect();
    if !deleted.is_empty() {
        all.push(with("DeletedOccurrences", deleted));
    }
    let mut item = row(object, event_id(&id), folder.clone(), "IPM.Appointment");
    item.subject = text(object, "subject");
    Some(SourceItem {
        item,
        properties_json: kept(object, &with("CalendarItem", all)),
    })
}

/// A task of a list.
pub(crate) fn task(object: &Object, list: &str) -> Option<SourceItem> {
    let id = text(object, "id");
    let mut all = vec![];
    let state = text(object, "status");
    let state = STATES.iter().find(|(name, _)| *name == state);
    all.extend(state.map(|(_, own)| leaf("Status", *own)));
    for (name, element) in [
        ("dueDateTime", "DueDate"),
        ("startDateTime", "StartDate"),
        ("completedDateTime", "CompleteDate"),
        ("reminderDateTime", "ReminderDueBy"),
    ] {
        all.extend(instant(object.get(name)).map(|at| leaf(element, at)));
    }
    if truth(object, "isReminderOn") {
        all.push(leaf("ReminderIsSet", "true"));
    }
    let rule = object.get("recurrence").filter(|rule| !rule.is_null());
    all.extend(rule.and_then(from_service));
    let folder = folder_id(FolderKind::Tasks, list);
    let mut item = row(object, task_id(list, &id), folder, "IPM.Task");
    item.subject = text(object, "title");
    Some(SourceItem {
        item,
        properties_json: kept(object, &with("Task", all)),
    })
}
