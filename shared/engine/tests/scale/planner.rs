//! Steps of the planner.

use std::sync::Arc;

use mailkeep_engine::estimate::costs;
use mailkeep_engine::news::Desk;
use mailkeep_model::news::NotificationSettings;
use mailkeep_ports::{Clock, MemoryNotify, UsageCounts, UsageTable};

use crate::rig::{Counted, PAGE, Rig, requests};
use crate::town::Town;

/// One look at so many mailboxes of which so many may be worked on at once.
async fn first_tick(mailboxes: usize, capacity: u32) -> (Rig, UsageCounts) {
    let rig = Rig::new(Town::new(mailboxes, 0, PAGE), capacity).await;
    rig.start().await;
    let mut counted = Counted::default();
    rig.tick(&mut counted).await;
    (rig, counted.planned)
}

#[tokio::test]
async fn listing_costs_the_same_for_each_thousand_mailboxes() {
    let mut before = first_tick(1_000, 0).await.1;
    for thousands in 2..=4 {
        let (rig, counted) = first_tick(thousands * 1_000, 0).await;
        assert_eq!(rig.run().await.waiting, thousands as u64 * 1_000);
        assert_eq!(counted.since(before), costs::LISTED_THOUSAND);
        before = counted;
    }
}

#[tokio::test]
async fn handing_out_and_looking_after_it_cost_the_same_for_each_mailbox() {
    let mut before = None;
    for capacity in [10, 20, 30] {
        let (rig, handed_out) = first_tick(100, capacity).await;
        let mut counted = Counted::default();
        rig.tick(&mut counted).await;
        let looked = costs::TICK_OF_ONE_IN_FLIGHT.times(capacity.into());
        assert_eq!(counted.planned, costs::TICK.plus(looked));
        if let Some(before) = before {
            assert_eq!(handed_out.since(before), costs::HANDED_OUT_TEN);
        }
        before = Some(handed_out);
    }
}

#[tokio::test]
async fn what_is_done_again_and_again_is_cheap() {
    let rig = Rig::new(Town::new(0, 0, PAGE), 10).await;
    assert_eq!(requests(rig.opened), costs::VAULT_OPENED);
    let mut idle = Counted::default();
    rig.tick(&mut idle).await;
    assert_eq!(idle.planned, costs::IDLE_TICK);
    let run = rig.pass().await;
    assert_eq!((run.planned, run.ticks), (costs::RUN, 1));

    let table = Arc::new(UsageTable::new(rig.table.clone(), rig.usage.clone()));
    let clock: Arc<dyn Clock> = rig.clock.clone();
    let desk = Desk::new(table, clock, &**rig.ledger.rng());
    let settings = NotificationSettings::new();
    // What happened is sorted; then there is nothing more to do.
    for _ in 0..2 {
        rig.usage.take();
        desk.work(&settings, &MemoryNotify::new()).await.unwrap();
    }
    assert_eq!(rig.usage.take(), costs::IDLE_NEWS);
}
