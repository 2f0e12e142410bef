//! Extended properties: from the ways to name one to the one name under which the store keeps it.

use super::error::EwsError;
use super::xml::Node;

/// Several values are kept in one text with this between them.
pub(crate) const SEPARATOR: char = '\u{1f}';

/// A property that a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// Its name in the store, for example `Integer 0xe07`.
    pub(crate) id: String,
    /// Its type with `Array`, if it has several values.
    pub(crate) kind: String,
    /// The element that answers repeat.
    pub(crate) node: Node,
}

impl Key {
    /// True when it holds several values.
    pub(crate) fn is_multiple(&self) -> bool {
        self.kind.ends_with("Array")
    }
}

fn invalid(text: &str) -> EwsError {
    EwsError::new("ErrorInvalidExtendedProperty", text)
}

/// The GUID of a well-known set.
fn set_id(name: &str) -> Option<&'static str> {
    Some(match name {
        "Meeting" => "6ed8da90-450b-101b-98da-00aa003f1305",
        "Appointment" => "00062002-0000-0000-c000-000000000046",
        "Common" => "00062008-0000-0000-c000-000000000046",
        "PublicStrings" => "00020329-0000-0000-c000-000000000046",
        "Address" => "00062004-0000-0000-c000-000000000046",
        "InternetHeaders" => "00020386-0000-0000-c000-000000000046",
        "CalendarAssistant" => "11000e07-b51b-40d6-af21-caa85edab1d0",
        "UnifiedMessaging" => "4442858e-a9e3-4e80-b900-317a210cc15b",
        "Task" => "00062003-0000-0000-c000-000000000046",
        "Sharing" => "00062040-0000-0000-c000-000000000046",
        _ => return None,
    })
}

/// Reads a `t:ExtendedFieldURI`.
pub(crate) fn key(node: &Node) -> Result<Key, EwsError> {
    let kind = node.attribute("PropertyType").unwrap_or_default();
    if matches!(kind, "Error" | "Null" | "Object" | "ObjectArray" | "") {
        return Err(invalid("The property type cannot be used."));
    }
    let known = node.attribute("DistinguishedPropertySetId");
    let own = node.attribute("PropertySetId");
    let name = node.attribute("PropertyName");
    let id = node.attribute("PropertyId");
    let mut shown = node.clone();
    shown.at = 0;
    let place = match (node.attribute("PropertyTag"), known, own, name, id) {
        (Some(tag), None, None, None, None) => {
            let number = match tag.strip_prefix("0x").or_else(|| tag.strip_prefix("0X")) {
                Some(digits) => u32::from_str_radix(digits, 16).ok(),
                None => tag.parse().ok(),
            }
            .ok_or_else(|| invalid("The property tag is no number."))?;
            if number >= 0x8000 {
                return Err(invalid(
                    "Tags from 0x8000 on are of named properties and must be used by name.",
                ));
            }
            for (key, value) in &mut shown.attributes {
                if key == "PropertyTag" {
                    *value = format!("0x{number:x}");
                }
            }
            format!("0x{number:x}")
        }
        (None, known, own, name, id) if known.is_some() != own.is_some() => {
            let set = match own {
                Some(own) => own.to_ascii_lowercase(),
                None => known
                    .and_then(set_id)
                    .ok_or_else(|| invalid("There is no such property set."))?
                    .to_owned(),
            };
            match (name, id.map(str::parse::<u32>)) {
                (Some(name), None) if !name.is_empty() => format!("{{{set}}} Name {name}"),
                (None, Some(Ok(id))) => format!("{{{set}}} Id 0x{id:x}"),
                _ => return Err(invalid("Either a name or an id is needed.")),
            }
        }
        _ => return Err(invalid("The attributes cannot be used together.")),
    };
    Ok(Key {
        id: format!("{kind} {place}"),
        kind: kind.to_owned(),
        node: shown,
    })
}

/// A `t:ExtendedProperty` with its value.
pub(crate) fn property(key: &Key, value: &str) -> Node {
    let content = if key.is_multiple() {
        let values = value.split(SEPARATOR);
        Node::with(
            "t:Values",
            values.map(|one| Node::with_text("t:Value", one)).collect(),
        )
    } else {
        Node::with_text("t:Value", value)
    };
    Node::with("t:ExtendedProperty", vec![key.node.clone(), content])
}

/// Reads a `t:ExtendedProperty` of a request: the key and the value.
pub(crate) fn read(node: &Node) -> Result<(Key, String), EwsError> {
    let field = node
        .child("t:ExtendedFieldURI")
        .ok_or_else(|| invalid("The property is not named."))?;
    let key = key(field)?;
    let wrong = || {
        EwsError::new(
            "ErrorInvalidExtendedPropertyValue",
            "The value of the extended property does not fit its type.",
        )
    };
    let values: Vec<&str> = match (node.child("t:Value"), node.child("t:Values")) {
        (Some(value), None) if !key.is_multiple() => vec![value.text.as_str()],
        (None, Some(values)) if key.is_multiple() => {
            values.all("t:Value").map(|one| one.text.as_str()).collect()
        }
        _ => return Err(wrong()),
    };
    let kind = key.kind.trim_end_matches("Array");
    if !values.iter().all(|value| fits(kind, value)) {
        return Err(wrong());
    }
    let text = values.join(&SEPARATOR.to_string());
    Ok((key, text))
}

fn fits(kind: &str, value: &str) -> bool {
    match kind {
        "Integer" => value.parse::<i32>().is_ok(),
        "Short" => value.parse::<i16>().is_ok(),
        "Long" | "Currency" => value.parse::<i64>().is_ok(),
        "Boolean" => matches!(value, "true" | "false" | "0" | "1"),
        "Double" | "Float" | "ApplicationTime" => value.parse::<f64>().is_ok(),
        "SystemTime" => chrono::DateTime::parse_from_rfc3339(value).is_ok(),
        "Binary" => base64_simd::STANDARD.check(value.as_bytes()).is_ok(),
        "CLSID" => value.len() == 36,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(attributes: &[(&str, &str)]) -> Result<Key, EwsError> {
        let mut node = Node::new("t:ExtendedFieldURI");
        for (name, value) in attributes {
            node = node.set(name, *value);
        }
        key(&node)
    }

    #[test]
    fn every_way_to_name_a_property_leads_to_one_name() {
        let tag = named(&[("PropertyTag", "3591"), ("PropertyType", "Integer")]).unwrap();
        assert_eq!(tag.id, "Integer 0xe07");
        assert_eq!(tag.node.attribute("PropertyTag"), Some("0xe07"));
        let common = named(&[
            ("DistinguishedPropertySetId", "Common"),
            ("PropertyId", "34096"),
            ("PropertyType", "String"),
        ]);
        let by_guid = named(&[
            ("PropertySetId", "00062008-0000-0000-C000-000000000046"),
            ("PropertyId", "34096"),
            ("PropertyType", "String"),
        ]);
        assert_eq!(common.unwrap().id, by_guid.unwrap().id);
        for bad in [
            vec![("PropertyTag", "0x8001"), ("PropertyType", "Integer")],
            vec![
                ("PropertyTag", "0x1"),
                ("PropertyName", "x"),
                ("PropertyType", "String"),
            ],
            vec![("PropertySetId", "x"), ("PropertyType", "String")],
            vec![("PropertyName", "x"), ("PropertyType", "String")],
            vec![("PropertyTag", "0x1"), ("PropertyType", "Object")],
        ] {
            assert!(named(&bad).is_err(), "{bad:?}");
        }
    }
}
