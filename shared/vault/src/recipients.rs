//! Who can open a vault: the root key, sealed once for each recipient.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use chrono::{DateTime, Utc};
use mailkeep_ports::{KeyService, KeyServiceErrorKind, Rng};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::crypto::{self, Secret};
use crate::error::VaultError;
use crate::format::records::RecipientRecord;
use crate::recovery_key::{self, RecoveryKey};
use crate::roots;

pub(crate) const PASSPHRASE: u32 = 1;
pub(crate) const KEY_FILE: u32 = 2;
pub(crate) const RECOVERY: u32 = 3;
pub(crate) const KEY_SERVICE: u32 = 4;

/// Somebody who shall be able to open a vault. The recovery key is always added.
#[derive(Clone)]
pub enum Recipient {
    /// Whoever knows this passphrase.
    Passphrase(SecretString),
    /// Whoever has these 32 random bytes.
    KeyFile(Zeroizing<[u8; 32]>),
    /// Whoever may use this key of a service.
    KeyService(Arc<dyn KeyService>),
}

/// For whom a root key is sealed.
pub(crate) enum For<'a> {
    /// Somebody who is there.
    Recipient(&'a Recipient),
    /// A recovery key, of which only the public half is needed.
    Recovery([u8; 32]),
}

/// What a vault is opened with.
#[derive(Clone)]
pub enum Unlock {
    /// A passphrase.
    Passphrase(SecretString),
    /// The 32 bytes of a key file.
    KeyFile(Zeroizing<[u8; 32]>),
    /// A recovery key as it was written down.
    RecoveryKey(SecretString),
    /// A key of a service.
    KeyService(Arc<dyn KeyService>),
}

impl std::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Passphrase(_) => "Passphrase(..)",
            Self::KeyFile(_) => "KeyFile(..)",
            Self::KeyService(_) => "KeyService(..)",
        })
    }
}

impl std::fmt::Debug for Unlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Passphrase(_) => "Passphrase(..)",
            Self::KeyFile(_) => "KeyFile(..)",
            Self::RecoveryKey(_) => "RecoveryKey(..)",
            Self::KeyService(_) => "KeyService(..)",
        })
    }
}

/// How much work it is to try a passphrase (Argon2id). Written into the vault; a later opening takes
/// what is written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassphraseCost {
    /// Memory.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
}

impl Default for PassphraseCost {
    fn default() -> Self {
        Self {
            memory_kib: 64 << 10,
            passes: 3,
        }
    }
}

/// The most that a vault may ask of a reader.
const MAX_MEMORY_KIB: u32 = 1 << 20;
const MAX_PASSES: u32 = 64;

/// Where a record lies and when it is made.
pub(crate) struct RecordPlace<'a> {
    /// The vault.
    pub vault_id: &'a str,
    /// The object's name.
    pub object: &'a str,
    /// Now.
    pub created_at: DateTime<Utc>,
}

/// Seals a root key for recipients.
pub(crate) struct Sealer<'a> {
    /// The root key.
    pub root: &'a Secret,
    /// For passphrases.
    pub cost: PassphraseCost,
    /// Randomness.
    pub rng: &'a dyn Rng,
}

impl Sealer<'_> {
    /// For somebody; opened again to be sure.
    pub(crate) async fn seal(
        &self,
        recipient: &For<'_>,
        place: &RecordPlace<'_>,
    ) -> Result<RecipientRecord, VaultError> {
        let recipient = match recipient {
            For::Recipient(recipient) => recipient,
            For::Recovery(public) => return self.seal_for_recovery(*public, place),
        };
        let mut record = self.new_record(place)?;
        let secret = match recipient {
            Recipient::Passphrase(passphrase) => {
                record.kind = PASSPHRASE;
                record.memory_kib = self.cost.memory_kib;
                record.passes = self.cost.passes;
                record.lanes = 1;
                stretch(place.object, passphrase, &record)?
            }
            Recipient::KeyFile(key) => {
                record.kind = KEY_FILE;
                key.clone()
            }
            Recipient::KeyService(service) => {
                record.kind = KEY_SERVICE;
                let mut secret = Zeroizing::new([0; 32]);
                self.rng.fill(secret.as_mut_slice());
                record.sealed_secret = service.seal(&secret, place.vault_id).await?;
                // Who may seal may not open perhaps; better known now than in an emergency.
                let opened = service.open(&record.sealed_secret, place.vault_id).await?;
                if opened != secret {
                    return Err(VaultError::bug("a key service opened another key"));
                }
                secret
            }
        };
        self.wrap_root(record, place, &secret)
    }

    fn seal_for_recovery(
        &self,
        public: [u8; 32],
        place: &RecordPlace<'_>,
    ) -> Result<RecipientRecord, VaultError> {
        let mut ephemeral = Zeroizing::new([0; 32]);
        self.rng.fill(ephemeral.as_mut_slice());
        let mut record = self.new_record(place)?;
        record.kind = RECOVERY;
        record.public_key = public.to_vec();
        record.ephemeral_key = recovery_key::public_key(&ephemeral)?.to_vec();
        let secret = recovery_key::shared_secret(&ephemeral, &public)?;
        self.wrap_root(record, place, &secret)
    }

    fn new_record(&self, place: &RecordPlace<'_>) -> Result<RecipientRecord, VaultError> {
        let mut salt = [0; 32];
        self.rng.fill(&mut salt);
        Ok(RecipientRecord {
            vault_id: place.vault_id.into(),
            created_at_ms: place.created_at.timestamp_millis(),
            salt: salt.to_vec(),
            root_id: roots::root_id(self.root, place.vault_id)?,
            ..RecipientRecord::default()
        })
    }

    fn wrap_root(
        &self,
        mut record: RecipientRecord,
        place: &RecordPlace<'_>,
        secret: &Secret,
    ) -> Result<RecipientRecord, VaultError> {
        let salt = record.salt.as_slice().try_into();
        let salt = salt.map_err(|_| VaultError::bug("salt length"))?;
        let wrapped = crypto::wrap(
            secret.as_slice(),
            salt,
            &info(place.vault_id, place.object, &record),
            &[self.root.as_slice()],
        )?;
        record.commitment = wrapped.commitment.to_vec();
        record.root_key = wrapped.sealed.into_iter().next().unwrap_or_default();
        record.code = code(self.root, place.object, &record)?;
        match unwrap_root(secret, place.vault_id, place.object, &record)? {
            Attempt::Opened(root) if root == *self.root => Ok(record),
            _ => Err(VaultError::bug("a key record did not read back as sealed")),
        }
    }
}

/// Says that whoever made a record had the root key. Without it, somebody who can write to the store
/// could add a recovery key of their own and wait for a rotation.
fn code(root: &Secret, object: &str, record: &RecipientRecord) -> Result<Vec<u8>, VaultError> {
    let key = crypto::subkey(root, "vault recipients")?;
    let kind = record.kind.to_le_bytes();
    let parts: &[&[u8]] = &[object.as_bytes(), &kind, &record.public_key];
    Ok(crypto::keyed_hash::<32>(&key, parts).to_vec())
}

/// True when the record was made with this root key.
pub(crate) fn is_genuine(
    root: &Secret,
    object: &str,
    record: &RecipientRecord,
) -> Result<bool, VaultError> {
    Ok(crypto::equal(&code(root, object, record)?, &record.code))
}

/// What trying a key on a record gives.
pub(crate) enum Attempt {
    /// It fits.
    Opened(Secret),
    /// The record is for another kind of recipient, or belongs to another vault.
    NotForThis,
    /// The key is another one.
    WrongKey,
}

/// Tries a key on a record.
pub(crate) async fn open(
    unlock: &Unlock,
    vault_id: &str,
    object: &str,
    record: &RecipientRecord,
) -> Result<Attempt, VaultError> {
    if record.vault_id != vault_id {
        return Ok(Attempt::NotForThis);
    }
    let secret = match (unlock, record.kind) {
        (Unlock::Passphrase(passphrase), PASSPHRASE) => stretch(object, passphrase, record)?,
        (Unlock::KeyFile(key), KEY_FILE) => key.clone(),
        (Unlock::RecoveryKey(text), RECOVERY) => {
            let key = RecoveryKey::parse(text.expose_secret())?;
            if !crypto::equal(&key.public()?, &record.public_key) {
                return Ok(Attempt::WrongKey);
            }
            let ephemeral = record.ephemeral_key.as_slice().try_into().map_err(|_| {
                VaultError::corrupt(object, "its ephemeral key has the wrong length")
            })?;
            key.agree_with(ephemeral)?
        }
        (Unlock::KeyService(service), KEY_SERVICE) => {
            match service.open(&record.sealed_secret, vault_id).await {
                Ok(secret) => secret,
                Err(error) if error.kind == KeyServiceErrorKind::WrongKey => {
                    return Ok(Attempt::WrongKey);
                }
                Err(error) => return Err(error.into()),
            }
        }
        _ => return Ok(Attempt::NotForThis),
    };
    unwrap_root(&secret, vault_id, object, record)
}

fn unwrap_root(
    secret: &Secret,
    vault_id: &str,
    object: &str,
    record: &RecipientRecord,
) -> Result<Attempt, VaultError> {
    let opened = crypto::unwrap(
        object,
        secret.as_slice(),
        &record.salt,
        &info(vault_id, object, record),
        &record.commitment,
        &[&record.root_key],
    );
    match opened {
        Ok(keys) => match keys.first().map(|key| <[u8; 32]>::try_from(key.as_slice())) {
            Some(Ok(root)) => Ok(Attempt::Opened(Zeroizing::new(root))),
            _ => Err(VaultError::corrupt(
                object,
                "its root key has the wrong length",
            )),
        },
        Err(VaultError::WrongKey { .. }) => Ok(Attempt::WrongKey),
        Err(error) => Err(error),
    }
}

/// Binds the sealed root key to its vault and name, and to both public keys.
fn info<'a>(vault_id: &'a str, object: &'a str, record: &'a RecipientRecord) -> [&'a [u8]; 5] {
    [
        b"mailkeep v1 recipient",
        &record.public_key,
        &record.ephemeral_key,
        vault_id.as_bytes(),
        object.as_bytes(),
    ]
}

fn stretch(
    object: &str,
    passphrase: &SecretString,
    record: &RecipientRecord,
) -> Result<Secret, VaultError> {
    let passphrase = passphrase.expose_secret().as_bytes();
    if passphrase.is_empty() {
        return Err(VaultError::invalid("the passphrase is empty"));
    }
    if record.memory_kib > MAX_MEMORY_KIB || record.passes > MAX_PASSES {
        return Err(VaultError::corrupt(
            object,
            "it asks for an unreasonable Argon2id cost",
        ));
    }
    let failed = |error: argon2::Error| {
        VaultError::corrupt(object, format!("its Argon2id parameters: {error}"))
    };
    let params = Params::new(record.memory_kib, record.passes, record.lanes, Some(32));
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.map_err(failed)?);
    let mut key = Zeroizing::new([0; 32]);
    argon
        .hash_password_into(passphrase, &record.salt, key.as_mut_slice())
        .map_err(failed)?;
    Ok(key)
}
