//! Counting calls of a queue.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Failure, Usage, UsageCounts, length};
use crate::queue::{Depth, Outgoing, Queue, QueueError, QueueErrorKind, Receipt, Received};

/// Counts the calls of a queue.
pub struct UsageQueue {
    inner: Arc<dyn Queue>,
    usage: Arc<Usage>,
}

impl UsageQueue {
    /// Wraps a queue.
    #[must_use]
    pub fn new(inner: Arc<dyn Queue>, usage: Arc<Usage>) -> Self {
        Self { inner, usage }
    }

    fn note<T>(
        &self,
        result: Result<T, QueueError>,
        add: impl FnOnce(&mut UsageCounts),
    ) -> Result<T, QueueError> {
        let failure = result.as_ref().err().and_then(|error| match error.kind {
            QueueErrorKind::Busy => Some(Failure::Throttled),
            QueueErrorKind::Gone => None,
            _ => Some(Failure::Other),
        });
        self.usage.add(|counts| {
            counts.queue_requests += 1;
            add(counts);
            counts.note(failure);
        });
        result
    }
}

#[async_trait]
impl Queue for UsageQueue {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), QueueError> {
        let sent = length(messages.len());
        let result = self.inner.send(messages).await;
        self.note(result, |counts| counts.queue_messages += sent)
    }

    async fn receive(
        &self,
        most: usize,
        visibility: Duration,
    ) -> Result<Vec<Received>, QueueError> {
        let result = self.inner.receive(most, visibility).await;
        self.note(result, |_| {})
    }

    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<(), QueueError> {
        let result = self.inner.extend(receipt, visibility).await;
        self.note(result, |_| {})
    }

    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), QueueError> {
        let result = self.inner.acknowledge(receipt).await;
        self.note(result, |_| {})
    }

    async fn dead_letters(
        &self,
        most: usize,
        visibility: Duration,
    ) -> Result<Vec<Received>, QueueError> {
        let result = self.inner.dead_letters(most, visibility).await;
        self.note(result, |_| {})
    }

    async fn redrive(&self, most: usize) -> Result<usize, QueueError> {
        let result = self.inner.redrive(most).await;
        self.note(result, |_| {})
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let result = self.inner.depth().await;
        self.note(result, |_| {})
    }
}
