//! Real files go in at the tenant and come out of the vault byte for byte, broken mail included.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

mod support;

use std::collections::BTreeSet;

use exchange_sim::SimTenant;
use support::{World, files_below};

/// Mail of every kind that tends to be damaged on the way, by name.
fn messages() -> Vec<(&'static str, Vec<u8>)> {
    let base64 = |lines: usize, ending: &str| {
        let line = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAx";
        format!("{line}{ending}").repeat(lines)
    };
    let head = "From: a@x.example\r\nTo: b@x.example\r\nSubject: S\r\nMessage-ID: <1@x>\r\n";
    let multipart = format!(
        "{head}MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n"
    );
    let attachment = "--b\r\nContent-Type: application/pdf; name=x.pdf\r\n\
                      Content-Transfer-Encoding: base64\r\n\r\n";
    vec![
        ("plain", format!("{head}\r\nHello\r\n").into_bytes()),
        (
            "line feeds only",
            format!("{head}\r\nHello\r\n")
                .replace("\r\n", "\n")
                .into_bytes(),
        ),
        ("no body", head.as_bytes().to_vec()),
        ("no headers", b"\r\njust text\r\n".to_vec()),
        (
            "no end of line",
            format!("{head}\r\nno end of line").into_bytes(),
        ),
        (
            "from lines",
            format!("{head}\r\nFrom here\r\n>From there\r\n").into_bytes(),
        ),
        (
            "latin 1",
            [head.as_bytes(), b"\r\nGr\xfc\xdfe \x80\xff\r\n"].concat(),
        ),
        (
            "zero bytes",
            [head.as_bytes(), b"\r\na\0b\0\0c\r\n"].concat(),
        ),
        (
            "bare returns",
            [head.as_bytes(), b"\r\na\rb\r\r\nc\n\rd"].concat(),
        ),
        (
            "long line",
            format!("{head}\r\n{}\r\n", "x".repeat(100_000)).into_bytes(),
        ),
        (
            "folded subject",
            b"Subject: =?utf-8?b?w6TDtg==?=\r\n =?utf-8?q?x?=\r\n\r\nx".to_vec(),
        ),
        (
            "attachment",
            format!("{multipart}{attachment}{}--b--\r\n", base64(5_000, "\r\n")).into(),
        ),
        (
            "attachment lf",
            format!("{multipart}{attachment}{}--b--\r\n", base64(900, "\n")).into(),
        ),
        (
            "attachment cut",
            format!("{multipart}{attachment}{}QUJ", base64(900, "\r\n")).into(),
        ),
        (
            "base64 with junk",
            format!(
                "{multipart}{attachment}{}!!?\r\n{}",
                base64(90, "\r\n"),
                base64(90, " \r\n")
            )
            .into_bytes(),
        ),
        (
            "nested",
            format!("{multipart}--b\r\nContent-Type: message/rfc822\r\n\r\n{multipart}\r\n--b--")
                .into_bytes(),
        ),
        (
            "boundary never comes",
            format!("{multipart}--c\r\n\r\nlost").into_bytes(),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_byte_comes_back() {
    let mail = tempfile::tempdir().unwrap();
    for (name, bytes) in messages() {
        std::fs::write(mail.path().join(format!("{name}.eml")), bytes).unwrap();
    }
    let world = World::ready(SimTenant::builder().mailboxes(2).from_path(mail.path())).await;
    world.run(&["backup"]).await.expect(0);
    let ann = world.addresses().remove(0);
    let out = world.path("out");
    let words = [
        "export",
        "--mailbox",
        &ann,
        "--output",
        out.to_str().unwrap(),
    ];
    world.run(&words).await.expect(0);
    let read = |path: &std::path::PathBuf| std::fs::read(path).unwrap();
    let exported: BTreeSet<Vec<u8>> = files_below(&out).iter().map(read).collect();
    for (name, bytes) in messages() {
        assert!(
            exported.contains(&bytes),
            "{name} did not come back as it was"
        );
    }
    assert_eq!(exported.len(), messages().len());

    // The same through cat.
    for item in world
        .json(&["find", "--mailbox", &ann])
        .await
        .expect(0)
        .objects("item")
    {
        let reference = item["item"].as_str().unwrap();
        let message = world
            .run(&["cat", "--mailbox", &ann, reference])
            .await
            .expect(0);
        assert!(exported.contains(&message.stdout), "{reference}");
    }
}
