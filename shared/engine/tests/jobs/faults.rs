//! The process dies, or nobody answers, at every single call: another process finishes the job.

use std::collections::BTreeMap;

use mailkeep_engine::StopSignal;
use mailkeep_engine::ledger::JobId;
use mailkeep_engine::work::{Outcome, Worked};
use mailkeep_model::FailureClass;
use mailkeep_model::job::HookFailure;
use mailkeep_model::state::{End, State};
use mailkeep_ports::{CallFault, CallFaultRates, FaultPlan};

use crate::hooks::hook;
use crate::rig::{Process, World, at_will, one_time};

const NAMES: [&str; 3] = ["ann", "bob", "cid"];

/// Works until the process is dead or the job is done; errors are met as a real one would: later again.
async fn live(world: &World, process: &Process, plan: &FaultPlan, rounds: u32) {
    for _ in 0..rounds {
        if plan.is_dead() {
            return;
        }
        let tick = process.planner.tick().await.unwrap_or_default();
        for order in &tick.hooks {
            let _ = process.caller.call(order, &StopSignal::new()).await;
        }
        loop {
            match process.worker.work_once(&StopSignal::new()).await {
                Ok(Worked::Nothing) | Err(_) => break,
                Ok(_) => {}
            }
        }
        world.wait(61);
    }
}

async fn is_closed(process: &Process, id: &JobId) -> bool {
    let job = process.job(id).await;
    job.cycle > 0 && !job.is_open
}

/// Runs a job with this plan of faults, and then another process to the end. Returns the calls that the
/// first one made.
async fn scenario(plan: FaultPlan, with_hooks: bool) -> u64 {
    let world = World::new(&NAMES);
    world.site.tell(
        "bob",
        [Outcome::Failed {
            class: FailureClass::Connection,
            retry_after: None,
        }],
    );
    *world.site.page_size.lock().unwrap() = 2;
    let well = world.process();
    let first = world.failing_process(&plan);
    let mut definition = one_time("All");
    if with_hooks {
        definition.hooks.before = Some(hook("before", true, HookFailure::Continue));
        definition.hooks.after = Some(hook("after", true, HookFailure::Continue));
    }
    let _ = first.jobs.create(&definition).await;
    // The answer may have been lost: made at most once either way.
    let job = match well.jobs.find("all").await {
        Ok(job) => job,
        Err(_) => well.jobs.create(&definition).await.unwrap(),
    };
    let _ = first.jobs.start(&job.id, at_will(false)).await;
    live(&world, &first, &plan, 4).await;
    let calls = plan.calls();

    if !well.job(&job.id).await.is_started && well.job(&job.id).await.cycle == 0 {
        well.start(&job.id).await;
    }
    for _ in 0..40 {
        if is_closed(&well, &job.id).await {
            break;
        }
        live(&world, &well, &FaultPlan::new(), 1).await;
    }
    assert_ended_well(&world, &well, &job.id).await;
    let known = well.jobs.ledger().hooks(&job.id.run(1)).await.unwrap();
    let started = world.hooks.started();
    for phase in ["before", "after"] {
        let calls = started.iter().filter(|call| call.id.ends_with(phase));
        let calls = calls.count();
        let record = known.iter().find(|record| record.phase.code() == phase);
        assert_eq!(record.is_some(), with_hooks, "{phase}: {known:?}");
        // Never twice; not at all only if nobody claims to know what came of it.
        let is_in_doubt = record.is_some_and(|record| record.is_in_doubt);
        assert!(
            calls == usize::from(with_hooks) || (calls == 0 && is_in_doubt),
            "{phase}: {calls}"
        );
    }
    calls
}

async fn assert_ended_well(world: &World, process: &Process, id: &JobId) {
    let job = process.job(id).await;
    let run = process.run(id, 1).await;
    assert_eq!(run.state, State::Ended(End::Completed), "{run:?}");
    assert!(job.is_finished && !job.is_open && job.cycle == 1, "{job:?}");
    assert_eq!((run.waiting, run.in_flight, run.tally.tasks()), (0, 0, 3));
    let tasks = process.tasks(id, 1).await;
    assert_eq!(tasks.len(), 3);
    assert!(
        tasks
            .iter()
            .all(|task| task.state == State::Ended(End::Completed))
    );
    // Nothing is left over in the lists of what waits and what was handed out.
    let mut kinds: BTreeMap<String, u32> = BTreeMap::new();
    for item in world.table.items() {
        let kind = item.key.sort().split('/').next().unwrap_or_default();
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    assert_eq!(
        kinds.get("wait").copied().unwrap_or_default(),
        0,
        "{kinds:?}"
    );
    assert_eq!(
        kinds.get("flight").copied().unwrap_or_default(),
        0,
        "{kinds:?}"
    );
    let hooks = world.table.items();
    let hooks = hooks.iter().filter(|item| item.key.partition() == "hooks");
    assert_eq!(hooks.count(), 0);
    // Every state of the cycle has one event, and the last one tells the state that is there.
    let states = process.states(id, 1).await;
    assert_eq!(states, [State::Queued, State::Running, run.state]);
    let done = world.site.done();
    for name in NAMES {
        assert!(
            done.iter().any(|address| address.starts_with(name)),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_fault_at_every_call_is_healed() {
    every_fault_is_healed(false).await;
}

#[tokio::test]
async fn a_fault_at_every_call_calls_no_hook_twice() {
    every_fault_is_healed(true).await;
}

async fn every_fault_is_healed(with_hooks: bool) {
    let calls = scenario(FaultPlan::new(), with_hooks).await;
    assert!(calls > 60, "{calls}");
    for number in 1..=calls {
        for fault in CallFault::ALL {
            scenario(FaultPlan::new().at(number, fault), with_hooks).await;
        }
    }
}

#[tokio::test]
async fn faults_by_chance_are_healed() {
    let rates = CallFaultRates {
        busy: 30,
        request_lost: 30,
        answer_lost: 30,
        duplicated: 200,
    };
    for seed in 0..60 {
        scenario(FaultPlan::new().by_chance(seed, rates), seed % 2 == 0).await;
    }
}
