//! Leases: one worker per mailbox; lost workers, doubled and late messages.

use std::sync::Arc;
use std::time::Duration;

use mailkeep_engine::StopSignal;
use mailkeep_engine::ledger::JobEvent;
use mailkeep_engine::work::{TaskMessage, Worked};
use mailkeep_model::state::{CancelReason, End, Reason, State};
use mailkeep_ports::{CallFault, Clock as _, FaultPlan, Outgoing, Queue as _, TestClock};

use crate::rig::{LEASE, World, one_time, plain};
use crate::stalled::StalledTable;

#[tokio::test]
async fn a_doubled_an_old_and_a_foreign_message_do_no_harm() {
    let world = World::new(&["ann", "bob"]);
    let process = world.process();
    let id = process.jobs.create(&one_time("All")).await.unwrap().id;
    process.start(&id).await;
    process.tick().await;
    let bodies = world.queue.bodies();
    for body in bodies.iter().rev() {
        world
            .queue
            .send(vec![Outgoing::now(body); 2])
            .await
            .unwrap();
    }
    let mut old: TaskMessage = TaskMessage::decode(&bodies[0]).unwrap();
    old.dispatch = 0;
    world
        .queue
        .send(vec![Outgoing::now(old.encode().unwrap())])
        .await
        .unwrap();
    old.task.run.cycle = 77;
    world
        .queue
        .send(vec![Outgoing::now(old.encode().unwrap())])
        .await
        .unwrap();
    world
        .queue
        .send(vec![Outgoing::now("what is this")])
        .await
        .unwrap();
    let mut worked = vec![];
    for _ in 0..9 {
        worked.push(process.work().await);
    }
    let count = |what| worked.iter().filter(|worked| **worked == what).count();
    assert_eq!(
        (
            count(Worked::Done),
            count(Worked::Skipped),
            count(Worked::Unreadable)
        ),
        (2, 6, 1)
    );
    assert_eq!(world.site.done().len(), 2);
    process.settle().await;
    assert_eq!(
        process.run(&id, 1).await.state,
        State::Ended(End::Completed)
    );
    // The foreign one becomes a dead letter, for people to look at.
    for _ in 0..8 {
        world.wait(200);
        process.work().await;
    }
    assert_eq!(world.queue.depth().await.unwrap().dead, 1);
    world.wait(600);
    process.tick().await;
    assert_eq!(world.queue.depth().await.unwrap().dead, 1);
}

#[tokio::test]
async fn a_mailbox_that_another_job_works_on_waits_with_a_warning() {
    let world = World::at(
        &["ann"],
        TestClock::manual("2026-01-05T08:00:00Z".parse().unwrap()),
    );
    let process = world.process();
    let clock = world.clock.clone();
    *world.site.during.lock().unwrap() = Some(Arc::new(move |_, _| {
        let clock = clock.clone();
        Box::pin(async move { clock.sleep(Duration::from_secs(20)).await })
    }));
    let mut ids = vec![];
    for name in ["one", "two"] {
        let id = process.jobs.create(&one_time(name)).await.unwrap().id;
        process.start(&id).await;
        ids.push(id);
    }
    process.tick().await;
    let worker = process.worker.clone();
    let first = tokio::spawn(async move { worker.work_once(&StopSignal::new()).await.unwrap() });
    while world.clock.sleepers() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(process.work().await, Worked::GivenBack);
    world.clock.advance(Duration::from_secs(20));
    assert_eq!(first.await.unwrap(), Worked::Done);
    *world.site.during.lock().unwrap() = None;
    world.wait(30);
    process.settle().await;
    let mut ends = vec![];
    for id in &ids {
        ends.push(process.run(id, 1).await.state);
    }
    ends.sort_by_key(|state| format!("{state:?}"));
    let warned = End::CompletedWithWarnings(Reason::HeldByOtherJob);
    assert_eq!(ends, [State::Ended(End::Completed), State::Ended(warned)]);
}

/// A worker is paused for so long that another one takes its mailbox: its result is refused.
#[tokio::test]
async fn the_result_of_a_worker_whose_lease_was_taken_is_refused() {
    let world = World::new(&["ann"]);
    let (slow, other) = (world.process(), world.process());
    let id = slow.jobs.create(&one_time("All")).await.unwrap().id;
    slow.start(&id).await;
    slow.tick().await;
    let (begun, go_on) = (
        Arc::new(tokio::sync::Notify::new()),
        Arc::new(tokio::sync::Notify::new()),
    );
    let first = std::sync::atomic::AtomicBool::new(true);
    let (tell, wait) = (begun.clone(), go_on.clone());
    *world.site.during.lock().unwrap() = Some(Arc::new(move |_, _| {
        let is_first = first.swap(false, std::sync::atomic::Ordering::SeqCst);
        let (tell, wait) = (tell.clone(), wait.clone());
        Box::pin(async move {
            if is_first {
                tell.notify_one();
                wait.notified().await;
            }
        })
    }));
    // The paused one cannot renew: its calls stand still like the process.
    let received = world.queue.receive(1, LEASE).await.unwrap().remove(0);
    let stalled = StalledTable::over(world.table.clone());
    let paused = world.process_on(stalled.clone(), world.queue.clone(), Default::default());
    let worker = paused.worker.clone();
    let stalled_after = stalled.clone();
    let paused =
        tokio::spawn(async move { worker.work_on(&received, &StopSignal::new()).await.unwrap() });
    begun.notified().await;
    stalled_after.stall();
    world.wait(LEASE.as_secs() + 1);
    assert_eq!(other.work().await, Worked::Done);
    stalled_after.go_on();
    go_on.notify_one();
    assert_eq!(paused.await.unwrap(), Worked::Refused);
    other.settle().await;
    let run = other.run(&id, 1).await;
    assert_eq!(
        (run.tally.tasks(), run.state),
        (1, State::Ended(End::Completed))
    );
    let lost = other.events(&id).await;
    assert!(
        lost.iter()
            .any(|event| matches!(event.event, JobEvent::WorkerLost { .. }))
    );
}

#[tokio::test]
async fn a_lost_message_is_sent_again() {
    let world = World::new(&["ann"]);
    let process = world.process();
    let id = process.jobs.create(&one_time("All")).await.unwrap().id;
    process.start(&id).await;
    process.tick().await;
    let lost = world.queue.receive(1, LEASE).await.unwrap().remove(0);
    world.queue.acknowledge(&lost.receipt).await.unwrap();
    process.settle().await;
    assert_eq!(process.run(&id, 1).await.in_flight, 1);
    world.wait(301);
    process.settle().await;
    assert_eq!(
        process.run(&id, 1).await.state,
        State::Ended(End::Completed)
    );
}

/// A mailbox that kills every worker: after some times its task has failed, visibly, and the job ends.
#[tokio::test]
async fn a_mailbox_that_kills_its_workers_fails_and_the_next_cycle_tries_it_again() {
    let world = World::new(&["ann", "bob"]);
    let process = world.process();
    *world.site.during.lock().unwrap() = Some(Arc::new(|order, _| {
        let is_deadly = order.mailbox.display_name == "ann";
        Box::pin(async move {
            if is_deadly {
                std::future::pending::<()>().await;
            }
        })
    }));
    let id = process.jobs.create(&plain("All")).await.unwrap().id;
    process.start(&id).await;
    process.tick().await;
    for _ in 0..30 {
        // Work that does not end at once is work whose process dies.
        let work = process.work();
        futures::pin_mut!(work);
        for _ in 0..50 {
            if futures::poll!(&mut work).is_ready() {
                break;
            }
        }
        world.wait(200);
        process.tick().await;
        if !process.job(&id).await.is_open {
            break;
        }
    }
    let tasks = process.tasks(&id, 1).await;
    assert_eq!(tasks[0].state, State::Cancelled(CancelReason::RetryLimit));
    assert_eq!(tasks[1].state, State::Ended(End::Completed));
    assert_eq!(
        process.run(&id, 1).await.state,
        State::Ended(End::Partial(Reason::SomeMailboxes))
    );
    *world.site.during.lock().unwrap() = None;
    world.wait(300);
    process.settle().await;
    assert_eq!(
        process.run(&id, 2).await.state,
        State::Ended(End::Completed)
    );
}

/// A message that nobody can even begin is a dead letter: its task has failed; brought back, the
/// message is an old one, and the next cycle heals.
#[tokio::test]
async fn a_dead_letter_fails_its_task_and_can_be_brought_back() {
    let world = World::new(&["ann"]);
    let process = world.process();
    let id = process.jobs.create(&one_time("All")).await.unwrap().id;
    process.start(&id).await;
    process.tick().await;
    for _ in 0..6 {
        world
            .queue
            .receive(1, Duration::from_secs(1))
            .await
            .unwrap();
        world.wait(2);
    }
    assert_eq!(world.queue.depth().await.unwrap().dead, 1);
    let before = process.planner.redrive(10).await.unwrap();
    assert_eq!(before, 1);
    for _ in 0..6 {
        world
            .queue
            .receive(1, Duration::from_secs(1))
            .await
            .unwrap();
        world.wait(2);
    }
    process.tick().await;
    let task = process.tasks(&id, 1).await.remove(0);
    assert_eq!(task.state, State::Cancelled(CancelReason::RetryLimit));
    assert!(task.message.contains("too often"));
    process.settle().await;
    assert_eq!(
        process.run(&id, 1).await.state,
        State::Ended(End::Failed(Reason::RetryLimit))
    );
    process.start(&id).await;
    process.settle().await;
    assert_eq!(
        process.run(&id, 2).await.state,
        State::Ended(End::Completed)
    );
}

/// Work that is under way stops exactly when the activity period ends, and when a person says so.
#[tokio::test]
async fn work_under_way_is_stopped_softly() {
    for by_person in [false, true] {
        let start = "2026-01-05T09:59:00Z".parse().unwrap();
        let world = World::at(&["ann"], TestClock::manual(start));
        let process = world.process();
        let clock = world.clock.clone();
        *world.site.during.lock().unwrap() = Some(Arc::new(move |_, stop: StopSignal| {
            let clock = clock.clone();
            Box::pin(async move {
                while !stop.is_stopped() {
                    clock.sleep(Duration::from_secs(1)).await;
                }
            })
        }));
        let id = process
            .jobs
            .create(&crate::rig::daily("All", 8, 10))
            .await
            .unwrap()
            .id;
        process.tick().await;
        let worker = process.worker.clone();
        let work = tokio::spawn(async move { worker.work_once(&StopSignal::new()).await.unwrap() });
        let mut seconds = 0;
        while !work.is_finished() {
            for _ in 0..30 {
                tokio::task::yield_now().await;
            }
            if seconds == 10 && by_person {
                process.jobs.stop(&id).await.unwrap();
            }
            world.wait(1);
            seconds += 1;
            assert!(seconds < 300, "it does not stop");
        }
        assert_eq!(work.await.unwrap(), Worked::Done);
        let run = process.run(&id, 1).await;
        if by_person {
            assert!((11..=55).contains(&seconds), "{seconds}");
        } else {
            assert!((60..=63).contains(&seconds), "{seconds}");
        }
        assert_eq!((run.in_flight, run.waiting), (0, 1));
        assert_eq!(process.tasks(&id, 1).await[0].state, State::OutOfWindow);
    }
}

/// Two clones of one worker receive one message. Returns how many calls there were before, and what
/// became of the message with the first and with the second.
async fn doubled(plan: &FaultPlan) -> (u64, [Worked; 2]) {
    let start = "2026-01-05T09:00:00Z".parse().unwrap();
    let world = World::at(&["ann"], TestClock::manual(start));
    let clock = world.clock.clone();
    *world.site.during.lock().unwrap() = Some(Arc::new(move |_, _| {
        let clock = clock.clone();
        Box::pin(async move { clock.sleep(Duration::from_secs(10)).await })
    }));
    let process = world.failing_process(plan);
    let id = process.jobs.create(&one_time("All")).await.unwrap().id;
    process.start(&id).await;
    process.tick().await;
    let before = plan.calls();
    let message = world.queue.receive(1, LEASE).await.unwrap().remove(0);
    let mut works = vec![];
    for _ in 0..2 {
        let (worker, message) = (process.worker.clone(), message.clone());
        works.push(tokio::spawn(async move {
            worker.work_on(&message, &StopSignal::new()).await.unwrap()
        }));
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
    for _ in 0..200 {
        world.clock.advance(Duration::from_millis(100));
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(world.site.done().len(), 1, "it is worked on once");
    let second = works.pop().unwrap().await.unwrap();
    (before, [works.pop().unwrap().await.unwrap(), second])
}

#[tokio::test]
async fn clones_of_a_worker_do_not_take_each_others_leases_for_their_own() {
    let (before, worked) = doubled(&FaultPlan::new()).await;
    assert_eq!(worked, [Worked::Done, Worked::Skipped]);
    // The first one reads task, cycle, definition and lease. Then it is not answered, and the second one
    // takes the mailbox while it waits.
    for fault in [CallFault::RequestLost, CallFault::Busy] {
        let (_, worked) = doubled(&FaultPlan::new().at(before + 5, fault)).await;
        assert_eq!(worked, [Worked::Skipped, Worked::Done], "{fault:?}");
    }
    // Its own it knows, although it was not answered.
    let lost = FaultPlan::new().at(before + 5, CallFault::AnswerLost);
    assert_eq!(doubled(&lost).await.1, [Worked::Done, Worked::Skipped]);
}
