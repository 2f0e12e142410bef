//! Events: what callers write, and what they are shown.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::{Map, Value, json};

use super::occurrence::{self, Occurrence, zone_of};
use super::{extended, recurrence, zone};
use crate::clock::stamp;
use crate::content::mail::{Body, preview};
use crate::content::plan::World;
use crate::ews::write::Draft;
use crate::ews::xml::Node;
use crate::graph::failure::Failure;
use crate::graph::json::field;
use crate::graph::odata::Options;
use crate::graph::render::item_id;
use crate::store::ids::{IdKind, change_key};
use crate::store::mailbox::Mailbox;
use crate::store::view::View;

/// Everything that can be selected.
pub(crate) const FIELDS: &[&str] = &[
    "id",
    "createdDateTime",
    "lastModifiedDateTime",
    "changeKey",
    "categories",
    "transactionId",
    "originalStartTimeZone",
    "originalEndTimeZone",
    "iCalUId",
    "reminderMinutesBeforeStart",
    "isReminderOn",
    "hasAttachments",
    "subject",
    "bodyPreview",
    "importance",
    "sensitivity",
    "isAllDay",
    "isCancelled",
    "isOrganizer",
    "responseRequested",
    "seriesMasterId",
    "showAs",
    "type",
    "webLink",
    "isOnlineMeeting",
    "onlineMeetingProvider",
    "onlineMeetingUrl",
    "allowNewTimeProposals",
    "isDraft",
    "hideAttendees",
    "responseStatus",
    "body",
    "start",
    "end",
    "location",
    "locations",
    "recurrence",
    "attendees",
    "organizer",
    "originalStart",
    "cancelledOccurrences",
];
const SHOWN_AS: &[(&str, &str)] = &[
    ("free", "Free"),
    ("tentative", "Tentative"),
    ("busy", "Busy"),
    ("oof", "OOF"),
    ("workingElsewhere", "WorkingElsewhere"),
    ("unknown", "NoData"),
];
const ATTENDEES: &[(&str, &str)] = &[
    ("required", "RequiredAttendees"),
    ("optional", "OptionalAttendees"),
    ("resource", "Resources"),
];

fn wrong(name: &str) -> Failure {
    Failure::new(
        400,
        "ErrorInvalidPropertySet",
        format!("The property '{name}' cannot be set like this."),
    )
}

/// Start and end as a caller wrote them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) start: DateTime<Utc>,
    pub(crate) end: DateTime<Utc>,
    first: NaiveDateTime,
}

/// Reads start and end.
pub(crate) fn span(map: &Map<String, Value>) -> Result<Option<(Span, String)>, Failure> {
    let (start, end) = (map.get("start"), map.get("end"));
    let (Some(start), Some(end)) = (start, end) else {
        return match (start, end) {
            (None, None) => Ok(None),
            _ => Err(wrong("start and end, both or none")),
        };
    };
    let (first, name, start) = zone::read("start", start)?;
    let (last, _, end) = zone::read("end", end)?;
    if end < start {
        return Err(Failure::new(
            400,
            "ErrorPropertyValidationFailure",
            "The end is before the start.",
        ));
    }
    let is_all_day = map.get("isAllDay").and_then(Value::as_bool) == Some(true);
    let is_whole = zone::is_midnight(first) && zone::is_midnight(last) && end > start;
    if is_all_day && !is_whole {
        return Err(Failure::new(
            400,
            "ErrorPropertyValidationFailure",
            "An event of whole days begins and ends at midnight.",
        ));
    }
    Ok(Some((Span { start, end, first }, name)))
}

fn put(draft: &mut Draft, name: &str, element: &str, text: &str) -> Result<(), Failure> {
    let node = Node::with_text(&format!("t:{element}"), text);
    draft.set(&node).map_err(|_| wrong(name))
}

/// Sets what a caller wrote. Attendees are set without anybody being asked: who calls this notes what
/// the real service would send.
pub(crate) fn write(draft: &mut Draft, map: &Map<String, Value>) -> Result<(), Failure> {
    let span = span(map)?;
    if let Some((span, name)) = &span {
        put(
            draft,
            "start",
            "Start",
            &span.start.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        )?;
        put(
            draft,
            "end",
            "End",
            &span.end.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        )?;
        if name != "UTC" {
            let node = Node::new("t:StartTimeZone").set("Id", name.as_str());
            draft.overlay.fields.insert("StartTimeZone".into(), node);
        }
    }
    for (name, value) in map {
        match name.as_str() {
            "@odata.type" if value == "#microsoft.graph.event" => {}
            "start" | "end" => {}
            "recurrence" if value.is_null() => {
                draft.overlay.fields.remove("Recurrence");
            }
            "recurrence" => {
                let (span, _) = span.as_ref().ok_or_else(|| wrong(name))?;
                let node = recurrence::read(value, span.first.date())?;
                draft.overlay.fields.insert("Recurrence".into(), node);
            }
            other => one(draft, other, value)?,
        }
    }
    Ok(())
}

fn one(draft: &mut Draft, name: &str, value: &Value) -> Result<(), Failure> {
    let text = || value.as_str().ok_or_else(|| wrong(name));
    let truth = || value.as_bool().ok_or_else(|| wrong(name));
    match name {
        "subject" => put(draft, name, "Subject", text()?),
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
        "location" => {
            let only = value.as_object().is_some_and(|map| map.len() == 1);
            let shown = field(value, "displayName").as_str().filter(|_| only);
            put(draft, name, "Location", shown.ok_or_else(|| wrong(name))?)
        }
        "isAllDay" => put(draft, name, "IsAllDayEvent", &truth()?.to_string()),
        "isReminderOn" => put(draft, name, "ReminderIsSet", &truth()?.to_string()),
        "reminderMinutesBeforeStart" => {
            let minutes = value.as_u64().ok_or_else(|| wrong(name))?;
            put(
                draft,
                name,
                "ReminderMinutesBeforeStart",
                &minutes.to_string(),
            )
        }
        "responseRequested" => put(draft, name, "IsResponseRequested", &truth()?.to_string()),
        "allowNewTimeProposals" => put(draft, name, "AllowNewTimeProposal", &truth()?.to_string()),
        "hideAttendees" | "isOnlineMeeting" => truth().map(|_| ()),
        "transactionId" => {
            let node = Node::with_text("t:TransactionId", text()?);
            draft.overlay.fields.insert("TransactionId".into(), node);
            Ok(())
        }
        "showAs" => {
            let wanted = text()?;
            let known = SHOWN_AS.iter().find(|(key, _)| *key == wanted);
            let (_, known) = known.ok_or_else(|| wrong(name))?;
            put(draft, name, "LegacyFreeBusyStatus", known)
        }
        "sensitivity" => {
            let known = match text()? {
                "normal" => "Normal",
                "personal" => "Personal",
                "private" => "Private",
                "confidential" => "Confidential",
                _ => return Err(wrong(name)),
            };
            put(draft, name, "Sensitivity", known)
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
        "categories" => {
            let list = value.as_array().ok_or_else(|| wrong(name))?;
            let list: Option<Vec<Node>> = list
                .iter()
                .map(|one| Some(Node::with_text("t:String", one.as_str()?)))
                .collect();
            let node = Node::with("t:Categories", list.ok_or_else(|| wrong(name))?);
            draft.set(&node).map_err(|_| wrong(name))
        }
        "attendees" => attendees(draft, name, value),
        "singleValueExtendedProperties" => extended::write(draft, value),
        _ if FIELDS.contains(&name) => Err(wrong(name)),
        _ => Err(Failure::bad(format!(
            "The property '{name}' does not exist on type 'microsoft.graph.event'."
        ))),
    }
}

fn attendees(draft: &mut Draft, name: &str, value: &Value) -> Result<(), Failure> {
    for (_, element) in ATTENDEES {
        draft.overlay.fields.remove(*element);
    }
    for one in value.as_array().ok_or_else(|| wrong(name))? {
        let kind = field(one, "type").as_str().unwrap_or("required");
        let element = ATTENDEES.iter().find(|(key, _)| *key == kind);
        let (_, element) = element.ok_or_else(|| wrong(name))?;
        let email = field(one, "emailAddress");
        let address = field(email, "address")
            .as_str()
            .ok_or_else(|| wrong(name))?;
        let shown = field(email, "name").as_str().unwrap_or(address);
        let node = Node::with(
            "t:Attendee",
            vec![
                Node::with(
                    "t:Mailbox",
                    vec![
                        Node::with_text("t:Name", shown),
                        Node::with_text("t:EmailAddress", address),
                    ],
                ),
                Node::with_text("t:ResponseType", "Unknown"),
            ],
        );
        let list = draft.overlay.fields.entry((*element).to_owned());
        let list = list.or_insert_with(|| Node::new(&format!("t:{element}")));
        list.children.push(node);
    }
    Ok(())
}

/// Whether somebody would be told of changes.
pub(crate) fn has_attendees(view: &View) -> bool {
    let fields = &view.overlay.fields;
    ATTENDEES
        .iter()
        .filter_map(|(_, element)| fields.get(*element))
        .any(|list| !list.children.is_empty())
}

/// How a caller wants events.
#[derive(Clone, Debug)]
pub(crate) struct Style<'a> {
    pub(crate) ids: IdKind,
    pub(crate) zone: String,
    pub(crate) options: &'a Options,
}

/// An event, or one occurrence of it, as JSON.
pub(crate) fn shown(
    mailbox: &Mailbox,
    view: &View,
    world: &World,
    style: &Style<'_>,
    one: Option<&Occurrence>,
) -> Result<Value, Failure> {
    let key = change_key(mailbox.key, view.item, view.slot.change);
    let series = item_id(mailbox, view.item, view.slot.joined, style.ids);
    let id = match one {
        Some(one) => occurrence::id(&series, one.day),
        None => series.clone(),
    };
    let mut out = Map::new();
    out.insert("@odata.etag".into(), json!(format!("W/\"{key}\"")));
    out.insert("id".into(), json!(id));
    for name in FIELDS {
        let is_wanted = style
            .options
            .select
            .as_ref()
            .is_none_or(|names| names.iter().any(|wanted| wanted == name));
        if !is_wanted || *name == "id" {
            continue;
        }
        let own = one.and_then(|one| occurrence::own(one, name));
        let value = match (*name, own) {
            (_, Some(own)) => own.clone(),
            ("changeKey", _) => json!(key),
            ("seriesMasterId", _) => json!(one.map(|_| &series)),
            ("lastModifiedDateTime", _) => json!(stamp(view.modified(world, &view.meta()))),
            (other, _) => property(view, other, style, one, &series)?,
        };
        out.insert((*name).to_owned(), value);
    }
    extended::expand(&mut out, view, world, &style.options.expand.properties);
    if style.options.expand.exceptions {
        let all = occurrence::all(&view.overlay);
        let changed = all.iter().filter(|one| one.changes.is_some());
        let plain = Options::default();
        let inner = Style {
            options: &plain,
            ..style.clone()
        };
        let list: Result<Vec<Value>, Failure> = changed
            .map(|one| shown(mailbox, view, world, &inner, Some(one)))
            .collect();
        out.insert("exceptionOccurrences".into(), Value::Array(list?));
    }
    Ok(Value::Object(out))
}

fn property(
    view: &View,
    name: &str,
    style: &Style<'_>,
    one: Option<&Occurrence>,
    series: &str,
) -> Result<Value, Failure> {
    let meta = view.meta();
    let overlay = &view.overlay;
    let text = |element: &str| overlay.fields.get(element).map(|node| node.text.as_str());
    let truth = |element: &str| text(element) == Some("true");
    let body = |body: &Body| json!({"contentType": if body.is_html { "html" } else { "text" }, "content": body.text});
    let time = |element: &str, own: Option<DateTime<Utc>>| {
        let at = own.or_else(|| zone::kept(text(element)?));
        at.map_or(Ok(Value::Null), |at| zone::write(at, &style.zone))
    };
    Ok(match name {
        "createdDateTime" => json!(stamp(overlay.created.unwrap_or(meta.received))),
        "categories" => json!(overlay.categories),
        "transactionId" => json!(text("TransactionId")),
        "originalStartTimeZone" | "originalEndTimeZone" => json!(zone_of(overlay)),
        "iCalUId" => json!(text("UID")),
        "reminderMinutesBeforeStart" => {
            let minutes = text("ReminderMinutesBeforeStart").and_then(|text| text.parse().ok());
            json!(minutes.unwrap_or(15_u64))
        }
        "isReminderOn" => json!(truth("ReminderIsSet")),
        "hasAttachments" => json!(meta.has_attachments),
        "subject" => json!(meta.subject),
        "bodyPreview" => json!(preview(&view.body())),
        "body" => body(&view.body()),
        "importance" => json!(match meta.importance {
            0 => "low",
            2 => "high",
            _ => "normal",
        }),
        "sensitivity" => json!(match meta.sensitivity {
            1 => "personal",
            2 => "private",
            3 => "confidential",
            _ => "normal",
        }),
        "isAllDay" => json!(truth("IsAllDayEvent")),
        "isCancelled" => json!(truth("IsCancelled")),
        "isOrganizer" => json!(matches!(
            text("MyResponseType"),
            Some("Organizer" | "Unknown") | None
        )),
        "responseRequested" => json!(truth("IsResponseRequested")),
        "showAs" => {
            let kept = text("LegacyFreeBusyStatus").unwrap_or("Busy");
            let known = SHOWN_AS.iter().find(|(_, element)| *element == kept);
            json!(known.map_or("unknown", |(key, _)| key))
        }
        "type" => json!(match one {
            Some(one) if one.changes.is_some() => "exception",
            Some(_) => "occurrence",
            None if overlay.fields.contains_key("Recurrence") => "seriesMaster",
            None => "singleInstance",
        }),
        "webLink" => json!(format!(
            "https://outlook.office365.com/owa/?ItemID={series}"
        )),
        "isOnlineMeeting" | "isDraft" | "hideAttendees" => json!(false),
        "onlineMeetingProvider" => json!("unknown"),
        "allowNewTimeProposals" => json!(text("AllowNewTimeProposal") != Some("false")),
        "responseStatus" => json!({
            "response": match text("MyResponseType") {
                Some("Organizer") => "organizer",
                Some("Accept") => "accepted",
                Some("Tentative") => "tentativelyAccepted",
                Some("Decline") => "declined",
                _ => "none",
            },
            "time": "0001-01-01T00:00:00Z",
        }),
        "start" => time("Start", one.map(|one| one.start))?,
        "end" => time("End", one.map(|one| one.end))?,
        "location" => json!({"displayName": text("Location").unwrap_or_default()}),
        "locations" => match text("Location") {
            Some(text) => json!([{"displayName": text}]),
            None => json!([]),
        },
        "recurrence" if one.is_none() => overlay
            .fields
            .get("Recurrence")
            .map_or(Value::Null, |node| {
                recurrence::write(node, zone_of(overlay))
            }),
        "attendees" => attendees_json(view),
        "organizer" => {
            let mailbox = overlay.fields.get("Organizer");
            let mailbox = mailbox.and_then(|node| node.child("t:Mailbox"));
            person(mailbox)
        }
        "originalStart" => json!(one.map(|one| stamp(one.original.timestamp()))),
        "cancelledOccurrences" => {
            let list = overlay.fields.get("DeletedOccurrences");
            list.into_iter()
                .flat_map(|list| &list.children)
                .filter_map(|node| zone::kept(node.text_of("t:Start")?))
                .filter_map(|at| zone::local(at, zone_of(overlay)).ok())
                .map(|at| json!(occurrence::id(series, at.date())))
                .collect()
        }
        _ => Value::Null,
    })
}

fn person(mailbox: Option<&Node>) -> Value {
    let Some(mailbox) = mailbox else {
        return Value::Null;
    };
    let address = mailbox.text_of("t:EmailAddress").unwrap_or_default();
    let name = mailbox.text_of("t:Name").unwrap_or(address);
    json!({"emailAddress": {"name": name, "address": address}})
}

fn attendees_json(view: &View) -> Value {
    let mut all = vec![];
    for (kind, element) in ATTENDEES {
        let list = view.overlay.fields.get(*element);
        for one in list.into_iter().flat_map(|list| &list.children) {
            let mut shown = person(one.child("t:Mailbox"));
            let response = match one.text_of("t:ResponseType") {
                Some("Accept") => "accepted",
                Some("Tentative") => "tentativelyAccepted",
                Some("Decline") => "declined",
                _ => "none",
            };
            crate::graph::json::put(&mut shown, "type", *kind);
            crate::graph::json::put(
                &mut shown,
                "status",
                json!({"response": response, "time": "0001-01-01T00:00:00Z"}),
            );
            all.push(shown);
        }
    }
    Value::Array(all)
}
