//! Occurrences of a series: which there are, what was changed of them, and their ids.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde_json::{Map, Value, json};

use super::{recurrence, zone};
use crate::ews::xml::Node;
use crate::graph::json::field;
use crate::store::overlay::Overlay;

const HEAD: &str = "OID.";
/// Where changes are kept that EWS shows only as other times.
const CHANGES: &str = "OccurrenceChanges";

/// One occurrence.
#[derive(Clone, Debug)]
pub(crate) struct Occurrence {
    /// Its day, as the series has it.
    pub(crate) day: NaiveDate,
    pub(crate) original: DateTime<Utc>,
    pub(crate) start: DateTime<Utc>,
    pub(crate) end: DateTime<Utc>,
    /// What was set on it alone.
    pub(crate) changes: Option<Map<String, Value>>,
}

/// The id of an occurrence.
pub(crate) fn id(series: &str, day: NaiveDate) -> String {
    format!("{HEAD}{series}.{day}")
}

/// Series and day in an id.
pub(crate) fn parse(id: &str) -> Option<(&str, NaiveDate)> {
    let (series, day) = id.strip_prefix(HEAD)?.rsplit_once('.')?;
    let day = NaiveDate::parse_from_str(day, "%Y-%m-%d").ok()?;
    Some((series, day))
}

/// The zone that the series was made in.
pub(crate) fn zone_of(overlay: &Overlay) -> &str {
    let node = overlay.fields.get("StartTimeZone");
    node.and_then(|node| node.attribute("Id")).unwrap_or("UTC")
}

fn time(overlay: &Overlay, name: &str) -> Option<DateTime<Utc>> {
    zone::kept(&overlay.fields.get(name)?.text)
}

fn deleted(overlay: &Overlay) -> Vec<DateTime<Utc>> {
    let list = overlay.fields.get("DeletedOccurrences");
    list.into_iter()
        .flat_map(|list| &list.children)
        .filter_map(|one| zone::kept(one.text_of("t:Start")?))
        .collect()
}

fn changes(overlay: &Overlay) -> BTreeMap<String, Map<String, Value>> {
    let text = overlay.fields.get(CHANGES).map(|node| node.text.as_str());
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// The occurrences of a series, those that were deleted left out.
pub(crate) fn all(overlay: &Overlay) -> Vec<Occurrence> {
    let (Some(rule), Some(start), Some(end)) = (
        overlay.fields.get("Recurrence"),
        time(overlay, "Start"),
        time(overlay, "End"),
    ) else {
        return vec![];
    };
    let own_zone = zone_of(overlay);
    let Ok(clock) = zone::local(start, own_zone) else {
        return vec![];
    };
    let (gone, changed) = (deleted(overlay), changes(overlay));
    let modified = overlay.fields.get("ModifiedOccurrences");
    let moved: Vec<&Node> = modified
        .into_iter()
        .flat_map(|list| &list.children)
        .collect();
    recurrence::days(rule)
        .into_iter()
        .filter_map(|day| {
            let original = zone::instant(day.and_time(clock.time()), own_zone).ok()?;
            if gone.contains(&original) {
                return None;
            }
            let own = moved.iter().find(|one| {
                let at = one.text_of("t:OriginalStart").and_then(zone::kept);
                at == Some(original)
            });
            let of = |name: &str| own.and_then(|one| zone::kept(one.text_of(name)?));
            let begins = of("t:Start").unwrap_or(original);
            Some(Occurrence {
                day,
                original,
                start: begins,
                end: of("t:End").unwrap_or(begins + (end - start)),
                changes: own
                    .map(|_| changed.get(&day.to_string()).cloned())
                    .map(Option::unwrap_or_default),
            })
        })
        .collect()
}

/// Deletes an occurrence.
pub(crate) fn delete(overlay: &mut Overlay, one: &Occurrence) {
    let gone = Node::with(
        "t:DeletedOccurrence",
        vec![Node::with_text("t:Start", text(one.original))],
    );
    let list = overlay.fields.entry("DeletedOccurrences".to_owned());
    let list = list.or_insert_with(|| Node::new("t:DeletedOccurrences"));
    list.children.push(gone);
    forget(overlay, one);
}

fn forget(overlay: &mut Overlay, one: &Occurrence) {
    let original = text(one.original);
    if let Some(list) = overlay.fields.get_mut("ModifiedOccurrences") {
        list.children
            .retain(|node| node.text_of("t:OriginalStart") != Some(&original));
        if list.children.is_empty() {
            overlay.fields.remove("ModifiedOccurrences");
        }
    }
}

/// Changes an occurrence.
pub(crate) fn change(
    overlay: &mut Overlay,
    exchange_id: &str,
    one: &Occurrence,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    more: Map<String, Value>,
) {
    forget(overlay, one);
    let node = Node::with(
        "t:Occurrence",
        vec![
            Node::new("t:ItemId").set("Id", exchange_id),
            Node::with_text("t:Start", text(start)),
            Node::with_text("t:End", text(end)),
            Node::with_text("t:OriginalStart", text(one.original)),
        ],
    );
    let list = overlay.fields.entry("ModifiedOccurrences".to_owned());
    let list = list.or_insert_with(|| Node::new("t:ModifiedOccurrences"));
    list.children.push(node);
    let mut all = changes(overlay);
    all.entry(one.day.to_string()).or_default().extend(more);
    if all.values().any(|one| !one.is_empty()) {
        let node = Node::with_text("t:OccurrenceChanges", json!(all).to_string());
        overlay.fields.insert(CHANGES.to_owned(), node);
    }
}

fn text(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Those that meet a span of time.
pub(crate) fn between(
    all: Vec<Occurrence>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Vec<Occurrence> {
    all.into_iter()
        .filter(|one| one.start < to && one.end.max(one.start + Duration::seconds(1)) > from)
        .collect()
}

/// A property that was set on an occurrence alone.
pub(crate) fn own<'a>(one: &'a Occurrence, name: &str) -> Option<&'a Value> {
    let map = one.changes.as_ref()?;
    map.get(name)
        .filter(|value| *value != field(&Value::Null, name))
}
