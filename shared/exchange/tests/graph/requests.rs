//! What the connector costs in requests, and how it behaves towards limits.

use std::sync::Arc;
use std::time::Duration;

use exchange_sim::{Fault, FaultKind, RetryAfter};
use futures::StreamExt;
use mailkeep_exchange::graph::{GraphClient, GraphOptions, GraphSource, GraphTarget};
use mailkeep_exchange::{Source, SyncRequest, Target};
use mailkeep_model::FailureClass;
use mailkeep_ports::{Clock, SeededRng};

use crate::setup::{World, clock, collect, connection, small};

#[tokio::test]
async fn a_quiet_mailbox_of_sixty_folders_costs_four_requests() {
    let mut extra = 40;
    let world = loop {
        let world = World::from(small(10).folders_per_mailbox(extra)).await;
        let round = world
            .source
            .sync(&world.mailbox, Default::default())
            .await
            .unwrap();
        match round.tree.unwrap().folders.len() {
            60 => break world,
            fewer => extra = extra + 60 - fewer as u32,
        }
    };
    let mut known = world.first_run().await;
    assert_eq!(known.folders.len(), 60);
    world.sim.admin().reset_counters();
    for _ in 0..5 {
        let before = world.sim.admin().http_requests();
        let round = world
            .source
            .sync(&world.mailbox, known.request())
            .await
            .unwrap();
        assert_eq!(world.sim.admin().http_requests() - before, 4);
        let tree = round.tree.unwrap();
        assert!(tree.folders.is_empty() && tree.removed.is_empty());
        known.tree = tree.cursor.unwrap();
        for (_, page) in round.pages {
            let page = page.unwrap();
            assert!(page.is_last && page.changes.is_empty());
        }
    }
}

#[tokio::test]
async fn new_mail_costs_one_request_each_and_the_pages() {
    let world = World::start(5).await;
    let known = world.first_run().await;
    for _ in 0..300 {
        world.sim.admin().add_mail(world.id(), "inbox").unwrap();
    }
    world.sim.admin().reset_counters();
    let round = world
        .source
        .sync(&world.mailbox, known.request())
        .await
        .unwrap();
    let mut items = vec![];
    for (folder, page) in round.pages {
        let page = page.unwrap();
        items.extend(crate::setup::present(&page.changes));
        if !page.is_last {
            let (rest, _) = world.read(&folder, page.cursor).await.unwrap();
            items.extend(crate::setup::present(&rest));
        }
    }
    assert_eq!(items.len(), 300);
    for item in &items {
        let content = world
            .source
            .content(&world.mailbox, &item.item)
            .await
            .unwrap();
        collect(content).await.unwrap();
    }
    let requests = world.sim.admin().http_requests();
    assert!(requests <= 300 + 6, "{requests} requests for 300 new mails");
    assert_eq!(world.source.metrics(Some(&world.mailbox)).retries, 0);
}

#[tokio::test]
async fn never_more_than_four_calls_at_once() {
    let world = World::start(60).await;
    let known = world.first_run().await;
    let slow = FaultKind::Slow { millis: 20 };
    world
        .sim
        .admin()
        .inject(Fault::new(slow, 40).only("$value"));
    let reads = known.items.values().map(|item| async {
        let content = world
            .source
            .content(&world.mailbox, &item.item)
            .await
            .unwrap();
        collect(content).await.unwrap()
    });
    let sync = async {
        for _ in 0..3 {
            world
                .source
                .sync(&world.mailbox, known.request())
                .await
                .unwrap();
        }
    };
    let reads: Vec<_> = reads.collect();
    let all = futures::stream::iter(reads)
        .buffer_unordered(32)
        .collect::<Vec<_>>();
    futures::join!(all, sync);
    let highest = world.sim.admin().highest_concurrency(world.id()).unwrap();
    assert!(highest <= 4, "{highest} at once");
    assert!(highest >= 3, "the limit is not used: {highest}");
    assert_eq!(world.source.metrics(Some(&world.mailbox)).throttles, 0);
}

#[tokio::test]
async fn every_form_of_retry_after_is_obeyed() {
    for (form, at_least) in [
        (RetryAfter::Seconds(7), Duration::from_secs(7)),
        (
            RetryAfter::Fraction("2.128".into()),
            Duration::from_millis(2128),
        ),
        (RetryAfter::Date(30), Duration::from_secs(30)),
        (RetryAfter::Absent, Duration::from_secs(1)),
    ] {
        let world = World::start(5).await;
        let known = world.first_run().await;
        let before = world.clock.monotonic();
        let throttle = FaultKind::Throttle {
            retry_after: form.clone(),
        };
        world
            .sim
            .admin()
            .inject(Fault::new(throttle, 1).only("$value"));
        let item = &known.items.values().next().unwrap().item;
        let content = world.source.content(&world.mailbox, item).await.unwrap();
        collect(content).await.unwrap();
        let waited = world.clock.monotonic() - before;
        assert!(
            waited >= at_least && waited < at_least * 3,
            "{form:?}: {waited:?}"
        );
        let metrics = world.source.metrics(Some(&world.mailbox));
        assert_eq!((metrics.throttles, metrics.retries), (1, 1));
    }
}

#[tokio::test]
async fn members_of_a_batch_are_repeated_alone() {
    let world = World::start(5).await;
    let known = world.first_run().await;
    let throttle = FaultKind::Throttle {
        retry_after: RetryAfter::Seconds(3),
    };
    world
        .sim
        .admin()
        .inject(Fault::new(throttle, 3).only("messages/delta").after(4));
    let error = FaultKind::EmptyError { status: 503 };
    world
        .sim
        .admin()
        .inject(Fault::new(error, 2).only("mailFolders/delta"));
    let round = world
        .source
        .sync(&world.mailbox, known.request())
        .await
        .unwrap();
    round.tree.unwrap();
    for (_, page) in round.pages {
        page.unwrap();
    }
    assert_eq!(world.source.metrics(Some(&world.mailbox)).throttles, 3);
}

/// The batch is let in, then the token ends, and the members are refused.
#[tokio::test]
async fn a_token_that_ends_inside_a_batch_is_renewed() {
    let world = World::start(5).await;
    let refuse = |times| {
        let refusal = FaultKind::Error {
            status: 401,
            code: "InvalidAuthenticationToken".into(),
        };
        let fault = Fault::new(refusal, times).only("childFolders");
        world.sim.admin().inject(fault);
    };
    let signed_in = || world.sim.admin().counters()["POST /{tenant}/oauth2/v2.0/token 200"];
    let first = SyncRequest::default();
    world
        .source
        .sync(&world.mailbox, first.clone())
        .await
        .unwrap()
        .tree
        .unwrap();
    let before = signed_in();
    refuse(2);
    world
        .source
        .sync(&world.mailbox, first.clone())
        .await
        .unwrap()
        .tree
        .unwrap();
    assert!((1..=2).contains(&(signed_in() - before)));

    // One that is refused whatever the token is no matter of time.
    refuse(u32::MAX);
    let error = world.source.sync(&world.mailbox, first).await.unwrap_err();
    assert_eq!(error.class, FailureClass::AuthToken);
}

#[tokio::test]
async fn a_long_wait_is_handed_back() {
    let world = World::start(5).await;
    let clock = clock();
    let options = GraphOptions {
        longest_wait: Duration::from_secs(30),
        ..GraphOptions::default()
    };
    let rng = Arc::new(SeededRng::new(1));
    let client =
        GraphClient::with_options(&connection(&world.sim), clock.clone(), rng, options).unwrap();
    let source = GraphSource::with_client(client);
    source.mailboxes(None).await.unwrap();
    let throttle = FaultKind::Throttle {
        retry_after: RetryAfter::Seconds(600),
    };
    world
        .sim
        .admin()
        .inject(Fault::new(throttle, 1).only("messages/{id}"));
    let item = mailkeep_model::Item::new(
        mailkeep_model::ItemId(world.sim.admin().add_mail(world.id(), "inbox").unwrap()),
        world.folder("inbox"),
    );
    let Err(error) = source.content(&world.mailbox, &item).await else {
        panic!("throttled for ten minutes");
    };
    assert_eq!(error.class, FailureClass::Throttled);
    assert_eq!(error.retry_after, Some(Duration::from_secs(600)));
    assert_eq!(clock.total_slept(), Duration::ZERO);
}

#[tokio::test]
async fn the_request_quota_is_paced() {
    let world = World::start(30).await;
    let known = world.first_run().await;
    let item = &known.items.values().next().unwrap().item;
    let ids: Vec<_> = std::iter::repeat_n(item.id.clone(), 100).collect();
    assert_eq!(world.clock.total_slept(), Duration::ZERO);
    // The tenant's clock stands still: all of this is one window to it.
    while world.clock.total_slept() == Duration::ZERO {
        world.source.locate(&world.mailbox, &ids).await.unwrap();
    }
    let counters = world.sim.admin().counters();
    let calls = counters
        .iter()
        .filter(|(name, _)| name.contains("/users/{id}/m"));
    let calls: u64 = calls.map(|(_, count)| count).sum();
    assert!(
        (9_500..=9_720).contains(&calls),
        "{calls} calls before the first pause"
    );
    assert_eq!(world.source.metrics(Some(&world.mailbox)).throttles, 0);
    assert!(world.clock.total_slept() <= Duration::from_secs(620));
}

#[tokio::test]
async fn a_source_and_a_target_share_the_budget_of_a_mailbox() {
    let world = World::start(30).await;
    let known = world.first_run().await;
    let target = GraphTarget::with_client(world.source.client().clone());
    let slow = FaultKind::Slow { millis: 20 };
    let fault = Fault::new(slow, 60).for_mailbox(world.id());
    world.sim.admin().inject(fault);
    let inbox = world.folder("inbox");
    let reads = known.items.values().map(|item| async {
        let content = world
            .source
            .content(&world.mailbox, &item.item)
            .await
            .unwrap();
        collect(content).await.unwrap();
        target.existing_items(&world.mailbox, &inbox).await.unwrap();
    });
    let reads: Vec<_> = reads.collect();
    futures::stream::iter(reads)
        .buffer_unordered(16)
        .collect::<Vec<_>>()
        .await;
    let highest = world.sim.admin().highest_concurrency(world.id()).unwrap();
    assert!((3..=4).contains(&highest), "{highest} at once");
}
