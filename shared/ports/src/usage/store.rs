//! Counting calls of a store.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Failure, Usage, UsageCounts, length};
use crate::store::{
    Condition, ETag, GetOptions, Key, ListOptions, ListPage, Object, ObjectInfo, PutOptions,
    Retention, Store, StoreError, StoreErrorKind,
};

/// Counts the calls of a store.
pub struct UsageStore {
    inner: Arc<dyn Store>,
    usage: Arc<Usage>,
}

impl UsageStore {
    /// Wraps a store.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, usage: Arc<Usage>) -> Self {
        Self { inner, usage }
    }

    fn note<T>(&self, result: &Result<T, StoreError>, add: impl FnOnce(&mut UsageCounts)) {
        let failure = result.as_ref().err().and_then(|error| match error.kind {
            StoreErrorKind::Busy => Some(Failure::Throttled),
            StoreErrorKind::AlreadyExists
            | StoreErrorKind::Changed
            | StoreErrorKind::Conflict
            | StoreErrorKind::Missing => None,
            _ => Some(Failure::Other),
        });
        self.usage.add(|counts| {
            add(counts);
            counts.note(failure);
        });
    }
}

#[async_trait]
impl Store for UsageStore {
    async fn put(&self, key: &Key, body: Bytes, options: PutOptions) -> Result<ETag, StoreError> {
        let bytes = length(body.len());
        let result = self.inner.put(key, body, options).await;
        self.note(&result, |counts| {
            counts.store_puts += 1;
            counts.store_bytes_written += bytes;
        });
        result
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Object, StoreError> {
        let result = self.inner.get(key, options).await;
        let bytes = result
            .as_ref()
            .map_or(0, |object| length(object.body.len()));
        self.note(&result, |counts| {
            counts.store_gets += 1;
            counts.store_bytes_read += bytes;
        });
        result
    }

    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        let result = self.inner.head(key).await;
        self.note(&result, |counts| counts.store_heads += 1);
        result
    }

    async fn list(&self, options: ListOptions) -> Result<ListPage, StoreError> {
        let result = self.inner.list(options).await;
        self.note(&result, |counts| counts.store_lists += 1);
        result
    }

    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), StoreError> {
        let result = self.inner.delete(key, condition).await;
        self.note(&result, |counts| counts.store_deletes += 1);
        result
    }

    async fn extend_retention(&self, key: &Key, retention: Retention) -> Result<(), StoreError> {
        let result = self.inner.extend_retention(key, retention).await;
        self.note(&result, |counts| counts.store_retentions += 1);
        result
    }
}
