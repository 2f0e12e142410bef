//! Builds a message from properties, for items whose MIME the source cannot give.

use chrono::{DateTime, Utc};
use mailkeep_model::Address;

use crate::split::{LineEnding, PartShape};
use crate::words::{address_list, field, parameter, quoted_printable, text};

/// How attachments of composed messages are laid out; for [`crate::PartEncoder`]. The length is
/// not known when composing and left 0.
pub const ATTACHMENT_SHAPE: PartShape = PartShape {
    line_length: 76,
    line_ending: LineEnding::Crlf,
    decoded_bytes: 0,
    ends_with_line_ending: true,
};

/// What a message is composed from. Line endings and controls in header values become blanks,
/// so no value can add a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComposeMessage {
    /// From.
    pub from: Option<Address>,
    /// Sender, when it differs from `from`.
    pub sender: Option<Address>,
    /// Reply-To.
    pub reply_to: Vec<Address>,
    /// To recipients.
    pub to: Vec<Address>,
    /// Cc recipients.
    pub cc: Vec<Address>,
    /// Bcc recipients.
    pub bcc: Vec<Address>,
    /// Subject.
    pub subject: String,
    /// Date.
    pub date: Option<DateTime<Utc>>,
    /// `Message-ID` with its angle brackets; none if empty.
    pub message_id: String,
    /// More header fields. Fields that this structure has its own place for and those that
    /// describe the MIME structure are left out.
    pub headers: Vec<(String, String)>,
    /// Plain text body.
    pub text: Option<String>,
    /// HTML body.
    pub html: Option<String>,
    /// Attachments, in order.
    pub attachments: Vec<ComposeAttachment>,
}

/// An attachment of a composed message, without its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComposeAttachment {
    /// File name.
    pub name: String,
    /// Media type; `application/octet-stream` if empty or malformed. A `message/rfc822`
    /// attachment is written as it is, because MIME forbids to encode it.
    pub content_type: String,
    /// `Content-ID` without angle brackets.
    pub content_id: Option<String>,
    /// Whether it is shown inside the body.
    pub is_inline: bool,
}

/// A stretch of a composed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComposeSegment {
    /// Bytes as they are.
    Bytes(Vec<u8>),
    /// Here comes the base64 of attachment `n`, written by a [`crate::PartEncoder`] for
    /// [`ATTACHMENT_SHAPE`].
    AttachmentBase64(usize),
    /// Here comes attachment `n` byte for byte: a nested message.
    AttachmentRaw(usize),
}

/// Lays a message out. The same input always gives the same bytes.
#[must_use]
pub fn compose(message: &ComposeMessage) -> Vec<ComposeSegment> {
    let mut composer = Composer {
        message,
        boundary: boundary(message),
        bytes: header(message).into_bytes(),
        segments: vec![],
    };
    composer.structure();
    composer.flush();
    composer.segments
}

/// Boundaries contain `=_`, which occurs in neither base64 nor quoted-printable. Only nested
/// messages are written unencoded; against those, the boundary cannot be guessed.
fn boundary(message: &ComposeMessage) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("mailkeep content compose boundary");
    let mut add = |text: &str| {
        hasher.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    add(&message.message_id);
    add(&message.subject);
    add(message.text.as_deref().unwrap_or_default());
    add(message.html.as_deref().unwrap_or_default());
    for attachment in &message.attachments {
        add(&attachment.name);
    }
    let hash = hasher.finalize().to_hex();
    format!("=_mk_{}", hash.get(..32).unwrap_or_default())
}

fn header(message: &ComposeMessage) -> String {
    let mut out = String::new();
    let one = |address: &Option<Address>| address.clone().into_iter().collect::<Vec<_>>();
    for (name, addresses) in [
        ("From", &one(&message.from)),
        ("Sender", &one(&message.sender)),
        ("Reply-To", &message.reply_to),
        ("To", &message.to),
        ("Cc", &message.cc),
        ("Bcc", &message.bcc),
    ] {
        let list = address_list(addresses);
        if !list.is_empty() {
            out.push_str(&field(name, &list));
        }
    }
    out.push_str(&field("Subject", &text(&message.subject)));
    if let Some(date) = message.date {
        out.push_str(&field("Date", &date.to_rfc2822()));
    }
    if !message.message_id.is_empty() {
        out.push_str(&field("Message-ID", &text(&message.message_id)));
    }
    for (name, value) in &message.headers {
        let name = name.trim();
        let lower = name.to_ascii_lowercase();
        let own = [
            "from",
            "sender",
            "reply-to",
            "to",
            "cc",
            "bcc",
            "subject",
            "mime-version",
        ];
        let taken = own.contains(&lower.as_str())
            || lower == "date" && message.date.is_some()
            || lower == "message-id" && !message.message_id.is_empty()
            || lower.starts_with("content-");
        if !taken
            && name
                .bytes()
                .any(|byte| byte.is_ascii_graphic() && byte != b':')
        {
            out.push_str(&field(name, &text(value)));
        }
    }
    out.push_str("MIME-Version: 1.0\r\n");
    out
}

struct Composer<'a> {
    message: &'a ComposeMessage,
    boundary: String,
    bytes: Vec<u8>,
    segments: Vec<ComposeSegment>,
}

impl Composer<'_> {
    fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn flush(&mut self) {
        if !self.bytes.is_empty() {
            let bytes = std::mem::take(&mut self.bytes);
            self.segments.push(ComposeSegment::Bytes(bytes));
        }
    }

    /// `mixed[related[alternative[text html] inline…] ordinary…]`, each level only if needed.
    fn structure(&mut self) {
        let has_html = self.message.html.is_some();
        let (inline, ordinary): (Vec<usize>, Vec<usize>) = (0..self.message.attachments.len())
            .partition(|index| {
                let attachment = self.message.attachments.get(*index);
                has_html && attachment.is_some_and(|attachment| attachment.is_inline)
            });
        if ordinary.is_empty() {
            return self.related(&inline);
        }
        self.multipart("mixed", "m");
        self.delimiter("m");
        self.related(&inline);
        for index in ordinary {
            self.delimiter("m");
            self.attachment(index);
        }
        self.close("m");
    }

    fn related(&mut self, inline: &[usize]) {
        if inline.is_empty() {
            return self.bodies();
        }
        self.multipart("related", "r");
        self.delimiter("r");
        self.bodies();
        for index in inline {
            self.delimiter("r");
            self.attachment(*index);
        }
        self.close("r");
    }

    fn bodies(&mut self) {
        let message = self.message;
        match (&message.text, &message.html) {
            (Some(text), Some(html)) => {
                self.multipart("alternative", "a");
                self.delimiter("a");
                self.body("plain", text);
                self.delimiter("a");
                self.body("html", html);
                self.close("a");
            }
            (None, Some(html)) => self.body("html", html),
            (text, None) => self.body("plain", text.as_deref().unwrap_or_default()),
        }
    }

    fn body(&mut self, subtype: &str, text: &str) {
        self.push(&format!(
            "Content-Type: text/{subtype}; charset=utf-8\r\n\
             Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        ));
        self.push(&quoted_printable(text));
    }

    fn multipart(&mut self, subtype: &str, level: &str) {
        let line = format!(
            "Content-Type: multipart/{subtype};\r\n boundary=\"{}{level}\"\r\n",
            self.boundary
        );
        self.push(&line);
    }

    fn delimiter(&mut self, level: &str) {
        let line = format!("\r\n--{}{level}\r\n", self.boundary);
        self.push(&line);
    }

    fn close(&mut self, level: &str) {
        let line = format!("\r\n--{}{level}--\r\n", self.boundary);
        self.push(&line);
    }

    fn attachment(&mut self, index: usize) {
        let Some(attachment) = self.message.attachments.get(index) else {
            return;
        };
        let media_type = media_type(&attachment.content_type);
        let is_message = media_type == "message/rfc822";
        let disposition = if attachment.is_inline {
            "inline"
        } else {
            "attachment"
        };
        let mut head = format!("Content-Type: {media_type}\r\nContent-Disposition: {disposition}");
        if !attachment.name.is_empty() {
            head.push_str(&parameter("filename", &attachment.name));
        }
        head.push_str("\r\n");
        if let Some(id) = &attachment.content_id {
            head.push_str(&field("Content-ID", &text(&format!("<{id}>"))));
        }
        let encoding = if is_message { "8bit" } else { "base64" };
        head.push_str(&format!("Content-Transfer-Encoding: {encoding}\r\n\r\n"));
        self.push(&head);
        self.flush();
        self.segments.push(if is_message {
            ComposeSegment::AttachmentRaw(index)
        } else {
            ComposeSegment::AttachmentBase64(index)
        });
    }
}

/// A media type that is safe to write; parameters are dropped.
fn media_type(given: &str) -> String {
    let kind = given.split(';').next().unwrap_or_default();
    let kind = kind.trim().to_ascii_lowercase();
    let is_token = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    match kind.split_once('/') {
        // A multipart without its boundary would be read as text.
        Some((main, sub)) if is_token(main) && is_token(sub) && main != "multipart" => kind,
        _ => "application/octet-stream".to_owned(),
    }
}

#[cfg(test)]
#[path = "compose_tests.rs"]
mod tests;
