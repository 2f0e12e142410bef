//! The function that plans jobs: opens runs that are due, lists their mailboxes page by page, hands tasks to
//! workers, ends runs, and buries dead letters.
//!
//! It is woken by a schedule every minute, and by messages: of workers that ended something, of the API after
//! somebody asked for something, and of itself when it ran out of time. Messages that come together are one
//! reason to look. Whoever wakes it needlessly, twice or late does no harm.

mod hooks;
mod survey;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mailkeep_engine::hooks::HookCaller;
use mailkeep_engine::ledger::Ledger;
use mailkeep_engine::plan::{PlanSettings, Planner, Tick};
use mailkeep_engine::work::{Site, VaultSite, WorkSettings};
use mailkeep_engine::{Quiet, StopSignal};
use mailkeep_function::{
    Context, Deadline, FailedMessages, Function, FunctionError, LateConnections, Trigger, Unit,
};
use mailkeep_ports::{Outgoing, Queue};
use serde_json::{Value, json};

/// What asks for a look at all mailboxes, instead of planning.
const SURVEY: &str = "survey";
/// When the function is to end, webhooks that are being called have so long to answer.
const HOOK_GRACE: Duration = Duration::from_secs(1);
/// The schedule comes again after so long.
const MINUTE: Duration = Duration::from_secs(60);

/// The function.
pub struct SchedulerFunction {
    planner: Planner,
    hooks: HookCaller,
    ledger: Ledger,
    wake: Arc<dyn Queue>,
    tasks: Arc<dyn Queue>,
    context: Context,
}

/// What an invocation found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Planned {
    /// How often it looked.
    pub ticks: u64,
    /// Runs that ended.
    pub ended: u64,
    /// Jobs that could not be planned.
    pub failures: u64,
    /// Restores and exports that could not be looked after.
    pub operation_failures: u64,
    /// More is due, and a message was sent to go on.
    pub is_continued: bool,
}

impl SchedulerFunction {
    /// The function as its environment says.
    ///
    /// # Errors
    /// When a variable is wrong or missing.
    pub fn new(context: &Context) -> Result<Self, FunctionError> {
        let connections = LateConnections::new(context.clone());
        let site: Arc<dyn Site> = Arc::new(VaultSite::new(Arc::new(connections), Arc::new(Quiet)));
        let environment = context.environment();
        let lease = WorkSettings::default().lease.as_secs();
        let lease = Duration::from_secs(environment.parsed("LEASE_SECONDS", lease)?);
        let usual = PlanSettings::default();
        let settings = PlanSettings {
            capacity: environment.parsed("WORKERS", usual.capacity)?,
            // Later than a message comes back by itself.
            resend: lease * 5 / 2,
            hook_lease: lease,
            ..usual
        };
        let (ledger, tasks) = (context.ledger()?, context.tasks()?);
        let planner = Planner::new(ledger.clone(), Arc::clone(&tasks), site, settings);
        let planner = planner.with_exports(context.exports()?);
        let runner = Arc::new(hooks::Webhooks::new(Arc::clone(context.clock())));
        let hooks = HookCaller::new(ledger.clone(), runner, lease, HOOK_GRACE);
        Ok(Self {
            planner,
            hooks,
            ledger,
            wake: context.wake_queue("PLAN_QUEUE_URL")?,
            tasks,
            context: context.clone(),
        })
    }

    /// Plans until nothing more is due, or the deadline comes; then it wakes itself to go on.
    ///
    /// # Errors
    /// When the table or the queue fails.
    pub async fn plan(
        &self,
        deadline: Deadline,
        is_minute: bool,
    ) -> Result<Planned, FunctionError> {
        let stop = StopSignal::new();
        let clock = Arc::clone(self.context.clock());
        deadline
            .watch(&*clock, &stop, self.plan_until(&stop, is_minute))
            .await
    }

    async fn plan_until(
        &self,
        stop: &StopSignal,
        is_minute: bool,
    ) -> Result<Planned, FunctionError> {
        let mut planned = Planned::default();
        loop {
            let tick = self.planner.tick_until(stop).await?;
            tell(&tick);
            self.call_hooks(&tick, stop).await;
            planned.ticks += 1;
            planned.ended += u64::try_from(tick.ended.len()).unwrap_or_default();
            let count = |failures: usize| u64::try_from(failures).unwrap_or_default();
            planned.failures += count(tick.failures.len());
            planned.operation_failures += count(tick.operation_failures.len());
            let now = self.context.clock().now();
            if !tick.hooks.is_empty() && !stop.is_stopped() {
                // What came of them decides what is next.
                continue;
            }
            let Some(due) = tick
                .next_at
                .map(|at| (at - now).to_std().unwrap_or_default())
            else {
                break;
            };
            if due.is_zero() && !stop.is_stopped() {
                continue;
            }
            // Of what is due before the next minute only the schedule reminds, once: reminders that
            // remind again would multiply.
            let is_soon = !due.is_zero() && due < MINUTE && is_minute;
            if due.is_zero() || is_soon {
                planned.is_continued = due.is_zero();
                self.wake_at(due).await?;
            }
            break;
        }
        Ok(planned)
    }

    /// Calls the hooks that this tick asks for, all at once. Other invocations go on planning meanwhile.
    async fn call_hooks(&self, tick: &Tick, stop: &StopSignal) {
        let calls = tick.hooks.iter().map(|order| self.hooks.call(order, stop));
        for called in futures::future::join_all(calls).await {
            if let Err(error) = called {
                tracing::error!(%error, "what came of a hook could not be written down");
            }
        }
    }

    async fn wake_at(&self, delay: Duration) -> Result<(), FunctionError> {
        let body = json!({"wake": "self"}).to_string();
        Ok(self.wake.send(vec![Outgoing { body, delay }]).await?)
    }

    async fn measure(&self, planned: &Planned) {
        let mut line = self
            .context
            .metrics()
            .line()
            .metric("Ticks", Unit::Count, planned.ticks)
            .metric("RunsEnded", Unit::Count, planned.ended)
            .metric("JobsNotPlanned", Unit::Count, planned.failures)
            .metric(
                "OperationsNotTended",
                Unit::Count,
                planned.operation_failures,
            );
        match self.tasks.depth().await {
            Ok(depth) => {
                line = line
                    .metric("TasksWaiting", Unit::Count, depth.ready + depth.delayed)
                    .metric("TasksInFlight", Unit::Count, depth.in_flight)
                    .metric("DeadLetters", Unit::Count, depth.dead);
            }
            Err(error) => tracing::warn!(%error, "the queue was not measured"),
        }
        line.write();
    }
}

fn tell(tick: &Tick) {
    for (job, failure) in &tick.failures {
        tracing::error!(%job, failure, "a job could not be planned");
    }
    for (operation, failure) in &tick.operation_failures {
        tracing::error!(%operation, failure, "an operation could not be looked after");
    }
    for ended in &tick.ended {
        let reason = ended.state.reason().map(|reason| reason.code());
        tracing::info!(
            run = ended.cycle,
            state = ended.state.code(),
            reason,
            "a run ended"
        );
    }
}

#[async_trait]
impl Function for SchedulerFunction {
    async fn handle(&self, event: Value, deadline: Deadline) -> Result<Value, FunctionError> {
        match Trigger::read(event)? {
            Trigger::Call(call) if call.get(SURVEY).is_some() => {
                let stale = self.survey().await?;
                Ok(json!({"mailboxes": stale}))
            }
            Trigger::Call(_) => {
                let planned = self.plan(deadline, true).await?;
                self.measure(&planned).await;
                Ok(json!({"ticks": planned.ticks, "continued": planned.is_continued}))
            }
            // They say nothing but that there is something to do.
            Trigger::Messages(_) => {
                self.plan(deadline, false).await?;
                Ok(FailedMessages::default().answer())
            }
        }
    }
}
