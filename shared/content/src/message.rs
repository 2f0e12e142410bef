//! What a restore needs of a message: headers, body and attachments.
//!
//! * The body is the HTML form if there is one, else the text. The plain form beside an HTML
//!   body in a `multipart/alternative` is left out, and so is blank text; every other leaf is an
//!   attachment, also a second text, a calendar part or `winmail.dat`.
//! * A nested message is one attachment with its raw MIME.
//! * S/MIME and PGP: an `application/pkcs7-mime` leaf is an attachment, and there is no body. A
//!   `multipart/signed` gives its readable body and attachments, and in addition one attachment
//!   (`smime.p7m` or `signed-message.eml`) that holds the signed entity byte for byte: its
//!   `Content-Type`, its content and the signature. The signature is not attached once more.
//! * Broken MIME: without a recognisable header, or if a multipart cannot be cut, the body is
//!   the text as it stands. What follows a body or an attachment without being in its encoding
//!   (a list footer after base64) is kept: as text after a body, else as an attachment of its
//!   own (`<name>.rest.txt`). Text before or after the parts of a multipart becomes an
//!   attachment, unless it is a short preamble.

use std::ops::Range;

use mailkeep_model::Address;

use crate::decode::{Decoded, Piece, Stretch, decode_leaf, owned, raw_pieces};
use crate::header::{addresses, charset_text, decoded_text};
use crate::mime::Entity;
use crate::name;
use crate::outline::{Attached, Outline, file_name, id_text};
use crate::placeholder::PlaceholderMime;

/// A message taken apart for a restore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParsedMessage {
    /// All header fields in order: name, and the value unfolded with encoded words decoded.
    pub headers: Vec<(String, String)>,
    /// Reply-To.
    pub reply_to: Vec<Address>,
    /// Body text; empty if the message has none.
    pub body: String,
    /// Whether the body is HTML.
    pub body_is_html: bool,
    /// Everything else.
    pub attachments: Vec<ParsedAttachment>,
}

/// An attachment of a [`ParsedMessage`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParsedAttachment {
    /// File name; never empty, without path separators and control characters.
    pub name: String,
    /// Media type, lower case, without parameters.
    pub content_type: String,
    /// `Content-ID` without angle brackets.
    pub content_id: Option<String>,
    /// Whether it is shown inside the body.
    pub is_inline: bool,
    /// The content.
    pub pieces: Vec<Piece>,
}

/// The parts that hold the body text. [`parse_message`] can only give a body if they have been
/// put back with [`PlaceholderMime::inline`]; otherwise the body becomes an attachment.
#[must_use]
pub fn body_parts(message: &PlaceholderMime) -> Vec<usize> {
    let root = Entity::parse(&message.bytes);
    let Some(body) = Outline::of(&root, &message.bytes).body else {
        return vec![];
    };
    let inside = message
        .parts()
        .iter()
        .filter(|part| part.range.start >= body.body.start && part.range.start < body.body.end);
    inside.map(|part| part.index).collect()
}

/// Takes a message apart. Never fails: see the module's description for broken messages.
#[must_use]
pub fn parse_message(message: &PlaceholderMime) -> ParsedMessage {
    let bytes = message.bytes.as_slice();
    let root = Entity::parse(bytes);
    let outline = Outline::of(&root, bytes);
    let mut parsed = ParsedMessage {
        headers: headers(&root, bytes),
        reply_to: root
            .value(bytes, "reply-to")
            .map(addresses)
            .unwrap_or_default(),
        ..ParsedMessage::default()
    };
    let mut builder = Builder {
        message,
        attachments: vec![],
    };
    if let Some(body) = outline.body {
        match builder.body_text(body) {
            Some(text) => {
                parsed.body = text;
                parsed.body_is_html = body.media.kind == "text/html";
            }
            None => builder.leaf(body, "body"),
        }
    }
    for attached in &outline.attached {
        builder.attach(attached);
    }
    parsed.attachments = builder.attachments;
    let body = if parsed.body_is_html {
        parsed.body.as_str()
    } else {
        ""
    };
    for attachment in &mut parsed.attachments {
        if let Some(id) = &attachment.content_id {
            attachment.is_inline |= body.contains(&format!("cid:{id}"));
        }
    }
    parsed
}

fn headers(root: &Entity, bytes: &[u8]) -> Vec<(String, String)> {
    let text = |range: &Range<usize>| bytes.get(range.clone()).unwrap_or_default();
    root.fields
        .iter()
        .filter(|field| !field.name.is_empty())
        .map(|field| {
            let name = String::from_utf8_lossy(text(&field.name)).into_owned();
            (name, decoded_text(text(&field.value)))
        })
        .collect()
}

struct Builder<'a> {
    message: &'a PlaceholderMime,
    attachments: Vec<ParsedAttachment>,
}

impl Builder<'_> {
    fn bytes(&self) -> &[u8] {
        &self.message.bytes
    }

    /// The body as text; `None` if some of it is in a part that is not here.
    fn body_text(&self, body: &Entity) -> Option<String> {
        let Decoded { pieces, rest } = decode_leaf(self.message, body);
        let charset = body.media.parameter("charset");
        let mut text = charset_text(&all_bytes(&pieces)?, charset);
        let rest = all_bytes(&raw_pieces(self.message, rest))?;
        if !rest.is_empty() {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            text.push_str(&charset_text(&rest, None));
        }
        Some(text)
    }

    fn attach(&mut self, attached: &Attached<'_>) {
        match attached {
            Attached::Leaf(entity) => self.leaf(entity, ""),
            Attached::Uncut(entity) => {
                let pieces = raw_pieces(self.message, entity.whole.clone());
                self.raw("part.eml".to_owned(), "message/rfc822", pieces);
            }
            Attached::Nested(holder, nested) => {
                let disposition = holder.disposition(self.bytes());
                let subject = nested.value(self.bytes(), "subject").map(decoded_text);
                let named = match subject.filter(|subject| !subject.is_empty()) {
                    Some(subject) => name::clean(&format!("{subject}.eml"), "message.eml"),
                    None => {
                        let named = file_name(&holder.media, &disposition).unwrap_or_default();
                        name::clean(named, "message.eml")
                    }
                };
                let pieces = raw_pieces(self.message, nested.whole.clone());
                self.raw(named, "message/rfc822", pieces);
            }
            Attached::Signed(entity) => self.signed(entity),
            Attached::Loose(name, range) => {
                let pieces = raw_pieces(self.message, range.clone());
                self.raw((*name).to_owned(), "text/plain", pieces);
            }
        }
    }

    fn raw(&mut self, name: String, content_type: &str, pieces: Vec<Stretch<'_>>) {
        self.attachments.push(ParsedAttachment {
            name,
            content_type: content_type.to_owned(),
            content_id: None,
            is_inline: false,
            pieces: owned(pieces),
        });
    }

    /// A signed entity as a MIME entity of its own: the field that describes it, and its body.
    fn signed(&mut self, entity: &Entity) {
        let protocol = entity.media.parameter("protocol").unwrap_or_default();
        let name = if protocol.to_ascii_lowercase().contains("pkcs7") {
            "smime.p7m"
        } else {
            "signed-message.eml"
        };
        let mut head = b"Content-Type:".to_vec();
        let value = entity.value(self.bytes(), "content-type");
        head.extend_from_slice(value.unwrap_or_default());
        head.extend_from_slice(b"\r\n\r\n");
        let mut pieces = vec![Stretch::Bytes(head.into())];
        pieces.extend(raw_pieces(self.message, entity.body.clone()));
        self.raw(name.to_owned(), "multipart/signed", pieces);
    }

    /// A leaf; `stem` names it if its header does not.
    fn leaf(&mut self, entity: &Entity, stem: &str) {
        let media_type = entity.media.kind.as_str();
        let extension = name::extension(media_type);
        let fallback = match (stem, media_type) {
            ("", "application/ms-tnef") => "winmail.dat".to_owned(),
            ("", "text/calendar") => "invite.ics".to_owned(),
            ("", kind) if kind.ends_with("pkcs7-mime") => "smime.p7m".to_owned(),
            ("", "message/rfc822" | "message/global") => "message.eml".to_owned(),
            ("", _) => format!("attachment-{}{extension}", self.attachments.len() + 1),
            (stem, _) => format!("{stem}{extension}"),
        };
        let disposition = entity.disposition(self.bytes());
        let given = file_name(&entity.media, &disposition).unwrap_or_default();
        let content_id = entity.value(self.bytes(), "content-id").map(id_text);
        let content_id = content_id.filter(|id| !id.is_empty());
        let Decoded { pieces, rest } = decode_leaf(self.message, entity);
        let name = name::clean(given, &fallback);
        let rest_name = name::clean(&format!("{name}.rest.txt"), "rest.txt");
        self.attachments.push(ParsedAttachment {
            name,
            content_type: media_type.to_owned(),
            is_inline: content_id.is_some() && disposition.kind == "inline",
            content_id,
            pieces: owned(pieces),
        });
        if !rest.is_empty() {
            let pieces = raw_pieces(self.message, rest);
            self.raw(rest_name, "text/plain", pieces);
        }
    }
}

/// The bytes of all pieces together; `None` if one of them is a part.
fn all_bytes(pieces: &[Stretch<'_>]) -> Option<Vec<u8>> {
    let mut out = vec![];
    for piece in pieces {
        match piece {
            Stretch::Bytes(bytes) => out.extend_from_slice(bytes),
            _ => return None,
        }
    }
    Some(out)
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
