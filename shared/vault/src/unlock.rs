//! Opening a vault: from a passphrase, key file or recovery key to its key ring.

use mailkeep_ports::Key;
use prost::Message;

use crate::context::VaultContext;
use crate::crypto::Secret;
use crate::error::VaultError;
use crate::format::envelope;
use crate::format::records::{RecipientRecord, RootRecord, VaultBody, VaultRecord};
use crate::names;
use crate::recipients::{self, Attempt, Unlock};
use crate::roots::{FIRST_EPOCH, KeyObjects, Ring};
use crate::vault::read_plain;

/// How often opening starts over because the keys are being rotated at the same time.
const ATTEMPTS: usize = 3;

/// An unlocked vault.
pub(crate) struct Unlocked {
    /// What the vault is.
    pub body: VaultBody,
    /// Its keys.
    pub ring: Ring,
}

/// Opens the ring of the current epoch. Two requests, and one for each recipient that is tried.
pub(crate) async fn unlock(ctx: &VaultContext, with: &Unlock) -> Result<Unlocked, VaultError> {
    let record = read_vault_record(ctx).await?;
    let mut objects = KeyObjects::list(ctx).await?;
    for _ in 1..ATTEMPTS {
        match unlock_epoch(ctx, with, &record, &objects).await {
            Err(error) => {
                let again = KeyObjects::list(ctx).await?;
                if again.epoch == objects.epoch && again.recipients == objects.recipients {
                    return Err(error);
                }
                objects = again;
            }
            ok => return ok,
        }
    }
    unlock_epoch(ctx, with, &record, &objects).await
}

async fn unlock_epoch(
    ctx: &VaultContext,
    with: &Unlock,
    vault: &VaultRecord,
    objects: &KeyObjects,
) -> Result<Unlocked, VaultError> {
    let body = VaultBody::decode(vault.body.as_slice())
        .map_err(|error| VaultError::corrupt(names::VAULT, error.to_string()))?;
    let (place, root_record) = root_record(ctx, vault, objects.epoch).await?;
    if root_record.vault_id != body.vault_id || root_record.epoch != objects.epoch {
        return Err(VaultError::corrupt(place, "it belongs elsewhere"));
    }
    let root = find_root(ctx, with, &root_record, &objects.recipients).await?;
    let ring = Ring::open(&root, &place, &root_record)?;
    if ring.vault_hash != *blake3::hash(&vault.body).as_bytes() {
        return Err(VaultError::corrupt(
            names::VAULT,
            "it was changed, or belongs to another vault",
        ));
    }
    Ok(Unlocked { body, ring })
}

/// The ring of an epoch, still sealed, and the name of the object it is in.
pub(crate) async fn root_record(
    ctx: &VaultContext,
    vault: &VaultRecord,
    epoch: u32,
) -> Result<(String, RootRecord), VaultError> {
    if epoch == FIRST_EPOCH {
        let root = vault.root.clone();
        let root = root.ok_or_else(|| VaultError::corrupt(names::VAULT, "its key ring is gone"))?;
        return Ok((names::VAULT.into(), root));
    }
    let key = names::root(epoch)?;
    let bytes = read_plain(ctx, &key).await?;
    Ok((key.to_string(), envelope::decode(key.as_str(), &bytes)?))
}

async fn find_root(
    ctx: &VaultContext,
    with: &Unlock,
    root: &RootRecord,
    keys: &[Key],
) -> Result<Secret, VaultError> {
    let mut failure = None;
    let mut was_tried = false;
    for key in keys {
        match try_record(ctx, with, root, key).await {
            Ok(Attempt::Opened(root)) => return Ok(root),
            Ok(Attempt::WrongKey) => was_tried = true,
            Ok(Attempt::NotForThis) => {}
            // Another record may fit.
            Err(error @ (VaultError::Corrupt { .. } | VaultError::Missing { .. })) => {
                failure = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    if let Some(error) = failure {
        return Err(error);
    }
    let kind = match with {
        Unlock::Passphrase(_) => "passphrase",
        Unlock::KeyFile(_) => "key file",
        Unlock::RecoveryKey(_) => "recovery key",
        Unlock::KeyService(_) => "key service",
    };
    let what = if was_tried {
        format!("the {kind} is not the one of this vault; check it, or use another key")
    } else {
        format!("this vault has no {kind}; use another kind of key")
    };
    Err(VaultError::wrong_key("the vault", what))
}

async fn try_record(
    ctx: &VaultContext,
    with: &Unlock,
    root: &RootRecord,
    key: &Key,
) -> Result<Attempt, VaultError> {
    let bytes = read_plain(ctx, key).await?;
    let record: RecipientRecord = envelope::decode(key.as_str(), &bytes)?;
    if record.root_id != root.root_id {
        return Ok(Attempt::NotForThis);
    }
    recipients::open(with, &root.vault_id, key.as_str(), &record).await
}

/// Reads the object that makes a place a vault.
pub(crate) async fn read_vault_record(ctx: &VaultContext) -> Result<VaultRecord, VaultError> {
    let key = names::key(names::VAULT.into())?;
    let bytes = read_plain(ctx, &key).await.map_err(|error| match error {
        VaultError::Missing { object, .. } => VaultError::missing(
            object,
            "there is no vault here; check the place, or create one",
        ),
        other => other,
    })?;
    envelope::decode(names::VAULT, &bytes)
}
