//! Creating vaults.

use mailkeep_ports::{Condition, Key, ListOptions, StoreCapabilities};
use prost::Message;

use crate::context::VaultContext;
use crate::dictionary;
use crate::error::VaultError;
use crate::format::envelope;
use crate::format::records::{VaultBody, VaultRecord};
use crate::ids::Ulid;
use crate::lock::LockPolicy;
use crate::names;
use crate::recipients::{For, PassphraseCost, Recipient, RecordPlace, Sealer};
use crate::recovery_key::RecoveryKey;
use crate::roots::{FIRST_EPOCH, Ring};
use crate::unlock::read_vault_record;
use crate::vault::{Vault, promised_store, put_plain};

/// Choices at the creation of a vault.
#[derive(Clone, Copy, Debug, Default)]
pub struct CreateOptions {
    /// How much work it is to try a passphrase.
    pub passphrase_cost: PassphraseCost,
    /// Have the store forbid deleting. Cannot be changed later.
    pub object_lock: Option<LockPolicy>,
}

impl Vault {
    /// Makes a vault in an empty store and returns it with its recovery key, which is not stored
    /// anywhere: show it, have it written down.
    ///
    /// # Errors
    /// `AlreadyExists` when the store holds anything but leftovers of a failed creation; `Invalid`
    /// without a recipient, or when Object Lock is asked for and the store has none; a store error.
    pub async fn create(
        mut ctx: VaultContext,
        recipients: &[Recipient],
        options: CreateOptions,
    ) -> Result<(Self, RecoveryKey), VaultError> {
        if recipients.is_empty() {
            return Err(VaultError::invalid(
                "a vault needs a passphrase, a key file or a key of a service",
            ));
        }
        refuse_unless_empty(&ctx).await?;
        let scratch = format!("{}{}", names::PROBE, Ulid::new(&*ctx.clock, &*ctx.rng));
        let capabilities = mailkeep_ports::probe::probe(&*ctx.store, &*ctx.clock, &scratch).await?;
        if let Some(policy) = options.object_lock {
            policy.check(&capabilities)?;
        }

        let body = new_body(&ctx, capabilities, options.object_lock);
        ctx.store = promised_store(&ctx, &body)?;
        let bytes = body.encode_to_vec();
        let ring = Ring::generate(&bytes, &*ctx.rng);
        let recovery = RecoveryKey::generate(&*ctx.rng);
        let sealer = Sealer {
            root: &ring.current.1,
            cost: options.passphrase_cost,
            rng: &*ctx.rng,
        };
        let recovery_public = For::Recovery(recovery.public()?);
        for recipient in recipients
            .iter()
            .map(For::Recipient)
            .chain([recovery_public])
        {
            let key = recipient_key(&ctx, FIRST_EPOCH)?;
            let place = RecordPlace {
                vault_id: &body.vault_id,
                object: key.as_str(),
                created_at: ctx.clock.now(),
            };
            let record = sealer.seal(&recipient, &place).await?;
            put_plain(&ctx, &key, envelope::encode(&record), Condition::None).await?;
        }
        let dictionary = names::key(format!("dict/{}", dictionary::BUILT_IN_NUMBER))?;
        let copy = dictionary::BUILT_IN.to_vec();
        put_unless_there(&ctx, &dictionary, copy).await?;

        // Last of all: this object makes a vault of the rest.
        let record = VaultRecord {
            root: Some(ring.seal(&body.vault_id, names::VAULT, &*ctx.rng)?),
            body: bytes,
        };
        let key = names::key(names::VAULT.into())?;
        let bytes = envelope::encode(&record);
        put_plain(&ctx, &key, bytes, Condition::IfAbsent).await?;
        if read_vault_record(&ctx).await? != record {
            return Err(VaultError::AlreadyExists {
                object: names::VAULT.into(),
                what: "somebody else created a vault here at the same time; open that one".into(),
            });
        }
        Ok((Self::from_ring(ctx, &body, &ring)?, recovery))
    }
}

fn new_body(
    ctx: &VaultContext,
    capabilities: StoreCapabilities,
    lock: Option<LockPolicy>,
) -> VaultBody {
    VaultBody {
        vault_id: Ulid::new(&*ctx.clock, &*ctx.rng).to_string(),
        created_at_ms: ctx.clock.now().timestamp_millis(),
        conditional_create: capabilities.conditional_create,
        conditional_replace: capabilities.conditional_replace,
        object_lock: capabilities.object_lock,
        checksums: capabilities.checksums,
        lock_mode: LockPolicy::mode_tag(lock),
        lock_days: lock.map_or(0, |policy| policy.days),
    }
}

/// A new name for the record of a recipient.
pub(crate) fn recipient_key(ctx: &VaultContext, epoch: u32) -> Result<Key, VaultError> {
    let id = Ulid::new(&*ctx.clock, &*ctx.rng);
    names::key(format!("{}{epoch}/{id}", names::KEYS))
}

/// The dictionary of a creation that failed may be locked already; it is the same one.
async fn put_unless_there(ctx: &VaultContext, key: &Key, bytes: Vec<u8>) -> Result<(), VaultError> {
    match ctx.store.head(key).await {
        Ok(_) => Ok(()),
        Err(_) => put_plain(ctx, key, bytes, Condition::None).await,
    }
}

/// Leftovers of a creation that did not get to its last write are no obstacle.
async fn refuse_unless_empty(ctx: &VaultContext) -> Result<(), VaultError> {
    let options = ListOptions {
        delimited: true,
        ..ListOptions::default()
    };
    let page = ctx.store.list(options).await?;
    let objects = page.objects.iter().map(|object| object.key.as_str());
    for name in objects.chain(page.prefixes.iter().map(String::as_str)) {
        if name == names::VAULT {
            return Err(VaultError::AlreadyExists {
                object: name.into(),
                what: "there is a vault here already; open it".into(),
            });
        }
        if name != names::KEYS && name != names::DICTIONARIES && !name.starts_with(names::PROBE) {
            return Err(VaultError::AlreadyExists {
                object: name.into(),
                what: "a new vault needs an empty place".into(),
            });
        }
    }
    Ok(())
}
