//! The function that works on mailboxes, and on restores and exports: Lambda takes messages from the queue of
//! tasks and hands them over.
//!
//! * Each message is dealt with by itself. One that failed is named in the answer and comes back after a
//!   while; the others are removed. After too many times it is a dead letter, and the planner ends its task
//!   as failed.
//! * A while before the function would be killed, work is stopped softly: it commits, its task waits again,
//!   and a message wakes the planner, which hands the rest out at once.
//! * A worker that is killed all the same loses what came after its last commit. Its message comes back when
//!   it is no longer hidden, or the planner sends it again.

mod left_to_lambda;
mod metered;
mod metered_operations;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mailkeep_engine::operation::VaultOperations;
use mailkeep_engine::work::{Site, VaultSite, WorkSettings, Worked, Worker};
use mailkeep_engine::{Quiet, StopSignal};
use mailkeep_function::{
    Context, Deadline, FailedMessages, Function, FunctionError, LateConnections, MessageTrigger,
    Trigger,
};
use mailkeep_ports::{Clock, Outgoing, Queue};
use serde_json::Value;

pub use left_to_lambda::LeftToLambda;
pub use metered::MeteredSite;
pub use metered_operations::MeteredOperations;

/// A message that failed comes back after this part of the lease, times how often it was received.
const BACK_PART: u32 = 8;
/// And at the latest after so long.
const LATEST_BACK: Duration = Duration::from_secs(900);

/// The function.
pub struct WorkerFunction {
    worker: Worker,
    queue: Arc<dyn Queue>,
    wake: Arc<dyn Queue>,
    clock: Arc<dyn Clock>,
    back_after: Duration,
}

impl WorkerFunction {
    /// The function as its environment says.
    ///
    /// # Errors
    /// When a variable is wrong or missing.
    pub fn new(context: &Context) -> Result<Self, FunctionError> {
        let connections = Arc::new(LateConnections::new(context.clone()));
        let operations = VaultOperations::new(
            connections.clone(),
            context.exports()?,
            Arc::clone(context.clock()),
            Arc::clone(context.rng()),
        );
        let operations = MeteredOperations::new(Arc::new(operations), context.clone());
        let site = VaultSite::new(connections, Arc::new(Quiet));
        let site = MeteredSite::new(Arc::new(site), context.clone());
        let usual = WorkSettings::default();
        let lease = context
            .environment()
            .parsed("LEASE_SECONDS", usual.lease.as_secs())?;
        let settings = WorkSettings {
            lease: Duration::from_secs(lease.max(1)),
            ..usual
        };
        let queue = context.tasks()?;
        let wake = context.wake_queue("PLAN_QUEUE_URL")?;
        let site: Arc<dyn Site> = Arc::new(site);
        let own: Arc<dyn Queue> = Arc::new(LeftToLambda(Arc::clone(&queue)));
        let worker = Worker::new(context.ledger()?, own, site, settings);
        let worker = worker.with_operations(Arc::new(operations));
        let clock = Arc::clone(context.clock());
        Ok(Self::of(worker, settings.lease, queue, wake, clock))
    }

    /// A function that works with this worker, whose leases last so long, and gives messages that failed back
    /// to this queue. `wake` wakes the planner.
    #[must_use]
    pub fn of(
        worker: Worker,
        lease: Duration,
        queue: Arc<dyn Queue>,
        wake: Arc<dyn Queue>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            worker,
            queue,
            wake,
            clock,
            back_after: lease / BACK_PART,
        }
    }

    /// Deals with messages, all of them at once, until they are done or the deadline comes.
    pub async fn work(&self, messages: &[MessageTrigger], deadline: Deadline) -> FailedMessages {
        let stop = StopSignal::new();
        let all = messages.iter().map(|message| self.one(message, &stop));
        let all = futures::future::join_all(all);
        let ends = deadline.watch(&*self.clock, &stop, all).await;
        let mut failed = FailedMessages::default();
        let mut is_news = false;
        for (message, end) in messages.iter().zip(ends) {
            match end {
                End::Failed => failed.add(message.id.as_str()),
                End::Done => is_news = true,
                End::Nothing => {}
            }
        }
        if is_news {
            self.wake_planner().await;
        }
        failed
    }

    async fn one(&self, message: &MessageTrigger, stop: &StopSignal) -> End {
        match self.worker.work_on(&message.received, stop).await {
            Ok(Worked::Done | Worked::Refused) => return End::Done,
            Ok(Worked::Skipped | Worked::GivenBack | Worked::Nothing) => return End::Nothing,
            Ok(Worked::Unreadable) => {
                tracing::error!(
                    message = message.id,
                    receives = message.received.receives,
                    "a message is none of ours; received often enough it becomes a dead letter"
                );
            }
            Err(error) => {
                tracing::error!(
                    %error,
                    message = message.id,
                    receives = message.received.receives,
                    "a task could not be worked on; its message comes back"
                );
            }
        }
        let back = self
            .back_after
            .saturating_mul(message.received.receives)
            .min(LATEST_BACK);
        if let Err(error) = self.queue.extend(&message.received.receipt, back).await {
            tracing::warn!(%error, "a message comes back when the queue says");
        }
        End::Failed
    }

    /// Nothing is lost when the planner is not woken: it looks every minute.
    async fn wake_planner(&self) {
        let message = Outgoing::now(r#"{"wake":"task"}"#);
        if let Err(error) = self.wake.send(vec![message]).await {
            tracing::warn!(%error, "the planner was not woken; it looks within a minute");
        }
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It is of no use any more, and the planner has something to do.
    Done,
    /// It is of no use any more.
    Nothing,
    /// It must come back.
    Failed,
}

#[async_trait]
impl Function for WorkerFunction {
    async fn handle(&self, event: Value, deadline: Deadline) -> Result<Value, FunctionError> {
        match Trigger::read(event)? {
            Trigger::Messages(messages) => Ok(self.work(&messages, deadline).await.answer()),
            Trigger::Call(_) => Err(FunctionError::Event("it has no messages".to_owned())),
        }
    }
}
