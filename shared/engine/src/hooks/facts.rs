//! What hooks are told.

use std::time::Duration;

use mailkeep_model::job::{Hook, HookKind};
use mailkeep_model::state::{End, State};
use mailkeep_ports::{HookCall, HookTarget};

use super::Phase;
use crate::run::RunRecord;

/// How a cycle ended, as far as a hook is concerned: `None` before its end, `Some(None)` when it was
/// stopped.
pub(crate) type ToldEnd = Option<Option<End>>;

/// The call of a hook. It is told of the run, never a secret and never an address.
pub(crate) fn call_of(
    run: &RunRecord,
    job_name: &str,
    phase: Phase,
    hook: &Hook,
    end: ToldEnd,
) -> HookCall {
    let id = run.key.to_string();
    let mut facts = vec![
        fact("JOB", &run.key.job.0),
        fact("JOB_NAME", job_name),
        fact("RUN", &id),
        fact("PHASE", phase.code()),
    ];
    if let Some(end) = end {
        let outcome = end.map_or("stopped", |end| State::Ended(end).code());
        facts.push(fact("OUTCOME", outcome));
        if let Some(reason) = end.and_then(End::reason) {
            facts.push(fact("REASON", reason.code()));
        }
        let figures = run.figures(run.served_at);
        for (name, number) in [
            ("MAILBOXES", figures.mailboxes),
            ("MAILBOXES_FAILED", figures.mailboxes_failed),
            ("ITEMS_STORED", figures.items_stored),
            ("ITEMS_FAILED", figures.items_failed),
            ("BYTES_STORED", figures.bytes_stored),
        ] {
            facts.push(fact(name, &number.to_string()));
        }
    }
    HookCall {
        id: format!("{id}-{}", phase.code()),
        target: match &hook.call {
            HookKind::Exec(words) => HookTarget::Exec(words.clone()),
            HookKind::Webhook(address) => HookTarget::Webhook(address.clone()),
        },
        facts,
        timeout: Duration::from_secs(u64::from(hook.timeout_seconds)),
    }
}

/// A fact with text that holds no control characters: an environment cannot hold all of them, and a
/// script should not have to expect them.
fn fact(name: &str, value: &str) -> (String, String) {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let value = value.chars().map(clean).collect();
    (format!("MAILKEEP_{name}"), value)
}

#[cfg(test)]
mod tests {
    use mailkeep_model::job::HookFailure;
    use mailkeep_model::state::{Reason, TaskEnd};

    use super::*;
    use crate::ledger::JobId;

    #[test]
    fn hooks_are_told_what_happened_and_nothing_else() {
        let now = chrono::DateTime::UNIX_EPOCH;
        let mut run = RunRecord::new(JobId("01JOB".to_owned()).run(7), 1, now);
        run.counters.items_stored = 5;
        run.tally.add(TaskEnd::Complete);
        let hook = Hook {
            call: HookKind::Exec(vec!["x".to_owned()]),
            wait: true,
            on_failure: HookFailure::Continue,
            timeout_seconds: 1_000,
        };
        let call = |phase, end: ToldEnd| call_of(&run, "Nightly\nX=1", phase, &hook, end);
        let pairs = |call: HookCall| {
            let pairs = call.facts.iter();
            let pairs = pairs.map(|(name, value)| format!("{name}={value}"));
            pairs.collect::<Vec<_>>()
        };
        let before = call(Phase::Before, None);
        assert_eq!(
            (before.id.as_str(), before.timeout),
            ("01JOB-7-before", Duration::from_secs(1_000))
        );
        assert_eq!(
            pairs(before),
            [
                "MAILKEEP_JOB=01JOB",
                "MAILKEEP_JOB_NAME=Nightly X=1",
                "MAILKEEP_RUN=01JOB-7",
                "MAILKEEP_PHASE=before",
            ]
        );
        let partial = Some(End::Partial(Reason::SomeMailboxes));
        let after = pairs(call(Phase::After, Some(partial)));
        for fact in [
            "MAILKEEP_OUTCOME=partial",
            "MAILKEEP_REASON=some_mailboxes",
            "MAILKEEP_MAILBOXES=1",
            "MAILKEEP_ITEMS_STORED=5",
        ] {
            assert!(after.contains(&fact.to_owned()), "{fact}: {after:?}");
        }
        let stopped = pairs(call(Phase::After, Some(None)));
        assert!(stopped.contains(&"MAILKEEP_OUTCOME=stopped".to_owned()));
    }
}
