//! The process dies, or nobody answers, at every single call: another process finishes the operation.

use mailkeep_engine::StopSignal;
use mailkeep_engine::operation::{OperationEvent, OperationId, OperationKind};
use mailkeep_engine::work::Worked;
use mailkeep_model::FailureClass;
use mailkeep_model::state::{End, State};
use mailkeep_ports::{CallFault, CallFaultRates, FaultPlan};

use crate::fake::failure;
use crate::operations::{asked, kinds};
use crate::rig::{Process, World};

async fn live(world: &World, process: &Process, plan: &FaultPlan, rounds: u32) {
    for _ in 0..rounds {
        if plan.is_dead() {
            return;
        }
        let _ = process.planner.tick().await;
        loop {
            match process.worker.work_once(&StopSignal::new()).await {
                Ok(Worked::Nothing) | Err(_) => break,
                Ok(_) => {}
            }
        }
        world.wait(61);
    }
}

/// Carries an operation out with this plan of faults, and then another process to the end. Returns the
/// calls that the first one made.
async fn scenario(kind: OperationKind, plan: FaultPlan) -> u64 {
    let world = World::new(&["ann"]);
    let fails_once = (2, failure(FailureClass::Connection));
    world.fake.failures.lock().unwrap().push_back(fails_once);
    let well = world.process();
    let first = world.failing_process(&plan);
    let id = OperationId("01J0000000000000000000000A".into());
    let mut new = asked(kind);
    new.id = Some(id.clone());
    let _ = first.operations.create(new.clone()).await;
    well.operations.create(new).await.unwrap();
    live(&world, &first, &plan, 2).await;
    let _ = first.operations.confirm(&id, "olga").await;
    live(&world, &first, &plan, 4).await;
    let calls = plan.calls();

    for _ in 0..40 {
        let operation = well.operations.get(&id).await.unwrap().value;
        if operation.waits_for_confirmation() {
            well.operations.confirm(&id, "olga").await.unwrap();
        }
        if operation.ended_at.is_some() {
            break;
        }
        live(&world, &well, &FaultPlan::new(), 1).await;
    }
    assert_ended_well(&world, &well, &id).await;
    calls
}

async fn assert_ended_well(world: &World, process: &Process, id: &OperationId) {
    let operation = process.operations.get(id).await.unwrap().value;
    let is_export = operation.kind() == OperationKind::Export;
    let end = if is_export {
        State::LinkReady
    } else {
        State::Ended(End::Completed)
    };
    assert_eq!(operation.state, end, "{operation:?}");
    assert_eq!(operation.counts.items_done, 4, "{operation:?}");
    assert!(!operation.is_out && operation.plan.is_some());
    let events = process
        .operations
        .events(id, None, 0)
        .await
        .unwrap()
        .records;
    let count = |is_it: fn(&OperationEvent) -> bool| {
        events
            .iter()
            .filter(|event| is_it(&event.value.event))
            .count()
    };
    // What happens once is told once.
    for is_it in [
        |event: &OperationEvent| matches!(event, OperationEvent::Asked { .. }),
        |event: &OperationEvent| matches!(event, OperationEvent::Planned { .. }),
        |event: &OperationEvent| matches!(event, OperationEvent::Confirmed { .. }),
        |event: &OperationEvent| {
            matches!(
                event,
                OperationEvent::State {
                    to: State::Ended(_) | State::LinkReady,
                    ..
                }
            )
        },
    ] {
        assert_eq!(count(is_it), 1, "{events:?}");
    }
    let parts = process.operations.parts(id, None, 0).await.unwrap().records;
    if is_export {
        // Exactly the parts that were counted, each of them there.
        let mut numbers: Vec<u32> = parts.iter().map(|part| part.value.number).collect();
        numbers.retain(|number| *number <= operation.parts);
        assert_eq!((operation.parts, numbers), (4, vec![1, 2, 3, 4]));
        let names = world.exports.names();
        assert!(parts.iter().all(|part| names.contains(&part.value.key)));
        assert_eq!(operation.counts.created, 4);
    } else {
        let written = world.fake.written.lock().unwrap();
        assert_eq!(written.values().copied().collect::<Vec<_>>(), [1; 4]);
        let counts = &operation.counts;
        assert_eq!(counts.created + counts.already_there, 4, "{operation:?}");
    }
    // One place in the list of what planners look at, if there is anything to do later.
    let dues = world.table.items().into_iter();
    let dues = dues
        .filter(|item| item.key.sort().starts_with("due/"))
        .count();
    assert_eq!(dues, usize::from(is_export));
}

#[tokio::test]
async fn a_fault_at_every_call_of_an_operation_is_healed() {
    for kind in kinds() {
        let calls = scenario(kind, FaultPlan::new()).await;
        assert!(calls > 40, "{calls}");
        for number in 1..=calls {
            for fault in CallFault::ALL {
                scenario(kind, FaultPlan::new().at(number, fault)).await;
            }
        }
    }
}

#[tokio::test]
async fn faults_by_chance_of_an_operation_are_healed() {
    let rates = CallFaultRates {
        busy: 30,
        request_lost: 30,
        answer_lost: 30,
        duplicated: 200,
    };
    for kind in kinds() {
        for seed in 0..40 {
            scenario(kind, FaultPlan::new().by_chance(seed, rates)).await;
        }
    }
}
