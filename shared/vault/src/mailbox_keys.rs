//! The key records of mailboxes: one for each epoch of a mailbox's key, and the mark of an erasure.

use mailkeep_model::MailboxProfile;
use mailkeep_ports::{Condition, ETag, GetOptions};
use prost::Message;
use zeroize::Zeroizing;

use crate::crypto::{self, Secret};
use crate::error::VaultError;
use crate::format::envelope;
use crate::format::records::{ErasureRecord, MailboxKeyRecord, ProfileRecord};
use crate::ids::MailboxId;
use crate::keys::MailboxKeys;
use crate::names;
use crate::roots::FIRST_EPOCH;
use crate::vault::{Vault, put_plain, read_plain};

/// An opened key record.
pub(crate) struct OpenedRecord {
    /// The mailbox key.
    pub key: Secret,
    /// Whose it is.
    pub owner: Owner,
    /// Which version of the record was read.
    pub etag: ETag,
    /// Epoch of the root key that it is sealed with.
    pub root_epoch: u32,
}

/// Whose a mailbox is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Owner {
    /// Tenant id or server.
    pub realm: String,
    /// What is known of it at its source.
    pub profile: MailboxProfile,
    /// How often it was started again after an erasure.
    pub generation: u32,
}

/// What there is of a mailbox's keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyState {
    /// Epochs with a key record, in ascending order.
    pub epochs: Vec<u32>,
    /// It was erased, or is being erased.
    pub is_erased: bool,
}

impl Vault {
    /// One listing.
    pub(crate) async fn key_state(&self, id: &MailboxId) -> Result<KeyState, VaultError> {
        let mut state = KeyState::default();
        for key in names::list(&*self.inner.ctx.store, &names::mailbox_key_prefix(id)).await? {
            match names::last_segment(key.as_str()) {
                names::ERASED => state.is_erased = true,
                epoch => state.epochs.extend(epoch.parse::<u32>().ok()),
            }
        }
        state.epochs.sort_unstable();
        if state.is_erased {
            self.check_erasure(id).await?;
        }
        Ok(state)
    }

    /// All keys of a mailbox, and the record of the first: one listing, one request for each epoch.
    pub(crate) async fn open_keys(
        &self,
        id: &MailboxId,
    ) -> Result<(MailboxKeys, OpenedRecord), VaultError> {
        let state = self.key_state(id).await?;
        if state.is_erased {
            return Err(erased(id, &state));
        }
        let first = self.read_record(id, FIRST_EPOCH).await?;
        let mut keys = MailboxKeys::new(&first.key, FIRST_EPOCH)?;
        for epoch in state.epochs {
            if epoch != FIRST_EPOCH {
                keys.add_epoch(&self.read_record(id, epoch).await?.key, epoch)?;
            }
        }
        Ok((keys, first))
    }

    /// One key record.
    pub(crate) async fn read_record(
        &self,
        id: &MailboxId,
        epoch: u32,
    ) -> Result<OpenedRecord, VaultError> {
        let name = names::mailbox_key(id, epoch)?;
        let store = &self.inner.ctx.store;
        let object = store.get(&name, GetOptions::default()).await?;
        self.open_record(id, epoch, &object.body, object.info.etag)
    }

    fn open_record(
        &self,
        id: &MailboxId,
        epoch: u32,
        bytes: &[u8],
        etag: ETag,
    ) -> Result<OpenedRecord, VaultError> {
        let name = names::mailbox_key(id, epoch)?;
        let object = name.as_str();
        let bad = |what: &str| VaultError::corrupt(object, what);
        let record: MailboxKeyRecord = envelope::decode(object, bytes)?;
        let root_epoch = record.root_epoch;
        self.inner.objects.check_epoch(object, root_epoch)?;
        let sealing = self.inner.mailbox_keys.get(&root_epoch);
        let sealing = sealing.ok_or_else(|| VaultError::bug("an epoch without its keys"))?;
        let opened = crypto::unwrap(
            object,
            sealing.as_slice(),
            &record.salt,
            &self.record_info(object),
            &record.commitment,
            &[&record.mailbox_key, &record.profile],
        )?;
        let [key, profile] = opened.as_slice() else {
            return Err(VaultError::bug("two secrets were asked for"));
        };
        let key = <[u8; 32]>::try_from(key.as_slice())
            .map_err(|_| bad("its mailbox key has the wrong length"))?;
        let profile =
            ProfileRecord::decode(profile.as_slice()).map_err(|error| bad(&error.to_string()))?;
        let generation = profile.generation;
        let (realm, profile) = profile.into_profile();
        if self.mailbox_name(&realm, &profile.id, generation) != *id {
            return Err(bad("it belongs to another mailbox"));
        }
        Ok(OpenedRecord {
            key: Zeroizing::new(key),
            owner: Owner {
                realm,
                profile,
                generation,
            },
            etag,
            root_epoch,
        })
    }

    /// Seals a mailbox key with the current root key.
    pub(crate) fn seal_record(
        &self,
        id: &MailboxId,
        epoch: u32,
        key: &Secret,
        owner: &Owner,
    ) -> Result<Vec<u8>, VaultError> {
        let name = names::mailbox_key(id, epoch)?;
        let root_epoch = self.inner.objects.epoch();
        let sealing = self.inner.mailbox_keys.get(&root_epoch);
        let sealing = sealing.ok_or_else(|| VaultError::bug("an epoch without its keys"))?;
        let mut salt = [0; 32];
        self.inner.ctx.rng.fill(&mut salt);
        let profile = ProfileRecord::new(&owner.realm, &owner.profile, owner.generation);
        let wrapped = crypto::wrap(
            sealing.as_slice(),
            &salt,
            &self.record_info(name.as_str()),
            &[key.as_slice(), &profile.encode_to_vec()],
        )?;
        let mut sealed = wrapped.sealed.into_iter();
        let bytes = envelope::encode(&MailboxKeyRecord {
            root_epoch,
            salt: salt.to_vec(),
            commitment: wrapped.commitment.to_vec(),
            mailbox_key: sealed.next().unwrap_or_default(),
            profile: sealed.next().unwrap_or_default(),
        });
        // Everything in the mailbox hangs on this object: read it back before it is written.
        let opened = self.open_record(id, epoch, &bytes, ETag(String::new()))?;
        if opened.key != *key || opened.owner != *owner {
            return Err(VaultError::bug(
                "a mailbox key did not read back as it was sealed",
            ));
        }
        Ok(bytes)
    }

    /// Writes a record over the version that was read.
    pub(crate) async fn replace_record(
        &self,
        id: &MailboxId,
        epoch: u32,
        bytes: Vec<u8>,
        etag: &ETag,
    ) -> Result<(), VaultError> {
        let condition = Condition::IfMatch(etag.clone());
        let name = names::mailbox_key(id, epoch)?;
        put_plain(&self.inner.ctx, &name, bytes, condition).await
    }

    fn record_info<'a>(&'a self, object: &'a str) -> [&'a [u8]; 3] {
        [
            b"mailkeep v1 mailbox key",
            self.inner.info.id.as_bytes(),
            object.as_bytes(),
        ]
    }

    /// The mark of an erasure that begins now.
    pub(crate) fn erasure_record(&self, id: &MailboxId) -> Result<Vec<u8>, VaultError> {
        let begun_at_ms = self.inner.ctx.clock.now().timestamp_millis();
        let code = self.erasure_code(id, begun_at_ms)?;
        Ok(envelope::encode(&ErasureRecord { begun_at_ms, code }))
    }

    /// Nobody but a holder of the vault's keys says that a mailbox was erased.
    async fn check_erasure(&self, id: &MailboxId) -> Result<(), VaultError> {
        let key = names::erasure(id)?;
        let bytes = read_plain(&self.inner.ctx, &key).await?;
        let record: ErasureRecord = envelope::decode(key.as_str(), &bytes)?;
        if crypto::equal(&self.erasure_code(id, record.begun_at_ms)?, &record.code) {
            Ok(())
        } else {
            Err(VaultError::corrupt(
                key.as_str(),
                "this vault did not write it",
            ))
        }
    }

    fn erasure_code(&self, id: &MailboxId, at_ms: i64) -> Result<Vec<u8>, VaultError> {
        let name = names::erasure(id)?;
        let parts: &[&[u8]] = &[name.as_str().as_bytes(), &at_ms.to_le_bytes()];
        Ok(crypto::keyed_hash::<32>(&self.inner.erasures, parts).to_vec())
    }
}

/// The error for a mailbox that was erased.
pub(crate) fn erased(id: &MailboxId, state: &KeyState) -> VaultError {
    VaultError::Erased {
        mailbox: id.to_string(),
        is_finished: state.epochs.is_empty(),
    }
}
