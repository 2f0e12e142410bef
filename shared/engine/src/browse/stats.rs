//! Figures.

use mailkeep_vault::{IndexCounts, Mailbox, MailboxView};
use serde::Serialize;

use super::list::is_root;
use super::mailboxes;
use crate::{Engine, EngineError};

/// Figures of one mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MailboxStats {
    /// Its id in the vault.
    pub mailbox: String,
    /// Its address.
    pub address: String,
    /// The newest commit.
    pub sequence: u64,
    /// Items in the mailbox now.
    pub items: u64,
    /// Versions of items, removed and superseded ones included.
    pub versions: u64,
    /// Folders now, the root not counted.
    pub folders: u64,
    /// Open gaps.
    pub gaps: u64,
    /// Restore points: ends of runs.
    pub snapshots: u64,
    /// Bytes of all stored messages as they were at the source.
    pub content_bytes: u64,
    /// Bytes that they take in the vault.
    pub stored_bytes: u64,
    /// Packs.
    pub packs: u64,
    /// Commits.
    pub segments: u64,
}

/// Figures of a vault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VaultStats {
    /// Mailbox by mailbox.
    pub mailboxes: Vec<MailboxStats>,
    /// Mailboxes that could not be read, with the reason.
    pub unreadable: Vec<(String, String)>,
}

impl VaultStats {
    /// Everything added up.
    #[must_use]
    pub fn total(&self) -> MailboxStats {
        let mut total = MailboxStats::default();
        for one in &self.mailboxes {
            total.items += one.items;
            total.versions += one.versions;
            total.folders += one.folders;
            total.gaps += one.gaps;
            total.snapshots += one.snapshots;
            total.content_bytes += one.content_bytes;
            total.stored_bytes += one.stored_bytes;
            total.packs += one.packs;
            total.segments += one.segments;
        }
        total
    }
}

/// Figures of one mailbox as of a view.
///
/// # Errors
/// When the index cannot be read.
pub async fn mailbox_stats(
    mailbox: &Mailbox,
    view: &MailboxView,
) -> Result<MailboxStats, EngineError> {
    let IndexCounts {
        items,
        versions,
        content_bytes,
        stored_bytes,
        packs,
        segments,
    } = view.counts();
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    Ok(MailboxStats {
        mailbox: mailbox.id().to_string(),
        address: mailbox.profile().address.clone(),
        sequence: view.sequence(),
        items,
        versions,
        folders: count(
            view.folders()
                .iter()
                .filter(|f| !f.deleted && !is_root(f))
                .count(),
        ),
        gaps: count(view.gaps().len()),
        snapshots: count(super::snapshot::ends_of_runs(view).await?),
        content_bytes,
        stored_bytes,
        packs,
        segments,
    })
}

/// Figures of the whole vault. A damaged mailbox is named and does not hide the others.
///
/// # Errors
/// When the vault cannot be listed.
pub async fn vault_stats(engine: &Engine) -> Result<VaultStats, EngineError> {
    let mut stats = VaultStats::default();
    for entry in mailboxes(engine).await? {
        match one(engine, &entry.id).await {
            Ok(one) => stats.mailboxes.push(one),
            Err(error) => stats
                .unreadable
                .push((entry.id.to_string(), error.to_string())),
        }
    }
    Ok(stats)
}

async fn one(engine: &Engine, id: &mailkeep_vault::MailboxId) -> Result<MailboxStats, EngineError> {
    let mailbox = engine.vault().mailbox(id).await?;
    let view = mailbox.view().await?;
    mailbox_stats(&mailbox, &view).await
}
