//! Retention never reduces what a promised point in time restores.

use std::collections::BTreeSet;
use std::sync::Arc;

use mailkeep_ports::{Condition, Key, RecordStore, SeededRng, Store, Verb};

use crate::index::tests::world::{contents, folder, item, put};
use crate::pack_table::PackId;
use crate::retain::run_tests::world::{
    GRACE, World, draw, end_run, message, policy, retain, settings, writer,
};

#[tokio::test]
async fn a_promised_point_in_time_restores_the_same_before_and_after() {
    let (mut dropped, mut packs, mut emptied, mut deleted, mut commits) = (0, 0, 0, 0, 0);
    let mut thinned = 0;
    for seed in 0..5 {
        let rng = SeededRng::new(seed);
        let mut world = World::new();
        let keep = u32::try_from(draw(&rng, 6)).unwrap();
        let daily = (seed % 2 == 0).then_some(20);
        let policy = policy(keep, daily);
        for round in 0..36 {
            world.pass(draw(&rng, 40));
            world.back_up(&rng, round).await;
            if draw(&rng, 5) == 0 {
                let report = world.retain(policy).await;
                let what = format!("seed {seed}, round {round}");
                world.check(world.memory.clone(), &policy, &what).await;
                dropped += report.dropped_versions;
                packs += report.condemned_packs + report.repacked_packs;
                emptied += report.emptied_commits;
                deleted += report.deleted_packs;
                commits += report.deleted_commits;
                assert!(!report.is_postponed && report.unreadable.is_empty());
            }
        }
        // Long enough for everything that was marked.
        for _ in 0..3 {
            world.pass(24 * u64::from(GRACE) + 1);
            let report = world.retain(policy).await;
            deleted += report.deleted_packs;
            commits += report.deleted_commits;
        }
        thinned += world.check_all(&policy, &format!("seed {seed}")).await;
        let again = world.retain(policy).await;
        assert_eq!((again.dropped_versions, again.condemned_packs), (0, 0));
        assert!(!world.names("/floor").is_empty());
    }
    assert!(
        dropped > 50 && packs > 2 && emptied > 50,
        "{dropped} {packs} {emptied}"
    );
    assert!(deleted > 3, "{deleted}");
    assert!(commits > 100 && thinned > 20, "{commits} {thinned}");
}

/// With nothing closed the log is whole, and must say the same as any checkpoint, tombstones included.
#[tokio::test]
async fn folding_commutes_with_checkpointing_tombstones_included() {
    for seed in 0..4 {
        let rng = SeededRng::new(seed + 50);
        let mut world = World::new();
        let policy = policy(1, None);
        for round in 0..14 {
            world.pass(30);
            world.back_up(&rng, round).await;
            if round % 4 == 3 {
                let settings = settings(policy, world.now());
                let refresh = || async { Ok(settings.clone()) };
                let limits = crate::retain::report::RetainLimits {
                    floor_commits: u64::MAX,
                    ..crate::retain::run_tests::world::limits()
                };
                let mailbox = &world.mailbox;
                mailbox
                    .retain_with(GRACE, &settings, refresh, &limits)
                    .await
                    .unwrap();
                world.note_own_commits().await;
            }
        }
        let everything = async || {
            let view = world.mailbox.view().await.unwrap();
            let mut shown = vec![];
            for sequence in 1..=view.sequence() {
                let found = match world.mailbox.view_at(sequence).await {
                    Ok(view) => Some((contents(&view).await, format!("{:?}", view.counts()))),
                    Err(_) => None,
                };
                shown.push(found);
            }
            let packs = view.packs(None, 10_000).await.unwrap();
            (shown, packs, format!("{:?}", view.counts()))
        };
        let with = everything().await;
        let roots = world.names("/ckpt/");
        assert!(roots.len() > 3);
        for name in roots.iter().rev() {
            let key = Key::new(name.clone()).unwrap();
            world.memory.delete(&key, Condition::None).await.unwrap();
            assert!(everything().await == with, "seed {seed} without {name}");
        }
    }
}

#[tokio::test]
async fn a_run_with_nothing_to_do_asks_little() {
    let rng = SeededRng::new(3);
    let mut world = World::new();
    for round in 0..2 {
        world.pass(10);
        world.back_up(&rng, round).await;
    }
    let store = Arc::new(RecordStore::new(world.memory.clone()));
    let mailbox = world.over(store.clone(), 7);
    for keep in [10, 400] {
        store.take();
        let report = retain(&mailbox, &settings(policy(keep, None), world.now()))
            .await
            .unwrap();
        assert_eq!(report.dropped_versions, 0);
        // The index (the newest commit carries the other one), the packs, and whether there is a floor; nothing
        // is written.
        assert_eq!(store.count(Verb::List).calls, 2);
        assert_eq!(store.count(Verb::Get).calls, 1 + 1);
        assert_eq!(store.total_calls(), 4);
    }
}

/// What commits held themselves says whose it is once it is a pack, too.
#[tokio::test]
async fn packs_made_of_commits_say_whose_their_items_are() {
    let mut world = World::new();
    for day in 0..30_u32 {
        world.pass(24);
        let backup = writer(&world.mailbox).await.unwrap();
        backup.put_folder(folder("inbox", None));
        let id = format!("i{day}");
        let item = item(&id, "inbox", day.into());
        put(&backup, item, &message(&id, day.into())).await.unwrap();
        end_run(&backup, true).await.unwrap();
        if day % 6 == 5 {
            world.retain(policy(400, None)).await;
        }
    }
    let view = world.mailbox.view().await.unwrap();
    let packs = view.packs(None, 1_000).await.unwrap();
    let own: Vec<_> = packs
        .iter()
        .filter(|pack| matches!(pack.id, PackId::Pack(_)))
        .collect();
    let numbers = own.iter().map(|pack| pack.number).collect();
    let page = view.items_in_packs(&numbers, None, 1_000).await.unwrap();
    let there: BTreeSet<_> = page.items.iter().map(|version| version.key).collect();
    assert!(there.len() > 10, "{}", there.len());
    let mut told = BTreeSet::new();
    for pack in own {
        let items = view.items_told_by(pack).await.unwrap();
        told.extend(items.into_iter().map(|(key, _)| key));
    }
    assert_eq!(told, there);
}
