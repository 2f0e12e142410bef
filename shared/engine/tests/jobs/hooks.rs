//! All combinations of before or after, waited for or not, continuing or failing, for a hook that works
//! and one that does not; processes that are lost, and several planners.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mailkeep_engine::StopSignal;
use mailkeep_engine::hooks::{HookOrder, HookRecord, HookStage, Phase};
use mailkeep_engine::ledger::{JobEvent, JobId};
use mailkeep_engine::work::{Outcome, Worked};
use mailkeep_model::FailureClass;
use mailkeep_model::job::{Hook, HookFailure, HookKind, JobDefinition};
use mailkeep_model::state::{End, Reason, State};
use mailkeep_ports::{Clock as _, HookFault, HookTarget, TestClock};
use tokio::task::JoinHandle;

use crate::rig::{Process, World, at_will, one_time, plain};

const SHORT: u64 = 2;
const BACKUP: u64 = 10;
const LONG: u64 = 60;
const BEFORE: End = End::Failed(Reason::HookBefore);
const AFTER: End = End::Failed(Reason::HookAfter);
const OWN: End = End::Failed(Reason::Failure(FailureClass::MailboxGone));

#[must_use]
pub(crate) fn hook(name: &str, wait: bool, on_failure: HookFailure) -> Hook {
    Hook {
        call: HookKind::Exec(vec![name.to_owned()]),
        wait,
        on_failure,
        timeout_seconds: 1_000,
    }
}

fn target(name: &str) -> HookTarget {
    HookTarget::Exec(vec![name.to_owned()])
}

/// A job at work, one second after the other.
struct Scene {
    world: World,
    process: Process,
    id: JobId,
    at_work: Vec<JoinHandle<()>>,
    was_stopped: Arc<AtomicBool>,
}

impl Scene {
    async fn new(definition: &JobDefinition) -> Self {
        let clock = TestClock::manual("2026-01-05T08:00:00Z".parse().unwrap());
        let world = World::at(&["ann"], clock);
        let was_stopped = Arc::new(AtomicBool::new(false));
        let (clock, seen) = (world.clock.clone(), was_stopped.clone());
        *world.site.during.lock().unwrap() = Some(Arc::new(move |_, stop| {
            let (clock, seen) = (clock.clone(), seen.clone());
            Box::pin(async move {
                for _ in 0..BACKUP {
                    if stop.is_stopped() {
                        return seen.store(true, Ordering::SeqCst);
                    }
                    clock.sleep(Duration::from_secs(1)).await;
                }
            })
        }));
        let process = world.quick_process();
        let id = process.jobs.create(definition).await.unwrap().id;
        Self {
            world,
            process,
            id,
            at_work: vec![],
            was_stopped,
        }
    }

    fn call(&mut self, orders: Vec<HookOrder>) {
        for order in orders {
            let caller = self.process.caller.clone();
            self.at_work.push(tokio::spawn(async move {
                caller.call(&order, &StopSignal::new()).await.unwrap();
            }));
        }
    }

    async fn second(&mut self) {
        let tick = self.process.planner.tick().await.unwrap();
        assert!(tick.failures.is_empty(), "{:?}", tick.failures);
        self.call(tick.hooks);
        let worker = self.process.worker.clone();
        self.at_work.push(tokio::spawn(async move {
            let stop = StopSignal::new();
            while worker.work_once(&stop).await.unwrap() != Worked::Nothing {}
        }));
        for _ in 0..60 {
            tokio::task::yield_now().await;
        }
        self.world.clock.advance(Duration::from_secs(1));
        for _ in 0..60 {
            tokio::task::yield_now().await;
        }
    }

    async fn seconds(&mut self, count: u64) {
        for _ in 0..count {
            self.second().await;
        }
    }

    async fn state(&self) -> State {
        self.process.run(&self.id, 1).await.state
    }

    async fn hooks(&self) -> Vec<HookRecord> {
        let ledger = self.process.jobs.ledger();
        ledger.hooks(&self.id.run(1)).await.unwrap()
    }

    /// Everything that is at work in the process ends at once, as when it is killed.
    fn die(&mut self) {
        for work in self.at_work.drain(..) {
            work.abort();
        }
    }
}

struct Case {
    phase: Phase,
    wait: bool,
    on_failure: HookFailure,
    fails: bool,
    seconds: u64,
    backup: Option<Outcome>,
}

fn case(phase: Phase, wait: bool, on_failure: HookFailure, fails: bool, seconds: u64) -> Case {
    Case {
        phase,
        wait,
        on_failure,
        fails,
        seconds,
        backup: None,
    }
}

/// What one cycle with one hook did.
#[derive(Debug, PartialEq)]
struct Seen {
    /// How the cycle ended at first.
    end: End,
    /// A mailbox was worked on, and told to stop.
    was_backed_up: bool,
    was_stopped: bool,
    /// The backup was at work while the hook was.
    side_by_side: bool,
    /// The cycle was over while the hook was at work.
    is_late: bool,
    /// How it ended after all.
    finally: End,
    /// The hooks that were called.
    calls: Vec<&'static str>,
}

const DONE: Seen = Seen {
    end: End::Completed,
    was_backed_up: true,
    was_stopped: false,
    side_by_side: false,
    is_late: false,
    finally: End::Completed,
    calls: vec![],
};

async fn play(case: &Case) -> Seen {
    let mut job = one_time("All");
    let the_hook = Some(hook("hook", case.wait, case.on_failure));
    match case.phase {
        // Another one after it shows whether anything is called after.
        Phase::Before => {
            job.hooks.before = the_hook;
            job.hooks.after = Some(hook("after", true, HookFailure::Continue));
        }
        Phase::After => job.hooks.after = the_hook,
    }
    let mut scene = Scene::new(&job).await;
    let fault = case.fails.then_some(HookFault::Code(7));
    let time = Duration::from_secs(case.seconds);
    scene.world.hooks.play(target("hook"), time, fault);
    if let Some(outcome) = &case.backup {
        scene.world.site.tell("ann", [outcome.clone()]);
    }
    scene.process.start(&scene.id).await;
    let (mut end, mut side_by_side, mut is_late) = (None, false, false);
    for _ in 0..120 {
        scene.second().await;
        let hooks = &scene.world.hooks;
        let is_at_work = hooks
            .started()
            .iter()
            .any(|call| call.target == target("hook") && !hooks.ended().contains(call));
        let run = scene.process.run(&scene.id, 1).await;
        side_by_side |= is_at_work && run.in_flight > 0;
        if let State::Ended(now) = run.state {
            end.get_or_insert(now);
            is_late |= is_at_work;
        }
    }
    let State::Ended(finally) = scene.state().await else {
        panic!("it does not end");
    };
    let job = scene.process.job(&scene.id).await;
    assert_eq!(job.last.unwrap().end, Some(finally));
    assert_eq!(job.is_finished, finally == End::Completed);
    let told = scene.process.states(&scene.id, 1).await;
    assert_eq!(told.last(), Some(&State::Ended(finally)), "{told:?}");
    let calls = scene.world.hooks.started().into_iter();
    Seen {
        end: end.unwrap(),
        was_backed_up: !scene.world.site.done().is_empty(),
        was_stopped: scene.was_stopped.load(Ordering::SeqCst),
        side_by_side,
        is_late,
        finally,
        calls: calls
            .map(|call| {
                if call.target == target("hook") {
                    "hook"
                } else {
                    "after"
                }
            })
            .collect(),
    }
}

use HookFailure::{Continue, FailJob};

#[tokio::test]
async fn before_and_waited_for() {
    let both = || Seen {
        calls: vec!["hook", "after"],
        ..DONE
    };
    for (on_failure, fails) in [(Continue, false), (Continue, true), (FailJob, false)] {
        let case = case(Phase::Before, true, on_failure, fails, LONG);
        assert_eq!(play(&case).await, both());
    }
    let failed = case(Phase::Before, true, FailJob, true, LONG);
    let expected = Seen {
        end: BEFORE,
        finally: BEFORE,
        was_backed_up: false,
        calls: vec!["hook"],
        ..DONE
    };
    assert_eq!(play(&failed).await, expected, "no backup, nothing after");
}

#[tokio::test]
async fn before_and_not_waited_for() {
    let together = || Seen {
        side_by_side: true,
        calls: vec!["hook", "after"],
        ..DONE
    };
    for (on_failure, fails) in [(Continue, false), (Continue, true), (FailJob, false)] {
        let case = case(Phase::Before, false, on_failure, fails, SHORT);
        assert_eq!(play(&case).await, together());
    }
    let failed = case(Phase::Before, false, FailJob, true, SHORT);
    let expected = Seen {
        end: BEFORE,
        finally: BEFORE,
        was_stopped: true,
        calls: vec!["hook"],
        ..together()
    };
    assert_eq!(play(&failed).await, expected, "stopped, nothing after");
    // It fails when everything is over.
    let late = case(Phase::Before, false, FailJob, true, LONG);
    let expected = Seen {
        is_late: true,
        finally: BEFORE,
        ..together()
    };
    assert_eq!(play(&late).await, expected);
}

#[tokio::test]
async fn after_and_waited_for() {
    let one = || Seen {
        calls: vec!["hook"],
        ..DONE
    };
    for (on_failure, fails) in [(Continue, false), (Continue, true), (FailJob, false)] {
        let case = case(Phase::After, true, on_failure, fails, LONG);
        assert_eq!(play(&case).await, one());
    }
    let failed = case(Phase::After, true, FailJob, true, LONG);
    let expected = Seen {
        end: AFTER,
        finally: AFTER,
        ..one()
    };
    assert_eq!(play(&failed).await, expected, "the backup is there");
}

#[tokio::test]
async fn after_and_not_waited_for() {
    let late = || Seen {
        is_late: true,
        calls: vec!["hook"],
        ..DONE
    };
    for (on_failure, fails) in [(Continue, false), (Continue, true), (FailJob, false)] {
        let case = case(Phase::After, false, on_failure, fails, LONG);
        assert_eq!(play(&case).await, late());
    }
    let failed = case(Phase::After, false, FailJob, true, LONG);
    let expected = Seen {
        finally: AFTER,
        ..late()
    };
    assert_eq!(play(&failed).await, expected, "completed, then failed");
}

#[tokio::test]
async fn a_hook_after_a_failed_backup_does_not_hide_its_reason() {
    let gone = Outcome::Failed {
        class: FailureClass::MailboxGone,
        retry_after: None,
    };
    for (fails, backup, end) in [
        (false, gone.clone(), OWN),
        (true, gone, OWN),
        (true, Outcome::Warning(Reason::Gaps), AFTER),
    ] {
        let mut case = case(Phase::After, true, FailJob, fails, SHORT);
        case.backup = Some(backup);
        let seen = play(&case).await;
        assert_eq!((seen.end, seen.calls), (end, vec!["hook"]));
    }
}

#[tokio::test]
async fn what_comes_after_a_stopped_cycle_is_told_so() {
    let mut job = plain("All");
    job.hooks.before = Some(hook("before", false, Continue));
    job.hooks.after = Some(hook("after", true, Continue));
    let mut scene = Scene::new(&job).await;
    scene.process.start(&scene.id).await;
    scene.seconds(3).await;
    scene.process.jobs.stop(&scene.id).await.unwrap();
    scene.seconds(10).await;
    assert_eq!(scene.state().await, State::Stopped);
    let calls = scene.world.hooks.started();
    assert_eq!(calls.len(), 2);
    let stopped = ("MAILKEEP_OUTCOME".to_owned(), "stopped".to_owned());
    assert!(calls[1].facts.contains(&stopped), "{:?}", calls[1].facts);
}

#[tokio::test]
async fn what_takes_too_long_has_failed_and_its_output_is_kept() {
    let mut job = one_time("All");
    let slow = hook("hook", true, FailJob);
    job.hooks.after = Some(Hook {
        timeout_seconds: 5,
        ..slow
    });
    let mut scene = Scene::new(&job).await;
    let time = Duration::from_secs(LONG);
    scene.world.hooks.play(target("hook"), time, None);
    scene.process.start(&scene.id).await;
    scene.seconds(30).await;
    assert_eq!(scene.state().await, State::Ended(AFTER));
    let record = scene.hooks().await.remove(0);
    let took = record.ended_at - record.began_at;
    assert!((5..8).contains(&took.num_seconds()), "{took}");
    assert_eq!(record.fault, Some(HookFault::TimedOut.to_string()));
    assert_eq!(
        (record.output.as_str(), record.is_in_doubt),
        ("played", false)
    );
    let events = scene.process.events(&scene.id).await;
    let is_told = |event: &JobEvent| {
        matches!(
            event,
            JobEvent::HookEnded {
                phase: Phase::After,
                fault: Some(_),
                fails_job: true
            }
        )
    };
    assert!(events.iter().any(|event| is_told(&event.event)));
}

/// The process is killed while a hook is at work; another one goes on.
async fn killed_while(definition: &JobDefinition, seconds: u64) -> Scene {
    let mut scene = Scene::new(definition).await;
    let time = Duration::from_secs(LONG);
    scene.world.hooks.play(target("hook"), time, None);
    scene.process.start(&scene.id).await;
    scene.seconds(seconds).await;
    let started = scene.world.hooks.started().len();
    assert!(
        started > scene.world.hooks.ended().len(),
        "no hook is at work"
    );
    scene.die();
    scene.process = scene.world.quick_process();
    scene.seconds(60).await;
    let again = scene.world.hooks.started();
    let again = again.iter().filter(|call| call.target == target("hook"));
    assert_eq!(again.count(), 1, "it is not called again");
    let doubted = scene.hooks().await;
    assert!(
        doubted.iter().any(|record| record.is_in_doubt),
        "{doubted:?}"
    );
    scene
}

#[tokio::test]
async fn a_hook_whose_process_was_killed_is_not_called_again_and_is_in_doubt() {
    for (on_failure, end) in [(FailJob, BEFORE), (Continue, End::Completed)] {
        let mut job = one_time("All");
        job.hooks.before = Some(hook("hook", true, on_failure));
        let scene = killed_while(&job, 4).await;
        assert_eq!(scene.state().await, State::Ended(end));
        let is_backed_up = !scene.world.site.done().is_empty();
        assert_eq!(is_backed_up, on_failure == Continue);
    }
    for (wait, on_failure, end) in [
        (true, FailJob, AFTER),
        (true, Continue, End::Completed),
        (false, FailJob, AFTER),
        (false, Continue, End::Completed),
    ] {
        let mut job = one_time("All");
        job.hooks.after = Some(hook("hook", wait, on_failure));
        let scene = killed_while(&job, 16).await;
        assert_eq!(
            scene.state().await,
            State::Ended(end),
            "{wait} {on_failure:?}"
        );
        let run = scene.process.run(&scene.id, 1).await;
        let expected = if on_failure == FailJob {
            HookStage::Failed
        } else {
            HookStage::Ignored
        };
        assert_eq!(run.hooks.after, Some(expected));
    }
}

#[tokio::test]
async fn a_hook_that_is_at_work_for_long_is_not_in_doubt() {
    let mut job = one_time("All");
    job.hooks.before = Some(hook("hook", true, FailJob));
    let mut scene = Scene::new(&job).await;
    let time = Duration::from_secs(100);
    scene.world.hooks.play(target("hook"), time, None);
    scene.process.start(&scene.id).await;
    scene.seconds(90).await;
    // The wall clock jumps while it is at work, by less than whoever calls takes to be heard of again.
    scene.world.clock.jump_wall(chrono::TimeDelta::seconds(-2));
    scene.seconds(40).await;
    assert_eq!(scene.state().await, State::Ended(End::Completed));
}

#[tokio::test]
async fn of_several_planners_one_calls() {
    let mut job = one_time("All");
    job.hooks.before = Some(hook("before", true, Continue));
    job.hooks.after = Some(hook("after", false, Continue));
    let mut scene = Scene::new(&job).await;
    let others: Vec<Process> = (0..3).map(|_| scene.world.quick_process()).collect();
    scene
        .process
        .jobs
        .start(&scene.id, at_will(false))
        .await
        .unwrap();
    for _ in 0..40 {
        let ticks = others.iter().map(|other| other.planner.tick());
        for tick in futures::future::join_all(ticks).await {
            scene.call(tick.unwrap().hooks);
        }
        scene.second().await;
    }
    assert_eq!(scene.state().await, State::Ended(End::Completed));
    let ids: Vec<_> = scene
        .world
        .hooks
        .started()
        .into_iter()
        .map(|call| call.id)
        .collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn a_process_that_is_told_to_end_gives_hooks_a_while() {
    for (seconds, end) in [(3, End::Completed), (60, BEFORE)] {
        let mut job = one_time("All");
        job.hooks.before = Some(hook("hook", true, FailJob));
        let mut scene = Scene::new(&job).await;
        let time = Duration::from_secs(seconds);
        scene.world.hooks.play(target("hook"), time, None);
        scene.process.start(&scene.id).await;
        let order = scene.process.planner.tick().await.unwrap().hooks.remove(0);
        let (caller, stop) = (scene.process.caller.clone(), StopSignal::new());
        stop.stop();
        let calling = tokio::spawn(async move { caller.call(&order, &stop).await });
        scene.seconds(9).await;
        calling.await.unwrap().unwrap();
        scene.seconds(20).await;
        assert_eq!(scene.state().await, State::Ended(end));
        let record = scene.hooks().await.remove(0);
        let interrupted = HookFault::Interrupted.to_string();
        assert_eq!(record.fault, (end == BEFORE).then_some(interrupted));
    }
}
