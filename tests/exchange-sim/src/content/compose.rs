//! MIME of a message that was written over the API.

use super::blob::Blob;
use super::encode::{file_name, header_text, mailbox, mailboxes};
use super::mail::{Attachment, AttachmentKind, Meta};
use super::mime::{Writer, text_part};
use super::segment::{Segment, collect};
use crate::store::overlay::WrittenMail;

/// The message as MIME pieces.
pub(crate) fn compose(meta: &Meta, written: &WrittenMail, nonce: u64) -> Vec<Segment> {
    let mut writer = Writer::new(nonce ^ meta.conversation, "\r\n");
    if let Some(from) = &meta.from {
        writer.text(&format!("From: {}\r\n", mailbox(from)));
    }
    for (name, people) in [
        ("To", &meta.to),
        ("CC", &meta.cc),
        ("Reply-To", &meta.reply_to),
    ] {
        if !people.is_empty() {
            writer.text(&format!("{name}: {}\r\n", mailboxes(people)));
        }
    }
    writer.text(&format!("Subject: {}\r\n", header_text(&meta.subject)));
    let date = chrono::DateTime::from_timestamp(meta.sent, 0).unwrap_or_default();
    writer.text(&format!("Date: {}\r\n", date.to_rfc2822()));
    if let Some(id) = &meta.message_id {
        writer.text(&format!("Message-ID: {id}\r\n"));
    }
    for (name, value) in &written.headers {
        writer.text(&format!("{name}: {}\r\n", header_text(value)));
    }
    writer.text("MIME-Version: 1.0\r\n");
    let subtype = if written.body.is_html {
        "html"
    } else {
        "plain"
    };
    if written.attachments.is_empty() {
        text_part(subtype, &written.body.text, &mut writer);
        return writer.finish();
    }
    let boundary = writer.boundary();
    writer.text(&format!(
        "Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n"
    ));
    text_part(subtype, &written.body.text, &mut writer);
    for (_, attachment) in &written.attachments {
        writer.text(&format!("--{boundary}\r\n"));
        part(attachment, &mut writer);
    }
    writer.text(&format!("--{boundary}--\r\n"));
    writer.finish()
}

fn part(attachment: &Attachment, writer: &mut Writer) {
    if attachment.kind == AttachmentKind::Item {
        writer.text("Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n");
        writer.nested(attachment.content.clone());
        writer.text("\r\n");
        return;
    }
    let disposition = if attachment.is_inline {
        "inline"
    } else {
        "attachment"
    };
    writer.text(&format!(
        "Content-Type: {};\r\n\t{}\r\nContent-Disposition: {disposition};\r\n\t{}\r\n",
        attachment.content_type,
        file_name("name", &attachment.name),
        file_name("filename", &attachment.name)
    ));
    if let Some(id) = &attachment.content_id {
        writer.text(&format!("Content-ID: <{id}>\r\n"));
    }
    writer.text("Content-Transfer-Encoding: base64\r\n\r\n");
    let blob = match attachment.content.as_slice() {
        [Segment::Plain(blob)] => blob.clone(),
        _ => Blob::from(collect(attachment.content.clone())),
    };
    writer.base64(blob, 76);
    writer.text("\r\n");
}
