//! Erasing a person: every key of the mailbox is destroyed, so that nobody can read what is stored.

use mailkeep_ports::{Condition, GetOptions, Key, StoreErrorKind};

use crate::error::VaultError;
use crate::ids::MailboxId;
use crate::names;
use crate::vault::{Vault, put_plain};

/// How often keys that come back (a worker that slept renews the profile) are deleted again.
const ROUNDS: usize = 3;

/// What erasing a mailbox did, and what it cannot know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// Names of the key records that are gone; looked for again after they were deleted.
    pub destroyed: Vec<String>,
    /// Names of key records that could not be deleted, and why.
    pub remaining: Vec<(String, String)>,
    /// The store keeps older versions of what is deleted: buckets with Object Lock always do. Those
    /// versions must be deleted there, too.
    pub keeps_versions: bool,
}

impl Erasure {
    /// True when every copy of the keys that this program can know of is gone for good.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.remaining.is_empty() && !self.keeps_versions
    }

    /// What a person has to see to: sentences for a report, the certain ones first.
    #[must_use]
    pub fn caveats(&self) -> Vec<String> {
        let keys = names::mailbox_key_prefix(&self.mailbox);
        let mut caveats = vec![];
        if !self.remaining.is_empty() {
            caveats.push(format!(
                "{} key records could not be deleted: the mailbox can still be read; repeat the erasure",
                self.remaining.len()
            ));
        }
        caveats.push(if self.keeps_versions {
            format!("this bucket keeps older versions: delete every version of the objects below {keys}, until then whoever may read versions can undo the erasure")
        } else {
            format!("whether the store keeps older versions or snapshots cannot be seen from here: if it does, delete every version of the objects below {keys}")
        });
        caveats.push(format!(
            "copies of the vault elsewhere (replicas, other backups) hold the keys until the objects below {keys} are deleted there, too"
        ));
        caveats.push(
            "exported and restored mail, and the source itself, are not touched; records of earlier runs still name the address"
                .into(),
        );
        caveats.push(
            "a program that had the mailbox open keeps its key in memory until it ends".into(),
        );
        caveats
    }
}

impl Vault {
    /// Erases a mailbox: marks it as erased, destroys all its keys, and looks whether they are gone. What
    /// it stored stays in the store as bytes that nobody can read. Repeating it finishes an erasure that
    /// was interrupted.
    ///
    /// # Errors
    /// `Invalid` under a legal hold that concerns the mailbox, also one with a search; `Missing` when there
    /// is nothing of this mailbox; a store error, after which it can be repeated.
    pub async fn erase_mailbox(&self, id: &MailboxId) -> Result<Erasure, VaultError> {
        let inner = &self.inner;
        self.refuse_under_hold(id).await?;
        let state = self.key_state(id).await?;
        if !state.is_erased {
            if state.epochs.is_empty() {
                return Err(VaultError::missing(
                    names::mailbox_key_prefix(id),
                    "there is no key of such a mailbox",
                ));
            }
            // First the mark: whatever happens from here on is called an erasure, not damage.
            let mark = self.erasure_record(id)?;
            put_plain(&inner.ctx, &names::erasure(id)?, mark, Condition::IfAbsent).await?;
        }
        let mut erasure = Erasure {
            mailbox: id.clone(),
            destroyed: vec![],
            remaining: vec![],
            keeps_versions: inner.info.capabilities.object_lock,
        };
        for _ in 0..ROUNDS {
            let found = self.key_objects(id).await?;
            if found.is_empty() {
                break;
            }
            erasure.remaining.clear();
            for key in found {
                match self.destroy(&key).await? {
                    None => erasure.destroyed.push(key.to_string()),
                    Some(why) => erasure.remaining.push((key.to_string(), why)),
                }
            }
        }
        let left = self.key_objects(id).await?;
        for key in left {
            if erasure
                .remaining
                .iter()
                .all(|(name, _)| name != key.as_str())
            {
                let why = "it came back: somebody works with this mailbox; stop that first".into();
                erasure.remaining.push((key.to_string(), why));
            }
        }
        erasure.destroyed.sort();
        erasure.destroyed.dedup();
        let remaining = &erasure.remaining;
        erasure
            .destroyed
            .retain(|name| remaining.iter().all(|(left, _)| left != name));
        Ok(erasure)
    }

    /// A legal hold overrides everything, also a request to be forgotten. Whoever must erase all the same
    /// removes the hold first, and so decides between the two.
    async fn refuse_under_hold(&self, id: &MailboxId) -> Result<(), VaultError> {
        let holds = self.holds().await?;
        let names: Vec<&str> = holds
            .iter()
            .filter(|hold| hold.concerns(id))
            .map(|hold| hold.name.as_str())
            .collect();
        if names.is_empty() {
            return Ok(());
        }
        Err(VaultError::invalid(format!(
            "mailbox {id} is under legal hold ({}): nothing of it may be erased; `mailkeep hold rm` ends a hold",
            names.join(", ")
        )))
    }

    async fn key_objects(&self, id: &MailboxId) -> Result<Vec<Key>, VaultError> {
        let store = &*self.inner.ctx.store;
        let mut keys = names::list(store, &names::mailbox_key_prefix(id)).await?;
        keys.retain(|key| names::last_segment(key.as_str()) != names::ERASED);
        Ok(keys)
    }

    /// Deletes a key record and reads it again; says why when it is still there.
    async fn destroy(&self, key: &Key) -> Result<Option<String>, VaultError> {
        let store = &self.inner.ctx.store;
        match store.delete(key, Condition::None).await {
            Ok(()) => {}
            Err(error) if error.is_retryable() => return Err(error.into()),
            Err(error) => return Ok(Some(error.cause)),
        }
        match store.get(key, GetOptions::default()).await {
            Err(error) if error.kind == StoreErrorKind::Missing => Ok(None),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(Some("the store says deleted, and still returns it".into())),
        }
    }
}
