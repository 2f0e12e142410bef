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
    /// Derives the keys from the first mailbox key.
    pub(crate) fn new(mailbox_key: &Secret, epoch: u32) -> Result<Self, VaultError> {
        Ok(Self {
            objects: ObjectKeys::new(crypto::subkey(mailbox_key, "mailbox objects")?, epoch),
            content: crypto::subkey(mailbox_key, "mailbox content ids")?,
            item: crypto::subkey(mailbox_key, "mailbox item keys")?,
            gear: crypto::subkey(mailbox_key, "mailbox gear table")?,
            fingerprint: crypto::subkey(mailbox_key, "mailbox fingerprints")?,
        })
    }

    /// Adds the mailbox key of a later epoch: new objects are sealed under it. Ids, references and
    /// fingerprints stay those of the first key, so that everything is found again.
    pub(crate) fn add_epoch(&mut self, mailbox_key: &Secret, epoch: u32) -> Result<(), VaultError> {
        let secret = crypto::subkey(mailbox_key, "mailbox objects")?;
        self.objects.add(secret, epoch);
        Ok(())
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

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;
    use crate::crypto::{ObjectCipher, hkdf};
    use crate::format::header::{ObjectHeader, ObjectKind};
    use crate::testing::keys;

    /// Fixed bytes: a change here makes every existing vault unreadable.
    #[test]
    fn derivation_never_changes() {
        let keys = keys(1);
        assert_eq!(format!("{:?}", keys.content_id(b"content")), GOLDEN_CONTENT);
        assert_eq!(
            keys.item_key(&ItemId("AAMk".into())).to_string(),
            GOLDEN_ITEM
        );
        assert_eq!(HEXLOWER.encode(&keys.gear()[0].to_le_bytes()), GOLDEN_GEAR);
        assert_eq!(keys.fingerprint(&[b"a", b"bc"]), GOLDEN_FINGERPRINT);
        let header = ObjectHeader::new(ObjectKind::Pack, 1, [5; 32]);
        let (cipher, commitment) = keys.objects().object(&header, "m/a/pack/1").unwrap();
        assert_eq!(HEXLOWER.encode(&commitment), GOLDEN_COMMITMENT);
        let mut frame = [&b"hello"[..], &[0; 16]].concat();
        cipher.seal_frame(3, 1, &mut frame).unwrap();
        assert_eq!(HEXLOWER.encode(&frame), GOLDEN_FRAME);
    }

    const GOLDEN_CONTENT: &str = "34f6dda4ed725860f92cde5ed9ff150c";
    const GOLDEN_ITEM: &str = "a4ayvec4ywfdq";
    const GOLDEN_GEAR: &str = "6561fcbf86a80624";
    const GOLDEN_FINGERPRINT: u64 = 8701269085617144710;
    const GOLDEN_COMMITMENT: &str =
        "caf7fcf358aa11de38922b90584251fa763c4d0f9fae10a550ce7aa367724a22";
    const GOLDEN_FRAME: &str = "bd761956192f93bba740c4f88c46ee5517b83e2a21";

    #[test]
    fn parts_of_a_fingerprint_do_not_run_together() {
        let keys = keys(1);
        assert_ne!(
            keys.fingerprint(&[b"ab", b"c"]),
            keys.fingerprint(&[b"a", b"bc"])
        );
        assert_ne!(
            keys.content_id(b"x"),
            crate::testing::keys(2).content_id(b"x")
        );
    }

    /// RFC 5869 has no vectors for SHA-512; this one was computed with Python's `hmac`.
    #[test]
    fn hkdf_is_the_standard_one() {
        let out = hkdf::<42>(b"salt", b"secret", &[b"in", b"fo"]).unwrap();
        assert_eq!(HEXLOWER.encode(out.as_slice()), HKDF_VECTOR);
    }

    const HKDF_VECTOR: &str =
        "90e269f053d383c4b2070be93238adf358f3d67bd7b17ca3de95f10a50a8385e66d8241c8c22c91cee75";

    #[test]
    fn a_cipher_key_has_32_bytes() {
        assert!(ObjectCipher::new(&[0; 31]).is_err());
    }
}
