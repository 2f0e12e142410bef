//! Keeping the promise of Object Lock: what is still needed is extended before half of its time is gone,
//! and checked.
//!
//! Live objects are the vault record, the dictionary, the key records of the current epoch, and of every
//! mailbox that was not erased its log above the floor, the two checkpoints that the floor stands on, and the
//! packs that its index names. Other checkpoints are a cache and run records are reports: they are locked
//! when they are written and not extended. Keys of mailboxes and
//! documents are not locked at all.
//!
//! Requests: one read while nothing is due. When it is, once in three eighths of the promise: for each
//! mailbox what opening it takes and one listing for 1,000 commits, one request for each live object, one
//! write at the end. Checking: the same with one HEAD for each live object.

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use mailkeep_ports::{Key, LockMode, Retention, StoreErrorKind};

use crate::documents::PutMode;
use crate::error::VaultError;
use crate::ids::MailboxId;
use crate::index::floor;
use crate::lock::LockPolicy;
use crate::names;
use crate::pack_table::PackId;
use crate::roots::{FIRST_EPOCH, KeyObjects};
use crate::vault::Vault;

/// Requests at once.
const CONCURRENT_REQUESTS: usize = 16;
/// Packs that are read from an index at once.
const PACKS_AT_ONCE: usize = 512;
/// Where it is kept when everything was extended last.
const DOCUMENT: (&str, &str) = ("lock", "extended");

/// What an extension did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Objects that are now promised for the full time.
    pub objects: u64,
    /// Objects that are gone although they are needed.
    pub missing: Vec<String>,
    /// The time that all of them are promised until.
    pub until: DateTime<Utc>,
}

/// What a check of the locks looked at and found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockReport {
    /// Objects that were looked at.
    pub objects: u64,
    /// Those with less than was promised.
    pub findings: Vec<LockFinding>,
}

/// A live object with less protection than the vault promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockFinding {
    /// Its name.
    pub object: String,
    /// The mailbox that it belongs to.
    pub mailbox: Option<MailboxId>,
    /// What its lock is; `None` for none, or when it is gone.
    pub found: Option<Retention>,
    /// When it must not end before.
    pub promised: DateTime<Utc>,
}

struct Live {
    key: Key,
    mailbox: Option<MailboxId>,
}

impl Vault {
    /// Extends the lock of all live objects if it is time; `None` when it is not, or the vault has no lock.
    /// Call it at the end of every run. Dying in the middle costs repeating it.
    ///
    /// # Errors
    /// A store error. What was extended until then stays so.
    pub async fn extend_locks(&self) -> Result<Option<Extension>, VaultError> {
        let Some(policy) = self.info().object_lock else {
            return Ok(None);
        };
        let now = self.inner.ctx.clock.now();
        let due = self
            .extended_at()
            .await?
            .checked_add_signed(policy.part(3, 8));
        if due.is_some_and(|due| now < due) {
            return Ok(None);
        }
        let retention = policy.retention(now);
        let live = self.live_objects().await?;
        let results = futures::stream::iter(live)
            .map(|live| async move { self.extend(&live.key, retention).await })
            .buffer_unordered(CONCURRENT_REQUESTS);
        let results: Vec<Option<String>> = results.try_collect().await?;
        let count = results.iter().filter(|missing| missing.is_none()).count();
        let missing: Vec<String> = results.into_iter().flatten().collect();
        let (kind, name) = DOCUMENT;
        let at = now.timestamp_millis().to_le_bytes();
        self.put_document(kind, name, &at, PutMode::Replace).await?;
        Ok(Some(Extension {
            objects: u64::try_from(count).unwrap_or(u64::MAX),
            missing,
            until: retention.until,
        }))
    }

    /// Compares the lock of every live object with the promise: never less than half of the days.
    ///
    /// # Errors
    /// `Invalid` when the vault has no lock; a store error.
    pub async fn check_locks(&self) -> Result<LockReport, VaultError> {
        let policy = self
            .info()
            .object_lock
            .ok_or_else(|| VaultError::invalid("this vault was created without Object Lock"))?;
        let live = self.live_objects().await?;
        let mut report = LockReport {
            objects: u64::try_from(live.len()).unwrap_or(u64::MAX),
            findings: vec![],
        };
        let now = self.inner.ctx.clock.now();
        let promised = now.checked_add_signed(policy.part(1, 2)).unwrap_or(now);
        let found = futures::stream::iter(live)
            .map(|live| async move { self.lacks(live, policy, promised).await })
            .buffered(CONCURRENT_REQUESTS);
        let found: Vec<Option<LockFinding>> = found.try_collect().await?;
        report.findings.extend(found.into_iter().flatten());
        Ok(report)
    }

    async fn extended_at(&self) -> Result<DateTime<Utc>, VaultError> {
        let (kind, name) = DOCUMENT;
        let at = match self.document(kind, name).await {
            Ok(document) => document.and_then(|bytes| <[u8; 8]>::try_from(bytes.as_slice()).ok()),
            Err(error) if error.is_retryable() => return Err(error),
            // Extending once more than needed is the safe side.
            Err(error) => {
                tracing::warn!(%error, "not known when the locks were extended");
                None
            }
        };
        let at = at.and_then(|bytes| DateTime::from_timestamp_millis(i64::from_le_bytes(bytes)));
        Ok(at.unwrap_or(self.info().created_at))
    }

    /// The object's name if it is gone.
    async fn extend(&self, key: &Key, retention: Retention) -> Result<Option<String>, VaultError> {
        let store = &self.inner.ctx.store;
        match store.extend_retention(key, retention).await {
            Ok(()) => Ok(None),
            Err(error) if error.kind == StoreErrorKind::Missing => Ok(Some(key.to_string())),
            // A store refuses to shorten; somebody else may have promised more.
            Err(error) => match store.head(key).await?.retention {
                Some(found) if keeps(found, retention.mode, retention.until) => Ok(None),
                _ => Err(error.into()),
            },
        }
    }

    async fn lacks(
        &self,
        live: Live,
        policy: LockPolicy,
        promised: DateTime<Utc>,
    ) -> Result<Option<LockFinding>, VaultError> {
        let found = match self.inner.ctx.store.head(&live.key).await {
            Ok(info) => info.retention,
            Err(error) if error.kind == StoreErrorKind::Missing => None,
            Err(error) => return Err(error.into()),
        };
        if found.is_some_and(|found| keeps(found, policy.mode, promised)) {
            return Ok(None);
        }
        Ok(Some(LockFinding {
            object: live.key.to_string(),
            mailbox: live.mailbox,
            found,
            promised,
        }))
    }

    async fn live_objects(&self) -> Result<Vec<Live>, VaultError> {
        let ctx = &self.inner.ctx;
        let mut keys = vec![names::key(names::VAULT.into())?];
        keys.extend(names::list(&*ctx.store, names::DICTIONARIES).await?);
        let objects = KeyObjects::list(ctx).await?;
        keys.extend(objects.recipients);
        if objects.epoch > FIRST_EPOCH {
            keys.push(names::root(objects.epoch)?);
        }
        let of_vault = |key| Live { key, mailbox: None };
        let mut live: Vec<Live> = keys.into_iter().map(of_vault).collect();
        for id in self.mailbox_ids().await? {
            let keys = match self.live_in(&id).await {
                Ok(keys) => keys,
                Err(VaultError::Erased { .. }) => continue,
                Err(error) if error.is_retryable() => return Err(error),
                // What cannot be read now may be needed to repair it.
                Err(error) => {
                    tracing::warn!(mailbox = %id, %error, "extending everything of a mailbox");
                    let mut keys = names::list(&*ctx.store, &names::log_prefix(&id)).await?;
                    keys.extend(names::list(&*ctx.store, &names::pack_prefix(&id)).await?);
                    keys
                }
            };
            live.extend(keys.into_iter().map(|key| Live {
                key,
                mailbox: Some(id.clone()),
            }));
        }
        Ok(live)
    }

    async fn live_in(&self, id: &MailboxId) -> Result<Vec<Key>, VaultError> {
        let mailbox = self.mailbox(id).await?;
        let view = mailbox.view().await?;
        let store = &*self.inner.ctx.store;
        let floor = floor::read(&mailbox.core).await?;
        let floor = floor.map(|(floor, _)| floor).unwrap_or_default();
        let mut keys = names::list(store, &names::log_prefix(id)).await?;
        // What is closed goes; the data in it that is needed is among the packs.
        keys.retain(|key| names::sequence_of(key.as_str()).is_none_or(|it| it > floor.sequence));
        for carrier in [floor.sequence, floor.next] {
            if carrier > 0 {
                // All objects of the checkpoint.
                let prefix = names::checkpoint(id, carrier)?;
                keys.extend(names::list(store, prefix.as_str()).await?);
            }
        }
        let mut after = None;
        loop {
            let packs = view.packs(after, PACKS_AT_ONCE).await?;
            let Some(last) = packs.last() else {
                return Ok(keys);
            };
            after = Some(last.number);
            for pack in &packs {
                let is_listed = matches!(pack.id, PackId::Segment(it) if it > floor.sequence);
                if !is_listed {
                    keys.push(pack.id.key(id)?);
                }
            }
        }
    }
}

/// True when a lock is at least as strong as asked for.
fn keeps(found: Retention, mode: LockMode, until: DateTime<Utc>) -> bool {
    let is_strong = found.mode == mode || found.mode == LockMode::Compliance;
    is_strong && found.until >= until
}
