//! Mails for tests.

use proptest::prelude::*;

/// Bytes of an attachment; different for each seed.
pub(crate) fn attachment_bytes(seed: u8, length: usize) -> Vec<u8> {
    (0..length)
        .map(|n| u8::try_from(n * 131 % 253).unwrap() ^ seed)
        .collect()
}

/// Its base64 text in lines of `line` characters, without the last line ending.
pub(crate) fn attachment_text(seed: u8, length: usize, line: usize) -> String {
    let text = base64_simd::STANDARD.encode_to_string(attachment_bytes(seed, length));
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(line)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    lines.join("\r\n")
}

/// A mail with about everything: alternative bodies, an inline image, an ordinary attachment
/// with a non-ASCII name, and a nested message with an attachment of its own.
pub(crate) fn rich_mail() -> String {
    let image = attachment_text(1, 2_000, 76);
    let file = attachment_text(2, 6_000, 76);
    let nested = attachment_text(3, 3_000, 76);
    format!(
        "Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n\
From: =?utf-8?Q?J=C3=B6rg?= <joerg@a.example>\r\n\
To: \"Doe, Jane\" <jane@b.example>, team: x@c.example, y@c.example;\r\n\
Reply-To: Office <office@a.example>\r\n\
Subject: =?iso-8859-1?Q?Gr=FC=DFe?=\r\n =?utf-8?B?IHVuZCBtZWhy?=\r\n\
Message-ID: <1@a.example>\r\n\
Date: Mon, 01 Jan 2024 00:00:00 +0000\r\n\
MIME-Version: 1.0\r\n\
Content-Type: multipart/mixed;\r\n\tboundary=\"mixed_1\"\r\n\r\n\
This is a multi-part message in MIME format.\r\n\
--mixed_1\r\nContent-Type: multipart/related; boundary=rel; type=\"multipart/alternative\"\r\n\r\n\
--rel\r\nContent-Type: multipart/alternative; boundary=alt\r\n\r\n\
--alt\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nplain text\r\n\
--alt\r\nContent-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
<p>Gr=FC=DFe <img src=3D\"cid:img1@a\"></p>\r\n\
--alt--\r\n\
--rel\r\nContent-Type: image/png; name=\"logo.png\"\r\nContent-ID: <img1@a>\r\nContent-Transfer-Encoding: base64\r\n\r\n\
{image}\r\n--rel--\r\n\
--mixed_1\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\
Content-Disposition: attachment; filename*0*=utf-8''%e4%bd%a0; filename*1=\"b.pdf\"\r\n\r\n\
{file}\r\n\
--mixed_1\r\nContent-Type: message/rfc822\r\n\r\n\
Subject: Nested: one/two\r\nContent-Type: multipart/mixed; boundary=inner\r\n\r\n--inner\r\n\r\nhello\r\n\
--inner\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n{nested}\r\n--inner--\r\n\r\n\
--mixed_1--\r\n"
    )
}

/// Real-looking mails with random damage.
pub(crate) fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let splices = prop_oneof![
        Just("\r\n".to_owned()),
        Just("\r\n\r\n".to_owned()),
        Just("--mixed_1\r\n".to_owned()),
        Just("--alt--\r\n".to_owned()),
        Just("Content-Type: message/rfc822\r\n\r\n".to_owned()),
        Just("Content-Type: multipart/mixed; boundary=alt\r\n\r\n--alt\r\n".to_owned()),
        Just("Content-Type: text/html; charset=\"utf-7\r\n".to_owned()),
        Just("Content-Transfer-Encoding: base64\r\n".to_owned()),
        Just("; name*1*=''%; name*0=\"=?utf-8?Q?=C3?=".to_owned()),
        Just("=?utf-16?B?////?= (((\\".to_owned()),
        "[ -~\\r\\n]{0,40}",
    ];
    let edit = (
        any::<prop::sample::Index>(),
        0..200_usize,
        prop_oneof![
            splices.prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..20),
        ],
    );
    proptest::collection::vec(edit, 0..12).prop_map(|edits| {
        let mut mail = rich_mail().into_bytes();
        for (at, length, bytes) in edits {
            let at = at.index(mail.len() + 1);
            let end = (at + length).min(mail.len());
            mail.splice(at..end, bytes);
        }
        mail
    })
}
