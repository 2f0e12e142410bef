//! From an item as the server describes it to what the index keeps.

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};
use mailkeep_model::{
    Address, Flag, FlagStatus, FolderId, Importance, Item, ItemId, ItemKind, Sensitivity,
};
use serde_json::{Map, Value};

use super::extended;
use super::xml::Element;
use crate::SourceItem;

/// What the index keeps or what changes by itself: not among the properties beside the content.
const LEFT_OUT: &[&str] = &[
    "MimeContent",
    "MimeContentUTF8",
    "ItemId",
    "ParentFolderId",
    "ItemClass",
    "Subject",
    "Sensitivity",
    "Body",
    "TextBody",
    "UniqueBody",
    "NormalizedBody",
    "Attachments",
    "DateTimeReceived",
    "Size",
    "Categories",
    "Importance",
    "IsDraft",
    "IsSubmitted",
    "IsFromMe",
    "IsResend",
    "IsUnmodified",
    "DateTimeSent",
    "DateTimeCreated",
    "ResponseObjects",
    "ReminderNextTime",
    "DisplayCc",
    "DisplayTo",
    "DisplayBcc",
    "HasAttachments",
    "ExtendedProperty",
    "EffectiveRights",
    "LastModifiedName",
    "LastModifiedTime",
    "WebClientReadFormQueryString",
    "WebClientEditFormQueryString",
    "ConversationId",
    "Flag",
    "StoreEntryId",
    "InstanceKey",
    "EntityExtractionResult",
    "Preview",
    "IsRead",
    "SearchKey",
    "SortKey",
    "DateTimeStamp",
    "ChangeCount",
    "ConflictingMeetingCount",
    "AdjacentMeetingCount",
    "ConflictingMeetings",
    "AdjacentMeetings",
    "HasBlockedImages",
    "InternetMessageId",
    "Sender",
    "From",
    "ToRecipients",
    "CcRecipients",
    "BccRecipients",
    "InternetMessageHeaders",
];
/// Elements whose items have all that matters in MIME.
const MAIL: &[&str] = &[
    "Message",
    "MeetingMessage",
    "MeetingRequest",
    "MeetingResponse",
    "MeetingCancellation",
    "PostItem",
    "SharingMessage",
];
/// Properties of mail under the names that the Graph connector uses.
const MAIL_KEPT: &[(&str, &str)] = &[
    ("IsReadReceiptRequested", "isReadReceiptRequested"),
    ("IsDeliveryReceiptRequested", "isDeliveryReceiptRequested"),
];

/// True for the elements of mail.
pub(crate) fn is_mail(element: &str) -> bool {
    MAIL.contains(&element)
}

/// True for classes that come as mail and have properties that mail has not: notes and journal.
pub(crate) fn has_more_than_mail(element: &Element) -> bool {
    let class = element.text_of("ItemClass").unwrap_or_default();
    let class = class.to_ascii_lowercase();
    ["ipm.stickynote", "ipm.activity"]
        .iter()
        .any(|wanted| class == *wanted || class.starts_with(&format!("{wanted}.")))
}

/// The item; `None` when it has no id. `folder` is where it was found.
pub(crate) fn source_item(element: &Element, folder: Option<&FolderId>) -> Option<SourceItem> {
    let id = element.child("ItemId")?;
    let parent = element
        .id_of("ParentFolderId")
        .map(|id| FolderId(id.into()));
    let folder = folder.cloned().or(parent)?;
    let text = |name: &str| element.text_of(name).unwrap_or_default().to_owned();
    let time = |name: &str| element.text_of(name).and_then(parse_time);
    let truth = |name: &str| element.text_of(name).is_some_and(is_true);
    let address = |name: &str| element.path(&[name, "Mailbox"]).map(address);
    let from = address("From");
    let sender = address("Sender");
    let class = match element.text_of("ItemClass") {
        Some(class) => class.to_owned(),
        None => default_class(&element.name).to_owned(),
    };
    let item = Item {
        id: ItemId(id.attribute("Id")?.into()),
        change_key: id.attribute("ChangeKey").unwrap_or_default().into(),
        kind: ItemKind::from_class(&class),
        class,
        subject: element
            .child("Subject")
            .map(|s| s.text.clone())
            .unwrap_or_default(),
        from: from.clone().or_else(|| sender.clone()).unwrap_or_default(),
        sender: sender.filter(|sender| from.as_ref().is_some_and(|from| from != sender)),
        to: addresses(element, "ToRecipients"),
        cc: addresses(element, "CcRecipients"),
        bcc: addresses(element, "BccRecipients"),
        sent_at: time("DateTimeSent"),
        received_at: time("DateTimeReceived"),
        created_at: time("DateTimeCreated"),
        modified_at: time("LastModifiedTime"),
        size_bytes: text("Size").parse().unwrap_or_default(),
        internet_message_id: text("InternetMessageId"),
        conversation_id: element.id_of("ConversationId").unwrap_or_default().into(),
        is_read: truth("IsRead"),
        is_draft: truth("IsDraft"),
        has_attachments: truth("HasAttachments"),
        flag: flag(element),
        categories: element
            .child("Categories")
            .map(|list| list.all("String").map(|name| name.text.clone()).collect())
            .unwrap_or_default(),
        importance: match element.text_of("Importance") {
            Some("Low") => Importance::Low,
            Some("High") => Importance::High,
            _ => Importance::Normal,
        },
        sensitivity: match element.text_of("Sensitivity") {
            Some("Personal") => Sensitivity::Personal,
            Some("Private") => Sensitivity::Private,
            Some("Confidential") => Sensitivity::Confidential,
            _ => Sensitivity::Normal,
        },
        ..Item::new(ItemId(String::new()), folder)
    };
    Some(SourceItem {
        item,
        properties_json: kept(element),
    })
}

/// The class that an element stands for when none is told.
fn default_class(element: &str) -> &'static str {
    match element {
        "CalendarItem" => "IPM.Appointment",
        "Contact" => "IPM.Contact",
        "DistributionList" => "IPM.DistList",
        "Task" => "IPM.Task",
        "PostItem" => "IPM.Post",
        "MeetingRequest" => "IPM.Schedule.Meeting.Request",
        "MeetingCancellation" => "IPM.Schedule.Meeting.Canceled",
        "MeetingResponse" | "MeetingMessage" => "IPM.Schedule.Meeting.Resp",
        _ => "IPM.Note",
    }
}

/// What MIME lacks, in one fixed order so that equal properties are equal bytes.
fn kept(element: &Element) -> Vec<u8> {
    let mut out = Map::new();
    let extended: Map<String, Value> = extended::KEPT
        .iter()
        .chain(extended::KEPT_OF_OTHERS)
        .filter_map(|key| Some(((*key).to_owned(), extended::value(element, key)?.into())))
        .collect();
    if !extended.is_empty() {
        out.insert("extended".into(), Value::Object(extended));
    }
    if let Some(index) = element.text_of("ConversationIndex") {
        out.insert("conversationIndex".into(), index.into());
    }
    for (name, key) in MAIL_KEPT {
        if element.text_of(name).is_some_and(is_true) {
            out.insert((*key).to_owned(), Value::Bool(true));
        }
    }
    if !is_mail(&element.name) {
        let own = Element {
            name: element.name.clone(),
            children: element
                .children
                .iter()
                .filter(|child| !LEFT_OUT.contains(&child.name.as_str()))
                .cloned()
                .collect(),
            ..Element::default()
        };
        if !own.children.is_empty() {
            let pair = vec![Value::from(own.name.clone()), own.to_json()];
            out.insert("ews".into(), Value::Array(pair));
        }
    }
    Value::Object(out).to_string().into_bytes()
}

fn flag(element: &Element) -> Flag {
    let time = |key: &str| extended::value(element, key).and_then(parse_time);
    let status = match extended::value(element, extended::FLAG_STATUS) {
        Some("1") => FlagStatus::Complete,
        Some("2") => FlagStatus::Flagged,
        _ => return Flag::default(),
    };
    Flag {
        status,
        start_at: time(extended::FLAG_START),
        due_at: time(extended::FLAG_DUE),
        completed_at: time(extended::FLAG_COMPLETED),
    }
}

fn addresses(element: &Element, name: &str) -> Vec<Address> {
    let list = element.child(name);
    list.map(|list| list.all("Mailbox").map(address).collect())
        .unwrap_or_default()
}

pub(crate) fn address(mailbox: &Element) -> Address {
    Address {
        name: mailbox.text_of("Name").unwrap_or_default().into(),
        address: mailbox.text_of("EmailAddress").unwrap_or_default().into(),
    }
}

pub(crate) fn is_true(text: &str) -> bool {
    text.eq_ignore_ascii_case("true") || text == "1"
}

/// A time in any of the forms that servers write, to the microsecond: with or without a fraction
/// of up to nine digits, with or without an offset (UTC then).
pub(crate) fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let time = match DateTime::parse_from_rfc3339(text) {
        Ok(time) => time.to_utc(),
        Err(_) => NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
            .ok()?
            .and_utc(),
    };
    Some(time.trunc_subsecs(6))
}

#[cfg(test)]
mod tests {
    use super::super::xml::Event;
    use super::super::xml::EventReader;
    use super::*;
    use bytes::Bytes;

    pub(crate) async fn element(text: &str) -> Element {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        let mut reader = EventReader::new(Box::pin(futures::stream::iter([Ok(bytes)])));
        let mut open: Vec<Element> = vec![Element::default()];
        while let Some(event) = reader.next().await.unwrap() {
            match event {
                Event::Start { name, attributes } => open.push(Element {
                    name,
                    attributes,
                    ..Element::default()
                }),
                Event::Text(text) => open.last_mut().unwrap().text.push_str(&text),
                Event::End => {
                    let done = open.pop().unwrap();
                    open.last_mut().unwrap().children.push(done);
                }
            }
        }
        open.remove(0).children.remove(0)
    }

    #[tokio::test]
    async fn a_message_with_everything() {
        let element = element(
            "<t:Message><t:ItemId Id=\"AAA=\" ChangeKey=\"CK\"/><t:ParentFolderId Id=\"F=\"/>\
             <t:ItemClass>IPM.Note</t:ItemClass><t:Subject> S &amp; T</t:Subject>\
             <t:Sensitivity>Private</t:Sensitivity>\
             <t:DateTimeReceived>2026-01-02T03:04:05.123456789Z</t:DateTimeReceived>\
             <t:Size>1234</t:Size><t:Categories><t:String>a</t:String><t:String>b</t:String></t:Categories>\
             <t:Importance>High</t:Importance><t:HasAttachments>true</t:HasAttachments>\
             <t:ExtendedProperty><t:ExtendedFieldURI PropertyTag=\"0x1090\" PropertyType=\"Integer\"/>\
             <t:Value>2</t:Value></t:ExtendedProperty>\
             <t:Sender><t:Mailbox><t:Name>B</t:Name><t:EmailAddress>b@x</t:EmailAddress></t:Mailbox></t:Sender>\
             <t:ToRecipients><t:Mailbox><t:EmailAddress>c@x</t:EmailAddress></t:Mailbox></t:ToRecipients>\
             <t:From><t:Mailbox><t:Name>A</t:Name><t:EmailAddress>a@x</t:EmailAddress></t:Mailbox></t:From>\
             <t:IsRead>true</t:IsRead><t:Unheard><t:Of/></t:Unheard></t:Message>",
        )
        .await;
        let found = source_item(&element, None).unwrap();
        let item = found.item;
        assert_eq!((item.id.as_str(), item.folder.as_str()), ("AAA=", "F="));
        assert_eq!(item.subject, " S & T");
        assert_eq!(item.from.address, "a@x");
        assert_eq!(item.sender.unwrap().address, "b@x");
        assert_eq!(item.to[0].address, "c@x");
        assert_eq!(item.categories, ["a", "b"]);
        assert_eq!(item.flag.status, FlagStatus::Flagged);
        assert_eq!(item.sensitivity, Sensitivity::Private);
        assert!(item.is_read && item.has_attachments);
        let micros = item.received_at.unwrap().timestamp_subsec_nanos();
        assert_eq!(micros, 123_456_000);
        assert_eq!(found.properties_json, b"{}");
    }

    #[tokio::test]
    async fn a_contact_keeps_its_properties_but_not_the_volatile_ones() {
        let text = |read: bool, key: &str| {
            format!(
                "<Contact><ItemId Id=\"1\" ChangeKey=\"{key}\"/><IsRead>{read}</IsRead>\
                 <LastModifiedTime>{key}</LastModifiedTime><FileAs>Doe, J</FileAs><EmailAddresses>\
                 <Entry Key=\"EmailAddress1\">j@x</Entry></EmailAddresses></Contact>"
            )
        };
        let folder = FolderId("f".into());
        let first = source_item(&element(&text(true, "a")).await, Some(&folder)).unwrap();
        let second = source_item(&element(&text(false, "b")).await, Some(&folder)).unwrap();
        assert_eq!(first.item.kind, ItemKind::Contact);
        assert_eq!(first.properties_json, second.properties_json);
        let json: Value = serde_json::from_slice(&first.properties_json).unwrap();
        assert_eq!(json["ews"][0], "Contact");
        let own = Element::from_json("Contact", &json["ews"][1]);
        let entry = own.path(&["EmailAddresses", "Entry"]).unwrap();
        assert_eq!(
            (entry.attribute("Key"), entry.text.as_str()),
            (Some("EmailAddress1"), "j@x")
        );
        assert!(own.child("LastModifiedTime").is_none());
    }

    #[test]
    fn times_in_their_forms() {
        for text in [
            "2026-01-02T03:04:05Z",
            "2026-01-02T03:04:05",
            "2026-01-02T04:04:05.000000000+01:00",
            " 2026-01-02T03:04:05.000Z ",
        ] {
            let time = parse_time(text).unwrap();
            assert_eq!(time.to_rfc3339(), "2026-01-02T03:04:05+00:00", "{text}");
        }
        assert_eq!(parse_time("yesterday"), None);
    }
}
