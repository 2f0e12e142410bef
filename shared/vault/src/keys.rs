//! The keys of one mailbox, and what they are used for.

use mailkeep_model::ItemId;

use crate::crypto::{self, ObjectKeys, Secret};
use crate::error::VaultError;
use crate::ids::{ContentId, ItemKey};

/// Everything that is derived from a mailbox key. The mailbox key itself is not kept.
#[derive(Clone)]
pub(crate) struct MailboxKeys {
    objects: ObjectKeys,
    content: Secret,
    item: Secret,
    gear: Secret,
    fingerprint: Secret,
}

impl std::fmt::Debug for MailboxKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailboxKeys")
            .field("objects", &self.objects)
            .finish_non_exhaustive()
    }
}

impl MailboxKeys {
    /// Derives the keys.
    pub(crate) fn new(mailbox_key: &Secret, epoch: u32) -> Result<Self, VaultError> {
        Ok(Self {
            objects: ObjectKeys::new(crypto::subkey(mailbox_key, "mailbox objects")?, epoch),
            content: crypto::subkey(mailbox_key, "mailbox content ids")?,
            item: crypto::subkey(mailbox_key, "mailbox item keys")?,
            gear: crypto::subkey(mailbox_key, "mailbox gear table")?,
            fingerprint: crypto::subkey(mailbox_key, "mailbox fingerprints")?,
        })
    }

    /// For sealing and opening the mailbox's objects.
    pub(crate) fn objects(&self) -> &ObjectKeys {
        &self.objects
    }

    /// The id of a part, of a chunk of a big part, or of a chunk of text.
    pub(crate) fn content_id(&self, content: &[u8]) -> ContentId {
        ContentId(crypto::keyed_hash(&self.content, &[content]))
    }

    /// The reference of an item.
    pub(crate) fn item_key(&self, item: &ItemId) -> ItemKey {
        let hash = crypto::keyed_hash(&self.item, &[item.as_str().as_bytes()]);
        ItemKey(u64::from_be_bytes(hash))
    }

    /// A short keyed hash over several values, for comparing versions.
    pub(crate) fn fingerprint(&self, parts: &[&[u8]]) -> u64 {
        u64::from_be_bytes(crypto::keyed_hash(&self.fingerprint, parts))
    }

    /// 256 secret random numbers for content-defined chunking: without them, chunk sizes say
    /// nothing about the content.
    pub(crate) fn gear(&self) -> [u64; 256] {
        let bytes = crypto::keyed_hash::<2048>(&self.gear, &[b"gear"]);
        let mut table = [0; 256];
        for (slot, bytes) in table.iter_mut().zip(bytes.chunks_exact(8)) {
            *slot = bytes.try_into().map(u64::from_le_bytes).unwrap_or_default();
        }
        table
    }
}
