//! The drill: proves that a recovery key opens the vault and that mail comes out, and changes nothing.

use futures::StreamExt;
use secrecy::SecretString;

use crate::context::VaultContext;
use crate::error::VaultError;
use crate::ids::{ItemKey, MailboxId};
use crate::index::{ItemFilter, MAX_PAGE};
use crate::recipients::Unlock;
use crate::vault::Vault;

/// What a drill showed.
#[derive(Debug)]
pub struct Drill {
    /// Id of the vault that the recovery key opened.
    pub vault: String,
    /// Epoch of the root key.
    pub key_epoch: u32,
    /// Mailboxes whose keys were opened.
    pub mailboxes: usize,
    /// Mailboxes that were erased on request.
    pub erased: usize,
    /// Mailboxes whose keys could not be opened.
    pub unreadable: Vec<(MailboxId, VaultError)>,
    /// The item that was read and compared with its hash; `None` when the vault holds no item.
    pub item: Option<DrillItem>,
}

/// An item that came back whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrillItem {
    /// Its mailbox.
    pub mailbox: MailboxId,
    /// Its reference.
    pub item: ItemKey,
    /// Size of its message.
    pub bytes: u64,
}

/// Opens the vault with a recovery key as it was written down, opens the keys of every mailbox, and reads
/// one item from end to end: a random one among the newest thousand of a random folder of a random
/// mailbox. Only reads.
///
/// # Errors
/// `Invalid` when the key is mistyped, `WrongKey` when it is another vault's, and whatever is wrong with
/// the item.
pub async fn drill(ctx: VaultContext, recovery_key: SecretString) -> Result<Drill, VaultError> {
    let vault = Vault::open(ctx, &Unlock::RecoveryKey(recovery_key)).await?;
    let mut report = Drill {
        vault: vault.id().into(),
        key_epoch: vault.info().key_epoch,
        mailboxes: 0,
        erased: 0,
        unreadable: vec![],
        item: None,
    };
    let mut candidates = vec![];
    for listing in vault.mailboxes().await? {
        match listing.details {
            Ok(_) => candidates.push(listing.id),
            Err(VaultError::Erased { .. }) => report.erased += 1,
            Err(error) => report.unreadable.push((listing.id, error)),
        }
    }
    report.mailboxes = candidates.len();
    while let Some(id) = take_random(&vault, &mut candidates) {
        report.item = read_one(&vault, id).await?;
        if report.item.is_some() {
            break;
        }
    }
    Ok(report)
}

async fn read_one(vault: &Vault, id: MailboxId) -> Result<Option<DrillItem>, VaultError> {
    let view = vault.mailbox(&id).await?.view().await?;
    let mut folders: Vec<_> = view
        .folders()
        .iter()
        .map(|it| it.folder.id.clone())
        .collect();
    while let Some(folder) = take_random(vault, &mut folders) {
        let filter = ItemFilter {
            folders: Some(vec![folder]),
            ..ItemFilter::default()
        };
        let mut items = view.items(&filter, None, MAX_PAGE).await?.items;
        items.retain(|version| version.content.is_some());
        if let Some(version) = take_random(vault, &mut items) {
            let mut mime = view.content(&version).await?.mime();
            let mut bytes = 0_u64;
            while let Some(chunk) = mime.next().await {
                let length = u64::try_from(chunk?.len()).unwrap_or(u64::MAX);
                bytes = bytes.saturating_add(length);
            }
            return Ok(Some(DrillItem {
                mailbox: id,
                item: version.key,
                bytes,
            }));
        }
    }
    Ok(None)
}

fn take_random<T>(vault: &Vault, from: &mut Vec<T>) -> Option<T> {
    let count = u64::try_from(from.len()).ok().filter(|count| *count > 0)?;
    let random = vault.context().rng.next_u64() % count;
    Some(from.swap_remove(usize::try_from(random).ok()?))
}
