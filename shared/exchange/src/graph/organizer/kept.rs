//! The properties of a stored item that is no mail.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::ews::parse_time;
use crate::ews::xml::Element;
use crate::graph::properties;

/// What was stored beside the content.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    /// The element of the item; empty when none was stored.
    pub(crate) own: Element,
    /// Extended properties: id and value.
    pub(crate) extended: Vec<(String, String)>,
    /// False when the item's own properties were not stored.
    pub(crate) is_known: bool,
}

impl Kept {
    /// Reads what was stored.
    pub(crate) fn read(properties_json: &[u8]) -> Self {
        let json: Value = serde_json::from_slice(properties_json).unwrap_or_default();
        let pair = json.get("ews").and_then(Value::as_array);
        let own = pair.and_then(|pair| {
            let name = pair.first()?.as_str()?;
            Some(Element::from_json(name, pair.get(1)?))
        });
        let extended = json.get("extended").and_then(Value::as_object);
        Self {
            is_known: own.is_some(),
            own: own.unwrap_or_default(),
            extended: extended
                .into_iter()
                .flatten()
                .filter(|(id, _)| properties::is_restored(id))
                .filter_map(|(id, value)| Some((id.clone(), value.as_str()?.to_owned())))
                .collect(),
        }
    }

    /// The text of a property.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.own.text_of(name)
    }

    /// A property that is true.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        let text = self.text(name);
        text.is_some_and(|text| text.eq_ignore_ascii_case("true") || text == "1")
    }

    /// A point in time.
    pub(crate) fn time(&self, name: &str) -> Option<DateTime<Utc>> {
        parse_time(self.text(name)?)
    }

    /// Properties that have a value and of which the target has none.
    pub(crate) fn count(&self, names: &[&str]) -> usize {
        let is_set = |name: &&&str| {
            let text = self.own.child(name).map(|child| {
                let has_more = !child.children.is_empty();
                has_more || !matches!(child.text.trim(), "" | "0" | "false" | "Normal")
            });
            text.unwrap_or(false)
        };
        names.iter().filter(is_set).count()
    }
}
