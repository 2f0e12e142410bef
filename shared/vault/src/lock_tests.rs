//! Object Lock: what is written cannot be deleted, what is needed stays locked.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use mailkeep_ports::{
    Condition, Fault, FaultStore, Key, LockMode, MemoryStore, RecordStore, SeededRng, Store,
    StoreErrorKind, TestClock, Verb,
};
use zeroize::Zeroizing;

use crate::context::VaultContext;
use crate::create::CreateOptions;
use crate::error::VaultError;
use crate::index::tests::world;
use crate::keychain::Keychain;
use crate::lock::{LockPolicy, MAX_LOCK_DAYS, is_locked_kind};
use crate::names;
use crate::recipients::{PassphraseCost, Recipient, Unlock};
use crate::testing::profile;
use crate::vault::Vault;

const DAYS: u32 = 80;

fn options(days: u32) -> CreateOptions {
    CreateOptions {
        object_lock: Some(LockPolicy {
            mode: LockMode::Compliance,
            days,
        }),
        ..CreateOptions::default()
    }
}

fn file(seed: u8) -> Recipient {
    Recipient::KeyFile(Zeroizing::new([seed; 32]))
}

struct World {
    clock: Arc<TestClock>,
    memory: Arc<MemoryStore>,
    store: Arc<RecordStore>,
    ctx: VaultContext,
    vault: Vault,
}

async fn world() -> World {
    let clock = Arc::new(TestClock::new(DateTime::UNIX_EPOCH));
    let memory = Arc::new(MemoryStore::new(clock.clone()).with_object_lock());
    let store = Arc::new(RecordStore::new(memory.clone()));
    let ctx = VaultContext {
        store: store.clone(),
        clock: clock.clone(),
        rng: Arc::new(SeededRng::new(3)),
    };
    let (vault, _) = Vault::create(ctx.clone(), &[file(1)], options(DAYS))
        .await
        .unwrap();
    for name in ["ada", "bob"] {
        add_item(&vault, name, "one").await;
    }
    let mode = crate::PutMode::Create;
    vault
        .put_document("connection", "contoso", b"x", mode)
        .await
        .unwrap();
    World {
        clock,
        memory,
        store,
        ctx,
        vault,
    }
}

async fn add_item(vault: &Vault, mailbox: &str, item: &str) {
    let mailbox = vault.ensure_mailbox("t", &profile(mailbox)).await.unwrap();
    let writer = mailbox.writer().await.unwrap();
    writer.put_folder(world::folder("inbox", None));
    // Big enough for a pack of its own.
    let message = world::big_mime(item, 9 << 20);
    world::put(&writer, world::item(item, "inbox", 1), &message)
        .await
        .unwrap();
    world::commit(&writer).await.unwrap();
}

#[tokio::test]
async fn every_write_carries_its_promise() {
    let World {
        clock,
        memory,
        vault,
        ctx,
        ..
    } = world().await;
    let now = mailkeep_ports::Clock::now(&*clock);
    let mut locked = 0;
    assert!(memory.names().iter().any(|name| name.contains("/pack/")));
    for name in memory.names() {
        let key = Key::new(name.clone()).unwrap();
        let info = memory.head(&key).await.unwrap();
        let deleted = memory.fork().delete(&key, Condition::None).await;
        if is_locked_kind(&name) {
            let retention = info.retention.unwrap();
            assert_eq!(retention.mode, LockMode::Compliance);
            assert_eq!(
                retention.until,
                now + TimeDelta::days(DAYS.into()),
                "{name}"
            );
            assert_eq!(deleted.unwrap_err().kind, StoreErrorKind::Locked);
            locked += 1;
        } else {
            assert!(name.contains("/key/") || name.starts_with("doc/"), "{name}");
            assert_eq!(info.retention, None);
            deleted.unwrap();
        }
    }
    // vault, dict, two recipients, two packs, two commits.
    assert!(locked >= 8);
    let report = vault.check_locks().await.unwrap();
    assert!(report.findings.is_empty() && report.objects >= 8);
    // The policy is part of the vault: whoever opens it keeps it.
    let unlock = Unlock::KeyFile(Zeroizing::new([1; 32]));
    let opened = Vault::open(ctx, &unlock).await.unwrap();
    assert_eq!(opened.info().object_lock, options(DAYS).object_lock);
    // Erasing works all the same, and says what it cannot do.
    let ada = opened.mailbox_id("t", &profile("ada").id);
    let erasure = opened.erase_mailbox(&ada).await.unwrap();
    assert!(erasure.remaining.is_empty() && erasure.keeps_versions && !erasure.is_done());
    assert!(opened.check_locks().await.unwrap().findings.is_empty());
}

#[tokio::test]
async fn locks_are_extended_before_half_of_the_promise_is_gone() {
    let World {
        clock,
        memory,
        store,
        vault,
        ..
    } = world().await;
    store.take();
    assert_eq!(vault.extend_locks().await.unwrap(), None);
    assert_eq!((store.total_calls(), store.count(Verb::Get).calls), (1, 1));
    // Nobody extends: what is promised is gone, and verification says so.
    clock.advance(std::time::Duration::from_secs(86_400 * 41));
    let lacking = vault.check_locks().await.unwrap();
    assert_eq!(
        u64::try_from(lacking.findings.len()).unwrap(),
        lacking.objects
    );
    // What was written since has its own promise.
    add_item(&vault, "ada", "two").await;
    store.take();
    let extension = vault.extend_locks().await.unwrap().unwrap();
    assert!(extension.missing.is_empty());
    assert_eq!(store.count(Verb::ExtendRetention).calls, extension.objects);
    assert_eq!(store.count(Verb::Put).calls, 1);
    let report = vault.check_locks().await.unwrap();
    assert!(report.findings.is_empty() && report.objects == extension.objects);
    assert_eq!(vault.extend_locks().await.unwrap(), None);
    // With a run every few days, nothing ever has less than half.
    for _ in 0..30 {
        clock.advance(std::time::Duration::from_secs(86_400 * 7));
        vault.extend_locks().await.unwrap();
        assert!(vault.check_locks().await.unwrap().findings.is_empty());
    }
    // A live object that is gone is named.
    let bob = vault.mailbox_id("t", &profile("bob").id);
    let pack = memory
        .names()
        .into_iter()
        .find(|name| name.starts_with(&names::pack_prefix(&bob)));
    clock.advance(std::time::Duration::from_secs(86_400 * 365));
    let key = Key::new(pack.unwrap()).unwrap();
    memory.delete(&key, Condition::None).await.unwrap();
    let extension = vault.extend_locks().await.unwrap().unwrap();
    assert_eq!(extension.missing, [key.to_string()]);
    let findings = vault.check_locks().await.unwrap().findings;
    assert_eq!(findings.len(), 1);
    assert_eq!(findings.first().unwrap().mailbox, Some(bob));
}

/// Extending can be cut off anywhere: the next run extends what is missing.
#[tokio::test]
async fn an_extension_can_die_anywhere() {
    let World { clock, memory, .. } = world().await;
    clock.advance(std::time::Duration::from_secs(86_400 * 31));
    let unlock = || Unlock::KeyFile(Zeroizing::new([1; 32]));
    let open = |store: Arc<dyn Store>| {
        let ctx = VaultContext {
            store,
            clock: clock.clone(),
            rng: Arc::new(SeededRng::new(9)),
        };
        async move { Vault::open(ctx, &unlock()).await.unwrap() }
    };
    let counting = Arc::new(FaultStore::new(Arc::new(memory.fork())));
    let vault = open(counting.clone()).await;
    vault.extend_locks().await.unwrap().unwrap();
    let calls = counting.changing_calls();
    assert!(calls > 8, "{calls}");
    for call in 1..=calls {
        for fault in [
            Fault::DieBefore,
            Fault::DieAfter,
            Fault::AnswerLost,
            Fault::RequestLost,
        ] {
            let fork = Arc::new(memory.fork());
            let store = Arc::new(FaultStore::new(fork.clone()).at(call, fault));
            let _ = open(store).await.extend_locks().await;
            let vault = open(fork).await;
            // Nothing has less than half, whatever was done; then everything is extended.
            assert_eq!(vault.check_locks().await.unwrap().findings, []);
            vault.extend_locks().await.unwrap();
            clock.advance(std::time::Duration::from_secs(86_400 * 20));
            let report = vault.check_locks().await.unwrap();
            assert_eq!(report.findings, [], "{fault:?} at call {call}");
            clock.jump_wall(TimeDelta::days(-20));
        }
    }
}

#[tokio::test]
async fn a_rotation_works_under_lock() {
    let World { ctx, .. } = world().await;
    let unlock = |seed| Unlock::KeyFile(Zeroizing::new([seed; 32]));
    let cost = PassphraseCost::default();
    let mut keychain = Keychain::open(ctx.clone(), &unlock(1)).await.unwrap();
    let rotation = keychain.rotate(&[file(2)], cost).await.unwrap();
    assert_eq!((rotation.epoch, rotation.undeleted.len()), (2, 2));
    // Old records that the lock holds open nothing, and do not stand in the way of another rotation.
    assert!(Vault::open(ctx.clone(), &unlock(1)).await.is_err());
    assert_eq!(keychain.rotate(&[file(3)], cost).await.unwrap().epoch, 3);
    let vault = Vault::open(ctx, &unlock(3)).await.unwrap();
    assert!(vault.check_locks().await.unwrap().findings.is_empty());
}

#[tokio::test]
async fn a_lock_that_the_store_cannot_keep_is_refused() {
    let ctx = crate::testing::context();
    let create = |ctx, days| async move { Vault::create(ctx, &[file(1)], options(days)).await };
    let error = create(ctx.clone(), DAYS).await.unwrap_err();
    assert!(matches!(error, VaultError::Invalid { .. }));
    assert!(error.to_string().contains("no Object Lock"), "{error}");
    assert!(names::list(&*ctx.store, "").await.unwrap().is_empty());
    let clock = Arc::new(TestClock::new(DateTime::UNIX_EPOCH));
    for days in [0, MAX_LOCK_DAYS + 1] {
        let ctx = VaultContext {
            store: Arc::new(MemoryStore::new(clock.clone()).with_object_lock()),
            clock: clock.clone(),
            ..ctx.clone()
        };
        assert!(matches!(
            create(ctx, days).await,
            Err(VaultError::Invalid { .. })
        ));
    }
    let (vault, _) = Vault::create(ctx, &[file(1)], CreateOptions::default())
        .await
        .unwrap();
    assert_eq!(vault.extend_locks().await.unwrap(), None);
    assert!(vault.check_locks().await.is_err());
}
