//! Renders a generated message as RFC 822 bytes, the way Exchange rebuilds it at every read.

use bytes::Bytes;

use super::blob::Blob;
use super::draw::Draw;
use super::encode::{file_name, header_text, mailbox, mailboxes, quoted_printable};
use super::files::PlannedFile;
use super::headers::transport_headers;
use super::html::{html_body, text_body};
use super::odd;
use super::plan::{Plan, Shape, World};
use super::segment::Segment;
use crate::clock::stamp;
use crate::numbers::mix;

/// Collects the pieces of a message.
pub(crate) struct Writer {
    segments: Vec<Segment>,
    text: Vec<u8>,
    /// Changes with every read, and with it all boundaries.
    nonce: u64,
    boundaries: u64,
    /// `\r\n`, or `\n` for mail with bare line feeds.
    ending: &'static str,
}

impl Writer {
    pub(crate) fn new(nonce: u64, ending: &'static str) -> Self {
        Self {
            segments: Vec::new(),
            text: Vec::new(),
            nonce,
            boundaries: 0,
            ending,
        }
    }

    /// Text whose CRLFs become the message's line ends.
    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// As [`Writer::text`], for text that is not UTF-8.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if self.ending == "\r\n" {
            self.text.extend_from_slice(bytes);
        } else {
            self.text
                .extend(bytes.iter().copied().filter(|byte| *byte != b'\r'));
        }
    }

    /// A base64 body.
    pub(crate) fn base64(&mut self, blob: Blob, line: usize) {
        self.flush();
        self.segments.push(Segment::Base64 {
            blob,
            line,
            ending: self.ending,
        });
        self.text("\r\n");
    }

    /// A new boundary.
    pub(crate) fn boundary(&mut self) -> String {
        let mut draw = Draw::new(&[self.nonce, self.boundaries, 0x626f_756e]);
        self.boundaries += 1;
        format!(
            "_{:03}_{}{}sim_",
            self.boundaries + 3,
            draw.hex(32).to_uppercase(),
            draw.hex(8)
        )
    }

    /// A boundary that is the same at every read, for signed parts.
    pub(crate) fn fixed_boundary(key: u64) -> String {
        format!("----{:016X}", mix(&[key, 0x7369_676e]))
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            let text = Bytes::from(std::mem::take(&mut self.text));
            self.segments.push(Segment::Text(text));
        }
    }

    /// The finished message.
    pub(crate) fn finish(mut self) -> Vec<Segment> {
        self.flush();
        self.segments
    }

    /// Puts pieces of another message inside.
    pub(crate) fn nested(&mut self, segments: Vec<Segment>) {
        self.flush();
        self.segments.extend(segments);
    }
}

impl World {
    /// The message as bytes. Two reads with different nonces differ in their boundaries only.
    pub(crate) fn mime(&self, plan: &Plan, nonce: u64) -> Vec<Segment> {
        let ending = if plan.shape == Shape::BareLineFeeds {
            "\n"
        } else {
            "\r\n"
        };
        let mut writer = Writer::new(mix(&[plan.key, nonce]), ending);
        message_headers(plan, &mut writer);
        match plan.shape {
            Shape::Empty => writer.text("Content-Type: text/plain; charset=\"us-ascii\"\r\n\r\n"),
            Shape::Signed => odd::signed(plan, &mut writer),
            Shape::Encrypted => odd::encrypted(plan, &mut writer),
            Shape::Uuencode => odd::uuencoded(plan, &mut writer),
            Shape::EightBit => odd::eight_bit(plan, &mut writer),
            Shape::LongLine => odd::long_line(plan, &mut writer),
            _ => mixed(self, plan, &mut writer),
        }
        writer.finish()
    }
}

fn message_headers(plan: &Plan, writer: &mut Writer) {
    transport_headers(plan, writer);
    writer.text(&format!("From: {}\r\n", mailbox(&plan.from)));
    if !plan.to.is_empty() {
        writer.text(&format!("To: {}\r\n", mailboxes(&plan.to)));
    }
    if !plan.cc.is_empty() {
        writer.text(&format!("CC: {}\r\n", mailboxes(&plan.cc)));
    }
    writer.text(&format!("Subject: {}\r\n", header_text(&plan.subject)));
    if plan.shape != Shape::NoDate {
        let date = chrono::DateTime::from_timestamp(plan.sent, 0).unwrap_or_default();
        writer.text(&format!("Date: {}\r\n", date.to_rfc2822()));
    }
    if let Some(id) = &plan.message_id {
        writer.text(&format!("Message-ID: {id}\r\n"));
    }
    if plan.shape == Shape::HugeHeaders {
        odd::huge_headers(plan, writer);
    }
    writer.text("MIME-Version: 1.0\r\n");
}

fn mixed(world: &World, plan: &Plan, writer: &mut Writer) {
    let inline: Vec<&PlannedFile> = plan
        .files
        .iter()
        .filter(|f| f.content_id.is_some())
        .collect();
    let attached: Vec<&PlannedFile> = plan
        .files
        .iter()
        .filter(|f| f.content_id.is_none())
        .collect();
    let has_more = !attached.is_empty()
        || matches!(
            plan.shape,
            Shape::Nested | Shape::BadBase64 | Shape::Unclosed | Shape::OddLines
        );
    if !has_more {
        related(plan, &inline, writer);
        return;
    }
    let boundary = writer.boundary();
    writer.text(&format!(
        "Content-Type: multipart/mixed;\r\n\tboundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n"
    ));
    related(plan, &inline, writer);
    for file in attached {
        writer.text(&format!("--{boundary}\r\n"));
        file_part(plan, file, writer);
    }
    match plan.shape {
        Shape::Nested => {
            writer.text(&format!(
                "--{boundary}\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n"
            ));
            let inner = world.nested_plan(plan);
            writer.nested(world.mime(&inner, 0));
            writer.text("\r\n");
        }
        Shape::BadBase64 => {
            writer.text(&format!("--{boundary}\r\n"));
            odd::bad_base64(plan, writer);
        }
        Shape::OddLines => {
            writer.text(&format!("--{boundary}\r\n"));
            odd::odd_lines(plan, writer);
        }
        _ => {}
    }
    if plan.shape != Shape::Unclosed {
        writer.text(&format!("--{boundary}--\r\n"));
    }
}

fn related(plan: &Plan, inline: &[&PlannedFile], writer: &mut Writer) {
    if inline.is_empty() {
        alternative(plan, writer);
        return;
    }
    let boundary = writer.boundary();
    writer.text(&format!(
        "Content-Type: multipart/related;\r\n\tboundary=\"{boundary}\";\r\n\ttype=\"multipart/alternative\"\r\n\r\n--{boundary}\r\n"
    ));
    alternative(plan, writer);
    for file in inline {
        writer.text(&format!("--{boundary}\r\n"));
        file_part(plan, file, writer);
    }
    writer.text(&format!("--{boundary}--\r\n\r\n"));
}

fn alternative(plan: &Plan, writer: &mut Writer) {
    let text = text_body(plan, plan.text_bytes / 4);
    if plan.shape == Shape::PlainText {
        text_part("plain", &text_body(plan, plan.text_bytes), writer);
        return;
    }
    let boundary = writer.boundary();
    writer.text(&format!(
        "Content-Type: multipart/alternative;\r\n\tboundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n"
    ));
    text_part("plain", &text, writer);
    writer.text(&format!("--{boundary}\r\n"));
    text_part("html", &html_body(plan), writer);
    if plan.shape == Shape::Invitation {
        writer.text(&format!("--{boundary}\r\n"));
        odd::calendar_part(plan, writer);
    }
    writer.text(&format!("--{boundary}--\r\n\r\n"));
}

/// A text part: quoted-printable for Latin scripts, base64 for others.
pub(crate) fn text_part(subtype: &str, text: &str, writer: &mut Writer) {
    let foreign = text.chars().filter(|letter| *letter > '\u{24f}').count();
    writer.text(&format!(
        "Content-Type: text/{subtype}; charset=\"utf-8\"\r\n"
    ));
    if foreign * 4 > text.len() / 2 {
        writer.text("Content-Transfer-Encoding: base64\r\n\r\n");
        writer.base64(Blob::Held(Bytes::from(text.to_owned())), 76);
    } else {
        writer.text("Content-Transfer-Encoding: quoted-printable\r\n\r\n");
        writer.bytes(&quoted_printable(text.as_bytes()));
        writer.text("\r\n");
    }
}

fn file_part(plan: &Plan, file: &PlannedFile, writer: &mut Writer) {
    writer.text(&format!(
        "Content-Type: {};\r\n\t{}\r\n",
        file.content_type,
        file_name("name", &file.name)
    ));
    writer.text(&format!(
        "Content-Description: {}\r\n",
        header_text(&file.name)
    ));
    let disposition = if file.content_id.is_some() {
        "inline"
    } else {
        "attachment"
    };
    let when = stamp(plan.sent);
    writer.text(&format!(
        "Content-Disposition: {disposition}; {};\r\n\tsize={}; creation-date=\"{when}\"\r\n",
        file_name("filename", &file.name),
        file.blob.len()
    ));
    if let Some(id) = &file.content_id {
        writer.text(&format!("Content-ID: <{id}>\r\n"));
    }
    writer.text("Content-Transfer-Encoding: base64\r\n\r\n");
    writer.base64(file.blob.clone(), 76);
    writer.text("\r\n");
}
