//! Calling hooks around one run.

use std::future::Future;
use std::sync::Arc;

use mailkeep_model::job::{Hook, Hooks};
use mailkeep_model::news::Figures;
use mailkeep_model::state::{End, Reason};
use mailkeep_ports::{Clock, HookRunner};
use tokio::task::JoinHandle;

use super::{HookFacts, HookRecord, Phase, failed_by};
use crate::StopSignal;

/// The hooks of one run. Called in order: [`before`](Self::before), the backup,
/// [`after`](Self::after).
pub struct HookSession {
    runner: Arc<dyn HookRunner>,
    clock: Arc<dyn Clock>,
    hooks: Hooks,
    facts: HookFacts,
    records: Vec<HookRecord>,
    /// Those that nobody waits for.
    loose: Vec<JoinHandle<HookRecord>>,
}

/// What follows from the hook before the backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// The backup is made.
    Proceed,
    /// It is not, and nothing is called after it.
    Failed(End),
}

/// Hooks that were still at work when the job had ended.
pub struct LateHooks {
    end: Option<End>,
    loose: Vec<JoinHandle<HookRecord>>,
}

/// What came of late hooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateEnd {
    /// The job's end, when it is another one now.
    pub changed: Option<End>,
    /// The hooks.
    pub records: Vec<HookRecord>,
}

impl HookSession {
    /// Nothing called yet.
    #[must_use]
    pub fn new(
        runner: Arc<dyn HookRunner>,
        clock: Arc<dyn Clock>,
        hooks: Hooks,
        facts: HookFacts,
    ) -> Self {
        Self {
            runner,
            clock,
            hooks,
            facts,
            records: vec![],
            loose: vec![],
        }
    }

    /// Calls the hook before the backup. One that nobody waits for stops the backup through `stop` when
    /// it fails and that fails the job.
    pub async fn before(&mut self, stop: &StopSignal) -> Before {
        let Some(hook) = self.hooks.before.clone() else {
            return Before::Proceed;
        };
        let called = self.called(Phase::Before, &hook, None, None);
        if !hook.wait {
            let stop = stop.clone();
            self.loose.push(tokio::spawn(async move {
                let record = called.await;
                if record.fails_job() {
                    stop.stop();
                }
                record
            }));
            return Before::Proceed;
        }
        let record = called.await;
        let fails_job = record.fails_job();
        self.records.push(record);
        if fails_job {
            Before::Failed(End::Failed(Reason::HookBefore))
        } else {
            Before::Proceed
        }
    }

    /// Calls the hook after the backup, which ended with `end` (`None`: stopped). Returns how the job
    /// ends, the hooks that are done, and those that are not.
    pub async fn after(
        mut self,
        end: Option<End>,
        figures: Option<&Figures>,
    ) -> (Option<End>, Vec<HookRecord>, Option<LateHooks>) {
        let mut end = self.collect(end).await;
        let was_failed_before = self
            .records
            .iter()
            .any(|record| record.phase == Phase::Before && record.fails_job());
        let hook = self.hooks.after.clone().filter(|_| !was_failed_before);
        if let Some(hook) = hook {
            let called = self.called(Phase::After, &hook, Some(end), figures);
            if hook.wait {
                let record = called.await;
                if record.fails_job() {
                    end = Some(failed_by(end, record.reason()));
                }
                self.records.push(record);
                end = self.collect(end).await;
            } else {
                self.loose.push(tokio::spawn(called));
            }
        }
        let late = (!self.loose.is_empty()).then(|| LateHooks {
            end,
            loose: self.loose,
        });
        (end, self.records, late)
    }

    /// Takes over the results of hooks that nobody waited for and that are done by now.
    async fn collect(&mut self, mut end: Option<End>) -> Option<End> {
        let (done, open) = std::mem::take(&mut self.loose)
            .into_iter()
            .partition(|handle: &JoinHandle<_>| handle.is_finished());
        self.loose = open;
        for handle in done {
            if let Some(record) = joined(handle).await {
                if record.fails_job() {
                    end = Some(failed_by(end, record.reason()));
                }
                self.records.push(record);
            }
        }
        end
    }

    fn called(
        &self,
        phase: Phase,
        hook: &Hook,
        end: Option<Option<End>>,
        figures: Option<&Figures>,
    ) -> impl Future<Output = HookRecord> + Send + 'static {
        let call = self.facts.call(phase, hook, end, figures);
        let (runner, clock) = (self.runner.clone(), self.clock.clone());
        let on_failure = hook.on_failure;
        async move {
            let started_at = clock.now();
            let report = runner.run(&call).await;
            if let Some(fault) = &report.fault {
                // Its output may hold anything, so it is not logged.
                tracing::warn!(hook = call.id, "a hook failed: {fault}");
            }
            HookRecord {
                phase,
                on_failure,
                started_at,
                ended_at: clock.now(),
                report,
            }
        }
    }
}

impl LateHooks {
    /// Waits for the hooks. Dropping it instead lets them go on unheard.
    pub async fn finish(self) -> LateEnd {
        let mut late = LateEnd {
            changed: None,
            records: vec![],
        };
        for handle in self.loose {
            let Some(record) = joined(handle).await else {
                continue;
            };
            if record.fails_job() && late.changed.is_none() {
                let changed = failed_by(self.end, record.reason());
                late.changed = (self.end != Some(changed)).then_some(changed);
            }
            late.records.push(record);
        }
        late
    }
}

async fn joined(handle: JoinHandle<HookRecord>) -> Option<HookRecord> {
    match handle.await {
        Ok(record) => Some(record),
        Err(error) => {
            tracing::error!(%error, "a hook's call ended by an internal error, please report it");
            None
        }
    }
}

/// What came of a run with its hooks.
pub struct Hooked {
    /// How the job ends; `None` when it was stopped.
    pub end: Option<End>,
    /// False when the hook before the backup prevented it.
    pub was_backed_up: bool,
    /// The hooks that are done.
    pub records: Vec<HookRecord>,
    /// Those that are not.
    pub late: Option<LateHooks>,
}

/// Makes a backup with its hooks. `backup` gets a signal that a hook may give, and returns how it ended
/// (`None` when it was stopped) with its figures.
pub async fn around<F>(
    mut session: HookSession,
    stop: &StopSignal,
    backup: impl FnOnce(StopSignal) -> F,
) -> Hooked
where
    F: Future<Output = (Option<End>, Option<Figures>)>,
{
    let stop = stop.child();
    if let Before::Failed(end) = session.before(&stop).await {
        return Hooked {
            end: Some(end),
            was_backed_up: false,
            records: session.records,
            late: None,
        };
    }
    let (end, figures) = backup(stop).await;
    let (end, records, late) = session.after(end, figures.as_ref()).await;
    Hooked {
        end,
        was_backed_up: true,
        records,
        late,
    }
}
