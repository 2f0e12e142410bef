//! All combinations of before or after, waited for or not, continuing or failing, for a hook that works
//! and one that does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mailkeep_model::FailureClass;
use mailkeep_model::job::{Hook, HookKind, Hooks};
use mailkeep_ports::{Clock, HookFault, HookTarget, MemoryHooks, TestClock};

use super::*;
use crate::StopSignal;

const SHORT: Duration = Duration::from_secs(1);
const BACKUP: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_secs(100);
const OWN: End = End::Failed(Reason::Failure(FailureClass::Connection));

/// What one run with one hook did.
#[derive(Debug, PartialEq)]
struct Seen {
    end: Option<End>,
    was_backed_up: bool,
    /// The backup was told to stop before its end.
    was_stopped: bool,
    /// The backup began before the hook ended.
    side_by_side: bool,
    /// The job ended while the hook was at work.
    is_late: bool,
    /// The end that a late hook made of it.
    changed: Option<End>,
    /// Hooks that were called.
    calls: usize,
}

struct Case {
    phase: Phase,
    wait: bool,
    on_failure: HookFailure,
    fault: Option<HookFault>,
    time: Duration,
    backup: Option<End>,
}

fn hook(name: &str, wait: bool, on_failure: HookFailure) -> Hook {
    Hook {
        call: HookKind::Exec(vec![name.to_owned()]),
        wait,
        on_failure,
        timeout_seconds: 1_000,
    }
}

/// Moves the clock while anybody waits for it.
async fn drive<T>(clock: &TestClock, work: impl Future<Output = T>) -> T {
    futures::pin_mut!(work);
    loop {
        for _ in 0..50 {
            if let std::task::Poll::Ready(done) = futures::poll!(&mut work) {
                return done;
            }
            tokio::task::yield_now().await;
        }
        if let Some(due) = clock.next_due() {
            clock.advance(due);
        }
    }
}

async fn play(case: &Case) -> Seen {
    let clock = Arc::new(TestClock::manual(TestClock::default().now()));
    let runner = Arc::new(MemoryHooks::new(clock.clone()));
    let target = HookTarget::Exec(vec!["hook".to_owned()]);
    runner.play(target, case.time, case.fault.clone());
    let mut hooks = Hooks::default();
    let the_hook = Some(hook("hook", case.wait, case.on_failure));
    match case.phase {
        // Another one after it shows whether anything is called after.
        Phase::Before => {
            hooks.before = the_hook;
            hooks.after = Some(hook("after", true, HookFailure::Continue));
        }
        Phase::After => hooks.after = the_hook,
    }
    let facts = HookFacts {
        job: "01JOB".to_owned(),
        job_name: "Nightly\n".to_owned(),
        run: "01RUN".to_owned(),
    };
    let session = HookSession::new(runner.clone(), clock.clone(), hooks, facts);
    let (was_stopped, side_by_side) = (AtomicBool::new(false), AtomicBool::new(false));
    let backup = |stop: StopSignal| {
        let (clock, runner) = (clock.clone(), runner.clone());
        let (was_stopped, side_by_side) = (&was_stopped, &side_by_side);
        async move {
            for _ in 0..BACKUP.as_secs() {
                if runner.started().len() > runner.ended().len() {
                    side_by_side.store(true, Ordering::SeqCst);
                }
                if stop.is_stopped() {
                    was_stopped.store(true, Ordering::SeqCst);
                    return (None, None);
                }
                clock.sleep(Duration::from_secs(1)).await;
            }
            (case.backup, None)
        }
    };
    let hooked = drive(&clock, around(session, &StopSignal::new(), backup)).await;
    let is_late = hooked.late.is_some();
    let changed = match hooked.late {
        Some(late) => drive(&clock, late.finish()).await.changed,
        None => None,
    };
    Seen {
        end: hooked.end,
        was_backed_up: hooked.was_backed_up,
        was_stopped: was_stopped.into_inner(),
        side_by_side: side_by_side.into_inner(),
        is_late,
        changed,
        calls: runner.started().len(),
    }
}

fn case(phase: Phase, wait: bool, on_failure: HookFailure, fails: bool, time: Duration) -> Case {
    Case {
        phase,
        wait,
        on_failure,
        fault: fails.then_some(HookFault::Code(7)),
        time,
        backup: Some(End::Completed),
    }
}

const DONE: Seen = Seen {
    end: Some(End::Completed),
    was_backed_up: true,
    was_stopped: false,
    side_by_side: false,
    is_late: false,
    changed: None,
    calls: 2,
};
const BEFORE: Option<End> = Some(End::Failed(Reason::HookBefore));
const AFTER: Option<End> = Some(End::Failed(Reason::HookAfter));

#[tokio::test]
async fn before_and_waited_for() {
    use HookFailure::{Continue, FailJob};
    for on_failure in [Continue, FailJob] {
        let good = case(Phase::Before, true, on_failure, false, LONG);
        assert_eq!(play(&good).await, DONE);
    }
    let ignored = case(Phase::Before, true, Continue, true, LONG);
    assert_eq!(play(&ignored).await, DONE);
    let failed = case(Phase::Before, true, FailJob, true, LONG);
    let expected = Seen {
        end: BEFORE,
        was_backed_up: false,
        calls: 1,
        ..DONE
    };
    assert_eq!(
        play(&failed).await,
        expected,
        "no backup, and nothing after"
    );
}

#[tokio::test]
async fn before_and_not_waited_for() {
    use HookFailure::{Continue, FailJob};
    let together = Seen {
        side_by_side: true,
        ..DONE
    };
    for (on_failure, fails) in [(Continue, false), (Continue, true), (FailJob, false)] {
        let case = case(Phase::Before, false, on_failure, fails, SHORT * 3);
        assert_eq!(play(&case).await, together);
    }
    let failed = case(Phase::Before, false, FailJob, true, SHORT * 3);
    let expected = Seen {
        end: BEFORE,
        was_stopped: true,
        calls: 1,
        ..together
    };
    assert_eq!(
        play(&failed).await,
        expected,
        "stopped softly, nothing after"
    );
    // It fails when everything is over.
    let late = case(Phase::Before, false, FailJob, true, LONG);
    let expected = Seen {
        side_by_side: true,
        is_late: true,
        changed: BEFORE,
        ..DONE
    };
    assert_eq!(play(&late).await, expected);
}

#[tokio::test]
async fn after_and_waited_for() {
    use HookFailure::{Continue, FailJob};
    let done = Seen { calls: 1, ..DONE };
    for (on_failure, fails) in [(Continue, false), (Continue, true), (FailJob, false)] {
        let case = case(Phase::After, true, on_failure, fails, LONG);
        assert_eq!(play(&case).await, done);
    }
    let failed = case(Phase::After, true, FailJob, true, LONG);
    let seen = play(&failed).await;
    assert_eq!(seen.end, AFTER, "the job failed");
    assert!(seen.was_backed_up, "the backup is good");
}

#[tokio::test]
async fn after_and_not_waited_for() {
    use HookFailure::{Continue, FailJob};
    let late = Seen {
        calls: 1,
        is_late: true,
        ..DONE
    };
    for (on_failure, fails) in [(Continue, false), (Continue, true), (FailJob, false)] {
        let case = case(Phase::After, false, on_failure, fails, LONG);
        assert_eq!(play(&case).await, late);
    }
    let failed = case(Phase::After, false, FailJob, true, LONG);
    let expected = Seen {
        changed: AFTER,
        ..late
    };
    assert_eq!(
        play(&failed).await,
        expected,
        "completed first, failed afterwards"
    );
}

#[tokio::test]
async fn what_takes_too_long_has_failed() {
    let mut slow = case(Phase::After, true, HookFailure::FailJob, false, LONG * 100);
    assert_eq!(play(&slow).await.end, AFTER);
    slow.on_failure = HookFailure::Continue;
    assert_eq!(play(&slow).await.end, Some(End::Completed));
}

#[tokio::test]
async fn a_hook_is_called_after_a_failed_or_stopped_backup_and_does_not_hide_its_reason() {
    for (fails, backup, end) in [
        (false, Some(OWN), Some(OWN)),
        (true, Some(OWN), Some(OWN)),
        (false, None, None),
        (true, None, AFTER),
        (true, Some(End::CompletedWithWarnings(Reason::Gaps)), AFTER),
    ] {
        let mut case = case(Phase::After, true, HookFailure::FailJob, fails, SHORT);
        case.backup = backup;
        let seen = play(&case).await;
        assert_eq!((seen.end, seen.calls), (end, 1));
    }
}

#[tokio::test]
async fn hooks_are_told_what_happened_and_nothing_else() {
    let facts = HookFacts {
        job: "01JOB".to_owned(),
        job_name: "Nightly\nX=1".to_owned(),
        run: "01RUN".to_owned(),
    };
    let hook = hook("x", true, HookFailure::Continue);
    let before = facts.call(Phase::Before, &hook, None, None);
    let pairs = |call: &mailkeep_ports::HookCall| {
        let pairs = call.facts.iter();
        let pairs = pairs.map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>()
    };
    assert_eq!(
        pairs(&before),
        [
            "MAILKEEP_JOB=01JOB",
            "MAILKEEP_JOB_NAME=Nightly X=1",
            "MAILKEEP_RUN=01RUN",
            "MAILKEEP_PHASE=before",
        ]
    );
    assert_eq!(before.id, "01RUN-before");
    let figures = mailkeep_model::news::Figures {
        items_stored: 5,
        ..Default::default()
    };
    let end = Some(End::Partial(Reason::SomeMailboxes));
    let after = facts.call(Phase::After, &hook, Some(end), Some(&figures));
    let after = pairs(&after);
    for fact in [
        "MAILKEEP_OUTCOME=partial",
        "MAILKEEP_REASON=some_mailboxes",
        "MAILKEEP_ITEMS_STORED=5",
    ] {
        assert!(after.contains(&fact.to_owned()), "{fact}: {after:?}");
    }
    let stopped = facts.call(Phase::After, &hook, Some(None), None);
    assert!(pairs(&stopped).contains(&"MAILKEEP_OUTCOME=stopped".to_owned()));
}

#[test]
fn only_failures_that_mean_nothing_are_news_of_their_own() {
    let now = TestClock::default().now();
    for (on_failure, fault, fails_job, is_ignored) in [
        (HookFailure::Continue, None, false, false),
        (HookFailure::FailJob, None, false, false),
        (
            HookFailure::Continue,
            Some(HookFault::TimedOut),
            false,
            true,
        ),
        (HookFailure::FailJob, Some(HookFault::TimedOut), true, false),
    ] {
        let record = HookRecord {
            phase: Phase::After,
            on_failure,
            started_at: now,
            ended_at: now,
            report: HookReport {
                fault,
                ..HookReport::default()
            },
        };
        assert_eq!(record.fails_job(), fails_job);
        assert_eq!(record.is_ignored_failure(), is_ignored);
    }
}
