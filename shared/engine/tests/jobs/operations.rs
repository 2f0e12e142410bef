//! Restores and exports that people ask for: how they go, and what workers, leases, retries, stops and
//! time do to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mailkeep_engine::StopSignal;
use mailkeep_engine::operation::{
    ExportAction, ItemSelection, NewOperation, OperationAction, OperationEvent, OperationId,
    OperationKind, OperationMessage, OperationRecord, OperationRequest, RestoreAction,
};
use mailkeep_engine::work::Worked;
use mailkeep_model::FailureClass;
use mailkeep_model::state::{CancelReason, End, Reason, State};
use mailkeep_ports::{Clock as _, Outgoing, Queue as _};

use crate::fake::failure;
use crate::rig::{LEASE, Process, World, one_time};
use crate::stalled::StalledTable;

pub(crate) fn kinds() -> [OperationKind; 2] {
    [OperationKind::Restore, OperationKind::Export]
}

pub(crate) fn asked(kind: OperationKind) -> NewOperation {
    let action = match kind {
        OperationKind::Export => OperationAction::Export(ExportAction::default()),
        OperationKind::Restore => OperationAction::Restore(RestoreAction {
            connection: "contoso".into(),
            mailbox: Some("ann@contoso.example".into()),
            placement: Default::default(),
            on_conflict: Default::default(),
            below: Default::default(),
            use_export_streams: true,
        }),
    };
    NewOperation {
        id: None,
        request: OperationRequest {
            storage: "main".into(),
            mailbox: "ann@contoso.example".into(),
            snapshot: "latest".into(),
            selection: ItemSelection::default(),
            action,
        },
        asked_by: "olga".into(),
        purpose: "ticket 7".into(),
        is_confirmed: false,
    }
}

fn at_once(kind: OperationKind) -> NewOperation {
    NewOperation {
        is_confirmed: true,
        ..asked(kind)
    }
}

impl Process {
    async fn ask(&self, new: NewOperation) -> OperationId {
        self.operations.create(new).await.unwrap().id
    }

    async fn operation(&self, id: &OperationId) -> OperationRecord {
        self.operations.get(id).await.unwrap().value
    }

    /// Oldest first.
    async fn told(&self, id: &OperationId) -> Vec<OperationEvent> {
        let events = self.operations.events(id, None, 0).await.unwrap().records;
        events.into_iter().rev().map(|it| it.value.event).collect()
    }

    async fn operation_states(&self, id: &OperationId) -> Vec<&'static str> {
        let events = self.told(id).await.into_iter();
        let states = events.filter_map(|event| match event {
            OperationEvent::State { to, .. } => Some(to.code()),
            _ => None,
        });
        states.collect()
    }
}

#[tokio::test]
async fn a_restore_is_planned_confirmed_and_carried_out() {
    let world = World::new(&[]);
    let process = world.process();
    let id = process.ask(asked(OperationKind::Restore)).await;
    process.settle().await;
    let operation = process.operation(&id).await;
    assert!(operation.waits_for_confirmation());
    assert_eq!(operation.plan.as_ref().unwrap().to_create, 4);
    assert_eq!(process.operations.plan(&id).await.unwrap().more, 3);
    assert!(world.fake.looked.lock().unwrap().is_empty());
    process.operations.confirm(&id, "peter").await.unwrap();
    process.settle().await;
    let operation = process.operation(&id).await;
    assert_eq!(operation.state, State::Ended(End::Completed));
    assert_eq!((operation.words(), operation.reason()), ("Completed", None));
    assert_eq!(operation.counts.created, 4);
    let states = process.operation_states(&id).await;
    let expected = [
        "queued",
        "running",
        "waiting_for_person",
        "queued",
        "running",
        "completed",
    ];
    assert_eq!(states, expected);
    // Kept for a month, and no longer.
    world.wait(34 * 86_400);
    assert!(process.operations.get(&id).await.is_ok());
    world.wait(2 * 86_400);
    assert!(process.operations.get(&id).await.is_err());
}

/// Links that say what was asked.
struct Echo;

#[async_trait::async_trait]
impl mailkeep_ports::Links for Echo {
    async fn link(
        &self,
        key: &mailkeep_ports::Key,
        valid_for: Duration,
        file_name: &str,
    ) -> Result<String, mailkeep_ports::StoreError> {
        Ok(format!("{key} {} {file_name}", valid_for.as_secs()))
    }
}

#[tokio::test]
async fn an_export_has_a_link_until_its_time_is_over() {
    let world = World::new(&[]);
    let process = world.process();
    let id = process.ask(at_once(OperationKind::Export)).await;
    process.settle().await;
    let operation = process.operation(&id).await;
    assert_eq!((operation.words(), operation.parts), ("Completed/Link", 4));
    assert_eq!(world.exports.names().len(), 4);
    let week = Duration::from_secs(8 * 86_400);
    let link = process.operations.link(&id, 2, &Echo, week).await.unwrap();
    assert_eq!(link.url, format!("{} 604800 part-1.zip", link.part.key));
    assert_eq!(Some(link.until), operation.link_until);
    let error = process.operations.link(&id, 5, &Echo, week).await;
    assert_eq!(error.unwrap_err().code(), "no_such_part");
    world.wait(7 * 86_400 - 60);
    process.settle().await;
    assert_eq!(process.operation(&id).await.state, State::LinkReady);
    let link = process.operations.link(&id, 2, &Echo, week).await.unwrap();
    assert_eq!(link.url, format!("{} 60 part-1.zip", link.part.key));
    world.wait(61);
    // Also when no planner looked at it yet.
    let error = process.operations.link(&id, 2, &Echo, week).await;
    assert_eq!(error.unwrap_err().code(), "refused");
    process.settle().await;
    let operation = process.operation(&id).await;
    assert_eq!(operation.state, State::Expired);
    assert_eq!(operation.reason(), Some(Reason::LinkExpired));
    assert_eq!(world.exports.names(), [""; 0]);
    assert!(
        process
            .told(&id)
            .await
            .contains(&OperationEvent::FilesDeleted)
    );
}

#[tokio::test]
async fn files_of_an_export_that_is_cancelled_or_fails_are_deleted_at_once() {
    for by_person in [true, false] {
        let world = World::new(&[]);
        let process = world.process();
        let last = failure(FailureClass::MailboxGone);
        world.fake.failures.lock().unwrap().push_back((2, last));
        if by_person {
            world.fake.failures.lock().unwrap().clear();
        }
        let id = process.ask(at_once(OperationKind::Export)).await;
        process.settle().await;
        if by_person {
            assert_eq!(world.exports.names().len(), 4);
            process.operations.cancel(&id, "olga").await.unwrap();
            process.settle().await;
        }
        let operation = process.operation(&id).await;
        let expected = if by_person { "Expired" } else { "Failed" };
        assert_eq!(operation.words(), expected);
        assert!(!operation.has_files && world.exports.names().is_empty());
    }
}

#[tokio::test]
async fn doubled_late_and_foreign_messages_do_no_harm() {
    let world = World::new(&[]);
    let process = world.process();
    let id = process.ask(at_once(OperationKind::Restore)).await;
    let message = |dispatch| OperationMessage {
        operation: id.clone(),
        dispatch,
    };
    let foreign = OperationMessage {
        operation: OperationId("01J0000000000000000000000B".into()),
        dispatch: 1,
    };
    for round in 0..3 {
        for message in [message(2), message(1), message(0), foreign.clone()] {
            let body = message.encode().unwrap();
            let doubled = vec![Outgoing::now(body); 2];
            world.queue.send(doubled).await.unwrap();
        }
        process.settle().await;
        assert_eq!(process.operation(&id).await.words(), "Completed", "{round}");
    }
    assert_eq!(*world.fake.looked.lock().unwrap(), [0, 1, 2, 3]);
    assert_eq!(world.queue.depth().await.unwrap().ready, 0);
}

#[tokio::test]
async fn failures_that_may_pass_are_repeated_up_to_a_limit_without_progress() {
    let world = World::new(&[]);
    let process = world.process();
    // Each attempt but the last ones brings something: those failures do not add up.
    let gone = failure(FailureClass::Connection);
    let attempts = [1, 2, 3, 3, 3, 3, 3, 3];
    let attempts = attempts.map(|at| (at, gone.clone()));
    world.fake.failures.lock().unwrap().extend(attempts);
    let id = process.ask(at_once(OperationKind::Restore)).await;
    process.settle().await;
    let operation = process.operation(&id).await;
    assert_eq!(operation.words(), "Connection Error");
    assert_eq!(operation.reason().unwrap().code(), "connection");
    for _ in 0..30 {
        world.wait(3_700);
        process.settle().await;
    }
    let operation = process.operation(&id).await;
    assert_eq!(operation.state, State::Cancelled(CancelReason::RetryLimit));
    assert_eq!((operation.words(), operation.failures), ("Cancelled", 5));
    assert_eq!(operation.counts.created, 3);
    // Three attempts with progress, then four more without before the limit.
    let told = process.told(&id).await;
    let is_it = |event: &&OperationEvent| matches!(event, OperationEvent::AttemptFailed { .. });
    assert_eq!(told.iter().filter(is_it).count(), 6);
    assert!(process.operation_states(&id).await.contains(&"retrying"));
}

#[tokio::test]
async fn a_refused_connection_waits_for_a_person_and_a_full_mailbox_is_a_part() {
    let world = World::new(&[]);
    let process = world.process();
    let refused = failure(FailureClass::AuthCredential);
    world.fake.plans.lock().unwrap().push_back(refused.clone());
    world.fake.failures.lock().unwrap().push_back((1, refused));
    let full = (3, failure(FailureClass::TargetFull));
    world.fake.failures.lock().unwrap().push_back(full);
    let id = process.ask(at_once(OperationKind::Restore)).await;
    for looked in [0, 1] {
        process.settle().await;
        world.wait(100_000);
        process.settle().await;
        let operation = process.operation(&id).await;
        assert_eq!(operation.words(), "Authentication Error");
        assert_eq!(world.fake.looked.lock().unwrap().len(), looked);
        process.operations.resume(&id, "olga").await.unwrap();
    }
    process.settle().await;
    let operation = process.operation(&id).await;
    let reason = Reason::Failure(FailureClass::TargetFull);
    assert_eq!(operation.state, State::Ended(End::Partial(reason)));
    assert_eq!(
        (operation.words(), operation.counts.created),
        ("Partially Complete", 3)
    );
    assert_eq!(*world.fake.looked.lock().unwrap(), [0, 1, 2]);
}

/// The process is told to stop, as before the end of a function's life: the next one goes on.
#[tokio::test]
async fn work_that_is_stopped_goes_on_where_it_was() {
    for kind in kinds() {
        let world = World::new(&[]);
        let process = world.process();
        let id = process.ask(at_once(kind)).await;
        process.work().await;
        for done in 1..=3 {
            let stop = StopSignal::new();
            let given = stop.clone();
            *world.fake.before.lock().unwrap() = Some(Arc::new(move |number, _| {
                if number == done {
                    given.stop();
                }
                Box::pin(async {})
            }));
            assert_eq!(process.worker.work_once(&stop).await.unwrap(), Worked::Done);
            let operation = process.operation(&id).await;
            assert_eq!(
                (operation.words(), operation.counts.items_done),
                ("On Queue", done)
            );
            assert!(operation.is_out);
        }
        *world.fake.before.lock().unwrap() = None;
        // Without a planner: whoever stopped sent the message.
        assert_eq!(process.work().await, Worked::Done);
        let operation = process.operation(&id).await;
        assert!(operation.ended_at.is_some() && operation.failures == 0);
        assert_eq!(*world.fake.looked.lock().unwrap(), [0, 1, 2, 3]);
    }
}

#[tokio::test]
async fn work_that_somebody_cancels_ends_softly() {
    let world = World::new(&[]);
    let process = world.process();
    let id = process.ask(at_once(OperationKind::Restore)).await;
    process.work().await;
    let (operations, cancelled, clock) =
        (process.operations.clone(), id.clone(), world.clock.clone());
    *world.fake.before.lock().unwrap() = Some(Arc::new(move |number, stop: StopSignal| {
        let (operations, id, clock) = (operations.clone(), cancelled.clone(), clock.clone());
        Box::pin(async move {
            if number == 2 {
                let after = operations.cancel(&id, "olga").await.unwrap();
                assert_eq!(after.state, State::Stopping);
                while !stop.is_stopped() {
                    clock.sleep(Duration::from_secs(1)).await;
                    tokio::task::yield_now().await;
                }
            }
        })
    }));
    process.settle().await;
    let operation = process.operation(&id).await;
    assert_eq!(operation.state, State::Cancelled(CancelReason::Person));
    assert_eq!(
        (operation.words(), operation.counts.created),
        ("Cancelled", 2)
    );
    assert_eq!(operation.cancelled.unwrap().by, "olga");
}

#[tokio::test]
async fn one_that_is_cancelled_while_its_worker_is_lost_is_ended_by_the_planner() {
    let world = World::new(&[]);
    let process = world.process();
    let id = process.ask(at_once(OperationKind::Restore)).await;
    process.work().await;
    die_in_work(&world, &process).await;
    let after = process.operations.cancel(&id, "olga").await.unwrap();
    assert_eq!(after.state, State::Stopping);
    // The message is lost, too.
    world.wait(LEASE.as_secs() + 1);
    while let Some(lost) = world.queue.receive(1, LEASE).await.unwrap().pop() {
        world.queue.acknowledge(&lost.receipt).await.unwrap();
    }
    for _ in 0..4 {
        world.wait(301);
        process.settle().await;
    }
    let operation = process.operation(&id).await;
    assert_eq!(operation.state, State::Cancelled(CancelReason::Person));
}

/// A worker that never comes back from its second item.
async fn die_in_work(world: &World, process: &Process) {
    *world.fake.before.lock().unwrap() = Some(Arc::new(|number, _| {
        Box::pin(async move {
            if number == 1 {
                std::future::pending::<()>().await;
            }
        })
    }));
    let work = process.work();
    futures::pin_mut!(work);
    for _ in 0..50 {
        if futures::poll!(&mut work).is_ready() {
            break;
        }
    }
    *world.fake.before.lock().unwrap() = None;
}

#[tokio::test]
async fn an_operation_whose_worker_is_lost_is_begun_again_and_goes_on() {
    for kind in kinds() {
        let world = World::new(&[]);
        let process = world.process();
        let id = process.ask(at_once(kind)).await;
        process.work().await;
        die_in_work(&world, &process).await;
        assert_eq!(process.operation(&id).await.words(), "In Progress/Running");
        for _ in 0..3 {
            world.wait(LEASE.as_secs() * 3);
            process.settle().await;
        }
        let operation = process.operation(&id).await;
        assert!(operation.ended_at.is_some(), "{operation:?}");
        assert_eq!(operation.counts.created, 4);
        assert_eq!(*world.fake.looked.lock().unwrap(), [0, 1, 2, 3]);
        assert!(
            process
                .told(&id)
                .await
                .contains(&OperationEvent::WorkerLost)
        );
    }
}

/// An operation that kills every worker fails, visibly.
#[tokio::test]
async fn an_operation_that_kills_its_workers_fails() {
    let world = World::new(&[]);
    let process = world.process();
    let id = process.ask(at_once(OperationKind::Restore)).await;
    process.work().await;
    for _ in 0..30 {
        die_in_work(&world, &process).await;
        world.wait(LEASE.as_secs() * 3);
        process.tick().await;
        if process.operation(&id).await.ended_at.is_some() {
            break;
        }
    }
    let operation = process.operation(&id).await;
    assert_eq!(operation.state, State::Cancelled(CancelReason::RetryLimit));
    assert_eq!(operation.reason(), Some(Reason::RetryLimit));
    let says = |text: &str| operation.message.contains(text);
    assert!(
        says("again and again") || says("too often"),
        "{operation:?}"
    );
}

#[tokio::test]
async fn the_result_of_a_worker_that_was_paused_is_refused() {
    for kind in kinds() {
        let world = World::new(&[]);
        let other = world.process();
        let id = other.ask(at_once(kind)).await;
        other.work().await;
        let (begun, go_on) = (
            Arc::new(tokio::sync::Notify::new()),
            Arc::new(tokio::sync::Notify::new()),
        );
        let first = AtomicBool::new(true);
        let (tell, wait) = (begun.clone(), go_on.clone());
        *world.fake.before.lock().unwrap() = Some(Arc::new(move |number, _| {
            let is_first = number == 1 && first.swap(false, Ordering::SeqCst);
            let (tell, wait) = (tell.clone(), wait.clone());
            Box::pin(async move {
                if is_first {
                    tell.notify_one();
                    wait.notified().await;
                }
            })
        }));
        let received = world.queue.receive(1, LEASE).await.unwrap().remove(0);
        let stalled = StalledTable::over(world.table.clone());
        let paused = world.process_on(stalled.clone(), world.queue.clone(), Default::default());
        let worker = paused.worker.clone();
        let paused =
            tokio::spawn(
                async move { worker.work_on(&received, &StopSignal::new()).await.unwrap() },
            );
        begun.notified().await;
        stalled.stall();
        world.wait(LEASE.as_secs() + 1);
        assert_eq!(other.work().await, Worked::Done);
        let ended = other.operation(&id).await;
        stalled.go_on();
        go_on.notify_one();
        assert_eq!(paused.await.unwrap(), Worked::Refused);
        assert_eq!(other.operation(&id).await, ended);
        assert!(
            ended.ended_at.is_some() && ended.counts.created == 4,
            "{ended:?}"
        );
        assert_eq!(
            ended.parts,
            if kind == OperationKind::Export { 4 } else { 0 }
        );
    }
}

#[tokio::test]
async fn a_dead_letter_fails_its_operation() {
    let world = World::new(&[]);
    let process = world.process();
    let id = process.ask(asked(OperationKind::Export)).await;
    for _ in 0..6 {
        let hidden = Duration::from_secs(1);
        world.queue.receive(1, hidden).await.unwrap();
        world.wait(2);
    }
    assert_eq!(world.queue.depth().await.unwrap().dead, 1);
    process.tick().await;
    let operation = process.operation(&id).await;
    assert_eq!(operation.state, State::Cancelled(CancelReason::RetryLimit));
    assert!(operation.message.contains("too often"));
    assert_eq!(world.queue.depth().await.unwrap().dead, 0);
}

#[tokio::test]
async fn a_lost_message_of_an_operation_is_sent_again() {
    let world = World::new(&[]);
    let process = world.process();
    let id = process.ask(at_once(OperationKind::Restore)).await;
    for dispatch in 1..=2 {
        let lost = world.queue.receive(1, LEASE).await.unwrap().remove(0);
        world.queue.acknowledge(&lost.receipt).await.unwrap();
        process.settle().await;
        assert_eq!(process.operation(&id).await.dispatch, dispatch);
        for _ in 0..2 {
            world.wait(301);
            process.tick().await;
        }
        process.work().await;
    }
    assert_eq!(process.operation(&id).await.words(), "Completed");
}

/// A mailbox is backed up or restored into, not both at once: they share its budget of requests.
#[tokio::test]
async fn backups_and_restores_of_one_mailbox_wait_for_each_other() {
    let world = World::new(&["ann"]);
    let process = world.process();
    let job = process.jobs.create(&one_time("All")).await.unwrap().id;
    process.start(&job).await;
    process.tick().await;
    let id = {
        // The backup does not come back from its work.
        *world.site.during.lock().unwrap() =
            Some(Arc::new(|_, _| Box::pin(std::future::pending())));
        let work = process.work();
        futures::pin_mut!(work);
        for _ in 0..10 {
            assert!(futures::poll!(&mut work).is_pending());
        }
        *world.site.during.lock().unwrap() = None;
        let id = process.ask(at_once(OperationKind::Restore)).await;
        // It is planned all the same: that reads little.
        assert_eq!(process.work().await, Worked::Done);
        for _ in 0..3 {
            assert_eq!(process.work().await, Worked::GivenBack);
            world.wait(31);
            process.tick().await;
        }
        id
    };
    assert_eq!(process.operation(&id).await.words(), "On Queue");
    let told = process.told(&id).await;
    let held = told
        .iter()
        .filter(|event| **event == OperationEvent::MailboxHeld);
    assert_eq!(held.count(), 1, "told once");
    for _ in 0..4 {
        world.wait(LEASE.as_secs() * 2);
        process.settle().await;
    }
    assert_eq!(process.operation(&id).await.words(), "Completed");

    // Now the restore is first, and the backup waits.
    let world = World::new(&["ann"]);
    let process = world.process();
    let id = process.ask(at_once(OperationKind::Restore)).await;
    process.work().await;
    die_in_work(&world, &process).await;
    assert_eq!(process.operation(&id).await.words(), "In Progress/Running");
    let job = process.jobs.create(&one_time("All")).await.unwrap().id;
    process.start(&job).await;
    process.tick().await;
    assert_eq!(process.work().await, Worked::GivenBack);
    for _ in 0..4 {
        world.wait(LEASE.as_secs() * 2);
        process.settle().await;
    }
    assert_eq!(process.operation(&id).await.words(), "Completed");
    let task = process.tasks(&job, 1).await.remove(0);
    assert!(task.was_held && task.end.is_some(), "{task:?}");
}

#[tokio::test]
async fn a_plan_that_nobody_confirms_is_forgotten() {
    let world = World::new(&[]);
    let process = world.process();
    let id = process.ask(asked(OperationKind::Restore)).await;
    process.settle().await;
    world.wait(34 * 86_400);
    process.settle().await;
    assert!(process.operation(&id).await.waits_for_confirmation());
    world.wait(2 * 86_400);
    assert!(process.operations.get(&id).await.is_err());
}
