//! The mailboxes of a vault.

use mailkeep_vault::{Mailbox, MailboxDetails, MailboxId};

use crate::{Engine, EngineError};

/// One mailbox of the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxEntry {
    /// Its id in the vault.
    pub id: MailboxId,
    /// Whose it is, or why that cannot be read. Damage to one mailbox never hides the others.
    pub details: Result<MailboxDetails, String>,
}

/// One page of the mailboxes of the vault, by their ids in it: at most `limit` after `after`. The second
/// part is true when there are more.
///
/// # Errors
/// When the vault cannot be listed.
pub async fn mailbox_page(
    engine: &Engine,
    after: Option<&MailboxId>,
    limit: usize,
) -> Result<(Vec<MailboxEntry>, bool), EngineError> {
    let (page, has_more) = engine.vault().mailbox_page(after, limit).await?;
    let entries = page.into_iter().map(|listing| MailboxEntry {
        id: listing.id,
        details: listing.details.map_err(|error| error.to_string()),
    });
    Ok((entries.collect(), has_more))
}

/// Every mailbox of the vault, by address.
///
/// # Errors
/// When the vault cannot be listed.
pub async fn mailboxes(engine: &Engine) -> Result<Vec<MailboxEntry>, EngineError> {
    let mut entries: Vec<MailboxEntry> = engine
        .vault()
        .mailboxes()
        .await?
        .into_iter()
        .map(|listing| MailboxEntry {
            id: listing.id,
            details: listing.details.map_err(|error| error.to_string()),
        })
        .collect();
    entries.sort_by_cached_key(|entry| {
        let details = entry.details.as_ref();
        let address = details.map(|details| details.profile.address.to_lowercase());
        (address.unwrap_or_default(), entry.id.clone())
    });
    Ok(entries)
}

/// The one mailbox with this address, this id at the source, or this id in the vault or the
/// beginning of it (at least 4 characters).
///
/// # Errors
/// When none or several match.
pub async fn find_mailbox(engine: &Engine, wanted: &str) -> Result<Mailbox, EngineError> {
    if let Ok(id) = wanted.parse::<MailboxId>()
        && let Ok(mailbox) = engine.vault().mailbox(&id).await
    {
        return Ok(mailbox);
    }
    let lower = wanted.trim().to_lowercase();
    let found: Vec<MailboxId> = mailboxes(engine)
        .await?
        .into_iter()
        .filter(|entry| is_meant(entry, wanted, &lower))
        .map(|entry| entry.id)
        .collect();
    match found.as_slice() {
        [id] => Ok(engine.vault().mailbox(id).await?),
        [] => Err(EngineError::NoSuchMailbox {
            wanted: wanted.to_owned(),
        }),
        several => Err(EngineError::AmbiguousMailbox {
            wanted: wanted.to_owned(),
            count: several.len(),
        }),
    }
}

fn is_meant(entry: &MailboxEntry, wanted: &str, lower: &str) -> bool {
    let by_profile = entry.details.as_ref().is_ok_and(|details| {
        details.profile.address.to_lowercase() == lower || details.profile.id.as_str() == wanted
    });
    by_profile || (lower.len() >= 4 && entry.id.as_str().starts_with(lower))
}
