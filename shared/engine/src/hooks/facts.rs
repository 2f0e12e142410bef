//! What hooks are told.

use std::time::Duration;

use mailkeep_model::job::{Hook, HookKind};
use mailkeep_model::news::Figures;
use mailkeep_model::state::{End, State};
use mailkeep_ports::{HookCall, HookTarget};

/// Before or after the backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Before.
    Before,
    /// After.
    After,
}

impl Phase {
    fn word(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// What hooks are told of the run. Never a secret and never an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookFacts {
    /// Id of the job: `A-Z a-z 0-9 . _ -`.
    pub job: String,
    /// Its name.
    pub job_name: String,
    /// Id of the run: the same characters.
    pub run: String,
}

impl HookFacts {
    pub(super) fn call(
        &self,
        phase: Phase,
        hook: &Hook,
        end: Option<Option<End>>,
        figures: Option<&Figures>,
    ) -> HookCall {
        let mut facts = vec![
            fact("JOB", &self.job),
            fact("JOB_NAME", &self.job_name),
            fact("RUN", &self.run),
            fact("PHASE", phase.word()),
        ];
        if let Some(end) = end {
            let outcome = end.map_or("stopped", |end| State::Ended(end).code());
            facts.push(fact("OUTCOME", outcome));
            if let Some(reason) = end.and_then(End::reason) {
                facts.push(fact("REASON", reason.code()));
            }
        }
        if let Some(figures) = figures {
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
            id: format!("{}-{}", self.run, phase.word()),
            target: match &hook.call {
                HookKind::Exec(words) => HookTarget::Exec(words.clone()),
                HookKind::Webhook(address) => HookTarget::Webhook(address.clone()),
            },
            facts,
            timeout: Duration::from_secs(u64::from(hook.timeout_seconds)),
        }
    }
}

/// A fact with text that holds no control characters: an environment cannot hold all of them, and a
/// script should not have to expect them.
fn fact(name: &str, value: &str) -> (String, String) {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let value = value.chars().map(clean).collect();
    (format!("MAILKEEP_{name}"), value)
}
