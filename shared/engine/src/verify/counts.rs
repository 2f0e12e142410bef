//! Comparing the vault with what the source counts. A backup that only agrees with itself proves
//! nothing about completeness.

use std::collections::BTreeMap;

use mailkeep_exchange::{Source, SyncRequest};
use mailkeep_model::{FolderId, WellKnownFolder};
use mailkeep_vault::{ItemFilter, Mailbox, MailboxView};

use super::run::Place;
use super::{Finding, FindingKind, VerifyReport};
use crate::EngineError;

/// Items read from the index at once.
const PAGE: usize = 1000;

/// Asks the source how many items each folder has, and adds a finding for each folder where the
/// vault accounts for another number. Changes since the last backup explain small differences.
///
/// # Errors
/// When the source or the mailbox's index cannot be read.
pub async fn compare_with_source(
    source: &dyn Source,
    mailbox: &Mailbox,
    report: &mut VerifyReport,
) -> Result<(), EngineError> {
    let view = mailbox.view().await?;
    let request = SyncRequest {
        known_folders: view
            .folders()
            .iter()
            .map(|stored| stored.folder.clone())
            .collect(),
        ..SyncRequest::default()
    };
    let tree = source.sync(&mailbox.profile().id, request).await?.tree?;
    let place = Place {
        mailbox: mailbox.id().clone(),
        address: Some(mailbox.profile().address.clone()),
    };
    let held = held(&view).await?;
    for folder in &tree.folders {
        let count = held.get(&folder.id).copied().unwrap_or(0);
        let is_left_out = folder.is_hidden
            || folder
                .well_known
                .is_some_and(WellKnownFolder::is_recoverable);
        let Some(counted) = folder.total_items else {
            continue;
        };
        if counted == count || (count == 0 && is_left_out) {
            continue;
        }
        let stored = view
            .folders()
            .iter()
            .find(|stored| stored.folder.id == folder.id);
        report.add(Finding {
            mailbox: place.mailbox.to_string(),
            address: place.address.clone(),
            item: None,
            folder: Some(stored.map_or_else(|| folder.name.clone(), |s| s.path.to_string())),
            kind: FindingKind::CountDiffers,
            message: format!(
                "the source counts {counted} items, the vault accounts for {count}; run a backup and compare again"
            ),
        });
    }
    Ok(())
}

/// Items per folder, with those that are known to be missing.
async fn held(view: &MailboxView) -> Result<BTreeMap<FolderId, u64>, EngineError> {
    let mut held: BTreeMap<FolderId, u64> = BTreeMap::new();
    for gap in view.gaps() {
        *held.entry(gap.folder).or_default() += 1;
    }
    let mut after = None;
    loop {
        let page = view
            .items(&ItemFilter::default(), after.as_ref(), PAGE)
            .await?;
        for version in page.items {
            *held.entry(version.item.folder).or_default() += 1;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(held),
        }
    }
}
