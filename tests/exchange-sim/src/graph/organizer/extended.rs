//! Extended properties of contacts, events and tasks.

use serde_json::{Map, Value, json};

use crate::content::plan::World;
use crate::ews::write::Draft;
use crate::ews::xml::Node;
use crate::graph::failure::Failure;
use crate::graph::input::check_value;
use crate::graph::json::field;
use crate::graph::svep;
use crate::store::view::View;

/// Telephone numbers that have no property of their own in Graph, by normalised id.
const PHONES: &[(&str, &str)] = &[
    ("String 0x3a2e", "AssistantPhone"),
    ("String 0x3a24", "BusinessFax"),
    ("String 0x3a02", "Callback"),
    ("String 0x3a1e", "CarPhone"),
    ("String 0x3a57", "CompanyMainPhone"),
    ("String 0x3a25", "HomeFax"),
    ("String 0x3a2d", "Isdn"),
    ("String 0x3a23", "OtherFax"),
    ("String 0x3a1f", "OtherTelephone"),
    ("String 0x3a21", "Pager"),
    ("String 0x3a1a", "PrimaryPhone"),
    ("String 0x3a1d", "RadioPhone"),
    ("String 0x3a2c", "Telex"),
    ("String 0x3a4b", "TtyTddPhone"),
];
const ANNIVERSARY: &str = "SystemTime 0x3a41";
const MILEAGE: &str = "String {00062008-0000-0000-c000-000000000046} Id 0x8534";

/// Adds an entry to a property that is a list of entries with keys, in the place of the one of this key.
pub(crate) fn put_entry(draft: &mut Draft, name: &str, entry: Node) {
    let full = format!("t:{name}");
    let fields = &mut draft.overlay.fields;
    let list = fields
        .entry(name.to_owned())
        .or_insert_with(|| Node::new(&full));
    let key = entry.attribute("Key").map(str::to_owned);
    list.children
        .retain(|one| one.attribute("Key").map(str::to_owned) != key);
    list.children.push(entry);
}

/// An entry with a key.
pub(crate) fn entry(key: &str, text: &str) -> Node {
    Node::with_text("t:Entry", text).set("Key", key)
}

/// Sets `singleValueExtendedProperties`.
pub(crate) fn write(draft: &mut Draft, value: &Value) -> Result<(), Failure> {
    let bad = |why: &str| Failure::new(400, "ErrorInvalidPropertySet", why);
    let list = value
        .as_array()
        .ok_or_else(|| bad("Extended properties are a list."))?;
    let mut seen = std::collections::BTreeSet::new();
    for one in list {
        let keys = one.as_object().map(Map::len).unwrap_or_default();
        let id = svep::normalised(field(one, "id").as_str().unwrap_or_default())?;
        let text = field(one, "value")
            .as_str()
            .filter(|_| keys == 2)
            .ok_or_else(|| bad("An extended property has an id and a value."))?;
        check_value(&id, text)?;
        if !seen.insert(id.clone()) {
            return Err(bad("The same id twice."));
        }
        let mut set = |name: &str, text: &str| {
            draft
                .set(&Node::with_text(&format!("t:{name}"), text))
                .map_err(|_| bad("A value is not right."))
        };
        match id.as_str() {
            "Integer 0x36" => set("Sensitivity", sensitivity(text))?,
            "Integer 0x17" => set("Importance", importance(text))?,
            "String 0x1a" => set("ItemClass", text)?,
            ANNIVERSARY => set("WeddingAnniversary", text)?,
            MILEAGE => set("Mileage", text)?,
            _ => match PHONES.iter().find(|(tag, _)| *tag == id) {
                Some((_, key)) => put_entry(draft, "PhoneNumbers", entry(key, text)),
                None => {
                    draft.overlay.properties.insert(id, text.to_owned());
                }
            },
        }
    }
    Ok(())
}

fn sensitivity(number: &str) -> &'static str {
    match number {
        "1" => "Personal",
        "2" => "Private",
        "3" => "Confidential",
        _ => "Normal",
    }
}

fn importance(number: &str) -> &'static str {
    match number {
        "0" => "Low",
        "2" => "High",
        _ => "Normal",
    }
}

/// The value of a property.
pub(crate) fn value(view: &View, world: &World, id: &str) -> Option<String> {
    let fields = &view.overlay.fields;
    let text = |name: &str| fields.get(name).map(|node| node.text.clone());
    match id {
        ANNIVERSARY => return text("WeddingAnniversary"),
        MILEAGE => return text("Mileage"),
        _ => {}
    }
    let Some((_, key)) = PHONES.iter().find(|(tag, _)| *tag == id) else {
        return svep::value(view, world, id);
    };
    let list = &fields.get("PhoneNumbers")?.children;
    let found = list.iter().find(|one| one.attribute("Key") == Some(key))?;
    Some(found.text.clone())
}

/// Adds what a caller wants expanded.
pub(crate) fn expand(out: &mut Map<String, Value>, view: &View, world: &World, ids: &[String]) {
    let properties: Vec<Value> = ids
        .iter()
        .filter_map(|id| Some(json!({"id": id, "value": value(view, world, id)?})))
        .collect();
    // The service leaves the list out when no property is set.
    if !properties.is_empty() {
        out.insert("singleValueExtendedProperties".into(), properties.into());
    }
}
