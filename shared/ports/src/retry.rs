//! Trying again.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::store::{
    Condition, ETag, GetOptions, Key, ListOptions, ListPage, Object, ObjectInfo, PutOptions,
    Retention, Store, StoreError, StoreErrorKind,
};
use crate::{Clock, Rng};

/// How long and how often to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first one included.
    pub attempts: u32,
    /// Wait before the second attempt; doubles each time.
    pub first_wait: Duration,
    /// Longest wait between two attempts that was not asked for by the store.
    pub longest_wait: Duration,
    /// A store that asks for a longer wait than this gets its error passed on instead.
    pub longest_asked_wait: Duration,
}

impl Default for RetryPolicy {
    /// Seven attempts within about half a minute, or as the store asks, up to two minutes each.
    fn default() -> Self {
        Self {
            attempts: 7,
            first_wait: Duration::from_millis(300),
            longest_wait: Duration::from_secs(15),
            longest_asked_wait: Duration::from_secs(120),
        }
    }
}

impl RetryPolicy {
    /// How long to wait after the `failed`-th failure (1 is the first), or `None` to give up. Half
    /// of the wait is random, so that many callers do not come back at the same moment.
    #[must_use]
    pub fn wait(&self, failed: u32, error: &StoreError, random: u64) -> Option<Duration> {
        if failed >= self.attempts || !error.is_retryable() {
            return None;
        }
        let doublings = failed.saturating_sub(1).min(31);
        let full = self
            .first_wait
            .saturating_mul(1 << doublings)
            .min(self.longest_wait);
        let share = u32::try_from(random % 1_024).unwrap_or(0);
        let own = full / 2 + full / 2 * share / 1_024;
        match error.retry_after {
            Some(asked) if asked > self.longest_asked_wait => None,
            Some(asked) => Some(asked.saturating_add(own)),
            None => Some(own),
        }
    }
}

/// Tries calls again that may succeed later, and settles writes that are in doubt: when an answer
/// was lost, it looks whether the object that is there now is the one it sent. A caller therefore
/// sees `AlreadyExists` and `Changed` only when it was somebody else.
pub struct RetryStore {
    inner: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    policy: RetryPolicy,
}

/// What a look at the object tells about a write in doubt.
enum Settled {
    Ours(ETag),
    NotOurs,
    Absent,
}

impl RetryStore {
    /// Wraps a store.
    #[must_use]
    pub fn new(
        inner: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        policy: RetryPolicy,
    ) -> Self {
        Self {
            inner,
            clock,
            rng,
            policy,
        }
    }

    async fn retry<T, F>(&self, mut call: impl FnMut() -> F + Send) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>> + Send,
    {
        let mut failed = 0;
        loop {
            match call().await {
                Ok(value) => return Ok(value),
                Err(error) => self.wait_after(&mut failed, error).await?,
            }
        }
    }

    /// Waits before the next attempt, or gives the error back when there is to be none.
    async fn wait_after(&self, failed: &mut u32, error: StoreError) -> Result<(), StoreError> {
        *failed += 1;
        let random = self.rng.next_u64();
        let Some(wait) = self.policy.wait(*failed, &error, random) else {
            return Err(error);
        };
        self.clock.sleep(wait).await;
        Ok(())
    }

    async fn settle(&self, key: &Key, body: &Bytes) -> Result<Settled, StoreError> {
        let looked = self.retry(|| async {
            let head = self.inner.head(key).await?;
            if u64::try_from(body.len()) != Ok(head.size_bytes) {
                return Ok(Settled::NotOurs);
            }
            let object = get_whole(self.inner.as_ref(), key, GetOptions::default()).await?;
            Ok(if object.body == *body {
                Settled::Ours(object.info.etag)
            } else {
                Settled::NotOurs
            })
        });
        match looked.await {
            Err(error) if error.kind == StoreErrorKind::Missing => Ok(Settled::Absent),
            settled => settled,
        }
    }

    /// A write whose answer was lost may have happened although the next attempt is refused.
    async fn put_on_condition(
        &self,
        key: &Key,
        body: Bytes,
        options: PutOptions,
    ) -> Result<ETag, StoreError> {
        let mut failed = 0;
        let mut in_doubt = false;
        loop {
            let error = match self.inner.put(key, body.clone(), options.clone()).await {
                Ok(etag) => return Ok(etag),
                Err(error) => error,
            };
            let is_refused = matches!(
                error.kind,
                StoreErrorKind::AlreadyExists | StoreErrorKind::Changed
            );
            if error.kind == StoreErrorKind::Unavailable {
                in_doubt = true;
                self.wait_after(&mut failed, error).await?;
                // Looking is cheaper than sending the body again, and right on any store.
                match self.settle(key, &body).await? {
                    Settled::Ours(etag) => return Ok(etag),
                    Settled::NotOurs if options.condition == Condition::IfAbsent => {
                        let cause = "another writer was first";
                        let kind = StoreErrorKind::AlreadyExists;
                        return Err(StoreError::new(kind, key.as_str(), cause));
                    }
                    Settled::NotOurs | Settled::Absent => {}
                }
            } else if is_refused && in_doubt {
                // The lost write may have arrived after the look.
                return match self.settle(key, &body).await? {
                    Settled::Ours(etag) => Ok(etag),
                    Settled::NotOurs | Settled::Absent => Err(error),
                };
            } else {
                self.wait_after(&mut failed, error).await?;
            }
        }
    }
}

/// Reads and refuses an answer that was cut off.
async fn get_whole(
    store: &dyn Store,
    key: &Key,
    options: GetOptions,
) -> Result<Object, StoreError> {
    let object = store.get(key, options.clone()).await?;
    let range = options.resolve(key, object.info.size_bytes)?;
    let expected = range.end.saturating_sub(range.start);
    if u64::try_from(object.body.len()) == Ok(expected) && object.offset == range.start {
        return Ok(object);
    }
    let cause = format!("{} of {expected} bytes came", object.body.len());
    Err(StoreError::new(
        StoreErrorKind::Unavailable,
        key.as_str(),
        cause,
    ))
}

#[async_trait]
impl Store for RetryStore {
    async fn put(&self, key: &Key, body: Bytes, options: PutOptions) -> Result<ETag, StoreError> {
        match options.condition {
            Condition::None => {
                self.retry(|| self.inner.put(key, body.clone(), options.clone()))
                    .await
            }
            Condition::IfAbsent | Condition::IfMatch(_) => {
                self.put_on_condition(key, body, options).await
            }
        }
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Object, StoreError> {
        self.retry(|| get_whole(self.inner.as_ref(), key, options.clone()))
            .await
    }

    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        self.retry(|| self.inner.head(key)).await
    }

    async fn list(&self, options: ListOptions) -> Result<ListPage, StoreError> {
        self.retry(|| self.inner.list(options.clone())).await
    }

    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), StoreError> {
        let mut failed = 0;
        let mut in_doubt = false;
        loop {
            match self.inner.delete(key, condition.clone()).await {
                Ok(()) => return Ok(()),
                // Gone, as wanted: most likely by the attempt whose answer was lost.
                Err(error) if in_doubt && error.kind == StoreErrorKind::Missing => return Ok(()),
                Err(error) => {
                    in_doubt |= error.kind == StoreErrorKind::Unavailable;
                    self.wait_after(&mut failed, error).await?;
                }
            }
        }
    }

    async fn extend_retention(&self, key: &Key, retention: Retention) -> Result<(), StoreError> {
        self.retry(|| self.inner.extend_retention(key, retention))
            .await
    }
}
