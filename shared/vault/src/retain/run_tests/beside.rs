//! Retention beside backups that run, sleep and wake, and beside itself.

use std::sync::Arc;

use mailkeep_model::ItemId;
use mailkeep_ports::{GetOptions, MemoryStore, PutOptions, SeededRng, Store, TestClock};

use crate::error::VaultError;
use crate::index::tests::world::{contents, folder, item, persist, put};
use crate::retain::run_tests::world::{
    GRACE, World, end_run, message, policy, retain, settings, writer,
};

/// Commits items, each with an attachment of its own.
async fn fill(world: &mut World, ids: &[(&str, u64)], minute: i64) {
    let writer = writer(&world.mailbox).await.unwrap();
    writer.put_folder(folder("inbox", None));
    let mut model = (*world.truth.newest()).clone();
    for (id, attachment) in ids {
        let (item, message) = (item(id, "inbox", minute), message(id, *attachment));
        put(&writer, item.clone(), &message).await.unwrap();
        model.insert((*id).into(), (item, message));
    }
    let sequence = end_run(&writer, true).await.unwrap();
    world.note(sequence, true, model);
}

async fn remove(world: &mut World, ids: &[&str]) {
    let writer = writer(&world.mailbox).await.unwrap();
    let mut model = (*world.truth.newest()).clone();
    for id in ids {
        writer.remove_item(&ItemId((*id).into()));
        model.remove(*id);
    }
    let sequence = end_run(&writer, true).await.unwrap();
    world.note(sequence, true, model);
}

/// Eight items in a pack of their own, of which one stays.
pub(super) async fn mostly_dead() -> World {
    let mut world = World::new();
    let ids = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let items: Vec<(&str, u64)> = ids.into_iter().zip(100..).collect();
    fill(&mut world, &items, 1).await;
    world.pass(1);
    remove(&mut world, &ids[1..]).await;
    world.pass(40 * 24);
    world
}

/// What a grace period and another run later is there.
async fn after_grace(world: &World) {
    for _ in 0..2 {
        world.pass(24 * u64::from(GRACE) + 1);
        let settings = settings(policy(0, None), world.now());
        let mailbox = world.over(world.memory.clone(), 31);
        retain(&mailbox, &settings).await.unwrap();
    }
    world
        .check_all(&policy(0, None), "after the grace period")
        .await;
}

#[tokio::test]
async fn a_backup_that_counted_on_a_part_stores_it_again() {
    let mut world = mostly_dead().await;
    let backup = writer(&world.mailbox).await.unwrap();
    // The attachment of `b`, which is removed, and which the index still knows.
    let (new, text) = (item("new", "inbox", 5), message("new", 101));
    let staged = backup.staged_bytes();
    put(&backup, new.clone(), &text).await.unwrap();
    assert!(
        backup.staged_bytes() - staged < 10_000,
        "nothing is stored twice"
    );
    let report = world.retain(policy(0, None)).await;
    assert_eq!((report.dropped_versions, report.repacked_packs), (7, 1));
    let sequence = end_run(&backup, true).await.unwrap();
    let mut model = (*world.truth.newest()).clone();
    model.insert("new".into(), (new, text));
    world.note(sequence, true, model);
    after_grace(&world).await;
}

#[tokio::test]
async fn a_backup_that_slept_beyond_the_grace_period_is_told_so() {
    let world = mostly_dead().await;
    let backup = writer(&world.mailbox).await.unwrap();
    put(&backup, item("new", "inbox", 5), &message("new", 101))
        .await
        .unwrap();
    let mut world = world;
    world.retain(policy(0, None)).await;
    world.pass(24 * u64::from(GRACE) + 1);
    let report = world.retain(policy(0, None)).await;
    assert_eq!(report.deleted_packs, 1);
    for _ in 0..2 {
        let error = end_run(&backup, true).await.unwrap_err();
        assert!(matches!(error, VaultError::Stale { .. }), "{error}");
    }
    fill(&mut world, &[("new", 101)], 6).await;
    after_grace(&world).await;
}

#[tokio::test]
async fn a_backup_follows_content_that_moved() {
    let mut world = mostly_dead().await;
    let backup = writer(&world.mailbox).await.unwrap();
    let (changed, text) = (item("a", "inbox", 9), message("a", 100));
    put(&backup, changed.clone(), &text).await.unwrap();
    let report = world.retain(policy(0, None)).await;
    assert_eq!(report.repacked_packs, 1);
    let sequence = end_run(&backup, true).await.unwrap();
    let mut model = (*world.truth.newest()).clone();
    model.insert("a".into(), (changed, text));
    world.note(sequence, true, model);
    after_grace(&world).await;
}

/// A process whose clock stood still with it.
fn sleeper(world: &World) -> (Arc<TestClock>, crate::mailbox::Mailbox) {
    let clock = Arc::new(TestClock::new(world.now()));
    let mailbox = super::world::mailbox(world.memory.clone(), clock.clone(), 77);
    (clock, mailbox)
}

#[tokio::test]
async fn an_orphan_that_was_deleted_is_never_named_again() {
    let mut world = World::new();
    fill(&mut world, &[("a", 1)], 1).await;
    let (_clock, sleeping) = sleeper(&world);
    let backup = writer(&sleeping).await.unwrap();
    for n in 0..12_u64 {
        let id = format!("s{n}");
        put(&backup, item(&id, "inbox", 2), &message(&id, 200 + n))
            .await
            .unwrap();
    }
    assert_eq!(world.names("/pack/").len(), 1, "uploaded, not named");
    world.pass(24 * u64::from(GRACE) - 1);
    assert_eq!(world.retain(policy(0, None)).await.orphans, 0);
    world.pass(2);
    let report = world.retain(policy(0, None)).await;
    assert_eq!((report.orphans, report.deleted_packs), (1, 1));
    let error = end_run(&backup, true).await.unwrap_err();
    assert!(matches!(error, VaultError::Stale { .. }), "{error}");
    after_grace(&world).await;
}

#[tokio::test]
async fn an_old_upload_is_not_named_either() {
    let mut world = World::new();
    fill(&mut world, &[("a", 1)], 1).await;
    let backup = writer(&world.mailbox).await.unwrap();
    for n in 0..12_u64 {
        let id = format!("s{n}");
        put(&backup, item(&id, "inbox", 2), &message(&id, 200 + n))
            .await
            .unwrap();
    }
    world.pass(25);
    let error = end_run(&backup, true).await.unwrap_err();
    assert!(matches!(error, VaultError::Stale { .. }), "{error}");
}

#[tokio::test]
async fn a_commit_onto_a_deleted_number_counts_for_nothing() {
    let mut world = World::new();
    fill(&mut world, &[("a", 1)], 1).await;
    let (_clock, sleeping) = sleeper(&world);
    let backup = writer(&sleeping).await.unwrap();
    put(&backup, item("lost", "inbox", 2), &message("lost", 2))
        .await
        .unwrap();
    for round in 0..30 {
        world.pass(24);
        fill(&mut world, &[("a", 1)], 10 + round).await;
        if round % 4 == 0 {
            world.retain(policy(0, None)).await;
        }
    }
    let taken = crate::names::log(world.mailbox.id(), 2).unwrap();
    assert!(
        !world.memory.names().contains(&taken.to_string()),
        "its number is free"
    );
    let before = world.truth.newest();
    for _ in 0..2 {
        let error = end_run(&backup, true).await.unwrap_err();
        assert!(matches!(error, VaultError::Stale { .. }), "{error}");
        let view = world.over(world.memory.clone(), 3).view().await.unwrap();
        assert!(contents(&view).await == *before);
    }
    assert!(
        world.memory.names().contains(&taken.to_string()),
        "its write came through"
    );
    world.retain(policy(0, None)).await;
    assert!(!world.memory.names().contains(&taken.to_string()));
    after_grace(&world).await;
}

/// A damaged floor stops nobody, and the next run makes it anew.
#[tokio::test]
async fn a_damaged_floor_is_made_anew() {
    let mut world = World::new();
    for round in 0..30 {
        world.pass(24);
        fill(&mut world, &[("a", 1)], 10 + round).await;
        if round % 4 == 0 {
            world.retain(policy(0, None)).await;
        }
    }
    let key = crate::names::floor(world.mailbox.id()).unwrap();
    let body = world.memory.get(&key, GetOptions::default()).await.unwrap();
    let mut bytes = body.body.to_vec();
    bytes[90] ^= 1;
    world
        .memory
        .put(&key, bytes.into(), PutOptions::default())
        .await
        .unwrap();
    let core = &world.mailbox.core;
    assert!(crate::index::floor::read(core).await.is_err());
    fill(&mut world, &[("b", 2)], 99).await;
    let before = world.truth.newest();
    world.retain(policy(0, None)).await;
    let core = &world.mailbox.core;
    let (floor, _) = crate::index::floor::read(core).await.unwrap().unwrap();
    assert!(floor.next > floor.sequence && floor.sequence > 0);
    let view = world.mailbox.view().await.unwrap();
    assert!(contents(&view).await == *before);
    after_grace(&world).await;
}

/// Waits a random number of turns before each call.
struct Jitter {
    inner: Arc<MemoryStore>,
    rng: SeededRng,
}

impl Jitter {
    async fn turns(&self) {
        for _ in 0..super::world::draw(&self.rng, 4) {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait::async_trait]
impl mailkeep_ports::Store for Jitter {
    async fn put(
        &self,
        key: &mailkeep_ports::Key,
        body: bytes::Bytes,
        options: mailkeep_ports::PutOptions,
    ) -> Result<mailkeep_ports::ETag, mailkeep_ports::StoreError> {
        self.turns().await;
        self.inner.put(key, body, options).await
    }

    async fn get(
        &self,
        key: &mailkeep_ports::Key,
        options: mailkeep_ports::GetOptions,
    ) -> Result<mailkeep_ports::Object, mailkeep_ports::StoreError> {
        self.turns().await;
        self.inner.get(key, options).await
    }

    async fn head(
        &self,
        key: &mailkeep_ports::Key,
    ) -> Result<mailkeep_ports::ObjectInfo, mailkeep_ports::StoreError> {
        self.turns().await;
        self.inner.head(key).await
    }

    async fn list(
        &self,
        options: mailkeep_ports::ListOptions,
    ) -> Result<mailkeep_ports::ListPage, mailkeep_ports::StoreError> {
        self.turns().await;
        self.inner.list(options).await
    }

    async fn delete(
        &self,
        key: &mailkeep_ports::Key,
        condition: mailkeep_ports::Condition,
    ) -> Result<(), mailkeep_ports::StoreError> {
        self.turns().await;
        self.inner.delete(key, condition).await
    }

    async fn extend_retention(
        &self,
        key: &mailkeep_ports::Key,
        retention: mailkeep_ports::Retention,
    ) -> Result<(), mailkeep_ports::StoreError> {
        self.inner.extend_retention(key, retention).await
    }
}

#[tokio::test]
async fn two_runs_and_a_backup_at_once_agree() {
    let rng = SeededRng::new(5);
    let mut world = World::new();
    for round in 0..16 {
        world.pass(20);
        world.back_up(&rng, round).await;
    }
    let policy = policy(2, None);
    world.pass(24 * 5);
    let settings = settings(policy, world.now());
    for seed in 0..10 {
        let memory = Arc::new(world.memory.fork());
        let jitter = |seed| {
            let inner = memory.clone();
            let rng = SeededRng::new(seed);
            Arc::new(Jitter { inner, rng })
        };
        let one = world.over(jitter(seed), 100 + seed);
        let two = world.over(jitter(seed + 1000), 200 + seed);
        let three = world.over(jitter(seed + 2000), 300 + seed);
        let backup = async {
            let writer = writer(&three).await.unwrap();
            for n in 0..5_u64 {
                let id = format!("new{n}");
                // Attachments that removed items had, too.
                put(&writer, item(&id, "inbox", 1), &message(&id, n * 3))
                    .await
                    .unwrap();
                end_run(&writer, true).await.unwrap();
            }
        };
        let run = |mailbox| {
            let settings = &settings;
            async move { persist(|| retain(mailbox, settings)).await }
        };
        futures::join!(run(&one), run(&two), backup);
        let what = format!("seed {seed}");
        world.check(memory.clone(), &policy, &what).await;
        let view = world.over(memory.clone(), 5).view().await.unwrap();
        let mut expected = (*world.truth.newest()).clone();
        for n in 0..5_u64 {
            let id = format!("new{n}");
            expected.insert(id.clone(), (item(&id, "inbox", 1), message(&id, n * 3)));
        }
        assert!(contents(&view).await == expected, "{what}");
        let mut harmful = vec![];
        view.check_objects(|finding| {
            if finding.is_harmful() {
                harmful.push(finding);
            }
        })
        .await
        .unwrap();
        assert!(harmful.is_empty(), "{what}: {harmful:?}");
    }
}
