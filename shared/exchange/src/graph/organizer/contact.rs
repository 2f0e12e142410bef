//! A stored contact as the JSON that creates it.

use mailkeep_model::{FlagStatus, Importance, Sensitivity};
use serde_json::{Value, json};

use super::kept::Kept;
use super::marked::Allowed;
use super::plain::plain;
use crate::RestoreItem;
use crate::ews::xml::Element;
use crate::graph::message_json::Object;
use crate::graph::properties::{self, property};

/// Texts: their names at the service and in the stored element.
pub(crate) const TEXTS: &[(&str, &str)] = &[
    ("fileAs", "FileAs"),
    ("displayName", "DisplayName"),
    ("givenName", "GivenName"),
    ("initials", "Initials"),
    ("middleName", "MiddleName"),
    ("nickName", "Nickname"),
    ("companyName", "CompanyName"),
    ("assistantName", "AssistantName"),
    ("businessHomePage", "BusinessHomePage"),
    ("department", "Department"),
    ("generation", "Generation"),
    ("jobTitle", "JobTitle"),
    ("manager", "Manager"),
    ("officeLocation", "OfficeLocation"),
    ("profession", "Profession"),
    ("spouseName", "SpouseName"),
    ("surname", "Surname"),
];
/// Texts inside `CompleteName`.
pub(crate) const NAMES: &[(&str, &str)] = &[
    ("title", "Title"),
    ("yomiGivenName", "YomiFirstName"),
    ("yomiSurname", "YomiLastName"),
];
/// Telephone numbers that the service has only as extended properties.
pub(crate) const MORE_PHONES: &[(&str, &str)] = &[
    ("String 0x3A2E", "AssistantPhone"),
    ("String 0x3A24", "BusinessFax"),
    ("String 0x3A02", "Callback"),
    ("String 0x3A1E", "CarPhone"),
    ("String 0x3A57", "CompanyMainPhone"),
    ("String 0x3A25", "HomeFax"),
    ("String 0x3A2D", "Isdn"),
    ("String 0x3A23", "OtherFax"),
    ("String 0x3A1F", "OtherTelephone"),
    ("String 0x3A21", "Pager"),
    ("String 0x3A1A", "PrimaryPhone"),
    ("String 0x3A1D", "RadioPhone"),
    ("String 0x3A2C", "Telex"),
    ("String 0x3A4B", "TtyTddPhone"),
];
/// Lists of telephone numbers.
pub(crate) const PHONES: &[(&str, [&str; 2])] = &[
    ("homePhones", ["HomePhone", "HomePhone2"]),
    ("businessPhones", ["BusinessPhone", "BusinessPhone2"]),
];
pub(crate) const ADDRESSES: &[(&str, &str)] = &[
    ("homeAddress", "Home"),
    ("businessAddress", "Business"),
    ("otherAddress", "Other"),
];
pub(crate) const ADDRESS_PARTS: &[(&str, &str)] = &[
    ("street", "Street"),
    ("city", "City"),
    ("state", "State"),
    ("countryOrRegion", "CountryOrRegion"),
    ("postalCode", "PostalCode"),
];
pub(crate) const ANNIVERSARY: &str = "SystemTime 0x3A41";
pub(crate) const MILEAGE: &str = "String {00062008-0000-0000-c000-000000000046} Id 0x8534";
/// What the service has no property for.
const LOST: &[&str] = &["Companies", "BillingInformation"];
/// The file that holds a contact's picture.
pub(crate) const PICTURE: &str = "ContactPicture.jpg";

/// The entries of a list, by their keys.
fn entries<'a>(kept: &'a Kept, list: &str) -> impl Iterator<Item = (&'a str, &'a Element)> {
    let list = kept.own.child(list).into_iter();
    list.flat_map(|list| &list.children)
        .filter_map(|entry| Some((entry.attribute("Key")?, entry)))
}

/// The creating request, and what it cannot keep.
pub(crate) fn contact(
    restored: &RestoreItem,
    mark: &str,
    allowed: Allowed,
) -> (Object, Vec<String>) {
    let (item, kept) = (&restored.item, Kept::read(&restored.properties_json));
    let mut losses = vec![];
    let mut out = Object::new();
    let mut put = |name: &str, value: Value| {
        out.insert(name.to_owned(), value);
    };
    for (name, element) in TEXTS {
        if let Some(text) = kept.text(element) {
            put(name, json!(text));
        }
    }
    for (name, element) in NAMES {
        let names = kept.own.child("CompleteName");
        if let Some(text) = names.and_then(|names| names.text_of(element)) {
            put(name, json!(text));
        }
    }
    if kept.text("DisplayName").is_none() && !item.subject.is_empty() {
        put("displayName", json!(item.subject));
    }
    if let Some(birthday) = kept.time("Birthday") {
        put("birthday", json!(stamp(birthday)));
    }
    let phone = |key: &str| {
        let mut phones = entries(&kept, "PhoneNumbers");
        let found = phones.find(|(own, _)| *own == key)?;
        Some(found.1.text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    for (name, keys) in PHONES {
        let numbers: Vec<String> = keys.iter().filter_map(|key| phone(key)).collect();
        if !numbers.is_empty() {
            put(name, json!(numbers));
        }
    }
    if let Some(number) = phone("MobilePhone") {
        put("mobilePhone", json!(number));
    }
    let mails: Vec<Value> = entries(&kept, "EmailAddresses")
        .filter(|(_, entry)| !entry.text.trim().is_empty())
        .map(|(_, entry)| {
            let address = entry.text.trim();
            json!({ "name": entry.attribute("Name").unwrap_or(address), "address": address })
        })
        .collect();
    if !mails.is_empty() {
        put("emailAddresses", json!(mails));
    }
    let chats: Vec<&str> = entries(&kept, "ImAddresses")
        .map(|(_, entry)| entry.text.trim())
        .filter(|text| !text.is_empty())
        .collect();
    if !chats.is_empty() {
        put("imAddresses", json!(chats));
    }
    for (name, key) in ADDRESSES {
        let found = entries(&kept, "PhysicalAddresses").find(|(own, _)| own == key);
        let parts: Object = ADDRESS_PARTS
            .iter()
            .filter_map(|(part, element)| {
                let text = found?.1.text_of(element)?;
                Some(((*part).to_owned(), json!(text)))
            })
            .collect();
        if !parts.is_empty() {
            put(name, Value::Object(parts));
        }
    }
    let children = kept.own.child("Children").into_iter();
    let children: Vec<&str> = children
        .flat_map(|list| list.all("String"))
        .map(|one| one.text.as_str())
        .collect();
    if !children.is_empty() {
        put("children", json!(children));
    }
    if !restored.body.is_empty() {
        let text = match restored.body_is_html {
            true => plain(&restored.body),
            false => restored.body.clone(),
        };
        if restored.body_is_html {
            losses.push("the formatting of the notes is lost; their text is kept".into());
        }
        put("personalNotes", json!(text));
    }
    if !item.categories.is_empty() {
        put("categories", json!(item.categories));
    }
    let mut extended = vec![property(properties::MARKER, mark)];
    if allowed.extras {
        for (id, key) in MORE_PHONES {
            extended.extend(phone(key).map(|number| property(id, number)));
        }
        let anniversary = kept.time("WeddingAnniversary");
        extended.extend(anniversary.map(|at| property(ANNIVERSARY, stamp(at))));
        extended.extend(kept.text("Mileage").map(|text| property(MILEAGE, text)));
        extended
            .extend(sensitivity(item.sensitivity).map(|n| property(properties::SENSITIVITY, n)));
        extended.extend(importance(item.importance).map(|n| property("Integer 0x0017", n)));
        extended.extend(
            kept.extended
                .iter()
                .map(|(id, value)| property(id, value.as_str())),
        );
    } else {
        losses.push("the target refused extended properties of this item".into());
    }
    put("singleValueExtendedProperties", Value::Array(extended));
    let lost = kept.count(LOST);
    if lost > 0 {
        losses.push(format!(
            "{lost} properties are lost, which Microsoft 365 has no place for in contacts"
        ));
    }
    let files = restored.attachments.iter();
    let files = files.filter(|file| !is_picture(&file.name)).count();
    if files > 0 {
        losses.push(format!(
            "{files} attachments are lost: contacts at Microsoft 365 have none"
        ));
    }
    if item.flag.status != FlagStatus::NotFlagged {
        losses.push("the follow-up flag is lost: contacts at Microsoft 365 have none".into());
    }
    if !kept.is_known {
        losses.push("the item's own properties were not kept; only its text is there".into());
    }
    (out, losses)
}

/// Whether a file is the contact's picture.
pub(crate) fn is_picture(name: &str) -> bool {
    name.eq_ignore_ascii_case(PICTURE)
}

/// The number of a sensitivity that is not the usual one.
pub(crate) fn sensitivity(sensitivity: Sensitivity) -> Option<&'static str> {
    match sensitivity {
        Sensitivity::Normal => None,
        Sensitivity::Personal => Some("1"),
        Sensitivity::Private => Some("2"),
        Sensitivity::Confidential => Some("3"),
    }
}

fn importance(importance: Importance) -> Option<&'static str> {
    match importance {
        Importance::Low => Some("0"),
        Importance::Normal => None,
        Importance::High => Some("2"),
    }
}

/// A point in time as the service takes it.
pub(crate) fn stamp(time: chrono::DateTime<chrono::Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
