//! Extended (MAPI) properties. Their keys are written as the Graph connector writes them, so that
//! what one of them kept the other can restore.

use super::xml::{Element, XmlWriter};

const TASK: &str = "{00062003-0000-0000-c000-000000000046}";
const COMMON: &str = "{00062008-0000-0000-c000-000000000046}";

/// Flags of a message: 1 is read, 8 is a draft. Only honoured when an item is created.
pub(crate) const FLAGS: &str = "Integer 0x0E07";
/// Delivery time.
pub(crate) const DELIVERED: &str = "SystemTime 0x0E06";
/// Submit time.
pub(crate) const SUBMITTED: &str = "SystemTime 0x0039";
/// Follow-up: 1 is complete, 2 is flagged.
pub(crate) const FLAG_STATUS: &str = "Integer 0x1090";
/// When the follow-up was completed.
pub(crate) const FLAG_COMPLETED: &str = "SystemTime 0x1091";
/// Start of the follow-up.
pub(crate) const FLAG_START: &str = "SystemTime {00062003-0000-0000-c000-000000000046} Id 0x8104";
/// Due date of the follow-up.
pub(crate) const FLAG_DUE: &str = "SystemTime {00062003-0000-0000-c000-000000000046} Id 0x8105";
/// Whether a folder is hidden.
pub(crate) const HIDDEN: &str = "Boolean 0x10F4";
/// GUIDs of the mailboxes that hold a public folder's items.
pub(crate) const REPLICAS: &str = "Binary 0x6698";
/// Our mark on restored items.
pub(crate) const MARKER: &str =
    "String {6f1c2a36-2f0f-4f6b-9d43-7a8f5be0c1d2} Name MailkeepRestore";

/// Kept beside the content because MIME lacks them. None of them changes with the read state, the
/// flag or the categories, which live in the index.
pub(crate) const KEPT: &[&str] = &[
    "Integer 0x1081",
    "SystemTime 0x1082",
    "SystemTime 0x0015",
    "Binary 0x300B",
    "String {00062008-0000-0000-c000-000000000046} Id 0x8530",
    "Boolean {00062008-0000-0000-c000-000000000046} Id 0x8503",
    "SystemTime {00062008-0000-0000-c000-000000000046} Id 0x8502",
    "String {00062008-0000-0000-c000-000000000046} Id 0x8524",
];

/// Kept of items that are no mail, beside [`KEPT`]: what the protocol has no elements for.
pub(crate) const KEPT_OF_OTHERS: &[&str] = &[
    // Private, for people whose programs look here.
    "Boolean {00062008-0000-0000-c000-000000000046} Id 0x8506",
    "String {00062008-0000-0000-c000-000000000046} Id 0x8535",
    // Contacts: account, government id, customer id, language, hobbies, who referred, FTP site, own
    // page, gender, four fields of the user's own, web page, where free and busy times are.
    "String 0x3A00",
    "String 0x3A07",
    "String 0x3A4A",
    "String 0x3A0C",
    "String 0x3A43",
    "String 0x3A47",
    "String 0x3A4C",
    "String 0x3A50",
    "Short 0x3A4D",
    "String {00062004-0000-0000-c000-000000000046} Id 0x804F",
    "String {00062004-0000-0000-c000-000000000046} Id 0x8050",
    "String {00062004-0000-0000-c000-000000000046} Id 0x8051",
    "String {00062004-0000-0000-c000-000000000046} Id 0x8052",
    "String {00062004-0000-0000-c000-000000000046} Id 0x802B",
    "String {00062004-0000-0000-c000-000000000046} Id 0x80D8",
    // Appointments: colour.
    "Integer {00062002-0000-0000-c000-000000000046} Id 0x8214",
    // Notes: colour, size, place.
    "Integer {0006200e-0000-0000-c000-000000000046} Id 0x8B00",
    "Integer {0006200e-0000-0000-c000-000000000046} Id 0x8B02",
    "Integer {0006200e-0000-0000-c000-000000000046} Id 0x8B03",
    "Integer {0006200e-0000-0000-c000-000000000046} Id 0x8B04",
    "Integer {0006200e-0000-0000-c000-000000000046} Id 0x8B05",
    // Journal: kind of entry, begin, minutes, end, its name.
    "String {0006200a-0000-0000-c000-000000000046} Id 0x8700",
    "SystemTime {0006200a-0000-0000-c000-000000000046} Id 0x8706",
    "Integer {0006200a-0000-0000-c000-000000000046} Id 0x8707",
    "SystemTime {0006200a-0000-0000-c000-000000000046} Id 0x8708",
    "String {0006200a-0000-0000-c000-000000000046} Id 0x8712",
];

/// Kept properties that are the server's own and not written again: the search key.
pub(crate) fn is_restored(key: &str) -> bool {
    normalise(key) != normalise("Binary 0x300B")
}

/// One property's name, taken apart.
struct Name<'a> {
    kind: &'a str,
    tag: Option<&'a str>,
    set: Option<&'a str>,
    id: Option<String>,
    name: Option<&'a str>,
}

fn parse(key: &str) -> Option<Name<'_>> {
    let (kind, rest) = key.split_once(' ')?;
    let is_kind = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphabetic());
    if !is_kind {
        return None;
    }
    if !rest.starts_with('{') {
        let is_tag = rest.starts_with("0x") && rest.len() <= 6;
        return is_tag.then_some(Name {
            kind,
            tag: Some(rest),
            set: None,
            id: None,
            name: None,
        });
    }
    let mut words = rest.splitn(3, ' ');
    let set = words.next()?.strip_prefix('{')?.strip_suffix('}')?;
    let (by, value) = (words.next()?, words.next()?);
    let number = value.strip_prefix("0x");
    Some(Name {
        kind,
        tag: None,
        set: Some(set),
        id: match by.eq_ignore_ascii_case("Id") {
            true => Some(u32::from_str_radix(number?, 16).ok()?.to_string()),
            false => None,
        },
        name: by.eq_ignore_ascii_case("Name").then_some(value),
    })
}

/// Writes `t:ExtendedFieldURI`. False for a key that is none.
pub(crate) fn write_field(writer: &mut XmlWriter, key: &str) -> bool {
    let Some(name) = parse(key) else {
        return false;
    };
    let mut attributes: Vec<(&str, &str)> = vec![];
    attributes.extend(name.tag.map(|tag| ("PropertyTag", tag)));
    attributes.extend(name.set.map(|set| ("PropertySetId", set)));
    attributes.extend(name.name.map(|name| ("PropertyName", name)));
    attributes.extend(name.id.as_deref().map(|id| ("PropertyId", id)));
    attributes.push(("PropertyType", name.kind));
    writer.empty("t:ExtendedFieldURI", &attributes);
    true
}

/// Writes `t:ExtendedProperty` with one value.
pub(crate) fn write_property(writer: &mut XmlWriter, key: &str, value: &str) {
    if parse(key).is_none() {
        return;
    }
    writer.start("t:ExtendedProperty", &[]);
    write_field(writer, key);
    writer.text("t:Value", value).end();
}

/// The key in one spelling.
fn normalise(key: &str) -> String {
    let mut words = key.split(' ');
    let mut out = words.next().unwrap_or_default().to_ascii_lowercase();
    let mut is_name = false;
    for word in words {
        out.push(' ');
        if is_name {
            out.push_str(word);
            continue;
        }
        is_name = word.eq_ignore_ascii_case("name");
        let lower = word.to_ascii_lowercase();
        let number = lower
            .strip_prefix("0x")
            .map(|tag| u32::from_str_radix(tag, 16));
        match number {
            Some(Ok(tag)) => out.push_str(&format!("0x{tag:x}")),
            _ => out.push_str(&lower),
        }
    }
    out
}

/// The key of a property that an answer names, in one spelling.
fn named(field: &Element) -> Option<String> {
    let kind = field.attribute("PropertyType")?;
    if let Some(tag) = field.attribute("PropertyTag") {
        return Some(normalise(&format!("{kind} 0x{:x}", number(tag)?)));
    }
    let set = match field.attribute("DistinguishedPropertySetId") {
        Some("Task") => TASK.to_owned(),
        Some("Common") => COMMON.to_owned(),
        Some(_) => return None,
        None => format!("{{{}}}", field.attribute("PropertySetId")?),
    };
    let place = match (
        field.attribute("PropertyName"),
        field.attribute("PropertyId"),
    ) {
        (Some(name), _) => format!("Name {name}"),
        (None, Some(id)) => format!("Id 0x{:x}", number(id)?),
        (None, None) => return None,
    };
    Some(normalise(&format!("{kind} {set} {place}")))
}

/// A number as servers write it: decimal or with `0x`.
fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The value of a property of an item or folder; of several values the first.
pub(crate) fn value<'a>(owner: &'a Element, key: &str) -> Option<&'a str> {
    let wanted = normalise(key);
    let found = owner.all("ExtendedProperty").find(|property| {
        let field = property.child("ExtendedFieldURI");
        field.and_then(named).is_some_and(|name| name == wanted)
    })?;
    let text = found
        .text_of("Value")
        .or_else(|| found.child("Values")?.text_of("Value"))?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn property(attributes: &[(&str, &str)], value: &str) -> Element {
        let leaf = |name: &str, text: &str| Element {
            name: name.into(),
            text: text.into(),
            ..Element::default()
        };
        let mut field = leaf("ExtendedFieldURI", "");
        for (key, value) in attributes {
            field.attributes.push(((*key).into(), (*value).into()));
        }
        let mut property = leaf("ExtendedProperty", "");
        property.children = vec![field, leaf("Value", value)];
        property
    }

    #[test]
    fn every_key_can_be_written() {
        let more = [
            FLAGS,
            DELIVERED,
            SUBMITTED,
            FLAG_STATUS,
            FLAG_COMPLETED,
            FLAG_START,
            FLAG_DUE,
            HIDDEN,
            MARKER,
        ];
        for key in KEPT.iter().chain(KEPT_OF_OTHERS).chain(&more) {
            assert!(write_field(&mut XmlWriter::new(), key), "{key}");
        }
        let mut writer = XmlWriter::new();
        write_field(&mut writer, KEPT[4]);
        assert_eq!(
            writer.finish(),
            "<t:ExtendedFieldURI PropertySetId=\"00062008-0000-0000-c000-000000000046\" \
             PropertyId=\"34096\" PropertyType=\"String\"/>"
        );
        for bad in [
            "",
            "x",
            "Integer",
            "In\"t 0x1",
            "String {a} Id b",
            "Integer 0x123456789",
        ] {
            assert!(!write_field(&mut XmlWriter::new(), bad), "{bad}");
        }
    }

    #[test]
    fn values_are_found_by_any_spelling() {
        let children = vec![
            property(&[("PropertyTag", "4240"), ("PropertyType", "Integer")], "2"),
            property(
                &[
                    ("PropertySetId", "00062008-0000-0000-C000-000000000046"),
                    ("PropertyId", "34096"),
                    ("PropertyType", "String"),
                ],
                "call",
            ),
            property(
                &[
                    ("DistinguishedPropertySetId", "Task"),
                    ("PropertyId", "0x8105"),
                    ("PropertyType", "SystemTime"),
                ],
                "2026-01-01T00:00:00Z",
            ),
        ];
        let item = Element {
            children,
            ..Element::default()
        };
        assert_eq!(value(&item, FLAG_STATUS), Some("2"));
        assert_eq!(value(&item, KEPT[4]), Some("call"));
        assert_eq!(value(&item, FLAG_DUE), Some("2026-01-01T00:00:00Z"));
        assert_eq!(value(&item, FLAGS), None);
    }
}
