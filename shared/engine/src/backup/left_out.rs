//! What a job's rules leave out, and how it is taken when it qualifies later.
//!
//! A source names an item only when it changes. So an item that will be old enough one day is
//! remembered, with that day, in the commit whose cursor passed it. What only another filter would
//! take is not remembered one by one: the vault keeps a mark of the filter, and when it differs, every
//! folder is listed anew and compared. What is stored already is then neither read nor stored again.

use mailkeep_exchange::{SourceError, SourceItem};
use mailkeep_model::filter::{Decision, Facts, ItemFilter};
use mailkeep_model::job::{TrackingFailure, TrackingMethod};
use mailkeep_model::{FailureClass, ItemId};
use mailkeep_vault::LeftOut;

use super::gaps::LOCATE_AT_ONCE;
use super::halt::{Halt, Verdict, judge};
use super::session::Session;

/// What stands for a filter: two that take the same items have the same mark.
fn mark(filter: &ItemFilter) -> Result<String, Halt> {
    let text = serde_json::to_vec(filter).map_err(|error| {
        Halt::Vault(mailkeep_vault::VaultError::Bug {
            what: error.to_string(),
        })
    })?;
    let hex = blake3::hash(&text).to_hex();
    Ok(hex.chars().take(32).collect())
}

impl Session {
    /// Sets out by the rules of this run: which filter it goes by, and which cursors can be trusted.
    pub(super) fn go_by_rules(&mut self) -> Result<(), Halt> {
        let rules = self.context.request.rules.as_ref();
        let before = self.writer.filter_mark();
        self.filter_mark = match rules {
            Some(rules) => Some(mark(&rules.items)?),
            None => None,
        };
        let takes_all_known = before.is_none();
        let is_other = before != self.filter_mark;
        let lists_anew = rules.is_some_and(|it| it.tracking.method != TrackingMethod::Microsoft);
        if is_other {
            self.is_substantive = true;
        }
        // What was taken without a filter lacks nothing that any filter would take.
        if lists_anew || (is_other && !takes_all_known) {
            for folder in std::mem::take(&mut self.cursors).into_keys() {
                self.writer.set_cursor(&folder, None);
            }
        }
        Ok(())
    }

    /// What the rules say about an item.
    pub(super) fn decide(&self, item: &SourceItem) -> Decision {
        match &self.context.request.rules {
            None => Decision::Take,
            Some(rules) => {
                let facts = Facts::new(&item.item, None);
                rules.items.for_cycle(rules.cycle_at).decide(&facts)
            }
        }
    }

    /// True when content is read even where nothing seems to have changed.
    pub(super) fn reads_everything(&self) -> bool {
        let rules = self.context.request.rules.as_ref();
        rules.is_some_and(|rules| rules.tracking.method == TrackingMethod::None)
    }

    /// True when the job is to fail rather than to compare where the list of changes is lost.
    pub(super) fn fails_on(&self, error: &SourceError) -> bool {
        let rules = self.context.request.rules.as_ref();
        error.class == FailureClass::SyncReset
            && rules.is_some_and(|rules| {
                rules.tracking.method == TrackingMethod::Microsoft
                    && rules.tracking.on_failure == TrackingFailure::Fail
            })
    }

    /// Remembers an item that was left out, or that it need not be remembered.
    pub(super) fn note_decision(&mut self, item: &SourceItem, decision: Decision) {
        let id = &item.item.id;
        let recheck_at = match decision {
            Decision::Take => None,
            Decision::LeaveOut { recheck_at, .. } => recheck_at,
        };
        match recheck_at {
            Some(recheck_at) => {
                let left_out = LeftOut {
                    item: id.clone(),
                    folder: item.item.folder.clone(),
                    recheck_at,
                };
                if self.left_out.get(id) != Some(&left_out) {
                    self.writer.leave_out(left_out.clone());
                    self.left_out.insert(id.clone(), left_out);
                    self.is_substantive = true;
                }
            }
            None => self.forget_left_out(id),
        }
    }

    /// The item need not be asked about again.
    pub(super) fn forget_left_out(&mut self, id: &ItemId) {
        if self.left_out.remove(id).is_some() {
            self.writer.forget_left_out(id);
            self.is_substantive = true;
        }
    }

    /// Asks about the items that are due, by id, and takes those that qualify now.
    pub(super) async fn ask_about_left_out(&mut self) -> Result<(), Halt> {
        let now = match &self.context.request.rules {
            Some(rules) => rules.cycle_at,
            // Everything is taken: every folder is listed anew, and nothing stays left out.
            None => {
                for id in self.left_out.keys().cloned().collect::<Vec<_>>() {
                    self.forget_left_out(&id);
                }
                return Ok(());
            }
        };
        let due = self.left_out.values().filter(|it| it.recheck_at <= now);
        let mut due: Vec<ItemId> = due.map(|it| it.item.clone()).collect();
        due.sort();
        for chunk in due.chunks(LOCATE_AT_ONCE) {
            self.check_stop()?;
            let answers = match self.context.source.locate(&self.mailbox, chunk).await {
                Ok(answers) => answers,
                Err(error) => match judge(error) {
                    Verdict::Halt(halt) => return Err(halt),
                    Verdict::Resync(e) | Verdict::Passing(e) | Verdict::Permanent(e) => {
                        self.warnings.push(format!(
                            "items that were left out could not be asked about: {e}"
                        ));
                        return Ok(());
                    }
                    Verdict::Gone => return Ok(()),
                },
            };
            let mut found = vec![];
            for (id, answer) in answers {
                match answer {
                    Ok(Some(item)) if self.is_followed(&item.item.folder) => found.push(*item),
                    // It left the scope of the backup, or it does not exist any more.
                    Ok(_) => self.forget_left_out(&id),
                    Err(error) => match judge(error) {
                        Verdict::Halt(halt) => return Err(halt),
                        Verdict::Gone => self.forget_left_out(&id),
                        // Asked about again in the next run.
                        Verdict::Resync(_) | Verdict::Passing(_) | Verdict::Permanent(_) => {}
                    },
                }
            }
            self.process(found).await?;
            self.commit_if_due().await?;
        }
        Ok(())
    }
}
