//! Scenarios of a restore: what is created where, and what a repetition does.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::sync::Arc;

use mailkeep_engine::restore::{
    ConflictPolicy, Placement, RestoreOutcome, RestoreRequest, RestoreSummary, plan, run,
};
use mailkeep_engine::{EngineError, Quiet, Selection, StopSignal};
use mailkeep_model::{FailureClass, FolderPath, SourceMailboxId};
use support::{End, FakeItem, Fault, Op, Rig, Rule};

fn big_bytes() -> Vec<u8> {
    (0..=250).cycle().step_by(7).take(40_000).collect()
}

/// A message with an attachment that the vault keeps as a part.
fn with_attachment() -> Vec<u8> {
    let base64 = data(&big_bytes());
    let lines: Vec<&str> = base64
        .as_bytes()
        .chunks(76)
        .map(|l| std::str::from_utf8(l).unwrap())
        .collect();
    format!(
        "From: ann@example.com\r\nSubject: big\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n\
         hello\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\n\
         Content-Disposition: attachment; filename=a.pdf\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--b--\r\n",
        lines.join("\r\n")
    )
    .into_bytes()
}

fn data(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let mut n = [0; 3];
        n[..three.len()].copy_from_slice(three);
        let n = u32::from_be_bytes([0, n[0], n[1], n[2]]);
        for at in 0..4 {
            let c = ALPHABET[(n >> (18 - 6 * at) & 63) as usize] as char;
            text.push(if at <= three.len() { c } else { '=' });
        }
    }
    text
}

/// `ann` with mail in three folders, backed up; `bob` to restore to.
async fn rig() -> Rig {
    let rig = Rig::new().await;
    rig.tenant.with("ann", |m| {
        m.add_folder("p", Some("inbox"), "Projects");
        m.add_folder("e", Some("p"), "Empty");
        for n in 0..5 {
            m.add_text("inbox", &format!("mail {n}"));
        }
        m.add_text("p", "project");
        m.add("p", with_attachment());
    });
    rig.back_up_complete().await;
    rig.tenant.add_mailbox("bob");
    rig
}

async fn request(rig: &Rig) -> RestoreRequest {
    let mailbox = rig.mailbox("ann").await.id().clone();
    RestoreRequest::new(mailbox, SourceMailboxId("bob".into()))
}

async fn restore(rig: &Rig, request: &RestoreRequest) -> RestoreSummary {
    let target = Arc::new(rig.tenant.clone());
    run(
        &rig.engine(),
        target,
        request,
        Arc::new(Quiet),
        StopSignal::new(),
    )
    .await
    .unwrap()
}

/// What a mailbox holds, by folder path.
fn holdings(rig: &Rig, name: &str) -> Vec<(String, FakeItem)> {
    rig.tenant.with(name, |m| {
        let mut list: Vec<(String, FakeItem)> = m
            .items
            .values()
            .map(|item| {
                let mut names = vec![];
                let mut next = Some(item.item.folder.clone());
                while let Some(folder) = next.and_then(|id| m.folders.get(id.as_str())) {
                    if folder.parent.is_none() {
                        break;
                    }
                    names.insert(0, folder.name.clone());
                    next = folder.parent.clone();
                }
                (names.join("/"), item.clone())
            })
            .collect();
        list.sort_by(|a, b| (&a.0, &a.1.item.subject).cmp(&(&b.0, &b.1.item.subject)));
        list
    })
}

#[tokio::test]
async fn everything_comes_back_into_a_dated_folder() {
    let rig = rig().await;
    let mut request = request(&rig).await;
    let plan = plan(&rig.engine(), &rig.tenant, &request).await.unwrap();
    assert_eq!((plan.items(), plan.conflicts()), (7, 0));
    assert_eq!(
        plan.new_folder.as_deref(),
        Some("Restored 2026-11-22 10.15")
    );
    assert!(plan.folders.iter().all(|folder| folder.is_new));
    assert_eq!(plan.folders.len(), 3, "the empty folder, too");
    assert_eq!(
        rig.tenant.count(Op::CreateFolder),
        0,
        "a plan writes nothing"
    );

    let summary = restore(&rig, &request).await;
    assert_eq!(
        (summary.restored, summary.failed, summary.exit_code()),
        (7, 0, 0)
    );
    assert_eq!(summary.folders_created, 4);
    let held = holdings(&rig, "bob");
    assert_eq!(held[0].0, "Restored 2026-11-22 10.15/Inbox");
    let big = &held[6];
    assert_eq!(big.0, "Restored 2026-11-22 10.15/Inbox/Projects");
    let original = rig.tenant.with("ann", |m| m.items["Item0007"].item.clone());
    assert_eq!(big.1.item.received_at, original.received_at);
    assert!(
        big.1.content.ends_with(&big_bytes()),
        "the attachment, byte for byte"
    );
    assert!(big.1.content.starts_with(b"hello"));

    request.placement = Placement::NewFolder {
        name: summary.new_folder,
    };
    let again = restore(&rig, &request).await;
    assert_eq!((again.restored, again.already_there), (0, 7));
    assert_eq!(holdings(&rig, "bob").len(), 7);
}

#[tokio::test]
async fn a_crash_between_create_and_finish_is_repaired_by_repeating() {
    let rig = rig().await;
    let mut request = request(&rig).await;
    request.placement = Placement::NewFolder {
        name: Some("Back".into()),
    };
    rig.tenant
        .rule(Rule::new(Op::Create, Fault::DieUnfinished).of("Item0003"));
    let summary = restore(&rig, &request).await;
    assert_eq!(
        (summary.restored, summary.failed, summary.exit_code()),
        (6, 1, 3)
    );
    assert_eq!(summary.problems.len(), 1);
    let plan = plan(&rig.engine(), &rig.tenant, &request).await.unwrap();
    let inbox = &plan.folders[0];
    assert_eq!(
        (inbox.already_there, inbox.unfinished, inbox.conflicts),
        (4, 1, 0)
    );
    rig.tenant.clear_rules();
    let summary = restore(&rig, &request).await;
    assert_eq!((summary.restored, summary.already_there), (1, 6));
    let held = holdings(&rig, "bob");
    assert_eq!(held.len(), 7);
    assert!(held.iter().all(|(_, item)| item.is_finished));
}

#[tokio::test]
async fn items_with_one_message_id_all_come_back_also_when_interrupted() {
    let rig = rig().await;
    rig.tenant.with("ann", |m| {
        for id in ["Item0001", "Item0002", "Item0003"] {
            m.items.get_mut(id).unwrap().item.internet_message_id = "<same@example.com>".into();
            m.set_read(id, true);
        }
    });
    rig.back_up_complete().await;
    let mut request = request(&rig).await;
    request.placement = Placement::NewFolder {
        name: Some("Back".into()),
    };
    request.concurrent_items = 1;
    rig.tenant
        .rule(Rule::fail(Op::Create, FailureClass::Transient).of("Item0002"));
    restore(&rig, &request).await;
    rig.tenant.clear_rules();
    let summary = restore(&rig, &request).await;
    assert_eq!((summary.restored, summary.skipped), (1, 0));
    assert_eq!(holdings(&rig, "bob").len(), 7);
}

#[tokio::test]
async fn original_folders_are_found_by_kind_not_by_name() {
    let rig = rig().await;
    rig.tenant.with("bob", |m| {
        m.folders.get_mut("inbox").unwrap().name = "Posteingang".into();
    });
    let mut request = request(&rig).await;
    request.placement = Placement::Original;
    let summary = restore(&rig, &request).await;
    assert_eq!((summary.restored, summary.folders_created), (7, 2));
    let held = holdings(&rig, "bob");
    assert_eq!(held[0].0, "Posteingang");
    assert_eq!(held[6].0, "Posteingang/Projects");
}

#[tokio::test]
async fn conflicts_are_skipped_copied_or_replaced() {
    for (policy, restored, skipped, replaced, left) in [
        (ConflictPolicy::Skip, 0, 5, 0, 5),
        (ConflictPolicy::Copy, 5, 0, 0, 10),
        (ConflictPolicy::Replace, 5, 0, 5, 5),
    ] {
        let rig = rig().await;
        let mut request = request(&rig).await;
        request.target = SourceMailboxId("ann".into());
        request.placement = Placement::Original;
        request.on_conflict = policy;
        request.selection.folders = vec![FolderPath::parse("inbox")];
        let inbox = rig.view("ann").await;
        let inbox = inbox
            .folders()
            .iter()
            .find(|f| f.path.0 == ["Inbox"])
            .unwrap()
            .folder
            .id
            .clone();
        // Only what lies directly in the inbox.
        request.selection = Selection {
            items: rig
                .stored("ann")
                .await
                .values()
                .filter(|v| v.item.folder == inbox)
                .map(|v| v.key)
                .collect(),
            ..Selection::default()
        };
        let plan = plan(&rig.engine(), &rig.tenant, &request).await.unwrap();
        assert_eq!(plan.conflicts(), 5);
        let summary = restore(&rig, &request).await;
        assert_eq!(
            (summary.restored, summary.skipped, summary.replaced),
            (restored, skipped, replaced)
        );
        let count = |rig: &Rig| {
            holdings(rig, "ann")
                .iter()
                .filter(|h| h.0 == "Inbox")
                .count()
        };
        assert_eq!(count(&rig), left);
        let again = restore(&rig, &request).await;
        assert_eq!(again.restored, 0, "repeating {policy:?} creates nothing");
        assert_eq!(count(&rig), left);
    }
}

#[tokio::test]
async fn replacing_deletes_the_old_only_after_the_new_is_complete() {
    let rig = rig().await;
    let mut request = request(&rig).await;
    request.target = SourceMailboxId("ann".into());
    request.placement = Placement::Original;
    request.on_conflict = ConflictPolicy::Replace;
    request.concurrent_items = 1;
    rig.tenant
        .rule(Rule::new(Op::Create, Fault::DieUnfinished).of("Item0002"));
    let summary = restore(&rig, &request).await;
    assert_eq!((summary.replaced, summary.failed), (6, 1));
    rig.tenant.with("ann", |m| {
        assert!(m.items.contains_key("Item0002"), "the old one stays")
    });
    // The new ones are there, the old one of one of them is not yet gone: finish that, too.
    rig.tenant.clear_rules();
    rig.tenant
        .rule(Rule::fail(Op::Delete, FailureClass::Transient).of("Item0002"));
    let summary = restore(&rig, &request).await;
    assert_eq!((summary.restored, summary.failed), (1, 1));
    rig.tenant.clear_rules();
    let summary = restore(&rig, &request).await;
    assert_eq!(
        (summary.restored, summary.replaced, summary.failed),
        (0, 1, 0)
    );
    assert_eq!(holdings(&rig, "ann").len(), 7);
    let order = rig.tenant.state();
    let position = |op: Op| order.calls.iter().position(|c| c.0 == op).unwrap();
    assert!(position(Op::Create) < position(Op::Delete));
}

#[tokio::test]
async fn a_full_mailbox_ends_it_and_a_bad_item_does_not() {
    let rig = rig().await;
    let request = request(&rig).await;
    rig.tenant
        .rule(Rule::fail(Op::Create, FailureClass::ItemPermanent).of("Item0001"));
    rig.tenant
        .rule(Rule::fail(Op::Create, FailureClass::TargetFull).of("Item0007"));
    let summary = restore(&rig, &request).await;
    assert_eq!((summary.restored, summary.failed), (5, 2));
    assert!(matches!(
        summary.outcome,
        RestoreOutcome::Failed {
            class: FailureClass::TargetFull,
            ..
        }
    ));
    assert_eq!(summary.exit_code(), 1);
}

#[tokio::test]
async fn deleted_items_and_older_states_come_back_by_snapshot_and_reference() {
    let rig = rig().await;
    let first = rig.view("ann").await.sequence();
    let key = rig.id_of("ann", "Item0001").await.key;
    rig.tenant.with("ann", |m| m.delete("Item0001"));
    rig.back_up_complete().await;
    let mut request = request(&rig).await;
    request.selection.items = vec![key];
    assert_eq!(
        restore(&rig, &request).await.restored,
        1,
        "the last version of a removed item"
    );
    request.selection = Selection::default();
    request.snapshot = first.to_string();
    request.placement = Placement::NewFolder {
        name: Some("Then".into()),
    };
    assert_eq!(restore(&rig, &request).await.restored, 7);
    request.snapshot = "latest".into();
    request.placement = Placement::NewFolder {
        name: Some("Now".into()),
    };
    assert_eq!(restore(&rig, &request).await.restored, 6);
    request.selection.folders = vec![FolderPath::parse("nowhere")];
    let target = Arc::new(rig.tenant.clone());
    let error = run(
        &rig.engine(),
        target,
        &request,
        Arc::new(Quiet),
        StopSignal::new(),
    )
    .await;
    assert!(matches!(error, Err(EngineError::NoSuchFolder { .. })));
}

#[tokio::test]
async fn a_stop_ends_a_restore_and_repeating_goes_on() {
    let rig = rig().await;
    let mut request = request(&rig).await;
    request.placement = Placement::NewFolder {
        name: Some("Back".into()),
    };
    let stop = StopSignal::new();
    let signal = stop.clone();
    rig.tenant.state().hook = Some(Box::new(move |call| {
        if call.0 == Op::Create {
            signal.stop();
        }
    }));
    let target = Arc::new(rig.tenant.clone());
    let summary = run(&rig.engine(), target, &request, Arc::new(Quiet), stop)
        .await
        .unwrap();
    assert_eq!(summary.outcome, RestoreOutcome::Stopped);
    assert!(summary.restored < 7);
    rig.tenant.state().hook = None;
    let again = restore(&rig, &request).await;
    assert_eq!(again.restored + summary.restored, 7);
}

/// What a mailbox holds, without the ids that the target gives.
fn contents(rig: &Rig, name: &str) -> Vec<(String, String, Vec<u8>, bool)> {
    let held = holdings(rig, name).into_iter();
    let mut held: Vec<_> = held
        .map(|(path, it)| (path, it.item.subject, it.content, it.is_finished))
        .collect();
    held.sort();
    held
}

/// Every call that changes the target goes wrong once, in every way. A restore changes nothing in the vault,
/// so that these are all of its calls that change anything. Repeated, it ends as if nothing had happened:
/// nothing is missing, nothing is there twice.
#[tokio::test]
async fn a_restore_can_die_at_every_change_of_the_target() {
    for policy in [ConflictPolicy::Skip, ConflictPolicy::Replace] {
        let prepared = async || {
            let rig = rig().await;
            let mut request = request(&rig).await;
            request.concurrent_items = 1;
            request.on_conflict = policy;
            if policy == ConflictPolicy::Replace {
                request.target = SourceMailboxId("ann".into());
                request.placement = Placement::Original;
            }
            (rig, request)
        };
        let (rig, request) = prepared().await;
        let target = request.target.0.clone();
        let names = rig.store.names();
        assert!(restore(&rig, &request).await.failed == 0);
        assert_eq!(rig.store.names(), names, "the vault is as it was");
        let expected = contents(&rig, &target);
        let calls = rig.tenant.state().changing_calls;
        assert!(calls > 9, "{calls}");
        for call in 1..=calls {
            for end in [
                End::DieBefore,
                End::DieAfter,
                End::DieUnfinished,
                End::AnswerLost,
            ] {
                let (rig, request) = prepared().await;
                rig.tenant.state().end = Some((call, end));
                restore(&rig, &request).await;
                rig.tenant.state().end = None;
                rig.tenant.state().is_dead = false;
                let summary = restore(&rig, &request).await;
                let what = format!("{policy:?}: {end:?} at call {call}");
                assert_eq!(summary.failed, 0, "{what}");
                assert_eq!(contents(&rig, &target), expected, "{what}");
            }
        }
    }
}
