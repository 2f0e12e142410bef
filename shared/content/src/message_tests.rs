use proptest::prelude::*;

use super::*;
use crate::join::PartEncoder;
use crate::test_mail::{attachment_bytes, attachment_text, mutated, rich_mail};

fn parse(message: &str) -> ParsedMessage {
    parse_message(&PlaceholderMime::from_bytes(message.as_bytes().to_vec()))
}

/// The content of an attachment with the parts put in.
fn content(attachment: &ParsedAttachment, parts: &[Vec<u8>]) -> Vec<u8> {
    let mut out = vec![];
    for piece in &attachment.pieces {
        let before = out.len();
        match piece {
            Piece::Bytes(bytes) => out.extend_from_slice(bytes),
            Piece::Part(index) => out.extend_from_slice(&parts[*index]),
            Piece::EncodedPart { index, shape } => {
                let mut encoder = PartEncoder::new(shape);
                encoder.push(&parts[*index], &mut out);
                encoder.finish(&mut out);
            }
        }
        let length = piece.len(|index| parts[index].len() as u64);
        assert_eq!(length, (out.len() - before) as u64);
    }
    out
}

fn names(parsed: &ParsedMessage) -> Vec<&str> {
    let names = parsed.attachments.iter();
    names.map(|attachment| attachment.name.as_str()).collect()
}

#[test]
fn a_rich_mail_is_understood_with_and_without_its_parts() {
    let mail = rich_mail();
    let (split, parts) = PlaceholderMime::split(mail.as_bytes());
    assert_eq!(parts.len(), 3);
    let whole = PlaceholderMime::from_bytes(mail.clone().into_bytes());
    for (message, parts) in [(split, parts), (whole, vec![])] {
        assert_eq!(body_parts(&message), [0_usize; 0]);
        let parsed = parse_message(&message);
        assert_eq!(parsed.body, "<p>Grüße <img src=\"cid:img1@a\"></p>");
        assert!(parsed.body_is_html);
        assert_eq!(
            names(&parsed),
            ["logo.png", "你b.pdf", "Nested: one_two.eml"]
        );
        let [image, file, nested] = &parsed.attachments[..] else {
            panic!("{parsed:?}");
        };
        assert_eq!(image.content_id.as_deref(), Some("img1@a"));
        assert!(image.is_inline && !file.is_inline && !nested.is_inline);
        assert_eq!(content(image, &parts), attachment_bytes(1, 2_000));
        assert_eq!(content(file, &parts), attachment_bytes(2, 6_000));
        assert_eq!(file.content_type, "application/pdf");
        let raw = content(nested, &parts);
        let start = mail.find("Subject: Nested").unwrap();
        let end = mail.find("\r\n--mixed_1--").unwrap();
        assert_eq!(raw, &mail.as_bytes()[start..end]);
        assert_eq!(nested.content_type, "message/rfc822");
        let header = |name: &str| {
            let found = parsed.headers.iter().find(|header| header.0 == name);
            found.unwrap().1.clone()
        };
        assert_eq!(header("Subject"), "Grüße und mehr");
        assert_eq!(header("From"), "Jörg <joerg@a.example>");
        assert_eq!(header("Message-ID"), "<1@a.example>");
        assert_eq!(parsed.headers.len(), 9);
        assert_eq!(parsed.reply_to[0].address, "office@a.example");
        assert_eq!(parsed.reply_to[0].name, "Office");
    }
}

#[test]
fn a_nested_message_may_end_with_a_part() {
    let text = attachment_text(1, 3_000, 76);
    let mail = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\
         Subject: s\r\nContent-Transfer-Encoding: base64\r\n\r\n{text}\r\n--b--\r\n"
    );
    let (message, parts) = PlaceholderMime::split(mail.as_bytes());
    let parsed = parse_message(&message);
    let raw = content(&parsed.attachments[0], &parts);
    let expected = format!("Subject: s\r\nContent-Transfer-Encoding: base64\r\n\r\n{text}");
    assert_eq!(raw, expected.as_bytes());
}

#[test]
fn a_body_in_a_part_is_named_and_can_be_put_back() {
    let html = "<p>ä</p>".repeat(300);
    let text = base64_simd::STANDARD.encode_to_string(&html);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(76)
        .map(String::from_utf8_lossy)
        .collect();
    let mail = format!(
        "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        lines.join("\r\n")
    );
    let (mut message, parts) = PlaceholderMime::split(mail.as_bytes());
    assert_eq!(body_parts(&message), [0]);
    let parsed = parse_message(&message);
    assert_eq!(
        (parsed.body.as_str(), names(&parsed)),
        ("", vec!["body.html"])
    );
    assert_eq!(content(&parsed.attachments[0], &parts), html.as_bytes());
    message.inline(0, &parts[0]);
    let parsed = parse_message(&message);
    assert_eq!(parsed.body, html);
    assert!(parsed.body_is_html && parsed.attachments.is_empty());
}

#[test]
fn signed_mail_keeps_what_was_signed() {
    let signed = "--s\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n\
        --i\r\n\r\nreadable\r\n--i\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nfile\r\n--i--\r\n\
        --s\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n\r\nsig\r\n--s--\r\n";
    let head =
        "Content-Type: multipart/signed; boundary=s; protocol=\"application/pkcs7-signature\"";
    let parsed = parse(&format!("Subject: x\r\n{head}\r\n\r\n{signed}"));
    assert_eq!(parsed.body, "readable");
    assert_eq!(names(&parsed), ["smime.p7m", "a.txt"]);
    let whole = content(&parsed.attachments[0], &[]);
    assert_eq!(whole, format!("{head}\r\n\r\n{signed}").as_bytes());
    assert_eq!(parsed.attachments[0].content_type, "multipart/signed");
}

#[test]
fn encrypted_mail_is_one_attachment() {
    let parsed = parse(
        "Subject: x\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data\n\
         Content-Transfer-Encoding: base64\n\nQUJD\n",
    );
    assert_eq!(
        (parsed.body.as_str(), names(&parsed)),
        ("", vec!["smime.p7m"])
    );
    assert_eq!(content(&parsed.attachments[0], &[]), b"ABC");
}

#[test]
fn what_is_no_body_is_attached() {
    let parsed = parse(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nfirst\n\
         --b\nContent-Type: application/ms-tnef; name=\"winmail.dat\"\n\ntnef\n\
         --b\nContent-Type: text/plain; name=\"notes.txt\"\n\nnotes\n\
         --b\n\nsecond\n\
         --b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\nplain\n\
         --c\nContent-Type: text/calendar\n\nBEGIN\n--c--\n\
         --b\nContent-Type: image/png\nContent-Disposition: inline\nContent-ID: <p>\n\nx\n\
         --b--\nfooter\n",
    );
    assert_eq!(parsed.body, "first");
    assert!(!parsed.body_is_html);
    assert_eq!(
        names(&parsed),
        [
            "winmail.dat",
            "notes.txt",
            "attachment-3.txt",
            "attachment-4.txt",
            "invite.ics",
            "attachment-6.png",
            "epilogue.txt"
        ]
    );
    assert!(parsed.attachments[5].is_inline);
}

#[test]
fn alternatives_prefer_html_and_keep_the_rest() {
    let parsed = parse(
        "Content-Type: multipart/alternative; boundary=b\n\n--b\n\nplain\n\
         --b\nContent-Type: text/html\n\n<b>html</b>\n\
         --b\nContent-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR\n--b--\n",
    );
    assert_eq!(parsed.body, "<b>html</b>");
    assert_eq!(names(&parsed), ["invite.ics"]);
}

#[test]
fn of_several_texts_none_is_lost() {
    let head = "Content-Type: multipart/alternative; boundary=b\n\n";
    let two = parse(&format!("{head}--b\n\none\n--b\n\ntwo\n--b--\n"));
    assert_eq!(
        (two.body.as_str(), names(&two)),
        ("two", vec!["attachment-1.txt"])
    );
    let html = "--b\nContent-Type: text/html\n\nhtml\n--b--\n";
    let three = parse(&format!("{head}--b\n\none\n--b\n\ntwo\n{html}"));
    assert_eq!(
        (three.body.as_str(), names(&three)),
        ("html", vec!["attachment-1.txt"])
    );
    let blank =
        parse("Content-Type: multipart/mixed; boundary=b\n\n--b\n\n \n--b\n\ntext\n--b--\n");
    assert_eq!((blank.body.as_str(), names(&blank)), ("text", vec![]));
}

#[test]
fn broken_messages_are_shown_as_they_stand() {
    let no_header = "Just some text\nwithout: header\n\nmore";
    assert_eq!(parse(no_header).body, no_header);
    let no_parts = "Content-Type: multipart/mixed; boundary=x\r\n\r\n--y\r\n\r\ntext\r\n";
    assert_eq!(parse(no_parts).body, "--y\r\n\r\ntext\r\n");
    assert_eq!(parse("").body, "");
    let footer = parse(
        "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\nQUJD\n____\nfooter\n",
    );
    assert_eq!(footer.body, "ABC\r\n____\nfooter\n");
    let attached = parse(
        "Content-Type: image/png; name=a.png\nContent-Transfer-Encoding: base64\n\nQUJD\n!!\n",
    );
    assert_eq!(names(&attached), ["a.png", "a.png.rest.txt"]);
    assert_eq!(content(&attached.attachments[1], &[]), b"!!\n");
}

#[test]
fn an_empty_body_stays_empty() {
    let parsed = parse("Subject: x\r\n\r\n");
    assert_eq!(parsed.headers, [("Subject".to_owned(), "x".to_owned())]);
    assert_eq!((parsed.body.as_str(), parsed.attachments.len()), ("", 0));
}

proptest! {
    #[test]
    fn damaged_mail_never_panics_and_every_part_is_somewhere(message in mutated()) {
        let (mut placeholder, parts) = PlaceholderMime::split(&message);
        let in_body = body_parts(&placeholder);
        let parsed = parse_message(&placeholder);
        let header_end = Entity::parse(&placeholder.bytes).body.start;
        for part in placeholder.parts() {
            let given = parsed.attachments.iter().flat_map(|a| &a.pieces).any(|piece| match piece {
                Piece::Part(index) | Piece::EncodedPart { index, .. } => *index == part.index,
                Piece::Bytes(_) => false,
            });
            // A part inside a header is kept with the header of the message or of its leaf.
            let in_header = in_some_header(&Entity::parse(&placeholder.bytes), part.range.start);
            prop_assert!(given || in_header || part.range.start < header_end);
        }
        for attachment in &parsed.attachments {
            prop_assert!(!attachment.name.is_empty());
            content(attachment, &parts);
        }
        for index in in_body {
            placeholder.inline(index, &parts[index]);
        }
        let whole = parse_message(&placeholder);
        prop_assert_eq!(whole.headers, parsed.headers);
    }
}

fn in_some_header(entity: &Entity, at: usize) -> bool {
    use crate::mime::Content;
    (entity.whole.start..entity.body.start).contains(&at)
        || match &entity.content {
            Content::Leaf => entity.media.kind == "text/plain",
            Content::Message(nested) => in_some_header(nested, at),
            Content::Multipart {
                children, preamble, ..
            } => preamble.contains(&at) || children.iter().any(|child| in_some_header(child, at)),
        }
}
