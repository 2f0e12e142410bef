//! Mail goes into the vault as it is, and a second run costs next to nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    missing_docs
)]

use exchange_sim::{MailProfile, SimTenant};
use mailkeep_e2e::{Rig, of, small};
use mailkeep_model::MailboxKind;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mailboxes_of_all_kinds_come_over_as_they_are() {
    let builder = SimTenant::builder().mailboxes(6).items_per_mailbox(25);
    let mut rig = Rig::start(builder.folders_per_mailbox(20).seed(3)).await;
    rig.with_hidden = true;
    let first = rig.first();
    rig.admin.add_mail(&first, "syncissues").unwrap();
    rig.admin
        .add_mail(&first, "recoverableitemsdeletions")
        .unwrap();
    let run = rig.back_up_complete().await;
    assert_eq!(run.mailboxes.len(), 6, "{run:?}");
    let kinds = [
        (0, MailboxKind::User),
        (3, MailboxKind::Shared),
        (5, MailboxKind::Room),
    ];
    let mailboxes = rig.mailboxes();
    for (number, kind) in kinds {
        let mailbox = rig.mailbox(&mailboxes[number]).await;
        assert_eq!(mailbox.profile().kind, kind);
    }
    let german = rig.view(&mailboxes[1]).await;
    let mut paths = german
        .folders()
        .iter()
        .map(|stored| stored.path.to_string());
    assert!(paths.any(|path| path == "Posteingang"));
    let view = rig.view(&first).await;
    assert!(view.folders().iter().any(|stored| stored.path.0.len() > 2));

    rig.count_anew();
    let again = rig.back_up_complete().await;
    assert_eq!(again.counters().items_stored, 0);
    assert_eq!(rig.content_reads(), 0);
    assert_eq!(rig.mailbox_writes(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_without_hidden_folders_takes_the_visible_ones() {
    let rig = Rig::start(small(1, 20)).await;
    let first = rig.first();
    let hidden = rig.admin.add_mail(&first, "syncissues").unwrap();
    rig.back_up_complete().await;
    let held = mailkeep_e2e::stored(&rig.view(&first).await, true).await;
    assert!(!held.items.contains_key(&hidden));
}

/// Files of real mail, from sound to broken.
fn messages() -> Vec<(&'static str, Vec<u8>)> {
    let head = "From: a@x.example\r\nTo: b@x.example\r\nSubject: S\r\nMessage-ID: <1@x>\r\n";
    let block = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAx\r\n";
    let file = format!(
        "{head}MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
         Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    );
    vec![
        ("inbox/sound.eml", format!("{head}\r\nHello\r\n").into()),
        ("inbox/lf.eml", b"Subject: x\n\nline\nline\n".to_vec()),
        ("inbox/no-body.eml", head.into()),
        ("inbox/no-head.eml", b"\r\njust text".to_vec()),
        (
            "Projekte/Größe/8bit.eml",
            b"Subject: \xfc\r\n\r\n\x80\xff\0\r\n".to_vec(),
        ),
        (
            "Projekte/file.eml",
            format!("{file}{}--b--", block.repeat(4_000)).into(),
        ),
        (
            "Projekte/cut.eml",
            format!("{file}{}QU", block.repeat(400)).into(),
        ),
        (
            "Projekte/junk.eml",
            format!("{file}{}!?=\r\n{block}", block.repeat(40)).into(),
        ),
        ("sent/one-byte.eml", b"x".to_vec()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_mail_comes_over_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in messages() {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let rig = Rig::start(small(1, 0).from_path(folder.path())).await;
    rig.back_up_complete().await;
    let held = mailkeep_e2e::stored(&rig.view(&rig.first()).await, false).await;
    assert_eq!(held.items.len(), messages().len());
    for (name, bytes) in messages() {
        let (exact, _) = mailkeep_e2e::digest(&bytes);
        assert!(
            held.items.values().any(|item| item.exact == exact),
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_mailbox_of_60_folders_costs_four_requests_and_no_write() {
    let rig = Rig::start(small(3, 80).folders_per_mailbox(60).other_accounts(false)).await;
    rig.back_up_complete().await;
    let visible = mailkeep_e2e::truth(&rig.admin, &rig.first(), false);
    assert!(visible.facts.folders.len() >= 60);
    rig.count_anew();
    let run = rig.back_up_complete().await;
    // Once for all mailboxes: a token, the list of mailboxes, and what kind each of them is.
    let (requests, counters) = (rig.admin.http_requests(), rig.admin.counters());
    assert!(requests <= 3 * 4 + 3, "{requests}: {counters:?}");
    for mailbox in rig.mailboxes() {
        let counted = of(&run, &mailbox).counters.requests;
        assert!((1..=4).contains(&counted), "{counted}");
    }
    assert_eq!(rig.mailbox_writes(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_new_mails_cost_a_thousand_and_ten_requests_and_pages() {
    let builder = small(1, 30).unusual_mail(false).folders_per_mailbox(10);
    let rig = Rig::start(builder.profile(MailProfile::Small)).await;
    rig.back_up_complete().await;
    let first = rig.first();
    for _ in 0..1_000 {
        rig.admin.add_mail(&first, "inbox").unwrap();
    }
    rig.count_anew();
    let run = rig.back_up().await;
    let counters = &of(&run, &first).counters;
    assert_eq!(counters.items_stored, 1_000);
    let pages = 1_000 / 200 + 1;
    let requests = rig.admin.http_requests();
    assert!(
        requests <= 1_010 + pages,
        "{requests}: {:?}",
        rig.admin.counters()
    );
    assert_eq!(run.exit_code(), 0);
    assert!(rig.admin.highest_concurrency(&first).unwrap() <= 4);
}
