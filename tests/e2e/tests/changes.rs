//! Every kind of change at the tenant arrives, costs what it must, and leaves the past as it was.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    missing_docs
)]

use std::time::Duration;

use exchange_sim::{Admin, Anomalies};
use futures::TryStreamExt;
use mailkeep_e2e::{MailboxFacts, Rig, Truth, change_mail, digest, of, small, stored, truth};
use mailkeep_engine::browse;
use mailkeep_vault::ItemFilter;

const HOUR: Duration = Duration::from_secs(3_600);

/// The truth now, and the commit that holds it.
async fn remember(rig: &Rig, mailbox: &str) -> (Truth, u64) {
    let sequence = rig.view(mailbox).await.sequence();
    (truth(&rig.admin, mailbox, rig.with_hidden), sequence)
}

async fn at(rig: &Rig, mailbox: &str, sequence: u64) -> MailboxFacts {
    let view = rig.mailbox(mailbox).await.view_at(sequence).await.unwrap();
    stored(&view, rig.with_hidden).await
}

fn change_everything(admin: &Admin, mailbox: &str, ids: &[String]) {
    change_mail(admin, mailbox, ids);
    admin.edit_body(mailbox, &ids[7]).unwrap();
    admin.move_mail(mailbox, &ids[7], "deleteditems").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_items_arrive_and_the_past_stays() {
    let rig = Rig::start(small(2, 40)).await;
    let first = rig.first();
    rig.back_up_complete().await;
    let (before, sequence) = remember(&rig, &first).await;
    let items = rig.items(&first);
    let ids: Vec<String> = items.iter().map(|item| item.id.clone()).collect();
    change_everything(&rig.admin, &first, &ids);
    let run = rig.back_up_complete().await;
    assert_eq!(of(&run, &first).counters.items_deleted, 2);
    at(&rig, &first, sequence)
        .await
        .expect(&before, "the past of the items");

    // What was deleted is still there.
    let view = rig.view(&first).await;
    let filter = ItemFilter {
        include_deleted: true,
        ..ItemFilter::default()
    };
    let all = view.items(&filter, None, 1_000).await.unwrap().items;
    for id in [&ids[2], &ids[3]] {
        let gone = all.iter().find(|version| version.item.id.0 == *id).unwrap();
        assert!(gone.deleted);
        let version = browse::item(&view, &gone.key.to_string()).await.unwrap();
        let reader = view.content(&version).await.unwrap();
        let bytes: Vec<_> = reader.mime().try_collect().await.unwrap();
        assert_eq!(
            digest(&bytes.concat()).1,
            before.facts.items[id].canonical,
            "the content of a deleted item"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_folders_arrive_and_the_past_stays() {
    let rig = Rig::start(small(1, 30)).await;
    let first = rig.first();
    let admin = &rig.admin;
    let top = "msgfolderroot";
    let kept = admin.create_folder(&first, top, "Bleibt").unwrap();
    let moved = admin.create_folder(&first, &kept, "Wandert").unwrap();
    let doomed = admin.create_folder(&first, top, "Geht").unwrap();
    let below = admin.create_folder(&first, &doomed, "Geht mit").unwrap();
    for folder in [&kept, &moved, &doomed, &below] {
        admin.add_mail(&first, folder).unwrap();
    }
    rig.back_up_complete().await;
    let (before, sequence) = remember(&rig, &first).await;
    admin.advance(HOUR);
    rig.count_anew();
    admin.rename_folder(&first, &kept, "Umbenannt").unwrap();
    admin.move_folder(&first, &moved, "inbox").unwrap();
    admin.delete_folder(&first, &doomed).unwrap();
    let new = admin.create_folder(&first, &moved, "Neu").unwrap();
    admin.add_mail(&first, &new).unwrap();
    rig.back_up_complete().await;
    assert!(rig.content_reads() <= 1 + 1, "only the new mail is read");
    at(&rig, &first, sequence)
        .await
        .expect(&before, "the past of the folders");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_flags_stores_no_content() {
    let rig = Rig::start(small(1, 60)).await;
    let first = rig.first();
    rig.back_up_complete().await;
    rig.admin.advance(HOUR);
    let items = rig.items(&first);
    for item in items.iter().take(20) {
        rig.admin
            .set_flag(&first, &item.id, !item.is_flagged)
            .unwrap();
        rig.admin.set_read(&first, &item.id, !item.is_read).unwrap();
        rig.admin
            .set_categories(&first, &item.id, &["Grün"])
            .unwrap();
    }
    rig.count_anew();
    let before = rig.view(&first).await.counts();
    let run = rig.back_up_complete().await;
    let counters = &of(&run, &first).counters;
    assert_eq!((counters.items_stored, counters.items_updated), (0, 20));
    let after = rig.view(&first).await.counts();
    assert_eq!(after.content_bytes, before.content_bytes);
    let written: u64 = rig.mailbox_writes().iter().map(|call| call.bytes).sum();
    // Mostly the new cursors of the folders.
    assert!(written < 40_000, "{written} bytes for 20 flags");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_that_goes_and_comes_back_unseen_stays() {
    let rig = Rig::start(small(1, 20)).await;
    let first = rig.first();
    rig.back_up_complete().await;
    let anomalies = Anomalies {
        hide_returns: true,
        ..Anomalies::default()
    };
    rig.admin.set_anomalies(&first, anomalies).unwrap();
    let item = rig.admin.add_mail(&first, "inbox").unwrap();
    rig.back_up_complete().await;
    for _ in 0..2 {
        rig.admin.advance(HOUR);
        rig.admin.move_mail(&first, &item, "archive").unwrap();
        rig.admin.move_mail(&first, &item, "inbox").unwrap();
        rig.back_up_complete().await;
    }
    // With a run in between.
    rig.admin.move_mail(&first, &item, "archive").unwrap();
    rig.back_up_complete().await;
    rig.admin.move_mail(&first, &item, "inbox").unwrap();
    rig.back_up_complete().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_shows_as_a_removal_only_is_a_move() {
    let rig = Rig::start(small(1, 30)).await;
    let first = rig.first();
    rig.back_up_complete().await;
    let anomalies = Anomalies {
        hide_moves: true,
        ..Anomalies::default()
    };
    rig.admin.set_anomalies(&first, anomalies).unwrap();
    let items = rig.items(&first);
    for item in items.iter().take(5) {
        rig.admin.move_mail(&first, &item.id, "junkemail").unwrap();
    }
    rig.admin.delete_mail(&first, &items[5].id).unwrap();
    let run = rig.back_up_complete().await;
    assert_eq!(of(&run, &first).counters.items_deleted, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_at_the_office_arrive_over_untidy_feeds() {
    let mut rig = Rig::start(small(2, 60).seed(11)).await;
    // Mail that comes from a folder out of scope would have to show itself.
    rig.with_hidden = true;
    let first = rig.first();
    let anomalies = Anomalies {
        hide_returns: true,
        hide_moves: false,
        partial_updates: true,
        repeats_and_empty_pages: true,
        counts_one_too_many: false,
    };
    let mut past = vec![];
    for _ in 0..4 {
        rig.back_up_complete().await;
        past.push(remember(&rig, &first).await);
        for mailbox in rig.mailboxes() {
            rig.admin.set_anomalies(&mailbox, anomalies).unwrap();
        }
        rig.admin.advance(HOUR);
        rig.admin.evolve(25);
    }
    rig.back_up_complete().await;
    for (truth, sequence) in past {
        at(&rig, &first, sequence)
            .await
            .expect(&truth, &format!("commit {sequence}"));
    }
}
