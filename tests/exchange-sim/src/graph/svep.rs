//! Extended properties of messages.

use super::failure::Failure;
use crate::clock::stamp;
use crate::content::people::Person;
use crate::content::plan::World;
use crate::numbers::mix;
use crate::store::mailbox::bits;
use crate::store::view::View;

const TYPES: &[&str] = &[
    "String",
    "Integer",
    "Long",
    "Short",
    "Boolean",
    "SystemTime",
    "Binary",
    "CLSID",
    "Double",
    "Float",
    "Currency",
];

/// The form in which the service returns an id: lower-case hexadecimal without leading zeros.
pub(crate) fn normalised(id: &str) -> Result<String, Failure> {
    let wrong = || {
        Failure::new(
            400,
            "ErrorInvalidProperty",
            format!("The extended property id '{id}' is not valid."),
        )
    };
    let (kind, rest) = id.split_once(' ').ok_or_else(wrong)?;
    if !TYPES.contains(&kind) {
        return Err(wrong());
    }
    if let Some(tag) = rest.strip_prefix("0x") {
        let number = u32::from_str_radix(tag, 16).map_err(|_| wrong())?;
        return Ok(format!("{kind} 0x{number:x}"));
    }
    let (set, name) = rest
        .strip_prefix('{')
        .and_then(|text| text.split_once("} "))
        .ok_or_else(wrong)?;
    if set.len() != 36 {
        return Err(wrong());
    }
    let set = set.to_ascii_lowercase();
    match name.split_once(' ') {
        Some(("Name", text)) if !text.is_empty() => Ok(format!("{kind} {{{set}}} Name {text}")),
        Some(("Id", text)) => {
            let digits = text.strip_prefix("0x").ok_or_else(wrong)?;
            let number = u32::from_str_radix(digits, 16).map_err(|_| wrong())?;
            Ok(format!("{kind} {{{set}}} Id 0x{number:x}"))
        }
        _ => Err(wrong()),
    }
}

/// The value of a property of an item, by normalised id.
pub(crate) fn value(view: &View, world: &World, id: &str) -> Option<String> {
    if let Some(text) = view.overlay.properties.get(id) {
        return Some(text.clone());
    }
    let meta = view.meta();
    let name = |person: &Option<Person>| person.as_ref().map(|one| one.name.clone());
    let address = |person: &Option<Person>| person.as_ref().map(|one| one.address.clone());
    match id {
        "String 0x1a" => Some(meta.class),
        "Integer 0xe07" => Some(flags(view, meta.has_attachments).to_string()),
        "SystemTime 0xe06" => Some(stamp(meta.received)),
        "SystemTime 0x39" => Some(stamp(meta.sent)),
        "Integer 0x36" => Some(meta.sensitivity.to_string()),
        "Integer 0x17" => Some(meta.importance.to_string()),
        "Integer 0xe08" | "Long 0xe08" => Some(meta.size.to_string()),
        "String 0x7d" => {
            let all = view.headers(world);
            let lines: Vec<String> = all
                .iter()
                .map(|(name, value)| format!("{name}: {value}\r\n"))
                .collect();
            Some(lines.concat())
        }
        "String 0x1035" => meta.message_id,
        "Binary 0x300b" => {
            let key = mix(&[u64::from(view.item), meta.conversation, 0x300b]);
            let mut bytes = key.to_be_bytes().to_vec();
            bytes.extend_from_slice(&mix(&[key]).to_be_bytes());
            Some(base64_simd::STANDARD.encode_to_string(bytes))
        }
        "SystemTime 0x3007" => Some(stamp(view.overlay.created.unwrap_or(meta.received))),
        "SystemTime 0x3008" => Some(stamp(view.modified(world, &meta))),
        "Integer 0x1090" if view.slot.bits & bits::FLAGGED != 0 => {
            Some(if view.overlay.flag_complete { "1" } else { "2" }.to_owned())
        }
        "String 0x37" => Some(meta.subject),
        "String 0xc1a" => name(&meta.sender),
        "String 0xc1f" => address(&meta.sender),
        "String 0xe04" => Some(
            meta.to
                .iter()
                .map(|person| person.name.clone())
                .collect::<Vec<_>>()
                .join("; "),
        ),
        "Boolean 0xe1b" => Some(meta.has_attachments.to_string()),
        _ => None,
    }
}

fn flags(view: &View, has_attachments: bool) -> u32 {
    let mut value = 0;
    if view.slot.bits & bits::READ != 0 {
        value |= 1;
    }
    if view.slot.version == 0 {
        value |= 2;
    }
    if view.slot.bits & bits::DRAFT != 0 {
        value |= 8;
    }
    if has_attachments {
        value |= 0x10;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_normalised_and_checked() {
        assert_eq!(normalised("Integer 0x0E07").unwrap(), "Integer 0xe07");
        assert_eq!(
            normalised("String {00020329-0000-0000-C000-000000000046} Name Mark").unwrap(),
            "String {00020329-0000-0000-c000-000000000046} Name Mark"
        );
        for wrong in [
            "",
            "Integer",
            "integer 0x1",
            "Integer 0E07",
            "Integer 0xZZ",
            "String {1} Name x",
        ] {
            assert!(normalised(wrong).is_err(), "{wrong}");
        }
    }
}
