//! The function that lets go of what nothing promises any more: the only one that may delete backups.
//!
//! A schedule starts a pass over all mailboxes, one after the other. Out of time, it sends itself a message
//! that says where to go on. A message that comes twice, or late, is a pass more: that deletes nothing else.

use std::sync::Arc;

use async_trait::async_trait;
use mailkeep_engine::retain::{MailboxRun, Swept, sweep};
use mailkeep_engine::{Engine, StopSignal};
use mailkeep_function::{
    Context, Deadline, FailedMessages, Function, FunctionError, Trigger, Unit,
};
use mailkeep_ports::{Outgoing, Queue};
use mailkeep_vault::{DEFAULT_GRACE_DAYS, MIN_GRACE_DAYS, MailboxId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The function.
pub struct RetentionFunction {
    context: Context,
    go_on: Arc<dyn Queue>,
    grace_days: u32,
}

/// Where a pass goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoOn {
    /// After this mailbox; from the start without one.
    pub after: Option<String>,
}

impl RetentionFunction {
    /// The function as its environment says.
    ///
    /// # Errors
    /// When a variable is wrong or missing.
    pub fn new(context: &Context) -> Result<Self, FunctionError> {
        let grace_days = context
            .environment()
            .parsed("GRACE_DAYS", DEFAULT_GRACE_DAYS)?;
        Ok(Self {
            go_on: context.wake_queue("RETENTION_QUEUE_URL")?,
            grace_days: grace_days.max(MIN_GRACE_DAYS),
            context: context.clone(),
        })
    }

    /// Deals with mailboxes until all are done, or the deadline comes; then it says where to go on.
    ///
    /// # Errors
    /// When the vault cannot be opened or listed, or a policy not be read.
    pub async fn retain(&self, from: &GoOn, deadline: Deadline) -> Result<Value, FunctionError> {
        let after = from
            .after
            .as_deref()
            .map(str::parse::<MailboxId>)
            .transpose();
        let after = after.map_err(|_| FunctionError::Event("`after` is no mailbox".to_owned()))?;
        let engine = self.context.engine().await?;
        let swept = self.sweep(&engine, after.as_ref(), deadline).await?;
        self.tell(&swept.runs);
        if let Some(next) = &swept.next {
            let go_on = GoOn {
                after: Some(next.to_string()),
            };
            let body = serde_json::to_string(&go_on).unwrap_or_default();
            self.go_on.send(vec![Outgoing::now(body)]).await?;
        }
        Ok(json!({"mailboxes": swept.runs.len(), "continued": swept.next.is_some()}))
    }

    async fn sweep(
        &self,
        engine: &Engine,
        after: Option<&MailboxId>,
        deadline: Deadline,
    ) -> Result<Swept, FunctionError> {
        let stop = StopSignal::new();
        let work = sweep(engine, after, self.grace_days, &stop);
        Ok(deadline.watch(&**self.context.clock(), &stop, work).await?)
    }

    fn tell(&self, runs: &[MailboxRun]) {
        let (mut deleted_bytes, mut dropped, mut failed) = (0, 0, 0);
        for run in runs {
            match &run.done {
                Ok(done) => {
                    deleted_bytes += done.deleted_bytes;
                    dropped += done.dropped_versions;
                }
                Err(reason) => {
                    failed += 1;
                    tracing::error!(mailbox = %run.mailbox, reason, "retention did not finish");
                }
            }
        }
        let done = u64::try_from(runs.len()).unwrap_or_default();
        tracing::info!(
            mailboxes = done,
            failed,
            dropped,
            deleted_bytes,
            "retention went on"
        );
        self.context
            .metrics()
            .line()
            .metric("MailboxesRetained", Unit::Count, done)
            .metric("RetentionFailures", Unit::Count, failed)
            .metric("VersionsDropped", Unit::Count, dropped)
            .metric("BytesDeleted", Unit::Bytes, deleted_bytes)
            .write();
    }
}

#[async_trait]
impl Function for RetentionFunction {
    async fn handle(&self, event: Value, deadline: Deadline) -> Result<Value, FunctionError> {
        let messages = match Trigger::read(event)? {
            Trigger::Call(_) => return self.retain(&GoOn::default(), deadline).await,
            Trigger::Messages(messages) => messages,
        };
        let mut failed = FailedMessages::default();
        for message in messages {
            let done = match serde_json::from_str::<GoOn>(&message.received.body) {
                Ok(from) => self.retain(&from, deadline).await.map(drop),
                Err(error) => Err(FunctionError::Event(error.to_string())),
            };
            if let Err(error) = done {
                tracing::error!(%error, message = message.id, "a pass did not go on");
                failed.add(message.id);
            }
        }
        Ok(failed.answer())
    }
}
