//! Scenarios of a backup: what is stored, what is not fetched twice, what failures do.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use mailkeep_engine::backup::{FolderScope, MailboxScope, backup};
use mailkeep_engine::{Event, Quiet, StopSignal};
use mailkeep_model::{FailureClass, FolderId, FolderPath, MailboxOutcome, WellKnownFolder};
use support::{Fault, Op, Rig, Rule};

async fn rig_with(items: usize) -> Rig {
    let rig = Rig::new().await;
    for n in 0..items {
        rig.tenant
            .with("ann", |m| m.add_text("inbox", &format!("mail {n}")));
    }
    rig
}

fn failed_class(outcome: &MailboxOutcome) -> Option<FailureClass> {
    match outcome {
        MailboxOutcome::Failed { class, .. } => Some(*class),
        _ => None,
    }
}

#[tokio::test]
async fn a_mailbox_is_stored_whole_and_a_quiet_run_writes_nothing() {
    let rig = rig_with(8).await;
    rig.tenant.with("ann", |m| {
        m.add_folder("sub", Some("inbox"), "Projects / 2026");
        m.add_folder("empty", None, "Empty");
        m.add_text("sub", "in a folder below");
    });
    let summary = rig.back_up_complete().await;
    assert_eq!(summary.counters.items_stored, 9);
    assert_eq!(rig.tenant.count(Op::Content), 9);
    let paths: Vec<String> = rig
        .view("ann")
        .await
        .folders()
        .iter()
        .map(|f| f.path.to_string())
        .collect();
    assert!(
        paths.contains(&"Inbox/Projects \\/ 2026".to_owned()) && paths.len() == 4,
        "{paths:?}"
    );

    let before = rig.view("ann").await.sequence();
    rig.tenant.clear_calls();
    let summary = rig.back_up_complete().await;
    assert_eq!(
        rig.view("ann").await.sequence(),
        before,
        "a quiet run commits nothing"
    );
    assert_eq!(summary.sequence, before);
    assert_eq!(rig.tenant.count(Op::Sync), 1);
    assert_eq!(
        rig.tenant.count(Op::Content) + rig.tenant.count(Op::Changes),
        0
    );

    rig.clock.advance(Duration::from_secs(25 * 3600));
    rig.back_up_complete().await;
    assert_eq!(
        rig.view("ann").await.sequence(),
        before + 1,
        "cursors are kept fresh"
    );
}

#[tokio::test]
async fn flags_moves_edits_and_removals_are_followed() {
    let rig = rig_with(6).await;
    rig.tenant
        .with("ann", |m| m.add_folder("done", None, "Done"));
    rig.back_up_complete().await;
    let ids: Vec<String> = rig.stored("ann").await.into_keys().collect();
    rig.tenant.clear_calls();
    rig.tenant.with("ann", |m| {
        m.set_read(&ids[0], true);
        m.move_to(&ids[1], "done");
        m.edit(&ids[2], b"Subject: new\r\n\r\nnew text\r\n".to_vec());
        m.delete(&ids[3]);
    });
    let summary = rig.back_up_complete().await;
    assert_eq!(
        summary.counters.items_stored, 1,
        "only the edited item has new content"
    );
    assert_eq!(summary.counters.items_updated, 2);
    assert_eq!(summary.counters.items_deleted, 1);
    assert_eq!(
        rig.tenant.fetches_of(&ids[1]),
        0,
        "a pure move fetches nothing"
    );
    let view = rig.view("ann").await;
    let edited = rig.id_of("ann", &ids[2]).await;
    assert_eq!(view.versions(edited.key).await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_item_moved_away_and_back_is_not_taken_for_deleted() {
    let rig = rig_with(3).await;
    rig.back_up_complete().await;
    let id = rig.stored("ann").await.into_keys().next().unwrap();
    rig.tenant.with("ann", |m| m.move_away_and_back(&id));
    let summary = rig.back_up_complete().await;
    assert_eq!(summary.counters.items_deleted, 0);
}

#[tokio::test]
async fn a_removal_that_cannot_be_verified_stays_until_it_can() {
    let rig = rig_with(3).await;
    rig.back_up_complete().await;
    let id = rig.stored("ann").await.into_keys().next().unwrap();
    rig.tenant.with("ann", |m| m.delete(&id));
    rig.tenant
        .rule(Rule::fail(Op::Locate, FailureClass::Transient));
    let summary = rig.back_up().await;
    assert!(summary.warnings.iter().any(|w| w.contains("removals")));
    assert!(rig.stored("ann").await.contains_key(&id));
    rig.tenant.clear_rules();
    rig.back_up_complete().await;
}

#[tokio::test]
async fn a_lost_cursor_costs_listing_but_no_content() {
    let rig = rig_with(10).await;
    rig.back_up_complete().await;
    let ids: Vec<String> = rig.stored("ann").await.into_keys().collect();
    rig.tenant.clear_calls();
    rig.tenant.with("ann", |m| {
        m.delete(&ids[0]);
        m.set_read(&ids[1], true);
        m.add_text("inbox", "new");
        m.lose_cursor("inbox");
        m.tree_generation += 1;
    });
    let summary = rig.back_up_complete().await;
    assert_eq!(
        rig.tenant.count(Op::Content),
        2,
        "the new and the changed item"
    );
    assert_eq!(summary.counters.items_deleted, 1);
    assert_eq!(summary.counters.resyncs, 2);
    let log = rig.log.0.lock().unwrap();
    assert!(
        log.iter()
            .any(|e| matches!(e, Event::FolderResync { folder, .. } if folder == "Inbox"))
    );
}

#[tokio::test]
async fn an_interrupted_resync_starts_over_and_still_sees_removals() {
    let rig = rig_with(10).await;
    rig.back_up_complete().await;
    let ids: Vec<String> = rig.stored("ann").await.into_keys().collect();
    rig.tenant.with("ann", |m| {
        m.delete(&ids[0]);
        m.set_read(&ids[9], true);
        m.lose_cursor("inbox");
    });
    rig.tenant
        .rule(Rule::fail(Op::Changes, FailureClass::Throttled).after(2));
    let summary = rig.back_up().await;
    assert_eq!(summary.outcome, MailboxOutcome::Stopped);
    assert!(summary.warnings.iter().any(|w| w.contains("wait")));
    rig.tenant.clear_rules();
    let summary = rig.back_up_complete().await;
    assert_eq!(summary.counters.items_deleted, 1);
}

#[tokio::test]
async fn endless_resets_leave_the_folder_incomplete() {
    let rig = rig_with(4).await;
    rig.tenant.with("ann", |m| {
        m.add_folder("other", None, "Other");
        m.add_text("other", "fine");
    });
    rig.tenant
        .rule(Rule::fail(Op::Changes, FailureClass::SyncReset).of("inbox"));
    let summary = rig.back_up().await;
    assert_eq!(summary.outcome, MailboxOutcome::WithGaps { gaps: 0 });
    assert_eq!(summary.incomplete_folders, 1);
    assert!(rig.tenant.count(Op::Changes) < 10);
    rig.tenant.clear_rules();
    rig.back_up_complete().await;
}

#[tokio::test]
async fn a_bad_item_becomes_a_gap_and_heals_by_itself() {
    let rig = rig_with(5).await;
    rig.tenant
        .rule(Rule::fail(Op::Content, FailureClass::ItemPermanent).of("Item0003"));
    let summary = rig.back_up().await;
    assert_eq!(summary.outcome, MailboxOutcome::WithGaps { gaps: 1 });
    rig.check_but("ann", &["Item0003"]).await;
    assert!(
        summary.warnings.is_empty(),
        "a gap is accounted for: {:?}",
        summary.warnings
    );
    let summary = rig.back_up().await;
    assert_eq!(summary.outcome, MailboxOutcome::WithGaps { gaps: 1 });
    let gaps = rig.view("ann").await.gaps();
    assert_eq!((gaps.len(), gaps[0].attempts), (1, 2));
    assert_eq!(rig.tenant.fetches_of("Item0003"), 2, "once per run");
    assert_eq!(rig.tenant.fetches_of("Item0002"), 1);
    rig.tenant.clear_rules();
    rig.back_up_complete().await;
    assert!(rig.view("ann").await.gaps().is_empty());
}

#[tokio::test]
async fn a_gap_whose_item_is_deleted_closes() {
    let rig = rig_with(3).await;
    rig.tenant
        .rule(Rule::fail(Op::Content, FailureClass::ItemPermanent).of("Item0002"));
    rig.back_up().await;
    rig.tenant.with("ann", |m| m.delete("Item0002"));
    rig.back_up_complete().await;
}

#[tokio::test]
async fn an_edit_that_cannot_be_read_keeps_the_old_version() {
    let rig = rig_with(2).await;
    rig.back_up_complete().await;
    rig.tenant.with("ann", |m| {
        m.edit("Item0001", b"Subject: x\r\n\r\nx\r\n".to_vec())
    });
    rig.tenant
        .rule(Rule::fail(Op::Content, FailureClass::ItemPermanent).of("Item0001"));
    let summary = rig.back_up().await;
    assert_eq!(summary.outcome, MailboxOutcome::WithGaps { gaps: 1 });
    assert_eq!(rig.stored("ann").await.len(), 2);
    rig.tenant.clear_rules();
    rig.back_up_complete().await;
}

#[tokio::test]
async fn a_stream_that_breaks_is_read_again() {
    let rig = rig_with(2).await;
    rig.tenant.rule(
        Rule::new(Op::Content, Fault::Break(20))
            .of("Item0001")
            .times(2),
    );
    rig.back_up_complete().await;
    assert_eq!(rig.tenant.fetches_of("Item0001"), 3);
    rig.tenant.with("ann", |m| m.add_text("inbox", "another"));
    rig.tenant
        .rule(Rule::new(Op::Content, Fault::Break(20)).of("Item0003"));
    let summary = rig.back_up().await;
    assert_eq!(summary.outcome, MailboxOutcome::WithGaps { gaps: 1 });
}

#[tokio::test]
async fn an_outage_does_not_turn_a_mailbox_into_gaps() {
    let rig = rig_with(60).await;
    rig.tenant.with("ann", |m| m.page_size = 50);
    rig.tenant
        .rule(Rule::fail(Op::Content, FailureClass::Transient).after(10));
    rig.tenant
        .rule(Rule::fail(Op::Locate, FailureClass::Transient));
    let summary = rig.back_up().await;
    assert_eq!(
        failed_class(&summary.outcome),
        Some(FailureClass::Transient)
    );
    let gaps = rig.view("ann").await.gaps().len();
    assert!(gaps < 20, "{gaps} gaps");
    rig.tenant.clear_rules();
    rig.back_up_complete().await;
}

#[tokio::test]
async fn a_refused_mailbox_does_not_stop_the_others() {
    let rig = rig_with(2).await;
    for name in ["bob", "cleo", "dave"] {
        rig.tenant.add_mailbox(name);
        rig.tenant.with(name, |m| m.add_text("inbox", "hello"));
    }
    rig.tenant
        .rule(Rule::fail(Op::Sync, FailureClass::AuthScope).mailbox("bob"));
    let run = rig.run().await;
    let bob = &run.mailboxes[1];
    assert_eq!(failed_class(&bob.outcome), Some(FailureClass::AuthScope));
    assert!(bob.vault_mailbox.is_empty(), "nothing is written for it");
    assert_eq!(run.mailboxes.len(), 4);
    assert_eq!(run.exit_code(), 3);
    for name in ["ann", "cleo", "dave"] {
        rig.check(name).await;
    }
    assert_eq!(rig.vault.runs(10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_refused_connection_stops_everything_and_says_so() {
    let rig = rig_with(2).await;
    for n in 0..6 {
        rig.tenant.add_mailbox(&format!("user{n}"));
    }
    rig.tenant
        .rule(Rule::fail(Op::Sync, FailureClass::AuthCredential).mailbox("ann"));
    let run = rig.run().await;
    assert_eq!(run.exit_code(), 4);
    assert!(
        rig.tenant.count(Op::Sync) <= 4,
        "no further mailboxes are tried"
    );
    rig.tenant.clear_rules();
    rig.tenant
        .rule(Rule::fail(Op::Mailboxes, FailureClass::AuthCredential));
    let source = Arc::new(rig.tenant.clone());
    let error = backup(
        &rig.engine(),
        source,
        rig.request(),
        Arc::new(Quiet),
        StopSignal::new(),
    )
    .await
    .unwrap_err();
    assert_eq!(error.exit_code(), 4);
}

#[tokio::test]
async fn accounts_without_a_mailbox_are_no_failure_unless_named() {
    let rig = rig_with(1).await;
    rig.tenant.add_mailbox("guest");
    rig.tenant.with("guest", |m| {
        m.profile.license = mailkeep_model::LicenseState::Unlicensed;
    });
    rig.tenant
        .rule(Rule::fail(Op::Sync, FailureClass::MailboxUnavailable).mailbox("guest"));
    assert_eq!(rig.run().await.exit_code(), 0);
    let mut request = rig.request();
    request.mailboxes = MailboxScope::Only(vec![
        "GUEST@example.com".into(),
        "nobody@example.com".into(),
    ]);
    let run = rig.run_with(&rig.engine(), request).await;
    assert_eq!(run.exit_code(), 1);
    assert_eq!(run.mailboxes.len(), 2);
}

#[tokio::test]
async fn folders_in_scope_by_path_and_hidden_ones() {
    let rig = rig_with(1).await;
    rig.tenant.with("ann", |m| {
        m.add_folder("a", None, "Archive");
        m.add_folder("h", None, "Hidden");
        m.folders.get_mut("h").unwrap().is_hidden = true;
        m.add_folder("r", None, "Deletions");
        m.folders.get_mut("r").unwrap().well_known =
            Some(WellKnownFolder::RecoverableItemsDeletions);
        m.add_text("a", "archived");
        m.add_text("h", "hidden");
        m.add_text("r", "recoverable");
    });
    let mut request = rig.request();
    request.folders = FolderScope::Only {
        paths: vec![FolderPath::parse("archive"), FolderPath::parse("nowhere")],
        ids: vec![],
    };
    let run = rig.run_with(&rig.engine(), request.clone()).await;
    assert_eq!(rig.stored("ann").await.len(), 1);
    assert!(
        run.mailboxes[0]
            .warnings
            .iter()
            .any(|w| w.contains("nowhere"))
    );
    rig.back_up().await;
    assert_eq!(rig.stored("ann").await.len(), 2, "all visible folders");
    request.folders = FolderScope::Only {
        paths: vec![],
        ids: vec![FolderId("h".into()), FolderId("r".into())],
    };
    rig.run_with(&rig.engine(), request).await;
    assert_eq!(rig.stored("ann").await.len(), 4);
    rig.check("ann").await;
}

#[tokio::test]
async fn a_removed_folder_takes_its_items_along_but_moved_ones_stay() {
    let rig = rig_with(2).await;
    rig.tenant.with("ann", |m| {
        m.add_folder("old", None, "Old");
        for n in 0..5 {
            m.add_text("old", &format!("old {n}"));
        }
    });
    rig.back_up_complete().await;
    rig.tenant.with("ann", |m| {
        m.move_to("Item0003", "inbox");
        m.remove_folder("old");
    });
    let summary = rig.back_up_complete().await;
    assert_eq!(summary.counters.items_deleted, 4);
    let view = rig.view("ann").await;
    assert!(view.folders().iter().any(|f| f.deleted));
    assert_eq!(view.counts().items, 3);
}

#[tokio::test]
async fn a_move_into_a_folder_made_meanwhile_is_not_a_deletion() {
    let rig = rig_with(3).await;
    rig.back_up_complete().await;
    rig.tenant.with("ann", |m| m.set_read("Item0001", true));
    // Between the tree and the content: a new folder, and a move into it.
    let tenant = rig.tenant.clone();
    let mut is_done = false;
    rig.tenant.with("ann", |m| m.move_away_and_back("Item0002"));
    rig.tenant.state().hook = Some(Box::new(move |call| {
        if call.0 == Op::Content && !is_done {
            is_done = true;
            let tenant = tenant.clone();
            // The state is locked while a call is noted, so the change follows at once after it.
            tokio::spawn(async move {
                tenant.with("ann", |m| {
                    m.add_folder("brandnew", None, "Brand new");
                    m.move_to("Item0002", "brandnew");
                });
            });
        }
    }));
    let summary = rig.back_up().await;
    assert_eq!(summary.counters.items_deleted, 0);
    assert_eq!(rig.stored("ann").await.len(), 3);
    rig.tenant.state().hook = None;
    rig.back_up_complete().await;
}

#[tokio::test]
async fn a_stop_keeps_what_was_done_and_the_next_run_goes_on() {
    let rig = rig_with(40).await;
    let stop = StopSignal::new();
    let signal = stop.clone();
    let mut fetched = 0;
    rig.tenant.state().hook = Some(Box::new(move |call| {
        if call.0 == Op::Content {
            fetched += 1;
            if fetched == 10 {
                signal.stop();
            }
        }
    }));
    let source = Arc::new(rig.tenant.clone());
    let run = backup(&rig.engine(), source, rig.request(), Arc::new(Quiet), stop)
        .await
        .unwrap();
    assert_eq!(run.mailboxes[0].outcome, MailboxOutcome::Stopped);
    assert_eq!(run.exit_code(), 1);
    let stored = rig.stored("ann").await.len();
    assert!((10..=14).contains(&stored), "{stored} stored");
    rig.back_up_complete().await;
    assert_eq!(
        rig.tenant.count(Op::Content),
        40,
        "nothing is fetched twice"
    );
}

#[tokio::test]
async fn commits_follow_bytes_and_time_with_cursors_inside() {
    let rig = rig_with(20).await;
    let mut request = rig.request();
    request.commit_bytes = 100;
    let run = rig.run_with(&rig.engine(), request).await;
    assert_eq!(run.exit_code(), 0);
    let commits = rig.view("ann").await.sequence();
    assert!(commits > 4, "{commits} commits");
    rig.check("ann").await;
}

#[tokio::test]
async fn two_backups_at_once_lose_nothing() {
    let rig = rig_with(12).await;
    let mut request = rig.request();
    request.commit_bytes = 150;
    let (engine, other) = (rig.engine(), rig.engine());
    let runs = futures::join!(
        rig.run_with(&engine, request.clone()),
        rig.run_with(&other, request.clone())
    );
    assert_eq!(runs.0.exit_code() + runs.1.exit_code(), 0);
    rig.check("ann").await;
    rig.tenant.with("ann", |m| {
        m.edit("Item0001", b"Subject: edited\r\n\r\nedited\r\n".to_vec());
        m.delete("Item0002");
    });
    futures::join!(
        rig.run_with(&engine, request.clone()),
        rig.run_with(&other, request)
    );
    rig.back_up_complete().await;
}

#[tokio::test]
async fn a_count_that_differs_is_told() {
    let rig = rig_with(4).await;
    // An item that the source counts but its feed does not name.
    rig.tenant.with("ann", |m| m.phantoms = 1);
    let summary = rig.back_up().await;
    assert_eq!(summary.outcome, MailboxOutcome::Complete);
    assert!(
        summary.warnings.iter().any(|w| w.contains("counted 5")),
        "{:?}",
        summary.warnings
    );
    assert_eq!(
        (summary.counters.items_stored, summary.counters.resyncs),
        (4, 1)
    );
    assert_eq!(
        rig.tenant.count(Op::Content),
        4,
        "listing anew reads nothing again"
    );
}

#[tokio::test]
async fn what_changes_during_a_run_is_counted_again() {
    let rig = rig_with(4).await;
    let tenant = rig.tenant.clone();
    rig.tenant.state().hook = Some(Box::new(move |call| {
        if call.0 == Op::FirstPage || call.0 == Op::Changes {
            let tenant = tenant.clone();
            tokio::spawn(async move {
                tenant.with("ann", |m| {
                    m.items.remove("Item0004");
                });
            });
        }
    }));
    let summary = rig.back_up().await;
    assert_eq!(summary.outcome, MailboxOutcome::Complete);
    assert!(summary.warnings.is_empty(), "{:?}", summary.warnings);
    assert_eq!(summary.counters.resyncs, 0);
}

#[tokio::test]
async fn progress_reaches_the_expected_total() {
    let rig = rig_with(9).await;
    rig.back_up_complete().await;
    let log = rig.log.0.lock().unwrap();
    let expected = log.iter().find_map(|e| match e {
        Event::MailboxStarted { items_expected, .. } => *items_expected,
        _ => None,
    });
    assert_eq!(expected, Some(9));
    let last = log.iter().rev().find_map(|e| match e {
        Event::Progress { progress, .. } => Some(progress.clone()),
        _ => None,
    });
    let last = last.unwrap();
    assert_eq!(last.items_done, 9);
    assert!(last.bytes_done > 0);
    assert!(matches!(log.first(), Some(Event::RunStarted { .. })));
    assert!(matches!(log.last(), Some(Event::RunFinished { .. })));
}
