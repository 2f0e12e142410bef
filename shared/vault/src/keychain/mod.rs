//! Who can open a vault: listing, adding and removing recipients. Rotation is in [`rotation`].

pub(crate) mod rotation;

use chrono::{DateTime, Utc};
use mailkeep_ports::{Condition, Key};

use crate::context::VaultContext;
use crate::create::recipient_key;
use crate::error::VaultError;
use crate::format::envelope;
use crate::format::records::RecipientRecord;
use crate::names;
use crate::recipients::{self, For, PassphraseCost, Recipient, RecordPlace, Sealer, Unlock};
use crate::recovery_key::RecoveryKey;
use crate::roots::{self, KeyObjects};
use crate::unlock::{Unlocked, unlock};
use crate::vault::{Vault, promised_store, put_plain, read_plain};

/// What a recipient opens the vault with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecipientKind {
    /// A passphrase.
    Passphrase,
    /// A key file.
    KeyFile,
    /// A recovery key.
    RecoveryKey,
    /// A key of a service.
    KeyService,
    /// Something that a newer mailkeep added.
    Unknown,
}

/// A recipient as a listing shows it.
#[derive(Debug)]
pub struct RecipientEntry {
    /// Its id.
    pub id: String,
    /// What it is, or why its record cannot be used.
    pub details: Result<RecipientDetails, VaultError>,
}

/// What is known of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientDetails {
    /// What it opens the vault with.
    pub kind: RecipientKind,
    /// When it was added, or the vault's keys were rotated.
    pub created_at: DateTime<Utc>,
}

/// A vault opened by somebody who manages its keys. Unlike [`Vault`] it holds the root key; drop it
/// when the work is done.
pub struct Keychain {
    ctx: VaultContext,
    unlocked: Unlocked,
    vault: Vault,
}

impl std::fmt::Debug for Keychain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keychain")
            .field("vault", &self.vault)
            .finish_non_exhaustive()
    }
}

/// A usable record and where it lies.
struct Entry {
    key: Key,
    record: RecipientRecord,
}

impl Keychain {
    /// Opens a vault to manage its keys.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub async fn open(mut ctx: VaultContext, with: &Unlock) -> Result<Self, VaultError> {
        let unlocked = unlock(&ctx, with).await?;
        ctx.store = promised_store(&ctx, &unlocked.body)?;
        let vault = Vault::from_ring(ctx.clone(), &unlocked.body, &unlocked.ring)?;
        Ok(Self {
            ctx,
            unlocked,
            vault,
        })
    }

    /// The vault. After a rotation, ask again.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Everybody who can open the vault, and records that are damaged or were slipped in.
    ///
    /// # Errors
    /// `WrongKey` when the keys were rotated since; a store error.
    pub async fn recipients(&self) -> Result<Vec<RecipientEntry>, VaultError> {
        let mut entries = vec![];
        for key in self.objects().await?.recipients {
            let details = match self.read(&key).await {
                Ok(None) => continue,
                Ok(Some(record)) => self.details(&key, &record),
                Err(error) if error.is_retryable() => return Err(error),
                Err(error) => Err(error),
            };
            entries.push(RecipientEntry {
                id: names::last_segment(key.as_str()).into(),
                details,
            });
        }
        Ok(entries)
    }

    /// Adds a recipient and returns its id.
    ///
    /// # Errors
    /// `Invalid` for an empty passphrase, `WrongKey` when the keys were rotated since, a store error.
    pub async fn add(
        &self,
        recipient: &Recipient,
        cost: PassphraseCost,
    ) -> Result<String, VaultError> {
        self.objects().await?;
        self.put(cost, For::Recipient(recipient)).await
    }

    /// Adds a new recovery key and returns it with its id. The older ones stay valid: once this one is
    /// written down, remove them.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub async fn add_recovery_key(&self) -> Result<(String, RecoveryKey), VaultError> {
        self.objects().await?;
        let key = RecoveryKey::generate(&*self.ctx.rng);
        let public = key.public()?;
        let cost = PassphraseCost::default();
        let id = self.put(cost, For::Recovery(public)).await?;
        Ok((id, key))
    }

    /// Removes a recipient. Whoever kept a copy of the record can still use it until the keys are
    /// rotated.
    ///
    /// # Errors
    /// `Missing`; `Invalid` for the last recovery key and for the last other recipient; `Denied` while
    /// Object Lock holds the record (a rotation shuts its recipient out all the same).
    pub async fn remove(&self, id: &str) -> Result<(), VaultError> {
        let (mut found, mut recovery, mut others) = (None, 0, 0);
        for key in self.objects().await?.recipients {
            let record = match self.read(&key).await {
                Ok(record) => record.filter(|record| self.details(&key, record).is_ok()),
                Err(error) if error.is_retryable() => return Err(error),
                // Whatever it is, it can be removed.
                Err(_) => None,
            };
            let kind = record.map(|record| record.kind);
            match kind {
                Some(recipients::RECOVERY) => recovery += 1,
                Some(_) => others += 1,
                None => {}
            }
            if names::last_segment(key.as_str()) == id {
                found = Some((key, kind));
            }
        }
        match found {
            None => Err(VaultError::missing(
                format!("{}{}/{id}", names::KEYS, self.epoch()),
                "there is no such recipient; list them",
            )),
            Some((_, Some(recipients::RECOVERY))) if recovery == 1 => Err(VaultError::invalid(
                "the recovery key cannot be removed, only replaced: add a new one first",
            )),
            Some((_, Some(kind))) if kind != recipients::RECOVERY && others == 1 => {
                Err(VaultError::invalid(
                    "this is the last passphrase, key file or key of a service; add another one first",
                ))
            }
            Some((key, _)) => Ok(self.ctx.store.delete(&key, Condition::None).await?),
        }
    }

    fn epoch(&self) -> u32 {
        self.unlocked.ring.current.0
    }

    /// What lies below `keys/`, if this is still the current epoch.
    async fn objects(&self) -> Result<KeyObjects, VaultError> {
        let objects = KeyObjects::list(&self.ctx).await?;
        if objects.epoch == self.epoch() {
            Ok(objects)
        } else {
            Err(VaultError::wrong_key(
                "the vault",
                "its keys were rotated by somebody else meanwhile; open it again",
            ))
        }
    }

    /// A recipient's record; `None` for leftovers of a rotation or creation that did not happen.
    async fn read(&self, key: &Key) -> Result<Option<RecipientRecord>, VaultError> {
        let bytes = read_plain(&self.ctx, key).await?;
        let record: RecipientRecord = envelope::decode(key.as_str(), &bytes)?;
        let own = roots::root_id(&self.unlocked.ring.current.1, self.vault.id())?;
        Ok((record.root_id == own).then_some(record))
    }

    fn details(&self, key: &Key, record: &RecipientRecord) -> Result<RecipientDetails, VaultError> {
        let bad = |what: &str| VaultError::corrupt(key.as_str(), what);
        let root = &self.unlocked.ring.current.1;
        if !recipients::is_genuine(root, key.as_str(), record)? {
            return Err(bad(
                "nobody who holds the vault's keys made it: remove this recipient",
            ));
        }
        let created_at = DateTime::from_timestamp_millis(record.created_at_ms);
        Ok(RecipientDetails {
            kind: match record.kind {
                recipients::PASSPHRASE => RecipientKind::Passphrase,
                recipients::KEY_FILE => RecipientKind::KeyFile,
                recipients::RECOVERY => RecipientKind::RecoveryKey,
                recipients::KEY_SERVICE => RecipientKind::KeyService,
                _ => RecipientKind::Unknown,
            },
            created_at: created_at.ok_or_else(|| bad("its time is impossible"))?,
        })
    }

    /// The records of this epoch that can be used.
    async fn entries(&self) -> Result<Vec<Entry>, VaultError> {
        let mut entries = vec![];
        for key in self.objects().await?.recipients {
            match self.read(&key).await {
                Ok(Some(record)) if self.details(&key, &record).is_ok() => {
                    entries.push(Entry { key, record });
                }
                Err(error) if error.is_retryable() => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(entries)
    }

    async fn put(&self, cost: PassphraseCost, recipient: For<'_>) -> Result<String, VaultError> {
        let (epoch, root) = &self.unlocked.ring.current;
        let key = recipient_key(&self.ctx, *epoch)?;
        let sealer = Sealer {
            root,
            cost,
            rng: &*self.ctx.rng,
        };
        let place = RecordPlace {
            vault_id: self.vault.id(),
            object: key.as_str(),
            created_at: self.ctx.clock.now(),
        };
        let bytes = envelope::encode(&sealer.seal(&recipient, &place).await?);
        put_plain(&self.ctx, &key, bytes, Condition::None).await?;
        Ok(names::last_segment(key.as_str()).into())
    }
}
