//! The retrying wrapper over a store that fails on purpose.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use mailkeep_ports::conformance::{self, StoreUnderTest, StoreWays};
use mailkeep_ports::{
    Clock, Condition, Fault, FaultRates, FaultStore, GetOptions, Key, MemoryStore, PutOptions,
    RecordStore, RetryPolicy, RetryStore, SeededRng, Store, StoreCapabilities, StoreError,
    StoreErrorKind, TestClock, Verb,
};
use proptest::prelude::*;

struct Setup {
    clock: Arc<TestClock>,
    memory: Arc<MemoryStore>,
    record: Arc<RecordStore>,
    store: RetryStore,
}

fn setup(faults: impl FnOnce(FaultStore) -> FaultStore) -> Setup {
    let clock = Arc::new(TestClock::default());
    let memory = Arc::new(MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>));
    let faulty = Arc::new(faults(FaultStore::new(memory.clone())));
    let record = Arc::new(RecordStore::new(faulty));
    let rng = Arc::new(SeededRng::new(1));
    let policy = RetryPolicy::default();
    let store = RetryStore::new(record.clone(), clock.clone(), rng, policy);
    Setup {
        clock,
        memory,
        record,
        store,
    }
}

fn key() -> Key {
    Key::new("m/x/log/1").unwrap()
}

fn body(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

async fn content(store: &dyn Store) -> Bytes {
    store.get(&key(), GetOptions::default()).await.unwrap().body
}

#[tokio::test]
async fn a_create_in_doubt_that_happened_is_a_success_with_one_write() {
    let s = setup(|f| f.at(1, Fault::AnswerLost));
    let etag = s
        .store
        .put(&key(), body("ours"), PutOptions::if_absent())
        .await
        .unwrap();
    assert_eq!(s.memory.head(&key()).await.unwrap().etag, etag);
    assert_eq!(s.record.count(Verb::Put).calls, 1);
}

#[tokio::test]
async fn a_create_in_doubt_that_did_not_happen_is_done_again() {
    let s = setup(|f| f.at(1, Fault::RequestLost));
    s.store
        .put(&key(), body("ours"), PutOptions::if_absent())
        .await
        .unwrap();
    assert_eq!(content(s.memory.as_ref()).await, "ours");
    assert_eq!(s.record.count(Verb::Put).calls, 2);
}

#[tokio::test]
async fn a_create_in_doubt_that_another_writer_won_is_refused() {
    for theirs in ["them", "a longer one"] {
        let s = setup(|f| f.at(1, Fault::RequestLost));
        s.memory
            .put(&key(), body(theirs), PutOptions::default())
            .await
            .unwrap();
        let put = s
            .store
            .put(&key(), body("ours"), PutOptions::if_absent())
            .await;
        assert_eq!(put.unwrap_err().kind, StoreErrorKind::AlreadyExists);
        assert_eq!(content(s.memory.as_ref()).await, theirs);
    }
}

#[tokio::test]
async fn a_create_that_is_refused_at_once_is_not_ours_even_with_the_same_body() {
    let s = setup(|f| f);
    s.memory
        .put(&key(), body("same"), PutOptions::default())
        .await
        .unwrap();
    let put = s
        .store
        .put(&key(), body("same"), PutOptions::if_absent())
        .await;
    assert_eq!(put.unwrap_err().kind, StoreErrorKind::AlreadyExists);
    assert_eq!(s.record.total_calls(), 1);
}

#[tokio::test]
async fn a_replacement_in_doubt_is_settled() {
    for fault in [Fault::AnswerLost, Fault::RequestLost] {
        let s = setup(|f| f.at(1, fault));
        let old = s
            .memory
            .put(&key(), body("old"), PutOptions::default())
            .await
            .unwrap();
        let new = s
            .store
            .put(&key(), body("new"), PutOptions::if_match(old))
            .await
            .unwrap();
        assert_eq!(content(s.memory.as_ref()).await, "new");
        assert_eq!(s.memory.head(&key()).await.unwrap().etag, new, "{fault:?}");
    }
}

#[tokio::test]
async fn a_stale_replacement_in_doubt_is_refused() {
    let s = setup(|f| f.at(1, Fault::RequestLost));
    let old = s
        .memory
        .put(&key(), body("old"), PutOptions::default())
        .await
        .unwrap();
    s.memory
        .put(&key(), body("them"), PutOptions::default())
        .await
        .unwrap();
    let put = s
        .store
        .put(&key(), body("ours"), PutOptions::if_match(old))
        .await;
    assert_eq!(put.unwrap_err().kind, StoreErrorKind::Changed);
    assert_eq!(content(s.memory.as_ref()).await, "them");
}

#[tokio::test]
async fn a_deletion_in_doubt_is_settled() {
    for fault in [Fault::AnswerLost, Fault::RequestLost] {
        let s = setup(|f| f.at(1, fault));
        let etag = s
            .memory
            .put(&key(), body("x"), PutOptions::default())
            .await
            .unwrap();
        s.store
            .delete(&key(), Condition::IfMatch(etag))
            .await
            .unwrap();
        assert!(s.memory.names().is_empty(), "{fault:?}");
    }
}

#[tokio::test]
async fn conflict_is_tried_again() {
    let s = setup(|f| f.at(1, Fault::Fail(StoreErrorKind::Conflict)));
    s.store
        .put(&key(), body("ours"), PutOptions::if_absent())
        .await
        .unwrap();
    assert_eq!(s.record.count(Verb::Put).calls, 2);
}

#[tokio::test]
async fn what_cannot_get_better_is_not_tried_again() {
    for kind in [
        StoreErrorKind::Denied,
        StoreErrorKind::Full,
        StoreErrorKind::Locked,
        StoreErrorKind::Corrupt,
        StoreErrorKind::Invalid,
    ] {
        let s = setup(|f| f.at(1, Fault::Fail(kind)));
        let put = s.store.put(&key(), body("x"), PutOptions::default()).await;
        assert_eq!(put.unwrap_err().kind, kind);
        assert_eq!(s.record.total_calls(), 1);
        assert_eq!(s.clock.total_slept(), Duration::ZERO);
    }
}

#[tokio::test]
async fn trying_again_ends() {
    let always = FaultRates {
        request_lost: 1_000,
        ..FaultRates::default()
    };
    let s = setup(|f| f.by_chance(1, always));
    for result in [
        s.store.get(&key(), GetOptions::default()).await.map(drop),
        s.store
            .put(&key(), body("x"), PutOptions::default())
            .await
            .map(drop),
        s.store.delete(&key(), Condition::None).await,
    ] {
        assert_eq!(result.unwrap_err().kind, StoreErrorKind::Unavailable);
    }
    let attempts = u64::from(RetryPolicy::default().attempts);
    assert_eq!(s.record.total_calls(), 3 * attempts);
    s.record.take();
    // A create looks in vain once in between, which is bounded as well.
    let put = s
        .store
        .put(&key(), body("x"), PutOptions::if_absent())
        .await;
    assert_eq!(put.unwrap_err().kind, StoreErrorKind::Unavailable);
    assert_eq!(s.record.total_calls(), 1 + attempts);
}

#[tokio::test]
async fn a_read_that_was_cut_off_is_read_again() {
    let often = FaultRates {
        truncated: 500,
        ..FaultRates::default()
    };
    for seed in 0..20 {
        let s = setup(|f| f.by_chance(seed, often));
        s.memory
            .put(&key(), body("whole"), PutOptions::default())
            .await
            .unwrap();
        assert_eq!(content(&s.store).await, "whole");
    }
}

#[test]
fn waits_grow_are_jittered_and_do_as_asked() {
    let policy = RetryPolicy::default();
    let busy = |retry_after| {
        let mut error = StoreError::new(StoreErrorKind::Busy, "a", "slow down");
        error.retry_after = retry_after;
        error
    };
    let least: Vec<_> = (1..9).map(|n| policy.wait(n, &busy(None), 0)).collect();
    let seconds = |s| Some(Duration::from_secs_f64(s));
    assert_eq!(
        least,
        [
            seconds(0.15),
            seconds(0.3),
            seconds(0.6),
            seconds(1.2),
            seconds(2.4),
            seconds(4.8),
            None,
            None
        ]
    );
    let most = policy.wait(1, &busy(None), 1_023).unwrap();
    assert!(most > Duration::from_millis(299) && most < Duration::from_millis(300));
    let asked = Duration::from_millis(61_500);
    assert!(policy.wait(1, &busy(Some(asked)), 5).unwrap() >= asked);
    assert_eq!(
        policy.wait(1, &busy(Some(Duration::from_secs(121))), 0),
        None
    );
}

/// Chance must not change what the store means.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_contract_holds_over_a_store_that_is_often_busy() {
    let rates = FaultRates {
        busy: 60,
        conflict: 60,
        truncated: 60,
        ..FaultRates::default()
    };
    let clock = Arc::new(TestClock::default());
    let own = clock.clone();
    let test = StoreUnderTest {
        fresh: Box::new(move || {
            let memory = Arc::new(MemoryStore::new(own.clone()));
            let faulty = Arc::new(FaultStore::new(memory).by_chance(3, rates));
            let policy = RetryPolicy {
                attempts: 30,
                ..RetryPolicy::default()
            };
            let rng = Arc::new(SeededRng::new(4));
            Arc::new(RetryStore::new(faulty, own.clone(), rng, policy))
        }),
        capabilities: StoreCapabilities {
            conditional_create: true,
            conditional_replace: true,
            object_lock: false,
            checksums: true,
        },
        clock: Some(clock),
        ways: StoreWays::STRICT,
    };
    conformance::store(&test).await.unwrap();
}

proptest! {
    /// Whatever is lost: of racing creates exactly one caller is told that it won, and it did.
    #[test]
    fn racing_creates_have_one_winner_although_answers_are_lost(
        seed in any::<u64>(),
        answer_lost in 0_u32..400,
        request_lost in 0_u32..300,
        conflict in 0_u32..200,
    ) {
        let rates = FaultRates { answer_lost, request_lost, conflict, ..FaultRates::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let clock = Arc::new(TestClock::default());
            let memory = Arc::new(MemoryStore::new(clock.clone()));
            let faulty = Arc::new(FaultStore::new(memory.clone()).by_chance(seed, rates));
            let policy = RetryPolicy { attempts: 60, ..RetryPolicy::default() };
            let rng = Arc::new(SeededRng::new(seed));
            let store = RetryStore::new(faulty, clock, rng, policy);
            let key = key();
            let racers = (0_u8..5).map(|racer| {
                store.put(&key, Bytes::from(vec![racer; 9]), PutOptions::if_absent())
            });
            let mut winners = Vec::new();
            for (racer, result) in (0_u8..).zip(join_all(racers).await) {
                match result {
                    Ok(_) => winners.push(Bytes::from(vec![racer; 9])),
                    Err(error) => assert_eq!(error.kind, StoreErrorKind::AlreadyExists),
                }
            }
            assert_eq!(winners, [content(memory.as_ref()).await]);
        });
    }
}
