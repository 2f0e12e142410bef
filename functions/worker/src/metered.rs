//! What is told of each task.

use std::sync::Arc;

use async_trait::async_trait;
use mailkeep_engine::StopSignal;
use mailkeep_engine::work::{Order, Outcome, Report, ScopePage, Site};
use mailkeep_exchange::SourceError;
use mailkeep_function::{Context, Unit};
use mailkeep_model::job::JobDefinition;
use tracing::Instrument as _;

/// A site that tells logs and metrics of each task what it did. A mailbox is named by the digest in the name
/// of its task.
pub struct MeteredSite {
    inner: Arc<dyn Site>,
    context: Context,
}

impl MeteredSite {
    /// Tells of what `inner` does.
    #[must_use]
    pub fn new(inner: Arc<dyn Site>, context: Context) -> Self {
        Self { inner, context }
    }

    fn tell(&self, order: &Order, report: &Report, seconds: u64) {
        let counters = &report.counters;
        let (task, outcome) = (&order.task, code(&report.outcome));
        tracing::info!(
            outcome,
            seconds,
            items_stored = counters.items_stored,
            items_failed = counters.items_failed,
            bytes_read = counters.bytes_read,
            bytes_stored = counters.bytes_stored,
            requests = counters.requests,
            throttles = counters.throttles,
            reason = report.message,
            "a mailbox was worked on"
        );
        let failed = u64::from(matches!(
            report.outcome,
            Outcome::Failed { .. } | Outcome::Final(_)
        ));
        let stopped = u64::from(report.outcome == Outcome::Stopped);
        self.context
            .metrics()
            .line()
            .metric("Tasks", Unit::Count, 1)
            .metric("TasksFailed", Unit::Count, failed)
            .metric("TasksContinued", Unit::Count, stopped)
            .metric("TaskSeconds", Unit::Seconds, seconds)
            .metric("ItemsStored", Unit::Count, counters.items_stored)
            .metric("ItemsFailed", Unit::Count, counters.items_failed)
            .metric("BytesRead", Unit::Bytes, counters.bytes_read)
            .metric("BytesStored", Unit::Bytes, counters.bytes_stored)
            .metric("SourceRequests", Unit::Count, counters.requests)
            .metric("SourceThrottles", Unit::Count, counters.throttles)
            .about("job", task.run.job.to_string())
            .about("run", task.run.cycle)
            .about("mailbox", task.name.as_str())
            .about("outcome", outcome)
            .write();
    }
}

fn code(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Complete => "complete",
        Outcome::Warning(_) => "warning",
        Outcome::Stopped => "stopped",
        Outcome::Wait(_) => "waits",
        Outcome::Failed { .. } => "attempt_failed",
        Outcome::Final(_) => "failed",
    }
}

#[async_trait]
impl Site for MeteredSite {
    async fn page(
        &self,
        definition: &JobDefinition,
        next: Option<&str>,
    ) -> Result<ScopePage, SourceError> {
        self.inner.page(definition, next).await
    }

    async fn back_up(&self, order: &Order, stop: StopSignal) -> Report {
        let task = &order.task;
        let span = tracing::info_span!(
            "task",
            job = %task.run.job,
            run = task.run.cycle,
            mailbox = task.name,
        );
        let clock = self.context.clock();
        let started_at = clock.monotonic();
        let report = self
            .inner
            .back_up(order, stop)
            .instrument(span.clone())
            .await;
        let seconds = clock.monotonic().saturating_sub(started_at).as_secs();
        span.in_scope(|| self.tell(order, &report, seconds));
        report
    }

    async fn close(&self, definition: &JobDefinition) {
        self.inner.close(definition).await;
    }
}
