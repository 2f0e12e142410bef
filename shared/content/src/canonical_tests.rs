use super::*;
use crate::test_mail::{attachment_text, mutated};
use proptest::prelude::*;

fn digest(message: &str) -> [u8; 32] {
    canonical_digest(&PlaceholderMime::split(message.as_bytes()).0)
}

fn mail(boundary: &str, headers: &str, text_part: &str, attachment: &str) -> String {
    format!(
        "{headers}Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n\
         Content-Type: text/plain; charset=utf-8\r\n{text_part}\r\n--{boundary}\r\n\
         Content-Disposition: attachment; filename=\"a.bin\"; size=3\r\n\
         Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n\
         {attachment}\r\n--{boundary}--\r\n"
    )
}

const HEADERS: &str =
    "Received: one\r\nReceived: two\r\nSubject: A long\r\n subject\r\nMIME-Version: 1.0\r\n";
const PLAIN: &str = "Content-Transfer-Encoding: 8bit\r\n\r\nGrüße =\r\n";

#[test]
fn what_exchange_changes_from_read_to_read_does_not_count() {
    let attachment = attachment_text(1, 5_000, 76);
    let expected = digest(&mail("b1", HEADERS, PLAIN, &attachment));
    let other_boundary = mail("----=_Other", HEADERS, PLAIN, &attachment);
    assert_eq!(digest(&other_boundary), expected);
    let other_order = "Subject: A long subject\r\nreceived:  one\r\nReceived: two\r\n";
    assert_eq!(
        digest(&mail("b1", other_order, PLAIN, &attachment)),
        expected
    );
    let quoted = "Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=\r\n=9Fe =3D\r\n";
    assert_eq!(digest(&mail("b1", HEADERS, quoted, &attachment)), expected);
    let base64 = base64_simd::STANDARD.encode_to_string("Grüße =\r\n");
    let base64 = format!("Content-Transfer-Encoding: base64\r\n\r\n{base64}\r\n");
    assert_eq!(digest(&mail("b1", HEADERS, &base64, &attachment)), expected);
    let other_lines = attachment_text(1, 5_000, 64);
    assert_eq!(digest(&mail("b1", HEADERS, PLAIN, &other_lines)), expected);
    let line_feeds = mail("b1", HEADERS, PLAIN, &attachment).replace("\r\n", "\n");
    assert_eq!(digest(&line_feeds), expected);
}

#[test]
fn what_people_see_counts() {
    let attachment = attachment_text(1, 5_000, 76);
    let base = mail("b1", HEADERS, PLAIN, &attachment);
    let changed = [
        mail("b1", &HEADERS.replace("long", "short"), PLAIN, &attachment),
        mail("b1", &HEADERS.replace("one", "three"), PLAIN, &attachment),
        mail(
            "b1",
            "Received: two\r\nReceived: one\r\nSubject: A long subject\r\n",
            PLAIN,
            &attachment,
        ),
        mail("b1", HEADERS, &PLAIN.replace("Gr", "gr"), &attachment),
        mail("b1", HEADERS, PLAIN, &attachment_text(2, 5_000, 76)),
        base.replace("a.bin", "b.bin"),
        base.replace("octet-stream", "pdf"),
        base.replace("--b1--", "--b1\r\n\r\nmore\r\n--b1--"),
        base.replace("--b1--\r\n", "--b1--\r\nepilogue"),
        base.replacen("--b1\r\n", "preamble\r\n--b1\r\n", 1),
    ];
    let mut digests: Vec<_> = changed.iter().map(|changed| digest(changed)).collect();
    digests.push(digest(&base));
    let all = digests.len();
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), all);
}

#[test]
fn signed_content_counts_byte_for_byte() {
    let signed = |inner: &str| {
        format!(
            "Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\
             Content-Type: multipart/mixed; boundary={inner}\r\n\r\n--{inner}\r\n\r\nx\r\n--{inner}--\r\n\
             --s\r\nContent-Type: application/pkcs7-signature\r\n\r\nsig\r\n--s--\r\n"
        )
    };
    assert_ne!(digest(&signed("a")), digest(&signed("b")));
    let outer = signed("a")
        .replace("=s\r", "=other\r")
        .replace("--s", "--other");
    assert_eq!(digest(&signed("a")), digest(&outer));
}

/// Fields of one name stay in order although their names are written differently, and a value that two
/// fields could be cut from in two ways counts in one way only.
#[test]
fn fields_are_told_apart() {
    let first = digest("x-a: 1\r\nX-A: 2\r\nB: 3\r\n\r\nx");
    assert_eq!(digest("b:  3\r\nX-a: 1\r\nx-A: 2\r\n\r\nx"), first);
    assert_ne!(digest("X-A: 2\r\nx-a: 1\r\nB: 3\r\n\r\nx"), first);
    assert_ne!(digest("A: bc\r\n\r\nx"), digest("Ab: c\r\n\r\nx"));
    assert_ne!(digest("A: b\r\nC: d\r\n\r\nx"), digest("A: b C d\r\n\r\nx"));
}

/// The digest is stored: another one would make every changed item of every vault look new.
#[test]
fn the_digest_of_a_message_never_changes() {
    let long = mail("b1", HEADERS, PLAIN, &attachment_text(1, 5_000, 76)).repeat(300);
    let hex = |digest: [u8; 32]| digest.map(|byte| format!("{byte:02x}")).concat();
    assert_eq!(
        hex(digest(&long)),
        "2ebf7da467e51fa65aa6f66566a7e9458374f24bcc10a6ff6f79561f75d73b3a"
    );
}

#[test]
fn bytes_without_a_header_have_a_digest_too() {
    assert_ne!(digest("no header"), digest("No header"));
    assert_eq!(digest("one\r\ntwo"), digest("one\ntwo"));
    assert_ne!(digest(""), digest("\n\n"));
}

proptest! {
    #[test]
    fn no_input_panics(message in mutated()) {
        let (placeholder, _) = PlaceholderMime::split(&message);
        prop_assert_eq!(canonical_digest(&placeholder), canonical_digest(&placeholder));
    }
}
