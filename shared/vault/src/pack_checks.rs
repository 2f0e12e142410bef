//! When each pack was read whole for the last time.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::documents::PutMode;
use crate::error::VaultError;
use crate::ids::MailboxId;
use crate::pack_table::PackEntry;
use crate::vault::Vault;

/// The kind of the document that keeps it, one for each mailbox.
const KIND: &str = "verified";
/// Bytes of an entry: half of the BLAKE3 of the object's name, then milliseconds since 1970.
const ENTRY_BYTES: usize = 24;

/// Names a pack's object.
type Name = [u8; 16];

/// When the packs of a mailbox were read whole for the last time. Losing it costs nothing but that all
/// packs count as never read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackChecks {
    times: BTreeMap<Name, i64>,
}

impl PackChecks {
    /// When this pack was read whole; `None` for never.
    #[must_use]
    pub fn at(&self, mailbox: &MailboxId, pack: &PackEntry) -> Option<DateTime<Utc>> {
        let time = self.times.get(&name(mailbox, pack)?)?;
        DateTime::from_timestamp_millis(*time)
    }

    /// Notes that this pack was read whole and is sound.
    pub fn note(&mut self, mailbox: &MailboxId, pack: &PackEntry, at: DateTime<Utc>) {
        if let Some(name) = name(mailbox, pack) {
            self.times.insert(name, at.timestamp_millis());
        }
    }

    /// Forgets all packs but these.
    pub fn keep_only(&mut self, mailbox: &MailboxId, packs: &[PackEntry]) {
        let names = packs.iter().filter_map(|pack| name(mailbox, pack));
        let names: BTreeSet<Name> = names.collect();
        self.times.retain(|name, _| names.contains(name));
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let entry = |(name, time): (&Name, &i64)| {
            let time = time.to_le_bytes();
            name.iter().copied().chain(time).collect::<Vec<u8>>()
        };
        self.times.iter().flat_map(entry).collect()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let entry = |entry: &[u8]| {
            let (name, time) = entry.split_first_chunk::<16>()?;
            Some((*name, i64::from_le_bytes(time.try_into().ok()?)))
        };
        let entries = bytes.chunks(ENTRY_BYTES).map(entry);
        let times = entries.collect::<Option<_>>()?;
        Some(Self { times })
    }
}

fn name(mailbox: &MailboxId, pack: &PackEntry) -> Option<Name> {
    let key = pack.id.key(mailbox).ok()?;
    let hash = blake3::hash(key.as_str().as_bytes());
    hash.as_bytes().first_chunk::<16>().copied()
}

/// Which of `parts` equal shares a pack belongs to, counted from 0. The same for ever, whatever else the
/// mailbox holds.
#[must_use]
pub fn share_of(mailbox: &MailboxId, pack: &PackEntry, parts: u32) -> u32 {
    let name = name(mailbox, pack).unwrap_or_default();
    let (number, _) = name.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
    u32::from_le_bytes(*number) % parts.max(1)
}

impl Vault {
    /// When the packs of a mailbox were read whole.
    ///
    /// # Errors
    /// `NewerThanMe`, or a store error. A damaged document counts as none.
    pub async fn pack_checks(&self, mailbox: &MailboxId) -> Result<PackChecks, VaultError> {
        let document = match self.document(KIND, mailbox.as_str()).await {
            Err(error @ VaultError::Corrupt { .. }) => {
                tracing::warn!(%mailbox, %error, "when packs were verified is not known any more");
                None
            }
            document => document?,
        };
        let checks = document.and_then(|bytes| PackChecks::decode(&bytes));
        Ok(checks.unwrap_or_default())
    }

    /// Stores when the packs of a mailbox were read whole.
    ///
    /// # Errors
    /// A store error.
    pub async fn put_pack_checks(
        &self,
        mailbox: &MailboxId,
        checks: &PackChecks,
    ) -> Result<(), VaultError> {
        let bytes = checks.encode();
        self.put_document(KIND, mailbox.as_str(), &bytes, PutMode::Replace)
            .await
    }
}
