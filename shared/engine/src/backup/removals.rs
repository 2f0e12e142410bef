//! Removals: a source that names an item as removed only says that it is no longer in that folder.
//! It may have moved, and with immutable ids an item that moved away and back is named as removed
//! although it is there. So removals are kept as pending, in the same commit as the cursor that
//! passed them, and each is verified after all folders were followed.

use mailkeep_exchange::SourceItem;
use mailkeep_model::{FolderId, ItemId};

use super::gaps::LOCATE_AT_ONCE;
use super::halt::{Halt, Verdict, judge};
use super::session::Session;

impl Session {
    /// The source says that the item is no longer in this folder. One that the vault never saw is
    /// doubted as well: it may have come, moved away and come back between two runs. One that was
    /// seen in another folder since is not.
    pub(super) fn doubt(&mut self, id: &ItemId, folder: &FolderId) -> Result<(), Halt> {
        let known = self.writer.known(id);
        if known.is_none_or(|known| known.folder == *folder) {
            self.doubt_any(id, folder)?;
        }
        Ok(())
    }

    /// The item may be gone, wherever it was.
    pub(super) fn doubt_any(&mut self, id: &ItemId, folder: &FolderId) -> Result<(), Halt> {
        self.is_substantive = true;
        self.writer.add_pending_removal(id, folder);
        self.pending.insert(id.clone(), folder.clone());
        Ok(())
    }

    /// Everything that the vault holds in this folder may be gone.
    pub(super) async fn doubt_all_in(&mut self, folder: &FolderId) -> Result<(), Halt> {
        self.commit_staged_items(folder).await?;
        for key in self.writer.known_keys_in(folder) {
            if let Some(version) = self.writer.current(key).await? {
                self.doubt_any(&version.item.id, folder)?;
            }
        }
        Ok(())
    }

    /// The item is there after all.
    pub(super) fn trust(&mut self, id: &ItemId) -> Result<(), Halt> {
        if self.pending.remove(id).is_some() {
            self.writer.resolve_pending_removal(id);
            self.is_substantive = true;
        }
        Ok(())
    }

    /// The item is gone, or left the scope of the backup: its versions stay, the newest ends here.
    pub(super) fn forget(&mut self, id: &ItemId) -> Result<(), Halt> {
        if self.writer.known(id).is_some() {
            self.writer.remove_item(id);
            self.counters.items_deleted += 1;
        }
        self.is_substantive = true;
        self.close_gap(id)?;
        self.forget_left_out(id);
        self.trust(id)
    }

    /// Verifies every pending removal, those of an interrupted run included.
    pub(super) async fn settle_removals(&mut self) -> Result<(), Halt> {
        let mut after: Option<ItemId> = None;
        loop {
            self.check_stop()?;
            let chunk: Vec<ItemId> = match &after {
                None => self.pending.keys().take(LOCATE_AT_ONCE).cloned().collect(),
                Some(last) => {
                    let rest = (
                        std::ops::Bound::Excluded(last.clone()),
                        std::ops::Bound::Unbounded,
                    );
                    let rest = self.pending.range(rest);
                    rest.map(|(id, _)| id.clone())
                        .take(LOCATE_AT_ONCE)
                        .collect()
                }
            };
            let Some(last) = chunk.last() else {
                return Ok(());
            };
            after = Some(last.clone());
            let answers = match self.context.source.locate(&self.mailbox, &chunk).await {
                Ok(answers) => answers,
                Err(error) => match judge(error) {
                    Verdict::Halt(halt) => return Err(halt),
                    Verdict::Resync(e) | Verdict::Passing(e) | Verdict::Permanent(e) => {
                        self.warn_unverified(&e.to_string());
                        return Ok(());
                    }
                    Verdict::Gone => return Ok(()),
                },
            };
            let mut found = vec![];
            for (id, answer) in answers {
                match answer {
                    Ok(Some(item)) if self.is_followed(&item.item.folder) => found.push(*item),
                    // Moved during this run to a folder that was made during this run: the next
                    // run knows it.
                    Ok(Some(item)) if self.is_unknown_yet(&id, &item.item.folder) => {}
                    Ok(_) => self.forget(&id)?,
                    Err(error) => match judge(error) {
                        Verdict::Halt(halt) => return Err(halt),
                        Verdict::Gone => self.forget(&id)?,
                        Verdict::Resync(e) | Verdict::Passing(e) | Verdict::Permanent(e) => {
                            self.warn_unverified(&e.to_string());
                        }
                    },
                }
            }
            self.keep_found(found).await?;
            self.commit_if_due().await?;
        }
    }

    /// True for a folder that the tree does not name, when the item was doubted in this run only:
    /// a removal that was pending before was so before the tree was read.
    fn is_unknown_yet(&self, id: &ItemId, folder: &FolderId) -> bool {
        !self.tree.contains(folder) && !self.pending_before.contains(id)
    }

    /// Items that were named as removed and are there.
    async fn keep_found(&mut self, found: Vec<SourceItem>) -> Result<(), Halt> {
        let places: Vec<(ItemId, FolderId)> = found
            .iter()
            .map(|item| (item.item.id.clone(), item.item.folder.clone()))
            .collect();
        // They stay pending until they are staged: a commit on the way must not forget them.
        self.process(found).await?;
        for (id, folder) in places {
            self.trust(&id)?;
            if self.gone.remove(&id) {
                self.record_contradiction(&id, &folder)?;
            }
        }
        Ok(())
    }

    fn warn_unverified(&mut self, cause: &str) {
        let text = format!(
            "removals could not be verified and count as present until the next run: {cause}"
        );
        if self.warnings.last() != Some(&text) {
            self.warnings.push(text);
        }
    }
}
