//! What holds, locks and clocks keep.

use std::sync::Arc;

use chrono::TimeDelta;
use mailkeep_ports::{Clock, LockMode, MemoryStore, SeededRng, TestClock};

use crate::context::VaultContext;
use crate::error::VaultError;
use crate::index::ItemFilter;
use crate::index::tests::world::{folder, item, put};
use crate::lock::{LockPolicy, LockingStore};
use crate::mailbox::Mailbox;
use crate::retain::Hold;
use crate::retain::run_tests::beside::mostly_dead;
use crate::retain::run_tests::world::{
    GRACE, World, end_run, limits, message, policy, retain, settings, start, writer,
};

fn hold(search: Option<ItemFilter>) -> Hold {
    Hold {
        name: "case 7".into(),
        reason: "a case".into(),
        placed_at: start(),
        mailbox: None,
        search,
    }
}

async fn history() -> World {
    let rng = SeededRng::new(21);
    let mut world = World::new();
    for round in 0..12 {
        world.pass(20);
        world.back_up(&rng, round).await;
    }
    world.pass(24 * 20);
    world
}

#[tokio::test]
async fn a_hold_on_everything_leaves_the_mailbox_alone() {
    let world = history().await;
    let names = world.memory.names();
    let mut settings = settings(policy(0, None), world.now());
    settings.holds = vec![hold(None)];
    let report = retain(&world.mailbox, &settings).await.unwrap();
    assert_eq!((report.dropped_versions, report.deleted_packs), (0, 0));
    assert!(report.plan.held_versions > 5);
    assert_eq!(world.memory.names(), names);
}

#[tokio::test]
async fn a_hold_that_comes_later_still_keeps_the_bytes() {
    let mut world = mostly_dead().await;
    let first = world.retain(policy(0, None)).await;
    assert_eq!((first.repacked_packs, first.deleted_packs), (1, 0));
    let packs = world.names("/pack/");
    world.pass(24 * u64::from(GRACE) + 1);
    let mut held = settings(policy(0, None), world.now());
    let search = ItemFilter {
        subject: Some("nothing has this subject".into()),
        ..ItemFilter::default()
    };
    held.holds = vec![hold(Some(search))];
    let report = retain(&world.mailbox, &held).await.unwrap();
    assert_eq!((report.deleted_packs, report.held_packs), (0, 1));
    assert!(packs.iter().all(|name| world.memory.names().contains(name)));
    let report = world.retain(policy(0, None)).await;
    assert_eq!(report.deleted_packs, 1);
}

/// Placed while the run is at work: the settings are read again before each step.
#[tokio::test]
async fn a_hold_that_comes_in_the_middle_counts() {
    let world = history().await;
    let settings = settings(policy(0, None), world.now());
    let refresh = || async {
        let mut held = settings.clone();
        held.holds = vec![hold(None)];
        Ok(held)
    };
    let mailbox = &world.mailbox;
    let report = mailbox
        .retain_with(GRACE, &settings, refresh, &limits())
        .await
        .unwrap();
    assert!(report.plan.dropped_versions > 0);
    assert_eq!((report.dropped_versions, report.condemned_packs), (0, 0));
}

#[tokio::test]
async fn locked_objects_wait_for_the_end_of_their_lock() {
    let clock = Arc::new(TestClock::new(start()));
    let memory = Arc::new(MemoryStore::new(clock.clone()).with_object_lock());
    let mut ctx = VaultContext {
        store: memory.clone(),
        clock: clock.clone(),
        rng: Arc::new(SeededRng::new(4)),
    };
    let lock = LockPolicy {
        mode: LockMode::Compliance,
        days: 60,
    };
    ctx.store = LockingStore::wrap(ctx.store.clone(), &ctx.clock, lock);
    let mailbox = Mailbox::new(crate::testing::mailbox(&ctx, 1));
    let backup = writer(&mailbox).await.unwrap();
    backup.put_folder(folder("inbox", None));
    for n in 0..12_u64 {
        let id = format!("s{n}");
        put(&backup, item(&id, "inbox", 2), &message(&id, 200 + n))
            .await
            .unwrap();
    }
    end_run(&backup, true).await.unwrap();
    for n in 0..12_u64 {
        backup.remove_item(&mailkeep_model::ItemId(format!("s{n}")));
    }
    end_run(&backup, true).await.unwrap();
    let day = |n: u64| std::time::Duration::from_secs(86_400 * n);
    let run = async || {
        let settings = settings(policy(0, None), Clock::now(&*clock));
        retain(&mailbox, &settings).await.unwrap()
    };
    clock.advance(day(2));
    assert_eq!(run().await.condemned_packs, 1);
    clock.advance(day(8));
    let locked = run().await;
    assert_eq!((locked.deleted_packs, locked.locked_objects), (0, 1));
    clock.advance(day(51));
    let free = run().await;
    assert_eq!((free.deleted_packs, free.locked_objects), (1, 0));
    assert!(!memory.names().iter().any(|name| name.contains("/pack/")));
}

#[tokio::test]
async fn a_clock_that_jumps_deletes_nothing() {
    let mut world = mostly_dead().await;
    assert_eq!(world.retain(policy(0, None)).await.repacked_packs, 1);
    let packs = world.names("/pack/");
    // The program's clock is a year ahead, the store's is not; a person was fooled, too.
    let fast = Arc::new(TestClock::new(world.now() + TimeDelta::days(365)));
    let fooled = super::world::mailbox(world.memory.clone(), fast.clone(), 3);
    let settings = settings(policy(0, None), Clock::now(&*fast));
    let report = retain(&fooled, &settings).await.unwrap();
    assert_eq!((report.deleted_packs, report.waiting_packs), (0, 1));
    assert!(packs.iter().all(|name| world.memory.names().contains(name)));
}

#[tokio::test]
async fn a_grace_period_that_is_too_short_is_refused() {
    let world = World::new();
    let settings = settings(policy(0, None), world.now());
    let refresh = || async { Ok(settings.clone()) };
    let error = world
        .mailbox
        .retain(1, &settings, refresh)
        .await
        .unwrap_err();
    assert!(matches!(error, VaultError::Invalid { .. }));
}
