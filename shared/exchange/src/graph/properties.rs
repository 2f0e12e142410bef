//! Extended (MAPI) properties by their ids.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Message class.
pub(crate) const CLASS: &str = "String 0x001A";
/// Size in bytes.
pub(crate) const SIZE: &str = "Integer 0x0E08";
/// Sensitivity as a number.
pub(crate) const SENSITIVITY: &str = "Integer 0x0036";
/// Flags of a message; without bit 8 it is no draft. Only honoured when an item is created.
pub(crate) const FLAGS: &str = "Integer 0x0E07";
/// Delivery time.
pub(crate) const DELIVERED: &str = "SystemTime 0x0E06";
/// Submit time.
pub(crate) const SUBMITTED: &str = "SystemTime 0x0039";
/// Place in the conversation.
pub(crate) const CONVERSATION_INDEX: &str = "Binary 0x0071";
/// Container class of a folder.
pub(crate) const FOLDER_CLASS: &str = "String 0x3613";
/// Our mark on restored items.
pub(crate) const MARKER: &str =
    "String {6f1c2a36-2f0f-4f6b-9d43-7a8f5be0c1d2} Name MailkeepRestore";

/// Kept beside the content because MIME lacks them. None of them changes with the read state, the
/// flag or the categories, which live in the index.
pub(crate) const KEPT: &[&str] = &[
    // Last verb (replied, forwarded) and its time.
    "Integer 0x1081",
    "SystemTime 0x1082",
    // Expiry.
    "SystemTime 0x0015",
    // Search key: the same on every copy of an item.
    "Binary 0x300B",
    // Text of the follow-up flag; reminder; voting answer.
    "String {00062008-0000-0000-c000-000000000046} Id 0x8530",
    "Boolean {00062008-0000-0000-c000-000000000046} Id 0x8503",
    "SystemTime {00062008-0000-0000-c000-000000000046} Id 0x8502",
    "String {00062008-0000-0000-c000-000000000046} Id 0x8524",
];

/// Kept properties that are written again at a restore. The search key is not: it is the
/// service's own.
pub(crate) fn is_restored(id: &str) -> bool {
    normalise(id) != normalise("Binary 0x300B")
}

/// The `$expand` that asks for these properties.
pub(crate) fn expand(ids: &[&str]) -> String {
    let terms: Vec<String> = ids.iter().map(|id| format!("id eq '{id}'")).collect();
    format!(
        "singleValueExtendedProperties($filter={})",
        terms.join(" or ")
    )
}

/// An id in one spelling, whatever spelling the service uses: it drops leading zeros and changes
/// case.
pub(crate) fn normalise(id: &str) -> String {
    let mut words = id.split(' ');
    let kind = words.next().unwrap_or_default().to_ascii_lowercase();
    let mut out = kind;
    let mut is_name = false;
    for word in words {
        out.push(' ');
        if is_name {
            out.push_str(word);
            continue;
        }
        is_name = word.eq_ignore_ascii_case("name");
        let lower = word.to_ascii_lowercase();
        match lower
            .strip_prefix("0x")
            .map(|tag| u32::from_str_radix(tag, 16))
        {
            Some(Ok(tag)) => out.push_str(&format!("0x{tag:x}")),
            _ => out.push_str(&lower),
        }
    }
    out
}

/// The extended properties of one item, by normalised id.
#[derive(Debug, Default)]
pub(crate) struct Extended(BTreeMap<String, String>);

impl Extended {
    /// Reads `singleValueExtendedProperties`.
    pub(crate) fn from_json(value: Option<&Value>) -> Self {
        let list = value.and_then(Value::as_array);
        Self(
            list.into_iter()
                .flatten()
                .filter_map(|one| {
                    let id = one.get("id")?.as_str()?;
                    let value = one.get("value")?.as_str()?;
                    Some((normalise(id), value.to_owned()))
                })
                .collect(),
        )
    }

    /// The value of a property.
    pub(crate) fn get(&self, id: &str) -> Option<&str> {
        self.0.get(&normalise(id)).map(String::as_str)
    }

    /// Those of [`KEPT`] that are there, by our spelling.
    pub(crate) fn kept(&self) -> BTreeMap<&'static str, String> {
        KEPT.iter()
            .filter_map(|id| Some((*id, self.get(id)?.to_owned())))
            .collect()
    }
}

/// One property to write.
pub(crate) fn property(id: &str, value: impl Into<String>) -> Value {
    json!({ "id": id, "value": value.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_one() {
        for (a, b) in [
            ("String 0x001A", "String 0x1a"),
            ("SystemTime 0x0E06", "SystemTime 0xe06"),
            (
                "String {00062008-0000-0000-C000-000000000046} Id 0x8530",
                "String {00062008-0000-0000-c000-000000000046} id 0x8530",
            ),
        ] {
            assert_eq!(normalise(a), normalise(b));
        }
        assert_ne!(
            normalise("String {x} Name Ab"),
            normalise("String {x} Name ab")
        );
        assert_ne!(normalise(CLASS), normalise("String 0x001B"));
    }

    #[test]
    fn values_are_found_by_any_spelling() {
        let json = json!([{ "id": "String 0x1a", "value": "IPM.Note" }, { "id": 3 }, null]);
        let extended = Extended::from_json(Some(&json));
        assert_eq!(extended.get(CLASS), Some("IPM.Note"));
        assert_eq!(extended.get(SIZE), None);
    }
}
