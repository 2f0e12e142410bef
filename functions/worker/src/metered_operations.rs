//! What is told of each restore and export.

use std::sync::Arc;

use async_trait::async_trait;
use mailkeep_engine::StopSignal;
use mailkeep_engine::operation::{
    Failure, Keeper, OperationCounts, OperationSite, PlanOrder, Planned, WorkEnd, WorkOrder,
    WorkState,
};
use mailkeep_function::{Context, Unit};
use tracing::Instrument as _;

/// Plans and carries out operations, and tells logs and metrics of each what it did.
pub struct MeteredOperations {
    inner: Arc<dyn OperationSite>,
    context: Context,
}

impl MeteredOperations {
    /// Tells of what `inner` does.
    #[must_use]
    pub fn new(inner: Arc<dyn OperationSite>, context: Context) -> Self {
        Self { inner, context }
    }

    fn tell(&self, order: &WorkOrder, end: &WorkEnd, counts: &OperationCounts, seconds: u64) {
        let before = &order.state.counts;
        let items = counts.items_done.saturating_sub(before.items_done);
        let failed = counts.failed.saturating_sub(before.failed);
        let bytes = counts.bytes.saturating_sub(before.bytes);
        let outcome = match end {
            WorkEnd::Done => "complete",
            WorkEnd::Stopped => "stopped",
            WorkEnd::Failed(_) => "attempt_failed",
        };
        if let WorkEnd::Failed(failure) = end {
            tracing::warn!(reason = failure.message, "work on an operation failed");
        }
        tracing::info!(
            outcome,
            seconds,
            items,
            failed,
            bytes,
            "an operation was worked on"
        );
        let (stopped, not_done) = match end {
            WorkEnd::Done => (0, 0),
            WorkEnd::Stopped => (1, 0),
            WorkEnd::Failed(_) => (0, 1),
        };
        self.context
            .metrics()
            .line()
            .metric("Operations", Unit::Count, 1)
            .metric("OperationsFailed", Unit::Count, not_done)
            .metric("OperationsContinued", Unit::Count, stopped)
            .metric("OperationSeconds", Unit::Seconds, seconds)
            .metric("OperationItems", Unit::Count, items)
            .metric("OperationItemsFailed", Unit::Count, failed)
            .metric("OperationBytes", Unit::Bytes, bytes)
            .about("operation", order.id.to_string())
            .about("outcome", outcome)
            .write();
    }
}

#[async_trait]
impl OperationSite for MeteredOperations {
    async fn plan(&self, order: &PlanOrder, stop: StopSignal) -> Result<Planned, Failure> {
        let span = tracing::info_span!("operation", operation = %order.id);
        let planned = self.inner.plan(order, stop).instrument(span.clone()).await;
        let _entered = span.enter();
        match &planned {
            Ok(planned) => {
                let items = planned.plan.items;
                tracing::info!(items, "an operation was planned");
            }
            Err(failure) => {
                tracing::warn!(reason = failure.message, "an operation was not planned");
            }
        }
        planned
    }

    async fn carry_out(
        &self,
        order: &WorkOrder,
        keeper: Arc<dyn Keeper>,
        stop: StopSignal,
    ) -> (WorkEnd, WorkState) {
        let span = tracing::info_span!("operation", operation = %order.id);
        let clock = self.context.clock();
        let started_at = clock.monotonic();
        let (end, state) = self
            .inner
            .carry_out(order, keeper, stop)
            .instrument(span.clone())
            .await;
        let seconds = clock.monotonic().saturating_sub(started_at).as_secs();
        span.in_scope(|| self.tell(order, &end, &state.counts, seconds));
        (end, state)
    }
}
