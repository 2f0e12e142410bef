//! Items as XML.

use bytes::Bytes;

use super::shape::{Base, Shape};
use super::{attachment, folder, people, time};
use crate::content::mail::{AttachmentKind, Meta};
use crate::content::segment::Segment;
use crate::ews::context::Context;
use crate::ews::error::EwsError;
use crate::ews::extended::{self, Key};
use crate::ews::ids;
use crate::ews::out::Out;
use crate::ews::schema::Schema;
use crate::ews::write::ics;
use crate::ews::xml::Node;
use crate::graph::svep;
use crate::numbers::mix;
use crate::store::ids::change_key;
use crate::store::mailbox::{Mailbox, bits};
use crate::store::view::View;

/// Longest text in a listing.
const LISTED_CHARACTERS: usize = 255;

/// Properties that only come when they are named.
const ON_REQUEST: &[&str] = &[
    "MimeContent",
    "UniqueBody",
    "NormalizedBody",
    "TextBody",
    "InstanceKey",
    "StoreEntryId",
    "Preview",
    "SearchKey",
    "SortKey",
];

/// Properties of the default shape beside the id.
const DEFAULT: &[&str] = &[
    "Subject",
    "Sensitivity",
    "Body",
    "Attachments",
    "Size",
    "HasAttachments",
    "DateTimeSent",
    "DateTimeCreated",
    "ResponseObjects",
    "From",
    "ToRecipients",
    "CcRecipients",
    "BccRecipients",
    "IsRead",
    "Start",
    "End",
    "Location",
    "LegacyFreeBusyStatus",
    "DisplayName",
    "FileAs",
    "CompanyName",
    "EmailAddresses",
    "PhoneNumbers",
    "DueDate",
    "PercentComplete",
    "StartDate",
    "Status",
];

/// What listings do not give.
pub(crate) const NOT_LISTED: &[&str] = &[
    "Body",
    "UniqueBody",
    "NormalizedBody",
    "TextBody",
    "Attachments",
    "MimeContent",
    "InternetMessageHeaders",
    "ToRecipients",
    "CcRecipients",
    "BccRecipients",
    "ReplyTo",
    "RequiredAttendees",
    "OptionalAttendees",
    "Resources",
    "Recurrence",
    "FirstOccurrence",
    "LastOccurrence",
    "ModifiedOccurrences",
    "DeletedOccurrences",
    "Members",
];

/// One item with what it takes to write it.
#[derive(Debug)]
pub(crate) struct Item<'a> {
    pub(crate) context: &'a Context,
    pub(crate) mailbox: &'a Mailbox,
    pub(crate) view: View,
    meta: Meta,
}

/// The element and the type of an item.
pub(crate) fn kind(view: &View, class: &str) -> (&'static str, &'static str) {
    let class = class.to_ascii_uppercase();
    let element = view.element().unwrap_or(match class.as_str() {
        "IPM.SCHEDULE.MEETING.REQUEST" => "MeetingRequest",
        "IPM.SCHEDULE.MEETING.CANCELED" => "MeetingCancellation",
        class if class.starts_with("IPM.SCHEDULE.MEETING.RESP") => "MeetingResponse",
        class if class.starts_with("IPM.POST") => "PostItem",
        _ => "Message",
    });
    type_of(element)
}

/// The element with prefix, and its type.
pub(crate) fn type_of(element: &str) -> (&'static str, &'static str) {
    match element {
        "CalendarItem" => ("t:CalendarItem", "t:CalendarItemType"),
        "Contact" => ("t:Contact", "t:ContactItemType"),
        "DistributionList" => ("t:DistributionList", "t:DistributionListType"),
        "Task" => ("t:Task", "t:TaskType"),
        "PostItem" => ("t:PostItem", "t:PostItemType"),
        "MeetingMessage" => ("t:MeetingMessage", "t:MeetingMessageType"),
        "MeetingRequest" => ("t:MeetingRequest", "t:MeetingRequestMessageType"),
        "MeetingResponse" => ("t:MeetingResponse", "t:MeetingResponseMessageType"),
        "MeetingCancellation" => ("t:MeetingCancellation", "t:MeetingCancellationMessageType"),
        _ => ("t:Message", "t:MessageType"),
    }
}

impl<'a> Item<'a> {
    /// An item that exists.
    pub(crate) fn new(context: &'a Context, mailbox: &'a Mailbox, number: u32) -> Option<Self> {
        let view = mailbox.view(&context.tenant.world, number)?;
        Some(Self {
            context,
            mailbox,
            meta: view.meta(),
            view,
        })
    }

    /// Its id.
    pub(crate) fn id(&self) -> String {
        ids::item(self.mailbox.key, self.view.item, self.view.slot.joined)
    }

    /// The `t:ItemId`.
    pub(crate) fn id_node(&self) -> Node {
        let key = change_key(self.mailbox.key, self.view.item, self.view.slot.change);
        Node::new("t:ItemId")
            .set("Id", self.id())
            .set("ChangeKey", key)
    }

    /// Element and type.
    pub(crate) fn kind(&self) -> (&'static str, &'static str) {
        kind(&self.view, &self.meta.class)
    }

    fn time(&self, seconds: i64) -> String {
        time(self.context.style, seconds)
    }

    /// A property by the local name of its element.
    pub(crate) fn property(&self, name: &str, shape: &Shape) -> Option<Node> {
        let text = |value: String| Some(Node::with_text(&format!("t:{name}"), value));
        let meta = &self.meta;
        let state = self.view.slot.bits;
        let is_set = |bit: u32| state & bit != 0;
        let addresses = !shape.is_listing;
        match name {
            "ItemId" => Some(self.id_node()),
            "ParentFolderId" => {
                let id = folder::property(self.mailbox, self.view.slot.folder, "FolderId")?;
                Some(Node {
                    name: "t:ParentFolderId".to_owned(),
                    ..id
                })
            }
            "ItemClass" => text(meta.class.clone()),
            "Subject" => text(meta.subject.clone()),
            "Sensitivity" => text(
                match meta.sensitivity {
                    1 => "Personal",
                    2 => "Private",
                    3 => "Confidential",
                    _ => "Normal",
                }
                .to_owned(),
            ),
            "Importance" => text(
                match meta.importance {
                    0 => "Low",
                    2 => "High",
                    _ => "Normal",
                }
                .to_owned(),
            ),
            "Body" => Some(self.body(shape)),
            "Attachments" => self.attachments(),
            "DateTimeReceived" => text(self.time(meta.received)),
            "DateTimeSent" => text(self.time(meta.sent)),
            "DateTimeCreated" => {
                text(self.time(self.view.overlay.created.unwrap_or(meta.received)))
            }
            "LastModifiedTime" => {
                text(self.time(self.view.modified(&self.context.tenant.world, meta)))
            }
            "Size" => text(meta.size.max(1).to_string()),
            "Categories" => {
                let names = &self.view.overlay.categories;
                let list = names.iter().map(|one| Node::with_text("t:String", one));
                (!names.is_empty()).then(|| Node::with("t:Categories", list.collect()))
            }
            "IsDraft" => text(is_set(bits::DRAFT).to_string()),
            "IsRead" if self.is_mail() => text(is_set(bits::READ).to_string()),
            "IsRead" => None,
            "IsSubmitted" | "IsFromMe" | "IsResend" | "IsAssociated" => text("false".to_owned()),
            "IsUnmodified" => text((self.view.slot.version == 0).to_string()),
            "InternetMessageHeaders" if self.is_mail() => self.headers(shape),
            "DisplayTo" => text(people::line(&meta.to)),
            "DisplayCc" => text(people::line(&meta.cc)),
            "HasAttachments" => text(meta.has_attachments.to_string()),
            "Culture" => text("en-US".to_owned()),
            "EffectiveRights" => Some(folder::rights()),
            "LastModifiedName" => text("Simulated".to_owned()),
            "ConversationId" if self.is_mail() => {
                let id = format!("AAQkAGI2{:032X}=", mix(&[meta.conversation, 1]));
                Some(Node::new("t:ConversationId").set("Id", id))
            }
            "Flag" => Some(self.flag()),
            "Sender" => people::one(name, meta.sender.as_ref(), addresses),
            "From" => people::one(name, meta.from.as_ref(), addresses),
            "ToRecipients" => people::many(name, &meta.to),
            "CcRecipients" => people::many(name, &meta.cc),
            "BccRecipients" => people::many(name, &meta.bcc),
            "ReplyTo" => people::many(name, &meta.reply_to),
            "InternetMessageId" => text(meta.message_id.clone()?),
            "ConversationIndex" if self.is_mail() => {
                let mut bytes = vec![1, 1, 0xd9];
                bytes.extend(mix(&[meta.conversation]).to_be_bytes());
                text(base64_simd::STANDARD.encode_to_string(bytes))
            }
            "ConversationTopic" if self.is_mail() => text(meta.subject.clone()),
            "ReminderIsSet" => self.kept(name).or_else(|| text("false".to_owned())),
            "IsReadReceiptRequested" | "IsDeliveryReceiptRequested" | "IsResponseRequested"
                if self.is_mail() =>
            {
                self.kept(name).or_else(|| text("false".to_owned()))
            }
            "PostedTime" if self.kind().0 == "t:PostItem" => text(self.time(meta.received)),
            _ => self.kept(name),
        }
    }

    fn kept(&self, name: &str) -> Option<Node> {
        self.view.overlay.fields.get(name).cloned()
    }

    /// True for what has the properties of a message.
    pub(crate) fn is_mail(&self) -> bool {
        !matches!(
            self.kind().0,
            "t:CalendarItem" | "t:Contact" | "t:DistributionList" | "t:Task"
        )
    }

    fn body(&self, shape: &Shape) -> Node {
        let body = self.view.body();
        let (kind, text) = match (body.is_html, shape.text_bodies) {
            (true, true) => ("Text", plain(&body.text)),
            (true, false) => ("HTML", body.text),
            (false, _) => ("Text", body.text),
        };
        Node::with_text("t:Body", text).set("BodyType", kind)
    }

    fn attachments(&self) -> Option<Node> {
        let id = self.id();
        let modified = self.time(self.view.modified(&self.context.tenant.world, &self.meta));
        let all = self.view.attachments(&self.context.tenant.world);
        let list: Vec<Node> = all
            .iter()
            // Servers on premises know no links to files elsewhere.
            .filter(|(_, one)| one.kind != AttachmentKind::Reference)
            .map(|(number, one)| attachment::describe(&id, &[*number], one, &modified))
            .collect();
        (!list.is_empty()).then(|| Node::with("t:Attachments", list))
    }

    fn headers(&self, shape: &Shape) -> Option<Node> {
        let wanted = shape.entries("InternetMessageHeaders");
        let all = self.view.headers(&self.context.tenant.world);
        let list: Vec<Node> = all
            .into_iter()
            .filter(|(name, _)| {
                let is_named = |one: &&str| one.eq_ignore_ascii_case(name);
                wanted.as_ref().is_none_or(|keys| keys.iter().any(is_named))
            })
            .map(|(name, value)| {
                Node::with_text("t:InternetMessageHeader", value).set("HeaderName", name)
            })
            .collect();
        (!list.is_empty()).then(|| Node::with("t:InternetMessageHeaders", list))
    }

    fn flag(&self) -> Node {
        const TASK: &str = "{00062003-0000-0000-c000-000000000046}";
        let overlay = &self.view.overlay;
        let is_flagged = self.view.slot.bits & bits::FLAGGED != 0;
        let status = match (is_flagged, overlay.flag_complete) {
            (true, true) => "Complete",
            (true, false) => "Flagged",
            _ => "NotFlagged",
        };
        let mut children = vec![Node::with_text("t:FlagStatus", status)];
        for (name, key) in [
            ("t:StartDate", format!("SystemTime {TASK} Id 0x8104")),
            ("t:DueDate", format!("SystemTime {TASK} Id 0x8105")),
            ("t:CompleteDate", "SystemTime 0x1091".to_owned()),
        ] {
            if let Some(value) = overlay.properties.get(&key).filter(|_| is_flagged) {
                children.push(Node::with_text(name, value));
            }
        }
        Node::with("t:Flag", children)
    }

    /// The value of an extended property.
    pub(crate) fn extended(&self, key: &Key) -> Option<String> {
        match key.id.as_str() {
            "SystemTime 0x1091" if self.view.slot.bits & bits::FLAGGED == 0 => None,
            id => {
                let value = svep::value(&self.view, &self.context.tenant.world, id)?;
                let is_time = key.kind == "SystemTime" && self.context.style.dialect.nanoseconds;
                Some(match value.strip_suffix('Z') {
                    Some(head) if is_time && !head.contains('.') => format!("{head}.000000100Z"),
                    _ => value,
                })
            }
        }
    }

    /// The MIME form, if its class has one.
    pub(crate) fn mime(&self) -> Result<Vec<Segment>, EwsError> {
        let (element, _) = self.kind();
        if matches!(element, "t:Contact" | "t:DistributionList" | "t:Task") {
            return Err(EwsError::new(
                "ErrorUnsupportedMimeConversion",
                "MIME conversion is not supported for this item type.",
            ));
        }
        if element == "t:CalendarItem" {
            let overlay = &self.view.overlay;
            let body = self.view.body();
            let text = ics::write(&self.meta.subject, &plain(&body.text), &overlay.fields);
            return Ok(vec![Segment::Text(Bytes::from(text))]);
        }
        let tenant = &self.context.tenant;
        Ok(self.view.mime(&tenant.world, tenant.next_read()))
    }

    /// Writes the item.
    pub(crate) fn write(&self, out: &mut Out, shape: &Shape) -> Result<(), EwsError> {
        let mime = match shape.with_mime {
            false => None,
            true if shape.is_mime_optional => self.mime().ok(),
            true => Some(self.mime()?),
        };
        let (element, kind) = self.kind();
        out.start(element, &[]);
        if let Some(mime) = mime {
            out.start("t:MimeContent", &[("CharacterSet", "UTF-8")])
                .base64(mime)
                .end();
        }
        self.write_properties(out, kind, shape, ON_REQUEST);
        out.end();
        Ok(())
    }

    fn write_properties(&self, out: &mut Out, kind: &str, shape: &Shape, rare: &[&str]) {
        for name in Schema::get().order(kind) {
            if name == "t:ExtendedProperty" {
                for key in &shape.extended {
                    if let Some(value) = self.extended(key) {
                        out.node(&extended::property(key, &value));
                    }
                }
                continue;
            }
            let name = name.trim_start_matches("t:");
            let is_listed = !(shape.is_listing && NOT_LISTED.contains(&name));
            let is_wanted = match shape.base {
                _ if name == "ItemId" || shape.names(name) => true,
                Base::IdOnly => false,
                Base::Default => DEFAULT.contains(&name) && is_listed,
                Base::All => !rare.contains(&name) && is_listed,
            };
            if !is_wanted {
                continue;
            }
            if let Some(mut node) = self.property(name, shape) {
                if shape.is_listing && node.text.chars().count() > LISTED_CHARACTERS {
                    node.text = node.text.chars().take(LISTED_CHARACTERS).collect();
                }
                if let Some(keys) = shape.entries(name) {
                    node.children.retain(|entry| {
                        let key = entry.attribute("Key");
                        key.is_none_or(|key| keys.contains(&key))
                    });
                }
                out.node(&node);
            }
        }
    }
}

/// Text of HTML.
fn plain(html: &str) -> String {
    let body = html.split_once("<body").map_or(html, |(_, rest)| rest);
    let body = body.split_once('>').map_or(body, |(_, rest)| rest);
    let mut out = String::new();
    let mut is_tag = false;
    for letter in body.chars() {
        match letter {
            '<' => is_tag = true,
            '>' => {
                is_tag = false;
                out.push(' ');
            }
            _ if !is_tag => out.push(letter),
            _ => {}
        }
    }
    out.replace("&nbsp;", " ")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}
