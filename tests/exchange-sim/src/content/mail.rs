//! What the service knows of a message, wherever it came from.

use bytes::Bytes;

use super::blob::Blob;
use super::html::{html_body, text_body};
use super::odd;
use super::people::Person;
use super::plan::{Plan, Shape, World};
use super::segment::{Segment, collect, total_bytes};
use crate::numbers::wide;

/// Metadata of a message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meta {
    pub(crate) subject: String,
    pub(crate) from: Option<Person>,
    pub(crate) sender: Option<Person>,
    pub(crate) to: Vec<Person>,
    pub(crate) cc: Vec<Person>,
    pub(crate) bcc: Vec<Person>,
    pub(crate) reply_to: Vec<Person>,
    /// Seconds since 1970.
    pub(crate) received: i64,
    /// Seconds since 1970.
    pub(crate) sent: i64,
    pub(crate) message_id: Option<String>,
    /// 0 low, 1 normal, 2 high.
    pub(crate) importance: u8,
    /// 0 normal, 1 personal, 2 private, 3 confidential.
    pub(crate) sensitivity: u8,
    /// Message class.
    pub(crate) class: String,
    pub(crate) conversation: u64,
    pub(crate) has_attachments: bool,
    pub(crate) size: u64,
}

/// A message's text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) is_html: bool,
    pub(crate) text: String,
}

/// What an attachment is for Graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttachmentKind {
    /// `fileAttachment`.
    File,
    /// `itemAttachment`.
    Item,
    /// `referenceAttachment`.
    Reference,
}

/// One attachment.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    pub(crate) kind: AttachmentKind,
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) content_id: Option<String>,
    pub(crate) is_inline: bool,
    pub(crate) content: Vec<Segment>,
}

impl Attachment {
    /// A file.
    pub(crate) fn file(name: &str, content_type: &str, blob: Blob) -> Self {
        Self {
            kind: AttachmentKind::File,
            name: name.to_owned(),
            content_type: content_type.to_owned(),
            content_id: None,
            is_inline: false,
            content: vec![Segment::Plain(blob)],
        }
    }

    /// Its size in bytes.
    pub(crate) fn size(&self) -> u64 {
        total_bytes(&self.content)
    }

    /// All its bytes.
    pub(crate) fn bytes(&self) -> Bytes {
        Bytes::from(collect(self.content.clone()))
    }

    /// BLAKE3 of its bytes.
    pub(crate) fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for chunk in super::segment::Chunks::new(self.content.clone()) {
            hasher.update(&chunk);
        }
        hasher.finalize().to_hex().to_string()
    }
}

impl World {
    /// Metadata of a generated message.
    pub(crate) fn meta(plan: &Plan) -> Meta {
        let carried: u64 = plan.files.iter().map(|file| file.blob.len()).sum();
        Meta {
            subject: plan.subject.clone(),
            from: Some(plan.from.clone()),
            sender: Some(plan.from.clone()),
            to: plan.to.clone(),
            cc: plan.cc.clone(),
            bcc: plan.bcc.clone(),
            reply_to: Vec::new(),
            received: plan.received,
            sent: if plan.shape == Shape::NoDate {
                plan.received
            } else {
                plan.sent
            },
            message_id: plan.message_id.clone(),
            importance: plan.importance,
            sensitivity: plan.sensitivity,
            class: match plan.shape {
                Shape::Signed => "IPM.Note.SMIME.MultipartSigned",
                Shape::Encrypted => "IPM.Note.SMIME",
                Shape::Invitation => "IPM.Schedule.Meeting.Request",
                _ => "IPM.Note",
            }
            .to_owned(),
            conversation: plan.conversation,
            has_attachments: plan.files.iter().any(|file| file.content_id.is_none())
                || matches!(
                    plan.shape,
                    Shape::Nested
                        | Shape::Signed
                        | Shape::Encrypted
                        | Shape::Link
                        | Shape::OddLines
                ),
            size: carried + plan.text_bytes + 1_500,
        }
    }

    /// The text of a generated message.
    pub(crate) fn body(plan: &Plan) -> Body {
        match plan.shape {
            Shape::Empty | Shape::Encrypted => Body::default(),
            Shape::PlainText | Shape::Signed | Shape::EightBit | Shape::Uuencode => Body {
                is_html: false,
                text: text_body(plan, plan.text_bytes),
            },
            _ => Body {
                is_html: true,
                text: html_body(plan),
            },
        }
    }

    /// The attachments of a generated message.
    pub(crate) fn attachments(&self, plan: &Plan) -> Vec<Attachment> {
        let is_bare = matches!(
            plan.shape,
            Shape::Empty
                | Shape::Signed
                | Shape::Encrypted
                | Shape::Uuencode
                | Shape::EightBit
                | Shape::LongLine
        );
        let mut all = Vec::new();
        for file in plan.files.iter().filter(|_| !is_bare) {
            let mut attachment = Attachment::file(&file.name, file.content_type, file.blob.clone());
            attachment.content_id.clone_from(&file.content_id);
            attachment.is_inline = file.content_id.is_some();
            all.push(attachment);
        }
        match plan.shape {
            Shape::Signed => all.push(Attachment::file(
                "smime.p7m",
                "multipart/signed",
                odd::cms_blob(plan),
            )),
            Shape::Encrypted => all.push(Attachment::file(
                "smime.p7m",
                "application/pkcs7-mime",
                odd::cms_blob(plan),
            )),
            Shape::OddLines => all.push(Attachment::file(
                "odd lines.zip",
                "application/zip",
                odd::odd_lines_blob(plan),
            )),
            Shape::Nested => {
                let inner = self.nested_plan(plan);
                all.push(Attachment {
                    kind: AttachmentKind::Item,
                    name: inner.subject.clone(),
                    content_type: "message/rfc822".to_owned(),
                    content_id: None,
                    is_inline: false,
                    content: self.mime(&inner, 0),
                });
            }
            Shape::Link => all.push(Attachment {
                kind: AttachmentKind::Reference,
                name: "Shared folder".to_owned(),
                content_type: "text/html".to_owned(),
                content_id: None,
                is_inline: false,
                content: Vec::new(),
            }),
            _ => {}
        }
        all
    }
}

/// The first 255 characters of the text of a body.
pub(crate) fn preview(body: &Body) -> String {
    let text = if body.is_html {
        strip_tags(&body.text)
    } else {
        body.text.clone()
    };
    let mut out = String::new();
    for word in text.split_whitespace() {
        if wide(out.chars().count()) > 240 {
            break;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out.chars().take(255).collect()
}

fn strip_tags(html: &str) -> String {
    let visible = html
        .split_once("<body")
        .map_or(html, |(_, behind)| behind)
        .split_once('>')
        .map_or(html, |(_, behind)| behind);
    let mut out = String::new();
    let mut is_tag = false;
    for letter in visible.chars().take(6_000) {
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
    out.replace("&nbsp;", " ").replace("&amp;", "&")
}
