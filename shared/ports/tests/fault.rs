//! Injected faults do what they say; the suites and the probe find stores that break the contract.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use mailkeep_ports::conformance::{self, StoreUnderTest, StoreWays};
use mailkeep_ports::{
    Condition, Conditions, ETag, Fault, FaultRates, FaultStore, GetOptions, Key, ListOptions,
    ListPage, MemoryStore, Object, ObjectInfo, PutOptions, Retention, Store, StoreCapabilities,
    StoreError, StoreErrorKind, TestClock, probe,
};

const ALL: StoreCapabilities = StoreCapabilities {
    conditional_create: true,
    conditional_replace: true,
    object_lock: true,
    checksums: true,
};

fn memory() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::new(Arc::new(TestClock::default())))
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

async fn put(store: &dyn Store, name: &str) -> Result<ETag, StoreErrorKind> {
    let (key, body) = (key(name), Bytes::from_static(b"x"));
    let put = store.put(&key, body, PutOptions::default()).await;
    put.map_err(|error| error.kind)
}

#[tokio::test]
async fn scripted_faults_hit_the_chosen_call() {
    let unavailable = Err(StoreErrorKind::Unavailable);
    for (fault, names, is_dead) in [
        (Fault::DieBefore, &["1"][..], true),
        (Fault::DieAfter, &["1", "2"], true),
        (Fault::AnswerLost, &["1", "2", "3"], false),
        (Fault::RequestLost, &["1", "3"], false),
    ] {
        let memory = memory();
        let store = FaultStore::new(memory.clone()).at(2, fault);
        put(&store, "1").await.unwrap();
        assert_eq!(put(&store, "2").await, unavailable, "{fault:?}");
        assert_eq!(put(&store, "3").await.is_err(), is_dead, "{fault:?}");
        assert_eq!(store.head(&key("1")).await.is_err(), is_dead, "{fault:?}");
        assert_eq!(memory.names(), names, "{fault:?}");
        assert_eq!(store.is_dead(), is_dead);
        store.heal();
        put(&store, "4").await.unwrap();
        assert_eq!((store.changing_calls(), store.faults()), (4, 1));
    }
    let store = FaultStore::new(memory()).at(1, Fault::Fail(StoreErrorKind::Full));
    assert_eq!(put(&store, "1").await, Err(StoreErrorKind::Full));
}

#[tokio::test]
async fn the_same_seed_gives_the_same_faults() {
    let rates = FaultRates {
        busy: 150,
        answer_lost: 150,
        request_lost: 150,
        denied: 50,
        ..FaultRates::default()
    };
    let mut runs = Vec::new();
    for seed in [5, 5, 6] {
        let store = FaultStore::new(memory()).by_chance(seed, rates);
        let mut results = Vec::new();
        for number in 0..100 {
            results.push(put(&store, &format!("{number}")).await.err());
        }
        let failed = results.iter().flatten().count();
        assert_eq!(u64::try_from(failed).unwrap(), store.faults());
        assert!((25..75).contains(&failed), "{failed} of 100");
        runs.push(results);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

fn under_test(fresh: impl Fn() -> Arc<dyn Store> + Send + Sync + 'static) -> StoreUnderTest {
    StoreUnderTest {
        fresh: Box::new(fresh),
        capabilities: StoreCapabilities {
            object_lock: false,
            ..ALL
        },
        clock: None,
        ways: StoreWays::STRICT,
    }
}

#[tokio::test]
async fn the_suite_finds_a_store_that_breaks_conditions() {
    for (conditions, clause) in [
        (
            Conditions::Ignored,
            "IfAbsent is AlreadyExists when the name is taken",
        ),
        (Conditions::Refused, "IfAbsent writes when the name is free"),
        (Conditions::Raced, "of racing creates exactly one succeeds"),
        (
            Conditions::Misreported,
            "IfAbsent writes when the name is free",
        ),
        (
            Conditions::Blind,
            "IfAbsent is AlreadyExists when the name is taken",
        ),
    ] {
        let test =
            under_test(move || Arc::new(FaultStore::new(memory()).with_conditions(conditions)));
        let broken = conformance::store(&test).await.unwrap_err();
        let is_found = broken.clause.starts_with(clause);
        assert!(is_found, "{conditions:?}: {broken}");
    }
}

#[tokio::test]
async fn the_suite_finds_reads_that_are_cut_off() {
    let rates = FaultRates {
        truncated: 100,
        ..FaultRates::default()
    };
    let test = under_test(move || Arc::new(FaultStore::new(memory()).by_chance(1, rates)));
    assert!(conformance::store(&test).await.is_err());
}

/// Drops checksums and promises of retention on the way, as some S3-compatible stores do.
struct Forgetful(MemoryStore);

#[async_trait]
impl Store for Forgetful {
    async fn put(&self, key: &Key, body: Bytes, options: PutOptions) -> Result<ETag, StoreError> {
        let options = PutOptions {
            sha256: None,
            retention: None,
            ..options
        };
        self.0.put(key, body, options).await
    }
    async fn get(&self, key: &Key, options: GetOptions) -> Result<Object, StoreError> {
        self.0.get(key, options).await
    }
    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        self.0.head(key).await
    }
    async fn list(&self, options: ListOptions) -> Result<ListPage, StoreError> {
        self.0.list(options).await
    }
    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), StoreError> {
        self.0.delete(key, condition).await
    }
    async fn extend_retention(&self, _: &Key, _: Retention) -> Result<(), StoreError> {
        Ok(())
    }
}

fn forgetful() -> Forgetful {
    let clock = Arc::new(TestClock::default());
    Forgetful(MemoryStore::new(clock).with_object_lock())
}

#[tokio::test]
async fn the_suite_finds_dropped_checksums_and_locks() {
    let test = under_test(|| Arc::new(forgetful()));
    let broken = conformance::store(&test).await.unwrap_err();
    assert!(broken.clause.contains("SHA-256"), "{broken}");
    let mut test = under_test(|| Arc::new(forgetful()));
    test.capabilities.checksums = false;
    let broken = conformance::store(&test).await.unwrap_err();
    assert!(broken.clause.contains("without Object Lock"), "{broken}");
}

#[tokio::test]
async fn the_probe_finds_everything_and_cleans_up() {
    let clock = Arc::new(TestClock::default());
    let store = MemoryStore::new(clock.clone()).with_object_lock();
    let found = probe(&store, clock.as_ref(), "probe/1").await.unwrap();
    assert_eq!(found, ALL);
    assert!(store.names().is_empty(), "{:?}", store.names());
}

#[tokio::test]
async fn the_probe_believes_nothing() {
    let clock = TestClock::default();
    for (conditions, create, replace) in [
        (Conditions::Honoured, true, true),
        (Conditions::Ignored, false, false),
        (Conditions::Refused, false, false),
        (Conditions::Misreported, false, false),
        (Conditions::Blind, false, false),
        (Conditions::Raced, false, true),
    ] {
        let memory = memory();
        let store = FaultStore::new(memory.clone()).with_conditions(conditions);
        let found = probe(&store, &clock, "probe/1").await.unwrap();
        let expected = StoreCapabilities {
            conditional_create: create,
            conditional_replace: replace,
            object_lock: false,
            checksums: true,
        };
        assert_eq!(found, expected, "{conditions:?}");
        assert!(memory.names().is_empty(), "{conditions:?}");
    }
    let store = forgetful();
    let found = probe(&store, &clock, "probe/1").await.unwrap();
    assert!(!found.checksums && !found.object_lock && found.conditional_create);
    assert!(store.0.names().is_empty());
}

#[tokio::test]
async fn the_probe_fails_rather_than_guess() {
    let clock = TestClock::default();
    for number in 1..=14 {
        let memory = memory();
        let fault = Fault::Fail(StoreErrorKind::Denied);
        let store = FaultStore::new(memory.clone()).at(number, fault);
        let found = probe(&store, &clock, "probe/1").await;
        assert_eq!(found.unwrap_err().kind, StoreErrorKind::Denied, "{number}");
        assert!(memory.names().is_empty(), "{number}: {:?}", memory.names());
    }
}
