//! Creating and opening vaults.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use mailkeep_model::SourceMailboxId;
use mailkeep_ports::{
    Condition, GetOptions, Key, ListOptions, PutOptions, StoreCapabilities, StoreErrorKind,
};
use prost::Message;
use zeroize::Zeroizing;

use crate::context::VaultContext;
use crate::crypto::{self, ObjectKeys, Secret};
use crate::dictionary;
use crate::error::VaultError;
use crate::format::records::{RecipientRecord, VaultBody, VaultRecord};
use crate::format::{FORMAT, envelope};
use crate::ids::{MailboxId, Ulid};
use crate::names;
use crate::recipients::{self, Attempt, PassphraseCost, Recipient, RecordPlace, Unlock};
use crate::recovery_key::RecoveryKey;

/// Epoch of the first root key and of the first key of every mailbox.
pub(crate) const FIRST_EPOCH: u32 = 1;

/// Begins the names of the probe's scratch objects.
const PROBE: &str = "probe-";

/// Choices at the creation of a vault.
#[derive(Clone, Copy, Debug, Default)]
pub struct CreateOptions {
    /// How much work it is to try a passphrase.
    pub passphrase_cost: PassphraseCost,
}

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
}

/// An open vault. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub ctx: VaultContext,
    pub info: VaultInfo,
    /// Seals the keys of mailboxes.
    pub mailbox_keys: Secret,
    /// Makes the names of mailboxes.
    pub mailbox_names: Secret,
    /// Makes the names of documents.
    pub document_names: Secret,
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
    /// Makes a vault in an empty store and returns it with its recovery key, which is not stored
    /// anywhere: show it, have it written down.
    ///
    /// # Errors
    /// `AlreadyExists` when the store holds anything but leftovers of a failed creation; `Invalid`
    /// without a recipient; a store error.
    pub async fn create(
        ctx: VaultContext,
        recipients: &[Recipient],
        options: CreateOptions,
    ) -> Result<(Self, RecoveryKey), VaultError> {
        if recipients.is_empty() {
            return Err(VaultError::invalid(
                "a vault needs a passphrase or a key file",
            ));
        }
        refuse_unless_empty(&ctx).await?;
        let scratch = format!("{PROBE}{}", Ulid::new(&*ctx.clock, &*ctx.rng));
        let capabilities = mailkeep_ports::probe::probe(&*ctx.store, &*ctx.clock, &scratch).await?;

        let vault_id = Ulid::new(&*ctx.clock, &*ctx.rng).to_string();
        let mut root = Zeroizing::new([0; 32]);
        ctx.rng.fill(root.as_mut_slice());
        let recovery = RecoveryKey::generate(&*ctx.rng);

        for recipient in recipients.iter().map(Some).chain([None]) {
            let key = recipient_key(&ctx)?;
            let place = RecordPlace {
                vault_id: &vault_id,
                object: key.as_str(),
                created_at: ctx.clock.now(),
            };
            let record = match recipient {
                Some(recipient) => {
                    let cost = options.passphrase_cost;
                    recipients::seal(recipient, cost, &place, &root, &*ctx.rng)?
                }
                None => {
                    let public = recovery.public()?;
                    recipients::seal_for_recovery(public, &place, &root, &*ctx.rng)?
                }
            };
            put_plain(&ctx, &key, envelope::encode(&record), Condition::None).await?;
        }
        let dictionary = names::key(format!("dict/{}", dictionary::BUILT_IN_NUMBER))?;
        put_plain(
            &ctx,
            &dictionary,
            dictionary::BUILT_IN.to_vec(),
            Condition::None,
        )
        .await?;

        // Last of all: this object makes a vault of the rest.
        let body = VaultBody {
            vault_id,
            created_at_ms: ctx.clock.now().timestamp_millis(),
            root_epoch: FIRST_EPOCH,
            conditional_create: capabilities.conditional_create,
            conditional_replace: capabilities.conditional_replace,
            object_lock: capabilities.object_lock,
            checksums: capabilities.checksums,
        }
        .encode_to_vec();
        let code = authentication_code(&root, &body)?.to_vec();
        let record = VaultRecord { body, code };
        let condition = if capabilities.conditional_create {
            Condition::IfAbsent
        } else {
            Condition::None
        };
        let key = names::key(names::VAULT.into())?;
        put_plain(&ctx, &key, envelope::encode(&record), condition).await?;
        let stored = read_vault_record(&ctx).await?;
        if stored != record {
            return Err(VaultError::AlreadyExists {
                object: names::VAULT.into(),
                what: "somebody else created a vault here at the same time; open that one".into(),
            });
        }
        Ok((Self::from_root(ctx, &root, &record)?, recovery))
    }

    /// Opens a vault.
    ///
    /// # Errors
    /// `Missing` when there is none, `WrongKey` when the key is not one of its own, `Corrupt` when the
    /// record for this key is damaged, `NewerThanMe`, or a store error.
    pub async fn open(ctx: VaultContext, unlock: &Unlock) -> Result<Self, VaultError> {
        let record = read_vault_record(&ctx).await?;
        let body = VaultBody::decode(record.body.as_slice())
            .map_err(|error| VaultError::corrupt(names::VAULT, error.to_string()))?;
        let prefix = format!("{}{}/", names::KEYS, body.root_epoch);
        let mut damaged = None;
        let mut was_tried = false;
        for key in names::list(&*ctx.store, &prefix).await? {
            let attempt = match read_plain(&ctx, &key).await {
                Ok(bytes) => {
                    envelope::decode::<RecipientRecord>(key.as_str(), &bytes).and_then(|record| {
                        recipients::open(unlock, &body.vault_id, key.as_str(), &record)
                    })
                }
                Err(error) => Err(error),
            };
            match attempt {
                Ok(Attempt::Opened(root)) => return Self::from_root(ctx, &root, &record),
                Ok(Attempt::WrongKey) => was_tried = true,
                Ok(Attempt::NotForThis) => {}
                // Another record may fit.
                Err(error @ VaultError::Corrupt { .. }) => damaged = Some(error),
                Err(error) => return Err(error),
            }
        }
        if let Some(error) = damaged {
            return Err(error);
        }
        let kind = match unlock {
            Unlock::Passphrase(_) => "passphrase",
            Unlock::KeyFile(_) => "key file",
            Unlock::RecoveryKey(_) => "recovery key",
        };
        let what = if was_tried {
            format!("the {kind} is not the one of this vault; check it, or use another key")
        } else {
            format!("this vault has no {kind}; use another kind of key")
        };
        Err(VaultError::wrong_key("the vault", what))
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

    /// The name that a mailbox has here, whether it is here or not. Always the same for the same
    /// mailbox, so that two who create it meet; says nothing without the vault's key.
    #[must_use]
    pub fn mailbox_id(&self, realm: &str, source: &SourceMailboxId) -> MailboxId {
        MailboxId::from_digest(&crypto::keyed_hash(
            &self.inner.mailbox_names,
            &[realm.as_bytes(), source.as_str().as_bytes()],
        ))
    }

    fn from_root(
        ctx: VaultContext,
        root: &Secret,
        record: &VaultRecord,
    ) -> Result<Self, VaultError> {
        let bad = |what: &str| VaultError::corrupt(names::VAULT, what);
        if !crypto::equal(&authentication_code(root, &record.body)?, &record.code) {
            return Err(bad("it was changed, or belongs to another vault"));
        }
        let body =
            VaultBody::decode(record.body.as_slice()).map_err(|error| bad(&error.to_string()))?;
        let created_at = DateTime::from_timestamp_millis(body.created_at_ms);
        Ok(Self {
            inner: Arc::new(Inner {
                info: VaultInfo {
                    id: body.vault_id,
                    created_at: created_at.ok_or_else(|| bad("its time is impossible"))?,
                    format: FORMAT,
                    capabilities: StoreCapabilities {
                        conditional_create: body.conditional_create,
                        conditional_replace: body.conditional_replace,
                        object_lock: body.object_lock,
                        checksums: body.checksums,
                    },
                },
                mailbox_keys: crypto::subkey(root, "vault mailbox keys")?,
                mailbox_names: crypto::subkey(root, "vault mailbox names")?,
                document_names: crypto::subkey(root, "vault document names")?,
                objects: ObjectKeys::new(crypto::subkey(root, "vault objects")?, body.root_epoch),
                ctx,
            }),
        })
    }
}

fn authentication_code(root: &Secret, body: &[u8]) -> Result<[u8; 32], VaultError> {
    let key = crypto::subkey(root, "vault record")?;
    Ok(crypto::keyed_hash(&key, &[body]))
}

fn recipient_key(ctx: &VaultContext) -> Result<Key, VaultError> {
    let id = Ulid::new(&*ctx.clock, &*ctx.rng);
    names::key(format!("{}{FIRST_EPOCH}/{id}", names::KEYS))
}

/// Leftovers of a creation that did not get to its last write are no obstacle.
async fn refuse_unless_empty(ctx: &VaultContext) -> Result<(), VaultError> {
    let options = ListOptions {
        delimited: true,
        ..ListOptions::default()
    };
    let page = ctx.store.list(options).await?;
    let objects = page.objects.iter().map(|object| object.key.as_str());
    for name in objects.chain(page.prefixes.iter().map(String::as_str)) {
        if name == names::VAULT {
            return Err(VaultError::AlreadyExists {
                object: name.into(),
                what: "there is a vault here already; open it".into(),
            });
        }
        if name != names::KEYS && name != names::DICTIONARIES && !name.starts_with(PROBE) {
            return Err(VaultError::AlreadyExists {
                object: name.into(),
                what: "a new vault needs an empty place".into(),
            });
        }
    }
    Ok(())
}

async fn read_vault_record(ctx: &VaultContext) -> Result<VaultRecord, VaultError> {
    let key = names::key(names::VAULT.into())?;
    let bytes = read_plain(ctx, &key).await.map_err(|error| match error {
        VaultError::Missing { object, .. } => VaultError::missing(
            object,
            "there is no vault here; check the place, or create one",
        ),
        other => other,
    })?;
    envelope::decode(names::VAULT, &bytes)
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
