//! `mailkeep notify` and `backup --log`, as typed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;

use exchange_sim::{SimTenant, SimTenantBuilder};
use support::{World, run};

fn small() -> SimTenantBuilder {
    SimTenant::builder().mailboxes(1).items_per_mailbox(5)
}

/// Answers one request with 204; gives its head and body.
fn receiver() -> (u16, std::thread::JoinHandle<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut stream = BufReader::new(stream);
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            let line = line.trim_end().to_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(number) = line.strip_prefix("content-length: ") {
                length = number.parse().unwrap();
            }
            head.push_str(&line);
            head.push('\n');
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        let answer = b"HTTP/1.1 204 ok\r\nconnection: close\r\n\r\n";
        stream.get_mut().write_all(answer).unwrap();
        (head, String::from_utf8(body).unwrap())
    });
    (port, thread)
}

fn settings(world: &World, text: &str) -> PathBuf {
    let path = world.folder.path().join("notifications.toml");
    std::fs::write(&path, text).unwrap();
    path
}

fn webhook(port: u16) -> String {
    format!(
        "[[webhooks]]\nname = \"ops\"\nurl = \"http://127.0.0.1:{port}/x\"\nsecret = \"env:HOOK_KEY\"\n\
         [bad_news]\nwebhooks = [\"ops\"]\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_message_reaches_whom_the_settings_name() {
    let world = World::ready(small()).await;
    let (port, received) = receiver();
    let path = settings(&world, &webhook(port));
    let path = path.to_str().unwrap();
    let test = |key: &str| {
        let mut command = world.command(&["notify", "test", "--settings", path, "--json"]);
        command.env("HOOK_KEY", key);
        command
    };
    let weak = run(test("short")).await.expect(2);
    assert!(
        weak.stderr.contains("webhooks[0].secret"),
        "{}",
        weak.stderr
    );
    let sent = run(test("0123456789abcdef")).await.expect(0);
    let told = sent.object("notification_tested");
    assert_eq!(
        (&told["to"], &told["is_delivered"]),
        (&"ops".into(), &true.into())
    );
    let (head, body) = received.join().unwrap();
    assert!(head.contains("webhook-signature: v1,"), "{head}");
    assert!(body.contains("\"is_test\":true"), "{body}");
    // Nobody listens any more.
    let failed = run(test("0123456789abcdef")).await.expect(1);
    assert_eq!(failed.object("notification_tested")["is_delivered"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_wrong_with_the_settings_is_named_at_once() {
    let world = World::ready(small()).await;
    let text = "[mail]\nserver = \"mail.x.example\"\nsecurity = \"none\"\nfrom = \"nobody\"\n\
                [good_news]\ntypes = [\"failed\"]\n";
    let path = settings(&world, text);
    let path = path.to_str().unwrap();
    let check = run(world.command(&["notify", "check", "--settings", path]));
    let stderr = check.await.expect(2).stderr;
    for field in ["mail.security", "mail.from", "good_news.types[0]"] {
        assert!(stderr.contains(field), "{field}: {stderr}");
    }
    let path = settings(&world, "");
    let path = path.to_str().unwrap();
    run(world.command(&["notify", "check", "--settings", path]))
        .await
        .expect(0);
    run(world.command(&["notify", "test", "--settings", path]))
        .await
        .expect(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_writes_its_log() {
    let world = World::ready(small()).await;
    let folder = world.folder.path().join("logs");
    let folder_name = folder.to_str().unwrap();
    run(world.command(&["backup", "--log", folder_name]))
        .await
        .expect(0);
    let logs: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
    assert_eq!(logs.len(), 1);
    let text = std::fs::read_to_string(logs[0].as_ref().unwrap().path()).unwrap();
    for part in [
        "time,worker,event",
        "folder_finished",
        "mailbox_finished",
        "run_finished",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}
