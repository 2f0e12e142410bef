//! Conditions on a store that does not honour them: look, write, look again.
//!
//! This is no replacement. Whoever looks before another one writes, and writes after that one looked
//! again, overwrites what the other one believes to be durable. What is left is told by
//! [`VaultInfo::shortcomings`](crate::VaultInfo::shortcomings).

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use mailkeep_ports::{
    Condition, ETag, GetOptions, Key, ListOptions, ListPage, Object, ObjectInfo, PutOptions,
    Retention, Store, StoreCapabilities, StoreError, StoreErrorKind,
};

/// A store whose conditions are worked out here. No condition ever reaches the store itself: one that
/// refuses, ignores or misreports them does no harm then.
pub(crate) struct LookingStore {
    inner: Arc<dyn Store>,
    creates: bool,
    replaces: bool,
}

impl LookingStore {
    /// The store itself where it honours conditions.
    pub(crate) fn wrap(store: Arc<dyn Store>, can: &StoreCapabilities) -> Arc<dyn Store> {
        if can.conditional_create && can.conditional_replace {
            return store;
        }
        Arc::new(Self {
            inner: store,
            creates: can.conditional_create,
            replaces: can.conditional_replace,
        })
    }

    fn is_left_to_the_store(&self, condition: &Condition) -> bool {
        match condition {
            Condition::None => true,
            Condition::IfAbsent => self.creates,
            Condition::IfMatch(_) => self.replaces,
        }
    }

    async fn look(&self, key: &Key, condition: &Condition) -> Result<(), StoreError> {
        let found = match self.inner.head(key).await {
            Ok(found) => Some(found.etag),
            Err(error) if error.kind == StoreErrorKind::Missing => None,
            Err(error) => return Err(error),
        };
        match (condition, found) {
            (Condition::IfAbsent, Some(_)) => Err(StoreError::new(
                StoreErrorKind::AlreadyExists,
                key.as_str(),
                "an object has this name",
            )),
            (Condition::IfMatch(_), None) => Err(key.missing()),
            (Condition::IfMatch(wanted), Some(found)) if *wanted != found => Err(changed(key)),
            _ => Ok(()),
        }
    }
}

fn changed(key: &Key) -> StoreError {
    let cause = "somebody else wrote it";
    StoreError::new(StoreErrorKind::Changed, key.as_str(), cause)
}

#[async_trait]
impl Store for LookingStore {
    async fn put(&self, key: &Key, body: Bytes, options: PutOptions) -> Result<ETag, StoreError> {
        if self.is_left_to_the_store(&options.condition) {
            return self.inner.put(key, body, options).await;
        }
        self.look(key, &options.condition).await?;
        let unconditional = PutOptions {
            condition: Condition::None,
            ..options.clone()
        };
        let written = self.inner.put(key, body, unconditional).await?;
        let found = self.inner.head(key).await?.etag;
        if found == written {
            return Ok(written);
        }
        // Somebody wrote between our two looks. Theirs is there now.
        match options.condition {
            Condition::IfMatch(_) => Err(changed(key)),
            Condition::IfAbsent | Condition::None => Err(StoreError::new(
                StoreErrorKind::AlreadyExists,
                key.as_str(),
                "somebody else wrote it at the same time",
            )),
        }
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Object, StoreError> {
        self.inner.get(key, options).await
    }

    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        self.inner.head(key).await
    }

    async fn list(&self, options: ListOptions) -> Result<ListPage, StoreError> {
        self.inner.list(options).await
    }

    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), StoreError> {
        if self.is_left_to_the_store(&condition) {
            return self.inner.delete(key, condition).await;
        }
        self.look(key, &condition).await?;
        self.inner.delete(key, Condition::None).await
    }

    async fn extend_retention(&self, key: &Key, retention: Retention) -> Result<(), StoreError> {
        self.inner.extend_retention(key, retention).await
    }
}
