//! Asking for operations, and telling them.

use std::sync::Arc;
use std::time::Duration;

use mailkeep_model::state::{CancelReason, Event, Reason, State};
use mailkeep_ports::{
    CallFault, Clock, FaultPlan, FaultQueue, FaultTable, MemoryQueue, MemoryTable, Queue,
    SeededRng, TestClock,
};

use super::transition::Change;
use super::*;
use crate::ledger::{Ledger, Made, Tries};
use crate::restore::Placement;

struct World {
    clock: Arc<TestClock>,
    table: Arc<MemoryTable>,
    queue: Arc<MemoryQueue>,
    rng: Arc<SeededRng>,
}

impl World {
    fn new() -> Self {
        let clock = TestClock::new("2026-01-05T08:00:00Z".parse().unwrap());
        let clock = Arc::new(clock);
        Self {
            table: Arc::new(MemoryTable::new()),
            queue: Arc::new(MemoryQueue::new(clock.clone(), 5)),
            rng: Arc::new(SeededRng::new(5)),
            clock,
        }
    }

    fn operations(&self) -> Operations {
        let ledger = Ledger::new(self.table.clone(), self.clock.clone(), self.rng.clone());
        Operations::new(ledger, self.queue.clone())
    }

    fn failing(&self, plan: &FaultPlan) -> Operations {
        let table = Arc::new(FaultTable::new(self.table.clone(), plan.clone()));
        let queue = Arc::new(FaultQueue::new(self.queue.clone(), plan.clone()));
        let ledger = Ledger::new(table, self.clock.clone(), self.rng.clone());
        Operations::new(ledger, queue)
    }

    async fn messages(&self) -> Vec<OperationMessage> {
        let received = self
            .queue
            .receive(10, Duration::from_secs(1))
            .await
            .unwrap();
        let read =
            |received: mailkeep_ports::Received| OperationMessage::decode(&received.body).unwrap();
        received.into_iter().map(read).collect()
    }
}

fn restore() -> NewOperation {
    NewOperation {
        id: None,
        request: OperationRequest {
            storage: "main".into(),
            mailbox: "ann@contoso.example".into(),
            snapshot: "latest".into(),
            selection: ItemSelection::default(),
            action: OperationAction::Restore(RestoreAction {
                connection: "contoso".into(),
                mailbox: None,
                placement: Placement::default(),
                on_conflict: Default::default(),
                below: Default::default(),
                use_export_streams: true,
            }),
        },
        asked_by: "olga".into(),
        purpose: "ticket 7".into(),
        is_confirmed: false,
    }
}

fn export() -> NewOperation {
    let mut new = restore();
    new.request.action = OperationAction::Export(ExportAction::default());
    new
}

/// What a worker and a planner do, as far as it matters here.
async fn change(operations: &Operations, id: &OperationId, what: impl Fn(&mut OperationRecord)) {
    let mut change = Change::of(operations.get(id).await.unwrap());
    what(&mut change.after);
    let writes = change.writes(operations.ledger.clock().now()).unwrap();
    let made = operations.ledger.transact(writes, &mut Tries::new()).await;
    assert_eq!(made.unwrap(), Made::Yes);
}

async fn planned(operations: &Operations, id: &OperationId) {
    change(operations, id, |operation| {
        operation.step(Event::Start).unwrap();
        let wait = Event::NeedPerson(Reason::Confirmation);
        operation.step(wait).unwrap();
        operation.phase = Phase::Confirm;
        operation.come_back(None);
    })
    .await;
}

async fn states(operations: &Operations, id: &OperationId) -> Vec<State> {
    let mut events = operations.events(id, None, 0).await.unwrap().records;
    events.reverse();
    let states = events
        .into_iter()
        .filter_map(|event| match event.value.event {
            OperationEvent::State { to, .. } => Some(to),
            _ => None,
        });
    states.collect()
}

#[tokio::test]
async fn an_operation_is_made_confirmed_and_told_of() {
    let world = World::new();
    let operations = world.operations();
    let made = operations.create(restore()).await.unwrap();
    assert_eq!((made.phase, made.state), (Phase::Plan, State::Queued));
    assert_eq!(made.words(), "On Queue");
    let message = OperationMessage {
        operation: made.id.clone(),
        dispatch: 1,
    };
    assert_eq!(world.messages().await, [message]);
    let error = operations.confirm(&made.id, "olga").await.unwrap_err();
    assert_eq!(error.code(), "refused");
    planned(&operations, &made.id).await;
    let read = operations.get(&made.id).await.unwrap().value;
    assert!(read.waits_for_confirmation());
    assert_eq!(
        (read.words(), read.reason()),
        ("On Queue", Some(Reason::Confirmation))
    );
    assert_eq!(
        operations.resume(&made.id, "x").await.unwrap_err().code(),
        "refused"
    );
    let confirmed = operations.confirm(&made.id, "peter").await.unwrap();
    assert_eq!((confirmed.phase, confirmed.dispatch), (Phase::Work, 2));
    assert_eq!(confirmed.confirmed.as_ref().unwrap().by, "peter");
    assert!(confirmed.is_out(2) && !confirmed.is_out(1));
    // Once more changes nothing.
    assert_eq!(
        operations.confirm(&made.id, "karl").await.unwrap(),
        confirmed
    );
    let wait = State::WaitingForPerson(Reason::Confirmation);
    assert_eq!(
        states(&operations, &made.id).await,
        [State::Queued, wait, State::Queued]
    );
    let listed = operations.list(None, 0).await.unwrap().records;
    assert_eq!(listed.len(), 1);
    // One place in the list of what planners look at, whatever happened.
    let dues = world.table.items().into_iter();
    let dues = dues.filter(|item| item.key.sort().starts_with("due/"));
    assert_eq!(dues.count(), 1);
}

#[tokio::test]
async fn a_request_under_one_id_is_made_once() {
    let world = World::new();
    let operations = world.operations();
    let id = OperationId("01J0000000000000000000000A".into());
    let new = NewOperation {
        id: Some(id.clone()),
        ..restore()
    };
    let first = operations.create(new.clone()).await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(operations.create(new.clone()).await.unwrap(), first);
    let other = NewOperation {
        request: export().request,
        ..new
    };
    assert_eq!(
        operations.create(other).await.unwrap_err().code(),
        "id_taken"
    );
    let odd = OperationId("../x".into());
    assert_eq!(
        operations.get(&odd).await.unwrap_err().code(),
        "no_such_operation"
    );
}

#[tokio::test]
async fn all_that_is_wrong_is_said_at_once() {
    let mut new = export();
    new.request.storage.clear();
    new.request.selection.items = vec!["nonsense".into()];
    new.request.selection.folders = vec![mailkeep_model::FolderPath(vec![])];
    new.request.action = OperationAction::Export(ExportAction {
        keep_days: 31,
        ..ExportAction::default()
    });
    new.asked_by = "\n".into();
    let error = World::new().operations().create(new).await.unwrap_err();
    let OperationError::Invalid(errors) = error else {
        panic!("{error}");
    };
    let fields: Vec<_> = errors
        .list()
        .iter()
        .map(|error| error.field.as_str())
        .collect();
    let expected = [
        "storage",
        "selection.folders",
        "selection.items[0]",
        "selection.items",
        "action.keep_days",
        "asked_by",
    ];
    assert_eq!(fields, expected);
}

#[tokio::test]
async fn whatever_is_not_over_can_be_cancelled() {
    let world = World::new();
    let operations = world.operations();
    let cancelled = State::Cancelled(CancelReason::Person);

    let queued = operations.create(restore()).await.unwrap().id;
    let after = operations.cancel(&queued, "olga").await.unwrap();
    assert_eq!((after.state, after.is_out), (cancelled, false));
    assert_eq!(operations.cancel(&queued, "olga").await.unwrap(), after);

    let running = operations.create(restore()).await.unwrap().id;
    change(&operations, &running, |it| it.step(Event::Start).unwrap()).await;
    let after = operations.cancel(&running, "olga").await.unwrap();
    // A worker may be at it: it is the one that ends it.
    assert_eq!((after.state, after.is_out), (State::Stopping, true));
    assert!(after.look_at.is_some() && after.ended_at.is_none());

    let ready = operations.create(export()).await.unwrap().id;
    let until = world.clock.now() + chrono::TimeDelta::days(7);
    change(&operations, &ready, |it| {
        it.step(Event::Start).unwrap();
        it.step(Event::Finish(mailkeep_model::state::End::Completed))
            .unwrap();
        (it.has_files, it.link_until) = (true, Some(until));
        it.end(until - chrono::TimeDelta::days(7));
    })
    .await;
    let read = operations.get(&ready).await.unwrap().value;
    assert_eq!(
        (read.words(), read.look_at),
        ("Completed/Link", Some(until))
    );
    let after = operations.cancel(&ready, "olga").await.unwrap();
    assert_eq!(
        (after.state, after.look_at),
        (State::Expired, Some(world.clock.now()))
    );

    let done = operations.create(restore()).await.unwrap().id;
    change(&operations, &done, |it| {
        it.step(Event::Start).unwrap();
        it.step(Event::Finish(mailkeep_model::state::End::Completed))
            .unwrap();
        it.end(until);
    })
    .await;
    assert_eq!(
        operations.cancel(&done, "x").await.unwrap_err().code(),
        "refused"
    );
}

#[tokio::test]
async fn an_operation_that_waits_for_a_person_goes_on_when_told() {
    let world = World::new();
    let operations = world.operations();
    let id = operations.create(restore()).await.unwrap().id;
    let reason = Reason::Failure(mailkeep_model::FailureClass::AuthCredential);
    change(&operations, &id, |it| {
        it.step(Event::Start).unwrap();
        it.step(Event::NeedPerson(reason)).unwrap();
        it.failures = 3;
        it.come_back(None);
    })
    .await;
    let read = operations.get(&id).await.unwrap().value;
    assert_eq!(read.words(), "Authentication Error");
    let resumed = operations.resume(&id, "olga").await.unwrap();
    assert_eq!(
        (resumed.state, resumed.failures, resumed.dispatch),
        (State::Queued, 0, 2)
    );
}

/// Every call fails in every way: the command has its effect once, or none and says so.
#[tokio::test]
async fn commands_have_their_effect_once_whatever_fails() {
    for fault in [
        CallFault::AnswerLost,
        CallFault::RequestLost,
        CallFault::Busy,
    ] {
        for number in 1..8 {
            let world = World::new();
            let well = world.operations();
            let failing = world.failing(&FaultPlan::new().at(number, fault));
            let _ = failing.create(restore()).await;
            let mut listed = well.list(None, 0).await.unwrap().records;
            assert_eq!(listed.len(), 1, "{number} {fault:?}");
            let id = listed.remove(0).value.id;
            planned(&well, &id).await;
            let failing = world.failing(&FaultPlan::new().at(number, fault));
            let confirmed = failing.confirm(&id, "olga").await.unwrap();
            assert_eq!(confirmed.dispatch, 2);
            let confirmations = well.events(&id, None, 0).await.unwrap().records;
            let is_it = |event: &OperationEvent| matches!(event, OperationEvent::Confirmed { .. });
            let count = confirmations
                .iter()
                .filter(|event| is_it(&event.value.event));
            assert_eq!(count.count(), 1, "{number} {fault:?}");
        }
    }
}
