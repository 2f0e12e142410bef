//! Every call of a retention run that changes the store fails once, in every way.

use std::sync::Arc;

use mailkeep_ports::{
    Conditions, Fault, FaultRates, FaultStore, MemoryStore, PutOptions, SeededRng, Store,
};

use crate::index::tests::conditions::{careful, look};
use crate::mailbox::Mailbox;
use crate::names;
use crate::retain::run_tests::world::{GRACE, World, policy, retain, settings};

/// A mailbox in which one run does everything: it lets go of versions, condemns, copies, finds an orphan,
/// raises the floor, and deletes what an earlier run had marked.
async fn prepared() -> World {
    let rng = SeededRng::new(11);
    let mut world = World::new();
    let policy = policy(2, None);
    for round in 0..8 {
        world.pass(20);
        world.back_up(&rng, round).await;
    }
    world.retain(policy).await;
    for round in 8..15 {
        world.pass(20);
        world.back_up(&rng, round).await;
    }
    world.retain(policy).await;
    world.pass(24 * u64::from(GRACE));
    for round in 15..22 {
        world.pass(10);
        world.back_up(&rng, round).await;
    }
    let orphan = crate::ids::Ulid(7);
    let key = names::pack(world.mailbox.id(), orphan).unwrap();
    let body = bytes::Bytes::from_static(b"left behind");
    world
        .memory
        .put(&key, body, PutOptions::default())
        .await
        .unwrap();
    world.pass(24 * u64::from(GRACE) + 30);
    world
}

#[tokio::test]
async fn a_run_can_die_at_every_change_of_the_store() {
    dies_everywhere(&|world, store, seed| world.over(store, seed)).await;
}

/// Two commits and the floor that it raises are conditional, and looked at before and after.
#[tokio::test]
async fn a_run_can_die_at_every_change_of_a_store_that_refuses_conditions() {
    dies_everywhere(&|world, store, seed| {
        store.set_conditions(Conditions::Refused);
        careful(world.over(look(store), seed))
    })
    .await;
}

async fn dies_everywhere(open: &dyn Fn(&World, Arc<FaultStore>, u64) -> Mailbox) {
    let world = prepared().await;
    let policy = policy(2, None);
    let settings = settings(policy, world.now());
    let counting = Arc::new(FaultStore::new(Arc::new(world.memory.fork())));
    let clean = retain(&open(&world, counting.clone(), 5), &settings)
        .await
        .unwrap();
    assert!(clean.dropped_versions > 4, "several commits: {clean:?}");
    assert!(clean.emptied_commits + clean.repacked_packs > 1 && clean.new_packs > 0);
    assert!(
        clean.orphans == 1 && clean.deleted_packs > 1 && clean.deleted_commits > 1,
        "{clean:?}"
    );
    let calls = counting.changing_calls();
    assert!(calls > 20, "{calls}");
    for call in 1..=calls {
        for fault in [
            Fault::DieBefore,
            Fault::DieAfter,
            Fault::AnswerLost,
            Fault::RequestLost,
        ] {
            let what = format!("{fault:?} at call {call}");
            let memory = Arc::new(world.memory.fork());
            let store = Arc::new(FaultStore::new(memory.clone()).at(call, fault));
            let _ = retain(&open(&world, store.clone(), 5), &settings).await;
            assert!(store.faults() > 0, "{what}");
            // As it is right after that, and after the run that heals it.
            if store.is_dead() {
                world.check(memory.clone(), &policy, &what).await;
            }
            let healed = retain(&world.over(memory.clone(), 6), &settings).await;
            let healed = healed.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(!healed.is_postponed && healed.unreadable.is_empty());
            world.check(memory.clone(), &policy, &what).await;
            check_leftovers(&world, &memory, &what).await;
        }
    }
}

/// Nothing is left for ever: after a grace period and another run each pack is named by the index.
async fn check_leftovers(world: &World, memory: &Arc<MemoryStore>, what: &str) {
    let view = world.over(memory.clone(), 8).view().await.unwrap();
    let mut unreferenced = vec![];
    view.check_objects(|finding| {
        assert!(!finding.is_harmful(), "{what}: {finding:?}");
        unreferenced.push(finding.object);
    })
    .await
    .unwrap();
    // Condemned ones wait for their grace period; what a dead run had uploaded becomes an orphan.
    let orphan = names::pack(world.mailbox.id(), crate::ids::Ulid(7)).unwrap();
    assert!(!unreferenced.contains(&orphan.to_string()), "{what}");
}

#[tokio::test]
async fn what_a_dead_run_left_is_deleted_in_the_end() {
    let world = prepared().await;
    let policy = policy(2, None);
    let first = settings(policy, world.now());
    // Dies with copies uploaded and not named.
    let store = FaultStore::new(world.memory.clone()).at(4, Fault::DieBefore);
    let _ = retain(&world.over(Arc::new(store), 5), &first).await;
    let now = |world: &World| settings(policy, world.now());
    retain(&world.mailbox, &now(&world)).await.unwrap();
    for _ in 0..2 {
        world.pass(24 * u64::from(GRACE) + 1);
        retain(&world.mailbox, &now(&world)).await.unwrap();
    }
    let view = world.mailbox.view().await.unwrap();
    let mut left = vec![];
    view.check_objects(|finding| left.push(finding))
        .await
        .unwrap();
    assert_eq!(left, []);
}

/// Seeds decide what fails; runs are repeated until they come through.
#[tokio::test]
async fn a_bad_store_delays_and_damages_nothing() {
    let world = prepared().await;
    let policy = policy(2, None);
    let settings = settings(policy, world.now());
    for seed in 0..12 {
        let memory = Arc::new(world.memory.fork());
        let rates = FaultRates {
            busy: 10,
            conflict: 10,
            answer_lost: 20,
            request_lost: 10,
            truncated: 1,
            denied: 0,
        };
        let store = Arc::new(FaultStore::new(memory.clone()).by_chance(seed, rates));
        let mailbox = world.over(store, seed);
        crate::index::tests::world::persist(|| retain(&mailbox, &settings)).await;
        world
            .check(memory.clone(), &policy, &format!("seed {seed}"))
            .await;
        check_leftovers(&world, &memory, &format!("seed {seed}")).await;
    }
}
