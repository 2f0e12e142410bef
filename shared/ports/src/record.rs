//! Counting calls.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use crate::store::{
    Condition, ETag, GetOptions, Key, ListOptions, ListPage, Object, ObjectInfo, PutOptions,
    Retention, Store, StoreError, StoreErrorKind,
};

/// Which method of [`Store`] was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are those of the methods")]
pub enum Verb {
    Put,
    Get,
    Head,
    List,
    Delete,
    ExtendRetention,
}

/// A finished call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Method.
    pub verb: Verb,
    /// Name of the object, or the prefix that was listed.
    pub name: String,
    /// Bytes of the body sent or received.
    pub bytes: u64,
    /// How it failed, if it did.
    pub failed: Option<StoreErrorKind>,
}

/// How many calls and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCount {
    /// Calls, failed ones included.
    pub calls: u64,
    /// Bytes of bodies.
    pub bytes: u64,
}

/// Most calls that are kept one by one; counts go on beyond.
const KEPT_CALLS: usize = 100_000;

/// Counts all calls by method and keeps the first 100,000 one by one, so that a test can say how
/// many requests something may cost.
pub struct RecordStore {
    inner: Arc<dyn Store>,
    record: Mutex<Record>,
}

#[derive(Default)]
struct Record {
    calls: Vec<Call>,
    counts: BTreeMap<Verb, CallCount>,
}

impl RecordStore {
    /// Wraps a store.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            record: Mutex::default(),
        }
    }

    /// Calls in the order in which they ended.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// Calls of one method on names that start with `prefix`.
    #[must_use]
    pub fn calls_to(&self, verb: Verb, prefix: &str) -> Vec<Call> {
        let record = self.lock();
        let calls = record.calls.iter();
        let matching = calls.filter(|call| call.verb == verb && call.name.starts_with(prefix));
        matching.cloned().collect()
    }

    /// How often a method was called.
    #[must_use]
    pub fn count(&self, verb: Verb) -> CallCount {
        self.lock().counts.get(&verb).copied().unwrap_or_default()
    }

    /// How many calls there were in all.
    #[must_use]
    pub fn total_calls(&self) -> u64 {
        self.lock().counts.values().map(|count| count.calls).sum()
    }

    /// Starts again from nothing and returns the calls until now.
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *self.lock()).calls
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note<T>(
        &self,
        verb: Verb,
        name: &str,
        bytes: usize,
        result: Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let mut record = self.lock();
        let count = record.counts.entry(verb).or_default();
        count.calls += 1;
        count.bytes += bytes;
        if record.calls.len() < KEPT_CALLS {
            record.calls.push(Call {
                verb,
                name: name.to_owned(),
                bytes,
                failed: result.as_ref().err().map(|error| error.kind),
            });
        }
        result
    }
}

#[async_trait]
impl Store for RecordStore {
    async fn put(&self, key: &Key, body: Bytes, options: PutOptions) -> Result<ETag, StoreError> {
        let bytes = body.len();
        let result = self.inner.put(key, body, options).await;
        self.note(Verb::Put, key.as_str(), bytes, result)
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Object, StoreError> {
        let result = self.inner.get(key, options).await;
        let bytes = result.as_ref().map_or(0, |object| object.body.len());
        self.note(Verb::Get, key.as_str(), bytes, result)
    }

    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        let result = self.inner.head(key).await;
        self.note(Verb::Head, key.as_str(), 0, result)
    }

    async fn list(&self, options: ListOptions) -> Result<ListPage, StoreError> {
        let prefix = options.prefix.clone();
        let result = self.inner.list(options).await;
        self.note(Verb::List, &prefix, 0, result)
    }

    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), StoreError> {
        let result = self.inner.delete(key, condition).await;
        self.note(Verb::Delete, key.as_str(), 0, result)
    }

    async fn extend_retention(&self, key: &Key, retention: Retention) -> Result<(), StoreError> {
        let result = self.inner.extend_retention(key, retention).await;
        self.note(Verb::ExtendRetention, key.as_str(), 0, result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryStore, TestClock};

    #[tokio::test]
    async fn calls_are_counted_and_kept() {
        let memory = MemoryStore::new(Arc::new(TestClock::default()));
        let store = RecordStore::new(Arc::new(memory));
        let key = Key::new("m/a").unwrap();
        let body = Bytes::from_static(b"123");
        for _ in 0..2 {
            let _ = store.put(&key, body.clone(), PutOptions::if_absent()).await;
        }
        store.get(&key, GetOptions::default()).await.unwrap();
        store.list(ListOptions::prefix("m/")).await.unwrap();
        assert_eq!(store.total_calls(), 4);
        assert_eq!(store.count(Verb::Put), CallCount { calls: 2, bytes: 6 });
        assert_eq!(store.count(Verb::Get), CallCount { calls: 1, bytes: 3 });
        assert_eq!(store.count(Verb::Head), CallCount::default());
        let puts = store.calls_to(Verb::Put, "m/");
        assert_eq!(puts[0].failed, None);
        assert_eq!(puts[1].failed, Some(StoreErrorKind::AlreadyExists));
        assert_eq!(store.take().len(), 4);
        assert_eq!((store.total_calls(), store.calls().len()), (0, 0));
    }
}
