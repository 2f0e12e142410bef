//! Listing mailboxes and handing tasks out.

use std::collections::BTreeSet;

use mailkeep_engine::ledger::JobEvent;
use mailkeep_engine::plan::PlanSettings;
use mailkeep_exchange::SourceError;
use mailkeep_model::job::Mailboxes;
use mailkeep_model::state::{End, Reason, State};
use mailkeep_model::{FailureClass, MailboxKind};

use crate::rig::{World, mailbox, one_time, plain};

fn many(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("m{number:03}")).collect()
}

fn world(count: usize) -> World {
    let names = many(count);
    World::new(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

#[tokio::test]
async fn never_more_mailboxes_of_a_job_at_once_than_it_allows() {
    let world = world(30);
    let process = world.process();
    let mut definition = plain("All");
    definition.concurrent_mailboxes = 4;
    let id = process.jobs.create(&definition).await.unwrap().id;
    process.start(&id).await;
    for _ in 0..40 {
        process.tick().await;
        let run = process.run(&id, 1).await;
        let out = world.queue.bodies().len();
        assert!(run.in_flight <= 4 && out <= 4, "{} {out}", run.in_flight);
        process.work().await;
    }
    assert_eq!(process.run(&id, 1).await.tally.tasks(), 30);
}

/// A whole tenant is listed in bounded memory: page by page, some pages per tick.
#[tokio::test]
async fn mailboxes_are_listed_in_pages_over_several_ticks() {
    let world = world(130);
    *world.site.page_size.lock().unwrap() = 10;
    let process = world.process();
    let id = process.jobs.create(&one_time("All")).await.unwrap().id;
    process.start(&id).await;
    process.tick().await;
    let first = process.run(&id, 1).await;
    assert!(!first.listing.is_done);
    assert_eq!(first.waiting + u64::from(first.in_flight), 50);
    process.settle().await;
    let run = process.run(&id, 1).await;
    assert_eq!(
        (run.tally.tasks(), run.state),
        (130, State::Ended(End::Completed))
    );
    let done: BTreeSet<_> = world.site.done().into_iter().collect();
    assert_eq!(done.len(), 130);
}

#[tokio::test]
async fn two_planners_create_nothing_twice() {
    let world = world(40);
    *world.site.page_size.lock().unwrap() = 7;
    let (one, other) = (world.process(), world.process());
    let id = one.jobs.create(&one_time("All")).await.unwrap().id;
    one.start(&id).await;
    for _ in 0..60 {
        let (a, b) = tokio::join!(one.planner.tick(), other.planner.tick());
        assert!(a.unwrap().failures.is_empty() && b.unwrap().failures.is_empty());
        let run = one.run(&id, 1).await;
        assert!(run.in_flight <= 3);
        tokio::join!(one.work(), other.work());
    }
    one.settle().await;
    let run = one.run(&id, 1).await;
    assert_eq!(
        (run.tally.tasks(), run.state),
        (40, State::Ended(End::Completed))
    );
    assert_eq!(one.job(&id).await.cycle, 1);
    let mut done = world.site.done();
    assert_eq!(done.len(), 40);
    done.sort();
    done.dedup();
    assert_eq!(done.len(), 40);
    // One event for each state, whoever brought it about.
    let states = one.states(&id, 1).await;
    assert_eq!(
        states,
        [State::Queued, State::Running, State::Ended(End::Completed)]
    );
}

#[tokio::test]
async fn the_scope_chooses_leaves_out_and_looks_anew_each_cycle() {
    let world = World::new(&["sales-ann", "sales-bob", "cid"]);
    {
        let mut mailboxes = world.site.mailboxes.lock().unwrap();
        let mut room = mailbox("room");
        room.kind = MailboxKind::Room;
        mailboxes.push(room);
    }
    let process = world.process();
    let mut all = one_time("all");
    all.scope.exclude = vec!["CID@contoso.example".into()];
    all.scope.rooms = false;
    let mut group = plain("group");
    group.scope.mailboxes = Mailboxes::Group("sales".into());
    let mut chosen = one_time("chosen");
    chosen.scope.mailboxes = Mailboxes::Chosen(vec![
        "room@contoso.example".into(),
        "id-cid".into(),
        "gone@x.example".into(),
    ]);
    let mut ids = vec![];
    for definition in [all, group, chosen] {
        let id = process.jobs.create(&definition).await.unwrap().id;
        process.start(&id).await;
        ids.push(id);
    }
    process.settle().await;
    let mut names = vec![];
    for id in &ids {
        let tasks = process.tasks(id, 1).await;
        let tasks = tasks
            .into_iter()
            .map(|task| task.mailbox.address.replace("@contoso.example", ""));
        names.push(tasks.collect::<Vec<_>>());
    }
    assert_eq!(names[0], ["sales-ann", "sales-bob"]);
    assert_eq!(names[1], ["sales-ann", "sales-bob"]);
    assert_eq!(names[2], ["cid", "gone@x.example", "room"]);
    let events = process.events(&ids[2]).await;
    let absent = JobEvent::NotListed {
        mailbox: "gone@x.example".into(),
    };
    assert!(events.iter().any(|event| event.event == absent));

    // Somebody joins the group and somebody leaves: the one is taken, the other's record stays.
    {
        let mut mailboxes = world.site.mailboxes.lock().unwrap();
        mailboxes.retain(|mailbox| mailbox.display_name != "sales-ann");
        mailboxes.push(mailbox("sales-new"));
    }
    world.wait(60);
    process.settle().await;
    let tasks = process.tasks(&ids[1], 2).await;
    let addresses: Vec<_> = tasks
        .iter()
        .map(|task| task.mailbox.display_name.as_str())
        .collect();
    assert_eq!(addresses, ["sales-bob", "sales-new"]);
    let known = process
        .jobs
        .ledger()
        .mailboxes(&ids[1], None, 0)
        .await
        .unwrap();
    assert_eq!(known.records.len(), 3);
}

#[tokio::test]
async fn an_empty_scope_is_a_warning() {
    let world = World::new(&[]);
    let process = world.process();
    let id = process.jobs.create(&one_time("All")).await.unwrap().id;
    process.start(&id).await;
    process.settle().await;
    let end = End::CompletedWithWarnings(Reason::EmptyScope);
    assert_eq!(process.run(&id, 1).await.state, State::Ended(end));
}

#[tokio::test]
async fn a_listing_that_fails_is_tried_again_and_then_counts_as_a_failure() {
    let world = World::new(&["ann"]);
    let process = world.process();
    let down = || SourceError::new(FailureClass::Connection, "list", "http_503", "down");
    let refused = SourceError::new(FailureClass::AuthConsent, "list", "x", "no consent");
    world
        .site
        .list_errors
        .lock()
        .unwrap()
        .extend([down(), down(), refused]);
    let id = process.jobs.create(&one_time("All")).await.unwrap().id;
    process.start(&id).await;
    process.settle().await;
    assert!(world.site.done().is_empty());
    for _ in 0..2 {
        world.wait(60);
        process.settle().await;
    }
    let waiting = State::WaitingForPerson(Reason::Failure(FailureClass::AuthConsent));
    assert_eq!(process.run(&id, 1).await.state, waiting);
    world.wait(86_400);
    process.settle().await;
    assert_eq!(process.run(&id, 1).await.state, waiting);
    process.start(&id).await;
    process.settle().await;
    assert_eq!(
        process.run(&id, 1).await.state,
        State::Ended(End::Completed)
    );
}

/// The order in which tasks of several jobs are handed out when there is room for one at a time.
async fn order(world: &World, seconds: u64) -> Vec<String> {
    let settings = PlanSettings {
        capacity: 1,
        ..PlanSettings::default()
    };
    let process = world.process_on(world.table.clone(), world.queue.clone(), settings);
    let mut jobs = vec![];
    for (name, priority) in [("last", 5), ("middle", 3), ("first", 1)] {
        let mut definition = one_time(name);
        definition.priority = priority;
        definition.scope.mailboxes = Mailboxes::Group(name.to_owned());
        let id = process.jobs.create(&definition).await.unwrap().id;
        process.start(&id).await;
        jobs.push(id);
    }
    for _ in 0..40 {
        process.tick().await;
        assert!(world.queue.bodies().len() <= 1);
        process.work().await;
        world.wait(seconds);
    }
    world
        .site
        .done()
        .iter()
        .map(|name| name.split(['-', '@']).next().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn urgent_jobs_are_served_first_and_others_age() {
    let names: Vec<String> = ["first", "middle", "last"]
        .iter()
        .flat_map(|job| (0..6).map(move |number| format!("{job}-{number}")))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let quick = order(&World::new(&names), 1).await;
    let expected: Vec<_> = ["first", "middle", "last"]
        .iter()
        .flat_map(|job| vec![*job; 6])
        .collect();
    assert_eq!(quick, expected);
    // Each task takes a quarter of an hour: after some of them the last one's turn comes.
    let slow = order(&World::new(&names), 900).await;
    let place = slow.iter().position(|job| job == "last").unwrap();
    assert!((2..8).contains(&place), "{slow:?}");
    assert_eq!(slow[0], "first");
}
