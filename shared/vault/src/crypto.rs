//! The ciphers: keys per object, sealed frames, commitments, keyed hashes.

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA512, KeyType, Salt};
use zeroize::Zeroizing;

use crate::error::VaultError;
use crate::format::frame::TAG_BYTES;
use crate::format::header::ObjectHeader;

/// 32 secret bytes, wiped when dropped.
pub(crate) type Secret = Zeroizing<[u8; 32]>;

/// Bytes that go into the key derivation from the header: everything but the salt.
const HEADER_FIELDS: usize = 16;

struct Len(usize);

impl KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-SHA-512. `info` parts are concatenated; callers keep them unambiguous.
pub(crate) fn hkdf<const N: usize>(
    salt: &[u8],
    secret: &[u8],
    info: &[&[u8]],
) -> Result<Zeroizing<[u8; N]>, VaultError> {
    let mut out = Zeroizing::new([0; N]);
    Salt::new(HKDF_SHA512, salt)
        .extract(secret)
        .expand(info, Len(N))
        .and_then(|okm| okm.fill(out.as_mut_slice()))
        .map_err(|_| VaultError::bug("key derivation failed"))?;
    Ok(out)
}

/// A key for one purpose out of another key.
pub(crate) fn subkey(secret: &Secret, label: &str) -> Result<Secret, VaultError> {
    hkdf(b"mailkeep v1", secret.as_slice(), &[label.as_bytes()])
}

/// SHA-256, for the store's own check of a body.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let mut out = [0; 32];
    for (slot, byte) in out.iter_mut().zip(digest.as_ref()) {
        *slot = *byte;
    }
    out
}

/// Keyed BLAKE3 over parts, truncated. Every part but the last is preceded by its length.
pub(crate) fn keyed_hash<const N: usize>(key: &Secret, parts: &[&[u8]]) -> [u8; N] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    if let Some((last, first)) = parts.split_last() {
        for part in first {
            hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hasher.update(part);
        }
        hasher.update(last);
    }
    let mut out = [0; N];
    hasher.finalize_xof().fill(&mut out);
    out
}

/// Compares without telling by its duration where the difference is.
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// The keys of a scope (a mailbox, or the vault itself) that objects' keys are derived from: one for
/// each epoch. New objects are sealed under the newest.
#[derive(Clone)]
pub(crate) struct ObjectKeys {
    newest: u32,
    secrets: BTreeMap<u32, Secret>,
}

impl std::fmt::Debug for ObjectKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectKeys")
            .field("epoch", &self.newest)
            .finish_non_exhaustive()
    }
}

impl ObjectKeys {
    pub(crate) fn new(secret: Secret, epoch: u32) -> Self {
        Self {
            newest: epoch,
            secrets: BTreeMap::from([(epoch, secret)]),
        }
    }

    /// Adds the key of another epoch.
    pub(crate) fn add(&mut self, secret: Secret, epoch: u32) {
        self.newest = self.newest.max(epoch);
        self.secrets.insert(epoch, secret);
    }

    /// The epoch that new objects are sealed under.
    pub(crate) fn epoch(&self) -> u32 {
        self.newest
    }

    /// Refuses an object of an epoch without a key by name instead of as damage.
    pub(crate) fn check_epoch(&self, object: &str, epoch: u32) -> Result<(), VaultError> {
        self.secret(object, epoch).map(drop)
    }

    fn secret(&self, object: &str, epoch: u32) -> Result<&Secret, VaultError> {
        self.secrets.get(&epoch).ok_or_else(|| {
            VaultError::wrong_key(
                object,
                format!(
                    "it is sealed with key epoch {epoch}, and the newest that is open is {}; if keys were changed a moment ago, try again",
                    self.newest
                ),
            )
        })
    }

    /// The cipher of one object, and its key commitment.
    pub(crate) fn object(
        &self,
        header: &ObjectHeader,
        name: &str,
    ) -> Result<(ObjectCipher, [u8; 32]), VaultError> {
        let prefix = header.to_bytes();
        let fields = prefix.get(..HEADER_FIELDS).unwrap_or_default();
        let info: &[&[u8]] = &[b"mailkeep v1 object", fields, name.as_bytes()];
        let secret = self.secret(name, header.key_epoch)?;
        let material = hkdf::<64>(&header.salt, secret.as_slice(), info)?;
        let (key, commitment) = material.split_at(32);
        let commitment =
            <[u8; 32]>::try_from(commitment).map_err(|_| VaultError::bug("commitment length"))?;
        Ok((ObjectCipher::new(key)?, commitment))
    }
}

/// What a nonce is used for: frames and the frame table of one object share a key.
#[derive(Clone, Copy)]
enum Domain {
    Frame = 0,
    Footer = 1,
}

/// AES-256-GCM under a key that seals one object only. The nonce is the frame's number.
pub(crate) struct ObjectCipher {
    key: LessSafeKey,
}

impl ObjectCipher {
    pub(crate) fn new(key: &[u8]) -> Result<Self, VaultError> {
        let key = UnboundKey::new(&AES_256_GCM, key)
            .map_err(|_| VaultError::bug("a cipher key of the wrong length"))?;
        Ok(Self {
            key: LessSafeKey::new(key),
        })
    }

    /// Seals a frame in place; the last [`TAG_BYTES`] of `stored` are room for the tag.
    pub(crate) fn seal_frame(
        &self,
        number: u32,
        kind: u8,
        stored: &mut [u8],
    ) -> Result<(), VaultError> {
        self.seal(Domain::Frame, number, &[kind], stored)
    }

    /// Opens a frame in place and returns how many bytes of plaintext it begins with.
    pub(crate) fn open_frame(&self, number: u32, kind: u8, stored: &mut [u8]) -> Option<usize> {
        self.open(Domain::Frame, number, &[kind], stored)
    }

    /// Opens a frame into `plain`, which must have exactly the length of its plaintext.
    pub(crate) fn open_frame_into(
        &self,
        number: u32,
        kind: u8,
        stored: &[u8],
        plain: &mut [u8],
    ) -> Option<()> {
        let (sealed, tag) = stored.split_at_checked(stored.len().checked_sub(TAG_BYTES)?)?;
        let nonce = nonce(Domain::Frame, number);
        self.key
            .open_separate_gather(nonce, Aad::from(&[kind]), sealed, tag, plain)
            .ok()
    }

    /// Seals the frame table in place.
    pub(crate) fn seal_footer(&self, frames: u32, stored: &mut [u8]) -> Result<(), VaultError> {
        self.seal(Domain::Footer, 0, &frames.to_le_bytes(), stored)
    }

    /// Opens the frame table in place.
    pub(crate) fn open_footer(&self, frames: u32, stored: &mut [u8]) -> Option<usize> {
        self.open(Domain::Footer, 0, &frames.to_le_bytes(), stored)
    }

    fn seal(
        &self,
        domain: Domain,
        number: u32,
        aad: &[u8],
        stored: &mut [u8],
    ) -> Result<(), VaultError> {
        let failed = || VaultError::bug("sealing failed");
        let plain = stored.len().checked_sub(TAG_BYTES).ok_or_else(failed)?;
        let (plain, room) = stored.split_at_mut_checked(plain).ok_or_else(failed)?;
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce(domain, number), Aad::from(aad), plain)
            .map_err(|_| failed())?;
        room.copy_from_slice(tag.as_ref());
        Ok(())
    }

    fn open(&self, domain: Domain, number: u32, aad: &[u8], stored: &mut [u8]) -> Option<usize> {
        self.key
            .open_in_place(nonce(domain, number), Aad::from(aad), stored)
            .ok()
            .map(|plain| plain.len())
    }
}

/// Domain byte, seven zero bytes, number (big-endian).
fn nonce(domain: Domain, number: u32) -> Nonce {
    let [a, b, c, d] = number.to_be_bytes();
    let bytes: [u8; NONCE_LEN] = [domain as u8, 0, 0, 0, 0, 0, 0, 0, a, b, c, d];
    Nonce::assume_unique_for_key(bytes)
}

/// A few secrets sealed under a key that is used once: key records.
pub(crate) struct Wrapped {
    /// Tells a wrong key from damage.
    pub commitment: [u8; 32],
    /// Each secret with its tag.
    pub sealed: Vec<Vec<u8>>,
}

/// Seals `secrets` under a key derived from `secret` and a fresh `salt`.
pub(crate) fn wrap(
    secret: &[u8],
    salt: &[u8; 32],
    info: &[&[u8]],
    secrets: &[&[u8]],
) -> Result<Wrapped, VaultError> {
    let (cipher, commitment) = wrapping_key(secret, salt, info)?;
    let mut sealed = Vec::with_capacity(secrets.len());
    for (number, plain) in (0_u32..).zip(secrets) {
        let mut buffer = Vec::with_capacity(plain.len() + TAG_BYTES);
        buffer.extend_from_slice(plain);
        buffer.extend_from_slice(&[0; TAG_BYTES]);
        cipher.seal_frame(number, 0, &mut buffer)?;
        sealed.push(buffer);
    }
    Ok(Wrapped { commitment, sealed })
}

/// Opens what [`wrap`] sealed. `WrongKey` when `secret` is another one, `Corrupt` when it is the
/// right one and the bytes are not.
pub(crate) fn unwrap(
    object: &str,
    secret: &[u8],
    salt: &[u8],
    info: &[&[u8]],
    commitment: &[u8],
    sealed: &[&[u8]],
) -> Result<Vec<Zeroizing<Vec<u8>>>, VaultError> {
    let salt: &[u8; 32] = salt
        .try_into()
        .map_err(|_| VaultError::corrupt(object, "its salt has the wrong length"))?;
    let (cipher, expected) = wrapping_key(secret, salt, info)?;
    if !equal(&expected, commitment) {
        return Err(VaultError::wrong_key(
            object,
            "it was sealed with another key",
        ));
    }
    let mut plain = Vec::with_capacity(sealed.len());
    for (number, sealed) in (0_u32..).zip(sealed) {
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let len = cipher
            .open_frame(number, 0, &mut buffer)
            .ok_or_else(|| VaultError::corrupt(object, "its authentication tag does not fit"))?;
        buffer.truncate(len);
        plain.push(buffer);
    }
    Ok(plain)
}

fn wrapping_key(
    secret: &[u8],
    salt: &[u8; 32],
    info: &[&[u8]],
) -> Result<(ObjectCipher, [u8; 32]), VaultError> {
    let material = hkdf::<64>(salt, secret, info)?;
    let (key, commitment) = material.split_at(32);
    let commitment =
        <[u8; 32]>::try_from(commitment).map_err(|_| VaultError::bug("commitment length"))?;
    Ok((ObjectCipher::new(key)?, commitment))
}
