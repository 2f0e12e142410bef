//! Object Lock as a property of a vault: the store itself forbids deleting, for a time that every
//! write promises anew.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_ports::{
    Clock, Condition, ETag, GetOptions, Key, ListOptions, ListPage, LockMode, Object, ObjectInfo,
    PutOptions, Retention, Store, StoreCapabilities, StoreError,
};

use crate::crypto;
use crate::error::VaultError;
use crate::format::records::VaultBody;
use crate::names;

/// The most days that a vault may promise: a typing mistake in compliance mode cannot be undone.
pub const MAX_LOCK_DAYS: u32 = 3_653;

/// What a vault promises about deleting. Chosen when it is created, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockPolicy {
    /// Who may still delete.
    pub mode: LockMode,
    /// How many days every object stays at least, from its writing or its last extension.
    pub days: u32,
}

impl LockPolicy {
    /// Refuses what the store cannot keep, or nobody can mean.
    pub(crate) fn check(&self, capabilities: &StoreCapabilities) -> Result<(), VaultError> {
        if self.days == 0 || self.days > MAX_LOCK_DAYS {
            return Err(VaultError::invalid(format!(
                "objects can be locked for 1 to {MAX_LOCK_DAYS} days"
            )));
        }
        if !capabilities.object_lock {
            return Err(VaultError::invalid(
                "this store has no Object Lock: whoever may write here may also delete the whole backup; use a bucket with Object Lock, or create the vault without it",
            ));
        }
        Ok(())
    }

    /// The number that stands for the mode in the vault record.
    pub(crate) fn mode_tag(policy: Option<Self>) -> u32 {
        match policy.map(|policy| policy.mode) {
            None => 0,
            Some(LockMode::Governance) => 1,
            Some(LockMode::Compliance) => 2,
        }
    }

    /// The policy of a vault.
    pub(crate) fn of(body: &VaultBody) -> Result<Option<Self>, VaultError> {
        let mode = match body.lock_mode {
            0 => return Ok(None),
            1 => LockMode::Governance,
            2 => LockMode::Compliance,
            _ => return Err(VaultError::corrupt(names::VAULT, "unknown lock mode")),
        };
        let days = body.lock_days;
        Ok(Some(Self { mode, days }))
    }

    /// What is promised to an object at a time.
    pub(crate) fn retention(&self, now: DateTime<Utc>) -> Retention {
        let promise = TimeDelta::days(self.days.into());
        Retention {
            mode: self.mode,
            until: now.checked_add_signed(promise).unwrap_or(now),
        }
    }

    /// The promise in days of 24 hours, or a fraction of it.
    pub(crate) fn part(&self, numerator: i32, denominator: i32) -> TimeDelta {
        TimeDelta::days(self.days.into()) * numerator / denominator.max(1)
    }
}

/// True for objects that the lock holds. Keys of mailboxes stay outside so that a person can be
/// erased; documents are replaced and deleted by people, the floor of a mailbox by retention.
pub(crate) fn is_locked_kind(name: &str) -> bool {
    if name.starts_with(names::MAILBOXES) {
        !matches!(name.split('/').nth(2), Some("key" | names::FLOOR))
    } else {
        !name.starts_with(names::DOCUMENTS) && !name.starts_with(names::PROBE)
    }
}

/// Puts the vault's promise, and a checksum, on everything that is written.
pub(crate) struct LockingStore {
    inner: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    policy: LockPolicy,
}

impl LockingStore {
    /// The store under a policy.
    pub(crate) fn wrap(
        store: Arc<dyn Store>,
        clock: &Arc<dyn Clock>,
        policy: LockPolicy,
    ) -> Arc<dyn Store> {
        Arc::new(Self {
            inner: store,
            clock: Arc::clone(clock),
            policy,
        })
    }
}

#[async_trait]
impl Store for LockingStore {
    async fn put(
        &self,
        key: &Key,
        body: Bytes,
        mut options: PutOptions,
    ) -> Result<ETag, StoreError> {
        if is_locked_kind(key.as_str()) && options.retention.is_none() {
            options.retention = Some(self.policy.retention(self.clock.now()));
        }
        // Object Lock refuses a write without a checksum.
        options.sha256.get_or_insert_with(|| crypto::sha256(&body));
        self.inner.put(key, body, options).await
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
        self.inner.delete(key, condition).await
    }

    async fn extend_retention(&self, key: &Key, retention: Retention) -> Result<(), StoreError> {
        self.inner.extend_retention(key, retention).await
    }
}
