//! The mailboxes of a vault: their keys, and whose they are.

use futures::StreamExt;
use mailkeep_model::MailboxProfile;
use mailkeep_ports::{Condition, ETag, GetOptions, ListOptions};
use prost::Message;
use zeroize::Zeroizing;

use crate::core::MailboxCore;
use crate::crypto::{self, Secret};
use crate::error::VaultError;
use crate::format::envelope;
use crate::format::records::{MailboxKeyRecord, ProfileRecord};
use crate::ids::MailboxId;
use crate::keys::MailboxKeys;
use crate::mailbox::Mailbox;
use crate::names;
use crate::vault::{FIRST_EPOCH, Vault, put_plain};

/// Key records that are read at once when the mailboxes are listed.
const CONCURRENT_READS: usize = 16;

/// Whose a mailbox is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxDetails {
    /// Tenant id or server.
    pub realm: String,
    /// What was known of it at its source when it was last backed up.
    pub profile: MailboxProfile,
}

/// A line in the list of mailboxes. Damage to one never hides the others.
#[derive(Debug)]
pub struct MailboxListing {
    /// Its id in the vault.
    pub id: MailboxId,
    /// Whose it is, or why that cannot be read.
    pub details: Result<MailboxDetails, VaultError>,
}

/// An opened key record.
struct OpenedRecord {
    key: Secret,
    realm: String,
    profile: MailboxProfile,
    etag: ETag,
}

impl Vault {
    /// Opens a mailbox, making it if it is not there, and remembers its profile.
    ///
    /// # Errors
    /// `Missing` when there is data of the mailbox but no key, `Corrupt`, or a store error.
    pub async fn ensure_mailbox(
        &self,
        realm: &str,
        profile: &MailboxProfile,
    ) -> Result<Mailbox, VaultError> {
        let id = self.mailbox_id(realm, &profile.id);
        let opened = match self.read_key(&id).await {
            Ok(opened) => opened,
            Err(VaultError::Missing { .. }) => {
                self.create_key(&id, realm, profile).await?;
                self.read_key(&id).await?
            }
            Err(error) => return Err(error),
        };
        if opened.profile != *profile {
            self.replace_profile(&id, realm, profile, &opened).await?;
        }
        self.open_mailbox(id, &opened.key, realm.into(), profile.clone())
    }

    /// Opens a mailbox that is there.
    ///
    /// # Errors
    /// `Missing`, `Corrupt`, or a store error.
    pub async fn mailbox(&self, id: &MailboxId) -> Result<Mailbox, VaultError> {
        let opened = self.read_key(id).await?;
        self.open_mailbox(id.clone(), &opened.key, opened.realm, opened.profile)
    }

    /// The mailboxes, ordered by id.
    ///
    /// # Errors
    /// A store error while listing.
    pub async fn mailboxes(&self) -> Result<Vec<MailboxListing>, VaultError> {
        let mut ids = vec![];
        let mut start_after = None;
        loop {
            let options = ListOptions {
                prefix: names::MAILBOXES.into(),
                start_after,
                delimited: true,
                limit: 0,
            };
            let page = self.inner.ctx.store.list(options).await?;
            for prefix in &page.prefixes {
                let name = prefix.trim_start_matches(names::MAILBOXES);
                match name.trim_end_matches('/').parse::<MailboxId>() {
                    Ok(id) => ids.push(id),
                    Err(_) => tracing::warn!(prefix, "not a mailbox of this vault"),
                }
            }
            match page.next {
                Some(next) => start_after = Some(next),
                None => break,
            }
        }
        let listings = futures::stream::iter(ids).map(|id| async move {
            let details = self.read_key(&id).await.map(|opened| MailboxDetails {
                realm: opened.realm,
                profile: opened.profile,
            });
            MailboxListing { id, details }
        });
        Ok(listings.buffered(CONCURRENT_READS).collect().await)
    }

    fn open_mailbox(
        &self,
        id: MailboxId,
        key: &Secret,
        realm: String,
        profile: MailboxProfile,
    ) -> Result<Mailbox, VaultError> {
        Ok(Mailbox::new(MailboxCore {
            ctx: self.inner.ctx.clone(),
            id,
            realm,
            profile,
            keys: MailboxKeys::new(key, FIRST_EPOCH)?,
        }))
    }

    async fn read_key(&self, id: &MailboxId) -> Result<OpenedRecord, VaultError> {
        let name = names::mailbox_key(id, FIRST_EPOCH)?;
        let object = self
            .inner
            .ctx
            .store
            .get(&name, GetOptions::default())
            .await?;
        let (key, realm, profile) = self.open_record(id, &object.body)?;
        Ok(OpenedRecord {
            key,
            realm,
            profile,
            etag: object.info.etag,
        })
    }

    fn open_record(
        &self,
        id: &MailboxId,
        bytes: &[u8],
    ) -> Result<(Secret, String, MailboxProfile), VaultError> {
        let name = names::mailbox_key(id, FIRST_EPOCH)?;
        let object = name.as_str();
        let bad = |what: &str| VaultError::corrupt(object, what);
        let record: MailboxKeyRecord = envelope::decode(object, bytes)?;
        self.inner.objects.check_epoch(object, record.root_epoch)?;
        let opened = crypto::unwrap(
            object,
            self.inner.mailbox_keys.as_slice(),
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
        let (realm, profile) = profile.into_profile();
        if self.mailbox_id(&realm, &profile.id) != *id {
            return Err(bad("it belongs to another mailbox"));
        }
        Ok((Zeroizing::new(key), realm, profile))
    }

    fn seal_record(
        &self,
        id: &MailboxId,
        key: &Secret,
        realm: &str,
        profile: &MailboxProfile,
    ) -> Result<Vec<u8>, VaultError> {
        let name = names::mailbox_key(id, FIRST_EPOCH)?;
        let mut salt = [0; 32];
        self.inner.ctx.rng.fill(&mut salt);
        let sealed_profile = ProfileRecord::new(realm, profile).encode_to_vec();
        let wrapped = crypto::wrap(
            self.inner.mailbox_keys.as_slice(),
            &salt,
            &self.record_info(name.as_str()),
            &[key.as_slice(), &sealed_profile],
        )?;
        let mut sealed = wrapped.sealed.into_iter();
        let bytes = envelope::encode(&MailboxKeyRecord {
            root_epoch: self.inner.objects.epoch(),
            salt: salt.to_vec(),
            commitment: wrapped.commitment.to_vec(),
            mailbox_key: sealed.next().unwrap_or_default(),
            profile: sealed.next().unwrap_or_default(),
        });
        // Everything in the mailbox hangs on this object: read it back before it is written.
        if self.open_record(id, &bytes)?.0 != *key {
            return Err(VaultError::bug(
                "a mailbox key did not read back as it was sealed",
            ));
        }
        Ok(bytes)
    }

    fn record_info<'a>(&'a self, object: &'a str) -> [&'a [u8]; 3] {
        [
            b"mailkeep v1 mailbox key",
            self.inner.info.id.as_bytes(),
            object.as_bytes(),
        ]
    }

    async fn create_key(
        &self,
        id: &MailboxId,
        realm: &str,
        profile: &MailboxProfile,
    ) -> Result<(), VaultError> {
        let ctx = &self.inner.ctx;
        let options = ListOptions {
            prefix: names::mailbox_prefix(id),
            limit: 1,
            ..ListOptions::default()
        };
        let name = names::mailbox_key(id, FIRST_EPOCH)?;
        if let Some(object) = ctx.store.list(options).await?.objects.first()
            && object.key != name
        {
            return Err(VaultError::missing(
                name.as_str(),
                "there is data of this mailbox but not its key; restore the key from a replica or an older version of the bucket",
            ));
        }
        let mut key = Zeroizing::new([0; 32]);
        ctx.rng.fill(key.as_mut_slice());
        let bytes = self.seal_record(id, &key, realm, profile)?;
        let condition = if self.inner.info.capabilities.conditional_create {
            Condition::IfAbsent
        } else {
            Condition::None
        };
        put_plain(ctx, &name, bytes, condition).await
    }

    /// The same key again with the new profile. Does nothing when somebody else just did the same.
    async fn replace_profile(
        &self,
        id: &MailboxId,
        realm: &str,
        profile: &MailboxProfile,
        opened: &OpenedRecord,
    ) -> Result<(), VaultError> {
        let bytes = self.seal_record(id, &opened.key, realm, profile)?;
        let condition = if self.inner.info.capabilities.conditional_replace {
            Condition::IfMatch(opened.etag.clone())
        } else {
            Condition::None
        };
        let name = names::mailbox_key(id, FIRST_EPOCH)?;
        match put_plain(&self.inner.ctx, &name, bytes, condition).await {
            // The profile is for people; a locked or contended record keeps the older one.
            Err(VaultError::Store(_) | VaultError::Denied { .. }) => {
                tracing::warn!(mailbox = %id, "the mailbox's profile could not be updated");
                Ok(())
            }
            other => other,
        }
    }
}
