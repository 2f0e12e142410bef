//! Retention: what would go, and the run that lets go of it, mailbox by mailbox.

use mailkeep_vault::{
    MailboxId, MailboxListing, MailboxPlan, Retained, RetentionSettings, VaultError,
};

use crate::{Engine, EngineError, StopSignal};

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

/// What a run of retention did in one mailbox.
#[derive(Clone, Debug)]
pub struct MailboxRun {
    /// Its id in the vault.
    pub mailbox: MailboxId,
    /// Its address, when that can be read.
    pub address: Option<String>,
    /// What it did, or why it ended early. What was done until then counts; the next run goes on.
    pub done: Result<Retained, String>,
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
    for listing in wanted(engine, mailboxes).await? {
        let address = address(&listing);
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

/// Carries retention out in these mailboxes, or in all when none is named, one after the other: lets go of
/// what nothing promises any more, and deletes what was let go of `grace_days` ago. Safe beside backups,
/// restores and other runs of the same.
///
/// # Errors
/// When the vault cannot be listed, or a policy or hold cannot be read: nothing is decided without all of
/// them.
pub async fn run(
    engine: &Engine,
    mailboxes: &[MailboxId],
    grace_days: u32,
) -> Result<Vec<MailboxRun>, EngineError> {
    let settings = engine.vault().retention_settings().await?;
    let mut runs = vec![];
    for listing in wanted(engine, mailboxes).await? {
        runs.push(run_one(engine, listing, &settings, grace_days).await);
    }
    Ok(runs)
}

/// What a part of a sweep did.
#[derive(Debug)]
pub struct Swept {
    /// What was done, mailbox by mailbox.
    pub runs: Vec<MailboxRun>,
    /// The last of them, when others come after it.
    pub next: Option<MailboxId>,
}

/// Carries retention out in all mailboxes after `after`, in the order of their ids, until it is told to stop.
/// At least one is dealt with, so whoever goes on with `next` comes to the end.
///
/// # Errors
/// As [`run`].
pub async fn sweep(
    engine: &Engine,
    after: Option<&MailboxId>,
    grace_days: u32,
    stop: &StopSignal,
) -> Result<Swept, EngineError> {
    let settings = engine.vault().retention_settings().await?;
    let mut listings = wanted(engine, &[]).await?;
    listings.retain(|listing| after.is_none_or(|after| listing.id > *after));
    let mut runs: Vec<MailboxRun> = vec![];
    for listing in listings {
        if stop.is_stopped()
            && let Some(last) = runs.last()
        {
            let next = Some(last.mailbox.clone());
            return Ok(Swept { runs, next });
        }
        runs.push(run_one(engine, listing, &settings, grace_days).await);
    }
    Ok(Swept { runs, next: None })
}

async fn run_one(
    engine: &Engine,
    listing: MailboxListing,
    settings: &RetentionSettings,
    grace_days: u32,
) -> MailboxRun {
    let vault = engine.vault();
    let address = address(&listing);
    let refresh = || vault.retention_settings();
    let done = match listing.details {
        Err(error) => Err(error),
        Ok(_) => match vault.mailbox(&listing.id).await {
            Err(error) => Err(error),
            Ok(mailbox) => mailbox.retain(grace_days, settings, refresh).await,
        },
    };
    MailboxRun {
        mailbox: listing.id,
        address,
        done: done.map_err(|error| error.to_string()),
    }
}

/// The mailboxes that are named, or all. One that was erased has nothing left to keep.
async fn wanted(
    engine: &Engine,
    mailboxes: &[MailboxId],
) -> Result<Vec<MailboxListing>, EngineError> {
    let mut listings = engine.vault().mailboxes().await?;
    listings.retain(|listing| {
        let is_erased = matches!(
            listing.details,
            Err(VaultError::Erased {
                is_finished: true,
                ..
            })
        );
        !is_erased && (mailboxes.is_empty() || mailboxes.contains(&listing.id))
    });
    Ok(listings)
}

fn address(listing: &MailboxListing) -> Option<String> {
    let details = listing.details.as_ref().ok();
    details.map(|details| details.profile.address.clone())
}
