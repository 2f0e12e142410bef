//! A small tree of elements: what remains of an answer when long content has been led elsewhere.

use serde_json::{Map, Value};

/// One element. Nothing about it is assumed: unknown names are data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    /// Local name.
    pub(crate) name: String,
    /// Attributes by local name.
    pub(crate) attributes: Vec<(String, String)>,
    /// Elements inside.
    pub(crate) children: Vec<Element>,
    /// Text directly inside.
    pub(crate) text: String,
}

impl Element {
    /// The first child by this name.
    pub(crate) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// All children by this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The element at the end of a path of names.
    pub(crate) fn path(&self, names: &[&str]) -> Option<&Element> {
        names.iter().try_fold(self, |at, name| at.child(name))
    }

    /// The trimmed text of a child; `None` when it is missing or empty.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        let text = self.child(name)?.text.trim();
        (!text.is_empty()).then_some(text)
    }

    /// An attribute; `None` when it is missing or empty.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The attribute `Id` of a child.
    pub(crate) fn id_of(&self, name: &str) -> Option<&str> {
        self.child(name)?.attribute("Id")
    }

    /// The first element by this name, here or below.
    pub(crate) fn find(&self, name: &str) -> Option<&Element> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(name))
    }

    /// As JSON: a text, or an object of `@attribute`, `#` (text) and lists of children in order.
    pub(crate) fn to_json(&self) -> Value {
        if self.attributes.is_empty() && self.children.is_empty() {
            return Value::String(self.text.clone());
        }
        let mut out = Map::new();
        for (name, value) in &self.attributes {
            out.insert(format!("@{name}"), Value::String(value.clone()));
        }
        if !self.text.trim().is_empty() {
            out.insert("#".into(), Value::String(self.text.clone()));
        }
        let children = self.children.iter();
        let children: Vec<Value> = children
            .map(|child| Value::Array(vec![Value::from(child.name.clone()), child.to_json()]))
            .collect();
        if !children.is_empty() {
            out.insert("children".into(), Value::Array(children));
        }
        Value::Object(out)
    }

    /// The element that [`Element::to_json`] made this of; what it does not know is left out.
    pub(crate) fn from_json(name: &str, value: &Value) -> Self {
        Self::from_json_within(name, value, 50)
    }

    fn from_json_within(name: &str, value: &Value, levels: usize) -> Self {
        let mut out = Self {
            name: name.to_owned(),
            ..Self::default()
        };
        match value {
            Value::String(text) => out.text.clone_from(text),
            Value::Object(fields) if levels > 0 => {
                for (key, value) in fields {
                    let text = value.as_str().unwrap_or_default();
                    if key == "#" {
                        text.clone_into(&mut out.text);
                    } else if let Some(key) = key.strip_prefix('@') {
                        out.attributes.push((key.to_owned(), text.to_owned()));
                    }
                }
                let children = fields.get("children").and_then(Value::as_array);
                for pair in children.into_iter().flatten() {
                    if let Some([Value::String(name), value]) = pair.as_array().map(Vec::as_slice) {
                        out.children
                            .push(Self::from_json_within(name, value, levels - 1));
                    }
                }
            }
            _ => {}
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn leaf(name: &str, text: &str) -> Element {
        Element {
            name: name.into(),
            text: text.into(),
            ..Element::default()
        }
    }

    fn any_element() -> impl Strategy<Value = Element> {
        let leaf = ("[A-Z][a-z]{0,3}", "[a-z<]{0,4}").prop_map(|(name, text)| leaf(&name, &text));
        leaf.prop_recursive(4, 20, 4, |inner| {
            let attributes = proptest::collection::btree_map("[A-Z]{1,2}", ".{0,3}", 0..3);
            ("[A-Z]", attributes, proptest::collection::vec(inner, 0..4)).prop_map(
                |(name, attributes, children)| Element {
                    name,
                    attributes: attributes.into_iter().collect(),
                    children,
                    text: String::new(),
                },
            )
        })
    }

    proptest! {
        #[test]
        fn json_round_trip(element in any_element()) {
            let json = element.to_json();
            prop_assert_eq!(Element::from_json(&element.name, &json), element);
        }
    }

    #[test]
    fn paths_and_ids() {
        let mut id = leaf("ItemId", "");
        id.attributes.push(("Id".into(), "x".into()));
        let mut item = leaf("Message", "");
        item.children = vec![id, leaf("Subject", " s "), leaf("Empty", " ")];
        assert_eq!(item.id_of("ItemId"), Some("x"));
        assert_eq!(item.text_of("Subject"), Some("s"));
        assert_eq!(item.text_of("Empty"), None);
        assert!(item.path(&["Subject", "More"]).is_none());
        assert!(item.find("ItemId").is_some());
    }
}
