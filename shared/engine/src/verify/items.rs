//! Reading items in full.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use mailkeep_ports::Rng;
use mailkeep_vault::{ItemFilter, ItemKey, ItemVersion, MailboxView, VaultError};

use super::VerifyReport;
use super::run::Place;
use crate::StopSignal;

/// Items read from the index at once.
const PAGE: usize = 200;

pub(super) struct ItemCheck<'a> {
    pub(super) view: &'a MailboxView,
    pub(super) place: &'a Place,
    pub(super) percent: u8,
    /// Makes every sample another one.
    pub(super) seed: u64,
    pub(super) limit: usize,
    pub(super) stop: &'a StopSignal,
    pub(super) report: &'a mut VerifyReport,
    pub(super) checked: u64,
}

impl ItemCheck<'_> {
    /// Reads every version of every item that is in the sample.
    pub(super) async fn all(
        &mut self,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), VaultError> {
        let filter = ItemFilter {
            include_deleted: true,
            ..ItemFilter::default()
        };
        let mut after = None;
        loop {
            let page = self.view.items(&filter, after.as_ref(), PAGE).await?;
            let mut versions = vec![];
            for item in page.items {
                self.checked += 1;
                if self.is_in_sample(item.key) {
                    self.older(&item, &mut versions).await;
                    versions.push(item);
                }
            }
            self.read(versions).await;
            progress(self.checked);
            if self.stop.is_stopped() {
                self.report.is_stopped = true;
                return Ok(());
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Reads so many items, chosen by chance. Every item is equally likely.
    pub(super) async fn some(&mut self, number: usize, rng: &dyn Rng) -> Result<(), VaultError> {
        let mut chosen: Vec<ItemVersion> = vec![];
        let mut seen = 0_u64;
        let mut after = None;
        loop {
            let filter = ItemFilter::default();
            let page = self.view.items(&filter, after.as_ref(), PAGE).await?;
            for item in page.items {
                seen += 1;
                if chosen.len() < number {
                    chosen.push(item);
                } else if let Some(slot) = usize::try_from(rng.next_u64() % seen)
                    .ok()
                    .and_then(|at| chosen.get_mut(at))
                {
                    *slot = item;
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        self.read(chosen).await;
        self.report.is_stopped |= self.stop.is_stopped();
        Ok(())
    }

    fn is_in_sample(&self, key: ItemKey) -> bool {
        // Multiplying by an odd number and taking high bits spreads any keys evenly.
        let mixed = (key.0 ^ self.seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        mixed % 100 < u64::from(self.percent)
    }

    /// The versions before this one whose content is another.
    async fn older(&mut self, item: &ItemVersion, versions: &mut Vec<ItemVersion>) {
        match self.view.versions(item.key).await {
            Ok(all) => {
                let mut seen = vec![item.content];
                for version in all {
                    if !seen.contains(&version.content) {
                        seen.push(version.content);
                        versions.push(version);
                    }
                }
            }
            Err(error) => self.note(item, &error),
        }
    }

    async fn read(&mut self, versions: Vec<ItemVersion>) {
        let view = self.view;
        let mut queue = versions.into_iter();
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < self.limit
                && !self.stop.is_stopped()
                && let Some(version) = queue.next()
            {
                running.push(async move {
                    let read = read_whole(view, &version).await;
                    (version, read)
                });
            }
            match running.next().await {
                None => return,
                Some((_, Ok(bytes))) => {
                    self.report.items_read += 1;
                    self.report.bytes_read += bytes;
                }
                Some((version, Err(error))) => self.note(&version, &error),
            }
        }
    }

    fn note(&mut self, version: &ItemVersion, error: &VaultError) {
        let mut folders = self.view.folders().iter();
        let folder = folders.find(|folder| folder.folder.id == version.item.folder);
        let item = version.key.to_string();
        let folder = folder.map(|folder| folder.path.to_string());
        self.report
            .add_error(self.place, Some(&item), folder, error);
    }
}

/// Reads a message and its export stream to their ends; the streams compare the whole hash.
async fn read_whole(view: &MailboxView, version: &ItemVersion) -> Result<u64, VaultError> {
    if version.content.is_none() && version.lost.is_none() {
        return Ok(0);
    }
    let reader = view.content(version).await?;
    let mut whole = reader.mime().chain(reader.export());
    let mut bytes = 0;
    while let Some(piece) = whole.next().await {
        bytes += u64::try_from(piece?.len()).unwrap_or(u64::MAX);
    }
    Ok(bytes)
}
