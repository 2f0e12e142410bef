//! What time goes by with while a mailbox is backed up.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use mailkeep_model::progress::Spent;
use mailkeep_ports::Clock;

use super::take::Taker;

/// A time that several tasks add to.
#[derive(Debug, Default)]
pub(super) struct Sum(AtomicU64);

impl Sum {
    fn add(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanos, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

/// What time went by with, added up over everything that goes on side by side.
#[derive(Debug, Default)]
pub(super) struct Timing {
    throttled: Sum,
    source: Sum,
    /// Storing content, waiting for the store included.
    storing: Sum,
    committing: Sum,
}

impl Timing {
    /// Content was stored in `took`, of which `source` was waiting for more of it.
    pub(super) fn stored(&self, took: Duration, source: Duration) {
        self.source.add(source);
        self.storing.add(took.saturating_sub(source));
    }

    /// A commit was made.
    pub(super) fn committed(&self, took: Duration) {
        self.committing.add(took);
    }

    /// All of it, when `uploading` of storing content was waiting for the store.
    pub(super) fn spent(&self, uploading: Duration) -> Spent {
        Spent {
            throttled: self.throttled.get(),
            source: self.source.get(),
            cpu: self.storing.get().saturating_sub(uploading),
            target: self.committing.get().saturating_add(uploading),
            schedule: Duration::ZERO,
        }
    }
}

impl Taker {
    /// Waits for the source. When it asked to be left alone meanwhile, that is what the time went by
    /// with.
    pub(super) async fn waiting<T>(&self, answer: impl Future<Output = T>) -> T {
        let throttles = || self.source.metrics(Some(&self.mailbox)).throttles;
        let is_blocked = self
            .source
            .throttled_until(&self.mailbox)
            .is_some_and(|until| until > self.clock.now());
        let (before, start) = (throttles(), self.clock.monotonic());
        let answer = answer.await;
        let took = self.clock.monotonic().saturating_sub(start);
        if is_blocked || throttles() > before {
            self.timing.throttled.add(took);
        } else {
            self.timing.source.add(took);
        }
        answer
    }

    /// What time went by with so far.
    pub(super) fn spent(&self) -> Spent {
        self.timing.spent(self.writer.time_uploading())
    }
}

/// A stream that notes how long it is waited for.
pub(super) struct Waits<'a, S> {
    inner: Pin<Box<S>>,
    clock: &'a dyn Clock,
    since: Option<Duration>,
    time: Arc<Sum>,
}

impl<'a, S: Stream> Waits<'a, S> {
    pub(super) fn new(inner: S, clock: &'a dyn Clock) -> Self {
        Self {
            inner: Box::pin(inner),
            clock,
            since: None,
            time: Arc::default(),
        }
    }

    /// How long it was waited for, as it goes on.
    pub(super) fn time(&self) -> Arc<Sum> {
        self.time.clone()
    }
}

impl<S: Stream> Stream for Waits<'_, S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let now = self.clock.monotonic();
        let since = *self.since.get_or_insert(now);
        let polled = self.inner.as_mut().poll_next(cx);
        if polled.is_ready() {
            self.since = None;
            let waited = self.clock.monotonic().saturating_sub(since);
            self.time.add(waited);
        }
        polled
    }
}
