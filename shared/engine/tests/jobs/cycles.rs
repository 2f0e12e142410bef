//! When cycles begin, pause, go on and end.

use mailkeep_engine::job::StartRequest;
use mailkeep_engine::ledger::JobError;
use mailkeep_engine::run::RunScope;
use mailkeep_engine::work::Outcome;
use mailkeep_model::FailureClass;
use mailkeep_model::job::{JobKind, WindowEnd};
use mailkeep_model::schedule::{Blackout, Hours, TimeOfDay, Zone};
use mailkeep_model::state::{CancelReason, End, Reason, State};
use mailkeep_ports::Clock as _;

use crate::rig::{World, at_will, daily, one_time, plain};

const DONE: State = State::Ended(End::Completed);

#[tokio::test]
async fn the_idle_time_counts_from_the_end_of_a_cycle() {
    let world = World::new(&["ann"]);
    let process = world.process();
    let mut definition = plain("All");
    definition.idle_time = Some("00:10:00".parse().unwrap());
    let id = process.jobs.create(&definition).await.unwrap().id;
    process.start(&id).await;
    process.tick().await;
    // The cycle takes seven minutes.
    world.wait(420);
    process.settle().await;
    assert_eq!(process.run(&id, 1).await.state, DONE);
    world.wait(599);
    process.settle().await;
    assert_eq!(process.job(&id).await.cycle, 1);
    world.wait(1);
    process.settle().await;
    assert_eq!(process.job(&id).await.cycle, 2);
}

#[tokio::test]
async fn a_cycle_pauses_at_the_end_of_its_period_and_goes_on_in_the_next() {
    let world = World::new(&["ann", "bob", "cid"]);
    let process = world.process();
    let mut definition = daily("All", 8, 10);
    definition.concurrent_mailboxes = 1;
    let id = process.jobs.create(&definition).await.unwrap().id;
    process.tick().await;
    process.work().await;
    process.tick().await;
    assert_eq!(world.site.done().len(), 1);
    // One is handed out when the period ends: it comes back without work.
    world.set("2026-01-05T10:00:00Z");
    process.settle().await;
    assert!(world.site.done().is_empty());
    let run = process.run(&id, 1).await;
    assert_eq!(
        (run.state, run.in_flight, run.waiting),
        (State::OutOfWindow, 0, 2)
    );
    world.set("2026-01-06T07:59:59Z");
    process.settle().await;
    assert!(world.site.done().is_empty());
    world.set("2026-01-06T08:00:00Z");
    process.settle().await;
    assert_eq!(world.site.done().len(), 2, "the first is not done again");
    let run = process.run(&id, 1).await;
    assert_eq!(run.state, DONE);
    assert_eq!(
        run.opened_at,
        "2026-01-05T08:00:00Z"
            .parse::<chrono::DateTime<chrono::Utc>>()
            .unwrap()
    );
    let states = process.states(&id, 1).await;
    assert_eq!(
        states,
        [
            State::Queued,
            State::Running,
            State::OutOfWindow,
            State::Queued,
            State::Running,
            DONE
        ]
    );
}

#[tokio::test]
async fn a_cycle_may_go_on_beyond_its_period_but_not_into_a_blackout() {
    let world = World::new(&["ann", "bob"]);
    let process = world.process();
    let mut definition = daily("All", 8, 10);
    definition.concurrent_mailboxes = 1;
    definition.on_window_end = WindowEnd::Finish;
    definition.blackouts = vec![Blackout {
        days: mailkeep_model::schedule::Day::ALL.into_iter().collect(),
        hours: Hours::between(
            TimeOfDay::new(11, 0).unwrap(),
            TimeOfDay::new(12, 0).unwrap(),
        ),
        zone: Zone::UTC,
    }];
    let id = process.jobs.create(&definition).await.unwrap().id;
    process.tick().await;
    world.set("2026-01-05T11:30:00Z");
    process.settle().await;
    assert!(world.site.done().is_empty());
    assert_eq!(process.run(&id, 1).await.state, State::OutOfWindow);
    world.set("2026-01-05T12:00:00Z");
    process.settle().await;
    assert_eq!(process.run(&id, 1).await.state, DONE);
    // The next cycle begins in a period.
    world.set("2026-01-05T20:00:00Z");
    process.settle().await;
    assert_eq!(process.job(&id).await.cycle, 1);
}

#[tokio::test]
async fn a_one_time_job_has_one_cycle_over_as_many_periods_as_it_needs() {
    let world = World::new(&["ann", "bob"]);
    let process = world.process();
    let mut definition = daily("Once", 8, 10);
    definition.kind = JobKind::OneTime;
    definition.concurrent_mailboxes = 1;
    let id = process.jobs.create(&definition).await.unwrap().id;
    process.tick().await;
    process.work().await;
    world.set("2026-01-05T11:00:00Z");
    process.settle().await;
    for day in ["06", "07", "08"] {
        world.set(&format!("2026-01-{day}T08:30:00Z"));
        process.settle().await;
    }
    let job = process.job(&id).await;
    assert!(job.is_finished);
    assert_eq!(job.cycle, 1);
    assert_eq!(world.site.done().len(), 2);
    for ignores in [false, true] {
        let refused = process.jobs.start(&id, at_will(ignores)).await;
        assert!(matches!(refused, Err(JobError::Refused { .. })));
    }
}

#[tokio::test]
async fn a_one_time_job_that_failed_in_part_may_try_that_part_again() {
    let world = World::new(&["ann", "bob"]);
    let process = world.process();
    let gone = || Outcome::Failed {
        class: FailureClass::MailboxGone,
        retry_after: None,
    };
    world.site.tell("bob", [gone()]);
    let id = process.jobs.create(&one_time("Once")).await.unwrap().id;
    process.start(&id).await;
    process.settle().await;
    assert_eq!(
        process.run(&id, 1).await.state,
        State::Ended(End::Partial(Reason::SomeMailboxes))
    );
    assert!(!process.job(&id).await.is_finished);
    world.site.done();
    world.wait(3_600);
    process.settle().await;
    assert_eq!(process.job(&id).await.cycle, 1, "not by itself");
    let failed = StartRequest {
        scope: RunScope::Failed,
        ignores_schedule: false,
    };
    process.jobs.start(&id, failed).await.unwrap();
    process.settle().await;
    assert_eq!(world.site.done(), ["bob@contoso.example"]);
    assert_eq!(process.run(&id, 2).await.state, DONE);
}

#[tokio::test]
async fn the_last_period_of_all_ends_a_cycle_that_is_not_done() {
    let world = World::new(&["ann", "bob"]);
    let process = world.process();
    let mut definition = daily("All", 8, 10);
    definition.concurrent_mailboxes = 1;
    let schedule = definition.schedule.as_mut().unwrap();
    let mailkeep_model::schedule::ActivityPattern::Daily(pattern) = &mut schedule.pattern else {
        unreachable!()
    };
    pattern.range.end = Some("2026-01-05".parse().unwrap());
    let id = process.jobs.create(&definition).await.unwrap().id;
    process.tick().await;
    process.work().await;
    world.set("2026-01-05T10:00:00Z");
    process.settle().await;
    assert_eq!(
        process.run(&id, 1).await.state,
        State::Cancelled(CancelReason::Window)
    );
    assert!(!process.job(&id).await.is_open);
}

#[tokio::test]
async fn a_stopped_job_finishes_what_is_at_work_and_rests_until_it_is_started() {
    let world = World::new(&["ann", "bob", "cid", "dan", "eve"]);
    let process = world.process();
    let id = process.jobs.create(&plain("All")).await.unwrap().id;
    process.start(&id).await;
    process.tick().await;
    process.work().await;
    process.jobs.stop(&id).await.unwrap();
    assert_eq!(process.run(&id, 1).await.state, State::Stopping);
    process.settle().await;
    assert_eq!(process.run(&id, 1).await.state, State::Stopped);
    assert_eq!(world.site.done().len(), 1);
    world.wait(86_400);
    process.settle().await;
    assert_eq!(process.job(&id).await.cycle, 1);
    process.start(&id).await;
    process.settle().await;
    assert_eq!(process.run(&id, 2).await.state, DONE);
    assert_eq!(
        world.site.done().len(),
        5,
        "the next start looks at everything"
    );
}

#[tokio::test]
async fn a_start_at_once_disregards_the_schedule_once() {
    let world = World::new(&["ann"]);
    let process = world.process();
    let id = process.jobs.create(&daily("All", 20, 22)).await.unwrap().id;
    process.start(&id).await;
    process.settle().await;
    assert_eq!(process.job(&id).await.cycle, 0, "it waits for its period");
    process.jobs.start(&id, at_will(true)).await.unwrap();
    process.settle().await;
    assert_eq!(process.run(&id, 1).await.state, DONE);
    world.wait(3_600);
    process.settle().await;
    assert_eq!(process.job(&id).await.cycle, 1);
    world.set("2026-01-05T20:00:00Z");
    process.settle().await;
    assert_eq!(process.job(&id).await.cycle, 2);
}

#[tokio::test]
async fn a_paused_cycle_may_be_told_to_go_on_at_once() {
    let world = World::new(&["ann", "bob"]);
    let process = world.process();
    let mut definition = daily("All", 8, 10);
    definition.concurrent_mailboxes = 1;
    let id = process.jobs.create(&definition).await.unwrap().id;
    process.tick().await;
    process.work().await;
    world.set("2026-01-05T11:00:00Z");
    process.settle().await;
    assert_eq!(process.run(&id, 1).await.state, State::OutOfWindow);
    process.jobs.start(&id, at_will(true)).await.unwrap();
    process.settle().await;
    assert_eq!(process.run(&id, 1).await.state, DONE);
    assert_eq!(process.job(&id).await.cycle, 1);
}

/// A job of many quiet cycles does not fill the database.
#[tokio::test]
async fn records_of_what_is_over_expire() {
    let world = World::new(&["ann"]);
    let process = world.process();
    let id = process.jobs.create(&plain("All")).await.unwrap().id;
    process.start(&id).await;
    process.settle().await;
    let now = world.clock.now();
    for item in world.table.items() {
        // What is told goes out of the inbox of news when it was told.
        let is_kept = ["jobs", "names", "leases", "news-inbox"].contains(&item.key.partition())
            || ["version", "mailbox"]
                .iter()
                .any(|kind| item.key.sort().starts_with(kind));
        assert_eq!(item.expires_at.is_none(), is_kept, "{}", item.key);
        assert!(
            item.expires_at
                .is_none_or(|at| at > now + chrono::TimeDelta::days(2))
        );
    }
    assert_eq!(process.run(&id, 1).await.state, DONE);
}

#[tokio::test]
async fn a_deactivated_job_cannot_be_started_and_goes_on_when_activated() {
    let world = World::new(&["ann"]);
    let process = world.process();
    let id = process.jobs.create(&daily("All", 8, 10)).await.unwrap().id;
    process.jobs.deactivate(&id).await.unwrap();
    process.settle().await;
    assert_eq!(process.job(&id).await.cycle, 0);
    assert!(process.jobs.start(&id, at_will(true)).await.is_err());
    process.jobs.activate(&id).await.unwrap();
    process.settle().await;
    assert_eq!(process.job(&id).await.cycle, 1);
}

#[tokio::test]
async fn chosen_mailboxes_can_be_started_alone() {
    let world = World::new(&["ann", "bob", "cid"]);
    let process = world.process();
    let id = process.jobs.create(&one_time("All")).await.unwrap().id;
    let request = StartRequest {
        scope: RunScope::Chosen(vec![
            "BOB@contoso.example".into(),
            "nobody@contoso.example".into(),
        ]),
        ignores_schedule: false,
    };
    process.jobs.start(&id, request).await.unwrap();
    process.settle().await;
    assert_eq!(world.site.done(), ["bob@contoso.example"]);
    let run = process.run(&id, 1).await;
    assert_eq!(run.state, State::Ended(End::Partial(Reason::SomeMailboxes)));
    assert!(
        !process.job(&id).await.is_finished,
        "that was not its one cycle"
    );
}

/// The wall clock jumps: nothing is lost and nothing waits for as long as it jumped.
#[tokio::test]
async fn a_clock_that_jumps_back_holds_nothing_up() {
    let world = World::new(&["ann"]);
    let process = world.process();
    let id = process.jobs.create(&plain("All")).await.unwrap().id;
    process.start(&id).await;
    process.settle().await;
    world.clock.jump_wall(chrono::TimeDelta::days(-400));
    process.settle().await;
    assert_eq!(process.job(&id).await.cycle, 2);
    process.tick().await;
    world.wait(60);
    process.tick().await;
    world.clock.jump_wall(chrono::TimeDelta::days(800));
    world.wait(300);
    process.settle().await;
    assert!(process.job(&id).await.cycle >= 3);
    assert_eq!(process.run(&id, 3).await.state, DONE);
}
