//! Contacts: what callers write, and what they are shown.

use serde_json::{Map, Value, json};

use super::extended::{self, entry, put_entry};
use crate::clock::stamp;
use crate::content::plan::World;
use crate::ews::write::Draft;
use crate::ews::xml::Node;
use crate::graph::failure::Failure;
use crate::graph::json::field;
use crate::graph::odata::Options;
use crate::graph::render::item_id;
use crate::store::ids::{IdKind, change_key};
use crate::store::mailbox::Mailbox;
use crate::store::view::View;

/// Texts: their names in Graph and in EWS.
const TEXTS: &[(&str, &str)] = &[
    ("fileAs", "FileAs"),
    ("displayName", "DisplayName"),
    ("givenName", "GivenName"),
    ("initials", "Initials"),
    ("middleName", "MiddleName"),
    ("nickName", "Nickname"),
    ("surname", "Surname"),
    ("generation", "Generation"),
    ("jobTitle", "JobTitle"),
    ("companyName", "CompanyName"),
    ("department", "Department"),
    ("officeLocation", "OfficeLocation"),
    ("profession", "Profession"),
    ("businessHomePage", "BusinessHomePage"),
    ("assistantName", "AssistantName"),
    ("manager", "Manager"),
    ("spouseName", "SpouseName"),
];
/// Texts that EWS shows as extended properties only.
const HIDDEN_TEXTS: &[(&str, &str)] = &[
    ("title", "String 0x3a45"),
    (
        "yomiGivenName",
        "String {00062004-0000-0000-c000-000000000046} Id 0x802c",
    ),
    (
        "yomiSurname",
        "String {00062004-0000-0000-c000-000000000046} Id 0x802d",
    ),
    (
        "yomiCompanyName",
        "String {00062004-0000-0000-c000-000000000046} Id 0x802e",
    ),
];
const ADDRESSES: &[(&str, &str)] = &[
    ("homeAddress", "Home"),
    ("businessAddress", "Business"),
    ("otherAddress", "Other"),
];
const ADDRESS_PARTS: &[(&str, &str)] = &[
    ("street", "Street"),
    ("city", "City"),
    ("state", "State"),
    ("countryOrRegion", "CountryOrRegion"),
    ("postalCode", "PostalCode"),
];

/// Everything that can be selected.
pub(crate) const FIELDS: &[&str] = &[
    "id",
    "createdDateTime",
    "lastModifiedDateTime",
    "changeKey",
    "categories",
    "parentFolderId",
    "birthday",
    "fileAs",
    "displayName",
    "givenName",
    "initials",
    "middleName",
    "nickName",
    "surname",
    "title",
    "yomiGivenName",
    "yomiSurname",
    "yomiCompanyName",
    "generation",
    "imAddresses",
    "jobTitle",
    "companyName",
    "department",
    "officeLocation",
    "profession",
    "businessHomePage",
    "assistantName",
    "manager",
    "homePhones",
    "mobilePhone",
    "businessPhones",
    "spouseName",
    "personalNotes",
    "children",
    "emailAddresses",
    "homeAddress",
    "businessAddress",
    "otherAddress",
];

fn wrong(name: &str) -> Failure {
    Failure::new(
        400,
        "ErrorInvalidPropertySet",
        format!("The property '{name}' cannot be set like this."),
    )
}

fn texts(name: &str, value: &Value, most: usize) -> Result<Vec<String>, Failure> {
    let list = value.as_array().filter(|list| list.len() <= most);
    let texts = list.and_then(|list| {
        list.iter()
            .map(|one| one.as_str().map(str::to_owned))
            .collect()
    });
    texts.ok_or_else(|| wrong(name))
}

/// Sets what a caller wrote.
pub(crate) fn write(draft: &mut Draft, map: &Map<String, Value>) -> Result<(), Failure> {
    for (name, value) in map {
        if name == "@odata.type" && value == "#microsoft.graph.contact" {
            continue;
        }
        one(draft, name, value)?;
    }
    Ok(())
}

fn one(draft: &mut Draft, name: &str, value: &Value) -> Result<(), Failure> {
    let known = |list: &[(&str, &'static str)]| {
        list.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, other)| *other)
    };
    if let Some(element) = known(TEXTS) {
        return text(draft, element, name, value);
    }
    if let Some(id) = known(HIDDEN_TEXTS) {
        let text = value.as_str().ok_or_else(|| wrong(name))?;
        draft.overlay.properties.insert(id.to_owned(), text.into());
        return Ok(());
    }
    if let Some(key) = known(ADDRESSES) {
        return address(draft, key, name, value);
    }
    match name {
        "birthday" => {
            let text = value.as_str().ok_or_else(|| wrong(name))?;
            crate::graph::input::time(text).ok_or_else(|| wrong(name))?;
            text_node(draft, "Birthday", name, text)
        }
        "personalNotes" => {
            let text = value.as_str().ok_or_else(|| wrong(name))?;
            let node = Node::with_text("t:Body", text).set("BodyType", "Text");
            draft.set(&node).map_err(|_| wrong(name))
        }
        "mobilePhone" => {
            let text = value.as_str().ok_or_else(|| wrong(name))?;
            put_entry(draft, "PhoneNumbers", entry("MobilePhone", text));
            Ok(())
        }
        "homePhones" => phones(draft, name, value, &["HomePhone", "HomePhone2"]),
        "businessPhones" => phones(draft, name, value, &["BusinessPhone", "BusinessPhone2"]),
        "imAddresses" => {
            for (place, text) in (1..).zip(texts(name, value, 3)?) {
                put_entry(
                    draft,
                    "ImAddresses",
                    entry(&format!("ImAddress{place}"), &text),
                );
            }
            Ok(())
        }
        "emailAddresses" => emails(draft, name, value),
        "children" | "categories" => {
            let element = if name == "children" {
                "Children"
            } else {
                "Categories"
            };
            let list = texts(name, value, 1_000)?;
            let list = list.iter().map(|one| Node::with_text("t:String", one));
            let node = Node::with(&format!("t:{element}"), list.collect());
            draft.set(&node).map_err(|_| wrong(name))
        }
        "singleValueExtendedProperties" => extended::write(draft, value),
        _ if FIELDS.contains(&name) => Err(wrong(name)),
        _ => Err(Failure::bad(format!(
            "The property '{name}' does not exist on type 'microsoft.graph.contact'."
        ))),
    }
}

fn text_node(draft: &mut Draft, element: &str, name: &str, text: &str) -> Result<(), Failure> {
    let node = Node::with_text(&format!("t:{element}"), text);
    draft.set(&node).map_err(|_| wrong(name))
}

fn text(draft: &mut Draft, element: &str, name: &str, value: &Value) -> Result<(), Failure> {
    match value {
        Value::Null => {
            draft.overlay.fields.remove(element);
            Ok(())
        }
        Value::String(text) => text_node(draft, element, name, text),
        _ => Err(wrong(name)),
    }
}

fn phones(draft: &mut Draft, name: &str, value: &Value, keys: &[&str]) -> Result<(), Failure> {
    for (key, text) in keys.iter().zip(texts(name, value, keys.len())?) {
        put_entry(draft, "PhoneNumbers", entry(key, &text));
    }
    Ok(())
}

fn emails(draft: &mut Draft, name: &str, value: &Value) -> Result<(), Failure> {
    let list = value.as_array().filter(|list| list.len() <= 3);
    draft.overlay.fields.remove("EmailAddresses");
    for (place, one) in (1..).zip(list.ok_or_else(|| wrong(name))?) {
        let map = one.as_object().ok_or_else(|| wrong(name))?;
        if map.keys().any(|key| key != "name" && key != "address") {
            return Err(wrong(name));
        }
        let address = field(one, "address").as_str().ok_or_else(|| wrong(name))?;
        let mut node = entry(&format!("EmailAddress{place}"), address);
        if let Some(shown) = field(one, "name").as_str() {
            node = node.set("Name", shown);
        }
        put_entry(draft, "EmailAddresses", node);
    }
    Ok(())
}

fn address(draft: &mut Draft, key: &str, name: &str, value: &Value) -> Result<(), Failure> {
    let map = value.as_object().ok_or_else(|| wrong(name))?;
    let mut node = Node::new("t:Entry").set("Key", key);
    for (part, element) in ADDRESS_PARTS {
        if let Some(text) = map.get(*part) {
            let text = text.as_str().ok_or_else(|| wrong(name))?;
            node.children
                .push(Node::with_text(&format!("t:{element}"), text));
        }
    }
    if node.children.len() != map.len() {
        return Err(wrong(name));
    }
    put_entry(draft, "PhysicalAddresses", node);
    Ok(())
}

/// A contact as JSON.
pub(crate) fn shown(
    mailbox: &Mailbox,
    view: &View,
    world: &World,
    ids: IdKind,
    options: &Options,
) -> Value {
    let meta = view.meta();
    let key = change_key(mailbox.key, view.item, view.slot.change);
    let mut out = Map::new();
    out.insert("@odata.etag".into(), json!(format!("W/\"{key}\"")));
    let id = item_id(mailbox, view.item, view.slot.joined, ids);
    out.insert("id".into(), json!(id));
    for name in FIELDS {
        let is_wanted = options
            .select
            .as_ref()
            .is_none_or(|names| names.iter().any(|wanted| wanted == name));
        if !is_wanted || *name == "id" {
            continue;
        }
        let value = match *name {
            "changeKey" => json!(key),
            "createdDateTime" => json!(stamp(view.overlay.created.unwrap_or(meta.received))),
            "lastModifiedDateTime" => json!(stamp(view.modified(world, &meta))),
            "categories" => json!(view.overlay.categories),
            "parentFolderId" => mailbox
                .folder(view.slot.folder)
                .map_or(Value::Null, |folder| json!(folder.id)),
            "personalNotes" => json!(view.body().text),
            other => property(view, other),
        };
        out.insert((*name).to_owned(), value);
    }
    extended::expand(&mut out, view, world, &options.expand.properties);
    Value::Object(out)
}

fn property(view: &View, name: &str) -> Value {
    let fields = &view.overlay.fields;
    let text = |element: &str| fields.get(element).map(|node| node.text.clone());
    let entries = |element: &str| {
        fields
            .get(element)
            .map(|node| node.children.as_slice())
            .unwrap_or_default()
    };
    let phone = |key: &str| {
        let found = entries("PhoneNumbers").iter();
        let mut found = found.filter(|one| one.attribute("Key") == Some(key));
        found.next().map(|one| one.text.clone())
    };
    let phones = |keys: &[&str]| -> Value { keys.iter().filter_map(|key| phone(key)).collect() };
    let known = |list: &[(&str, &'static str)]| {
        list.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, other)| *other)
    };
    if let Some(element) = known(TEXTS) {
        return json!(text(element));
    }
    if let Some(id) = known(HIDDEN_TEXTS) {
        return json!(view.overlay.properties.get(id));
    }
    if let Some(key) = known(ADDRESSES) {
        let found = entries("PhysicalAddresses")
            .iter()
            .find(|one| one.attribute("Key") == Some(key));
        let mut out = Map::new();
        for (part, element) in ADDRESS_PARTS {
            if let Some(text) = found.and_then(|one| one.text_of(&format!("t:{element}"))) {
                out.insert((*part).to_owned(), json!(text));
            }
        }
        return Value::Object(out);
    }
    match name {
        "birthday" => json!(text("Birthday")),
        "mobilePhone" => json!(phone("MobilePhone")),
        "homePhones" => phones(&["HomePhone", "HomePhone2"]),
        "businessPhones" => phones(&["BusinessPhone", "BusinessPhone2"]),
        "imAddresses" => entries("ImAddresses")
            .iter()
            .map(|one| json!(one.text))
            .collect(),
        "children" => entries("Children")
            .iter()
            .map(|one| json!(one.text))
            .collect(),
        "emailAddresses" => entries("EmailAddresses")
            .iter()
            .map(|one| {
                let name = one.attribute("Name").unwrap_or(one.text.as_str());
                json!({"name": name, "address": one.text})
            })
            .collect(),
        _ => Value::Null,
    }
}
