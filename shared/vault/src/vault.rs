//! An open vault.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use mailkeep_model::SourceMailboxId;
use mailkeep_ports::{
    Condition, GetOptions, Key, PutOptions, Store, StoreCapabilities, StoreErrorKind,
};

use crate::context::VaultContext;
use crate::crypto::{self, ObjectKeys, Secret};
use crate::error::VaultError;
use crate::format::FORMAT;
use crate::format::records::VaultBody;
use crate::ids::MailboxId;
use crate::lock::{LockPolicy, LockingStore};
use crate::looking::LookingStore;
use crate::names;
use crate::recipients::Unlock;
use crate::roots::Ring;
use crate::unlock::unlock;

/// What a vault tells about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultInfo {
    /// Id.
    pub id: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Format of its objects.
    pub format: u16,
    /// What its store could do when it was created.
    pub capabilities: StoreCapabilities,
    /// How long its store must keep every object.
    pub object_lock: Option<LockPolicy>,
    /// Epoch of the root key that is in use: 1, and one more for each rotation.
    pub key_epoch: u32,
}

impl VaultInfo {
    /// What is lost because of what the store cannot do, in sentences for people. Empty for a store that
    /// can do everything that a vault without Object Lock needs.
    #[must_use]
    pub fn shortcomings(&self) -> Vec<String> {
        let can = &self.capabilities;
        let mut lost = vec![];
        if !can.conditional_create || !can.conditional_replace {
            lost.push("this store does not honour conditional writes: two programs that work on the same mailbox at the same moment can overwrite each other's last commit, and nothing tells at once. Let only one machine at a time back up to, retain in and repair this vault. What was overwritten is fetched again as far as the source still has it".into());
        }
        if !can.checksums {
            lost.push("this store does not check what it receives against a checksum: damage on the way there is found by `mailkeep verify --full` only".into());
        }
        lost
    }
}

/// An open vault. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub ctx: VaultContext,
    pub info: VaultInfo,
    /// Seal the keys of mailboxes, by epoch of the root key.
    pub mailbox_keys: BTreeMap<u32, Secret>,
    /// Makes the names of mailboxes.
    pub mailbox_names: Secret,
    /// Makes the names of documents.
    pub document_names: Secret,
    /// Vouches for what says that a mailbox was erased.
    pub erasures: Secret,
    /// For objects that belong to no mailbox.
    pub objects: ObjectKeys,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault")
            .field("info", &self.inner.info)
            .finish_non_exhaustive()
    }
}

impl Vault {
    /// Opens a vault.
    ///
    /// # Errors
    /// `Missing` when there is none, `WrongKey` when the key is not one of its own, `Corrupt` when the
    /// record for this key is damaged, `NewerThanMe`, or a store error.
    pub async fn open(mut ctx: VaultContext, with: &Unlock) -> Result<Self, VaultError> {
        let unlocked = unlock(&ctx, with).await?;
        ctx.store = promised_store(&ctx, &unlocked.body)?;
        Self::from_ring(ctx, &unlocked.body, &unlocked.ring)
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.inner.info.id
    }

    /// What it tells about itself.
    #[must_use]
    pub fn info(&self) -> &VaultInfo {
        &self.inner.info
    }

    /// Store, clock and randomness that it works with.
    #[must_use]
    pub fn context(&self) -> &VaultContext {
        &self.inner.ctx
    }

    /// The name that a mailbox has here, whether it is here or not, unless it was erased and started
    /// again. Always the same for the same mailbox, so that two who create it meet; says nothing
    /// without the vault's key.
    #[must_use]
    pub fn mailbox_id(&self, realm: &str, source: &SourceMailboxId) -> MailboxId {
        self.mailbox_name(realm, source, 0)
    }

    /// The name of a mailbox that was erased and started again `generation` times.
    pub(crate) fn mailbox_name(
        &self,
        realm: &str,
        source: &SourceMailboxId,
        generation: u32,
    ) -> MailboxId {
        MailboxId::from_digest(&crypto::keyed_hash(
            &self.inner.mailbox_names,
            &[
                realm.as_bytes(),
                source.as_str().as_bytes(),
                &generation.to_le_bytes(),
            ],
        ))
    }

    /// `ctx` must already put the lock on what it writes.
    pub(crate) fn from_ring(
        ctx: VaultContext,
        body: &VaultBody,
        ring: &Ring,
    ) -> Result<Self, VaultError> {
        let created_at = DateTime::from_timestamp_millis(body.created_at_ms);
        let (epoch, root) = &ring.current;
        let mut objects = ObjectKeys::new(crypto::subkey(root, "vault objects")?, *epoch);
        let mut mailbox_keys = BTreeMap::new();
        for (epoch, root) in ring.roots() {
            objects.add(crypto::subkey(root, "vault objects")?, epoch);
            mailbox_keys.insert(epoch, crypto::subkey(root, "vault mailbox keys")?);
        }
        Ok(Self {
            inner: Arc::new(Inner {
                info: VaultInfo {
                    id: body.vault_id.clone(),
                    created_at: created_at.ok_or_else(|| {
                        VaultError::corrupt(names::VAULT, "its time is impossible")
                    })?,
                    format: FORMAT,
                    capabilities: capabilities(body),
                    object_lock: LockPolicy::of(body)?,
                    key_epoch: *epoch,
                },
                mailbox_keys,
                mailbox_names: crypto::subkey(&ring.naming_key, "vault mailbox names")?,
                document_names: crypto::subkey(&ring.naming_key, "vault document names")?,
                erasures: crypto::subkey(&ring.naming_key, "vault erasures")?,
                objects,
                ctx,
            }),
        })
    }
}

/// What the store could do when the vault was created.
fn capabilities(body: &VaultBody) -> StoreCapabilities {
    StoreCapabilities {
        conditional_create: body.conditional_create,
        conditional_replace: body.conditional_replace,
        object_lock: body.object_lock,
        checksums: body.checksums,
    }
}

/// The store with what the vault's record says about it: conditions that it does not honour by itself,
/// and the lock on what is written.
pub(crate) fn promised_store(
    ctx: &VaultContext,
    body: &VaultBody,
) -> Result<Arc<dyn Store>, VaultError> {
    let store = LookingStore::wrap(Arc::clone(&ctx.store), &capabilities(body));
    Ok(match LockPolicy::of(body)? {
        Some(policy) => LockingStore::wrap(store, &ctx.clock, policy),
        None => store,
    })
}

/// Reads a small object whole.
pub(crate) async fn read_plain(ctx: &VaultContext, key: &Key) -> Result<Bytes, VaultError> {
    Ok(ctx.store.get(key, GetOptions::default()).await?.body)
}

/// Writes a small object.
pub(crate) async fn put_plain(
    ctx: &VaultContext,
    key: &Key,
    bytes: Vec<u8>,
    condition: Condition,
) -> Result<(), VaultError> {
    let options = PutOptions {
        sha256: Some(crypto::sha256(&bytes)),
        condition,
        ..PutOptions::default()
    };
    match ctx.store.put(key, bytes.into(), options).await {
        Ok(_) => Ok(()),
        // The caller reads it back and sees whose it is: it may be our own, written by an attempt whose
        // answer was lost.
        Err(error) if error.kind == StoreErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.into()),
    }
}
