//! The objects of a mailbox: all there, of the right size, readable.

use std::collections::BTreeSet;

use futures::StreamExt;
use mailkeep_vault::{Defect, MailboxView, PackEntry, PackNumber, VaultError};

use super::report::FindingKind;
use super::run::Place;
use super::{Finding, VerifyLevel, VerifyReport};
use crate::StopSignal;

/// Packs, or items that suffer, read from the index at once.
const PAGE: usize = 500;

pub(super) struct ObjectCheck<'a> {
    pub(super) view: &'a MailboxView,
    pub(super) place: &'a Place,
    pub(super) level: VerifyLevel,
    pub(super) limit: usize,
    pub(super) stop: &'a StopSignal,
    pub(super) report: &'a mut VerifyReport,
}

impl ObjectCheck<'_> {
    /// Lists the objects, then reads the end of every pack, or at the full level all of it. Names
    /// the items whose content lies in what is damaged.
    pub(super) async fn all(&mut self) -> Result<(), VaultError> {
        let mut found = vec![];
        let counts = self
            .view
            .check_objects(|finding| found.push(finding))
            .await?;
        self.report.objects += counts.segments + counts.packs + counts.checkpoints;
        let mut bad = BTreeSet::new();
        for finding in found {
            bad.extend(finding.pack);
            self.note(finding);
        }
        let mut after = None;
        loop {
            let packs = self.view.packs(after, PAGE).await?;
            let Some(last) = packs.last() else { break };
            after = Some(last.number);
            let packs = packs.into_iter().filter(|pack| !bad.contains(&pack.number));
            let packs: Vec<PackEntry> = packs.collect();
            let (view, level) = (self.view, self.level);
            let mut checks = futures::stream::iter(&packs)
                .map(|pack| async move {
                    match level {
                        VerifyLevel::Full => view.check_pack(pack).await,
                        VerifyLevel::Quick | VerifyLevel::Sample(_) => {
                            view.check_footer(pack).await
                        }
                    }
                })
                .buffer_unordered(self.limit);
            while let Some(finding) = checks.next().await {
                if let Some(finding) = finding? {
                    bad.extend(finding.pack);
                    self.note(finding);
                }
                if self.stop.is_stopped() {
                    self.report.is_stopped = true;
                    return Ok(());
                }
            }
        }
        self.name_items(&bad).await
    }

    fn note(&mut self, finding: mailkeep_vault::Finding) {
        let (kind, what) = match finding.defect {
            Defect::Unreferenced { size_bytes } => {
                self.report.unreferenced_objects += 1;
                self.report.unreferenced_bytes += size_bytes;
                return;
            }
            Defect::Missing => (FindingKind::Missing, "is missing".to_owned()),
            Defect::WrongSize { expected, found } => (
                FindingKind::Corrupt,
                format!("has {found} bytes where {expected} were written"),
            ),
            Defect::Damaged { what } => (FindingKind::Corrupt, format!("is damaged: {what}")),
            _ => (
                FindingKind::Corrupt,
                "is not as the index describes it".to_owned(),
            ),
        };
        self.report.add(Finding {
            mailbox: self.place.mailbox.to_string(),
            address: self.place.address.clone(),
            item: None,
            folder: None,
            kind,
            message: format!(
                "object {} {what}; restore it from a replica or an older version of the bucket",
                finding.object
            ),
        });
    }

    /// Who suffers. At the levels that read items those are found anyway.
    async fn name_items(&mut self, bad: &BTreeSet<PackNumber>) -> Result<(), VaultError> {
        if bad.is_empty() || self.level == VerifyLevel::Full {
            return Ok(());
        }
        let mut after = None;
        loop {
            let page = self.view.items_in_packs(bad, after.as_ref(), PAGE).await?;
            for version in page.items {
                let mut folders = self.view.folders().iter();
                let folder = folders.find(|f| f.folder.id == version.item.folder);
                self.report.add(Finding {
                    mailbox: self.place.mailbox.to_string(),
                    address: self.place.address.clone(),
                    item: Some(version.key.to_string()),
                    folder: folder.map(|folder| folder.path.to_string()),
                    kind: FindingKind::Corrupt,
                    message: "its content lies in a missing or damaged object".into(),
                });
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }
}
