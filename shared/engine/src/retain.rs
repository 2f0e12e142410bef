//! Retention: what would go, mailbox by mailbox.

use mailkeep_vault::{MailboxId, MailboxPlan};

use crate::{Engine, EngineError};

/// What retention means for one mailbox.
#[derive(Clone, Debug)]
pub struct MailboxRetention {
    /// Its id in the vault.
    pub mailbox: MailboxId,
    /// Its address, when that can be read.
    pub address: Option<String>,
    /// The plan, or why there is none. Damage to one mailbox never hides the others.
    pub plan: Result<MailboxPlan, String>,
}

/// Finds out what retention means now for these mailboxes, or for all when none is named. Changes nothing.
///
/// # Errors
/// When the vault cannot be listed, or a policy or hold cannot be read: nothing is decided without all of
/// them.
pub async fn plan(
    engine: &Engine,
    mailboxes: &[MailboxId],
) -> Result<Vec<MailboxRetention>, EngineError> {
    let vault = engine.vault();
    let settings = vault.retention_settings().await?;
    let mut plans = vec![];
    for listing in vault.mailboxes().await? {
        if !mailboxes.is_empty() && !mailboxes.contains(&listing.id) {
            continue;
        }
        let address = listing.details.as_ref().ok();
        let address = address.map(|details| details.profile.address.clone());
        let plan = match listing.details {
            Err(error) => Err(error),
            Ok(_) => match vault.mailbox(&listing.id).await {
                Err(error) => Err(error),
                Ok(mailbox) => mailbox.plan_retention(&settings).await,
            },
        };
        plans.push(MailboxRetention {
            mailbox: listing.id,
            address,
            plan: plan.map_err(|error| error.to_string()),
        });
    }
    Ok(plans)
}
