//! A queue that fails on purpose.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Depth, Outgoing, Queue, QueueError, QueueErrorKind, Receipt, Received};
use crate::faults::{Effect, FaultPlan};

/// Wraps a queue and makes its calls fail as a [`FaultPlan`] says; also delivers messages twice.
pub struct FaultQueue {
    inner: Arc<dyn Queue>,
    plan: FaultPlan,
}

impl FaultQueue {
    /// Wraps a queue.
    #[must_use]
    pub fn new(inner: Arc<dyn Queue>, plan: FaultPlan) -> Self {
        Self { inner, plan }
    }

    fn before(&self, call: &'static str) -> Result<Effect, QueueError> {
        match self.plan.next_call() {
            Effect::Busy => Err(injected(QueueErrorKind::Busy, call)),
            Effect::Lost => Err(injected(QueueErrorKind::Unavailable, call)),
            effect => Ok(effect),
        }
    }
}

fn injected(kind: QueueErrorKind, call: &'static str) -> QueueError {
    QueueError::new(kind, call, "injected fault")
}

fn answer<T>(
    effect: Effect,
    call: &'static str,
    result: Result<T, QueueError>,
) -> Result<T, QueueError> {
    match effect {
        Effect::ThenLoseAnswer => Err(injected(QueueErrorKind::Unavailable, call)),
        _ => result,
    }
}

#[async_trait]
impl Queue for FaultQueue {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), QueueError> {
        let effect = self.before("send")?;
        answer(effect, "send", self.inner.send(messages).await)
    }

    async fn receive(
        &self,
        most: usize,
        visibility: Duration,
    ) -> Result<Vec<Received>, QueueError> {
        let effect = self.before("receive")?;
        let received = self.inner.receive(most, visibility).await?;
        for message in &received {
            if self.plan.is_duplicated() {
                self.inner.send(vec![Outgoing::now(&*message.body)]).await?;
            }
        }
        answer(effect, "receive", Ok(received))
    }

    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<(), QueueError> {
        let effect = self.before("extend")?;
        answer(
            effect,
            "extend",
            self.inner.extend(receipt, visibility).await,
        )
    }

    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), QueueError> {
        let effect = self.before("acknowledge")?;
        answer(effect, "acknowledge", self.inner.acknowledge(receipt).await)
    }

    async fn dead_letters(
        &self,
        most: usize,
        visibility: Duration,
    ) -> Result<Vec<Received>, QueueError> {
        let call = "look at dead letters";
        let effect = self.before(call)?;
        answer(
            effect,
            call,
            self.inner.dead_letters(most, visibility).await,
        )
    }

    async fn redrive(&self, most: usize) -> Result<usize, QueueError> {
        let effect = self.before("redrive")?;
        answer(effect, "redrive", self.inner.redrive(most).await)
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let effect = self.before("depth")?;
        answer(effect, "depth", self.inner.depth().await)
    }
}
