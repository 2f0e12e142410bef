//! Completeness by numbers: what the vault holds is compared with what the source counts.
//!
//! A feed may conceal an item: one that came out of a folder that is not backed up, for example, is named
//! nowhere by services that show a move as a removal only. A folder whose count differs is therefore listed
//! anew, once in a run. Its cursor then remembers by how much it still differs, so that the next run does not
//! list it again for the same reason.

use mailkeep_model::FolderId;

use super::cursor::StoredCursor;
use super::halt::{Halt, Verdict, judge};
use super::session::Session;
use crate::Event;

impl Session {
    /// Lists folders anew whose count differs.
    pub(super) async fn heal_counts(&mut self) -> Result<(), Halt> {
        self.forget_differences();
        let suspects = self.suspects();
        if suspects.is_empty() {
            return Ok(());
        }
        // What changed since the run began explains most differences.
        for folder in &suspects {
            self.follow(folder, None).await?;
        }
        match self
            .context
            .source
            .count_items(&self.mailbox, &suspects)
            .await
        {
            Ok(counts) => self.counted.extend(counts),
            Err(error) => {
                return match judge(error) {
                    Verdict::Halt(halt) => Err(halt),
                    _ => Ok(()),
                };
            }
        }
        self.settle_removals().await?;
        let suspects = self.suspects();
        for folder in &suspects {
            self.counters.resyncs += 1;
            self.is_substantive = true;
            self.put_cursor(folder, None);
            self.emit(&Event::FolderResync {
                mailbox: self.mailbox.clone(),
                folder: self.folder_name(folder),
            });
            self.follow(folder, None).await?;
        }
        self.settle_removals().await?;
        for folder in suspects {
            self.remember_difference(folder);
        }
        Ok(())
    }

    /// Folders that differ, and not by what they differed after they were listed anew.
    fn suspects(&self) -> Vec<FolderId> {
        let differing = self.counted.keys().filter(|folder| {
            let difference = self.difference(folder).unwrap_or(0);
            difference != 0 && self.differences.get(*folder) != Some(&difference)
        });
        differing.cloned().collect()
    }

    /// What folders differed by does not matter any more once they agreed.
    fn forget_differences(&mut self) {
        let marked: Vec<FolderId> = self.differences.keys().cloned().collect();
        for folder in marked {
            if self.difference(&folder) == Some(0) {
                self.is_substantive = true;
                self.remember_difference(folder);
            }
        }
    }

    /// Writes into the cursor of a folder by how much it differs now.
    fn remember_difference(&mut self, folder: FolderId) {
        let difference = self.difference(&folder).filter(|number| *number != 0);
        let cursor = self.cursors.get(&folder).map(|it| StoredCursor {
            difference,
            ..StoredCursor::read(it)
        });
        self.put_cursor(&folder, cursor);
        match difference {
            Some(number) => self.differences.insert(folder, number),
            None => self.differences.remove(&folder),
        };
    }

    /// By how much the source counts more than the vault accounts for; `None` where that cannot be said.
    fn difference(&self, folder: &FolderId) -> Option<i128> {
        // What a filter leaves out is not counted one by one.
        if self.filter_mark.is_some()
            || !self.scope.contains(folder)
            || self.incomplete.contains_key(folder)
        {
            return None;
        }
        let counted = *self.counted.get(folder)?;
        Some(i128::from(counted) - i128::from(self.accounted(folder)))
    }

    /// Items that the vault holds in this folder, or knows to be missing.
    fn accounted(&self, folder: &FolderId) -> u64 {
        let held = self.writer.count_known_in(folder);
        let gaps = self.ledger.values().filter(|gap| gap.folder == *folder);
        let unstored = gaps
            .filter(|gap| self.writer.known(&gap.item).is_none())
            .count();
        held.saturating_add(u64::try_from(unstored).unwrap_or(u64::MAX))
    }

    /// Says where the numbers differ in the end. A change during the run makes them differ too, so this warns
    /// and does not judge.
    pub(super) fn compare_counts(&mut self) {
        let differing = self.counted.iter().filter(|(folder, _)| {
            let difference = self.difference(folder);
            difference.is_some_and(|difference| difference != 0)
        });
        let warnings: Vec<String> = differing
            .map(|(folder, counted)| {
                format!(
                    "folder `{}`: the source counted {counted} items, the vault accounts for {}; \
                     changes during the run explain small differences",
                    self.tree.path(folder),
                    self.accounted(folder)
                )
            })
            .collect();
        self.warnings.extend(warnings);
    }
}
