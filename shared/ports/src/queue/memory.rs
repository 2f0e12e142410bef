//! A queue in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::{
    Depth, MAX_BATCH, MAX_VISIBILITY, Outgoing, Queue, QueueError, QueueErrorKind, Receipt,
    Received, check_batch,
};
use crate::Clock;

/// Keeps messages in memory, with real visibility timeouts by the monotonic clock. For tests.
pub struct MemoryQueue {
    clock: Arc<dyn Clock>,
    max_receives: u32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    messages: BTreeMap<u64, Message>,
    last: u64,
}

struct Message {
    body: String,
    hidden_until: Duration,
    receives: u32,
    /// Receives in this life and the ones before a redrive: part of the receipt.
    turns: u64,
    is_dead: bool,
}

impl Message {
    fn is_hidden(&self, now: Duration) -> bool {
        now < self.hidden_until
    }

    fn receive(&mut self, number: u64, until: Duration) -> Received {
        self.hidden_until = until;
        self.turns += 1;
        Received {
            body: self.body.clone(),
            receipt: Receipt(format!("{number}-{}", self.turns)),
            receives: self.receives,
        }
    }
}

impl MemoryQueue {
    /// An empty queue. A message that was received `max_receives` times without being acknowledged
    /// becomes a dead letter.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, max_receives: u32) -> Self {
        Self {
            clock,
            max_receives,
            state: Mutex::default(),
        }
    }

    /// The bodies of all messages that are not dead letters, in the order in which they were sent.
    #[must_use]
    pub fn bodies(&self) -> Vec<String> {
        let state = self.lock();
        let alive = state.messages.values().filter(|message| !message.is_dead);
        alive.map(|message| message.body.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn until(&self, call: &'static str, visibility: Duration) -> Result<Duration, QueueError> {
        if visibility > MAX_VISIBILITY {
            let cause = "the time to hide is longer than 12 hours";
            return Err(QueueError::new(QueueErrorKind::Invalid, call, cause));
        }
        Ok(self.clock.monotonic() + visibility)
    }
}

/// The number of the message and the turn, if it is a receipt of ours.
fn parts(receipt: &Receipt) -> Option<(u64, u64)> {
    let (number, turn) = receipt.0.split_once('-')?;
    Some((number.parse().ok()?, turn.parse().ok()?))
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), QueueError> {
        check_batch(&messages)?;
        let now = self.clock.monotonic();
        let mut state = self.lock();
        for message in messages {
            state.last += 1;
            let number = state.last;
            let message = Message {
                body: message.body,
                hidden_until: now + message.delay,
                receives: 0,
                turns: 0,
                is_dead: false,
            };
            state.messages.insert(number, message);
        }
        Ok(())
    }

    async fn receive(
        &self,
        most: usize,
        visibility: Duration,
    ) -> Result<Vec<Received>, QueueError> {
        let until = self.until("receive", visibility)?;
        let now = self.clock.monotonic();
        let mut received = vec![];
        for (number, message) in &mut self.lock().messages {
            if received.len() >= most.min(MAX_BATCH) {
                break;
            }
            if message.is_dead || message.is_hidden(now) {
                continue;
            }
            if message.receives >= self.max_receives {
                message.is_dead = true;
                continue;
            }
            message.receives += 1;
            received.push(message.receive(*number, until));
        }
        Ok(received)
    }

    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<(), QueueError> {
        let until = self.until("extend", visibility)?;
        let now = self.clock.monotonic();
        let mut state = self.lock();
        let message = parts(receipt).and_then(|(number, turn)| {
            let message = state.messages.get_mut(&number)?;
            (message.turns == turn && message.is_hidden(now)).then_some(message)
        });
        let Some(message) = message else {
            let cause = "the message was acknowledged or came back into sight";
            return Err(QueueError::new(QueueErrorKind::Gone, "extend", cause));
        };
        message.hidden_until = until;
        Ok(())
    }

    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), QueueError> {
        let mut state = self.lock();
        if let Some((number, turn)) = parts(receipt)
            && state.messages.get(&number).is_some_and(|m| m.turns == turn)
        {
            state.messages.remove(&number);
        }
        Ok(())
    }

    async fn dead_letters(
        &self,
        most: usize,
        visibility: Duration,
    ) -> Result<Vec<Received>, QueueError> {
        let until = self.until("look at dead letters", visibility)?;
        let now = self.clock.monotonic();
        let mut state = self.lock();
        let dead = state.messages.iter_mut();
        let dead = dead.filter(|(_, message)| message.is_dead && !message.is_hidden(now));
        let dead = dead.take(most.min(MAX_BATCH));
        Ok(dead
            .map(|(number, message)| message.receive(*number, until))
            .collect())
    }

    async fn redrive(&self, most: usize) -> Result<usize, QueueError> {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        let dead = state.messages.values_mut();
        let dead = dead.filter(|message| message.is_dead && !message.is_hidden(now));
        let mut count = 0;
        for message in dead.take(most) {
            message.is_dead = false;
            message.receives = 0;
            message.turns += 1;
            count += 1;
        }
        Ok(count)
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let now = self.clock.monotonic();
        let mut depth = Depth::default();
        for message in self.lock().messages.values() {
            let count = match (message.is_dead, message.is_hidden(now), message.receives) {
                (true, _, _) => &mut depth.dead,
                (false, false, _) => &mut depth.ready,
                (false, true, 0) => &mut depth.delayed,
                (false, true, _) => &mut depth.in_flight,
            };
            *count += 1;
        }
        Ok(depth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TestClock;
    use crate::conformance::{self, QueueUnderTest};

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn keeps_the_contract() {
        let clock = Arc::new(TestClock::default());
        let of_queues: Arc<dyn Clock> = clock.clone();
        let test = QueueUnderTest {
            fresh: Box::new(move |max_receives| {
                Arc::new(MemoryQueue::new(of_queues.clone(), max_receives))
            }),
            clock: clock.clone(),
            unit: Duration::from_secs(10),
        };
        conformance::queue(&test).await.unwrap();
        assert!(clock.monotonic() > Duration::ZERO);
    }
}
