//! The demonstration runs to its end, and the commands that it prints work.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

use std::path::Path;
use std::process::{Command, Output};

use clap::Parser;
use mailkeep_cli::args::Cli;
use mailkeep_cli::session::Session;
use mailkeep_cli::{Exit, commands};

const PROGRAM: &str = "cargo run -q --release --bin mailkeep -- ";

fn demo(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_demo"))
        .args(words)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}\n{stderr}",
        String::from_utf8_lossy(&output.stdout)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What stands after `export NAME=`.
fn exported(text: &str, name: &str) -> String {
    let start = format!("export {name}=");
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix(&start));
    line.unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_to_its_end_and_what_it_prints_can_be_typed() {
    let folder = tempfile::tempdir().unwrap();
    let keep = folder.path().join("kept");
    let shown = keep.to_str().unwrap();
    let told = text(&demo(&[
        "--mailboxes",
        "3",
        "--items",
        "20",
        "--keep",
        shown,
    ]));
    for expected in [
        "Restored: ",
        "Sound",
        "sent to anyone: 0",
        "Complete: 3 mailboxes",
    ] {
        assert!(
            told.contains(expected),
            "{expected:?} is missing in\n{told}"
        );
    }
    assert!(!keep.join("client-secret").exists());
    let (vault, key) = (
        exported(&told, "MAILKEEP_VAULT"),
        exported(&told, "MAILKEEP_KEY_FILE"),
    );
    let printed: Vec<_> = told
        .lines()
        .filter_map(|line| line.trim().strip_prefix(PROGRAM))
        .collect();
    assert!(printed.len() >= 6, "{told}");
    for line in printed {
        assert!(
            !line.contains('\''),
            "this test does not know quoting: {line}"
        );
        let words = ["mailkeep"].into_iter().chain(line.split(' '));
        let words = words.chain(["--vault", &vault, "--key-file", &key]);
        let cli = Cli::try_parse_from(words).expect(line);
        let session = Session::of_process(cli.global);
        let exit = commands::run(&session, &cli.command).await.expect(line);
        assert_eq!(exit, Exit::Done, "{line}");
    }
}

#[test]
fn a_folder_with_something_in_it_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let mine = folder.path().join("mine");
    std::fs::write(&mine, "x").unwrap();
    let refused = demo(&["--keep", folder.path().to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("not empty"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(std::fs::read(&mine).unwrap(), b"x");
}

#[test]
fn own_mail_is_taken_in_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mail = folder.path().join("mail");
    std::fs::create_dir(&mail).unwrap();
    for number in 0..20 {
        let subject = format!("Subject: Mine {number}\r\n");
        let message = format!("From: a@x.example\r\n{subject}\r\nHello {number}\r\n");
        std::fs::write(mail.join(format!("{number}.eml")), message).unwrap();
    }
    let before = listing(&mail);
    let keep = folder.path().join("kept");
    let words = [
        "--from",
        mail.to_str().unwrap(),
        "--keep",
        keep.to_str().unwrap(),
    ];
    let told = text(&demo(&words));
    assert!(told.contains("Mine "), "{told}");
    assert_eq!(listing(&mail), before);
}

fn listing(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()))
        .collect();
    all.sort();
    all
}
