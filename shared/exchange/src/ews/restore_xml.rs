//! The element that creates an item, in the order that the schema wants. Nothing in it sends.

use chrono::{DateTime, SecondsFormat, Utc};
use mailkeep_model::{Address, FlagStatus, Importance, ItemKind, Sensitivity};
use serde_json::Value;

use super::extended::{self, write_property};
use super::xml::{Element, XmlWriter};
use crate::RestoreItem;

/// What may be written; less after the server has refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowed {
    /// Kept properties beside the content.
    pub(crate) extras: bool,
    /// The message class.
    pub(crate) class: bool,
    /// `t:Flag`, which came with Exchange 2013.
    pub(crate) flag: bool,
}

/// Writable properties in schema order.
const REMINDER: &[&str] = &[
    "ReminderDueBy",
    "ReminderIsSet",
    "ReminderMinutesBeforeStart",
];
const EVENT_REMINDER: &[&str] = &["ReminderIsSet", "ReminderMinutesBeforeStart"];
const CONTACT: &[&str] = &[
    "FileAs",
    "FileAsMapping",
    "DisplayName",
    "GivenName",
    "Initials",
    "MiddleName",
    "Nickname",
    "CompanyName",
    "EmailAddresses",
    "PhysicalAddresses",
    "PhoneNumbers",
    "AssistantName",
    "Birthday",
    "BusinessHomePage",
    "Children",
    "Companies",
    "Department",
    "Generation",
    "ImAddresses",
    "JobTitle",
    "Manager",
    "Mileage",
    "OfficeLocation",
    "PostalAddressIndex",
    "Profession",
    "SpouseName",
    "Surname",
    "WeddingAnniversary",
];
const DISTRIBUTION_LIST: &[&str] = &["DisplayName", "FileAs", "Members"];
const TASK: &[&str] = &[
    "ActualWork",
    "BillingInformation",
    "Companies",
    "CompleteDate",
    "Contacts",
    "DueDate",
    "Mileage",
    "PercentComplete",
    "Recurrence",
    "StartDate",
    "Status",
    "TotalWork",
];
/// Without attendees: they are in the iCalendar form, or not restored.
const EVENT: &[&str] = &[
    "Start",
    "End",
    "IsAllDayEvent",
    "LegacyFreeBusyStatus",
    "Location",
    "Recurrence",
];
/// The server's own, wherever they are.
const NEVER: &[&str] = &["ItemId", "Status", "FirstOccurrence", "LastOccurrence"];

/// How an item is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// From a message as MIME.
    Mail,
    /// From its iCalendar form, attachment `n`.
    Event(usize),
    /// From properties.
    Properties,
}

/// How this item can be created.
pub(crate) fn form(item: &RestoreItem) -> Form {
    match item.item.kind {
        ItemKind::Event => {
            let calendar = item.attachments.iter().position(|attachment| {
                let kind = attachment.content_type.to_ascii_lowercase();
                kind.starts_with("text/calendar")
            });
            calendar.map_or(Form::Properties, Form::Event)
        }
        ItemKind::Contact | ItemKind::DistributionList | ItemKind::Task => Form::Properties,
        _ => Form::Mail,
    }
}

/// The element's name, with prefix.
pub(crate) fn element_name(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Event => "t:CalendarItem",
        ItemKind::Contact => "t:Contact",
        ItemKind::DistributionList => "t:DistributionList",
        ItemKind::Task => "t:Task",
        ItemKind::Post => "t:PostItem",
        _ => "t:Message",
    }
}

/// What follows the MIME inside the item's element, and what cannot be kept.
pub(crate) fn properties(
    restored: &RestoreItem,
    form: Form,
    mark: &str,
    allowed: Allowed,
) -> (String, Vec<String>) {
    let item = &restored.item;
    let kept: Value = serde_json::from_slice(&restored.properties_json).unwrap_or_default();
    let own = own_element(&kept);
    let mut losses = vec![];
    let mut writer = XmlWriter::new();
    // With an element of its own the class follows from it, but for special ones.
    let is_default = item.class.is_empty() || item.class.eq_ignore_ascii_case("IPM.Note");
    if allowed.class && !is_default {
        writer.text("t:ItemClass", &item.class);
    } else if !is_default {
        losses.push(format!("the message class {} was refused", item.class));
    }
    if form == Form::Properties {
        writer.text("t:Subject", &item.subject);
    }
    let sensitivity = match item.sensitivity {
        Sensitivity::Normal => None,
        Sensitivity::Personal => Some("Personal"),
        Sensitivity::Private => Some("Private"),
        Sensitivity::Confidential => Some("Confidential"),
    };
    if let Some(sensitivity) = sensitivity {
        writer.text("t:Sensitivity", sensitivity);
    }
    // An iCalendar form has plain text, whatever the text was.
    let is_richer = matches!(form, Form::Event(_)) && allowed.extras && restored.body_is_html;
    if (form == Form::Properties || is_richer) && !restored.body.is_empty() {
        let kind = if restored.body_is_html {
            "HTML"
        } else {
            "Text"
        };
        writer.text_with("t:Body", &[("BodyType", kind)], &restored.body);
    }
    if !item.categories.is_empty() {
        writer.start("t:Categories", &[]);
        for category in &item.categories {
            writer.text("t:String", category);
        }
        writer.end();
    }
    match item.importance {
        Importance::Low => writer.text("t:Importance", "Low"),
        Importance::High => writer.text("t:Importance", "High"),
        Importance::Normal => &mut writer,
    };
    match form {
        Form::Mail => {}
        // The iCalendar form may say something else, or nothing.
        Form::Event(_) => write_fields(&mut writer, own.as_ref(), EVENT_REMINDER),
        Form::Properties => write_fields(&mut writer, own.as_ref(), REMINDER),
    }
    extended_properties(&mut writer, restored, &kept, mark, allowed);
    if allowed.flag {
        flag(&mut writer, restored);
    }
    match (form, item.kind) {
        (Form::Mail, _) => {
            // The message itself seldom names them.
            if restored.mime.is_some() && allowed.extras && !item.bcc.is_empty() {
                write_addresses(&mut writer, "t:BccRecipients", &item.bcc);
            }
            writer.text("t:IsRead", if item.is_read { "true" } else { "false" });
        }
        (Form::Properties, kind) => {
            let fields = match kind {
                ItemKind::Contact => CONTACT,
                ItemKind::DistributionList => DISTRIBUTION_LIST,
                ItemKind::Task => TASK,
                _ => EVENT,
            };
            if own.is_none() {
                losses
                    .push("the item's own properties were not kept; only its text is there".into());
            }
            write_fields(&mut writer, own.as_ref(), fields);
        }
        (Form::Event(_), _) => {
            write_fields(&mut writer, own.as_ref(), &["LegacyFreeBusyStatus"]);
        }
    }
    if item.kind == ItemKind::Event {
        losses.extend(event_losses(own.as_ref()));
    }
    (writer.finish(), losses)
}

/// What a new calendar entry cannot have: people, who would be invited, and days of a series that
/// differ from the others.
fn event_losses(own: Option<&Element>) -> Vec<String> {
    let count = |name: &str, element: &str| {
        let list = own.and_then(|own| own.child(name));
        list.map_or(0, |list| list.all(element).count())
    };
    let people: usize = ["RequiredAttendees", "OptionalAttendees", "Resources"]
        .iter()
        .map(|name| count(name, "Attendee"))
        .sum();
    let changed = count("ModifiedOccurrences", "Occurrence");
    let deleted = count("DeletedOccurrences", "DeletedOccurrence");
    [
        (people, "attendees are not restored, so that nobody is invited again"),
        (changed, "changed occurrences of the series are as the others again; only an export stream keeps them"),
        (deleted, "deleted occurrences of the series are there again; only an export stream keeps them"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, words)| format!("{number} {words}"))
    .collect()
}

fn extended_properties(
    writer: &mut XmlWriter,
    restored: &RestoreItem,
    kept: &Value,
    mark: &str,
    allowed: Allowed,
) {
    let item = &restored.item;
    write_property(writer, extended::MARKER, mark);
    let is_mail = form(restored) == Form::Mail;
    if is_mail {
        let flags = u8::from(item.is_read) | if item.is_draft { 8 } else { 0 };
        write_property(writer, extended::FLAGS, &flags.to_string());
        let times = [
            (extended::DELIVERED, item.received_at),
            (extended::SUBMITTED, item.sent_at),
        ];
        for (key, time) in times {
            if let Some(time) = time {
                write_property(writer, key, &time_text(time));
            }
        }
    }
    if !allowed.flag {
        let status = match item.flag.status {
            FlagStatus::NotFlagged => None,
            FlagStatus::Complete => Some("1"),
            FlagStatus::Flagged => Some("2"),
        };
        if let Some(status) = status {
            write_property(writer, extended::FLAG_STATUS, status);
        }
    }
    if !allowed.extras {
        return;
    }
    if let Some(index) = kept.get("conversationIndex").and_then(Value::as_str) {
        write_property(writer, "Binary 0x0071", index);
    }
    let own = kept.get("extended").and_then(Value::as_object);
    for (key, value) in own.into_iter().flatten() {
        if let Some(value) = value.as_str().filter(|_| extended::is_restored(key)) {
            write_property(writer, key, value);
        }
    }
}

fn write_addresses(writer: &mut XmlWriter, name: &'static str, addresses: &[Address]) {
    writer.start(name, &[]);
    for address in addresses {
        writer
            .start("t:Mailbox", &[])
            .text("t:Name", &address.name)
            .text("t:EmailAddress", &address.address)
            .end();
    }
    writer.end();
}

fn flag(writer: &mut XmlWriter, restored: &RestoreItem) {
    let flag = &restored.item.flag;
    let (status, times) = match flag.status {
        FlagStatus::NotFlagged => return,
        FlagStatus::Complete => ("Complete", vec![("t:CompleteDate", flag.completed_at)]),
        // The server takes both or none.
        FlagStatus::Flagged => {
            let start = flag.start_at.or(flag.due_at);
            let due = flag.due_at.or(flag.start_at);
            ("Flagged", vec![("t:StartDate", start), ("t:DueDate", due)])
        }
    };
    writer.start("t:Flag", &[]).text("t:FlagStatus", status);
    for (name, time) in times {
        if let Some(time) = time {
            writer.text(name, &time_text(time));
        }
    }
    writer.end();
}

/// The element that was kept as JSON.
fn own_element(kept: &Value) -> Option<Element> {
    let pair = kept.get("ews")?.as_array()?;
    Some(Element::from_json(pair.first()?.as_str()?, pair.get(1)?))
}

fn write_fields(writer: &mut XmlWriter, own: Option<&Element>, fields: &[&str]) {
    for field in fields {
        if let Some(found) = own.and_then(|own| own.child(field)) {
            write_element(writer, found);
        }
    }
}

fn write_element(writer: &mut XmlWriter, element: &Element) {
    let is_name = !element.name.is_empty()
        && element
            .name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !is_name {
        return;
    }
    let name = format!("t:{}", element.name);
    let attributes: Vec<(&str, &str)> = element
        .attributes
        .iter()
        .filter(|(key, _)| key.bytes().all(|b| b.is_ascii_alphanumeric()))
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    if element.children.is_empty() {
        writer.text_with(&name, &attributes, &element.text);
        return;
    }
    let mut inside = XmlWriter::new();
    for child in &element.children {
        if !NEVER.contains(&child.name.as_str()) {
            write_element(&mut inside, child);
        }
    }
    writer.raw_with(&name, &attributes, &inside.finish());
}

pub(crate) fn time_text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// The value of our mark while parts of the item are still missing.
pub(crate) fn pending(marker: &str) -> String {
    format!("pending:{marker}")
}

/// The value of our mark when everything is there.
pub(crate) fn finished(marker: &str) -> String {
    format!("done:{marker}")
}

/// Reads a mark: the marker, and whether the item is finished.
pub(crate) fn read_mark(value: &str) -> Option<(String, bool)> {
    match value.strip_prefix("done:") {
        Some(marker) => Some((marker.to_owned(), true)),
        None => Some((value.strip_prefix("pending:")?.to_owned(), false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailkeep_model::{FolderId, Item, ItemId};
    use serde_json::json;

    const ALL: Allowed = Allowed {
        extras: true,
        class: true,
        flag: true,
    };

    fn restored(class: &str) -> RestoreItem {
        RestoreItem {
            item: Item {
                kind: ItemKind::from_class(class),
                class: class.into(),
                ..Item::new(ItemId("i".into()), FolderId("f".into()))
            },
            reply_to: vec![],
            body: "b".into(),
            body_is_html: false,
            headers: vec![],
            properties_json: vec![],
            attachments: vec![],
            mime: None,
            export: None,
            known: vec![],
            marker: "m".into(),
        }
    }

    #[test]
    fn mail_is_no_draft_and_keeps_dates_and_flags() {
        let mut item = restored("IPM.Note");
        item.item.is_read = true;
        item.item.received_at = "2026-01-02T03:04:05.25Z".parse().ok();
        item.item.categories = vec!["a&b".into()];
        item.item.importance = Importance::High;
        item.item.flag.status = FlagStatus::Flagged;
        item.item.flag.due_at = "2026-02-01T00:00:00Z".parse().ok();
        item.properties_json =
            json!({ "extended": { "Integer 0x1081": "102", "Binary 0x300B": "AA==",
            "no key": "x" }, "conversationIndex": "AQ==" })
            .to_string()
            .into_bytes();
        let (text, losses) = properties(&item, Form::Mail, "done:m", ALL);
        assert!(losses.is_empty());
        let order = [
            "<t:Categories><t:String>a&amp;b<",
            "<t:Importance>High",
            "done:m",
            "PropertyTag=\"0x0E07\" PropertyType=\"Integer\"/><t:Value>1<",
            "2026-01-02T03:04:05.250Z",
            "0x0071",
            "0x1081",
            "<t:Flag><t:FlagStatus>Flagged</t:FlagStatus><t:StartDate>",
            "<t:DueDate>2026-02-01T00:00:00Z",
            "<t:IsRead>true",
        ];
        let places: Vec<usize> = order
            .iter()
            .map(|part| {
                text.find(part)
                    .unwrap_or_else(|| panic!("{part} in {text}"))
            })
            .collect();
        assert!(places.is_sorted(), "{text}");
        assert!(!text.contains("300B") && !text.contains("no key"));
        item.item.is_draft = true;
        assert!(
            properties(&item, Form::Mail, "", ALL)
                .0
                .contains("<t:Value>9<")
        );
    }

    #[test]
    fn a_contact_is_written_in_schema_order() {
        let mut item = restored("IPM.Contact");
        let entry = json!({ "@Key": "EmailAddress1", "#": "j@x" });
        item.properties_json = json!({ "ews": ["Contact", { "children": [
            ["Surname", "Doe"], ["HasPicture", "true"], ["FileAs", "Doe, J"], ["ReminderIsSet", "true"],
            ["EmailAddresses", { "children": [["Entry", entry]] }] ] }] })
        .to_string()
        .into_bytes();
        assert_eq!(form(&item), Form::Properties);
        let (text, losses) = properties(&item, Form::Properties, "done:m", ALL);
        assert!(losses.is_empty());
        assert!(text.starts_with("<t:ItemClass>IPM.Contact</t:ItemClass><t:Subject>"));
        assert!(text.ends_with(
            "<t:FileAs>Doe, J</t:FileAs><t:EmailAddresses><t:Entry Key=\"EmailAddress1\">j@x</t:Entry>\
             </t:EmailAddresses><t:Surname>Doe</t:Surname>"
        ), "{text}");
        assert!(text.find("ReminderIsSet").unwrap() < text.find("ExtendedProperty").unwrap());
        assert!(!text.contains("HasPicture"));
    }

    #[test]
    fn odd_properties_write_nothing_odd() {
        let mut item = restored("IPM.Task");
        item.properties_json = json!({ "ews": ["Task", { "children": [
            ["Status", { "children": [["a><b", "x"], ["B", { "@k\"": "v" }]] }], 7, ["StartDate"] ] }] })
        .to_string()
        .into_bytes();
        let (text, _) = properties(&item, Form::Properties, "", ALL);
        assert!(text.contains("<t:Status><t:B></t:B></t:Status>"), "{text}");
    }

    #[test]
    fn marks_are_read_back() {
        assert_eq!(read_mark(&pending("a:b")), Some(("a:b".into(), false)));
        assert_eq!(read_mark(&finished("a")), Some(("a".into(), true)));
        assert_eq!(read_mark("other"), None);
    }
}
