//! The objects of a mailbox: all there, of the right size, readable.

use std::collections::BTreeSet;

use futures::StreamExt;
use mailkeep_vault::{Defect, MailboxId, MailboxView, PackEntry, PackNumber, VaultError, share_of};

use super::report::FindingKind;
use super::run::Place;
use super::{Finding, VerifyLevel, VerifyReport};
use crate::{Engine, StopSignal};

/// Packs, or items that suffer, read from the index at once.
const PAGE: usize = 500;

/// A defect as a sentence goes on behind the object's name.
pub(super) fn in_words(defect: &Defect) -> (FindingKind, String) {
    match defect {
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
    }
}

pub(super) struct ObjectCheck<'a> {
    pub(super) engine: &'a Engine,
    pub(super) mailbox: &'a MailboxId,
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
        if !matches!(
            self.level,
            VerifyLevel::Listing | VerifyLevel::RestoreTest(_)
        ) {
            self.packs(&mut bad).await?;
            self.checkpoints().await?;
        }
        self.name_items(&bad).await
    }

    /// The copies of the index, and the floor.
    async fn checkpoints(&mut self) -> Result<(), VaultError> {
        let is_full = self.level == VerifyLevel::Full;
        let found = self.view.check_checkpoints(is_full).await?;
        for finding in found.findings {
            self.note(finding);
        }
        for error in &found.newer {
            self.report.add_error(self.place, None, None, error);
        }
        Ok(())
    }

    /// Reads the end of every pack, or all of it, those first that were not read whole for longest.
    async fn packs(&mut self, bad: &mut BTreeSet<PackNumber>) -> Result<(), VaultError> {
        let vault = self.engine.vault();
        let mut checks = vault.pack_checks(self.mailbox).await?;
        let mut packs = vec![];
        let mut after = None;
        loop {
            let page = self.view.packs(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.number);
            packs.extend(page);
        }
        checks.keep_only(self.mailbox, &packs);
        packs.sort_by_key(|pack| checks.at(self.mailbox, pack));
        let whole = self.whole(&packs);
        let view = self.view;
        let looked_at = packs.iter().filter(|pack| !bad.contains(&pack.number));
        let looked_at: Vec<(&PackEntry, bool)> = looked_at
            .map(|pack| (pack, whole.contains(&pack.number)))
            .collect();
        let mut running = futures::stream::iter(looked_at)
            .map(|(pack, is_whole)| async move {
                let found = if is_whole {
                    view.check_pack(pack).await
                } else {
                    view.check_footer(pack).await
                };
                (pack, is_whole, found)
            })
            .buffer_unordered(self.limit);
        while let Some((pack, is_whole, found)) = running.next().await {
            self.report.packs_read += u64::from(is_whole);
            match found {
                Ok(None) if is_whole => {
                    checks.note(self.mailbox, pack, self.engine.clock().now());
                }
                Ok(None) => {}
                Ok(Some(finding)) => {
                    bad.extend(finding.pack);
                    self.note(finding);
                }
                Err(error @ VaultError::NewerThanMe { .. }) => {
                    self.report.add_error(self.place, None, None, &error);
                }
                Err(error) => return Err(error),
            }
            if self.stop.is_stopped() {
                self.report.is_stopped = true;
                break;
            }
        }
        drop(running);
        if self.level == VerifyLevel::Full && !self.report.is_stopped {
            self.commits().await?;
        }
        for pack in &packs {
            match checks.at(self.mailbox, pack) {
                None => self.report.packs_never_read += 1,
                Some(at) => {
                    let oldest = self.report.oldest_read.map_or(at, |oldest| oldest.min(at));
                    self.report.oldest_read = Some(oldest);
                }
            }
        }
        if !whole.is_empty()
            && let Err(error) = vault.put_pack_checks(self.mailbox, &checks).await
        {
            tracing::warn!(%error, "when packs were verified could not be stored");
        }
        Ok(())
    }

    /// Every commit, whole: those that a checkpoint covers are not read otherwise.
    async fn commits(&mut self) -> Result<(), VaultError> {
        let mut chain = None;
        for sequence in self.view.first_commit()..=self.view.sequence() {
            match self.view.check_next_commit(sequence, &mut chain).await {
                Ok(None) => {}
                // A missing one was found in the listing, one with contents among the packs.
                Ok(Some(finding)) => {
                    let is_known = |known: &Finding| known.message.contains(&finding.object);
                    if !self.report.findings.iter().any(is_known) {
                        self.note(finding);
                    }
                }
                Err(error @ VaultError::NewerThanMe { .. }) => {
                    self.report.add_error(self.place, None, None, &error);
                }
                Err(error) => return Err(error),
            }
            if self.stop.is_stopped() {
                self.report.is_stopped = true;
                return Ok(());
            }
        }
        Ok(())
    }

    /// The packs to read whole, out of all in the order of their last reading.
    fn whole(&self, packs: &[PackEntry]) -> BTreeSet<PackNumber> {
        let count = match self.level {
            VerifyLevel::Full => packs.len(),
            VerifyLevel::Sample(percent) => (packs.len() * usize::from(percent)).div_ceil(100),
            VerifyLevel::Part { part, of } => {
                let share = part.saturating_sub(1);
                let is_mine = |pack: &&PackEntry| share_of(self.mailbox, pack, of) == share;
                let mine = packs.iter().filter(is_mine);
                return mine.map(|pack| pack.number).collect();
            }
            _ => 0,
        };
        packs.iter().take(count).map(|pack| pack.number).collect()
    }

    fn note(&mut self, finding: mailkeep_vault::Finding) {
        if let Defect::Unreferenced { size_bytes } = finding.defect {
            self.report.unreferenced_objects += 1;
            self.report.unreferenced_bytes += size_bytes;
            return;
        }
        let (kind, what) = in_words(&finding.defect);
        let remedy = if finding.object.ends_with("/floor") {
            "the next `mailkeep retain` makes it anew"
        } else {
            "restore it from a replica or an older version of the bucket, or run `mailkeep repair`"
        };
        self.report.add(Finding {
            mailbox: self.place.mailbox.to_string(),
            address: self.place.address.clone(),
            item: None,
            folder: None,
            kind,
            message: format!("object {} {what}; {remedy}", finding.object),
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
                let folder = self.view.folder(&version.item.folder);
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
