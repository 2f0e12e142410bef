//! A repair puts the floor on checkpoints that are there, whatever became of those that it named.

use std::sync::Arc;

use mailkeep_model::RunId;
use mailkeep_ports::{Damage, MemoryStore, SeededRng, Store, damage};

use crate::index::floor::{self, Floor};
use crate::index::tests::world::small;
use crate::mailbox::Mailbox;
use crate::names;
use crate::repair::{RepairAction, RepairMode, RepairReport};
use crate::retain::run_tests::world::{World, policy};

/// A mailbox whose log is closed up to some commit, with a checkpoint behind the next floor.
async fn closed() -> World {
    let mut world = World::new();
    let rng = SeededRng::new(11);
    for day in 0..40 {
        world.pass(24);
        world.back_up(&rng, day).await;
        if day % 6 == 5 {
            world.retain(policy(12, None)).await;
        }
    }
    world
}

async fn floor_of(mailbox: &Mailbox) -> Floor {
    floor::read(&mailbox.core).await.unwrap().unwrap().0
}

async fn repair(mailbox: &Mailbox, mode: RepairMode) -> RepairReport {
    let run = RunId("01REPAIR".into());
    mailbox.repair_with(&run, mode, small()).await.unwrap()
}

fn moves(report: &RepairReport) -> usize {
    let is_move = |action: &&RepairAction| matches!(action, RepairAction::MovedFloor { .. });
    report.actions.iter().filter(is_move).count()
}

async fn check(world: &mut World, store: Arc<MemoryStore>, names: &[String], kind: &Damage) {
    let context = format!("{kind:?} of {names:?}");
    let before = floor_of(&world.mailbox).await;
    for name in names {
        let key = names::key(name.clone()).unwrap();
        damage(&*store, &key, kind).await.unwrap();
    }
    let mailbox = world.over(store.clone(), 77);
    let planned = repair(&mailbox, RepairMode::DryRun).await;
    assert_eq!(moves(&planned), 1, "{context}: {planned:?}");
    let report = repair(&mailbox, RepairMode::Apply).await;
    assert_eq!(planned.actions.len(), report.actions.len(), "{context}");
    assert_eq!(moves(&report), 1, "{context}: {report:?}");
    assert!(report.has_lost_nothing(), "{context}: {report:?}");
    let now = floor_of(&mailbox).await;
    // What was closed stays closed, and two checkpoints stand in for it.
    assert!(now.sequence >= before.sequence, "{context}: {now:?}");
    assert!(now.next > now.sequence, "{context}: {now:?}");
    for sequence in [now.sequence, now.next] {
        let key = names::checkpoint(mailbox.id(), sequence).unwrap();
        assert!(store.head(&key).await.is_ok(), "{context}: {key}");
    }
    let memory = std::mem::replace(&mut world.memory, store.clone());
    let of_world = std::mem::replace(&mut world.mailbox, mailbox.clone());
    world.check_all(&policy(12, None), &context).await;
    assert!(repair(&mailbox, RepairMode::Apply).await.is_sound());
    world.memory = memory;
    world.mailbox = of_world;
}

#[tokio::test]
async fn a_lost_checkpoint_of_the_floor_is_replaced() {
    let mut world = closed().await;
    let floor = floor_of(&world.mailbox).await;
    assert!(
        0 < floor.sequence && floor.sequence < floor.next,
        "{floor:?}"
    );
    let of = |sequence: u64| world.names(&format!("/ckpt/{sequence:020}"));
    let (older, newer) = (of(floor.sequence), of(floor.next));
    assert!(!older.is_empty() && !newer.is_empty());
    // A whole checkpoint behind both, so that both may go.
    let both = [older.clone(), newer.clone()].concat();
    for kind in [Damage::Delete, Damage::Empty, Damage::FlipBit(200)] {
        for names in [&older, &newer] {
            let store = Arc::new(world.memory.fork());
            check(&mut world, store, names, &kind).await;
        }
    }
    let store = Arc::new(world.memory.fork());
    let own = names::floor(world.mailbox.id()).unwrap().to_string();
    check(&mut world, store, &[own], &Damage::FlipBit(90)).await;

    // Without any of them nothing says what the closed log said; the repair says so.
    let store = Arc::new(world.memory.fork());
    for name in world.names("/ckpt/") {
        let key = names::key(name).unwrap();
        damage(&*store, &key, &Damage::Delete).await.unwrap();
    }
    let names = store.names();
    let mailbox = world.over(store.clone(), 78);
    let run = RunId("01REPAIR".into());
    let failed = mailbox.repair_with(&run, RepairMode::Apply, small()).await;
    let failed = failed.unwrap_err().to_string();
    assert!(failed.contains("is closed"), "{failed}");
    assert_eq!(store.names(), names);

    // Of both gone, a newer checkpoint that needs neither brings all of it back.
    let sequence = world.mailbox.view().await.unwrap().sequence();
    let opened = crate::index::open::open(
        &world.mailbox.core,
        crate::index::open::Purpose::Write,
        &[],
        u64::MAX,
    );
    let opened = opened.await.unwrap();
    if world.names(&format!("/ckpt/{sequence:020}")).is_empty() {
        crate::index::checkpoint::write_whole(&world.mailbox.core, &opened.blocks, &opened.index)
            .await
            .unwrap();
        let store = Arc::new(world.memory.fork());
        check(&mut world, store, &both, &Damage::Delete).await;
    } else {
        panic!("choose another number of days: the newest commit has a checkpoint already");
    }
}

#[tokio::test]
async fn retention_goes_on_after_the_floor_was_moved() {
    let mut world = closed().await;
    let floor = floor_of(&world.mailbox).await;
    for name in world.names(&format!("/ckpt/{:020}", floor.next)) {
        let key = names::key(name).unwrap();
        damage(&*world.memory, &key, &Damage::Delete).await.unwrap();
    }
    assert_eq!(moves(&repair(&world.mailbox, RepairMode::Apply).await), 1);
    world.note_own_commits().await;
    let rng = SeededRng::new(12);
    for day in 40..80 {
        world.pass(24);
        world.back_up(&rng, day).await;
        if day % 6 == 5 {
            world.retain(policy(12, None)).await;
            world.check_all(&policy(12, None), "later").await;
        }
    }
    let later = floor_of(&world.mailbox).await;
    assert!(later.sequence > floor.next, "{later:?}");
    assert!(world.names("/log/").len() < 60);
}
