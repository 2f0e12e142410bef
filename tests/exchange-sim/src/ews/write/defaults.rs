//! Small helpers for the properties that the server adds to new items.

use std::collections::BTreeMap;

use crate::ews::xml::Node;

/// Properties by local name.
pub(super) type Fields = BTreeMap<String, Node>;

/// Sets a property with text.
pub(super) fn put(fields: &mut Fields, name: &str, text: impl Into<String>) {
    let node = Node::with_text(&format!("t:{name}"), text);
    fields.insert(name.to_owned(), node);
}

/// Sets a property with text that is not there yet.
pub(super) fn put_missing(fields: &mut Fields, name: &str, text: &str) {
    if !fields.contains_key(name) {
        put(fields, name, text);
    }
}

/// The text of a property.
pub(super) fn text<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).map_or("", |node| node.text.as_str())
}
