//! Mail comes back as it was, wherever it is wanted, however often it is tried, and nothing is sent.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    missing_docs
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use exchange_sim::admin::{ItemTruth, TruthAttachment};
use exchange_sim::{Fault, FaultKind, SimTenant};
use mailkeep_e2e::{Rig, small};
use mailkeep_engine::backup::backup;
use mailkeep_engine::restore::{
    self, ConflictPolicy, Placement, RestoreOutcome, RestoreRequest, RestoreSummary,
};
use mailkeep_engine::{Quiet, StopSignal};
use mailkeep_exchange::graph::{GraphSource, GraphTarget};
use mailkeep_model::{FailureClass, FolderPath, SourceMailboxId};

async fn request(rig: &Rig, from: &str, to: &str) -> RestoreRequest {
    let mailbox = rig.mailbox(from).await;
    RestoreRequest {
        placement: Placement::NewFolder {
            name: Some("Zurück".into()),
        },
        ..RestoreRequest::new(mailbox.id().clone(), SourceMailboxId(to.to_owned()))
    }
}

async fn run(rig: &Rig, request: &RestoreRequest) -> RestoreSummary {
    let target = Arc::new(GraphTarget::with_client(rig.client()));
    let summary = restore::run(
        &rig.engine(),
        target,
        request,
        Arc::new(Quiet),
        StopSignal::new(),
    )
    .await
    .unwrap();
    assert_eq!(rig.admin.sent(), [], "a restore sent mail");
    summary
}

async fn run_well(rig: &Rig, request: &RestoreRequest) -> RestoreSummary {
    let summary = run(rig, request).await;
    assert_eq!(summary.exit_code(), 0, "{summary:?}");
    assert_eq!(summary.outcome, RestoreOutcome::Finished);
    summary
}

/// Items of a mailbox by path of their folder, those in Deleted Items left out.
fn by_path(rig: &Rig, mailbox: &str) -> BTreeMap<String, Vec<ItemTruth>> {
    let truth = mailkeep_e2e::truth(&rig.admin, mailbox, false);
    let mut all: BTreeMap<String, Vec<ItemTruth>> = BTreeMap::new();
    for item in rig.items(mailbox) {
        let path = truth.facts.folders[&item.folder].clone();
        all.entry(path).or_default().push(item);
    }
    all
}

/// Everything that a restore must keep.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kept {
    subject: String,
    message_id: Option<String>,
    received: String,
    sent: String,
    is_read: bool,
    is_flagged: bool,
    is_draft: bool,
    categories: Vec<String>,
    attachments: Vec<(String, u64, String)>,
}

fn kept(rig: &Rig, mailbox: &str, item: &ItemTruth) -> Kept {
    let files = rig.admin.attachments(mailbox, &item.id).unwrap();
    let mut attachments: Vec<_> = files
        .into_iter()
        .map(
            |TruthAttachment {
                 name,
                 bytes,
                 blake3,
                 ..
             }| (name, bytes, blake3),
        )
        .collect();
    attachments.sort();
    Kept {
        subject: item.subject.clone(),
        message_id: item.internet_message_id.clone(),
        received: item.received.clone(),
        sent: item.sent.clone(),
        is_read: item.is_read,
        is_flagged: item.is_flagged,
        is_draft: item.is_draft,
        categories: item.categories.clone(),
        attachments,
    }
}

fn all_kept(rig: &Rig, mailbox: &str, items: &[ItemTruth]) -> Vec<Kept> {
    let mut all: Vec<_> = items.iter().map(|item| kept(rig, mailbox, item)).collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_comes_back_below_a_new_folder_of_another_one() {
    let builder = SimTenant::builder().items_per_mailbox(24).seed(5);
    let rig = Rig::start(builder.unusual_mail(false).mailboxes(2)).await;
    let (ann, bob) = (rig.first(), rig.mailboxes().remove(1));
    let items = rig.items(&ann);
    rig.admin.set_flag(&ann, &items[3].id, true).unwrap();
    rig.admin
        .set_categories(&ann, &items[4].id, &["Rot", "Blau"])
        .unwrap();
    rig.admin.set_read(&ann, &items[5].id, false).unwrap();
    rig.back_up_complete().await;
    let wanted = by_path(&rig, &ann);
    let before = rig.items(&bob).len();
    let request = request(&rig, &ann, &bob).await;
    let target = GraphTarget::with_client(rig.client());
    let plan = restore::plan(&rig.engine(), &target, &request)
        .await
        .unwrap();
    assert_eq!((plan.items(), plan.conflicts()), (24, 0));
    assert_eq!(rig.items(&bob).len(), before, "a plan writes nothing");
    let summary = run_well(&rig, &request).await;
    assert_eq!(
        (summary.restored, summary.with_losses),
        (24, 0),
        "{summary:?}"
    );
    let found = by_path(&rig, &bob);
    for (path, items) in &wanted {
        let restored = &found[&format!("Zurück/{path}")];
        assert_eq!(
            all_kept(&rig, &bob, restored),
            all_kept(&rig, &ann, items),
            "{path}"
        );
    }
    assert_eq!(rig.items(&bob).len(), before + 24);

    // Folders that were not backed up do not come back as empty ones.
    for (path, folder) in [
        ("Clutter", "clutter"),
        ("Deletions", "recoverableitemsdeletions"),
    ] {
        let _ = rig.folder(&ann, folder);
        let folders = mailkeep_e2e::truth(&rig.admin, &bob, true).facts.folders;
        let unwanted = format!("Zurück/{path}");
        assert!(!folders.values().any(|path| *path == unwanted), "{path}");
    }

    // Again: nothing more.
    let again = run_well(&rig, &request).await;
    assert_eq!((again.restored, again.already_there), (0, 24), "{again:?}");
    assert_eq!(rig.items(&bob).len(), before + 24);
    // A backup of what was restored is as good as any.
    rig.back_up_complete().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unusual_mail_comes_back_and_losses_are_told() {
    let rig = Rig::start(small(2, 300).seed(8).folders_per_mailbox(3)).await;
    let (ann, bob) = (rig.first(), rig.mailboxes().remove(1));
    rig.back_up_complete().await;
    let summary = run_well(&rig, &request(&rig, &ann, &bob).await).await;
    let all = rig.items(&ann).len() as u64;
    assert_eq!((summary.restored, summary.failed), (all, 0), "{summary:?}");
    let (wanted, found) = (by_path(&rig, &ann), by_path(&rig, &bob));
    for (path, items) in &wanted {
        let facts = |items: &[ItemTruth]| {
            let one = |item: &ItemTruth| (item.subject.clone(), item.received.clone());
            let mut all: Vec<_> = items.iter().map(one).collect();
            all.sort();
            all
        };
        let restored = &found[&format!("Zurück/{path}")];
        assert_eq!(facts(restored), facts(items), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_mail_comes_back_into_its_own_folder() {
    let rig = Rig::start(small(1, 30).unusual_mail(false)).await;
    let ann = rig.first();
    rig.back_up_complete().await;
    let sequence = rig.view(&ann).await.sequence();
    let wanted: BTreeMap<_, _> = by_path(&rig, &ann)
        .into_iter()
        .map(|(path, items)| (path, all_kept(&rig, &ann, &items)))
        .collect();
    let lost: Vec<_> = rig.items(&ann).into_iter().take(8).collect();
    for item in &lost {
        rig.admin.delete_mail(&ann, &item.id).unwrap();
    }
    rig.back_up_complete().await;
    let request = RestoreRequest {
        snapshot: sequence.to_string(),
        placement: Placement::Original,
        ..request(&rig, &ann, &ann).await
    };
    let summary = run_well(&rig, &request).await;
    assert_eq!((summary.restored, summary.skipped), (8, 22), "{summary:?}");
    let found: BTreeMap<_, _> = by_path(&rig, &ann)
        .into_iter()
        .map(|(path, items)| (path, all_kept(&rig, &ann, &items)))
        .collect();
    assert_eq!(found, wanted);
    let again = run_well(&rig, &request).await;
    assert_eq!((again.restored, again.already_there), (0, 8), "{again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conflicts_are_skipped_copied_or_replaced() {
    let rig = Rig::start(small(1, 0).unusual_mail(false)).await;
    let ann = rig.first();
    for _ in 0..3 {
        rig.admin.add_mail(&ann, "inbox").unwrap();
    }
    rig.back_up_complete().await;
    let inbox = rig.folder(&ann, "inbox");
    let deleted = rig.folder(&ann, "deleteditems");
    let count = |folder: &String| {
        let all = rig.items(&ann).into_iter();
        all.filter(|item| item.folder == *folder).count()
    };
    let with = |on_conflict| {
        let rig = &rig;
        let ann = ann.clone();
        async move {
            let request = RestoreRequest {
                placement: Placement::Original,
                on_conflict,
                ..request(rig, &ann, &ann).await
            };
            run_well(rig, &request).await
        }
    };
    let skipped = with(ConflictPolicy::Skip).await;
    assert_eq!((skipped.skipped, skipped.restored), (3, 0));
    assert_eq!((count(&inbox), count(&deleted)), (3, 0));
    let copied = with(ConflictPolicy::Copy).await;
    assert_eq!(copied.restored, 3, "{copied:?}");
    assert_eq!((count(&inbox), count(&deleted)), (6, 0));
    // Its own copies are there already; a repeated copy makes no third ones.
    let copied = with(ConflictPolicy::Copy).await;
    assert_eq!((copied.restored, copied.already_there), (0, 3));
    assert_eq!(count(&inbox), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_item_goes_to_deleted_items() {
    let rig = Rig::start(small(1, 0).unusual_mail(false)).await;
    let ann = rig.first();
    let items: Vec<_> = (0..3)
        .map(|_| rig.admin.add_mail(&ann, "inbox").unwrap())
        .collect();
    rig.back_up_complete().await;
    let request = RestoreRequest {
        placement: Placement::Original,
        on_conflict: ConflictPolicy::Replace,
        ..request(&rig, &ann, &ann).await
    };
    let summary = run_well(&rig, &request).await;
    assert_eq!((summary.restored, summary.replaced), (3, 3), "{summary:?}");
    let deleted = rig.folder(&ann, "deleteditems");
    for item in rig.items(&ann) {
        assert_eq!(items.contains(&item.id), item.folder == deleted, "{item:?}");
    }
    assert_eq!(rig.items(&ann).len(), 6);
    let again = run_well(&rig, &request).await;
    assert_eq!((again.restored, again.already_there), (0, 3), "{again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn big_attachments_come_back_bit_for_bit() {
    let rig = Rig::start(small(2, 0)).await;
    let (ann, bob) = (rig.first(), rig.mailboxes().remove(1));
    for bytes in [2_900_000, 3_400_000, 30_000_000] {
        rig.admin.add_giant_mail(&ann, "inbox", bytes).unwrap();
    }
    let run = rig.back_up().await;
    assert_eq!(run.exit_code(), 0, "{run:?}");
    let summary = run_well(&rig, &request(&rig, &ann, &bob).await).await;
    assert_eq!(
        (summary.restored, summary.with_losses),
        (3, 0),
        "{summary:?}"
    );
    let inbox = by_path(&rig, &ann).remove("Inbox").unwrap();
    let restored = by_path(&rig, &bob).remove("Zurück/Inbox").unwrap();
    assert_eq!(
        all_kept(&rig, &bob, &restored),
        all_kept(&rig, &ann, &inbox)
    );
    assert!(rig.admin.highest_concurrency(&bob).unwrap() <= 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_dies_before_the_attachments_is_finished_by_the_next() {
    let rig = Rig::start(small(2, 0)).await;
    let (ann, bob) = (rig.first(), rig.mailboxes().remove(1));
    rig.admin.add_giant_mail(&ann, "inbox", 4_000_000).unwrap();
    rig.admin.add_mail(&ann, "inbox").unwrap();
    rig.back_up_complete().await;
    let request = request(&rig, &ann, &bob).await;
    // The process ends while the upload hangs.
    let hangs = Fault::new(FaultKind::Slow { millis: 60_000 }, 100);
    rig.admin.inject(hangs.only("createUploadSession"));
    let dies = tokio::time::timeout(Duration::from_secs(3), run(&rig, &request)).await;
    assert!(dies.is_err(), "it should hang: {dies:?}");
    rig.admin.clear_faults();
    let left = by_path(&rig, &bob).remove("Zurück/Inbox").unwrap();
    let begun: Vec<_> = left.iter().map(|item| item.id.clone()).collect();
    assert!(!begun.is_empty(), "it died before it created anything");
    let target = GraphTarget::with_client(rig.client());
    let plan = restore::plan(&rig.engine(), &target, &request)
        .await
        .unwrap();
    let unfinished: u64 = plan.folders.iter().map(|folder| folder.unfinished).sum();
    assert_eq!(unfinished, 1, "{plan:?}");
    rig.rest();
    run_well(&rig, &request).await;
    let inbox = by_path(&rig, &ann).remove("Inbox").unwrap();
    let restored = by_path(&rig, &bob).remove("Zurück/Inbox").unwrap();
    assert_eq!(
        all_kept(&rig, &bob, &restored),
        all_kept(&rig, &ann, &inbox)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_during_a_restore_leave_no_half_mail_and_no_double() {
    let rig = Rig::start(small(2, 25)).await;
    let (ann, bob) = (rig.first(), rig.mailboxes().remove(1));
    rig.admin.add_giant_mail(&ann, "inbox", 5_000_000).unwrap();
    rig.back_up_complete().await;
    let wanted = rig.items(&ann).len() as u64;
    let request = request(&rig, &ann, &bob).await;
    rig.admin.set_random_faults(80);
    let lost = Fault::new(FaultKind::LostAnswer, 3);
    rig.admin.inject(
        lost.only("POST /users/{id}/mailFolders/{id}/messages")
            .after(4),
    );
    let first = run(&rig, &request).await;
    rig.admin.clear_faults();
    rig.rest();
    let second = run_well(&rig, &request).await;
    assert_eq!(
        second.restored + second.already_there,
        wanted,
        "{first:?} {second:?}"
    );
    let restored: usize = by_path(&rig, &bob)
        .iter()
        .filter(|(path, _)| path.starts_with("Zurück/"))
        .map(|(_, items)| items.len())
        .sum();
    assert_eq!(restored as u64, wanted, "no double, no half");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_mailbox_ends_the_restore_and_it_goes_on_later() {
    let rig = Rig::start(small(2, 20)).await;
    let (ann, bob) = (rig.first(), rig.mailboxes().remove(1));
    rig.back_up_complete().await;
    rig.admin.set_full(&bob, true).unwrap();
    let request = request(&rig, &ann, &bob).await;
    let summary = run(&rig, &request).await;
    let is_told = matches!(&summary.outcome, RestoreOutcome::Failed { class, .. } if *class == FailureClass::TargetFull);
    assert!(is_told, "{summary:?}");
    assert_eq!(summary.exit_code(), 1);
    rig.admin.set_full(&bob, false).unwrap();
    let summary = run_well(&rig, &request).await;
    assert_eq!(summary.restored, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_folder_of_an_earlier_time_comes_back() {
    let rig = Rig::start(small(2, 30).unusual_mail(false)).await;
    let (ann, bob) = (rig.first(), rig.mailboxes().remove(1));
    rig.back_up_complete().await;
    let sequence = rig.view(&ann).await.sequence();
    let wanted = by_path(&rig, &ann).remove("Inbox").unwrap();
    let wanted_facts = all_kept(&rig, &ann, &wanted);
    rig.admin.advance(Duration::from_secs(3_600));
    for item in &wanted {
        rig.admin.edit_body(&ann, &item.id).unwrap();
        rig.admin
            .set_flag(&ann, &item.id, !item.is_flagged)
            .unwrap();
        rig.admin.move_mail(&ann, &item.id, "archive").unwrap();
    }
    rig.back_up_complete().await;
    let mut request = request(&rig, &ann, &bob).await;
    request.snapshot = sequence.to_string();
    request.selection.folders = vec![FolderPath(vec!["Inbox".into()])];
    run_well(&rig, &request).await;
    let found = by_path(&rig, &bob).remove("Zurück/Inbox").unwrap();
    assert_eq!(all_kept(&rig, &bob, &found), wanted_facts);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backup_and_restore_together_keep_to_four_calls() {
    let rig = Rig::start(small(2, 60)).await;
    let (ann, bob) = (rig.first(), rig.mailboxes().remove(1));
    rig.back_up_complete().await;
    rig.admin.evolve(80);
    let client = rig.client();
    let source = Arc::new(GraphSource::with_client(client.clone()));
    let target = Arc::new(GraphTarget::with_client(client));
    let request = RestoreRequest {
        concurrent_items: 9,
        ..request(&rig, &ann, &bob).await
    };
    let mut wide = rig.request();
    wide.concurrent_items = 9;
    let engine = rig.engine();
    let (saved, restored) = tokio::join!(
        backup(&engine, source, wide, Arc::new(Quiet), StopSignal::new()),
        restore::run(
            &engine,
            target,
            &request,
            Arc::new(Quiet),
            StopSignal::new()
        )
    );
    assert_eq!(restored.unwrap().exit_code(), 0);
    assert!(matches!(saved.unwrap().exit_code(), 0 | 3));
    for mailbox in [&ann, &bob] {
        let highest = rig.admin.highest_concurrency(mailbox).unwrap();
        assert!((1..=4).contains(&highest), "{highest} calls at once");
    }
    assert_eq!(rig.admin.sent(), []);
    rig.back_up_complete().await;
}
