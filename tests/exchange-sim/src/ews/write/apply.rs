//! One item that is being created or changed.

use std::sync::Arc;

use super::defaults::Fields;
use super::{calendar, check_writable, contact, ics, people, task};
use crate::content::blob::Blob;
use crate::content::mail::{Attachment, Body, Meta};
use crate::content::people::Person;
use crate::content::plan::World;
use crate::content::real;
use crate::content::segment::Segment;
use crate::ews::error::EwsError;
use crate::ews::extended;
use crate::ews::xml::Node;
use crate::numbers::mix;
use crate::store::mailbox::bits;
use crate::store::overlay::{Origin, Overlay, RawMail, WrittenMail};
use crate::store::view::View;

const TASK_SET: &str = "{00062003-0000-0000-c000-000000000046}";

/// What an item's content comes from while it is written.
#[derive(Debug)]
pub(crate) enum MailState {
    /// Bytes that were given and are kept as they are.
    Raw(Vec<u8>, Box<Meta>),
    /// Properties.
    Written(Box<WrittenMail>),
    /// What it was; only its state changes.
    Untouched,
}

/// An item while it is written.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) element: &'static str,
    pub(crate) mail: MailState,
    pub(crate) overlay: Overlay,
    pub(crate) state: u32,
    /// It is being created; some properties can be set only then.
    pub(crate) is_new: bool,
    now: i64,
}

/// The local name of an element that can be created.
pub(crate) fn creatable(name: &str) -> Option<&'static str> {
    Some(match name {
        "t:Message" => "Message",
        "t:PostItem" => "PostItem",
        "t:CalendarItem" => "CalendarItem",
        "t:Contact" => "Contact",
        "t:DistributionList" => "DistributionList",
        "t:Task" => "Task",
        _ => return None,
    })
}

fn class_of(element: &str) -> &'static str {
    match element {
        "PostItem" => "IPM.Post",
        "CalendarItem" => "IPM.Appointment",
        "Contact" => "IPM.Contact",
        "DistributionList" => "IPM.DistList",
        "Task" => "IPM.Task",
        _ => "IPM.Note",
    }
}

impl Draft {
    /// A new item of an element.
    pub(crate) fn new(element: &'static str, now: i64, seed: u64) -> Self {
        let meta = Meta {
            received: now,
            sent: now,
            importance: 1,
            class: class_of(element).to_owned(),
            conversation: mix(&[seed, 0x636f_6e76]),
            message_id: (element == "Message")
                .then(|| format!("<{:032x}@sim.example>", mix(&[seed]))),
            ..Meta::default()
        };
        let written = WrittenMail {
            meta,
            element: (element != "Message").then_some(element),
            ..WrittenMail::default()
        };
        Self {
            element,
            mail: MailState::Written(Box::new(written)),
            overlay: Overlay {
                created: Some(now),
                ..Overlay::default()
            },
            state: if element == "Message" {
                bits::DRAFT | bits::READ
            } else {
                bits::READ
            },
            is_new: true,
            now,
        }
    }

    /// An item that exists.
    pub(crate) fn of(view: &View, element: &'static str, now: i64) -> Self {
        let mail = match &view.overlay.origin {
            Origin::Written(written) => MailState::Written(Box::new(written.as_ref().clone())),
            _ => MailState::Untouched,
        };
        Self {
            element,
            mail,
            overlay: view.overlay.clone(),
            state: view.slot.bits,
            is_new: false,
            now,
        }
    }

    /// Makes the content one of properties, whatever it was.
    pub(crate) fn loosen(&mut self, view: &View, world: &World) {
        if !matches!(self.mail, MailState::Written(_)) {
            let attachments = view.attachments(world);
            let kept = |name: &str| {
                let name = name.to_ascii_lowercase();
                let own = [
                    "from",
                    "to",
                    "cc",
                    "bcc",
                    "reply-to",
                    "subject",
                    "date",
                    "message-id",
                    "mime-version",
                ];
                !own.contains(&name.as_str()) && !name.starts_with("content-")
            };
            let written = WrittenMail {
                meta: view.meta(),
                body: view.body(),
                headers: view
                    .headers(world)
                    .into_iter()
                    .filter(|(name, _)| kept(name))
                    .collect(),
                next_attachment: crate::numbers::narrow(attachments.len()),
                attachments,
                element: view.element(),
            };
            self.mail = MailState::Written(Box::new(written));
        }
    }

    fn meta(&mut self) -> Option<&mut Meta> {
        match &mut self.mail {
            MailState::Raw(_, meta) => Some(meta),
            MailState::Written(written) => Some(&mut written.meta),
            MailState::Untouched => None,
        }
    }

    /// Takes the MIME form.
    fn take_mime(&mut self, node: &Node) -> Result<(), EwsError> {
        let clean: Vec<u8> = node
            .text
            .bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        let bytes = base64_simd::STANDARD.decode_to_vec(clean).map_err(|_| {
            EwsError::new(
                "ErrorMimeContentInvalidBase64String",
                "Invalid base64 string for MIME content.",
            )
        })?;
        match self.element {
            "Message" | "PostItem" => {
                let mut meta = real::parse_meta(&bytes, self.now);
                if self.element == "PostItem" {
                    "IPM.Post".clone_into(&mut meta.class);
                }
                self.mail = MailState::Raw(bytes, Box::new(meta));
                Ok(())
            }
            "CalendarItem" => {
                let event = ics::read(&bytes).ok_or_else(|| {
                    EwsError::new("ErrorMimeContentInvalid", "MIME content is invalid.")
                })?;
                self.overlay.fields.extend(event.fields);
                if let MailState::Written(written) = &mut self.mail {
                    written.meta.subject = event.subject;
                    written.body = Body {
                        is_html: false,
                        text: event.text,
                    };
                }
                Ok(())
            }
            _ => Err(EwsError::new(
                "ErrorUnsupportedMimeConversion",
                "MIME conversion is not supported for this item type.",
            )),
        }
    }

    /// Sets one property from its element.
    pub(crate) fn set(&mut self, node: &Node) -> Result<(), EwsError> {
        let name = node.local().to_owned();
        check_writable(&name)?;
        match name.as_str() {
            "MimeContent" => self.take_mime(node)?,
            "ExtendedProperty" => self.set_extended(node)?,
            "Categories" => {
                self.overlay.categories =
                    node.all("t:String").map(|one| one.text.clone()).collect();
            }
            "IsRead" => self.set_bit(bits::READ, is_true(&node.text)),
            "Flag" => self.set_flag(node)?,
            "ItemClass" => self.set_class(&node.text)?,
            "Importance" | "Sensitivity" => {
                let text = node.text.as_str();
                let meta = self.meta().ok_or_else(|| EwsError::property(&name))?;
                match text {
                    "Low" => meta.importance = 0,
                    "High" => meta.importance = 2,
                    "Personal" => meta.sensitivity = 1,
                    "Private" => meta.sensitivity = 2,
                    "Confidential" => meta.sensitivity = 3,
                    _ if name == "Importance" => meta.importance = 1,
                    _ => meta.sensitivity = 0,
                }
            }
            "Subject" => {
                if let Some(meta) = self.meta() {
                    meta.subject.clone_from(&node.text);
                }
            }
            "Body" => {
                if let MailState::Written(written) = &mut self.mail {
                    written.body = Body {
                        is_html: node.attribute("BodyType") == Some("HTML"),
                        text: node.text.clone(),
                    };
                }
            }
            "Attachments" => {
                for one in &node.children {
                    self.attach(one)?;
                }
            }
            "Sender" | "From" | "ToRecipients" | "CcRecipients" | "BccRecipients" | "ReplyTo" => {
                let people = people::read(node)?;
                if let Some(meta) = self.meta() {
                    match name.as_str() {
                        "Sender" => meta.sender = people.into_iter().next(),
                        "From" => meta.from = people.into_iter().next(),
                        "ToRecipients" => meta.to = people,
                        "CcRecipients" => meta.cc = people,
                        "BccRecipients" => meta.bcc = people,
                        _ => meta.reply_to = people,
                    }
                }
            }
            "InternetMessageId" => {
                if let Some(meta) = self.meta() {
                    meta.message_id = Some(node.text.clone());
                }
            }
            _ => {
                let mut kept = node.clone();
                strip_places(&mut kept);
                self.overlay.fields.insert(name, kept);
            }
        }
        Ok(())
    }

    /// Removes one property.
    pub(crate) fn clear(&mut self, name: &str) -> Result<(), EwsError> {
        check_writable(name)?;
        match name {
            "Categories" => self.overlay.categories.clear(),
            "Flag" => self.set_bit(bits::FLAGGED, false),
            "IsRead" | "ItemClass" | "Importance" | "Sensitivity" => {
                return Err(EwsError::new(
                    "ErrorInvalidPropertyDelete",
                    "The property cannot be deleted.",
                ));
            }
            "Subject" => {
                if let Some(meta) = self.meta() {
                    meta.subject.clear();
                }
            }
            "Body" => {
                if let MailState::Written(written) = &mut self.mail {
                    written.body = Body::default();
                }
            }
            "ToRecipients" | "CcRecipients" | "BccRecipients" | "ReplyTo" => {
                if let Some(meta) = self.meta() {
                    match name {
                        "ToRecipients" => meta.to.clear(),
                        "CcRecipients" => meta.cc.clear(),
                        "BccRecipients" => meta.bcc.clear(),
                        _ => meta.reply_to.clear(),
                    }
                }
            }
            _ => {
                self.overlay.fields.remove(name);
            }
        }
        Ok(())
    }

    fn set_bit(&mut self, bit: u32, is_set: bool) {
        if is_set {
            self.state |= bit;
        } else {
            self.state &= !bit;
        }
    }

    fn set_class(&mut self, class: &str) -> Result<(), EwsError> {
        let upper = class.to_ascii_uppercase();
        let own = class_of(self.element).to_ascii_uppercase();
        let is_own = upper == own || upper.starts_with(&format!("{own}."));
        let is_other = [
            "IPM.APPOINTMENT",
            "IPM.CONTACT",
            "IPM.DISTLIST",
            "IPM.TASK",
            "IPM.POST",
        ]
        .iter()
        .any(|other| upper == *other || upper.starts_with(&format!("{other}.")));
        let fits = match self.element {
            "Message" => !is_other,
            _ => is_own,
        };
        if !fits {
            return Err(EwsError::new(
                "ErrorObjectTypeChanged",
                "The type of the object does not go with its class.",
            ));
        }
        match self.meta() {
            Some(meta) => class.clone_into(&mut meta.class),
            None => return Err(EwsError::property("ItemClass")),
        }
        Ok(())
    }

    fn set_extended(&mut self, node: &Node) -> Result<(), EwsError> {
        let (key, value) = extended::read(node)?;
        let refused = || {
            EwsError::new(
                "ErrorItemSavePropertyError",
                "The property cannot be set on an item that exists.",
            )
        };
        let seconds = |text: &str| {
            chrono::DateTime::parse_from_rfc3339(text).map_or(0, |time| time.timestamp())
        };
        match key.id.as_str() {
            "Integer 0xe07" => {
                if !self.is_new {
                    return Err(refused());
                }
                let flags: i64 = value.parse().unwrap_or(0);
                self.set_bit(bits::READ, flags & 1 != 0);
                self.set_bit(bits::DRAFT, flags & 8 != 0);
            }
            "SystemTime 0xe06" | "SystemTime 0x39" => {
                let is_received = key.id.ends_with("0xe06");
                let meta = self.meta().ok_or_else(refused)?;
                match is_received {
                    true => meta.received = seconds(&value),
                    false => meta.sent = seconds(&value),
                }
            }
            "Integer 0x1090" => {
                self.set_bit(bits::FLAGGED, matches!(value.as_str(), "1" | "2"));
                self.overlay.flag_complete = value == "1";
            }
            _ => {
                self.overlay.properties.insert(key.id, value);
            }
        }
        Ok(())
    }

    /// Removes an extended property.
    pub(crate) fn clear_extended(&mut self, node: &Node) -> Result<(), EwsError> {
        let key = extended::key(node)?;
        self.overlay.properties.remove(&key.id);
        Ok(())
    }

    fn set_flag(&mut self, node: &Node) -> Result<(), EwsError> {
        let status = node.text_of("t:FlagStatus").unwrap_or_default();
        let dates = ["t:StartDate", "t:DueDate", "t:CompleteDate"].map(|name| node.text_of(name));
        let fits = match (status, dates) {
            ("NotFlagged", [None, None, None]) => true,
            ("Flagged", [start, due, None]) => start.is_some() == due.is_some(),
            ("Complete", [None, None, _]) => true,
            _ => false,
        };
        if !fits {
            return Err(EwsError::new(
                "ErrorInvalidArgument",
                "The dates of the flag do not go with its status.",
            ));
        }
        self.set_bit(bits::FLAGGED, status != "NotFlagged");
        self.overlay.flag_complete = status == "Complete";
        for (key, date) in [
            (format!("SystemTime {TASK_SET} Id 0x8104"), dates[0]),
            (format!("SystemTime {TASK_SET} Id 0x8105"), dates[1]),
            ("SystemTime 0x1091".to_owned(), dates[2]),
        ] {
            match date {
                Some(date) => {
                    self.overlay.properties.insert(key, date.to_owned());
                }
                None => {
                    self.overlay.properties.remove(&key);
                }
            }
        }
        Ok(())
    }

    /// Adds an attachment from its element; gives its number.
    pub(crate) fn attach(&mut self, node: &Node) -> Result<u32, EwsError> {
        let attachment = attachment(node, self.now)?;
        match &mut self.mail {
            MailState::Written(written) => Ok(written.push(attachment)),
            _ => Err(EwsError::property("Attachments")),
        }
    }

    /// Adds what the server sets, and gives the overlay and the state.
    pub(crate) fn finish(
        mut self,
        owner: &Person,
        seed: u64,
    ) -> Result<(Overlay, u32, &'static str), EwsError> {
        let fields: &mut Fields = &mut self.overlay.fields;
        let subject = match self.element {
            "CalendarItem" => {
                calendar::complete(fields, owner, self.now, seed)?;
                None
            }
            "Contact" => Some(contact::complete_contact(fields)),
            "DistributionList" => Some(contact::complete_list(fields)),
            "Task" => {
                task::complete(fields, &owner.name, self.now)?;
                None
            }
            _ => None,
        };
        match self.mail {
            MailState::Untouched => {}
            MailState::Raw(bytes, meta) => {
                let raw = RawMail {
                    bytes: Blob::from(bytes),
                    meta: *meta,
                };
                self.overlay.origin = Origin::Raw(Arc::new(raw));
            }
            MailState::Written(mut written) => {
                if let Some(subject) = subject.filter(|subject| !subject.is_empty()) {
                    written.meta.subject = subject;
                }
                if self.is_new && written.meta.size == 0 {
                    written.meta.size = 1_000;
                }
                self.overlay.origin = Origin::Written(Arc::new(*written));
            }
        }
        Ok((self.overlay, self.state, self.element))
    }
}

fn strip_places(node: &mut Node) {
    node.at = 0;
    node.children.iter_mut().for_each(strip_places);
}

fn is_true(text: &str) -> bool {
    matches!(text.trim(), "true" | "1")
}

/// An attachment from its element.
fn attachment(node: &Node, now: i64) -> Result<Attachment, EwsError> {
    let name = node.text_of("t:Name").unwrap_or_default().to_owned();
    let content_id = node.text_of("t:ContentId").map(str::to_owned);
    let is_inline = node.text_of("t:IsInline").is_some_and(is_true);
    match node.name.as_str() {
        "t:FileAttachment" => {
            let clean: Vec<u8> = node
                .text_of("t:Content")
                .unwrap_or_default()
                .bytes()
                .filter(|byte| !byte.is_ascii_whitespace())
                .collect();
            let bytes = base64_simd::STANDARD.decode_to_vec(clean).map_err(|_| {
                EwsError::new("ErrorInvalidAttachment", "The content is not base64.")
            })?;
            let kind = node
                .text_of("t:ContentType")
                .unwrap_or("application/octet-stream");
            let mut attachment = Attachment::file(&name, kind, Blob::from(bytes));
            attachment.content_id = content_id;
            attachment.is_inline = is_inline;
            Ok(attachment)
        }
        "t:ItemAttachment" => {
            let inner = node
                .children
                .iter()
                .find_map(|child| Some((creatable(&child.name)?, child)));
            let (element, inner) = inner.ok_or_else(|| {
                EwsError::new("ErrorInvalidAttachment", "The attached item is missing.")
            })?;
            let mut draft = Draft::new(element, now, mix(&[crate::numbers::unsigned(now)]));
            for child in &inner.children {
                draft.set(child)?;
            }
            let content = match draft.mail {
                MailState::Raw(bytes, _) => vec![Segment::Plain(Blob::from(bytes))],
                MailState::Written(written) => {
                    crate::content::compose::compose(&written.meta, &written, 0)
                }
                MailState::Untouched => vec![],
            };
            Ok(Attachment {
                kind: crate::content::mail::AttachmentKind::Item,
                name,
                content_type: "message/rfc822".to_owned(),
                content_id,
                is_inline,
                content,
            })
        }
        _ => Err(EwsError::new(
            "ErrorInvalidAttachment",
            "This kind of attachment cannot be created.",
        )),
    }
}

/// Properties that belong to the state of an item and not to its content.
const STATE: &[&str] = &["IsRead", "Categories", "Flag", "ExtendedProperty"];

/// Whether setting a property needs the content to be one of properties.
pub(crate) fn check_update(name: &str) -> bool {
    !STATE.contains(&name)
}
