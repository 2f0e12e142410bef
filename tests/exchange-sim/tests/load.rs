//! Real mail from files comes back byte for byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod client;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use client::Client;
use exchange_sim::SimTenant;

const PLAIN: &[u8] = b"From: a@b.example\nSubject: one\nMessage-ID: <1@b>\nDate: Mon, 2 Nov 2020 10:00:00 +0100\n\nbody\n";
const BROKEN: &[u8] = b"\xff\xfe no header at all \x00\r\n\r\n--\r\n";
const EMPTY: &[u8] = b"";

/// Folder path and bytes of everything that the tenant gives.
async fn fetched(path: &Path) -> Vec<(String, Vec<u8>, bool)> {
    let sim = SimTenant::builder()
        .mailboxes(1)
        .from_path(path)
        .start()
        .await
        .unwrap();
    let admin = sim.admin();
    let user = admin.mailboxes()[0].id.clone();
    let client = Client::login(&sim).await;
    let names: BTreeMap<String, String> = admin
        .folders(&user)
        .unwrap()
        .into_iter()
        .map(|folder| (folder.id, folder.name))
        .collect();
    let mut all = Vec::new();
    for item in admin.items(&user).unwrap() {
        assert!(item.is_exact);
        let bytes = client
            .raw(&format!("/users/{user}/messages/{}/$value", item.id))
            .await;
        assert_eq!(
            client
                .raw(&format!("/users/{user}/messages/{}/$value", item.id))
                .await,
            bytes
        );
        all.push((names[&item.folder].clone(), bytes, item.is_read));
    }
    all
}

#[tokio::test]
async fn a_folder_of_eml_files() {
    let home = tempfile::tempdir().unwrap();
    let inner = home.path().join("Kunden/Süd");
    fs::create_dir_all(&inner).unwrap();
    fs::write(home.path().join("a.eml"), PLAIN).unwrap();
    fs::write(inner.join("b.EML"), BROKEN).unwrap();
    fs::write(inner.join("c.eml"), EMPTY).unwrap();
    fs::write(inner.join("ignored.txt"), "x").unwrap();
    let mut all = fetched(home.path()).await;
    all.sort();
    assert_eq!(
        all,
        [
            ("Inbox".to_owned(), PLAIN.to_vec(), true),
            ("Süd".to_owned(), EMPTY.to_vec(), true),
            ("Süd".to_owned(), BROKEN.to_vec(), true),
        ]
    );
}

#[tokio::test]
async fn an_mbox_file() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("all.mbox");
    let text = b"From a@b Mon Nov  2 10:00:00 2020\nSubject: one\n\nFrom here on\n>From quoted\n>>From twice\nend\n\nFrom b@b Mon Nov  2 10:00:00 2020\nSubject: two\n\nno empty line in front:\nFrom is text here\n\nFrom c@b Mon Nov  2 10:00:00 2020\nSubject: three\n\nlast\n";
    fs::write(&path, text).unwrap();
    let all: Vec<Vec<u8>> = fetched(&path).await.into_iter().map(|one| one.1).collect();
    assert_eq!(
        all,
        [
            b"Subject: one\n\nFrom here on\nFrom quoted\n>From twice\nend\n".to_vec(),
            b"Subject: two\n\nno empty line in front:\nFrom is text here\n".to_vec(),
            b"Subject: three\n\nlast\n".to_vec(),
        ]
    );
}

#[tokio::test]
async fn a_maildir_with_subfolders_and_flags() {
    let home = tempfile::tempdir().unwrap();
    for name in [
        "cur",
        "new",
        "tmp",
        ".Entw&APw-rfe.Alt/cur",
        ".Entw&APw-rfe.Alt/new",
    ] {
        fs::create_dir_all(home.path().join(name)).unwrap();
    }
    fs::write(home.path().join("cur/1.host:2,S"), PLAIN).unwrap();
    fs::write(home.path().join("new/2.host"), BROKEN).unwrap();
    fs::write(home.path().join(".Entw&APw-rfe.Alt/cur/3.host:2,F"), PLAIN).unwrap();
    let mut all = fetched(home.path()).await;
    all.sort();
    assert_eq!(
        all,
        [
            ("Alt".to_owned(), PLAIN.to_vec(), false),
            ("Inbox".to_owned(), PLAIN.to_vec(), true),
            ("Inbox".to_owned(), BROKEN.to_vec(), false),
        ]
    );
}

#[tokio::test]
async fn a_folder_without_mail_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let refused = SimTenant::builder().from_path(home.path()).start().await;
    assert!(refused.unwrap_err().to_string().contains("no mail"));
}

#[cfg(unix)]
#[tokio::test]
async fn linked_mail_is_loaded_and_a_linked_folder_is_refused() {
    use std::os::unix::fs::symlink;
    let (home, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(elsewhere.path().join("mail"), PLAIN).unwrap();
    symlink(elsewhere.path().join("mail"), home.path().join("a.eml")).unwrap();
    let all = fetched(home.path()).await;
    assert_eq!(all, [("Inbox".to_owned(), PLAIN.to_vec(), true)]);
    symlink(home.path(), home.path().join("circle")).unwrap();
    let refused = SimTenant::builder().from_path(home.path()).start().await;
    let told = refused.unwrap_err().to_string();
    assert!(told.contains("circle is a link to a folder"), "{told}");
}
