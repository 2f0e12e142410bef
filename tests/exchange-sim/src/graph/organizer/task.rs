//! Tasks of To Do: what callers write, and what they are shown.

use serde_json::{Map, Value, json};

use super::{recurrence, zone};
use crate::clock::stamp;
use crate::content::plan::World;
use crate::ews::write::Draft;
use crate::ews::xml::Node;
use crate::graph::failure::Failure;
use crate::graph::json::field;
use crate::graph::odata::Options;
use crate::store::ids;
use crate::store::mailbox::Mailbox;
use crate::store::view::View;

/// Everything that can be selected.
pub(crate) const FIELDS: &[&str] = &[
    "id",
    "title",
    "body",
    "status",
    "importance",
    "categories",
    "createdDateTime",
    "lastModifiedDateTime",
    "bodyLastModifiedDateTime",
    "completedDateTime",
    "dueDateTime",
    "startDateTime",
    "reminderDateTime",
    "isReminderOn",
    "recurrence",
    "hasAttachments",
];
const STATES: &[(&str, &str)] = &[
    ("notStarted", "NotStarted"),
    ("inProgress", "InProgress"),
    ("completed", "Completed"),
    ("waitingOnOthers", "WaitingOnOthers"),
    ("deferred", "Deferred"),
];
const TIMES: &[(&str, &str)] = &[
    ("dueDateTime", "DueDate"),
    ("startDateTime", "StartDate"),
    ("completedDateTime", "CompleteDate"),
    ("reminderDateTime", "ReminderDueBy"),
];
/// Where links are kept.
const LINKS: &str = "LinkedResources";
const LINK_KEYS: &[&str] = &[
    "id",
    "webUrl",
    "applicationName",
    "displayName",
    "externalId",
];

fn wrong(name: &str) -> Failure {
    Failure::new(
        400,
        "invalidRequest",
        format!("The property '{name}' cannot be set like this."),
    )
}

/// Sets what a caller wrote.
pub(crate) fn write(draft: &mut Draft, map: &Map<String, Value>) -> Result<(), Failure> {
    for (name, value) in map {
        one(draft, name, value, map)?;
    }
    Ok(())
}

fn put(draft: &mut Draft, name: &str, element: &str, text: &str) -> Result<(), Failure> {
    let node = Node::with_text(&format!("t:{element}"), text);
    draft.set(&node).map_err(|_| wrong(name))
}

fn one(
    draft: &mut Draft,
    name: &str,
    value: &Value,
    map: &Map<String, Value>,
) -> Result<(), Failure> {
    let text = || value.as_str().ok_or_else(|| wrong(name));
    if let Some((_, element)) = TIMES.iter().find(|(key, _)| *key == name) {
        let (_, _, at) = zone::read(name, value)?;
        let at = at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        return put(draft, name, element, &at);
    }
    match name {
        "@odata.type" if value == "#microsoft.graph.todoTask" => Ok(()),
        "title" => put(draft, name, "Subject", text()?),
        "body" => {
            let kind = match field(value, "contentType").as_str() {
                Some("html") => "HTML",
                Some("text") => "Text",
                _ => return Err(wrong(name)),
            };
            let content = field(value, "content")
                .as_str()
                .ok_or_else(|| wrong(name))?;
            let node = Node::with_text("t:Body", content).set("BodyType", kind);
            draft.set(&node).map_err(|_| wrong(name))
        }
        "status" => {
            let wanted = text()?;
            let known = STATES.iter().find(|(key, _)| *key == wanted);
            let (_, known) = known.ok_or_else(|| wrong(name))?;
            put(draft, name, "Status", known)
        }
        "importance" => {
            let known = match text()? {
                "low" => "Low",
                "normal" => "Normal",
                "high" => "High",
                _ => return Err(wrong(name)),
            };
            put(draft, name, "Importance", known)
        }
        "isReminderOn" => {
            let is_on = value.as_bool().ok_or_else(|| wrong(name))?;
            put(draft, name, "ReminderIsSet", &is_on.to_string())
        }
        "categories" => {
            let list = value.as_array().ok_or_else(|| wrong(name))?;
            let list: Option<Vec<Node>> = list
                .iter()
                .map(|one| Some(Node::with_text("t:String", one.as_str()?)))
                .collect();
            let node = Node::with("t:Categories", list.ok_or_else(|| wrong(name))?);
            draft.set(&node).map_err(|_| wrong(name))
        }
        "recurrence" => {
            // A task recurs from the day it is due.
            let due = map.get("dueDateTime").ok_or_else(|| wrong(name))?;
            let (due, _, _) = zone::read("dueDateTime", due)?;
            let node = recurrence::read(value, due.date())?;
            draft.overlay.fields.insert("Recurrence".into(), node);
            Ok(())
        }
        LINKED => {
            if !draft.is_new {
                return Err(wrong(name));
            }
            let mut list = value.as_array().cloned().ok_or_else(|| wrong(name))?;
            for (place, link) in list.iter_mut().enumerate() {
                check_link(link)?;
                crate::graph::json::put(link, "id", format!("link-{place}"));
            }
            set_links(draft, &list);
            Ok(())
        }
        _ if FIELDS.contains(&name) => Err(wrong(name)),
        _ => Err(Failure::bad(format!(
            "The property '{name}' does not exist on type 'microsoft.graph.todoTask'."
        ))),
    }
}

const LINKED: &str = "linkedResources";

/// Refuses what no link has.
pub(crate) fn check_link(link: &Value) -> Result<(), Failure> {
    let map = link.as_object().ok_or_else(|| wrong(LINKED))?;
    let is_known = |key: &String| *key != "id" && LINK_KEYS.contains(&key.as_str());
    match map
        .iter()
        .all(|(key, value)| is_known(key) && value.is_string())
    {
        true => Ok(()),
        false => Err(wrong(LINKED)),
    }
}

/// Keeps links.
pub(crate) fn set_links(draft: &mut Draft, list: &[Value]) {
    let node = Node::with_text("t:LinkedResources", json!(list).to_string());
    draft.overlay.fields.insert(LINKS.to_owned(), node);
}

/// The links of a task.
pub(crate) fn links(view: &View) -> Vec<Value> {
    let text = view
        .overlay
        .fields
        .get(LINKS)
        .map(|node| node.text.as_str());
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// A task as JSON.
pub(crate) fn shown(
    mailbox: &Mailbox,
    view: &View,
    world: &World,
    options: &Options,
) -> Result<Value, Failure> {
    let meta = view.meta();
    let key = ids::change_key(mailbox.key, view.item, view.slot.change);
    let mut out = Map::new();
    out.insert("@odata.etag".into(), json!(format!("W/\"{key}\"")));
    let fields = &view.overlay.fields;
    let text = |element: &str| fields.get(element).map(|node| node.text.as_str());
    for name in FIELDS {
        let is_wanted = options
            .select
            .as_ref()
            .is_none_or(|names| names.iter().any(|wanted| wanted == name));
        if !is_wanted && *name != "id" {
            continue;
        }
        let value = match *name {
            // To Do knows no other ids.
            "id" => json!(ids::immutable(mailbox.key, view.item)),
            "title" => json!(meta.subject),
            "body" => {
                let body = view.body();
                let kind = if body.is_html { "html" } else { "text" };
                json!({"contentType": kind, "content": body.text})
            }
            "status" => {
                let kept = text("Status").unwrap_or_default();
                let known = STATES.iter().find(|(_, element)| *element == kept);
                json!(known.map_or("notStarted", |(key, _)| key))
            }
            "importance" => json!(match meta.importance {
                0 => "low",
                2 => "high",
                _ => "normal",
            }),
            "categories" => json!(view.overlay.categories),
            "createdDateTime" => json!(stamp(view.overlay.created.unwrap_or(meta.received))),
            "lastModifiedDateTime" | "bodyLastModifiedDateTime" => {
                json!(stamp(view.modified(world, &meta)))
            }
            "isReminderOn" => json!(text("ReminderIsSet") == Some("true")),
            "recurrence" => fields
                .get("Recurrence")
                .map_or(Value::Null, |node| recurrence::write(node, "UTC")),
            "hasAttachments" => json!(!view.attachments(world).is_empty()),
            other => {
                let element = TIMES.iter().find(|(key, _)| *key == other);
                let at = element.and_then(|(_, element)| zone::kept(text(element)?));
                match at {
                    Some(at) => zone::write(at, "UTC")?,
                    // What is not set is left out.
                    None => continue,
                }
            }
        };
        out.insert((*name).to_owned(), value);
    }
    if options.expand.links {
        out.insert(LINKED.into(), Value::Array(links(view)));
    }
    Ok(Value::Object(out))
}
