//! Root keys by epoch: which one is current, and the ring that keeps what a rotation must not lose.

use std::collections::BTreeMap;

use mailkeep_ports::{Key, Rng};
use prost::Message;
use zeroize::{Zeroize, Zeroizing};

use crate::context::VaultContext;
use crate::crypto::{self, Secret};
use crate::error::VaultError;
use crate::format::records::{EarlierRoot, RingRecord, RootRecord};
use crate::names;

/// Epoch of the first root key and of the first key of every mailbox.
pub(crate) const FIRST_EPOCH: u32 = 1;

/// All root keys of a vault, and what stays the same when they change.
#[derive(Clone)]
pub(crate) struct Ring {
    /// BLAKE3 of the vault's body: whoever can write to the store cannot change it.
    pub vault_hash: [u8; 32],
    /// Makes the names of mailboxes and documents.
    pub naming_key: Secret,
    /// The current root key and its epoch.
    pub current: (u32, Secret),
    /// The root keys before it: what was sealed with them stays readable.
    pub earlier: BTreeMap<u32, Secret>,
}

impl Ring {
    /// The ring of a new vault.
    pub(crate) fn generate(body: &[u8], rng: &dyn Rng) -> Self {
        Self {
            vault_hash: blake3::hash(body).into(),
            naming_key: random(rng),
            current: (FIRST_EPOCH, random(rng)),
            earlier: BTreeMap::new(),
        }
    }

    /// The ring of the next epoch.
    pub(crate) fn next(&self, rng: &dyn Rng) -> Result<Self, VaultError> {
        let (epoch, root) = &self.current;
        let mut earlier = self.earlier.clone();
        earlier.insert(*epoch, root.clone());
        let epoch = epoch
            .checked_add(1)
            .ok_or_else(|| VaultError::invalid("the vault has no further epoch"))?;
        Ok(Self {
            vault_hash: self.vault_hash,
            naming_key: self.naming_key.clone(),
            current: (epoch, random(rng)),
            earlier,
        })
    }

    /// All root keys.
    pub(crate) fn roots(&self) -> impl Iterator<Item = (u32, &Secret)> {
        let (epoch, root) = &self.current;
        let earlier = self.earlier.iter().map(|(epoch, root)| (*epoch, root));
        earlier.chain([(*epoch, root)])
    }

    /// Seals the ring with its current root key, and opens it again to be sure.
    pub(crate) fn seal(
        &self,
        vault_id: &str,
        object: &str,
        rng: &dyn Rng,
    ) -> Result<RootRecord, VaultError> {
        let (epoch, root) = &self.current;
        let mut message = RingRecord {
            vault_hash: self.vault_hash.to_vec(),
            naming_key: self.naming_key.to_vec(),
            earlier: self.earlier.iter().map(earlier_root).collect(),
        };
        let plain = Zeroizing::new(message.encode_to_vec());
        message.naming_key.zeroize();
        for earlier in &mut message.earlier {
            earlier.root_key.zeroize();
        }
        let mut salt = [0; 32];
        rng.fill(&mut salt);
        let secret = crypto::subkey(root, "vault ring")?;
        let info = info(vault_id, object);
        let wrapped = crypto::wrap(secret.as_slice(), &salt, &info, &[&plain])?;
        let record = RootRecord {
            vault_id: vault_id.into(),
            epoch: *epoch,
            root_id: root_id(root, vault_id)?,
            salt: salt.to_vec(),
            commitment: wrapped.commitment.to_vec(),
            ring: wrapped.sealed.into_iter().next().unwrap_or_default(),
        };
        let opened = Self::open(root, object, &record)?;
        if opened.naming_key != self.naming_key || opened.earlier != self.earlier {
            return Err(VaultError::bug("a key ring did not read back as sealed"));
        }
        Ok(record)
    }

    /// Opens a ring with its root key.
    pub(crate) fn open(
        root: &Secret,
        object: &str,
        record: &RootRecord,
    ) -> Result<Self, VaultError> {
        let bad = |what: &str| VaultError::corrupt(object, what);
        let secret = crypto::subkey(root, "vault ring")?;
        let opened = crypto::unwrap(
            object,
            secret.as_slice(),
            &record.salt,
            &info(&record.vault_id, object),
            &record.commitment,
            &[&record.ring],
        )
        .map_err(|error| match error {
            // A recipient of this very vault gave the root key: the ring is the one that is wrong.
            VaultError::WrongKey { .. } => bad("it is not the ring of this vault's root key"),
            other => other,
        })?;
        let plain = opened.first().map(|plain| plain.as_slice());
        let mut message = RingRecord::decode(plain.unwrap_or_default())
            .map_err(|error| bad(&error.to_string()))?;
        let secret = |bytes: &[u8]| {
            <[u8; 32]>::try_from(bytes)
                .map(Zeroizing::new)
                .map_err(|_| bad("a key in it has the wrong length"))
        };
        let ring = Self {
            vault_hash: *secret(&message.vault_hash)?,
            naming_key: secret(&message.naming_key)?,
            current: (record.epoch, root.clone()),
            earlier: message
                .earlier
                .iter()
                .map(|earlier| Ok((earlier.epoch, secret(&earlier.root_key)?)))
                .collect::<Result<_, VaultError>>()?,
        };
        message.naming_key.zeroize();
        for earlier in &mut message.earlier {
            earlier.root_key.zeroize();
        }
        Ok(ring)
    }
}

fn earlier_root((epoch, root): (&u32, &Secret)) -> EarlierRoot {
    EarlierRoot {
        epoch: *epoch,
        root_key: root.to_vec(),
    }
}

fn info<'a>(vault_id: &'a str, object: &'a str) -> [&'a [u8]; 3] {
    [b"mailkeep v1 root", vault_id.as_bytes(), object.as_bytes()]
}

fn random(rng: &dyn Rng) -> Secret {
    let mut secret = Zeroizing::new([0; 32]);
    rng.fill(secret.as_mut_slice());
    secret
}

/// Tells a root key from another one of the same epoch, without telling the key.
pub(crate) fn root_id(root: &Secret, vault_id: &str) -> Result<Vec<u8>, VaultError> {
    let key = crypto::subkey(root, "vault root id")?;
    Ok(crypto::keyed_hash::<16>(&key, &[vault_id.as_bytes()]).to_vec())
}

/// What lies below `keys/`.
pub(crate) struct KeyObjects {
    /// The current epoch: the newest with a `root` object, or the first.
    pub epoch: u32,
    /// Records for recipients of the current epoch.
    pub recipients: Vec<Key>,
    /// Objects of earlier epochs: a rotation is not finished, or the store refused to delete them.
    pub outdated: Vec<Key>,
}

impl KeyObjects {
    /// One listing.
    pub(crate) async fn list(ctx: &VaultContext) -> Result<Self, VaultError> {
        let mut found = vec![];
        for key in names::list(&*ctx.store, names::KEYS).await? {
            let rest = key.as_str().trim_start_matches(names::KEYS);
            let epoch = rest
                .split_once('/')
                .and_then(|(epoch, _)| epoch.parse().ok());
            found.extend(epoch.map(|epoch: u32| (epoch, key)));
        }
        let is_root = |key: &Key| names::last_segment(key.as_str()) == names::ROOT;
        let roots = found.iter().filter(|(_, key)| is_root(key));
        let epoch = roots.map(|(epoch, _)| *epoch).max().unwrap_or(FIRST_EPOCH);
        let mut objects = Self {
            epoch,
            recipients: vec![],
            outdated: vec![],
        };
        for (of, key) in found {
            if of < epoch {
                objects.outdated.push(key);
            } else if of == epoch && !is_root(&key) {
                objects.recipients.push(key);
            }
        }
        Ok(objects)
    }
}
