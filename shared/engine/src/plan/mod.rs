//! Planning: opens cycles that are due, lists their mailboxes, hands tasks out, and cleans up behind
//! workers that were lost.
//!
//! Everything is done in small conditional steps, so any number of planners may work on one database,
//! and one that dies leaves nothing half done. A planner keeps nothing between two ticks but
//! definitions, which never change.

mod advance;
mod agenda;
mod dead;
mod deal;
mod hooks;
mod listing;
mod mend;
mod open;
mod refusal;
mod report;
mod wanted;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use mailkeep_model::job::JobDefinition;
use mailkeep_ports::{Queue, Store};

use agenda::Agenda;
pub use agenda::EndedRun;

use crate::StopSignal;
use crate::hooks::HookOrder;
use crate::job::Jobs;
use crate::ledger::{JobError, JobId, Ledger, RunKey};
use crate::operation::{OperationId, Tender};
use crate::work::Site;

/// How the planner behaves.
#[derive(Clone, Copy, Debug)]
pub struct PlanSettings {
    /// Most tasks handed out and not back, over all jobs. Beyond it, the priority of jobs decides who
    /// is next. Two planners at once may exceed it; a job's own limit is always kept.
    pub capacity: u32,
    /// A job that was not served for so long counts as one priority higher; for twice as long, as two.
    pub ageing: Duration,
    /// A task that was handed out so long ago, and that nobody works on, is handed out again: its
    /// message may never have been sent. Longer than the lease of a worker.
    pub resend: Duration,
    /// Most pages of mailboxes read per job and tick.
    pub pages: u32,
    /// Whoever calls a hook and is not heard of for so long is lost, and nobody knows what came of the
    /// hook.
    pub hook_lease: Duration,
}

impl Default for PlanSettings {
    fn default() -> Self {
        Self {
            capacity: 16,
            ageing: Duration::from_secs(600),
            resend: Duration::from_secs(300),
            pages: 5,
            hook_lease: Duration::from_secs(120),
        }
    }
}

/// The planner. Cheap to clone.
#[derive(Clone)]
pub struct Planner {
    jobs: Jobs,
    queue: Arc<dyn Queue>,
    site: Arc<dyn Site>,
    settings: PlanSettings,
    definitions: Arc<Mutex<Definitions>>,
    /// Hooks that are to be called and were not given away yet.
    orders: Arc<Mutex<Vec<HookOrder>>>,
    exports: Option<Arc<dyn Store>>,
}

/// Definitions by job and number.
type Definitions = HashMap<(JobId, u32), Arc<JobDefinition>>;

/// What a tick found.
#[derive(Clone, Debug, Default)]
pub struct Tick {
    /// When something is due that nobody has to ask for. Work that ends earlier, and commands, make
    /// further things due.
    pub next_at: Option<DateTime<Utc>>,
    /// Jobs that could not be planned, and why. The others were.
    pub failures: Vec<(JobId, String)>,
    /// Operations that could not be looked after, and why. The others were.
    pub operation_failures: Vec<(OperationId, String)>,
    /// Cycles that this planner saw end.
    pub ended: Vec<EndedRun>,
    /// Hooks to call, each once; see [`HookCaller`](crate::hooks::HookCaller). One that is not called
    /// counts as failed after a while.
    pub hooks: Vec<HookOrder>,
}

/// Definitions that are kept in memory.
const MAX_DEFINITIONS: usize = 1_000;

/// A cycle that is open, as far as handing out needs it.
struct OpenRun {
    key: RunKey,
    definition: Arc<JobDefinition>,
}

impl Planner {
    /// A planner on these jobs.
    #[must_use]
    pub fn new(
        ledger: Ledger,
        queue: Arc<dyn Queue>,
        site: Arc<dyn Site>,
        settings: PlanSettings,
    ) -> Self {
        Self {
            jobs: Jobs::new(ledger),
            queue,
            site,
            settings,
            definitions: Arc::default(),
            orders: Arc::default(),
            exports: None,
        }
    }

    /// The same planner, which deletes the files of exports from this store when their time is over.
    #[must_use]
    pub fn with_exports(self, store: Arc<dyn Store>) -> Self {
        Self {
            exports: Some(store),
            ..self
        }
    }

    fn ledger(&self) -> &Ledger {
        self.jobs.ledger()
    }

    /// Does everything that is due. Repeated or done by several at once it does nothing twice.
    ///
    /// # Errors
    /// When the job database cannot be read. A job that cannot be planned does not stop the others.
    pub async fn tick(&self) -> Result<Tick, JobError> {
        self.tick_until(&StopSignal::new()).await
    }

    /// The same, but once it is told to stop it looks at no further jobs; it hands out what it found until
    /// then, and says that more is due now.
    ///
    /// # Errors
    /// As [`tick`](Self::tick).
    pub async fn tick_until(&self, stop: &StopSignal) -> Result<Tick, JobError> {
        let mut agenda = Agenda::new(self.ledger().clock().now());
        self.doubt(&mut agenda).await?;
        let mut failures = vec![];
        let mut open = vec![];
        let mut after = None;
        'jobs: loop {
            let page = self.ledger().jobs(after).await?;
            for job in page.records {
                if stop.is_stopped() {
                    agenda.at(agenda.now);
                    break 'jobs;
                }
                let id = job.value.id.clone();
                if job.value.deleted_at.is_some() {
                    continue;
                }
                match self.job(job, &mut agenda).await {
                    Ok(run) => open.extend(run),
                    Err(error) => failures.push((id, error.to_string())),
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        self.hand_out(&open, &mut agenda).await?;
        let (ledger, queue) = (self.ledger().clone(), self.queue.clone());
        let resend = self.settings.resend;
        let tender = Tender::new(ledger, queue, self.exports.as_ref(), resend);
        let tended = tender.tend().await?;
        agenda.at_some(tended.next_at);
        self.bury_dead_letters().await?;
        Ok(Tick {
            next_at: agenda.next(),
            failures,
            operation_failures: tended.failures,
            ended: agenda.ended,
            hooks: self.take_orders(),
        })
    }

    /// The definition that never changes.
    async fn definition(&self, id: &JobId, version: u32) -> Result<Arc<JobDefinition>, JobError> {
        let key = (id.clone(), version);
        let known = |planner: &Self| {
            let known = planner.definitions.lock();
            let known = known.unwrap_or_else(PoisonError::into_inner);
            known.get(&key).cloned()
        };
        if let Some(definition) = known(self) {
            return Ok(definition);
        }
        let read = self.ledger().definition(id, version).await?;
        let read = read.ok_or_else(|| JobError::Corrupt {
            key: id.to_string(),
            cause: format!("definition {version} is missing"),
        })?;
        let definition = Arc::new(read.value.definition);
        let known = self.definitions.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_DEFINITIONS {
            known.clear();
        }
        known.insert(key, definition.clone());
        Ok(definition)
    }
}
