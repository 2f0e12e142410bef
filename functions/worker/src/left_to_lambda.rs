//! The queue as a worker sees it whose messages Lambda receives and removes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mailkeep_ports::{Depth, Outgoing, Queue, QueueError, Receipt, Received};

/// A queue whose messages are not removed by whoever worked on them: Lambda removes those that the answer
/// does not name. That is one request less for each task.
pub struct LeftToLambda(pub Arc<dyn Queue>);

#[async_trait]
impl Queue for LeftToLambda {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), QueueError> {
        self.0.send(messages).await
    }

    async fn receive(
        &self,
        most: usize,
        visibility: Duration,
    ) -> Result<Vec<Received>, QueueError> {
        self.0.receive(most, visibility).await
    }

    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<(), QueueError> {
        self.0.extend(receipt, visibility).await
    }

    async fn acknowledge(&self, _receipt: &Receipt) -> Result<(), QueueError> {
        Ok(())
    }

    async fn dead_letters(
        &self,
        most: usize,
        visibility: Duration,
    ) -> Result<Vec<Received>, QueueError> {
        self.0.dead_letters(most, visibility).await
    }

    async fn redrive(&self, most: usize) -> Result<usize, QueueError> {
        self.0.redrive(most).await
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        self.0.depth().await
    }
}
