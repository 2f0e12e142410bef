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
        ("one line end", b"\r\n".to_vec()),
        ("nothing but zero bytes", vec![0; 3_000]),
        (
            "line of megabytes",
            [head.as_bytes(), b"\r\n", &[b'y'; 2_500_000]].concat(),
        ),
        (
            "header of megabytes",
            [head.as_bytes(), b"X-Long: ", &[b'z'; 1_200_000], b"\r\n\r\nx"].concat(),
        ),
        (
            "8 bit and zero bytes in headers",
            b"From: M\xfcller <m\xff@x.example>\r\nSubject: \0\xe4\0\r\n\r\nx\r\n".to_vec(),
        ),
        (
            "names of files",
            b"Subject: ../../../etc/passwd\\..\\con: <>|?*\r\n\r\nx\r\n".to_vec(),
        ),
        (
            "from line on top",
            format!("From x@x.example Mon Nov  2 07:00:00 2026\n{head}\r\nx\r\n").into_bytes(),
        ),
        (
            "utf-16",
            "Subject: x\r\n\r\nx"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect(),
        ),
        (
            "padding in the middle",
            format!("{multipart}{attachment}{}QUI=\r\n{}--b--\r\n", base64(40, "\r\n"), base64(40, "\r\n"))
                .into_bytes(),
        ),
        (
            "nested very deep",
            (0..500)
                .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n"))
                .collect::<String>()
                .into_bytes(),
        ),
        (
            "lies about its charset",
            b"Subject: =?no-such-charset?q?=ff?= =?utf-8?b?!!?=\r\nDate: yesterday\r\n              Content-Type: text/plain; charset=\"\xff\r\n\r\n\xc3\x28\r\n"
                .to_vec(),
        ),
    ]
}

/// The message as mbox files hold it (mboxrd), line by line.
fn quoted(message: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        let marks = line.iter().take_while(|byte| **byte == b'>').count();
        if line[marks..].starts_with(b"From ") {
            out.push(b'>');
        }
        out.extend_from_slice(line);
    }
    out
}

/// An mbox file and a Maildir beside the files: the same messages, told apart by their first line. An mbox
/// file cannot say that a message lacks its last line end.
fn add_box_and_maildir(folder: &std::path::Path) -> BTreeSet<Vec<u8>> {
    let mut all = BTreeSet::new();
    let mut mbox = vec![];
    let inner = folder.join("Maildir").join(".Entw&APw-rfe");
    for part in ["cur", "new", "tmp"] {
        std::fs::create_dir_all(inner.join(part)).unwrap();
        std::fs::create_dir_all(folder.join("Maildir").join(part)).unwrap();
    }
    for (number, (_, bytes)) in messages().iter().enumerate() {
        let boxed = [b"X-From: box\r\n", bytes.as_slice()].concat();
        if boxed.ends_with(b"\n") {
            mbox.extend_from_slice(b"From a@x.example Mon Nov  2 07:00:00 2026\n");
            mbox.extend_from_slice(&quoted(&boxed));
            mbox.extend_from_slice(b"\n");
            all.insert(boxed);
        }
        let place = match number % 3 {
            0 => folder.join("Maildir/new").join(format!("{number}.host")),
            1 => folder
                .join("Maildir/cur")
                .join(format!("{number}.host:2,FS")),
            _ => inner.join("cur").join(format!("{number}.host:2,")),
        };
        let filed = [b"X-From: Maildir\n", bytes.as_slice()].concat();
        std::fs::write(place, &filed).unwrap();
        all.insert(filed);
    }
    std::fs::write(folder.join("box.mbox"), mbox).unwrap();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_byte_comes_back() {
    let mail = tempfile::tempdir().unwrap();
    for (name, bytes) in messages() {
        std::fs::write(mail.path().join(format!("{name}.eml")), bytes).unwrap();
    }
    let more = add_box_and_maildir(mail.path());
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
    for bytes in &more {
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
        assert!(
            exported.contains(bytes),
            "{start:?} did not come back as it was"
        );
    }
    assert_eq!(exported.len(), messages().len() + more.len());

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
