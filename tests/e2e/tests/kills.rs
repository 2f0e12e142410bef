//! The process may die at any write: the next run loses nothing and reads nothing twice that was
//! committed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    missing_docs
)]

use std::sync::Arc;

use mailkeep_e2e::{Rig, small};
use mailkeep_engine::backup::BackupRequest;
use mailkeep_engine::browse;
use mailkeep_local::FolderStore;
use mailkeep_ports::{Fault, FaultStore, Store};

/// Commits often, so that there is much to die in.
fn request(rig: &Rig) -> BackupRequest {
    BackupRequest {
        commit_bytes: 15_000,
        ..rig.request()
    }
}

/// Items that the vault holds, over all mailboxes.
async fn held(rig: &Rig, store: Arc<dyn Store>) -> u64 {
    let engine = rig.engine_on(store).await.unwrap();
    let mut held = 0;
    for mailbox in rig.mailboxes() {
        if let Ok(mailbox) = browse::find_mailbox(&engine, &mailbox).await {
            held += mailbox.view().await.unwrap().counts().items;
        }
    }
    held
}

fn total(rig: &Rig) -> u64 {
    let mailboxes = rig.mailboxes().into_iter();
    mailboxes
        .map(|mailbox| rig.items(&mailbox).len() as u64)
        .sum()
}

/// Dies at the `number`-th write, then runs again. False when there is no such write.
async fn die_and_go_on(rig: &Rig, store: Arc<dyn Store>, number: u64, fault: Fault) -> bool {
    rig.rest();
    let faulty = Arc::new(FaultStore::new(store.clone()).at(number, fault));
    let engine = rig.engine_on(faulty.clone()).await.unwrap();
    let run = rig.try_back_up(&engine, request(rig)).await;
    let was_hit = faulty.changing_calls() >= number;
    if was_hit && faulty.is_dead() {
        assert!(
            run.as_ref().map_or(true, |run| run.exit_code() != 0),
            "a run that died says that all is well: {run:?}"
        );
    }
    let before = held(rig, store.clone()).await;
    rig.rest();
    rig.count_anew();
    let engine = rig.engine_on(store.clone()).await.unwrap();
    let run = rig.try_back_up(&engine, request(rig)).await.unwrap();
    assert_eq!(run.exit_code(), 0, "{number} {fault:?}: {run:?}");
    let reads = rig.content_reads();
    let missing = total(rig).saturating_sub(before);
    // Edited and flagged items are read again; a new vault has none.
    if rig.memory.names().len() < 8 {
        assert!(
            reads <= missing,
            "{number} {fault:?}: {reads} reads for {missing} missing items"
        );
    }
    rig.check_on(&engine).await;
    was_hit
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dying_at_any_write_of_the_first_run_loses_nothing() {
    let rig = Rig::start(small(2, 10).other_accounts(false).folders_per_mailbox(4)).await;
    for fault in [Fault::DieBefore, Fault::DieAfter, Fault::AnswerLost] {
        let mut number = 1;
        while die_and_go_on(&rig, Arc::new(rig.memory.fork()), number, fault).await {
            number += 1;
        }
        assert!(number > 8, "only {number} writes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dying_at_any_write_of_a_later_run_loses_nothing() {
    let rig = Rig::start(small(2, 20).other_accounts(false).folders_per_mailbox(4)).await;
    rig.back_up_complete().await;
    rig.rest();
    rig.admin.evolve(60);
    for fault in [Fault::DieBefore, Fault::DieAfter, Fault::RequestLost] {
        let mut number = 1;
        while die_and_go_on(&rig, Arc::new(rig.memory.fork()), number, fault).await {
            number += 1;
        }
        assert!(number > 4, "only {number} writes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dying_between_packs_loses_nothing_on_a_disk() {
    let rig = Rig::start(small(1, 4).other_accounts(false)).await;
    let first = rig.first();
    // More than goes into a segment of the log.
    let giant = rig.admin.add_giant_mail(&first, "inbox", 9_000_000);
    giant.unwrap();
    for number in [1, 2, 3, 4, 5, 6, 8, 20] {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::create(folder.path().join("vault"), rig.rng.clone()).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        rig.create_on(store.clone()).await;
        let fault = [Fault::DieAfter, Fault::DieBefore][number as usize % 2];
        if !die_and_go_on(&rig, store, number, fault).await {
            assert!(number > 4, "only {number} writes");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_by_chance_is_survived() {
    let rig = Rig::start(small(2, 20).other_accounts(false)).await;
    for seed in 1..=4 {
        let rates = mailkeep_ports::FaultRates {
            busy: 30,
            conflict: 30,
            answer_lost: 30,
            request_lost: 30,
            ..Default::default()
        };
        let store = Arc::new(rig.memory.fork());
        let faulty = Arc::new(FaultStore::new(store.clone()).by_chance(seed, rates));
        for _ in 0..3 {
            rig.rest();
            if let Ok(engine) = rig.engine_on(faulty.clone()).await {
                let _ = rig.try_back_up(&engine, request(&rig)).await;
            }
        }
        faulty.heal();
        let engine = rig.engine_on(store).await.unwrap();
        let run = rig.try_back_up(&engine, request(&rig)).await.unwrap();
        assert_eq!(run.exit_code(), 0);
        rig.check_on(&engine).await;
    }
}

/// Two runs at once on one vault: both may win, nothing is lost, nothing is there twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runs_at_once_agree() {
    let rig = Rig::start(small(2, 30).other_accounts(false)).await;
    let store: Arc<dyn Store> = Arc::new(rig.memory.fork());
    let one = rig.engine_on(store.clone()).await.unwrap();
    let two = rig.engine_on(store.clone()).await.unwrap();
    let (a, b) = tokio::join!(
        rig.try_back_up(&one, request(&rig)),
        rig.try_back_up(&two, request(&rig))
    );
    assert!(a.is_ok() && b.is_ok(), "{a:?} {b:?}");
    rig.rest();
    let run = rig.try_back_up(&one, request(&rig)).await.unwrap();
    assert_eq!(run.exit_code(), 0, "{run:?}");
    rig.check_on(&one).await;
}
