//! Whether a mailbox could be put together again from its packs alone, with all commits gone.

use std::collections::BTreeSet;

use mailkeep_vault::{MailboxView, PackId, PackNumber, VaultError};

use super::run::Place;
use super::{Finding, FindingKind, VerifyReport};

/// Packs, or items, read from the index at once.
const PAGE: usize = 500;

/// Compares what packs say about the items in them with the index.
pub(super) async fn check(
    view: &MailboxView,
    place: &Place,
    report: &mut VerifyReport,
) -> Result<(), VaultError> {
    let (mut own, mut in_log) = (BTreeSet::new(), BTreeSet::new());
    let mut told = BTreeSet::new();
    let mut after = None;
    loop {
        let packs = view.packs(after, PAGE).await?;
        let Some(last) = packs.last() else { break };
        after = Some(last.number);
        for pack in packs {
            if matches!(pack.id, PackId::Segment(_)) {
                in_log.insert(pack.number);
                continue;
            }
            own.insert(pack.number);
            match view.items_told_by(&pack).await {
                Ok(items) => {
                    let items = items.into_iter();
                    told.extend(
                        items.map(|(key, content)| (pack.number, content.place.frame.number, key)),
                    );
                }
                Err(error) => report.add_error(place, None, None, &error),
            }
        }
    }
    let unknown = each(view, &own, |version, content| {
        let frame = content.place.frame.number;
        let is_told = told.contains(&(content.place.pack, frame, version.key));
        report.rebuildable += u64::from(is_told);
        (!is_told).then(|| Finding {
            mailbox: place.mailbox.to_string(),
            address: place.address.clone(),
            item: Some(version.key.to_string()),
            folder: None,
            kind: FindingKind::NotRebuildable,
            message: "its pack does not say whose it is; without the log it would be lost".into(),
        })
    })
    .await?;
    for finding in unknown {
        report.add(finding);
    }
    each(view, &in_log, |_, _| {
        report.only_in_log += 1;
        None
    })
    .await?;
    Ok(())
}

/// Calls `look` for every version whose content lies in these packs.
async fn each(
    view: &MailboxView,
    packs: &BTreeSet<PackNumber>,
    mut look: impl FnMut(&mailkeep_vault::ItemVersion, &mailkeep_vault::ContentRef) -> Option<Finding>,
) -> Result<Vec<Finding>, VaultError> {
    let mut found = vec![];
    let mut after = None;
    loop {
        let page = view.items_in_packs(packs, after.as_ref(), PAGE).await?;
        for version in &page.items {
            if let Some(content) = &version.content {
                found.extend(look(version, content));
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(found),
        }
    }
}
