//! Reads metadata, text and attachments out of message bytes. Broken mail gives what there is.

use bytes::Bytes;
use mail_parser::{Address, Message, MessageParser, MimeHeaders as _, PartType};

use super::blob::Blob;
use super::mail::{Attachment, AttachmentKind, Body, Meta};
use super::people::Person;
use super::segment::Segment;
use crate::numbers::{mix, wide};

/// Metadata of message bytes; `fallback` is the date where the message has none.
pub(crate) fn parse_meta(bytes: &[u8], fallback: i64) -> Meta {
    let mut meta = Meta {
        importance: 1,
        class: "IPM.Note".to_owned(),
        received: fallback,
        sent: fallback,
        size: wide(bytes.len()),
        conversation: mix(&[wide(bytes.len())]),
        ..Meta::default()
    };
    let Some(message) = MessageParser::default().parse(bytes) else {
        return meta;
    };
    meta.subject = message.subject().unwrap_or_default().to_owned();
    meta.from = people(message.from()).into_iter().next();
    meta.sender = people(message.sender())
        .into_iter()
        .next()
        .or_else(|| meta.from.clone());
    meta.to = people(message.to());
    meta.cc = people(message.cc());
    meta.bcc = people(message.bcc());
    meta.reply_to = people(message.reply_to());
    if let Some(date) = message.date().map(mail_parser::DateTime::to_timestamp) {
        // Exchange keeps no dates outside of 1601 to 4500.
        meta.sent = date.clamp(-11_644_473_600, 79_833_600_000);
        meta.received = meta.sent;
    }
    if let Some(date) = message
        .received()
        .and_then(|received| received.date())
        .map(|date| date.to_timestamp())
    {
        meta.received = date.clamp(-11_644_473_600, 79_833_600_000);
    }
    meta.message_id = message.message_id().map(|id| format!("<{id}>"));
    meta.has_attachments = message.attachments().any(|part| !is_inline(part));
    meta
}

/// The text of message bytes.
pub(crate) fn parse_body(bytes: &[u8]) -> Body {
    let Some(message) = MessageParser::default().parse(bytes) else {
        return Body::default();
    };
    let is_html = message
        .html_body
        .first()
        .and_then(|number| message.part(*number))
        .is_some_and(|part| matches!(part.body, PartType::Html(_)));
    let text = if is_html {
        message.body_html(0)
    } else {
        message.body_text(0)
    };
    Body {
        is_html,
        text: text.unwrap_or_default().into_owned(),
    }
}

/// The attachments of message bytes.
pub(crate) fn parse_attachments(bytes: &[u8]) -> Vec<Attachment> {
    let Some(message) = MessageParser::default().parse(bytes) else {
        return Vec::new();
    };
    message
        .attachments()
        .map(|part| {
            let content_type = part.content_type().map_or_else(
                || "application/octet-stream".to_owned(),
                |value| {
                    value.subtype().map_or_else(
                        || value.ctype().to_owned(),
                        |subtype| format!("{}/{subtype}", value.ctype()),
                    )
                },
            );
            let nested = part.message();
            let content = nested.map_or_else(
                || part.contents().to_vec(),
                |inner: &Message<'_>| inner.raw_message().to_vec(),
            );
            Attachment {
                kind: if nested.is_some() {
                    AttachmentKind::Item
                } else {
                    AttachmentKind::File
                },
                name: part
                    .attachment_name()
                    .or_else(|| nested.and_then(Message::subject))
                    .unwrap_or("unnamed")
                    .to_owned(),
                content_type,
                content_id: part.content_id().map(str::to_owned),
                is_inline: is_inline(part),
                content: vec![Segment::Plain(Blob::Held(Bytes::from(content)))],
            }
        })
        .collect()
}

/// The headers of message bytes, unfolded.
pub(crate) fn parse_headers(bytes: &[u8]) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        let text = String::from_utf8_lossy(line).into_owned();
        if text.starts_with([' ', '\t']) {
            if let Some((_, value)) = all.last_mut() {
                value.push(' ');
                value.push_str(text.trim());
            }
        } else if let Some((name, value)) = text.split_once(':') {
            all.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    all
}

fn is_inline(part: &mail_parser::MessagePart<'_>) -> bool {
    part.content_id().is_some()
        && part
            .content_disposition()
            .is_none_or(|disposition| disposition.is_inline())
}

fn people(address: Option<&Address<'_>>) -> Vec<Person> {
    address.map_or_else(Vec::new, |list| {
        list.iter()
            .map(|one| Person {
                name: one.name().unwrap_or_default().to_owned(),
                address: one.address().unwrap_or_default().to_owned(),
            })
            .collect()
    })
}
