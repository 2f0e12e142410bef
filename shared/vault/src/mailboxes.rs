//! The mailboxes of a vault: made, opened, listed.

use futures::StreamExt;
use mailkeep_model::{MailboxProfile, SourceMailboxId};
use mailkeep_ports::{Condition, ListOptions, StoreErrorKind};
use zeroize::Zeroizing;

use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::ids::MailboxId;
use crate::keys::MailboxKeys;
use crate::mailbox::Mailbox;
use crate::mailbox_keys::{OpenedRecord, Owner, erased};
use crate::names;
use crate::roots::FIRST_EPOCH;
use crate::vault::{Vault, put_plain};

/// Key records that are read at once when the mailboxes are listed.
const CONCURRENT_READS: usize = 16;
/// How often a mailbox can be erased and started again.
const MAX_GENERATIONS: u32 = 1_000;

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
    /// Whose it is, or why that cannot be read: `Erased` for one that was erased.
    pub details: Result<MailboxDetails, VaultError>,
}

impl Vault {
    /// Opens a mailbox, making it if it is not there, and remembers its profile.
    ///
    /// # Errors
    /// `Erased` when it was erased and not started again, `Missing` when there is data of the mailbox
    /// but no key, `Corrupt`, or a store error.
    pub async fn ensure_mailbox(
        &self,
        realm: &str,
        profile: &MailboxProfile,
    ) -> Result<Mailbox, VaultError> {
        match self.newest(realm, &profile.id).await? {
            Newest::Open(found) => {
                let (mailbox, record) = *found;
                self.update_profile(&mailbox, &record, profile).await?;
                Ok(with_profile(mailbox, profile))
            }
            Newest::NotThere(0) => self.create_mailbox(realm, profile, 0).await,
            Newest::NotThere(generation) => Err(VaultError::Erased {
                mailbox: self
                    .mailbox_name(realm, &profile.id, generation - 1)
                    .to_string(),
                is_finished: true,
            }),
        }
    }

    /// Starts a mailbox that was erased afresh: empty, with a new key and a new id. One that was not
    /// erased is opened, or made.
    ///
    /// # Errors
    /// `Erased` when the erasure is not finished; otherwise as [`ensure_mailbox`](Self::ensure_mailbox).
    pub async fn restart_mailbox(
        &self,
        realm: &str,
        profile: &MailboxProfile,
    ) -> Result<Mailbox, VaultError> {
        match self.newest(realm, &profile.id).await? {
            Newest::Open(_) => self.ensure_mailbox(realm, profile).await,
            Newest::NotThere(generation) => self.create_mailbox(realm, profile, generation).await,
        }
    }

    /// Opens the mailbox of a person or room; `None` when it is not in the vault.
    ///
    /// # Errors
    /// `Erased` when it was erased and not started again; otherwise as [`mailbox`](Self::mailbox).
    pub async fn find_mailbox(
        &self,
        realm: &str,
        source: &SourceMailboxId,
    ) -> Result<Option<Mailbox>, VaultError> {
        match self.newest(realm, source).await? {
            Newest::Open(found) => Ok(Some(found.0)),
            Newest::NotThere(0) => Ok(None),
            Newest::NotThere(generation) => Err(VaultError::Erased {
                mailbox: self.mailbox_name(realm, source, generation - 1).to_string(),
                is_finished: true,
            }),
        }
    }

    /// Opens a mailbox that is there.
    ///
    /// # Errors
    /// `Missing`, `Erased`, `Corrupt`, or a store error.
    pub async fn mailbox(&self, id: &MailboxId) -> Result<Mailbox, VaultError> {
        let (keys, record) = self.open_keys(id).await?;
        Ok(self.open_mailbox(id.clone(), keys, &record.owner))
    }

    /// The mailboxes, ordered by id.
    ///
    /// # Errors
    /// A store error while listing.
    pub async fn mailboxes(&self) -> Result<Vec<MailboxListing>, VaultError> {
        let ids = self.mailbox_ids().await?;
        Ok(self.listings(ids).await)
    }

    /// One page of the mailboxes, ordered by id: at most `limit` after `after`. The second part is true when
    /// there are more.
    ///
    /// # Errors
    /// A store error while listing.
    pub async fn mailbox_page(
        &self,
        after: Option<&MailboxId>,
        limit: usize,
    ) -> Result<(Vec<MailboxListing>, bool), VaultError> {
        let mut ids = vec![];
        let mut start_after = after.map(names::mailbox_prefix);
        loop {
            let options = ListOptions {
                prefix: names::MAILBOXES.into(),
                start_after,
                delimited: true,
                limit: limit.saturating_sub(ids.len()),
            };
            let page = self.inner.ctx.store.list(options).await?;
            ids.extend(page.prefixes.iter().filter_map(|it| mailbox_id(it)));
            start_after = page.next;
            if start_after.is_none() || ids.len() >= limit {
                return Ok((self.listings(ids).await, start_after.is_some()));
            }
        }
    }

    async fn listings(&self, ids: Vec<MailboxId>) -> Vec<MailboxListing> {
        let listings = futures::stream::iter(ids).map(|id| async move {
            let details = match self.read_record(&id, FIRST_EPOCH).await {
                Ok(record) => Ok(MailboxDetails {
                    realm: record.owner.realm,
                    profile: record.owner.profile,
                }),
                Err(missing @ VaultError::Missing { .. }) => match self.key_state(&id).await {
                    Ok(state) if state.is_erased => Err(erased(&id, &state)),
                    Ok(_) => Err(missing),
                    Err(error) => Err(error),
                },
                Err(error) => Err(error),
            };
            MailboxListing { id, details }
        });
        listings.buffered(CONCURRENT_READS).collect().await
    }

    /// The ids of all mailboxes, erased ones included.
    pub(crate) async fn mailbox_ids(&self) -> Result<Vec<MailboxId>, VaultError> {
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
            ids.extend(page.prefixes.iter().filter_map(|it| mailbox_id(it)));
            match page.next {
                Some(next) => start_after = Some(next),
                None => return Ok(ids),
            }
        }
    }

    /// The generation of a mailbox that is not erased.
    async fn newest(&self, realm: &str, source: &SourceMailboxId) -> Result<Newest, VaultError> {
        for generation in 0..MAX_GENERATIONS {
            let id = self.mailbox_name(realm, source, generation);
            match self.open_keys(&id).await {
                Ok((keys, record)) => {
                    let mailbox = self.open_mailbox(id, keys, &record.owner);
                    return Ok(Newest::Open(Box::new((mailbox, record))));
                }
                Err(VaultError::Erased {
                    is_finished: true, ..
                }) => {}
                Err(VaultError::Missing { .. }) => {
                    self.refuse_leftovers(&id).await?;
                    return Ok(Newest::NotThere(generation));
                }
                Err(error) => return Err(error),
            }
        }
        Err(VaultError::invalid(
            "this mailbox was erased too often; create a new vault for it",
        ))
    }

    fn open_mailbox(&self, id: MailboxId, keys: MailboxKeys, owner: &Owner) -> Mailbox {
        Mailbox::new(MailboxCore {
            ctx: self.inner.ctx.clone(),
            id,
            realm: owner.realm.clone(),
            profile: owner.profile.clone(),
            keys,
            honours_create: self.inner.info.capabilities.conditional_create,
            trusts_copies: true,
        })
    }

    /// A key is never made for a mailbox that has data already: the data would stay unreadable.
    async fn refuse_leftovers(&self, id: &MailboxId) -> Result<(), VaultError> {
        let options = ListOptions {
            prefix: names::mailbox_prefix(id),
            limit: 1,
            ..ListOptions::default()
        };
        let name = names::mailbox_key(id, FIRST_EPOCH)?;
        if let Some(object) = self.inner.ctx.store.list(options).await?.objects.first()
            && object.key != name
        {
            return Err(VaultError::missing(
                name.as_str(),
                "there is data of this mailbox but not its key; restore the key from a replica or an older version of the bucket",
            ));
        }
        Ok(())
    }

    async fn create_mailbox(
        &self,
        realm: &str,
        profile: &MailboxProfile,
        generation: u32,
    ) -> Result<Mailbox, VaultError> {
        let ctx = &self.inner.ctx;
        let id = self.mailbox_name(realm, &profile.id, generation);
        let owner = Owner {
            realm: realm.into(),
            profile: profile.clone(),
            generation,
        };
        let mut key = Zeroizing::new([0; 32]);
        ctx.rng.fill(key.as_mut_slice());
        let bytes = self.seal_record(&id, FIRST_EPOCH, &key, &owner)?;
        let name = names::mailbox_key(&id, FIRST_EPOCH)?;
        put_plain(ctx, &name, bytes, Condition::IfAbsent).await?;
        // Somebody else may have been faster: theirs counts.
        let (keys, record) = self.open_keys(&id).await?;
        let mailbox = self.open_mailbox(id, keys, &record.owner);
        self.update_profile(&mailbox, &record, profile).await?;
        Ok(with_profile(mailbox, profile))
    }

    /// The same key again with the new profile. Does nothing when somebody else just did the same.
    async fn update_profile(
        &self,
        mailbox: &Mailbox,
        record: &OpenedRecord,
        profile: &MailboxProfile,
    ) -> Result<(), VaultError> {
        if record.owner.profile == *profile {
            return Ok(());
        }
        let owner = Owner {
            profile: profile.clone(),
            ..record.owner.clone()
        };
        let id = mailbox.id();
        let bytes = self.seal_record(id, FIRST_EPOCH, &record.key, &owner)?;
        match self
            .replace_record(id, FIRST_EPOCH, bytes, &record.etag)
            .await
        {
            // The profile is for people; a locked or contended record keeps the older one.
            Err(VaultError::Store(_) | VaultError::Denied { .. } | VaultError::Missing { .. }) => {
                tracing::warn!(mailbox = %id, "the mailbox's profile could not be updated");
                Ok(())
            }
            other => other,
        }
    }

    /// Gives a mailbox a new key, because the one it has was seen by somebody. Everything written by
    /// backups that begin from now on is sealed with the new one; what is there stays readable, also for
    /// whoever has the old key. Returns the epoch of the new key.
    ///
    /// # Errors
    /// `Busy` when somebody else did the same just now; otherwise as [`mailbox`](Self::mailbox).
    pub async fn renew_mailbox_key(&self, id: &MailboxId) -> Result<u32, VaultError> {
        let (keys, record) = self.open_keys(id).await?;
        let epoch = keys.objects().epoch().saturating_add(1);
        let mut key = Zeroizing::new([0; 32]);
        let ctx = &self.inner.ctx;
        ctx.rng.fill(key.as_mut_slice());
        let bytes = self.seal_record(id, epoch, &key, &record.owner)?;
        let name = names::mailbox_key(id, epoch)?;
        put_plain(ctx, &name, bytes, Condition::IfAbsent).await?;
        if self.read_record(id, epoch).await?.key == key {
            return Ok(epoch);
        }
        let kind = StoreErrorKind::Conflict;
        let cause = "somebody else renewed this key at the same time";
        Err(mailkeep_ports::StoreError::new(kind, name.as_str(), cause).into())
    }
}

/// The mailbox whose objects begin with this.
fn mailbox_id(prefix: &str) -> Option<MailboxId> {
    let name = prefix.trim_start_matches(names::MAILBOXES);
    let id = name.trim_end_matches('/').parse().ok();
    if id.is_none() {
        tracing::warn!(prefix, "not a mailbox of this vault");
    }
    id
}

/// What there is of a mailbox that may have been erased and started again.
enum Newest {
    /// It is open.
    Open(Box<(Mailbox, OpenedRecord)>),
    /// There is none; the number of times that it was erased.
    NotThere(u32),
}

fn with_profile(mailbox: Mailbox, profile: &MailboxProfile) -> Mailbox {
    let mut core = mailbox.core;
    core.profile = profile.clone();
    Mailbox::new(core)
}
