//! Unusual and broken mail. All of it has been seen in real mailboxes.

use bytes::Bytes;

use super::blob::{Blob, Texture};
use super::draw::Draw;
use super::html::text_body;
use super::mime::{Writer, text_part};
use super::plan::{Plan, Shape, World};
use crate::clock::stamp;
use crate::numbers::mix;

/// The DER-like bytes of a signature or of encrypted content.
pub(crate) fn cms_blob(plan: &Plan) -> Blob {
    Blob::Generated {
        seed: mix(&[plan.key, 0x0063_6d73]),
        bytes: if plan.shape == Shape::Signed {
            3_900
        } else {
            plan.text_bytes * 27 / 37
        },
        texture: Texture::Dense,
        magic: b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02",
    }
}

impl World {
    /// The message that a [`Shape::Nested`] message carries.
    pub(crate) fn nested_plan(&self, outer: &Plan) -> Plan {
        // A number of an ordinary message, so that its date is one, too.
        let number = crate::numbers::low32(outer.key) % self.items.max(1);
        let mut inner = self.plan(u32::MAX, number, 0);
        inner.shape = if outer.key.is_multiple_of(5) {
            Shape::PlainText
        } else {
            Shape::Ordinary
        };
        inner.text_bytes = inner.text_bytes.min(20_000);
        inner.files.retain(|file| file.blob.len() < 200_000);
        inner
    }
}

pub(crate) fn signed(plan: &Plan, writer: &mut Writer) {
    let boundary = Writer::fixed_boundary(plan.key);
    writer.text(&format!(
        "Content-Type: multipart/signed; protocol=\"application/x-pkcs7-signature\";\r\n\tmicalg=\"sha-256\"; boundary=\"{boundary}\"\r\n\r\nThis is an S/MIME signed message\r\n\r\n--{boundary}\r\n"
    ));
    text_part("plain", &text_body(plan, plan.text_bytes), writer);
    writer.text(&format!(
        "--{boundary}\r\nContent-Type: application/x-pkcs7-signature; name=\"smime.p7s\"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n"
    ));
    writer.base64(cms_blob(plan), 64);
    writer.text(&format!("\r\n--{boundary}--\r\n"));
}

pub(crate) fn encrypted(plan: &Plan, writer: &mut Writer) {
    writer.text(
        "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=\"smime.p7m\"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"smime.p7m\"\r\n\r\n",
    );
    writer.base64(cms_blob(plan), 76);
}

pub(crate) fn uuencoded(plan: &Plan, writer: &mut Writer) {
    writer.text("Content-Type: text/plain; charset=\"us-ascii\"\r\n\r\nsee the picture below\r\n\r\nbegin 644 picture.gif\r\n");
    let mut draw = Draw::new(&[plan.key, 0x7575]);
    let mut left = plan.text_bytes * 3 / 4;
    while left > 0 {
        let count = left.min(45);
        let mut line = vec![0; crate::numbers::index(count.div_ceil(3) * 3)];
        draw.fill(&mut line);
        let mut text = vec![u8::try_from(count).unwrap_or(45) + 32];
        for group in line.chunks_exact(3) {
            let joined = group
                .iter()
                .fold(0_u32, |all, byte| (all << 8) | u32::from(*byte));
            for shift in [18, 12, 6, 0] {
                let six = u8::try_from((joined >> shift) & 63).unwrap_or(0);
                text.push(if six == 0 { b'`' } else { six + 32 });
            }
        }
        text.extend_from_slice(b"\r\n");
        writer.bytes(&text);
        left -= count;
    }
    writer.text("`\r\nend\r\n");
}

/// Bytes above 127 without a word about their charset.
pub(crate) fn eight_bit(plan: &Plan, writer: &mut Writer) {
    writer.text("Content-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
    let text = text_body(plan, plan.text_bytes);
    if plan.key.is_multiple_of(2) {
        writer.text(&text);
        return;
    }
    let latin: Vec<u8> = text
        .chars()
        .map(|letter| u8::try_from(u32::from(letter)).unwrap_or(b'?'))
        .collect();
    writer.bytes(&latin);
    writer.bytes(b"\x00\xff\xfe bytes that no charset explains \x80\r\n");
}

pub(crate) fn long_line(plan: &Plan, writer: &mut Writer) {
    writer.text("Content-Type: text/html; charset=\"utf-8\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<html><body><p>");
    let text = text_body(plan, plan.text_bytes.max(12_000));
    writer.text(&text.replace("\r\n", " "));
    writer.text("</p></body></html>");
}

pub(crate) fn bad_base64(plan: &Plan, writer: &mut Writer) {
    writer.text("Content-Type: application/octet-stream; name=\"damaged.bin\"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"damaged.bin\"\r\n\r\n");
    let mut draw = Draw::new(&[plan.key, 0x0062_6164]);
    for n in 0..30_u32 {
        let line = draw.opaque(57);
        match n {
            7 => writer.text(&format!("!{line}\r\n")),
            11 => writer.text(&format!("{line}===\r\n")),
            29 => writer.text(line.get(..33).unwrap_or_default()),
            _ => writer.text(&format!("{line}\r\n")),
        }
    }
    writer.text("\r\n");
}

/// Base64 in one endless line, or in lines of 60 characters.
pub(crate) fn odd_lines(plan: &Plan, writer: &mut Writer) {
    writer.text("Content-Type: application/zip; name=\"odd lines.zip\"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"odd lines.zip\"\r\n\r\n");
    let blob = odd_lines_blob(plan);
    let line = if plan.key.is_multiple_of(2) {
        60
    } else {
        40_000
    };
    writer.base64(blob, line);
}

/// The file of [`odd_lines`].
pub(crate) fn odd_lines_blob(plan: &Plan) -> Blob {
    Blob::Generated {
        seed: mix(&[plan.key, 0x6c69_6e65]),
        bytes: 6_000 + plan.key % 9_000,
        texture: Texture::Dense,
        magic: b"PK\x03\x04",
    }
}

pub(crate) fn huge_headers(plan: &Plan, writer: &mut Writer) {
    let mut draw = Draw::new(&[plan.key, 0x6875_6765]);
    writer.text("References:\r\n");
    for _ in 0..700 {
        writer.text(&format!(" <{}@mail.fabrikam.example>\r\n", draw.hex(32)));
    }
    writer.text(&format!("X-Very-Long: {}\r\n", draw.opaque(9_000)));
    for n in 0..120 {
        writer.text(&format!("X-Custom-{n}: {}\r\n", draw.opaque(30)));
    }
}

pub(crate) fn calendar_part(plan: &Plan, writer: &mut Writer) {
    let when = stamp(plan.received + 86_400).replace(['-', ':'], "");
    let text = format!(
        "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nPRODID:Microsoft Exchange Server 2010\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nORGANIZER;CN={}:mailto:{}\r\nSUMMARY:{}\r\nDTSTART:{when}\r\nDTEND:{when}\r\nUID:{:016X}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        plan.from.name, plan.from.address, plan.subject, plan.key
    );
    writer.text("Content-Type: text/calendar; charset=\"utf-8\"; method=REQUEST\r\nContent-Transfer-Encoding: base64\r\n\r\n");
    writer.base64(Blob::Held(Bytes::from(text)), 76);
}
