//! A new root key: new records for recipients, then one write that makes it the current one, then every
//! mailbox key is sealed again, then what belongs to the old one is deleted. No data is rewritten.
//!
//! Requests: per recipient one write; one listing and one write for the root key; per mailbox one
//! listing, and one read and one write for each of its keys; one deletion for each old record.

use mailkeep_ports::{Condition, Key, StoreErrorKind};

use super::Keychain;
use crate::create::recipient_key;
use crate::error::VaultError;
use crate::format::envelope;
use crate::format::records::RootRecord;
use crate::ids::MailboxId;
use crate::names;
use crate::recipients::{self, For, PassphraseCost, Recipient, RecordPlace, Sealer};
use crate::roots::{self, KeyObjects, Ring};
use crate::unlock::Unlocked;
use crate::vault::{Vault, put_plain, read_plain};

/// How often a mailbox key that others change at the same time is tried again.
const ATTEMPTS: usize = 5;

/// What a rotation did.
#[derive(Debug)]
pub struct Rotation {
    /// Epoch of the root key that is in use now.
    pub epoch: u32,
    /// True when a rotation that had been interrupted was finished, and no other one begun.
    pub was_resumed: bool,
    /// Mailbox keys that were sealed again.
    pub mailbox_keys: u64,
    /// Mailboxes whose keys could not be read. They stay as they are, and so does what can open them.
    pub unreadable: Vec<(MailboxId, VaultError)>,
    /// Old key records that the store refused to delete, for example while Object Lock holds them. They
    /// open nothing that was written since.
    pub undeleted: Vec<String>,
}

/// What sealing the mailbox keys again came to.
#[derive(Default)]
struct Rewrapped {
    count: u64,
    unreadable: Vec<(MailboxId, VaultError)>,
}

impl Keychain {
    /// Puts a new root key in place. From then on only `recipients` and the recovery keys open the vault;
    /// of a recovery key, only what is stored is needed. A rotation that was interrupted is finished
    /// instead, with the recipients that it began with.
    ///
    /// It may die at any point: until the new root key is written the old recipients open the vault, from
    /// then on the new ones, and repeating it finishes it.
    ///
    /// # Errors
    /// `Invalid` without a recipient or a usable recovery key; `WrongKey` when somebody else rotated
    /// meanwhile; a store error.
    pub async fn rotate(
        &mut self,
        recipients: &[Recipient],
        cost: PassphraseCost,
    ) -> Result<Rotation, VaultError> {
        if recipients.is_empty() {
            return Err(VaultError::invalid(
                "a vault needs a passphrase, a key file or a key of a service",
            ));
        }
        let objects = self.objects().await?;
        let is_unfinished = !objects.outdated.is_empty();
        if is_unfinished {
            let finished = self.finish(true).await?;
            // Old records that the store does not let go are no unfinished work.
            if finished.mailbox_keys > 0 || finished.undeleted.len() < objects.outdated.len() {
                return Ok(finished);
            }
        }
        self.begin(recipients, cost).await?;
        self.finish(false).await
    }

    /// Writes the new recipients, then the new root key: the moment when it counts.
    async fn begin(
        &mut self,
        recipients: &[Recipient],
        cost: PassphraseCost,
    ) -> Result<(), VaultError> {
        let recovery = self.recovery_keys().await?;
        let ring = self.unlocked.ring.next(&*self.ctx.rng)?;
        let (epoch, root) = &ring.current;
        let sealer = Sealer {
            root,
            cost,
            rng: &*self.ctx.rng,
        };
        let recovery = recovery.into_iter().map(For::Recovery);
        for recipient in recipients.iter().map(For::Recipient).chain(recovery) {
            let key = recipient_key(&self.ctx, *epoch)?;
            let place = RecordPlace {
                vault_id: self.vault.id(),
                object: key.as_str(),
                created_at: self.ctx.clock.now(),
            };
            let record = sealer.seal(&recipient, &place).await?;
            let bytes = envelope::encode(&record);
            put_plain(&self.ctx, &key, bytes.clone(), Condition::None).await?;
            self.compare(&key, &bytes).await?;
        }
        self.switch(ring).await
    }

    async fn compare(&self, key: &Key, bytes: &[u8]) -> Result<(), VaultError> {
        if read_plain(&self.ctx, key).await? == bytes {
            Ok(())
        } else {
            Err(VaultError::corrupt(
                key.as_str(),
                "the store returned something else than what was written a moment ago",
            ))
        }
    }

    async fn switch(&mut self, ring: Ring) -> Result<(), VaultError> {
        let key = names::root(ring.current.0)?;
        let record = ring.seal(self.vault.id(), key.as_str(), &*self.ctx.rng)?;
        let bytes = envelope::encode(&record);
        put_plain(&self.ctx, &key, bytes, Condition::IfAbsent).await?;
        let stored = read_plain(&self.ctx, &key).await?;
        let stored: RootRecord = envelope::decode(key.as_str(), &stored)?;
        if stored != record {
            return Err(VaultError::wrong_key(
                "the vault",
                "somebody else rotated its keys at the same time; open it again",
            ));
        }
        self.vault = Vault::from_ring(self.ctx.clone(), &self.unlocked.body, &ring)?;
        self.unlocked = Unlocked {
            body: self.unlocked.body.clone(),
            ring,
        };
        Ok(())
    }

    /// Public halves of the recovery keys.
    async fn recovery_keys(&self) -> Result<Vec<[u8; 32]>, VaultError> {
        let mut keys: Vec<[u8; 32]> = vec![];
        for entry in self.entries().await? {
            if entry.record.kind == recipients::RECOVERY {
                let public = entry.record.public_key.as_slice().try_into();
                keys.push(public.map_err(|_| {
                    VaultError::corrupt(entry.key.as_str(), "its public key has the wrong length")
                })?);
            }
        }
        if keys.is_empty() {
            return Err(VaultError::invalid(
                "the record of the recovery key is damaged or missing: add a new recovery key first",
            ));
        }
        Ok(keys)
    }

    /// Seals what is still sealed with older root keys, then deletes the records of these.
    async fn finish(&self, was_resumed: bool) -> Result<Rotation, VaultError> {
        let rewrapped = self.rewrap_all().await?;
        let mut undeleted = vec![];
        for key in self.leftovers().await? {
            match self.ctx.store.delete(&key, Condition::None).await {
                Ok(()) => {}
                Err(error)
                    if matches!(error.kind, StoreErrorKind::Locked | StoreErrorKind::Denied) =>
                {
                    undeleted.push(key.to_string());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Rotation {
            epoch: self.epoch(),
            was_resumed,
            mailbox_keys: rewrapped.count,
            unreadable: rewrapped.unreadable,
            undeleted,
        })
    }

    /// Objects of older epochs, and records of this one that belong to a rotation that lost a race.
    async fn leftovers(&self) -> Result<Vec<Key>, VaultError> {
        let KeyObjects {
            recipients,
            outdated,
            ..
        } = self.objects().await?;
        let own = roots::root_id(&self.unlocked.ring.current.1, self.vault.id())?;
        // Recipients go last: the objects before them mean nothing without them.
        let (mut leftovers, rest): (Vec<Key>, Vec<Key>) = outdated
            .into_iter()
            .partition(|key| names::last_segment(key.as_str()) != names::ROOT);
        leftovers.extend(rest);
        for key in recipients {
            match read_plain(&self.ctx, &key).await {
                Ok(bytes) => {
                    let record = envelope::decode(key.as_str(), &bytes);
                    let record: Option<crate::format::records::RecipientRecord> = record.ok();
                    if record.is_some_and(|record| record.root_id != own) {
                        leftovers.push(key);
                    }
                }
                Err(error) if error.is_retryable() => return Err(error),
                Err(_) => {}
            }
        }
        Ok(leftovers)
    }

    async fn rewrap_all(&self) -> Result<Rewrapped, VaultError> {
        let mut done = Rewrapped::default();
        for id in self.vault.mailbox_ids().await? {
            match self.rewrap(&id).await {
                Ok(count) => done.count = done.count.saturating_add(count),
                Err(
                    error @ (VaultError::Corrupt { .. }
                    | VaultError::WrongKey { .. }
                    | VaultError::NewerThanMe { .. }),
                ) => done.unreadable.push((id, error)),
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    async fn rewrap(&self, id: &MailboxId) -> Result<u64, VaultError> {
        let mut count = 0;
        for epoch in self.vault.key_state(id).await?.epochs {
            for attempt in 1..=ATTEMPTS {
                let record = match self.vault.read_record(id, epoch).await {
                    // Erased meanwhile.
                    Err(VaultError::Missing { .. }) => break,
                    other => other?,
                };
                if record.root_epoch == self.epoch() {
                    break;
                }
                let bytes = self
                    .vault
                    .seal_record(id, epoch, &record.key, &record.owner)?;
                match self
                    .vault
                    .replace_record(id, epoch, bytes, &record.etag)
                    .await
                {
                    Ok(()) => {
                        count += 1;
                        break;
                    }
                    // Its profile changed, or it was erased: look again.
                    Err(VaultError::Store(_) | VaultError::Missing { .. })
                        if attempt < ATTEMPTS => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(count)
    }
}
