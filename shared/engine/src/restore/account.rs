//! Keeping account of a restore: what each item counts as, and whether it ends the restore.

use std::collections::HashSet;

use mailkeep_exchange::SourceError;
use mailkeep_model::{Action, FailureClass, ItemKind};
use mailkeep_vault::ItemVersion;

use super::ItemProblem;
use super::one::Done;
use super::run::{End, Restore};
use crate::Event;
use crate::error::vault_code;

/// True for a failure that is not the item's.
fn may_pass(error: &SourceError) -> bool {
    matches!(
        error.class.action(),
        Action::Retry | Action::StopConnection | Action::StopMailbox
    ) && error.class != FailureClass::Vault
}

/// Problems kept in a summary.
const MAX_PROBLEMS: usize = 1000;
/// Failures of the service in a row after which a restore ends; repeating it goes on.
const MAX_FAILURES_IN_A_ROW: u32 = 8;

/// A kind as JSON has it.
fn kind_name(kind: ItemKind) -> String {
    match serde_json::to_value(kind) {
        Ok(serde_json::Value::String(name)) => name,
        _ => "other".into(),
    }
}

impl Restore {
    pub(super) fn note(&mut self, version: &ItemVersion, done: Done) -> Result<(), End> {
        self.progress.items_done += 1;
        let summary = &mut self.summary;
        let mut created = |losses: &[String], replaced| {
            summary.restored += 1;
            summary.replaced += replaced;
            summary.with_losses += u64::from(!losses.is_empty());
            summary.bytes += version.item.size_bytes;
        };
        match done {
            Done::Created { losses, replaced } => {
                created(&losses, replaced);
                self.failures_in_a_row = 0;
                self.settle_streak();
                self.progress.bytes_done += version.item.size_bytes;
                for loss in losses {
                    self.problem(version, None, "loss", loss);
                }
            }
            Done::AlreadyThere { replaced } => {
                summary.already_there += 1;
                summary.replaced += replaced;
            }
            Done::Skipped => summary.skipped += 1,
            Done::NotRestorable => {
                summary.failed += 1;
                let kind = kind_name(version.item.kind);
                *summary.not_restorable.entry(kind.clone()).or_default() += 1;
                let message = format!(
                    "the target cannot have items of the kind {kind}; restore it to an Exchange server, \
                     or export it"
                );
                let class = Some(FailureClass::ItemPermanent);
                self.problem(version, class, "not_restorable", message);
            }
            Done::NotReplaced { losses, error } => {
                created(&losses, 0);
                for loss in losses {
                    self.problem(version, None, "loss", loss);
                }
                let message =
                    format!("the new item is complete, the old one is still there: {error}");
                self.summary.failed += 1;
                self.problem(version, Some(error.class), &error.code, message);
            }
            Done::Damaged(error) => {
                summary.failed += 1;
                let class = Some(FailureClass::Vault);
                self.problem(version, class, vault_code(&error), error.to_string());
            }
            Done::Failed(error) => {
                summary.failed += 1;
                if may_pass(&error) {
                    self.streak.push(version.key);
                } else {
                    self.cursor.item(version.key);
                }
                self.problem(
                    version,
                    Some(error.class),
                    &error.code,
                    error.message.clone(),
                );
                return self.judge(error);
            }
        }
        self.cursor.item(version.key);
        Ok(())
    }

    /// The service works: what failed before failed for itself.
    pub(super) fn settle_streak(&mut self) {
        for key in self.streak.drain(..) {
            self.cursor.item(key);
        }
    }

    /// The service does not work: what failed is no failure of single items.
    pub(super) fn forget_streak(&mut self) {
        let streak: HashSet<_> = self.streak.drain(..).map(|key| key.to_string()).collect();
        let problems = &mut self.summary.problems;
        problems.retain(|problem| !streak.contains(&problem.item));
        let failed = u64::try_from(streak.len()).unwrap_or_default();
        self.summary.failed = self.summary.failed.saturating_sub(failed);
        self.progress.items_done = self.progress.items_done.saturating_sub(failed);
    }

    /// Does a failed item end the restore?
    fn judge(&mut self, error: SourceError) -> Result<(), End> {
        match error.class.action() {
            _ if error.class == FailureClass::Vault => Ok(()),
            Action::StopConnection | Action::StopMailbox => Err(End::Failed(error)),
            Action::Retry => {
                self.failures_in_a_row += 1;
                let is_down = error.class == FailureClass::Throttled
                    || self.failures_in_a_row >= MAX_FAILURES_IN_A_ROW;
                if is_down {
                    Err(End::Failed(error))
                } else {
                    Ok(())
                }
            }
            _ => Ok(()),
        }
    }

    fn problem(
        &mut self,
        version: &ItemVersion,
        class: Option<FailureClass>,
        code: &str,
        message: String,
    ) {
        if let Some(class) = class {
            self.observer.event(&Event::TransferFailed {
                item: version.key.to_string(),
                message: message.clone(),
                class,
            });
        }
        if self.summary.problems.len() < MAX_PROBLEMS {
            let folder = self.view.folder(&version.item.folder);
            self.summary.problems.push(ItemProblem {
                item: version.key.to_string(),
                folder: folder.map(|it| it.path.to_string()).unwrap_or_default(),
                class,
                code: code.to_owned(),
                message,
            });
        }
    }
}
