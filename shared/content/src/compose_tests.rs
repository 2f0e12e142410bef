use proptest::prelude::*;

use super::*;
use crate::decode::Piece;
use crate::join::PartEncoder;
use crate::message::{ParsedMessage, parse_message};
use crate::placeholder::PlaceholderMime;

fn address(name: &str, address: &str) -> Address {
    Address {
        name: name.into(),
        address: address.into(),
    }
}

fn write(message: &ComposeMessage, contents: &[&[u8]]) -> Vec<u8> {
    let mut out = vec![];
    for segment in compose(message) {
        match segment {
            ComposeSegment::Bytes(bytes) => out.extend(bytes),
            ComposeSegment::AttachmentRaw(index) => out.extend_from_slice(contents[index]),
            ComposeSegment::AttachmentBase64(index) => {
                let mut encoder = PartEncoder::new(&ATTACHMENT_SHAPE);
                encoder.push(contents[index], &mut out);
                encoder.finish(&mut out);
            }
        }
    }
    for line in out.split(|byte| *byte == b'\n') {
        assert!(line.len() < 999, "a line is too long");
    }
    out
}

fn parse(bytes: &[u8]) -> ParsedMessage {
    parse_message(&PlaceholderMime::from_bytes(bytes.to_vec()))
}

fn header<'a>(parsed: &'a ParsedMessage, name: &str) -> &'a str {
    let mut found = parsed.headers.iter().filter(|header| header.0 == name);
    let value = &found.next().unwrap().1;
    assert!(found.next().is_none(), "{name} is there twice");
    value
}

#[test]
fn a_full_message_reads_back() {
    let long_name = "日本語のとても長いファイル名".repeat(5) + ".docx";
    let message = ComposeMessage {
        from: Some(address("Jörg \"J\" Müller", "joerg@a.example")),
        reply_to: vec![address("", "office@a.example")],
        to: (0..200)
            .map(|n| address(&format!("Person, {n}"), &format!("p{n}@b.example")))
            .collect(),
        cc: vec![
            address("Old", "/O=ORG/OU=X Y/CN=old"),
            address("Nobody", ""),
        ],
        subject: "Grüße 🎉 ".repeat(20).trim().into(),
        date: Some(DateTime::UNIX_EPOCH),
        message_id: "<1@a.example>".into(),
        headers: vec![
            ("X-Custom".into(), "a\r\nBcc: evil@c.example".into()),
            ("Subject".into(), "other".into()),
            ("Content-Type".into(), "text/plain".into()),
            ("X-Long".into(), "y".repeat(3_000)),
        ],
        text: Some("Text =\nFrom me\n.\nend ".into()),
        html: Some("<p>ä&nbsp;</p>\r\n<img src=\"cid:i@a\">".into()),
        attachments: vec![
            ComposeAttachment {
                name: long_name.clone(),
                content_type: "application/vnd.x; a=b".into(),
                ..Default::default()
            },
            ComposeAttachment {
                name: "i.png".into(),
                content_type: "image/png".into(),
                content_id: Some("i@a".into()),
                is_inline: true,
            },
            ComposeAttachment {
                name: "n.eml".into(),
                content_type: "message/rfc822".into(),
                ..Default::default()
            },
            ComposeAttachment {
                name: "a \"b\".txt".into(),
                content_type: "nonsense".into(),
                ..Default::default()
            },
        ],
        ..ComposeMessage::default()
    };
    let nested = b"Subject: inner\r\n\r\nhello\r\n";
    let contents: [&[u8]; 4] = [&[1; 5_000], b"png", nested, b""];
    let bytes = write(&message, &contents);
    let parsed = parse(&bytes);
    assert_eq!(header(&parsed, "Subject"), message.subject);
    assert_eq!(header(&parsed, "Message-ID"), "<1@a.example>");
    assert_eq!(header(&parsed, "Date"), "Thu, 1 Jan 1970 00:00:00 +0000");
    assert_eq!(header(&parsed, "X-Custom"), "a  Bcc: evil@c.example");
    assert_eq!(header(&parsed, "X-Long"), "y".repeat(3_000));
    assert!(parsed.headers.iter().all(|header| header.0 != "Bcc"));
    assert_eq!(parsed.reply_to, message.reply_to);
    assert_eq!(parsed.body, message.html.clone().unwrap());
    assert!(parsed.body_is_html);
    let names: Vec<_> = parsed.attachments.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(names, ["i.png", &long_name, "inner.eml", "a \"b\".txt"]);
    let types: Vec<_> = parsed
        .attachments
        .iter()
        .map(|a| a.content_type.as_str())
        .collect();
    assert_eq!(
        types,
        [
            "image/png",
            "application/vnd.x",
            "message/rfc822",
            "application/octet-stream"
        ]
    );
    assert_eq!(parsed.attachments[0].content_id.as_deref(), Some("i@a"));
    assert!(parsed.attachments[0].is_inline && !parsed.attachments[1].is_inline);
    assert_eq!(parsed.attachments[1].pieces, [Piece::Bytes(vec![1; 5_000])]);
    assert_eq!(
        parsed.attachments[2].pieces,
        [Piece::Bytes(nested.to_vec())]
    );
    assert_eq!(parsed.attachments[3].pieces, []);
    // The recipients, read by another parser than the one that reads back above.
    let parsed = mail_parser::MessageParser::default().parse(&bytes).unwrap();
    let to: Vec<_> = parsed
        .to()
        .unwrap()
        .iter()
        .map(|a| {
            (
                a.name().unwrap().to_owned(),
                a.address().unwrap().to_owned(),
            )
        })
        .collect();
    let expected: Vec<_> = message
        .to
        .iter()
        .map(|a| (a.name.clone(), a.address.clone()))
        .collect();
    assert_eq!(to, expected);
    let from = parsed.from().unwrap().first().unwrap();
    assert_eq!(from.name(), Some("Jörg \"J\" Müller"));
    let cc = parsed.cc().unwrap().first();
    let cc = cc.map(|a| a.address().unwrap());
    assert_eq!(cc, Some("IMCEAEX-_O=ORG_OU=X+20Y_CN=old@exchange.invalid"));
    assert_eq!(
        parsed.body_text(0).unwrap(),
        "Text =\r\nFrom me\r\n.\r\nend "
    );
    assert_eq!(parsed.attachment_count(), 4);
}

#[test]
fn an_empty_message_is_a_message() {
    let bytes = write(&ComposeMessage::default(), &[]);
    let parsed = parse(&bytes);
    assert_eq!((parsed.body.as_str(), header(&parsed, "Subject")), ("", ""));
    assert!(!parsed.body_is_html && parsed.attachments.is_empty());
}

#[test]
fn attachments_split_into_parts_again() {
    let message = ComposeMessage {
        attachments: vec![ComposeAttachment::default()],
        ..ComposeMessage::default()
    };
    let (_, parts) = PlaceholderMime::split(&write(&message, &[&[7; 3_000]]));
    assert_eq!(parts, [vec![7; 3_000]]);
}

proptest! {
    #[test]
    fn texts_read_back(
        subject in "\\PC{0,120}",
        text in "[ -~äあ🎉=\t\n]{0,300}",
        name in "[ -~äあ🎉]{1,120}",
        display in "[ -~äあ]{0,60}",
    ) {
        let message = ComposeMessage {
            from: Some(address(&display, "a@b.example")),
            subject: subject.clone(),
            text: Some(text.clone()),
            attachments: vec![ComposeAttachment { name: name.clone(), ..Default::default() }],
            ..ComposeMessage::default()
        };
        let bytes = write(&message, &[b"x"]);
        let parsed = parse(&bytes);
        prop_assert_eq!(header(&parsed, "Subject"), subject.trim());
        prop_assert_eq!(&parsed.body, &text.replace('\n', "\r\n"));
        prop_assert_eq!(&parsed.attachments[0].name, &crate::name::clean(&name, "attachment-1.bin"));
        let from = crate::header::addresses(header_value(&bytes, "From: ").as_bytes());
        prop_assert_eq!(&from[0].name, display.trim());
        prop_assert_eq!(&from[0].address, "a@b.example");
    }
}

fn header_value(bytes: &[u8], start: &str) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let value = text.split_once(start).unwrap().1;
    let end = value
        .match_indices("\r\n")
        .find(|(at, _)| !value[at + 2..].starts_with(' '));
    value[..end.unwrap().0].to_owned()
}
