//! What becomes of tasks, and of jobs by their tasks.

use std::time::Duration;

use mailkeep_engine::ledger::{JobEvent, Mood};
use mailkeep_engine::work::Outcome;
use mailkeep_model::FailureClass;
use mailkeep_model::state::{CancelReason, End, Health, Reason, State, health};

use crate::rig::{World, one_time};

fn failed(class: FailureClass) -> Outcome {
    Outcome::Failed {
        class,
        retry_after: None,
    }
}

#[tokio::test]
async fn a_failure_that_may_pass_is_tried_again_up_to_the_limit() {
    let world = World::new(&["ann", "bob"]);
    let process = world.process();
    world
        .site
        .tell("ann", vec![failed(FailureClass::Connection); 2]);
    world
        .site
        .tell("bob", vec![failed(FailureClass::Transient); 9]);
    let id = process.jobs.create(&one_time("All")).await.unwrap().id;
    process.start(&id).await;
    process.settle().await;
    let tasks = process.tasks(&id, 1).await;
    assert_eq!(
        tasks[0].state,
        State::AttemptFailed(Reason::Failure(FailureClass::Connection))
    );
    assert!(
        tasks[0]
            .wait
            .is_some_and(|wait| wait.due_at > tasks[0].started_at.unwrap())
    );
    for _ in 0..20 {
        world.wait(600);
        process.settle().await;
    }
    let tasks = process.tasks(&id, 1).await;
    assert_eq!(
        (tasks[0].state, tasks[0].failures),
        (State::Ended(End::Completed), 2)
    );
    assert_eq!(
        (tasks[1].state, tasks[1].failures),
        (State::Cancelled(CancelReason::RetryLimit), 5)
    );
    assert_eq!(
        process.run(&id, 1).await.state,
        State::Ended(End::Partial(Reason::SomeMailboxes))
    );
    let events = process.events(&id).await;
    let attempts = |name: &str| {
        let is_it = |event: &JobEvent| matches!(event, JobEvent::AttemptFailed { mailbox, .. } if mailbox.starts_with(name));
        events.iter().filter(|event| is_it(&event.event)).count()
    };
    assert_eq!((attempts("ann"), attempts("bob")), (2, 4));
}

#[tokio::test]
async fn a_wait_that_the_service_asks_for_is_kept_and_is_no_attempt() {
    let world = World::new(&["ann"]);
    let process = world.process();
    world
        .site
        .tell("ann", vec![Outcome::Wait(Duration::from_secs(700)); 9]);
    let id = process.jobs.create(&one_time("All")).await.unwrap().id;
    process.start(&id).await;
    process.settle().await;
    world.wait(699);
    process.settle().await;
    assert_eq!(world.site.done().len(), 1);
    for _ in 0..9 {
        world.wait(701);
        process.settle().await;
    }
    let task = process.tasks(&id, 1).await.remove(0);
    assert_eq!(
        (task.failures, task.state),
        (0, State::Ended(End::Completed))
    );
}

#[tokio::test]
async fn a_refused_connection_waits_for_a_person_and_stops_the_others() {
    let world = World::new(&["ann", "bob", "cid", "dan", "eve"]);
    let process = world.process();
    for name in ["ann", "bob", "cid", "dan", "eve"] {
        world
            .site
            .tell(name, [failed(FailureClass::AuthCredential)]);
    }
    let id = process.jobs.create(&one_time("All")).await.unwrap().id;
    process.start(&id).await;
    process.settle().await;
    let tried = world.site.done().len();
    assert!(tried <= 3, "{tried} were tried");
    let reason = Reason::Failure(FailureClass::AuthCredential);
    assert_eq!(
        process.run(&id, 1).await.state,
        State::WaitingForPerson(reason)
    );
    world.wait(100_000);
    process.settle().await;
    assert!(world.site.done().is_empty());
    world.site.outcomes.lock().unwrap().clear();
    process.start(&id).await;
    process.settle().await;
    assert_eq!(
        process.run(&id, 1).await.state,
        State::Ended(End::Completed)
    );
    assert_eq!(world.site.done().len(), 5);
}

#[tokio::test]
async fn a_mailbox_that_may_not_be_opened_fails_alone() {
    let world = World::new(&["ann", "bob"]);
    let process = world.process();
    world.site.tell("ann", [failed(FailureClass::AuthScope)]);
    world.site.tell("bob", [Outcome::Warning(Reason::Gaps)]);
    let id = process.jobs.create(&one_time("All")).await.unwrap().id;
    process.start(&id).await;
    process.settle().await;
    let run = process.run(&id, 1).await;
    assert_eq!(run.state, State::Ended(End::Partial(Reason::SomeMailboxes)));
    assert_eq!((run.tally.failed(), run.counters.items_stored), (1, 2));
    let mailboxes = process
        .jobs
        .ledger()
        .mailboxes(&id, None, 0)
        .await
        .unwrap()
        .records;
    let all = mailboxes.iter().map(|mailbox| mailbox.value.health);
    assert_eq!(health(true, all), Health::EnabledWithErrors);
    assert_eq!(
        mailboxes
            .iter()
            .filter(|mailbox| mailbox.value.good_at.is_some())
            .count(),
        1
    );
    let bad = process.events(&id).await;
    let bad = bad
        .iter()
        .filter(|event| event.event.mood() == Mood::Bad)
        .count();
    assert_eq!(bad, 3, "both mailboxes and the end of the cycle");
    assert_eq!(*world.site.closed.lock().unwrap(), 1);
}

#[tokio::test]
async fn lost_change_tracking_fails_the_job_though_other_mailboxes_are_good() {
    let world = World::new(&["ann", "bob", "cid"]);
    let process = world.process();
    world
        .site
        .tell("bob", [Outcome::Final(Reason::ChangeTracking)]);
    let id = process.jobs.create(&one_time("All")).await.unwrap().id;
    process.start(&id).await;
    process.settle().await;
    assert_eq!(world.site.done().len(), 3);
    assert_eq!(
        process.run(&id, 1).await.state,
        State::Ended(End::Failed(Reason::ChangeTracking))
    );
}
