//! Items that failed in earlier runs are tried first, by id: a change feed never names them again.

use mailkeep_model::{FolderId, ItemId};

use super::halt::{Halt, Verdict, judge};
use super::session::Session;

/// Items asked for at once.
pub(super) const LOCATE_AT_ONCE: usize = 100;

impl Session {
    /// Tries every open gap again, once.
    pub(super) async fn retry_gaps(&mut self) -> Result<(), Halt> {
        let mut ids: Vec<ItemId> = self.ledger.keys().cloned().collect();
        ids.sort();
        for chunk in ids.chunks(LOCATE_AT_ONCE) {
            self.check_stop()?;
            let answers = match self.context.source.locate(&self.mailbox, chunk).await {
                Ok(answers) => answers,
                Err(error) => match judge(error) {
                    Verdict::Halt(halt) => return Err(halt),
                    Verdict::Resync(e) | Verdict::Passing(e) | Verdict::Permanent(e) => {
                        self.warnings
                            .push(format!("earlier gaps could not be tried again: {e}"));
                        return Ok(());
                    }
                    Verdict::Gone => return Ok(()),
                },
            };
            let mut found = vec![];
            for (id, answer) in answers {
                match answer {
                    Ok(Some(item)) if self.is_followed(&item.item.folder) => found.push(*item),
                    // In a folder that this run leaves out: another one fetches it.
                    Ok(Some(item)) if self.is_kept_in(&id, &item.item.folder) => {}
                    // It left the scope of the backup, or it does not exist any more.
                    Ok(_) => self.forget(&id)?,
                    Err(error) => match judge(error) {
                        Verdict::Halt(halt) => return Err(halt),
                        Verdict::Gone => self.forget(&id)?,
                        Verdict::Resync(e) | Verdict::Passing(e) | Verdict::Permanent(e) => {
                            let folder = self.ledger.get(&id).map(|gap| gap.folder.clone());
                            if let Some(folder) = folder {
                                self.record_failure(&id, &folder, e.item_failure())?;
                            }
                        }
                    },
                }
            }
            self.process(found).await?;
            self.commit_if_due().await?;
        }
        Ok(())
    }

    /// True when the vault has the item in this very folder, which still exists.
    fn is_kept_in(&self, id: &ItemId, folder: &FolderId) -> bool {
        let known = self.writer.known(id);
        known.is_some_and(|known| known.folder == *folder) && self.tree.contains(folder)
    }
}
